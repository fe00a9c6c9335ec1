"""Cumulative incidence, Gray's test and Fine-Gray regression: properties, and data that cannot be."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import ConvergenceError, InputError

patient = st.tuples(st.integers(1, 12), st.integers(0, 2), st.sampled_from("ab"), st.integers(-3, 3))
patients = st.lists(patient, min_size=4, max_size=50).filter(lambda rows: any(row[1] for row in rows))
quick = settings(deadline=None, max_examples=60)


def columns(rows):
    return [list(column) for column in zip(*rows, strict=True)]


@quick
@given(patients)
def test_incidences_and_survival_make_one(rows):
    time, event, _, _ = columns(rows)
    fit = km.cumulative_incidence(time, event)
    free = km.kaplan_meier(time, [int(d > 0) for d in event]).curves[0]
    total = sum(curve.incidence for curve in fit.curves) + free.survival
    np.testing.assert_allclose(total, 1, atol=1e-12)
    for curve in fit.curves:
        assert (np.diff(curve.incidence) >= 0).all()
        known = ~np.isnan(curve.ci_low)
        assert (curve.ci_low[known] <= curve.incidence[known] + 1e-12).all()
        assert (curve.incidence[known] <= curve.ci_high[known] + 1e-12).all()


@quick
@given(patients)
def test_with_one_cause_it_is_one_less_kaplan_meier(rows):
    time, event, _, _ = columns(rows)
    one = [int(d > 0) for d in event]
    fit = km.cumulative_incidence(time, one).curves[0]
    np.testing.assert_allclose(fit.incidence, 1 - km.kaplan_meier(time, one).curves[0].survival, atol=1e-12)


@quick
@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 2)), min_size=2, max_size=40))
def test_without_censoring_it_is_the_share_with_the_event(rows):
    time, cause = columns(rows)
    fit = km.cumulative_incidence(time, cause)
    for curve in fit.curves:
        for row in curve.at([2, 7, 20]):
            share = sum(t <= row["time"] and str(c) == curve.cause for t, c in rows) / len(rows)
            assert row["incidence"] == pytest.approx(share)


@quick
@given(patients, st.floats(0.1, 10))
def test_words_units_and_order_do_not_matter(rows, unit):
    time, event, group, _ = columns(rows)
    words = {0: "censored", 1: "relapse", 2: "death"}
    if 0 not in event:
        return
    fit = km.cumulative_incidence(time, event, group=group)
    other = km.cumulative_incidence(
        [unit * t for t in reversed(time)],
        [words[d] for d in reversed(event)],
        group=list(reversed(group)),
    )
    for curve in fit.curves:
        same = other.curve(words[int(curve.cause)], curve.label)
        np.testing.assert_allclose(same.incidence, curve.incidence, atol=1e-12)
        np.testing.assert_allclose(same.se, curve.se, atol=1e-12)


@quick
@given(patients)
def test_grays_test_does_not_know_the_order_of_groups_and_one_stratum_is_none(rows):
    time, event, group, _ = columns(rows)
    if len(set(group)) < 2:
        return
    fit = km.gray_test(time, event, group)
    other = km.gray_test(time[::-1], event[::-1], [{"a": "q", "b": "p"}[g] for g in group[::-1]])
    np.testing.assert_allclose(other.chi2, fit.chi2, rtol=1e-6, atol=1e-9)
    one = km.gray_test(time, event, group, strata=["s"] * len(time))
    np.testing.assert_array_equal(one.chi2, fit.chi2)


def test_with_one_cause_grays_score_is_the_log_ranks():
    time, event = [1, 2, 3, 3, 4, 5, 6, 8, 9, 9], [1, 1, 0, 1, 1, 0, 1, 1, 0, 1]
    group = list("abababbaab")
    gray = km.gray_test(time, event, group)
    plain = km.logrank(time, event, group)
    np.testing.assert_allclose(gray.score[0], plain.observed - plain.expected, atol=1e-12)


@quick
@given(patients)
def test_fine_gray_is_at_its_maximum(rows):
    time, event, _, x = columns(rows)
    try:
        fit = km.fine_gray(time, event, {"x": x}, cause=1)
    except (InputError, ConvergenceError):
        return
    again = km.fine_gray(time, event, {"x": [3 - 2 * value for value in x]}, cause=1)
    assert -2 * again.coef[0] == pytest.approx(fit.coef[0], rel=1e-5, abs=1e-7)
    assert 2 * again.se[0] == pytest.approx(fit.se[0], rel=1e-4, abs=1e-7, nan_ok=True)
    assert math.isnan(fit.se[0]) == bool(fit.warnings)
    assert fit.loglik >= fit.loglik_null - 1e-9
    ours = fit.predict([x[0]], time)
    theirs = again.predict({"x": 3 - 2 * x[0]}, time)
    for a, b in zip(ours, theirs, strict=True):
        assert a["incidence"] == pytest.approx(b["incidence"], abs=1e-6)


def test_fine_gray_without_competing_events_is_a_cox_model():
    """coxph(Surv(time, event) ~ x, ties = "breslow", robust = TRUE); R 4.2.2, survival 3.5-3."""
    time, event = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [1, 0, 1, 1, 0, 1, 1, 0, 1, 1]
    fit = km.fine_gray(time, event, {"x": [1, 0, 1, 1, 0, 0, 1, 0, 0, 1]}, cause=1)
    assert fit.coef[0] == pytest.approx(0.81309001641663, abs=1e-8)
    assert fit.se[0] == pytest.approx(0.68907758279087, abs=1e-8)


def test_a_group_without_the_event_has_no_finite_ratio():
    with pytest.raises(ConvergenceError, match="x runs off to infinity"):
        km.fine_gray([1, 2, 3, 4, 5, 6], [1, 1, 1, 2, 0, 2], {"x": [0, 0, 0, 1, 1, 1]}, cause=1)


@pytest.mark.parametrize(
    ("event", "options", "words"),
    [
        ([0, 1, -1], {}, r"event\[2\] is -1"),
        ([0, 1, 1.5], {}, r"event\[2\] is 1.5"),
        ([0, 1, None], {}, r"event\[2\] is nan"),
        (["relapse", None, "censored"], {}, r"event\[1\] is missing"),
        (["relapse", "death", "alive"], {}, "no label says censored"),
        ([0, 0, 0], {}, "nobody had an event"),
        ([0, 1], {}, "2 values, 3 times"),
        ([[0, 1], [1], [1]], {}, "not a flat column"),
        ([0, 1, 2], {"cause": 3}, "no cause is '3'"),
        ([0, 1, 2], {"group": ["a"]}, "1 labels, 3 times"),
        ([0, 1, 2], {"interval": "wald"}, "no interval is named"),
        ([0, 1, 2], {"level": 95}, "level is 95"),
    ],
)
def test_what_cannot_be_is_refused(event, options, words):
    with pytest.raises(InputError, match=words):
        km.cumulative_incidence([1, 2, 3], event, **options)


@pytest.mark.parametrize(
    ("covariates", "cause", "words"),
    [
        ({"x": [1, 1, 1, 1]}, 1, "x does not vary"),
        ({"x": [1, 2, 3, 4], "y": [2, 4, 6, 8]}, 1, "repeat each other"),
        ({"x": [1, 2, 3, "a"]}, 1, "row 3 is 'a'"),
        ({"x": [1, 2, 3, math.nan]}, 1, r"x\[3\] is nan"),
        ({"x": [1, 2, 3]}, 1, "3 values, 4 times"),
        ({}, 1, "there is none"),
        (np.ones((2, 2, 2)), 1, "have shape"),
        ([1, 2, 3, 4], 7, "no cause is '7'"),
    ],
)
def test_covariates_that_cannot_be_are_refused(covariates, cause, words):
    with pytest.raises(InputError, match=words):
        km.fine_gray([1, 2, 3, 4], [1, 2, 1, 0], covariates, cause=cause)


def test_predictions_need_every_term():
    fit = km.fine_gray([1, 2, 3, 4, 5], [1, 2, 1, 0, 1], {"x": [1, 3, 2, 1, 4]}, cause=1)
    with pytest.raises(InputError, match="names y"):
        fit.predict({"y": 1}, [1])
    with pytest.raises(InputError, match="2 values"):
        fit.predict([1, 2], [1])
    assert math.isnan(fit.predict([1], [9])[0]["incidence"])


def test_one_group_cannot_be_compared():
    with pytest.raises(InputError, match="one group"):
        km.gray_test([1, 2], [1, 0], ["a", "a"])


def test_a_stratum_without_events_adds_nothing():
    time, event, group = [1, 2, 3, 4, 5, 6], [1, 2, 1, 1, 0, 2], list("abaabb")
    whole = km.gray_test(time, event, group)
    more = km.gray_test([*time, 7, 8], [*event, 0, 0], [*group, "a", "b"], strata=["s"] * 6 + ["t"] * 2)
    np.testing.assert_array_equal(more.chi2, whole.chi2)
