"""Effect sizes, Mantel-Haenszel, Peto and models of counts against R, kept in counts_and_means.json with the calls."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import kmeta as km

SETS = {
    one["id"]: one
    for one in json.loads(Path(__file__).with_name("counts_and_means.json").read_text("utf-8"))["sets"]
}
RUNS = [
    pytest.param(one, run, id=f"{name}-{run['run']}") for name, one in SETS.items() for run in one["runs"]
]
MATCH = {
    "beta": "mu",
    "se": "se",
    "ci_lb": "ci_low",
    "ci_ub": "ci_high",
    "pval": "p_value",
    "tau2": "tau2",
    "QE": "q",
    "QEp": "q_p",
    "MH": "cmh",
    "MHp": "cmh_p",
    "TA": "tarone",
    "TAp": "tarone_p",
    "BD": "breslow_day",
    "QE_LRT": "lrt",
    "QE_df": "q_df",
    "k": "k",
    "k_yi": "k",
}
ONE_GROUP = {"MN", "MNLN", "CVLN", "SDLN", "SMN"}
# metafor's Wald test of the conditional model rests on numerical slopes (test_glmm works it out otherwise), R's glm()
# stops at 1e-8 of the deviance, short of the last digits of the standard error
LOOSE = {"glmm_OR_CM.AL_EE": 1e-5, "glm_PLO_EE": 1e-5}


def number(value):
    return {"NA": math.nan, "NaN": math.nan, "Inf": math.inf, "-Inf": -math.inf}.get(value, value)


def sizes_of(name, data):
    parts = name.split("_")
    if parts[1] in ONE_GROUP:
        return km.effect_sizes(parts[1], mi=data["m1i"], sdi=data["sd1i"], ni=data["n1i"])
    if parts[1] in ("IR", "IRLN", "IRS", "IRFT"):
        return km.effect_sizes(parts[1], xi=data["x1i"], ti=data["t1i"])
    options = {}
    if "to" in parts:
        options = {"to": parts[3], "add": float(parts[4].removeprefix("add"))}
    elif parts[-1] == "nocorrect":
        options = {"correct": False}
    elif "drop00" in parts:
        options = {"drop00": True}
    elif len(parts) > 2:
        options = {"vtype": parts[2]}
    return km.effect_sizes(parts[1], **data, **options)


def fit_of(name, data):
    parts = name.split("_")
    if name == "rma_peto":
        return km.peto(**data)
    if name.startswith("rma_mh"):
        return km.mantel_haenszel(parts[2], **data, correct=parts[-1] != "nocorrect")
    if name == "glmm_PLO_exact_ML":
        return km.glmm("PLO", **data)
    if parts[1] == "PLO":
        return km.glmm("PLO", **data, **({"method": "EE"} if parts[-1] == "EE" else {"points": 7}))
    if parts[1] == "IRLN":
        return km.glmm("IRLN", xi=data["x1i"], ti=data["t1i"], points=7)
    method = "EE" if parts[-1] == "EE" else "ML"
    return km.glmm(parts[1], **data, model=parts[2], method=method)


@pytest.mark.parametrize(("one", "run"), RUNS)
def test_the_numbers_of_r(one, run):
    name, expected = run["run"], run["expected"]
    rtol = LOOSE.get(name, run["rtol"])
    if name.startswith("escalc"):
        found = sizes_of(name, one["inputs"])
        for key in ("yi", "vi"):
            values = [number(value) for value in expected[key]]
            np.testing.assert_allclose(getattr(found, key), values, rtol=rtol, atol=run["atol"])
        return
    fit = fit_of(name, one["inputs"])
    for key, field in MATCH.items():
        if key in expected and not (key == "k" and name.startswith("rma")):
            value = number(expected[key])
            np.testing.assert_allclose(
                getattr(fit, field), value, rtol=rtol, atol=run["atol"], equal_nan=True, err_msg=key
            )


def test_the_grid_is_whole():
    """Each measure of the families with its formula, each kind of variance, each model; a gap is a gap in proof."""
    runs = {name: {run["run"] for run in one["runs"]} for name, one in SETS.items()}
    two = {"OR", "RR", "RD", "AS", "PETO", "PHI", "YUQ", "YUY", "OR2DN", "OR2DL", "PBIT"}
    assert {f"escalc_{measure}" for measure in two} <= runs["bin_nielweise2007"]
    assert {f"rma_mh_{measure}" for measure in ("OR", "RR", "RD")} <= runs["bin_nielweise2007"]
    means = {"MD", "SMD", "SMDH", "SMD1", "ROM", "CVR", "VR", *ONE_GROUP}
    assert {f"escalc_{measure}" for measure in means} <= runs["cont_normand1999"]
    assert {f"escalc_SMD_{kind}" for kind in ("LS", "LS2", "UB", "AV")} <= runs["cont_normand1999"]
    rates = {"IRR", "IRD", "IRSD", "IR", "IRLN", "IRS", "IRFT"}
    assert {f"escalc_{measure}" for measure in rates} <= runs["rate_nielweise2008"]
    assert {"glmm_OR_CM.EL", "glmm_OR_CM.AL"} <= runs["bin_nielweise2007"]
    assert "glmm_PLO_exact_ML" in runs["prop_debruin2009"]
