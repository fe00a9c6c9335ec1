"""Reconstruction of individual data: properties over any curve, facts that contradict, and data that cannot be."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError

CURVE = {"time": [0, 2, 5, 9, 12, 20, 24], "survival": [1, 0.9, 0.8, 0.7, 0.6, 0.45, 0.45]}
TABLE = {"n_risk_time": [0, 6, 12, 18], "n_risk": [60, 46, 32, 15]}


def simulated(n=200, seed=1, rate=0.06, most=24.0, least=8.0):
    """Times and events of n patients with accrual between `least` and `most` months before the end."""
    draw = np.random.default_rng(seed)
    death, end = draw.exponential(1 / rate, n), draw.uniform(least, most, n)
    return np.minimum(death, end), (death <= end).astype(float)


def steps_of(time, event):
    """The drops of the curve of individual data, then the end of follow-up."""
    curve = km.kaplan_meier(time, event).curves[0]
    fell = curve.n_event > 0
    return np.append(curve.time[fell], time.max() + 1e-9), np.append(curve.survival[fell], curve.survival[-1])


def at_pixels(time, event, width=800, height=500):
    """What a digitiser reads: pixel columns in which the curve drops, and the row of the curve after it."""
    t, s = steps_of(time, event)
    column = np.ceil(t / t[-1] * width)
    last = np.append(np.diff(column) > 0, True)
    return column[last] / width * t[-1], np.round(s[last] * height) / height


def at_risk(time, ticks):
    return [int((time >= tick).sum()) for tick in ticks]


points = st.lists(st.tuples(st.floats(0.01, 60), st.floats(0, 1)), min_size=1, max_size=30)


@settings(deadline=None, max_examples=80)
@given(points, st.integers(1, 300), st.none() | st.floats(0, 1))
def test_any_points_end_in_that_many_patients(rows, n, share):
    time, survival = zip(*rows, strict=True)
    events = None if share is None else round(share * n)
    found = km.reconstruct_ipd(time, survival, n=n, events=events, direction="survival", scale="fraction")
    assert len(found.time) == len(found.event) == found.n == n
    assert (found.time >= 0).all()
    assert found.time.max() <= max(time) * (1 + 1e-9)
    assert (np.diff(found.time) >= 0).all()
    assert set(found.event.tolist()) <= {0.0, 1.0}
    assert found.events == found.event.sum()
    if events is not None and found.events != events:
        assert any(each.fact == "events" for each in found.contradictions)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(20, 300), st.sampled_from([0.02, 0.06, 0.15]))
def test_numbers_at_risk_come_out_as_given(seed, n, rate):
    time, event = simulated(n, seed, rate)
    ticks = [0, 6, 12]
    t, s = at_pixels(time, event)
    found = km.reconstruct_ipd(t, s, n_risk_time=ticks, n_risk=at_risk(time, ticks), events=int(event.sum()))
    assert [row["n_risk"] for row in found.rows()] == at_risk(time, ticks)
    # Of 20 patients with a few events, about 1 in 100 is not met; never without saying so.
    assert found.mean_ds < 0.06 or any(each.fact == "curve" for each in found.contradictions)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(5, 150))
def test_exact_steps_give_the_events_back(seed, n):
    time, event = simulated(n, seed)
    if not event.any():
        return
    t, s = steps_of(time, event)
    found = km.reconstruct_from_steps(t, s, n=n, precision=1e-8)
    assert found.n == n
    assert found.max_ds < 1e-7
    # Where few are left, 1 of 2 and 2 of 4 are one drop: the times are known, a death more or less may not be.
    assert np.unique(found.time[found.event == 1]) == pytest.approx(np.unique(time[event == 1]))
    assert abs(found.events - event.sum()) <= 2


def test_the_drops_alone_tell_the_number_of_patients():
    time, event = simulated(120, 4)
    found = km.reconstruct_from_steps(*steps_of(time, event), precision=1e-8)
    assert (found.n, found.events) == (120, int(event.sum()))


@pytest.mark.parametrize("name", ["percent", "incidence", "shuffled", "repeated"])
def test_the_same_curve_written_otherwise_gives_the_same_patients(name):
    time, event = simulated(150, 9)
    t, s = at_pixels(time, event)
    plain = km.reconstruct_ipd(t, s, n=150)
    order = np.random.default_rng(0).permutation(len(t))
    other = {
        "percent": (t, 100 * s),
        "incidence": (np.append(0.0, t), np.append(0.0, 1 - s)),
        "shuffled": (t[order], s[order]),
        "repeated": (np.repeat(t, 2), np.repeat(s, 2)),
    }[name]
    again = km.reconstruct_ipd(*other, n=150)
    assert again.event.tolist() == plain.event.tolist()
    assert again.time == pytest.approx(plain.time, abs=1e-6)


def test_units_of_time_do_not_matter():
    time, event = simulated(150, 9)
    t, s = at_pixels(time, event)
    months, years = km.reconstruct_ipd(t, s, n=150), km.reconstruct_ipd(t / 12, s, n=150)
    assert years.time * 12 == pytest.approx(months.time, rel=1e-6)
    assert years.event.tolist() == months.event.tolist()


def test_a_seed_gives_the_same_ensemble_and_another_another():
    one, same, other = (km.reconstruct_ipd(**CURVE, **TABLE, ensemble=3, seed=seed) for seed in (1, 1, 2))
    for a, b in zip(one.ensemble, same.ensemble, strict=True):
        assert a.time.tobytes() == b.time.tobytes()
        assert len(a.time) == 60
    assert any(a.time.tolist() != b.time.tolist() for a, b in zip(one.ensemble, other.ensemble, strict=True))


@pytest.mark.parametrize(
    ("given", "fact"),
    [
        ({**TABLE, "n": 70}, "n"),
        ({**TABLE, "events": 1}, "events"),
        ({**TABLE, "median": 4.0}, "median"),
        ({**TABLE, "survival_at": {12: 0.9}}, "survival_at"),
        ({"n_risk_time": [0, 6, 12], "n_risk": [60, 58, 57]}, "n_risk"),
    ],
)
def test_facts_that_cannot_hold_together_are_told(given, fact):
    given = {"interpolation": "steps", **given}
    assert fact in {each.fact for each in km.reconstruct_ipd(**CURVE, **given).contradictions}


def test_facts_that_fit_are_not_doubted():
    time, event = simulated(200, 3)
    t, s = at_pixels(time, event)
    median = km.kaplan_meier(time, event).curves[0].median[0]
    ticks = [0, 5, 10, 15]
    found = km.reconstruct_ipd(
        t, s, n_risk_time=ticks, n_risk=at_risk(time, ticks), events=int(event.sum()), median=median
    )
    assert found.contradictions == ()
    assert found.events == event.sum()
    assert "median" in found.used


def two_arms(seed=5, ratio=0.6, n=200):
    control, treated = simulated(n, seed, 0.08), simulated(n, seed + 1, 0.08 * ratio)
    truth = km.cox(
        np.append(control[0], treated[0]), np.append(control[1], treated[1]), group=["c"] * n + ["t"] * n
    )
    arms = []
    for time, event in (control, treated):
        t, s = at_pixels(time, event)
        ticks = [0, 6, 12, 18]
        arms.append({"time": t, "survival": s, "n_risk_time": ticks, "n_risk": at_risk(time, ticks)})
    return arms, truth


def test_a_trial_has_the_hazard_ratio_of_its_own_patients():
    arms, truth = two_arms()
    found = km.reconstruct_trial(arms, ensemble=20)
    assert found.log_hr == pytest.approx(truth.beta[0], abs=0.02)
    assert found.se == pytest.approx(truth.se[0], rel=0.02)
    assert found.total_se > found.se
    assert found.own_interval[0] < math.exp(truth.beta[0]) < found.own_interval[1]
    ours = km.cox(
        [row["time"] for row in found.patients()],
        [row["event"] for row in found.patients()],
        group=[row["label"] for row in found.patients()],
    )
    assert abs(ours.beta[0]) == pytest.approx(abs(found.unadjusted_log_hr), abs=1e-8)


def test_a_printed_ratio_moves_the_estimate_no_further_than_it_is_open():
    arms, _ = two_arms()
    alone = km.reconstruct_trial(arms, ensemble=20)
    near = km.reconstruct_trial(arms, ensemble=20, hazard_ratio=alone.hr + 0.01)
    assert abs(near.log_hr - alone.log_hr) <= alone.between_sd
    assert near.contradictions == ()
    far = km.reconstruct_trial(arms, ensemble=20, hazard_ratio=1 / alone.hr)
    assert far.contradictions
    assert far.log_hr == alone.log_hr


BAD = [
    ({"time": [0, -3]}, r"time\[1\] is -3"),
    ({"survival": [1, 1.4]}, r"survival\[1\] is 1.4"),
    ({"survival": [1, "x"]}, "not a number"),
    ({"survival": [1, math.nan]}, "survival"),
    ({"time": [0]}, "values, 1 times|survival"),
    ({"time": [], "survival": []}, "points"),
    ({"n": None}, "n: is missing"),
    ({"n": 0}, "n: is 0"),
    ({"n": 3.5}, "whole number"),
    ({"events": 30}, "at most one event a patient"),
    ({"events": -1}, "events"),
    ({"n_risk_time": [0, 6], "n_risk": [20, 25]}, "never rising"),
    ({"n_risk_time": [0, 0], "n_risk": [20, 15]}, "each time once"),
    ({"n_risk_time": [0, 6], "n_risk": [20]}, "1 numbers|numbers, 2 times"),
    ({"n_risk_time": [0, 6]}, "n_risk"),
    ({"n_risk_time": [0, 120], "n_risk": [20, 5]}, "months and years mixed"),
    ({"median": -2}, "median"),
    ({"scale": "permille"}, "no scale"),
    ({"direction": "up"}, "no direction"),
    ({"interpolation": "linear"}, "no interpolation"),
    ({"ensemble": -1}, "ensemble"),
    ({"seed": 1.5}, "seed"),
]


@pytest.mark.parametrize(("changes", "words"), BAD)
def test_what_cannot_be_is_refused_in_words(changes, words):
    given = {"time": [0, 10], "survival": [1, 0.5], "n": 20, **changes}
    with pytest.raises(InputError, match=words):
        km.reconstruct_ipd(given.pop("time"), given.pop("survival"), **given)


@pytest.mark.parametrize(
    ("survival", "n", "events"),
    [([1, 1, 1], 10, 0), ([1, 0.5, 0.5], 1, None), ([1, 0.0, 0.0], 1, 1), ([1, 0.5, 0.0], 2, 2)],
)
def test_few_patients_and_flat_curves(survival, n, events):
    found = km.reconstruct_ipd([0, 5, 10], survival, n=n, events=events)
    assert found.n == n
    assert events is None or found.events == events


@pytest.mark.parametrize(
    ("time", "survival", "options", "words"),
    [
        ([1, 2], [0.9, 0.95], {"n": 10}, "never rising"),
        ([2, 1], [0.9, 0.8], {"n": 10}, "one row a drop"),
        ([1, 2], [0.937, 0.61], {"n": 10}, "no whole numbers"),
        ([1], [1.2], {"n": 10}, "survival"),
        ([], [], {"n": 10}, "is empty"),
        ([1], [0.9], {"n": 10, "precision": 0.5}, "precision"),
    ],
)
def test_steps_that_are_none_are_refused(time, survival, options, words):
    with pytest.raises(InputError, match=words):
        km.reconstruct_from_steps(time, survival, **options)
