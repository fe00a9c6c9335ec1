"""The Kaplan-Meier estimator: properties, and data that cannot be."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError

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
