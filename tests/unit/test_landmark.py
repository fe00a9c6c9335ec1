"""Landmark analysis: who is analysed, in which group, and what is said of the others."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError

patient = st.tuples(st.integers(1, 20), st.integers(0, 1), st.none() | st.floats(0, 1))
patients = st.lists(patient, min_size=3, max_size=40)


def columns(rows):
    """A response at a share of the own follow-up, or never."""
    time, event = [row[0] for row in rows], [row[1] for row in rows]
    when = [math.nan if row[2] is None else row[2] * row[0] for row in rows]
    group = ["no" if math.isnan(t) else "response" for t in when]
    return time, event, group, when


@settings(deadline=None, max_examples=60)
@given(patients, st.floats(0, 15))
def test_everybody_is_counted_once_and_only_the_followed_are_analysed(rows, at):
    time, event, group, when = columns(rows)
    if max(time) <= at:
        with pytest.raises(InputError, match="nobody is followed"):
            km.landmark(time, event, at=at, group=group, group_time=when, otherwise="no")
        return
    fit = km.landmark(time, event, at=at, group=group, group_time=when, otherwise="no")
    assert sum(each.n_before for each in fit.groups) == len(rows)
    assert sum(each.n for each in fit.groups) + fit.left_out == len(rows)
    assert sum(each.n for each in fit.groups) == sum(t > at for t in time)
    by_then = sum(t > at and not math.isnan(w) and w <= at for t, w in zip(time, when, strict=True))
    assert next((each.n for each in fit.groups if each.label == "response"), 0) == by_then
    late = sum(t > at and w > at for t, w in zip(time, when, strict=True))
    assert any("immortal time" in text for text in fit.warnings) == bool(late)
    if fit.logrank is not None:
        kept = [i for i, t in enumerate(time) if t > at]
        label = ["response" if when[i] <= at else "no" for i in kept]
        plain = km.logrank([time[i] - at for i in kept], [event[i] for i in kept], label)
        assert fit.logrank.chi2 == pytest.approx(plain.chi2, nan_ok=True)


def test_immortal_time_is_what_it_takes_away():
    """Response has no effect here, yet who lives longer has more time to respond."""
    rng = np.random.default_rng(3)
    time, when = rng.exponential(10, 600), rng.exponential(15, 600)
    group = np.where(when < time, "response", "no")
    when = np.where(when < time, when, np.nan)
    naive = km.logrank(time, np.ones(600), group, reference="no")
    fit = km.landmark(time, np.ones(600), at=6, group=group, group_time=when)
    assert naive.log_hr[0] < -0.5
    assert abs(fit.logrank.log_hr[0]) < 2.5 * fit.logrank.se[0]
    assert "counted in the starting group" in fit.summary()


def test_times_run_from_the_landmark_and_the_left_out_are_told_by_group():
    fit = km.landmark(
        [1, 2, 5, 6, 8, 9], [1, 0, 1, 1, 0, 1], at=3, group=["a", "b", "a", "b", "a", "b"], group_time=None
    )
    assert [(g.events_before, g.censored_before, g.n) for g in fit.groups] == [(1, 0, 2), (0, 1, 2)]
    assert fit.kaplan_meier["a"].time.tolist() == [2, 5]
    assert fit.warnings == ("no group_time: every label is taken as known at the landmark",)
    assert fit.r_script().count("library(survival)") == 1


def test_an_event_at_the_landmark_is_before_it():
    fit = km.landmark([3, 5, 6], [1, 1, 1], at=3, group=["a", "a", "b"])
    assert fit.left_out == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"at": -1}, "at is -1"),
        ({"at": "x"}, "at is 'x'"),
        ({"at": 9}, "nobody is followed past 9"),
        ({"at": 1, "group_time": [1, 5, 2]}, r"group_time\[1\] is 5"),
        ({"at": 1, "group_time": [1, -2, 2]}, r"group_time\[1\] is -2"),
        ({"at": 1, "group_time": [1, 1, 1]}, "nobody has no group_time"),
        ({"at": 1, "group_time": [1, None, None]}, "no, yes have no group_time"),
        ({"at": 1, "group_time": [1, 2]}, "2 values, 3 times"),
    ],
)
def test_what_cannot_be_is_refused(options, words):
    with pytest.raises(InputError, match=words):
        km.landmark([3, 4, 5], [1, 1, 0], group=["yes", "no", "yes"], **options)
