"""Restricted mean survival time: properties, and data that cannot be."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError
from kmeta.methods.survival import rmst_covariance

patients = st.lists(st.tuples(st.integers(1, 20), st.integers(0, 1)), min_size=2, max_size=30)
quick = settings(deadline=None, max_examples=60)


def columns(rows):
    return [list(column) for column in zip(*rows, strict=True)]


@quick
@given(patients, st.floats(0.5, 19))
def test_it_is_the_area_under_the_curve(rows, share):
    time, event = columns(rows)
    tau = share * max(time) / 20
    curve = km.kaplan_meier(time, event).curves[0]
    mean = curve.rmst(tau)
    edges = [0.0, *[t for t in curve.time.tolist() if t < tau], tau]
    middles = [(a + b) / 2 for a, b in pairwise(edges)]
    area = sum(s["survival"] * (b - a) for s, (a, b) in zip(curve.at(middles), pairwise(edges), strict=True))
    assert mean.rmst == pytest.approx(area)
    assert mean.rmst + mean.rmtl == pytest.approx(tau)


@quick
@given(st.lists(st.integers(1, 20), min_size=2, max_size=30), st.integers(1, 25))
def test_without_censoring_it_is_the_mean_and_its_error(time, tau):
    fit = km.rmst(time, [1] * len(time), tau=tau).arms[0]
    lived = np.minimum(time, tau)
    assert fit.rmst == pytest.approx(lived.mean())
    assert fit.se == pytest.approx(lived.std() / math.sqrt(len(time)), abs=1e-12)


@quick
@given(patients, patients, st.floats(0.1, 10))
def test_contrasts_turn_with_the_reference_and_scale_with_the_unit(one, two, unit):
    time, event = columns(one + two)
    group = ["a"] * len(one) + ["b"] * len(two)
    tau = 0.9 * min(max(t for t, _ in one), max(t for t, _ in two))
    fit = km.rmst(time, event, group=group, tau=tau)
    turned = km.rmst([unit * t for t in time], event, group=group, tau=unit * tau, reference="b")
    there, back = fit.contrast("difference"), turned.contrast("difference")
    assert back.estimate == pytest.approx(-unit * there.estimate, abs=1e-9)
    assert back.ci_low == pytest.approx(-unit * there.ci_high, abs=1e-9)
    assert back.p == pytest.approx(there.p, nan_ok=True)
    for name in ("ratio", "rmtl-ratio"):
        there, back = fit.contrast(name), turned.contrast(name)
        assert math.isnan(back.estimate) == math.isnan(there.estimate)
        assert math.isnan(back.estimate) or back.estimate * there.estimate == pytest.approx(1)
        assert back.se == pytest.approx(there.se, nan_ok=True)


@quick
@given(patients)
def test_the_covariance_over_horizons_holds_the_variances_and_is_that_of_increments(rows):
    time, event = columns(rows)
    taus = [0.3 * max(time), 0.6 * max(time), 0.9 * max(time)]
    matrix = rmst_covariance(time, event, taus)
    curve = km.kaplan_meier(time, event).curves[0]
    np.testing.assert_allclose(np.sqrt(np.diag(matrix)), [curve.rmst(tau).se for tau in taus], atol=1e-9)
    np.testing.assert_allclose(matrix, matrix.T)
    assert np.linalg.eigvalsh(matrix).min() > -1e-9 * max(1, matrix.max())


def test_the_covariance_over_horizons_without_censoring_is_the_sample_covariance():
    time = np.array([1, 2, 2, 4, 5, 7, 8, 9, 11, 12])
    taus = [3, 6, 10]
    lived = np.minimum(time[:, None], taus)
    expected = np.cov(lived.T, bias=True) / len(time)
    np.testing.assert_allclose(rmst_covariance(time, np.ones(10), taus), expected, rtol=1e-12)


@quick
@given(patients, st.lists(st.floats(0.1, 5), min_size=30, max_size=30), st.floats(0.2, 5))
def test_the_robust_error_does_not_depend_on_the_size_of_the_weights(rows, weights, factor):
    time, event = columns(rows)
    w = np.array(weights[: len(time)]) + 0.001
    tau = 0.8 * max(time)
    a, b = (km.kaplan_meier(time, event, weights=f * w, robust=True).curves[0].rmst(tau) for f in (1, factor))
    assert (b.rmst, b.se) == pytest.approx((a.rmst, a.se), abs=1e-9)
    plain, robust = (km.kaplan_meier(time, event, robust=r).curves[0].rmst(tau).se for r in (False, True))
    assert robust == pytest.approx(plain, abs=1e-9)


def test_the_robust_error_is_the_change_of_the_area_with_each_weight():
    time, event = [2, 3, 3, 5, 6, 8, 9], [1, 1, 0, 1, 0, 1, 0]
    w = np.array([0.5, 1.5, 1, 2, 0.7, 1.1, 0.9])

    def area(weights):
        return km.kaplan_meier(time, event, weights=weights).curves[0].rmst(7).rmst

    step = 1e-6
    slopes = [(area(w + step * unit) - area(w - step * unit)) / (2 * step) for unit in np.eye(7)]
    expected = math.sqrt(sum((w * slopes) ** 2))
    assert km.rmst(time, event, weights=w, tau=7).arms[0].se == pytest.approx(expected, rel=1e-6)


def test_tau_is_the_smallest_of_the_last_times():
    assert km.rmst([3, 9, 5, 7], [1, 0, 1, 0], group=["a", "a", "b", "b"]).tau == 7


def test_a_tau_beyond_the_follow_up_is_told_unless_the_curve_is_0_by_then():
    fit = km.rmst([3, 9, 5, 7], [1, 0, 1, 1], group=["a", "a", "b", "b"], tau=12)
    assert fit["a"].beyond
    assert not fit["b"].beyond
    assert len(fit.warnings) == 1
    assert "a: tau 12 is beyond its follow-up (9)" in fit.warnings[0]
    assert fit.warnings[0] in fit.summary()


def test_no_event_before_tau_gives_no_certainty_and_no_ratio_of_time_lost():
    fit = km.rmst([3, 9, 8, 9], [1, 0, 0, 0], group=["a", "a", "b", "b"], tau=5)
    assert "no event before tau" in fit.warnings[0]
    assert math.isnan(fit.contrast("rmtl-ratio").estimate)


@pytest.mark.parametrize("tau", [0, -1, math.nan, math.inf, "x"])
def test_a_tau_that_cannot_be_is_refused(tau):
    with pytest.raises(InputError, match="tau"):
        km.rmst([1, 2], [1, 0], tau=tau)
    with pytest.raises(InputError, match="tau"):
        rmst_covariance([1, 2], [1, 0], [tau])


def test_what_is_not_there_is_refused():
    fit = km.rmst([1, 2], [1, 0])
    with pytest.raises(InputError, match="no contrast"):
        fit.contrast("difference")
    with pytest.raises(InputError, match="no group"):
        fit["b"]
    with pytest.raises(InputError, match="neither weights"):
        km.rmst([1, 2], [1, 0], weights=[1, 2]).r_script()
