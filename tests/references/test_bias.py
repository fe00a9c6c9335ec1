"""Small-study and selection bias: numbers of R's metafor, kept in bias.json with the calls that made them."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

import kmeta as km
from kmeta.core.errors import ConvergenceError
from kmeta.methods.meta.selection_functions import FAMILIES
from kmeta.methods.meta.selection_likelihood import Selected

SETS = {
    one["id"]: one for one in json.loads(Path(__file__).with_name("bias.json").read_text("utf-8"))["sets"]
}
RUNS = [
    pytest.param(one, run, id=f"{name}-{run['run']}") for name, one in SETS.items() for run in one["runs"]
]
VEVEA_WOODS = {
    "steps": [0.005, 0.01, 0.05, 0.1, 0.25, 0.35, 0.5, 0.65, 0.75, 0.9, 0.95, 0.99, 0.995, 1],
    "delta": [1, 0.99, 0.95, 0.8, 0.75, 0.65, 0.6, 0.55, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5],
}


def number(value):
    return {"NA": math.nan, "NaN": math.nan, "Inf": math.inf, "-Inf": -math.inf}.get(value, value)


def leaves(value):
    if isinstance(value, (list, tuple, np.ndarray)):
        return [leaf for part in value for leaf in leaves(part)]
    return [number(value) if isinstance(value, str) else float(value)]


def model(inputs, method):
    if method == "EE":
        return km.common_effect(inputs["yi"], inputs["vi"], measure="GEN")
    return km.random_effects(inputs["yi"], inputs["vi"], measure="GEN", tau2=method, test="z")


def regtest(inputs, run):
    _, kind, predictor = run["run"].split("_")
    test = km.regtest(inputs["yi"], inputs["vi"], model=kind, predictor=predictor, ni=inputs["ni"])
    return {
        "stat": test.statistic,
        "pval": test.p_value,
        "dfs": test.df,
        "limit_est": test.limit,
        "limit_ci_lb": test.limit_low,
        "limit_ci_ub": test.limit_high,
    }


def ranktest(inputs, run):
    test = km.ranktest(inputs["yi"], inputs["vi"])
    return {"tau": test.tau, "pval": test.p_value}


def trimfill(inputs, run):
    method, estimator, side = "DL", "L0", None
    if run["run"] != "trimfill_auto_side":
        _, method, estimator, side = run["run"].split("_")
    done = km.trim_fill(model(inputs, method), estimator=estimator, side=side)
    fit = done.fit
    assert done.side == run["expected"]["side"]
    return {
        "k0": done.k0,
        "se_k0": done.se_k0,
        "p_k0": done.p_k0,
        "k_total": fit.k,
        "beta": fit.mu,
        "se": fit.se,
        "ci_lb": fit.ci_low,
        "ci_ub": fit.ci_high,
        "pval": fit.p_value,
        "tau2": fit.tau2,
        "QE": fit.q,
        "QEp": fit.q_p,
        "I2": 100 * fit.i2,
        "yi_all": fit.yi,
        "fill": done.filled,
    }


def fsn(inputs, run):
    done = km.fail_safe_n(inputs["yi"], inputs["vi"], kind=run["run"].split("_")[1])
    return {"fsnum": done.n, "est": done.mu, "pval": done.p_value, "target": done.target}


def tes(inputs, run):
    done = km.excess_significance(inputs["yi"], inputs["vi"], test=run["expected"]["test"])
    return {
        "O": done.observed,
        "E": done.expected,
        "X2": done.chi2,
        "pval": done.p_value,
        "theta": done.theta,
        "theta_lim": [done.theta_limit],
        "power": done.power,
    }


def hc(inputs, run):
    done = km.henmi_copas(model(inputs, "DL"))
    return {
        "beta": done.mu,
        "se": done.se,
        "ci_lb": done.ci_low,
        "ci_ub": done.ci_high,
        "tau2": done.tau2,
    }


def pet(inputs, run):
    done = km.pet_peese(inputs["yi"], inputs["vi"], model="lm" if run["run"] == "pet_peese_FE_lm" else "rma")
    if done.model == "lm":
        return {"pet": done.pet, "peese": done.peese}
    for name, table in (("pet", done.pet), ("peese", done.peese)):
        kept = run["expected"][name]
        np.testing.assert_allclose(table[:, 0], kept["beta"], rtol=1e-6)
        np.testing.assert_allclose(table[:, 1], kept["se"], rtol=1e-6)
        np.testing.assert_allclose(table[:, 3], kept["pval"], rtol=1e-6)
    return {}


def selmodel(inputs, run):
    kind = run["run"].split("_")[1]
    options = {"kind": kind, "alternative": re.search(r'alternative="(\w+)"', run["call"]).group(1)}
    if kind == "fixed":
        options |= VEVEA_WOODS | {"kind": "stepfun"}
    elif kind == "stepfun":
        options["steps"] = [0.025, 0.5] if run["run"].endswith("_5") else [0.025]
    done = km.selection_model(model(inputs, "ML"), **options)
    return {
        "beta": done.mu,
        "se": done.se,
        "zval": done.statistic,
        "pval": done.p_value,
        "ci_lb": done.ci_low,
        "ci_ub": done.ci_high,
        "tau2": done.tau2,
        "se_tau2": done.tau2_se,
        "delta": done.delta,
        "se_delta": done.delta_se,
        "LRT": done.lrt,
        "LRTp": done.lrt_p,
        "ll": done.log_likelihood,
    }


def test_the_grid_is_whole():
    """Each predictor with both models, each estimator, method and side, each fail-safe N, selection of each shape."""
    bcg = {run["run"] for run in SETS["bias_bcg"]["runs"]}
    for name in ("sei", "vi", "ninv", "sqrtni", "sqrtninv"):
        assert {f"regtest_lm_{name}", f"regtest_rma_{name}"} <= bcg
    sides = {
        f"{m}_{e}_{s}" for m in ("EE", "DL", "REML") for e in ("L0", "R0", "Q0") for s in ("left", "right")
    }
    assert {f"trimfill_{name}" for name in sides} <= bcg
    assert {"fsn_Rosenthal", "fsn_Orwin", "fsn_Rosenberg", "ranktest", "pet_peese_REML"} <= bcg
    everywhere = {run["run"] for one in SETS.values() for run in one["runs"]}
    assert {"selmodel_stepfun_025_5", "selmodel_logistic", "selmodel_power", "hc"} <= everywhere


@pytest.mark.parametrize(("one", "run"), RUNS)
def test_against_metafor(one, run):
    found = globals()[run["run"].split("_")[0]](one["inputs"], run)
    for key, value in found.items():
        if key in run["expected"]:
            np.testing.assert_allclose(
                leaves(value), leaves(run["expected"][key]), rtol=run["rtol"], atol=run["atol"], err_msg=key
            )
    assert found or run["run"] == "pet_peese_REML"


def test_a_beta_model_without_a_maximum():
    """metafor prints mu 0.567, tau2 0.324 without standard errors here; the likelihood rises with tau2 without end."""
    fit = model(SETS["bias_bang"]["inputs"], "ML")
    with pytest.raises(ConvergenceError, match="no maximum") as error:
        km.selection_model(fit, kind="beta")
    y, v = np.array(fit.yi), np.array(fit.vi)
    exact = Selected(y, v, np.ones((len(y), 1)), FAMILIES["beta"], np.array([]), two_sided=False)
    peer = exact.height(np.array([0.567311137598192, 0.32385803189736, 1.32563344735357, 1.59518641199842]))
    assert np.abs(peer.gradient).max() > 1
    assert exact.height(np.array(error.value.last)).value > peer.value + 1


def test_a_density_that_cannot_be_normalised():
    """metafor's beta model of these data: the weights grow faster than the normal tail falls, so A is infinite."""
    one = SETS["bias_riley"]["inputs"]
    y, v = np.array(one["yi"]), np.array(one["vi"])
    exact = Selected(y, v, np.ones((len(y), 1)), FAMILIES["beta"], np.array([]), two_sided=False)
    peer = np.array([1.03379823769564, 0.424426804261766, 0.826077102919588, 1.86229938917581])
    assert 1 - peer[2] > np.min(v / (v + peer[1]))  # exp((1 - delta) z**2 / 2) against exp(-z**2 / (2 s**2))
    assert exact.height(peer).value == -np.inf
