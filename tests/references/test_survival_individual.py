"""R's numbers for individual data (survival_individual.R), and restricted means by survRM2 on R's data sets."""

import json
from pathlib import Path

import numpy as np
import pytest

import kmeta as km

HERE = Path(__file__).parent
R = json.loads((HERE / "survival_individual.json").read_text("utf-8"))
MEANS = json.loads((HERE / "rmst.json").read_text("utf-8"))
LUNG, MGUS = R["lung"], R["mgus2"]


def close(ours, theirs, rtol=1e-10, atol=1e-12):
    np.testing.assert_allclose(np.array(ours, float), np.array(theirs, float), rtol=rtol, atol=atol)


def test_the_grid_is_whole():
    assert R["made_by"] == "R 4.2.2, survival 3.5.3, cmprsk 2.2.11"
    assert set(R["curves"]) == {"weighted", "whole", "late"}
    assert set(R["tests"]) == set(TESTS)
    assert set(R["incidence"]) == set(GROUPS)
    assert set(R["regression"]) == {"1", "2"}
    assert len(MEANS["cases"]) == 4


@pytest.mark.parametrize("name", ["weighted", "whole", "late"])
def test_weights_and_late_entry(name):
    given = {
        "weighted": {"weights": LUNG["weight"]},
        "whole": {"weights": np.round(4 * np.array(LUNG["weight"]))},
        "late": {"entry": LUNG["entry"]},
    }[name]
    curve = km.kaplan_meier(LUNG["time"], LUNG["event"], interval="log", **given).curves[0]
    rows, wanted = curve.at(R["at"]), R["curves"][name]
    names = {"n_risk": "n_risk", "survival": "survival", "se": "se", "ci_low": "low", "ci_high": "high"}
    for ours, theirs in names.items():
        close([row[ours] for row in rows], wanted[theirs])
    place = np.searchsorted(curve.time, R["at"], side="right") - 1
    close(curve.hazard[place], wanted["hazard"])
    close(curve.hazard_se[place], wanted["hazard_se"])
    assert curve.robust == (name == "weighted")


@pytest.mark.parametrize("name", ["whole", "late"])
def test_restricted_mean_with_weights_or_late_entry(name):
    """R has no robust error of the mean: the weighted one is tested by its properties."""
    given = (
        {"weights": np.round(4 * np.array(LUNG["weight"]))} if name == "whole" else {"entry": LUNG["entry"]}
    )
    mean = km.kaplan_meier(LUNG["time"], LUNG["event"], **given).curves[0].rmst(500)
    close([mean.rmst, mean.se], R["means"][name])


@pytest.mark.parametrize("case", MEANS["cases"], ids=[case["id"] for case in MEANS["cases"]])
def test_restricted_means_and_their_contrasts(case):
    given, wanted = case["input"], case["expect"]
    fit = km.rmst(given["time"], given["status"], group=given["arm"], reference=0, tau=case["tau"])
    for arm in ("arm0", "arm1"):
        close([fit[arm[-1]].rmst, fit[arm[-1]].se], [wanted[arm]["rmst"], wanted[arm]["se"]])
    for ours, theirs in (("difference", "diff"), ("ratio", "ratio"), ("rmtl-ratio", "rmtl_ratio")):
        found = fit.contrast(ours)
        close([found.estimate, found.ci_low, found.ci_high, found.p], wanted[theirs], rtol=1e-9)


TESTS = {
    "plain": ("ph.ecog", {"reference": 0}),
    "rho1": ("ph.ecog", {"reference": 0, "weights": "peto-peto"}),
    "rho_half": ("sex", {"reference": 1, "weights": "fleming-harrington", "rho": 0.5}),
    "strata": ("ph.ecog", {"reference": 0, "strata": LUNG["sex"]}),
    "strata_rho1": ("sex", {"reference": 1, "strata": LUNG["ph.ecog"], "weights": "peto-peto"}),
}


@pytest.mark.parametrize("name", sorted(TESTS))
def test_log_rank_family(name):
    column, options = TESTS[name]
    fit, wanted = (
        km.logrank(LUNG["time"], LUNG["event"], np.array(LUNG[column]), **options),
        R["tests"][name],
    )
    order = np.argsort(fit.groups)  # R sorts the groups
    close(fit.observed[order], wanted["observed"])
    close(fit.expected[order], wanted["expected"])
    close(fit.variance[np.ix_(order, order)], wanted["variance"])
    close(fit.chi2, wanted["chi2"])


GROUPS = {
    "two": ("male", {}),
    "three": ("third", {}),
    "strata": ("third", {"strata": MGUS["male"]}),
    "rho1": ("third", {"rho": 1}),
}


@pytest.mark.parametrize("name", sorted(GROUPS))
def test_cumulative_incidence_and_grays_test(name):
    column, options = GROUPS[name]
    group, wanted = np.array(MGUS[column], dtype=int), R["incidence"][name]
    fit = km.cumulative_incidence(MGUS["time"], MGUS["cause"], group=group)
    for i, curve in enumerate(wanted["curves"]):
        label, cause = curve.split()
        found = fit.curve(cause, label)
        rows = found.at([60, 120, 240])
        told = [j for j, value in enumerate(wanted["estimate"][i]) if value is not None]
        close([rows[j]["incidence"] for j in told], [wanted["estimate"][i][j] for j in told])
        close([rows[j]["se"] ** 2 for j in told], [wanted["variance"][i][j] for j in told])
        if len(told) < 3:  # cmprsk gives none after the last time, though nobody is left free of events
            assert found.time[-1] < 240
            assert found.survival[-1] == 0
            assert rows[-1]["incidence"] == found.incidence[-1]
    close(km.gray_test(MGUS["time"], MGUS["cause"], group, **options).chi2, wanted["tests"], rtol=1e-8)


@pytest.mark.parametrize("cause", ["1", "2"])
def test_fine_and_grays_regression(cause):
    wanted = R["regression"][cause]
    columns = {name: MGUS[name] for name in ("male", "decade")}
    fit = km.fine_gray(MGUS["time"], MGUS["cause"], columns, cause=cause)
    close(fit.coef, wanted["coef"], rtol=1e-7)
    close(fit.se, wanted["se"], rtol=1e-7)
    close([fit.loglik, fit.loglik_null], [wanted["loglik"], wanted["null"]])
    rows = fit.predict({"male": 1, "decade": 7}, [60, 120, 240])
    close([row["incidence"] for row in rows], wanted["incidence"], rtol=1e-7)
