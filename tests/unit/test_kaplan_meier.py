"""The Kaplan-Meier estimator: properties, and data that cannot be."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError
from kmeta.plots.kaplan_meier import counts_at

patients = st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=40)
INTERVALS = ["log-log", "log", "plain", "logit", "arcsine"]


@pytest.mark.parametrize("interval", INTERVALS)
@settings(deadline=None)
@given(patients)
def test_curve_falls_within_its_interval(interval, rows):
    time, event = zip(*rows, strict=True)
    curve = km.kaplan_meier(time, event, interval=interval).curves[0]
    assert (np.diff(curve.survival) <= 0).all()
    assert curve.n_event.sum() + curve.n_censored.sum() == curve.n == len(rows)
    known = ~np.isnan(curve.ci_low)
    assert (curve.ci_low[known] <= curve.survival[known] + 1e-12).all()
    assert (curve.survival[known] <= curve.ci_high[known] + 1e-12).all()
    assert curve.n_risk[0] == len(rows)


@settings(deadline=None)
@given(patients)
def test_without_censoring_it_is_the_share_still_alive(rows):
    time = [t for t, _ in rows]
    curve = km.kaplan_meier(time, [1] * len(time)).curves[0]
    for t, s in zip(curve.time, curve.survival, strict=True):
        assert s == pytest.approx(sum(x > t for x in time) / len(time), abs=1e-12)


@settings(deadline=None)
@given(patients, st.floats(0.1, 10))
def test_units_and_order_do_not_matter(rows, unit):
    a = km.kaplan_meier(*zip(*rows, strict=True)).curves[0]
    b = km.kaplan_meier(*zip(*[(unit * t, e) for t, e in reversed(rows)], strict=True)).curves[0]
    assert b.survival.tolist() == a.survival.tolist()
    assert b.median == pytest.approx([unit * value for value in a.median], nan_ok=True)


def test_number_at_risk_counts_those_who_leave_at_that_time():
    at = km.kaplan_meier([1, 2, 2, 3], [1, 0, 1, 0]).curves[0].at([0, 2, 2.5, 3, 4])
    assert [row["n_risk"] for row in at] == [4, 3, 1, 1, 0]
    assert math.isnan(at[-1]["survival"])


def test_a_step_that_lies_on_a_half_gives_its_middle():
    assert km.kaplan_meier([1, 2, 3, 4], [1, 1, 1, 1]).curves[0].median[0] == 2.5


def test_groups_keep_their_order():
    fit = km.kaplan_meier([1, 2, 3, 4], [1, 0, 1, 1], group=["b", "a", "b", "a"])
    assert [curve.label for curve in fit.curves] == ["b", "a"]
    assert len(fit.table()) == 4
    with pytest.raises(InputError, match="no group"):
        fit["c"]


@pytest.mark.parametrize(
    ("time", "event", "options", "words"),
    [
        ([1, -2], [1, 0], {}, r"time\[1\] is -2"),
        ([1, math.nan], [1, 0], {}, r"time\[1\] is nan"),
        ([1, 2], [1, 2], {}, r"event\[1\] is 2"),
        ([1, 2], [1], {}, "1 values, 2 times"),
        ([], [], {}, "empty"),
        (["a"], [1], {}, "not a number"),
        ([1, 2], [1, 0], {"interval": "loglog"}, "no interval is named"),
        ([1, 2], [1, 0], {"group": ["a"]}, "1 labels, 2 times"),
        ([1, 2], [1, 0], {"level": 95}, "level is 95"),
    ],
)
def test_what_cannot_be_is_refused(time, event, options, words):
    with pytest.raises(InputError, match=words):
        km.kaplan_meier(time, event, **options)


weighted = st.lists(st.tuples(st.integers(1, 15), st.booleans(), st.integers(1, 4)), min_size=1, max_size=25)


@settings(deadline=None, max_examples=60)
@given(weighted)
def test_a_weight_of_two_is_two_patients(rows):
    time, event, weight = zip(*rows, strict=True)
    a = km.kaplan_meier(time, event, weights=weight).curves[0]
    b = km.kaplan_meier(np.repeat(time, weight), np.repeat(event, weight)).curves[0]
    for name in ("time", "n_risk", "n_event", "survival", "se", "ci_low", "hazard", "hazard_se"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=1e-12)
    assert a.n == len(rows)
    assert not a.robust


@settings(deadline=None, max_examples=60)
@given(patients)
def test_weights_of_one_and_entry_at_0_are_none_and_the_robust_error_is_greenwoods(rows):
    time, event = zip(*[(t + 1, e) for t, e in rows], strict=True)
    plain = km.kaplan_meier(time, event).curves[0]
    for options in ({"weights": [1] * len(rows)}, {"entry": [0] * len(rows)}, {"robust": True}):
        curve = km.kaplan_meier(time, event, **options).curves[0]
        np.testing.assert_allclose(curve.survival, plain.survival, atol=1e-12)
        np.testing.assert_allclose(curve.se, plain.se, atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 9), st.booleans()), min_size=1, max_size=25))
def test_late_entry_counts_those_who_have_entered(rows):
    entry = [start for start, _, _ in rows]
    time, event = [start + stay for start, stay, _ in rows], [e for _, _, e in rows]
    fit = km.kaplan_meier(time, event, entry=entry)
    curve = fit.curves[0]
    survival = 1.0
    for i, t in enumerate(curve.time):
        at_risk = sum(a < t <= b for a, b in zip(entry, time, strict=True))
        survival *= 1 - sum(b == t and e for b, e in zip(time, event, strict=True)) / at_risk
        assert curve.n_risk[i] == at_risk
        assert curve.survival[i] == pytest.approx(survival, abs=1e-12)
    assert bool(fit.warnings) == bool((curve.survival[:-1] == 0).any())


@settings(deadline=None, max_examples=60)
@given(patients, st.lists(st.floats(0, 30), min_size=1, max_size=4))
def test_a_risk_table_makes_n_and_counts_between_times_make_the_whole(rows, times):
    time, event = zip(*rows, strict=True)
    fit = km.kaplan_meier(time, event)
    for row in fit.risk_table(times):
        assert row["n_risk"] + row["events"] + row["censored"] == len(rows)
    found = fit.curves[0].at([*times, 31])
    distinct = {row["time"]: row for row in found}
    assert sum(row["n_event"] for row in distinct.values()) == sum(event)
    assert sum(row["n_event"] + row["n_censored"] for row in distinct.values()) == len(rows)


@settings(deadline=None, max_examples=40)
@given(patients)
def test_hazards_in_intervals_add_up(rows):
    time, event = zip(*rows, strict=True)
    cuts = [0, 7, 15.5, 40]
    found = km.kaplan_meier(time, event).curves[0].interval_hazards(cuts)
    assert sum(row["events"] for row in found) == sum(event)
    assert sum(row["time_at_risk"] for row in found) == pytest.approx(sum(time))
    for row in found:
        if row["time_at_risk"] > 0:
            assert row["ci_low"] <= row["hazard"] <= row["ci_high"]


def test_interval_hazards_have_exact_limits():
    """poisson.test(3, 12)$conf.int: 0.0515560102 0.7306060891; R 4.2.2."""
    row = km.kaplan_meier([1, 2, 4, 5], [1, 1, 0, 1]).curves[0].interval_hazards([0, 10])[0]
    assert (row["hazard"], row["time_at_risk"]) == (0.25, 12)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((0.0515560102, 0.7306060891), abs=1e-9)
    with pytest.raises(InputError, match="must rise"):
        km.kaplan_meier([1, 2], [1, 0]).curves[0].interval_hazards([5, 2])


@pytest.mark.parametrize("interval", INTERVALS)
def test_one_patient_and_all_censored_are_answered_without_noise(interval):
    for time, event in (([3], [1]), ([3], [0]), ([0], [1]), ([2, 5, 5], [0, 0, 0]), ([0, 0], [0, 1])):
        fit = km.kaplan_meier(time, event, interval=interval)
        assert fit.summary()
        assert "survfit" in fit.r_script()
    assert math.isnan(km.kaplan_meier([2, 5], [0, 0], interval=interval).curves[0].median[0])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weights": [1, 0, 2]}, r"weights\[1\] is 0"),
        ({"weights": [1, math.inf, 2]}, r"weights\[1\] is inf"),
        ({"entry": [0, 2, 1]}, r"entry\[1\] is 2"),
        ({"entry": [0, -1, 1]}, r"entry\[1\] is -1"),
        ({"entry": [0, 1]}, "2 values, 3 times"),
    ],
)
def test_weights_and_entries_that_cannot_be_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        km.kaplan_meier([1, 2, 3], [1, 0, 1], **options)


def test_many_bad_rows_are_told_at_once():
    with pytest.raises(InputError, match=r"time\[0\] is -1, time\[1\] is -2, .* and 3 more"):
        km.kaplan_meier([-1, -2, -3, -4, -5, -6, -7, -8, 9], [1] * 9)


def test_the_figures_table_counts_those_under_observation():
    fit = km.kaplan_meier([4, 6, 8, 9], [1, 0, 1, 1], entry=[0, 5, 0, 7])
    counts = counts_at(fit.curves[0], [0, 2, 6, 8])
    assert (counts.at_risk, counts.events, counts.censored) == ([2, 2, 2, 2], [0, 0, 1, 1], [0, 0, 0, 1])
