"""Survival at several times together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError

ROWS = {
    "survival": [0.9, 0.7, 0.5, 0.8, 0.5, 0.85, 0.95, 0.6, 0.92, 0.74],
    "n": [50, 48, 40, 80, 70, 40, 60, 35, 90, 80],
    "time": [12, 36, 60, 12, 60, 12, 12, 60, 12, 36],
    "study": ["A", "A", "A", "B", "B", "C", "D", "D", "E", "E"],
}


def joint(**options):
    given_ = {**ROWS, **options}
    return km.joint_survival(given_.pop("survival"), given_.pop("n"), **given_)


def test_one_time_is_the_usual_model_by_moments():
    s, n = [0.9, 0.8, 0.85, 0.7], [50, 80, 40, 60]
    found = km.joint_survival(s, n, time=[12] * 4, study=list("ABCD"))
    yi, vi = km.effect_sizes("PLO", probability=s, n_effective=n)
    assert found.k == (4,)
    for test in ("t", "z"):
        fit = km.random_effects(yi, vi, measure="PLO", tau2="DL", test=test)
        found = km.joint_survival(s, n, time=[12] * 4, study=list("ABCD"), test=test)
        assert found.survival[0] == pytest.approx(fit.effect)
        assert (found.ci_low[0], found.ci_high[0]) == pytest.approx(fit.effect_ci)


def test_one_study_keeps_its_own_values_and_precision():
    found = km.joint_survival([0.9, 0.6], [50, 45], time=[12, 60], study=["A", "A"])
    assert found.survival == pytest.approx([0.9, 0.6])
    se = np.sqrt(np.diag(found.joint.vcov))
    assert se[0] == pytest.approx((50 * 0.9 * 0.1) ** -0.5)
    correlation = found.joint.vcov[0, 1] / (se[0] * se[1])
    # Var(ln S(12)) over the root of both variances
    early, late = 0.1 / (50 * 0.9), 0.4 / (45 * 0.6)
    assert correlation == pytest.approx((early / late) ** 0.5)


def test_studies_with_some_times_tell_of_the_others():
    together = joint()
    late = km.joint_survival([0.5, 0.5, 0.6], [40, 70, 35], time=[60] * 3, study=["A", "B", "D"])
    assert together.k == (5, 2, 3)
    assert together.survival[2] != pytest.approx(late.survival[0], abs=1e-6)
    assert together.rows()[2]["studies"] == 3


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["logit", "cloglog"]))
def test_pooled_survival_never_rises(seed, link):
    rng = np.random.default_rng(seed)
    rows = {"survival": [], "n": [], "time": [], "study": []}
    for study in range(5):
        hazards = rng.exponential(0.3, 4)
        for i in range(4):
            if rng.random() < 0.6 or i == study % 4:
                rows["survival"].append(float(np.exp(-hazards[: i + 1].sum())))
                rows["n"].append(float(rng.integers(10, 100)))
                rows["time"].append(float(12 * (i + 1)))
                rows["study"].append(str(study))
    found = km.joint_survival(rows.pop("survival"), rows.pop("n"), **rows, link=link)
    assert (np.diff(found.survival) <= 1e-12).all()
    assert (found.ci_low <= found.survival).all()
    assert (found.survival <= found.ci_high).all()
    if found.joined:
        assert any("held level" in said for said in found.warnings)


def test_the_order_of_rows_does_not_matter():
    turned = joint(**{key: values[::-1] for key, values in ROWS.items()})
    np.testing.assert_allclose(turned.survival, joint().survival, rtol=1e-9)


def test_precision_from_what_was_printed():
    found = km.joint_survival(
        [0.9, 0.6, 0.8], time=[12, 60, 12], study=["A", "A", "B"],
        ci_low=[0.8, 0.45, None], ci_high=[0.95, 0.72, None], n_risk=[None, None, 40],
    )  # fmt: skip
    assert found.covariance[1, 0, 0] == pytest.approx(1 / (40 / 0.8 * 0.8 * 0.2))


def test_a_later_interval_that_is_too_narrow_is_widened_and_told():
    found = km.joint_survival([0.6, 0.58, 0.7], [20, 400, 50], time=[12, 24, 12], study=["A", "A", "B"])
    assert found.covariance[0, 1, 1] * (1 - 0.58) ** 2 > found.covariance[0, 0, 0] * (1 - 0.6) ** 2
    assert any("widened: A" in said for said in found.warnings)


def test_no_event_between_two_times_is_no_singular_matrix():
    found = km.joint_survival([0.6, 0.6, 0.7], [50, 50, 50], time=[12, 24, 12], study=["A", "A", "B"])
    assert np.isfinite(found.ci_low).all()


def test_what_is_printed_and_the_script():
    found = joint()
    assert "3 times together, 5 studies" in found.summary()
    assert "mvmeta" in found.r_script()
    assert found.to_dict()["k"] == [5, 2, 3]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"survival": [0.9, 0.95, *ROWS["survival"][2:]]}, "row 1: survival rises"),
        ({"time": [12, 12, *ROWS["time"][2:]]}, "row 1: a second value"),
        ({"time": [0, *ROWS["time"][1:]]}, r"time\[0\] is 0"),
        ({"time": [12]}, "1 times for 10"),
        ({"survival": [90] * 10}, "90"),
        ({"n": None}, "nothing tells the precision"),
        ({"link": "log"}, "no link"),
        ({"test": "hksj"}, "no test"),
        ({"study": ["A"]}, "1 labels for 10"),
    ],
)
def test_what_cannot_be_is_refused(options, words):
    with pytest.raises(InputError, match=words):
        joint(**options)
