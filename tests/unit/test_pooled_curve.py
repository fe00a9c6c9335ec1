"""The summary survival curve of several studies."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError


def exponential(seed, k=6, n=80, spread=0.4, months=48.0, rate=0.03):
    """Kaplan-Meier curves of k studies whose hazards differ."""
    rng = np.random.default_rng(seed)
    found = {}
    for i in range(k):
        time = rng.exponential(1 / (rate * math.exp(rng.normal(0, spread))), n)
        end = rng.uniform(months / 3, months, n)
        found[f"study {i}"] = km.kaplan_meier(np.minimum(time, end), (time <= end).astype(int)).curves[0]
    return found


def rows_of(study, times, survival, n):
    return [(study, t, s, m) for t, s, m in zip(times, survival, n, strict=True)]


TIMES = [6, 12, 18, 24]
A = rows_of("A", TIMES, [0.9, 0.75, 0.6, 0.5], [60, 54, 45, 36])
B = rows_of("B", TIMES, [0.8, 0.6, 0.45, 0.3], [100, 80, 60, 45])
C = rows_of("C", TIMES, [0.95, 0.85, 0.8, 0.7], [40, 38, 34, 32])
THREE = [*A, *B, *C]

seeds = st.integers(0, 10_000)


def test_one_study_is_its_own_curve_with_its_own_precision():
    curve = exponential(3, k=1)["study 0"]
    times = [3, 6, 12, 15]
    found = km.pooled_curve([curve], times=times)
    own = curve.at(times)
    np.testing.assert_allclose(found.survival, [row["survival"] for row in own], rtol=1e-12)
    np.testing.assert_allclose(found.ci_low, [row["ci_low"] for row in own], rtol=1e-9)
    np.testing.assert_allclose(found.ci_high, [row["ci_high"] for row in own], rtol=1e-9)
    assert np.isnan(found.pi_low).all()
    assert found.warnings[0].startswith("one study")


def test_identical_studies_agree_and_say_more_together():
    alone = km.pooled_curve(A)
    three = [(f"{name}{i}", *rest) for i in range(3) for name, *rest in A]
    found = km.pooled_curve(three, correction=False, test="z")
    np.testing.assert_allclose(found.survival, alone.survival, rtol=1e-12)
    assert (found.ci_high - found.ci_low < alone.ci_high - alone.ci_low).all()
    np.testing.assert_allclose(found.heterogeneity().tau2, 0, atol=1e-15)
    assert found.q == pytest.approx(0, abs=1e-9)
    common = km.pooled_curve(three, correction=False, method="common")
    np.testing.assert_allclose(common.survival, found.survival, rtol=1e-10)
    np.testing.assert_allclose(common.se, found.se, rtol=1e-10)


@settings(max_examples=15, deadline=None)
@given(seeds, st.permutations(range(6)))
def test_the_order_of_the_studies_does_not_matter(seed, order):
    curves = exponential(seed)
    labels = list(curves)
    shuffled = {labels[i]: curves[labels[i]] for i in order}
    first, second = km.pooled_curve(curves), km.pooled_curve(shuffled)
    np.testing.assert_allclose(first.survival, second.survival, rtol=1e-9)
    np.testing.assert_allclose(first.pi_low, second.pi_low, rtol=1e-7)
    assert first.median == pytest.approx(second.median, rel=1e-9, nan_ok=True)


@settings(max_examples=15, deadline=None)
@given(st.floats(1e-3, 1e3))
def test_times_in_another_unit_give_the_same_curve(unit):
    one = km.pooled_curve(THREE)
    other = km.pooled_curve([(s, t * unit, p, n) for s, t, p, n in THREE])
    np.testing.assert_allclose(other.time, one.time * unit, rtol=1e-12)
    np.testing.assert_allclose(other.survival, one.survival, rtol=1e-12)
    assert other.median == pytest.approx([unit * m for m in one.median], nan_ok=True)
    assert other.rmst == pytest.approx([unit * m for m in one.rmst])


def test_individual_data_in_another_unit_give_the_same_curve():
    curves = exponential(1)
    scaled = {
        name: km.kaplan_meier(
            np.repeat(c.time * 30.4375, (c.n_event + c.n_censored).astype(int)),
            np.concatenate(
                [[1] * int(d) + [0] * int(x) for d, x in zip(c.n_event, c.n_censored, strict=True)]
            ),
        ).curves[0]
        for name, c in curves.items()
    }
    one, other = km.pooled_curve(curves), km.pooled_curve(scaled)
    np.testing.assert_allclose(other.survival, one.survival, rtol=1e-9)
    np.testing.assert_allclose(other.time, one.time * 30.4375, rtol=1e-12)


@settings(max_examples=20, deadline=None)
@given(seeds, st.sampled_from(["log-log", "log"]))
def test_bands_hold_each_other_and_the_curve_falls(seed, interval):
    found = km.pooled_curve(exponential(seed), interval=interval)
    assert (np.diff(found.survival) <= 1e-12).all()
    assert (found.ci_low <= found.survival).all()
    assert (found.survival <= found.ci_high).all()
    known = np.isfinite(found.pi_low)
    assert (found.pi_low[known] <= found.ci_low[known] + 1e-12).all()
    assert (found.pi_high[known] >= found.ci_high[known] - 1e-12).all()
    low, high = found.simultaneous_band(draws=2000)
    assert (low <= found.ci_low + 1e-12).all()
    assert (high >= found.ci_high - 1e-12).all()


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_the_median_lies_among_those_of_the_studies(seed):
    curves = exponential(seed, months=120)
    found = km.pooled_curve(curves)
    own = [km.pooled_curve([curve], times=found.time).median[0] for curve in curves.values()]
    assert min(own) * 0.95 <= found.median[0] <= max(own) * 1.05
    assert found.median[1] <= found.median[0]


def test_median_and_mean_of_a_known_curve():
    found = km.pooled_curve([("A", 10, 0.75, 1e6), ("A", 20, 0.25, 7.5e5)])
    assert found.median[0] == pytest.approx(15)
    assert found.rmst[0] == pytest.approx(10 * (1 + 0.75) / 2 + 10 * (0.75 + 0.25) / 2)
    assert found.rmst_at(15)[0] == pytest.approx(8.75 + 5 * (0.75 + 0.5) / 2)
    assert found.at([5])[0]["survival"] == pytest.approx(0.875)
    assert found.quantile(0.25)[0] == pytest.approx(10)


def test_the_standard_error_of_the_mean_is_that_of_drawn_curves():
    found = km.pooled_curve(exponential(5), rmst_to=None, times=[4, 8, 12, 16, 20, 24])
    low, high = found.monte_carlo(draws=40_000, seed=2)["rmst"]
    assert (high - low) / (2 * 1.959964) == pytest.approx(found.rmst_se, rel=0.05)
    again = found.monte_carlo(draws=40_000, seed=2)["rmst"]
    assert again == (low, high)


def test_few_studies_have_wider_limits_than_normal_ones():
    t, z = km.pooled_curve(THREE), km.pooled_curve(THREE, test="z")
    assert (t.df, z.df, km.pooled_curve(THREE, method="common").df) == (2, math.inf, math.inf)
    np.testing.assert_allclose(t.se, z.se)
    assert (t.ci_high > z.ci_high).all()
    assert t.rmst[0] - t.rmst[1] == pytest.approx(4.302653 / 1.959964 * (z.rmst[0] - z.rmst[1]), rel=1e-5)
    assert (t.simultaneous_band()[1] > z.simultaneous_band()[1]).all()


def test_studies_that_report_other_times_are_read_between_them():
    """The hazard is constant between reports: an exponential study reported twice equals one reported often."""
    often = rows_of(
        "A", TIMES, [math.exp(-0.03 * t) for t in TIMES], [100 * math.exp(-0.03 * (t - 6)) for t in TIMES]
    )
    rare = [("A", 24, math.exp(-0.72), 100)]
    full, part = (km.pooled_curve([*rows, *B, *C]) for rows in (often, rare))
    np.testing.assert_allclose(part.survival, full.survival, rtol=1e-9)
    np.testing.assert_allclose(part.se, full.se, rtol=1e-9)


def test_the_grid_is_chosen_from_the_data():
    assert km.pooled_curve(THREE).time.tolist() == TIMES
    assert len(km.pooled_curve([*THREE, ("D", 7, 0.9, 30), ("D", 23, 0.5, 25)]).time) == 6
    monthly = [(s, t, 0.98**t, 100 * 0.98**t) for s in "ABC" for t in range(1, 37)]
    assert len(km.pooled_curve(monthly).time) == 36
    other = [("D", t + 0.5, 0.97**t, 50 * 0.97**t) for t in range(1, 60)]
    chosen = km.pooled_curve([*monthly, *other]).time
    assert len(chosen) == 12
    assert chosen[-1] == 36  # three studies reach it
    assert len(km.pooled_curve(exponential(2)).time) == 12


def test_numbers_at_risk_at_the_times_are_brought_to_the_intervals():
    """100 at the start, survival 0.5 with nobody censored: 100 are at risk in the interval."""
    found = km.pooled_curve([("A", 0, 1, 100), ("A", 12, 0.5, 50), ("A", 24, 0.25, 20)])
    assert found.study_n_risk[0, 0] == pytest.approx(100)
    # of 50, c censored: (50 - c/2) 0.5 - c/2 = 20, so c = 20/3
    assert found.study_n_risk[0, 1] == pytest.approx(50 - 10 / 3)
    assert found.n_risk[1] == found.study_n_risk[0, 1]


def test_the_tail_is_told():
    rows = [*THREE, ("C", 30, 0.65, 6), ("C", 36, 0.5, 4)]
    found = km.pooled_curve(rows)
    assert found.studies == (3, 3, 3, 3, 1, 1)
    assert found.thin == (False, False, False, False, True, True)
    assert "from 30 on" in found.warnings[0]
    assert np.isnan(found.pi_low[4:]).all()


def test_a_study_that_ends_too_early_is_named():
    found = km.pooled_curve([*THREE, ("short", 1, 0.9, 10)], times=TIMES)
    assert found.k == 3
    assert "short" in found.warnings[0]


def test_survival_zero_ends_a_study_without_a_fault():
    found = km.pooled_curve([*THREE, ("D", 6, 0.2, 10), ("D", 12, 0.0, 2)])
    assert found.studies == (4, 4, 3, 3)
    alone = km.pooled_curve([("D", 6, 0.2, 10), ("D", 12, 0.0, 2)])
    assert alone.survival[-1] == pytest.approx(0, abs=1e-12)
    assert alone.ci_low[-1] == 0
    assert "not reached" not in alone.summary().splitlines()[1].split("(")[0]


def test_classes_are_compared_and_the_wording_is_association():
    curves = {
        f"{name} {key}": c
        for name, rate in (("x", 0.02), ("y", 0.08))
        for key, c in exponential(4, rate=rate).items()
    }
    groups = {name: name[0] for name in curves}
    found = km.pooled_curve(curves, groups=groups)
    assert found["x"].k == found["y"].k == 6
    assert found["x"].rmst_to == found["y"].rmst_to
    assert found.class_test.p_value < 0.01
    assert "Association" in found.summary()
    told = found.rmst_difference("x", "y")
    assert told["difference"] == pytest.approx(found["x"].rmst[0] - found["y"].rmst[0])
    assert told["ci_low"] > 0
    assert told["p_value"] < 0.01
    assert told["rmst_to"] == found["x"].rmst_to
    same = km.pooled_curve(exponential(4, k=8), groups=["x", "y"] * 4)
    assert same.class_test.p_value > 0.05
    with pytest.raises(InputError, match="no class is named"):
        found["z"]


def test_leave_one_out_refits_each():
    found = km.pooled_curve(THREE)
    refits = found.leave_one_out()
    assert refits.omitted == ("A", "B", "C")
    np.testing.assert_allclose(refits.curves[2].survival, km.pooled_curve([*A, *B]).survival)
    assert (refits.change > 0).all()
    assert len(refits.rows()) == 3


def test_what_is_printed_and_the_script():
    found = km.pooled_curve(THREE)
    assert "3 studies" in found.summary()
    assert "metaSurvival" in found.r_script()
    assert found.to_dict()["survival"] == found.survival.tolist()
    assert len(found.heterogeneity().rows()) == len(found.rows()) == 4


study_rows = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 3, 6, 12, 24]),
        st.sampled_from([0, 0.2, 0.5, 0.9, 1]),
        st.sampled_from([1, 7, 300]),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda row: row[0],
)


@settings(max_examples=60, deadline=None)
@given(st.lists(study_rows, min_size=1, max_size=5), st.booleans(), st.sampled_from(["random", "common"]))
def test_any_falling_curves_give_a_curve_within_0_and_1(studies, correction, method):
    """All dead, nobody dead, one patient, one time: a curve with bands, or words, never a fault of arithmetic."""
    rows = []
    for i, study in enumerate(studies):
        columns = [sorted(column, reverse=j > 0) for j, column in enumerate(zip(*study, strict=True))]
        rows += [(f"S{i}", *row) for row in zip(*columns, strict=True)]
    found = km.pooled_curve(rows, correction=correction, method=method)
    for values in (found.survival, found.ci_low, found.ci_high, found.pi_low, found.pi_high):
        known = values[np.isfinite(values)]
        assert ((known >= 0) & (known <= 1)).all()
    assert (np.diff(found.survival) <= 1e-12).all()
    assert 0 <= found.rmst[0] <= found.rmst_to
    assert found.heterogeneity().rows()
    assert found.summary()


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("A", 6, 90, 40)], r"survival\[0\] is 90"),
        ([("A", -6, 0.9, 40)], r"time\[0\] is -6"),
        ([("A", 6, 0.9, -4)], r"n_risk\[0\] is -4"),
        ([("A", 6, 0.9, 0)], "nobody at risk"),
        ([*A, ("A", 12, 0.75, 54)], r"row 4, time 12.*second row"),
        ([("A", 6, 0.7, 40), ("A", 12, 0.8, 30)], r"row 1, time 12.*survival rises"),
        ([("A", 6, 0.7, 40), ("A", 12, 0.6, 50)], r"row 1, time 12.*at risk rises"),
        ([("A", 6, "many", 40)], "not a number"),
        ([("A", 0, 0.9, 40), ("A", 6, 0.8, 30)], "0.9 at time 0"),
        ([("A", 0, 1, 40)], "no row after time 0"),
        ([("A", 6, 0.9)], "row 0"),
        ([{"study": "A", "time": 6}], "no survival, n_risk"),
        ([], "nothing"),
        ({}, "no study"),
        ("A", "is str"),
        ({"study": ["A"], "time": [6]}, "no survival"),
        ([("A", 6, float("nan"), 40)], r"survival\[0\]"),
    ],
)
def test_curves_that_cannot_be_are_refused(rows, words):
    with pytest.raises(InputError, match=words):
        km.pooled_curve(rows)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "fixed"}, "no method"),
        ({"interval": "plain"}, "no interval"),
        ({"test": "knha"}, "no test"),
        ({"level": 95}, "level is 95"),
        ({"times": [12, 6]}, r"times\[1\]"),
        ({"times": [0, 6]}, r"times\[0\]"),
        ({"times": [60]}, "no study is followed to 60"),
        ({"rmst_to": 36}, "curve ends at 24"),
        ({"n_risk_at": "start"}, "n_risk_at"),
        ({"n_risk_at": "time"}, "no number at risk at time 0"),
        ({"groups": ["x"]}, "1 classes for 3"),
        ({"groups": {"A": "x"}}, "no class is given"),
    ],
)
def test_options_that_cannot_be_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        km.pooled_curve(THREE, **options)


def test_the_same_curves_in_any_dress():
    import pandas as pd

    names = ("study", "time", "survival", "n_risk")
    one = km.pooled_curve(THREE)
    columns = dict(zip(names, map(list, zip(*THREE, strict=True)), strict=True))
    for dress in ([dict(zip(names, row, strict=True)) for row in THREE], columns, pd.DataFrame(columns)):
        np.testing.assert_array_equal(km.pooled_curve(dress).survival, one.survival)
    time, event, group = [3, 5, 8, 12, 4, 6, 9, 15], [1, 0, 1, 1, 1, 1, 0, 1], ["A"] * 4 + ["B"] * 4
    fitted = km.kaplan_meier(time, event, group=group)
    alone = {name: km.kaplan_meier(time[i : i + 4], event[i : i + 4]) for name, i in (("A", 0), ("B", 4))}
    for dress in (fitted.curves, {c.label: c for c in fitted.curves}, alone):
        np.testing.assert_array_equal(km.pooled_curve(dress).survival, km.pooled_curve(fitted).survival)
    with pytest.raises(InputError, match="groups A, B"):
        km.pooled_curve({"trial": fitted})


def test_two_curves_of_one_name_are_refused():
    curve = exponential(1, k=1)["study 0"]
    with pytest.raises(InputError, match="two curves"):
        km.pooled_curve([curve, curve])
    with pytest.raises(InputError, match="no follow-up"):
        km.pooled_curve([km.kaplan_meier([0, 0], [0, 0]).curves[0]])
