"""The log-rank family: properties, and data that cannot be."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError
from kmeta.methods.survival.risk_sets import risk_sets
from kmeta.methods.survival.sample import survival_sample

patient = st.tuples(st.integers(0, 12), st.integers(0, 1), st.sampled_from("abc"), st.sampled_from("xy"))
patients = st.lists(patient, min_size=2, max_size=40).filter(lambda rows: len({row[2] for row in rows}) > 1)
FAMILY = ["logrank", "gehan", "tarone-ware", "peto-peto", "peto-prentice", "fleming-harrington"]
quick = settings(deadline=None, max_examples=60)


def columns(rows):
    return [list(column) for column in zip(*rows, strict=True)]


def same(a, b, tolerance=1e-9):
    assert a == pytest.approx(b, rel=tolerance, abs=tolerance, nan_ok=True)


def by_hand(rows, weight):
    """The definition, one event time after the other, in each stratum."""
    labels = list(dict.fromkeys(row[2] for row in rows))
    score, variance = np.zeros(len(labels)), np.zeros((len(labels), len(labels)))
    for stratum in sorted({row[3] for row in rows}):
        inside = [row for row in rows if row[3] == stratum]
        before = peto = 1.0
        for t in sorted({row[0] for row in inside}):
            y = np.array([sum(r[0] >= t and r[2] == g for r in inside) for g in labels], float)
            d = np.array([sum(r[0] == t and r[1] and r[2] == g for r in inside) for g in labels], float)
            n, dead = y.sum(), d.sum()
            peto *= 1 - dead / (n + 1)
            w = weight(n, before, peto)
            score += w * (d - dead * y / n)
            if n > 1:
                factor = w**2 * dead * (n - dead) / (n - 1)
                variance += factor * (np.diag(y / n) - np.outer(y, y) / n**2)
            before *= 1 - dead / n
    return score, variance


@quick
@given(patients, st.sampled_from(FAMILY))
def test_it_is_the_definition(rows, name):
    weight = {
        "logrank": lambda n, before, peto: 1,
        "gehan": lambda n, before, peto: n,
        "tarone-ware": lambda n, before, peto: math.sqrt(n),
        "peto-peto": lambda n, before, peto: before,
        "peto-prentice": lambda n, before, peto: peto,
        "fleming-harrington": lambda n, before, peto: before**0.5 * (1 - before) ** 2,
    }[name]
    options = {"rho": 0.5, "gamma": 2} if name == "fleming-harrington" else {}
    time, event, group, strata = columns(rows)
    fit = km.logrank(time, event, group, strata=strata, weights=name, **options)
    score, variance = by_hand(rows, weight)
    np.testing.assert_allclose(fit.observed - fit.expected, score, atol=1e-9)
    np.testing.assert_allclose(fit.variance, variance, atol=1e-9)


@quick
@given(patients, st.sampled_from(FAMILY), st.floats(0.01, 100))
def test_order_of_rows_labels_and_units_do_not_matter(rows, name, unit):
    time, event, group, _ = columns(rows)
    fit = km.logrank(time, event, group, weights=name)
    names = {"a": "zeta", "b": "alpha", "c": "mid"}
    other = km.logrank(
        [unit * t for t in reversed(time)],
        list(reversed(event)),
        [names[g] for g in reversed(group)],
        weights=name,
    )
    same(other.chi2, fit.chi2)
    assert other.df == fit.df
    for i, label in enumerate(fit.groups):
        same(other.expected[other.groups.index(names[label])], fit.expected[i])


@quick
@given(patients)
def test_observed_and_expected_have_one_sum_and_one_stratum_is_none(rows):
    time, event, group, _ = columns(rows)
    fit = km.logrank(time, event, group)
    same(fit.observed.sum(), fit.expected.sum())
    np.testing.assert_allclose(fit.variance.sum(axis=0), 0, atol=1e-9)
    one = km.logrank(time, event, group, strata=["s"] * len(time))
    assert one.chi2 == fit.chi2 or math.isnan(fit.chi2)
    late = km.logrank([t + 1 for t in time], event, group, entry=[0] * len(time))
    same(late.chi2, fit.chi2)


entering = st.tuples(
    st.integers(0, 6), st.integers(1, 8), st.booleans(), st.sampled_from("ab"), st.sampled_from("xy")
)


@quick
@given(st.lists(entering, min_size=6, max_size=40))
def test_strata_add_up_with_late_entry(rows):
    entry, stay, event, group, strata = columns(rows)
    time = [a + b for a, b in zip(entry, stay, strict=True)]
    parts = [[i for i, s in enumerate(strata) if s == name] for name in "xy"]
    if any(len({group[i] for i in part}) < 2 for part in parts):
        return
    whole = km.logrank(time, event, group, entry=entry, strata=strata, reference="a")
    score, variance = np.zeros(2), np.zeros((2, 2))
    for part in parts:
        pick = [[column[i] for i in part] for column in (time, event, group, entry)]
        one = km.logrank(*pick[:3], entry=pick[3], reference="a")
        score += one.observed - one.expected
        variance += one.variance
        for label, t in (("a", 3), ("b", 5)):  # a risk set by hand
            there = sum(g == label and e < t <= x for x, _, g, e in zip(*pick, strict=True))
            sets = risk_sets(
                survival_sample(pick[0], pick[1], entry=pick[3]),
                member=np.array([g == "b" for g in pick[2]], dtype=int),
                k=2,
            )
            for row in np.flatnonzero(sets.time == t):
                assert sets.at_risk[row, int(label == "b")] == there
    np.testing.assert_allclose(whole.observed - whole.expected, score, atol=1e-9)
    np.testing.assert_allclose(whole.variance, variance, atol=1e-9)


@quick
@given(patients)
def test_two_groups_give_petos_ratio_and_turn_with_the_reference(rows):
    time, event, group, _ = columns([(t, d, "a" if g == "c" else g, s) for t, d, g, s in rows])
    if len(set(group)) < 2:
        return
    a, b = (km.logrank(time, event, group, reference=label) for label in "ab")
    if math.isnan(a.chi2):
        assert a.warnings
        return
    same(a.log_hr[0], -b.log_hr[0])
    same(a.log_hr[0], (a.observed[1] - a.expected[1]) / a.variance[1, 1])
    same(a.se[0], 1 / math.sqrt(a.variance[1, 1]))
    same((a.log_hr[0] / a.se[0]) ** 2, a.chi2)


@quick
@given(patients)
def test_a_trend_over_two_groups_is_the_test(rows):
    time, event, group, _ = columns([(t, d, "a" if g == "c" else g, s) for t, d, g, s in rows])
    if len(set(group)) < 2:
        return
    fit = km.logrank(time, event, group, trend={"a": 1, "b": 5})
    same(fit.trend_chi2, fit.chi2)


def test_a_trend_has_the_sign_of_the_scores():
    dose = [1] * 5 + [2] * 5 + [3] * 5
    fit = km.logrank([9, 10, 11, 12, 13, 6, 7, 8, 9, 10, 2, 3, 4, 5, 6], [1] * 15, dose, trend=True)
    assert fit.scores == (1, 2, 3)
    assert fit.trend_z > 3
    assert "trend: chi2(1)" in fit.summary()


def test_groups_that_are_never_at_risk_together_cannot_be_compared():
    fit = km.logrank([1, 1, 5, 6], [1, 1, 1, 1], ["a", "a", "b", "b"], entry=[0, 0, 2, 2])
    assert math.isnan(fit.chi2)
    assert math.isnan(fit.p)
    assert np.isnan(fit.log_hr).all()
    assert "no event happened" in fit.warnings[0]
    assert math.isnan(km.logrank([1, 2], [0, 0], ["a", "b"]).p)


@pytest.mark.parametrize(
    ("group", "options", "words"),
    [
        (["a", "a", "a"], {}, "one group"),
        (["a", "b"], {}, "2 labels, 3 times"),
        (["a", None, "b"], {}, r"group\[1\] is missing"),
        (["a", "b", "b"], {"strata": ["x"]}, "1 labels, 3 times"),
        (["a", "b", "b"], {"weights": "wilcoxon"}, "no weights are named"),
        (["a", "b", "b"], {"rho": 1}, "has no rho"),
        (["a", "b", "b"], {"weights": "fleming-harrington", "rho": -1}, "rho -1"),
        (["a", "b", "b"], {"trend": True}, "not every group has a score"),
        (["a", "b", "b"], {"trend": {"a": 1, "b": 1}}, "scores"),
        (["a", "b", "b"], {"reference": "c"}, "no group is named 'c'"),
        (["a", "b", "b"], {"entry": [0, 2, 1]}, r"entry\[1\] is 2"),
    ],
)
def test_what_cannot_be_is_refused(group, options, words):
    with pytest.raises(InputError, match=words):
        km.logrank([1, 2, 3], [1, 0, 1], group, **options)


def test_the_script_for_r_says_what_survdiff_has_not():
    fit = km.logrank([1, 2, 3], [1, 0, 1], ["a", "b", "b"], strata=["x", "x", "y"])
    assert "strata(stratum)" in fit.r_script()
    with pytest.raises(InputError, match="G-rho"):
        km.logrank([1, 2, 3], [1, 0, 1], ["a", "b", "b"], weights="gehan").r_script()
