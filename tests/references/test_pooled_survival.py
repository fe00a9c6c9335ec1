"""Numbers of R's metaSurvival, metafor and survival for pooled survival; each case names its call and version."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr

import kmeta as km

REFERENCE = json.loads((Path(__file__).parent / "pooled_survival.json").read_text("utf-8"))
CASES = {case["id"]: case for case in REFERENCE["cases"]}


def close(found, case, names):
    for name in names:
        assert getattr(found, name) == pytest.approx(case["expect"][name], abs=case["tolerance"]), name


def test_the_grid_is_whole():
    assert set(CASES) == {
        "curve_of_seven_studies",
        "medians_on_the_log_scale",
        "medians_in_months",
        "ratios_of_medians",
        "restricted_means_of_lung",
        "class_contrast_arms_in_studies",
        "class_contrast_on_the_logit",
    }
    for case in CASES.values():
        assert case["call"]
        assert case["software"]
        assert 0 < case["tolerance"] < 1e-5


@pytest.mark.parametrize(("method", "name"), [("common", "fixed"), ("random", "random")])
def test_the_curve_with_limits_median_and_mean(method, name):
    case = CASES["curve_of_seven_studies"]
    given, want = case["input"], case["expect"]
    columns = {
        "study": given["study"],
        "time": given["time"],
        "survival": given["surv"],
        "n_risk": given["n_risk"],
    }
    found = km.pooled_curve(columns, method=method, test="z", interval="log", level=2 * float(ndtr(1.96)) - 1)
    for ours, theirs in (("time", "time"), ("survival", "surv"), ("ci_low", "lower"), ("ci_high", "upper")):
        np.testing.assert_allclose(getattr(found, ours), want[name][theirs], rtol=0, atol=case["tolerance"])
    assert found.median[0] == pytest.approx(want[f"median_{name}"], abs=case["tolerance"])
    assert found.rmst[0] == pytest.approx(want[f"mean_{name}"], abs=case["tolerance"])
    assert found.q == pytest.approx(want["Q"], abs=case["tolerance"])
    assert found.h2_published == pytest.approx(want["H2"], abs=case["tolerance"])
    assert found.q_df == 71 - 20  # points less times: what Q is expected to be without heterogeneity


def test_medians_of_a_group():
    case = CASES["medians_on_the_log_scale"]
    close(km.pooled_median(**case["input"]), case, case["expect"])
    case = CASES["medians_in_months"]
    close(km.pooled_median(**case["input"], scale="identity", tau2="DL", test="z"), case, case["expect"])


def test_ratios_of_medians():
    case = CASES["ratios_of_medians"]
    given = {key: tuple(value) if key.startswith("ci") else value for key, value in case["input"].items()}
    found = km.pooled_median_contrast(**given, se="wald", tau2="DL", test="z")
    close(found, case, case["expect"])


def test_restricted_means_with_their_standard_errors():
    case = CASES["restricted_means_of_lung"]
    given = case["input"]
    found = km.rmst_by_study(given["time"], given["status"], study=given["sex"], tau=given["tau"])
    for i, sex in enumerate(found.studies):
        np.testing.assert_allclose(
            found.estimate[i], case["expect"][sex]["rmean"], rtol=0, atol=case["tolerance"]
        )
        np.testing.assert_allclose(found.se[i], case["expect"][sex]["se"], rtol=0, atol=case["tolerance"])


def test_class_contrast_of_arms_in_studies():
    case = CASES["class_contrast_arms_in_studies"]
    given, want = case["input"], case["expect"]
    found = km.class_contrast(
        given["survival"],
        given["n"],
        classes=["B" if x else "A" for x in given["class"]],
        reference="A",
        time=60,
        groups=given["study"],
        mods={"grade": given["grade"]},
    )
    np.testing.assert_allclose(found.fit.beta, want["beta"], rtol=0, atol=case["tolerance"])
    np.testing.assert_allclose(np.sqrt(np.diag(found.fit.vcov)), want["se"], rtol=0, atol=case["tolerance"])
    assert list(found.fit.dfs) == want["dfs"]
    assert found.ratio[0] == pytest.approx(np.exp(-want["beta"][1]), abs=1e-5)
    assert found.p_value[0] == pytest.approx(want["p"][1], abs=1e-5)


def test_class_contrast_on_the_logit():
    case = CASES["class_contrast_on_the_logit"]
    given, want = case["input"], case["expect"]
    classes = ["B" if x else "A" for x in given["class"]]
    found = km.class_contrast(
        given["survival"], given["n"], classes=classes, reference="A", time=60, link="logit"
    )
    np.testing.assert_allclose(found.fit.beta, want["beta"], rtol=0, atol=case["tolerance"])
    np.testing.assert_allclose(np.sqrt(np.diag(found.fit.vcov)), want["se"], rtol=0, atol=case["tolerance"])
    assert found.p_value[0] == pytest.approx(want["p"][1], abs=case["tolerance"])
