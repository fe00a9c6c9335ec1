"""Pooled medians, their ratios, and medians that were not reached."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError
from kmeta.methods.pooling.censored_normal import fit_censored

M, LOW, HIGH = [20, 31, 18, 26, 40], [15, 24, 13, 20, 28], [27, 45, 26, 31, 66]
BOUND = {"median": [20, 31, 18, None], "ci_low": [15, 24, 13, None], "ci_high": [27, 45, 26, None]}


def test_without_bounds_it_is_the_random_effects_model():
    found = km.pooled_median(M, LOW, HIGH)
    se = (np.log(HIGH) - np.log(LOW)) / (2 * 1.959963984540054)
    fit = km.random_effects(np.log(M), se**2, measure="MSR")
    assert (found.mu, found.ci_low, found.pi_high) == pytest.approx((fit.mu, fit.ci_low, fit.pi_high))
    assert found.bounds == 0
    assert found.influence() == []
    assert found.basis == ("interval",) * 5


def test_a_median_that_was_not_reached_pulls_upwards_and_dropping_it_does_not():
    kept = km.pooled_median(**BOUND, follow_up=[None, None, None, 60])
    left = km.pooled_median(**BOUND, follow_up=[None, None, None, 60], not_reached="leave out")
    assert kept.effect > left.effect == pytest.approx(kept.reached.effect)
    assert (kept.k, kept.bounds, left.k) == (4, 1, 3)
    assert kept.influence()[0]["change"] == pytest.approx(left.effect - kept.effect)
    assert "4" in kept.summary().split("kept as bounds")[1]
    assert "left out" in left.warnings[0] + left.warnings[1]


def test_the_lower_limit_bounds_where_follow_up_is_not_known():
    given = {**BOUND, "ci_low": [15, 24, 13, 35]}
    by_limit = km.pooled_median(**given)
    by_time = km.pooled_median(**given, follow_up=[None, None, None, 30])
    assert by_limit.yi[3] == pytest.approx(math.log(35))
    assert by_time.yi[3] == pytest.approx(math.log(35))  # the higher of the two is known


def test_a_bound_below_all_others_says_nearly_nothing():
    found = km.pooled_median(**BOUND, follow_up=[None, None, None, 0.5], tau2="ML", test="z")
    assert found.effect == pytest.approx(found.reached.effect, rel=0.01)


def test_upper_limit_not_reached_leaves_the_lower_half():
    found = km.pooled_median([20, 31], [15, 24], [27, None], scale="identity", test="z")
    assert math.sqrt(found.vi[1]) == pytest.approx(7 / 1.959964, rel=1e-6)
    assert found.basis == ("interval", "lower limit")


def test_each_interval_has_its_own_level():
    mixed = km.pooled_median([20, 20], [15, 15], [27, 27], ci_level=[0.95, 0.9])
    assert math.sqrt(mixed.vi[1] / mixed.vi[0]) == pytest.approx(1.959964 / 1.644854, rel=1e-6)


def test_uneven_intervals_and_weak_precision_are_told():
    found = km.pooled_median([20, 31, 25], [18, 24, None], [40, 45, None], events=[None, None, 36])
    assert any("uneven" in said and "1" in said for said in found.warnings)
    assert any("exponential" in said and said.endswith("3") for said in found.warnings)
    assert found.vi[2] == pytest.approx(1 / 36)
    weak = km.pooled_median([20, 30], n=[100, 50])
    assert weak.vi[0] == pytest.approx(1 / (math.log(2) ** 2 * 100))


@settings(max_examples=25, deadline=None)
@given(st.floats(1e-2, 1e2), st.permutations(range(5)))
def test_unit_and_order_of_studies_do_not_matter(unit, order):
    bounds = [None, None, None, None, 48]
    m, low, high = [*M[:4], None], [*LOW[:4], None], [*HIGH[:4], None]

    def scaled(values):
        return [None if values[i] is None else values[i] * unit for i in order]

    for scale in ("log", "identity"):
        one = km.pooled_median(m, low, high, follow_up=bounds, scale=scale)
        other = km.pooled_median(scaled(m), scaled(low), scaled(high), follow_up=scaled(bounds), scale=scale)
        assert other.effect == pytest.approx(unit * one.effect, rel=1e-6)
        assert other.effect_ci == pytest.approx([unit * x for x in one.effect_ci], rel=1e-4)


def test_the_censored_likelihood_is_at_its_maximum():
    from kmeta.methods.pooling.censored_normal import _log_likelihood

    rng = np.random.default_rng(2)
    y, v = rng.normal(3, 0.5, 9), rng.uniform(0.02, 0.1, 9)
    side = np.array([0, 0, 1, 0, 0, -1, 0, 1, 0])
    found = fit_censored(y, v, side)
    best = _log_likelihood(found.mu, y, v + found.tau2, side)
    assert found.log_likelihood == pytest.approx(best, abs=1e-9)
    for mu in (-1e-3, 1e-3):
        for factor in (0.98, 1.02):
            assert _log_likelihood(found.mu + mu, y, v + factor * found.tau2, side) <= best


def test_without_bounds_the_likelihood_is_the_usual_one():
    y, v = np.log(M), np.array([0.02, 0.03, 0.03, 0.01, 0.05])
    fit = km.random_effects(y, v, measure="MSR", tau2="ML", test="z")
    found = fit_censored(y, v, np.zeros(5))
    assert found.mu == pytest.approx(fit.mu, abs=1e-7)
    assert found.tau2 == pytest.approx(fit.tau2, abs=1e-7)
    assert found.se >= fit.se * (1 - 1e-6)


def test_keeping_bounds_removes_the_bias_of_leaving_them_out():
    """Ten studies around 40 months, curves end at 45: those with longer medians are not reached."""
    rng = np.random.default_rng(8)
    kept, left = [], []
    for _ in range(60):
        true = rng.normal(math.log(40), 0.35, 10)
        y = rng.normal(true, 0.15)
        open_ = y > math.log(45)
        if open_.all() or (~open_).sum() < 3:
            continue
        median = [None if o else math.exp(x) for x, o in zip(y, open_, strict=True)]
        found = km.pooled_median(median, events=[44] * 10, follow_up=[45] * 10)
        kept.append(found.mu)
        left.append(found.reached.mu)
    assert np.mean(kept) == pytest.approx(math.log(40), abs=0.05)
    assert np.mean(left) < math.log(40) - 0.1


def test_ratio_of_two_groups_and_its_mirror():
    one = km.pooled_median_contrast(
        M, (LOW, HIGH), [14, 25, 20, 17, 22], ([11, 19, 14, 13, 16], [18, 34, 29, 22, 31])
    )
    other = km.pooled_median_contrast(
        [14, 25, 20, 17, 22], ([11, 19, 14, 13, 16], [18, 34, 29, 22, 31]), M, (LOW, HIGH)
    )
    assert one.effect == pytest.approx(1 / other.effect)
    assert one.effect_ci == pytest.approx([1 / x for x in other.effect_ci[::-1]])


def test_bounds_on_either_side_of_a_ratio():
    first, second = [20, 31, None, 25], [14, 25, 20, None]
    ci1 = ([15, 24, 30, 19], [27, 45, None, 33])
    ci2 = ([11, 19, 14, 40], [18, 34, 29, None])
    found = km.pooled_median_contrast(first, ci1, second, ci2)
    assert found.side == (0, 0, 1, -1)
    assert found.yi[2] == pytest.approx(math.log(30 / 20))
    assert found.yi[3] == pytest.approx(math.log(25 / 40))
    both = km.pooled_median_contrast([20, 31, None], (LOW[:3], None), [14, 25, None], ([11, 19, 14], None))
    assert both.k == 2
    assert any("neither" in said for said in both.warnings)


def test_what_is_printed_and_the_scripts():
    plain, bounded = km.pooled_median(M, LOW, HIGH), km.pooled_median(**BOUND, follow_up=[None] * 3 + [60])
    assert "prediction interval" in plain.summary()
    assert "rma" in plain.r_script()
    assert "optim" in bounded.r_script()
    assert bounded.rows()[0]["without_bounds"] == bounded.reached.effect
    assert bounded.to_dict()["side"] == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"median": [20, None], "ci_low": [15, None], "ci_high": [27, None]}, "row 1.*nothing bounds"),
        ({"median": [None, None], "ci_low": [15, 20], "ci_high": [None, None]}, "no study"),
        ({"median": [20], "ci_low": [25], "ci_high": [30]}, "25 to 30 does not hold 20"),
        ({"median": [20, 30], "ci_low": [15]}, "1 values for 2"),
        ({"median": ["NR"]}, "not a number"),
        ({"median": [-3]}, r"median\[0\] is -3"),
        ({"median": [20]}, "nothing to tell its precision"),
        ({"median": [20], "ci_low": [15], "scale": "raw"}, "no scale"),
        ({"median": [20], "ci_low": [15], "se": "raw"}, "se is"),
        ({"median": [20], "ci_low": [15], "not_reached": "drop"}, "not_reached is"),
        ({"median": [20], "ci_low": [15], "ci_level": 95}, r"ci_level\[0\] is 95"),
    ],
)
def test_what_cannot_be_is_refused(given_, words):
    with pytest.raises(InputError, match=words):
        km.pooled_median(**given_)


def test_contrasts_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="no scale"):
        km.pooled_median_contrast([1], ([0.5], [2]), [1], ([0.5], [2]), scale="log")
    with pytest.raises(InputError, match="2 first medians, 1 second"):
        km.pooled_median_contrast([1, 2], ([0.5, 1], [2, 3]), [1], ([0.5], [2]))
    with pytest.raises(InputError, match="no study reached"):
        km.pooled_median_contrast([None], ([5], None), [None], ([6], None), events=([3], [4]))
