"""Numbers of R's metafor, clubSandwich and robumeta, kept in multilevel.json with the calls that made them."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import kmeta as km

KEPT = json.loads(Path(__file__).with_name("multilevel.json").read_text("utf-8"))
MADE = {run["run"]: run["expected"] for run in KEPT["made"]["runs"]}
DATA = KEPT["made"]["data"]
GOLDEN = [pytest.param(c["inputs"], r, id=f"{c['id']}-{r['run']}") for c in KEPT["golden"] for r in c["runs"]]
STRUCTURES = ("AR", "HAR", "CAR", "CS", "HCS", "UN", "DIAG", "ID")
MODS = {name: DATA[name] for name in "xz"}


def number(value):
    return {"NA": math.nan, "NaN": math.nan, "Inf": math.inf, "-Inf": -math.inf}.get(value, value)


def close(found, expected, rtol=1e-6, atol=1e-9):
    given = np.array(expected, dtype=object)
    expected = np.array([number(v) for v in given.ravel()], float)
    np.testing.assert_allclose(np.asarray(found, float).ravel(), expected, rtol=rtol, atol=atol)


def made(random, **options):
    return km.multilevel(
        DATA["y"], DATA["v"], random=random, data=DATA, measure="GEN", **{"test": "z", **options}
    )


def compare(found, expected, method="REML"):
    """The peer stops some 1e-9 of log-likelihood below the top, where variances are off by up to 1e-4."""
    rows = found.rows()
    close([r["estimate"] for r in rows], expected["beta"], 1e-5, 1e-7)
    close([r["se"] for r in rows], expected["se"], 1e-5)
    close(found.q, expected["q"], 1e-9)
    assert -1e-9 < found.fit_stats()[method]["ll"] - expected["ll"][0] < 1e-7
    for ours, theirs in ((found.sigma2, "sigma2"), (found.tau2s, "tau2"), (found.rho, "rho")):
        if ours:
            close(ours, expected[theirs], 1e-4, 1e-6)


def test_the_grid_is_whole():
    """Each structure by each method, each sandwich, each way to impute; a gap here is a gap in what is proven."""
    assert {f"{s}_{m}" for s in STRUCTURES for m in ("REML", "ML")} <= set(MADE)
    names = {p.id for p in GOLDEN}
    assert {
        f"mvo_berkey1998-{s}_{m}" for s in ("UN", "CS", "HCS", "DIAG", "ID") for m in ("REML", "ML")
    } <= names
    kinds = ("CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3")
    assert {f"mv_konstantopoulos2011-clubSandwich_{kind}" for kind in kinds} <= names
    assert len([name for name in MADE if name.startswith("vcalc")]) == 8


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("struct", STRUCTURES)
def test_outcomes_within_studies(struct, method):
    compare(made("t | study", struct=struct, method=method), MADE[f"{struct}_{method}"], method)


def test_crossed_effects_with_their_predictions_and_intervals():
    fit = made(["1 | study", "1 | t"], test="t")
    compare(fit, MADE["crossed"])
    close(fit.dfs, MADE["crossed"]["ddf"])
    blups = {(row["term"], row["level"]): row for row in fit.predicted_effects().rows()}
    order = [("study", str(i)) for i in range(1, 13)] + [("t", str(i)) for i in (1, 2, 4, 7)]
    for key, name in (("effect", "effect"), ("se", "se"), ("low", "low")):
        close([blups[one][key] for one in order], MADE["crossed_ranef"][name], 1e-5, 1e-6)
    low, high = zip(*fit.variance_intervals(), strict=True)
    close(low, MADE["crossed_confint"]["low"], 1e-4)
    close(high, MADE["crossed_confint"]["high"], 1e-4)


def test_moderators_with_containment():
    fit = made(["1 | study/arm", "1 | t"], mods=MODS, test="t")
    expected = MADE["nested_crossed_mods"]
    compare(fit, expected)
    close(fit.dfs, expected["ddf"])
    close([fit.qm, fit.qm_p], [*expected["qm"], *expected["qmp"]], 1e-4)


def test_correlated_effects_are_predicted():
    fit = made("t | study", struct="HCS")
    close(fit.predicted_effects().effect, MADE["HCS_ranef"]["effect"], 1e-5, 1e-6)
    close(fit.predicted_effects().se, MADE["HCS_ranef"]["se"], 1e-5)


def test_intervals_of_a_correlation_and_of_a_variance():
    intervals = made("t | study", struct="HCS").variance_intervals()
    low, high = zip(intervals[4], intervals[1], strict=True)
    close(low, MADE["HCS_confint"]["low"], 1e-4)
    close(high, MADE["HCS_confint"]["high"], 1e-4)


@pytest.mark.parametrize("kind", ["CR2", "CR3", "CR1S"])
def test_robust_tests_with_moderators(kind):
    fit = km.multilevel(DATA["y"], DATA["v"], groups=DATA["study"], mods=MODS, measure="GEN", test="z")
    found = fit.robust(DATA["study"], kind=kind, df="satterthwaite")
    expected = MADE[f"mods_{kind}"]
    close(found.se, expected["se"], 1e-5)
    close(found.df, expected["df"], 1e-5)
    close(found.p_value, expected["p"], 1e-5)
    if kind == "CR2":
        close(
            [found.qm, found.qm_df[1], found.qm_p], [*expected["f"], *expected["df2"], *expected["fp"]], 1e-5
        )


def test_robust_tests_of_a_meta_regression():
    found = km.random_effects(DATA["y"], DATA["v"], mods=MODS, measure="GEN").robust(DATA["study"])
    close(found.se, MADE["rma_CR2"]["se"], 1e-6)
    close(found.df, MADE["rma_CR2"]["df"], 1e-6)
    close(found.p_value, MADE["rma_CR2"]["p"], 1e-6)


ARMS = {"group1": list("abab"), "group2": list("xxxx"), "n1": [10, 20, 10, 20], "n2": [40] * 4}
IMPUTED = {
    "vcalc_obs_type": {"obs": [1, 2, 1, 2], "construct": [1, 1, 2, 2], "rho": (0.6, 0.3)},
    "vcalc_time": {"time": [1, 2, 4, 5], "phi": 0.8},
    "vcalc_obs_time": {"obs": [1, 1, 2, 2], "time": [1, 2, 1, 2], "rho": 0.6, "phi": 0.8},
    "vcalc_all": {
        **ARMS,
        "obs": [1, 1, 2, 2],
        "construct": [1, 2, 1, 2],
        "time": [1, 2, 3, 4],
        "rho": (0.5, 0.4),
        "phi": 0.7,
    },
    "vcalc_times": {**ARMS, "time": [1, 2, 3, 4], "time2": [0, 1, 0, 3], "phi": 0.8},
    "vcalc_subgroup": {"subgroup": [1, 1, 2, 2], "rho": 0.5},
    "vcalc_one_group": {"group1": list("aabb"), "rho": 0.6},
    "vcalc_groups": {
        "group1": list("abcd"),
        "group2": list("xxxb"),
        "n1": [10, 20, 30, 10],
        "n2": [40, 40, 40, 20],
    },
}


@pytest.mark.parametrize("name", sorted(IMPUTED))
def test_imputed_covariances(name):
    found = km.impute_covariance([0.1, 0.2, 0.15, 0.3], [1] * 4, **IMPUTED[name])
    close(found.dense(), MADE[name]["V"], 1e-12, 1e-15)


@pytest.mark.parametrize(("inputs", "run"), [p for p in GOLDEN if "mvo_" in p.id])
def test_multivariate(inputs, run):
    mods = {level: [float(o == level) for o in inputs["outcome"]] for level in sorted(set(inputs["outcome"]))}
    struct, _, method = run["run"].partition("_")
    random = (
        {"random": []} if not method else {"random": "outcome | study", "struct": struct, "method": method}
    )
    columns = {name: inputs[name] for name in ("outcome", "study")}
    options = {"mods": mods, "intercept": False, "measure": "GEN", "test": "z", **random}
    fit = km.multilevel(inputs["yi"], inputs["V"], data=columns, **options)
    expected = run["expected"]
    for name, found in (
        ("beta", fit.beta),
        ("vcov", fit.vcov),
        ("QE", fit.q),
        ("QM", fit.qm),
        ("tau2", fit.tau2s or 0.0),
    ):
        close(found, expected[name], run["rtol"], run["atol"])
    stats = fit.fit_stats()
    for kind in ("ML", "REML"):
        found = [stats[kind][name] for name in expected["fit_stats"]["names"]]
        close(found, expected["fit_stats"][kind], run["rtol"], run["atol"])
    if fit.rho:
        close(fit.rho, expected["rho"], run["rtol"], run["atol"])


def three_level(inputs, **options):
    columns = {name: inputs[name] for name in ("outer", "inner")}
    vi = options.pop("vi", inputs["vi"])
    options = {"random": "1 | outer/inner", "test": "z", **options}
    return km.multilevel(inputs["yi"], vi, data=columns, measure="GEN", **options)


@pytest.mark.parametrize(("inputs", "run"), [p for p in GOLDEN if "_rho" in p.id or "nested_mod" in p.id])
def test_correlated_errors_and_moderators(inputs, run):
    name, expected = run["run"], run["expected"]
    if "_rho" in name:
        vi = km.impute_covariance(inputs["vi"], inputs["outer"], rho=float(name.partition("_rho")[2]))
        fit = three_level(inputs, vi=vi)
    else:
        fit = three_level(inputs, mods={"mod": inputs["mod"]})
    kind = "CR1p" if "CR1" in name else "CR2" if "CR2" in name else None
    found = fit if kind is None else fit.robust(inputs["outer"], kind=kind)
    rows = found.rows()
    for key, theirs in (("estimate", "beta"), ("se", "se"), ("p_value", "pval"), ("ci_low", "ci_lb")):
        close([row[key] for row in rows], expected[theirs], run["rtol"], run["atol"])
    close([found.qm, found.qm_p, fit.q], [expected["QM"], expected["QMp"], expected["QE"]], run["rtol"])
    if kind is None:
        # where ours is 0 theirs stops just above, as its README of tolerances allows
        close(fit.sigma2, expected["sigma2"], run["rtol"], 1e-6)


@pytest.mark.parametrize(("inputs", "run"), [p for p in GOLDEN if "clubSandwich" in p.id])
def test_sandwiches(inputs, run):
    kind, expected = run["run"].split("_")[1], run["expected"]
    fit = km.multilevel(inputs["yi"], inputs["vi"], groups=inputs["outer"], measure="GEN", test="z")
    small, naive = (fit.robust(inputs["outer"], kind=kind, df=df) for df in ("satterthwaite", "m-1"))
    close(small.se, expected["SE"], run["rtol"])
    close(small.df, expected["df_Satt"], run["rtol"])
    close(small.p_value, expected["p_Satt"], run["rtol"])
    close(naive.p_value, expected["p_t"], run["rtol"])


@pytest.mark.parametrize(("inputs", "run"), [p for p in GOLDEN if "robumeta" in p.id])
def test_robust_variance(inputs, run):
    _, kind, small = run["run"].split("_")
    working = {"CORR": "correlated", "HIER": "hierarchical"}[kind]
    fit = km.robust_variance(
        inputs["yi"], inputs["vi"], inputs["outer"], weights=working, small=small == "smallTRUE"
    )
    expected = run["expected"]
    for key, theirs in (("beta", "b"), ("se", "SE"), ("df", "dfs"), ("tau2", "tau2")):
        close(getattr(fit, key), expected[theirs], run["rtol"], run["atol"])
    if kind == "CORR":
        close(100 * fit.i2, expected["I2"], run["rtol"])
    else:
        close(fit.omega2, expected["omega2"], run["rtol"], run["atol"])
    if expected["prob"][0] > 1e-12:
        close(fit.p_value, expected["prob"], run["rtol"])


def test_a_small_tail_keeps_its_digits():
    """robumeta takes 2 (1 - F): at t = 12.7 with 30 df that is 1.2812e-13; the tail itself is 1.2808e-13."""
    from scipy.special import betainc, stdtr

    run = next(p for p in GOLDEN if p.id == "mv_knapp2017-robumeta_HIER_smallFALSE").values
    inputs, expected = run[0], run[1]["expected"]
    fit = km.robust_variance(inputs["yi"], inputs["vi"], inputs["outer"], weights="hierarchical", small=False)
    t, df = float(fit.beta[0] / fit.se[0]), float(fit.df[0])
    assert 2 * (1 - stdtr(df, t)) == pytest.approx(expected["prob"][0], rel=2e-3, abs=0)
    assert fit.p_value[0] == pytest.approx(float(betainc(df / 2, 0.5, df / (df + t * t))), rel=1e-10, abs=0)
    assert fit.p_value[0] != pytest.approx(expected["prob"][0], rel=1e-4, abs=0)


def test_reported_covariances():
    run = next(p for p in GOLDEN if p.id == "vcalc_berkey-rvars").values
    rows = np.column_stack([run[0]["v1i"], run[0]["v2i"]])
    close(km.impute_covariance([1] * 10, run[0]["trial"], rvars=rows).dense(), run[1]["expected"]["V"], 1e-14)
