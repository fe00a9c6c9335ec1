"""Numbers of R's metafor, kept in metafor.json with the calls that made them."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import kmeta as km
from kmeta.methods.meta import TAU2

SETS = {
    one["id"]: one for one in json.loads(Path(__file__).with_name("metafor.json").read_text("utf-8"))["sets"]
}
RUNS = [
    pytest.param(one, run, id=f"{name}-{run['run']}") for name, one in SETS.items() for run in one["runs"]
]
MULTILEVEL = {
    "nested_REML_z": {"test": "z"},
    "nested_REML_t": {"test": "t", "df": "residual"},
    "nested_ML_z": {"test": "z", "method": "ML"},
    "nested_ML_t": {"test": "t", "df": "residual", "method": "ML"},
    "nested_ddf_contain": {"test": "t"},
    "outer_only": {"test": "z", "structure": "study"},
}


def test_the_grid_is_whole():
    """Each estimator with z, each test with REML, each family; a gap here is a gap in what is proven."""
    bcg = {run["run"] for run in SETS["uni_bcg"]["runs"]}
    elsewhere = ("GENQ", "GENQM", "DL2", "HE2")  # weights of their own, and two steps: test_diagnostics
    assert {f"{name}_z" for name in TAU2 if name not in elsewhere} <= bcg
    assert {f"REML_{test}" for test in ("z", "t", "knha", "adhoc")} <= bcg
    assert {run["run"] for run in SETS["mv_konstantopoulos2011"]["runs"]} >= {"nested_REML_t", "nested_ML_z"}
    for name in ("prop_sim_survival5y", "prop_sim_extreme"):
        assert len(SETS[name]["runs"]) == 6


def number(value):
    return {"NA": math.nan, "NaN": math.nan, "Inf": math.inf, "-Inf": -math.inf}.get(value, value)


def close(found, expected, run):
    expected = np.array([number(value) for value in np.atleast_1d(np.array(expected, dtype=object))], float)
    np.testing.assert_allclose(np.atleast_1d(found), expected, rtol=run["rtol"], atol=run["atol"])


def fit_of(inputs, name):
    y, v = inputs["yi"], inputs["vi"]
    method, _, test = name.partition("_")
    options = {"measure": "GEN"}
    if name in MULTILEVEL:
        return km.multilevel(y, v, groups=inputs["outer"], **options, **MULTILEVEL[name])
    if name == "REML_level90":
        return km.random_effects(y, v, test="z", level=0.9, **options)
    if name == "REML_tau2_fixed":
        return km.random_effects(y, v, tau2=0.1, test="z", **options)
    if name == "unweighted":
        return km.random_effects(y, v, tau2="DL", test="z", weights=[1] * len(y), **options)
    if name == "FE_user_weights":
        return km.common_effect(y, v, weights=[1] * len(y), **options)
    if method == "EE":
        return km.common_effect(y, v, test=test, **options)
    return km.random_effects(y, v, tau2=method, test=test, **options)


@pytest.mark.parametrize(("one", "run"), [p for p in RUNS if "escalc" in p.id])
def test_effect_sizes(one, run):
    found = km.effect_sizes(
        run["run"].removeprefix("escalc_"), xi=one["inputs"]["xi"], ni=one["inputs"]["ni"]
    )
    close(found.yi, run["expected"]["yi"], run)
    close(found.vi, run["expected"]["vi"], run)


@pytest.mark.parametrize(("one", "run"), [p for p in RUNS if "profile_ci" in p.id or "confint" in p.id])
def test_profile_likelihood_intervals(one, run):
    if run["run"] == "confint_sigma2":
        fit = km.multilevel(
            one["inputs"]["yi"], one["inputs"]["vi"], groups=one["inputs"]["outer"], measure="GEN"
        )
        pairs = [(part["ci_lb"][0], part["ci_ub"][0]) for part in run["expected"]]
    else:
        fit = km.random_effects(
            one["inputs"]["yi"], one["inputs"]["vi"], tau2=run["run"].split("_")[0], measure="GEN"
        )
        kept = json.loads(json.dumps(run["expected"]))
        pairs = [(kept["ci_lb"][0], kept["ci_ub"][0])]
    for found, expected in zip(fit.variance_intervals(), pairs, strict=True):
        close(found, expected, run)


@pytest.mark.parametrize(
    ("one", "run"), [p for p in RUNS if not any(word in p.id for word in ("escalc", "profile_ci", "confint"))]
)
def test_models(one, run):
    fit, expected = fit_of(one["inputs"], run["run"]), run["expected"]
    scalars = {
        "beta": fit.mu,
        "se": fit.se,
        "stat": fit.statistic,
        "pval": fit.p_value,
        "ci_lb": fit.ci_low,
        "ci_ub": fit.ci_high,
        "QE": fit.q,
        "QEp": fit.q_p,
        "ddf": math.nan if math.isinf(fit.df) else fit.df,
    }
    if fit.model == "multilevel":
        scalars["sigma2"] = fit.sigma2
    else:
        scalars |= {"tau2": fit.tau2, "I2": 100 * fit.i2, "H2": fit.h2, "vt": fit.vt, "se.tau2": fit.tau2_se}
    for key, found in scalars.items():
        close(found, expected[key], run)
    for kind in ("ML", "REML"):
        close(
            [fit.fit_stats()[kind][key] for key in ("ll", "dev", "AIC", "BIC", "AICc")],
            expected["fit_stats"][kind],
            run,
        )
    if "pi_lb" in expected.get("predict", {}):
        close(
            [*fit.predict().pi_low, *fit.predict().pi_high],
            [expected["predict"][key] for key in ("pi_lb", "pi_ub")],
            run,
        )
    if "predict_riley_t_k_minus_2" in expected:
        riley, kept = fit.predict(pi="riley"), expected["predict_riley_t_k_minus_2"]
        close([*riley.pi_low, *riley.pi_high], [kept["pi_lb"], kept["pi_ub"]], run)
    if "confint_het" in expected:
        kept = expected["confint_het"]
        close([fit.tau2_low, fit.tau2_high], [kept["ci_lb"][0], kept["ci_ub"][0]], run)
        close(100 * np.array(fit.i2_ci), [kept["ci_lb"][2], kept["ci_ub"][2]], run)
        close(fit.h2_ci, [kept["ci_lb"][3], kept["ci_ub"][3]], run)
