"""From reported numbers to yi, vi and effective sample sizes."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError
from kmeta.methods.effects import wilson

inner = st.floats(0.02, 0.98)
Z = 1.959963984540054
SCALES = {
    "plain": (lambda p: p, lambda x: x, lambda s: 1.0),
    "log": (math.log, math.exp, lambda s: s),
    "log-log": (
        lambda p: math.log(-math.log(p)),
        lambda x: math.exp(-math.exp(x)),
        lambda s: s * math.log(s),
    ),
    "logit": (lambda p: math.log(p / (1 - p)), lambda x: 1 / (1 + math.exp(-x)), lambda s: s * (1 - s)),
}


def interval(s, n, scale):
    """The 95 % interval that n uncensored patients give on a scale."""
    change, back, slope = SCALES[scale]
    half = Z * math.sqrt(s * (1 - s) / n) / abs(slope(s))
    limits = sorted(back(change(s) + sign * half) for sign in (-1, 1))
    return tuple(min(1.0, max(0.0, limit)) for limit in limits)


@pytest.mark.parametrize("scale", sorted(SCALES))
@settings(deadline=None)
@given(inner, st.floats(5, 500))
def test_the_sample_size_behind_an_interval_is_found_on_its_own_scale(scale, s, n):
    found = km.effective_sample_size(s, ci=interval(s, n, scale), ci_scale=scale)
    assert found.basis == "ci"
    assert found.n_effective == pytest.approx(n, rel=1e-4)


@settings(deadline=None)
@given(inner, st.floats(5, 500))
def test_greenwoods_error_and_the_number_at_risk(s, n):
    by_se = km.effective_sample_size(s, se=math.sqrt(s * (1 - s) / n), n=1000)
    assert (by_se.basis, by_se.n_effective) == ("se", pytest.approx(n))
    peto = km.effective_sample_size(s, n_risk=n * s)
    assert (peto.basis, peto.n_effective) == ("n at risk", pytest.approx(n))


def test_the_best_basis_is_taken_and_named():
    everything = {"se": 0.05, "ci": (0.4, 0.8), "n_risk": 20, "n": 200}
    order = []
    for left_out in ("", "se", "ci", "n_risk"):
        everything.pop(left_out, None)
        order.append(km.effective_sample_size(0.6, **everything).basis)
    assert order == ["se", "ci", "n at risk", "n"]
    assert "censor" in km.effective_sample_size(0.6, n=200).flag


def test_more_than_n_is_held_at_n_and_flagged():
    found = km.effective_sample_size(0.6, ci=(0.59, 0.61), n=100)
    assert found.n_effective == 100
    assert found.implied > 1000
    assert "scale or level wrong" in found.flag


def test_survival_of_0_and_1_have_no_standard_error():
    assert km.effective_sample_size(1.0, se=0.0, ci=(1, 1), n_risk=12, n=30).n_effective == 12
    assert km.effective_sample_size(0.0, ci=(0, 0.1), n_risk=0, n=30).basis == "n"
    with pytest.raises(InputError, match="no interval"):
        km.effective_sample_size(1.0, ci=(0.9, 1.0))


@pytest.mark.parametrize("ci", [(None, 0.8), (0.4, None), (0.0, 0.8), (0.4, 1.0), (math.nan, 0.8)])
def test_half_an_interval_is_enough(ci):
    limits = [x for x in ci if x is not None and not math.isnan(x) and 0 < x < 1]
    found = km.effective_sample_size(0.6, ci=ci, ci_scale="plain")
    se = abs(limits[0] - 0.6) / Z
    assert found.n_effective == pytest.approx(0.24 / se**2)


def test_an_interval_that_misses_its_estimate_is_refused():
    with pytest.raises(InputError, match="does not hold"):
        km.effective_sample_size(0.6, ci=(0.7, 0.8))


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(1, 1000))
def test_wilson_holds_its_estimate_and_stays_in_range(p, n):
    low, high = wilson(p, n)
    assert 0 <= low <= p <= high <= 1


@settings(deadline=None)
@given(inner, st.floats(3, 300))
def test_probability_with_effective_size_is_events_of_n(p, n):
    a = km.effect_sizes("PLO", probability=[p], n_effective=[n])
    b = km.effect_sizes("PLO", xi=[p * n], ni=[n])
    assert (a.yi[0], a.vi[0]) == (pytest.approx(b.yi[0]), pytest.approx(b.vi[0]))
    assert a.vi[0] == pytest.approx(1 / (n * p * (1 - p)))


def test_zero_cells_are_corrected_as_asked_and_said():
    yi, vi = km.effect_sizes("PLO", xi=[0, 5], ni=[10, 10])
    assert yi[0] == pytest.approx(math.log(0.5 / 10.5))
    assert vi[1] == pytest.approx(1 / 5 + 1 / 5)
    assert km.effect_sizes("PLO", xi=[0, 5], ni=[10, 10], to="if0all").vi[1] == pytest.approx(2 / 5.5)
    assert km.effect_sizes("PLO", xi=[5, 5], ni=[10, 10], to="all", add=1).vi[1] == pytest.approx(2 / 6)
    assert km.effect_sizes("PLO", xi=[0, 5], ni=[10, 10]).notes == ("0.5 added to both cells", "")
    with pytest.raises(InputError, match="empty cell"):
        km.effect_sizes("PLO", xi=[0, 5], ni=[10, 10], to="none")


@settings(deadline=None)
@given(st.floats(0.05, 20), st.floats(0.05, 1), st.floats(0.5, 0.99))
def test_a_hazard_ratio_gives_the_same_error_by_every_route(hr, se, level):
    from scipy.special import ndtr, ndtri

    z = ndtri((1 + level) / 2)
    low, high = hr * math.exp(-z * se), hr * math.exp(z * se)
    by_ci = km.effect_sizes("HR", estimate=[hr], ci_low=[low], ci_high=[high], level=level)
    assert by_ci.vi[0] == pytest.approx(se**2)
    assert by_ci.notes == ("",)
    assert km.effect_sizes("HR", estimate=[hr], se=[se]).yi[0] == pytest.approx(math.log(hr), abs=1e-12)
    p = 2 * ndtr(-abs(math.log(hr)) / se)
    if 1e-200 < p < 0.9:
        assert km.effect_sizes("HR", estimate=[hr], p=[p]).vi[0] == pytest.approx(se**2, rel=1e-6)


def test_routes_are_chosen_study_by_study():
    gap = math.nan
    found = km.effect_sizes(
        "HR",
        estimate=[0.5, 0.6, 0.7],
        ci_low=[0.3, gap, gap],
        ci_high=[0.83, gap, gap],
        se=[gap, 0.2, gap],
        p=[gap, gap, 0.04],
    )
    assert found.basis == ("ci", "se", "p")


def test_a_skewed_interval_is_noted():
    assert "middle" in km.effect_sizes("HR", estimate=[0.5], ci_low=[0.45], ci_high=[1.2]).notes[0]


@pytest.mark.parametrize(
    ("measure", "columns", "words"),
    [
        ("HR", {"estimate": [0.5], "ci_low": [0.3]}, "one limit without the other"),
        ("HR", {"estimate": [0.5]}, "no interval, se or p"),
        ("HR", {"estimate": [0.5], "p": ["<0.001"]}, "not a number"),
        ("HR", {"estimate": [0.5], "ci_low": [0.6], "ci_high": [0.9]}, "does not hold"),
        ("HR", {"estimate": [-0.5], "se": [0.1]}, r"estimate\[0\] is -0.5"),
        ("HR", {"estimate": [1.0], "p": [0.5]}, "tells no standard error"),
        ("PLO", {"xi": [5], "ni": [4]}, "5 of 4"),
        ("PLO", {"xi": [5]}, "needs xi and ni"),
        ("PLO", {"probability": [0.5], "ni": [4]}, "give events"),
        ("PLO", {"xi": [5, 6], "ni": [10]}, "ni has 1"),
        ("PLO", {"xj": [5], "ni": [10]}, "no column 'xj'"),
        ("PLO2", {"xi": [5], "ni": [10]}, "no measure is named"),
    ],
)
def test_what_cannot_be_is_refused(measure, columns, words):
    with pytest.raises(InputError, match=words):
        km.effect_sizes(measure, **columns)
