"""Arms nested in studies."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError
from kmeta.methods.meta.multilevel import Nested

arms = st.lists(st.tuples(st.floats(-3, 3), st.floats(0.01, 2), st.integers(0, 4)), min_size=2, max_size=12)


def fit_of(rows, **options):
    yi, vi, groups = zip(*rows, strict=True)
    return km.multilevel(yi, vi, groups=groups, **{"measure": "PLO", **options})


def dense(rows, study, arm):
    """Restricted log-likelihood and mean from the full covariance matrix, by definition."""
    y, v, g = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    total = np.diag(v + arm) + study * (g[:, None] == g[None, :])
    inverse = np.linalg.inv(total)
    mu = float(inverse.sum(axis=0) @ y / inverse.sum())
    rest = y - mu
    height = -0.5 * (np.linalg.slogdet(total)[1] + math.log(inverse.sum()) + rest @ inverse @ rest)
    return float(height), mu, float(inverse.sum() ** -0.5)


@settings(max_examples=60, deadline=None)
@given(arms, st.floats(0, 3), st.floats(0, 3))
def test_the_blockwise_likelihood_is_the_dense_one(rows, study, arm):
    y, v, g = zip(*rows, strict=True)
    nested = Nested(np.array(y, dtype=float), np.array(v, dtype=float), [str(x) for x in g])
    unit = nested.unit**2

    def fast(s, a):
        return nested.log_likelihood(s / unit, a / unit, restricted=True)

    found = fast(study, arm) - fast(0.5, 0.25)
    assert found == pytest.approx(dense(rows, study, arm)[0] - dense(rows, 0.5, 0.25)[0], rel=1e-8, abs=1e-8)


@settings(max_examples=40, deadline=None)
@given(arms)
def test_the_estimate_is_the_highest_point_of_a_grid(rows):
    groups = {row[2] for row in rows}
    assume(1 < len(groups) < len(rows))
    fit = fit_of(rows)
    best, mu, se = dense(rows, *fit.sigma2)
    assert (fit.mu, fit.se) == (pytest.approx(mu, rel=1e-6, abs=1e-8), pytest.approx(se, rel=1e-6))
    points = [0, *np.geomspace(1e-4, 30, 14)]
    assert best >= max(dense(rows, a, b)[0] for a in points for b in points) - 1e-8


def test_the_higher_of_two_modes_is_found():
    """A set on which rma.mv of metafor 3.8-1 (optim, BFGS) stops at (0.021, 0.076), 0.21 below the top."""
    y = [-0.6344, -0.2041, 0.102, 1.4541, -0.2161, 1.1554, -0.2233, 0.0603, 0.1637, 0.1731]
    v = [0.05008, 0.08933, 0.23231, 0.20105, 0.05837, 0.61402, 0.01846, 0.00558, 0.00717, 0.01328]
    rows = list(zip(y, v, [0, 0, 1, 2, 2, 4, 4, 6, 6, 6], strict=True))
    fit = fit_of(rows)
    assert fit.sigma2 == (pytest.approx(0.0515, abs=5e-4), 0.0)
    assert dense(rows, *fit.sigma2)[0] > dense(rows, 0.02106, 0.07594)[0] + 0.2


@settings(max_examples=40, deadline=None)
@given(arms, st.randoms(use_true_random=False), st.floats(0.2, 5))
def test_order_names_and_units_do_not_matter(rows, random, unit):
    assume(len({row[2] for row in rows}) > 1)
    mixed = [(unit * y, unit**2 * v, f"study {g}") for y, v, g in rows]
    random.shuffle(mixed)
    a, b = fit_of(rows), fit_of(mixed)
    assert b.mu == pytest.approx(unit * a.mu, rel=1e-5, abs=1e-6)
    assert b.se == pytest.approx(unit * a.se, rel=1e-4)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0.01, 2)), min_size=1, max_size=8))
def test_one_arm_a_study_is_the_random_effects_model(rows):
    yi, vi = zip(*rows, strict=True)
    nested = km.multilevel(yi, vi, groups=range(len(rows)), measure="PLO")
    plain = km.random_effects(yi, vi, measure="PLO", test="t")
    for name in ("mu", "se", "ci_low", "ci_high", "tau2", "df", "i2", "pi_low"):
        assert getattr(nested, name) == pytest.approx(getattr(plain, name), nan_ok=True, abs=0)
    assert nested.sigma2 == (plain.tau2, 0.0)


def test_weights_degrees_of_freedom_and_warnings():
    rows = [(0.1, 0.02, "A"), (0.3, 0.03, "A"), (0.8, 0.02, "B"), (-0.2, 0.05, "C"), (0.4, 0.02, "C")]
    fit = fit_of(rows)
    assert fit.df == 2
    assert fit.weights.sum() == pytest.approx(100)
    assert (fit.weights > 0).all()
    assert fit.k_groups == 3
    assert fit.tau2 == pytest.approx(sum(fit.sigma2))
    assert "study" in fit.summary()
    assert fit.leave_one_out().labels == ("A", "B", "C")
    assert "random = ~ 1 | study/arm" in fit.r_script()


def test_one_study_says_what_it_cannot_tell():
    fit = fit_of([(0.1, 0.02, "A"), (0.9, 0.03, "A"), (0.4, 0.02, "A")])
    assert fit.test == "z"
    assert fit.sigma2[0] == 0
    assert "one study" in fit.warnings[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"groups": ["A"]}, "1 group names for 2"),
        ({"groups": ["A", None]}, "missing"),
        ({"groups": ["A", math.nan]}, "missing"),
        ({"groups": ["A", "A"], "method": "DL"}, "no method is named 'DL'"),
        ({"groups": ["A", "A"], "test": "hksj"}, "no test is named 'hksj'"),
    ],
)
def test_what_cannot_be_used_is_refused(options, words):
    with pytest.raises(InputError, match=words):
        km.multilevel([0.1, 0.2], [0.1, 0.1], measure="PLO", **options)
