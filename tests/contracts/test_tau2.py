"""What every estimator of tau2 promises, whoever wrote it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError
from kmeta.methods.meta import TAU2

studies = st.lists(st.tuples(st.floats(-3, 3), st.floats(0.01, 2)), min_size=2, max_size=12)
every_estimator = pytest.mark.parametrize("name", sorted(TAU2))


def arrays(rows):
    return (np.array(column, dtype=float) for column in zip(*rows, strict=True))


def test_all_promised_estimators_are_there():
    assert set(TAU2) >= {"DL", "HE", "HS", "HSk", "SJ", "ML", "REML", "EB", "PM", "PMM", "GENQ"}


@every_estimator
def test_names_its_source(name):
    assert "doi:" in TAU2[name].__doc__ or "Source:" in TAU2[name].__doc__


@every_estimator
@settings(max_examples=60, deadline=None)
@given(studies, st.floats(0.1, 10), st.floats(-3, 3))
def test_scales_with_the_unit_and_ignores_the_origin(name, rows, unit, origin):
    yi, vi = arrays(rows)
    expected = unit**2 * TAU2[name](yi, vi)
    assert expected >= 0
    assert TAU2[name](unit * yi + origin, unit**2 * vi) == pytest.approx(expected, rel=1e-6, abs=1e-8)


@every_estimator
@settings(max_examples=60, deadline=None)
@given(studies, st.randoms(use_true_random=False))
def test_the_order_of_the_studies_does_not_matter(name, rows, random):
    yi, vi = arrays(rows)
    order = list(range(len(yi)))
    random.shuffle(order)
    assert TAU2[name](yi[order], vi[order]) == pytest.approx(TAU2[name](yi, vi), rel=1e-6, abs=1e-9)


@every_estimator
def test_studies_that_agree_exactly_have_none(name):
    assert TAU2[name](np.full(5, 0.3), np.array([0.1, 0.2, 0.1, 0.4, 0.3])) == 0


@every_estimator
def test_an_intercept_column_is_the_model_without_moderators(name):
    yi, vi = np.array([0.1, 0.9, -0.4, 0.5, 1.4]), np.array([0.02, 0.05, 0.01, 0.2, 0.03])
    assert TAU2[name](yi, vi, np.ones((5, 1))) == pytest.approx(TAU2[name](yi, vi), rel=1e-9)


@every_estimator
@pytest.mark.parametrize("exponent", [-12, -6, 6, 12])
def test_stays_exact_when_one_study_is_vastly_more_precise_than_the_rest(name, exponent):
    """The same set in units that differ by 24 orders of magnitude, one variance far from the others."""
    yi = np.array([0.0, 2.0, -4.5, 6.5, 1.0])
    vi = np.array([1e-9, 0.3, 0.2, 0.4, 0.1])
    here = TAU2[name](yi, vi)
    assert here > 0
    scale = 10.0 ** (exponent / 2)
    assert TAU2[name](yi * scale, vi * scale**2) == pytest.approx(here * scale**2, rel=1e-9)


def test_an_unknown_estimator_is_named_with_the_nearest_known():
    with pytest.raises(InputError, match="'REMl'") as error:
        km.random_effects([0.1, 0.2, 0.3], [1, 1, 1], measure="MD", tau2="REMl")
    assert "REML" in error.value.hint


def restricted(tau2, yi, vi):
    """-2 log restricted likelihood by definition, for the tests below."""
    w = 1 / (vi + tau2)
    mu = np.average(yi, weights=w)
    return float(np.log(vi + tau2).sum() + np.log(w.sum()) + (w * (yi - mu) ** 2).sum())


@pytest.mark.parametrize("seed", range(4))
def test_reml_is_the_highest_point_on_a_fine_grid_for_hundreds_of_random_sets(seed):
    """Hostile sets: k from 2, variances over six orders of magnitude, outliers; never an unconverged answer."""
    draw = np.random.default_rng(seed)
    grid = np.concatenate([[0], np.geomspace(1e-8, 1e8, 3000)])
    for _ in range(150):
        k = int(draw.integers(2, 25))
        vi = 10 ** draw.uniform(-4, 2, k)
        yi = draw.normal(0, np.sqrt(vi + 10 ** draw.uniform(-6, 3))) * np.where(draw.random(k) < 0.1, 20, 1)
        found = TAU2["REML"](yi, vi)
        w = 1 / (vi + grid[:, None])
        mu = (w @ yi) / w.sum(axis=1)
        heights = (
            np.log(vi + grid[:, None]).sum(axis=1)
            + np.log(w.sum(axis=1))
            + (w * (yi - mu[:, None]) ** 2).sum(axis=1)
        )
        assert restricted(found, yi, vi) <= heights.min() + 1e-8


def test_reml_takes_the_higher_of_two_modes():
    """Two tight clusters and two vague studies: the profile has a mode near 0 and one far from it."""
    draw = np.random.default_rng(5)
    several = 0
    for _ in range(2000):
        k = int(draw.integers(3, 6))
        vi = 10 ** draw.uniform(-5, 1, k)
        yi = draw.normal(0, 1, k) * 10 ** draw.uniform(-2, 1, k)
        points = np.concatenate([[0], np.geomspace(1e-7, 1e4, 400)])
        heights = np.array([restricted(t, yi, vi) for t in points]) if several < 3 else None
        if heights is None:
            break
        modes = np.flatnonzero((heights[1:-1] < heights[:-2]) & (heights[1:-1] < heights[2:])) + 1
        if len(modes) + (heights[0] < heights[1]) > 1:
            several += 1
            assert restricted(TAU2["REML"](yi, vi), yi, vi) <= heights.min() + 1e-9
    assert several >= 3
