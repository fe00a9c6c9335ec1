"""Many meta-analyses at once are the same meta-analyses one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.methods.meta import TAU2
from kmeta.methods.meta.batch import CHUNK
from kmeta.methods.meta.stack_tau2 import STACK_TAU2

FIELDS = [
    "mu",
    "se",
    "ci_low",
    "ci_high",
    "pi_low",
    "pi_high",
    "statistic",
    "df",
    "p_value",
    "tau2",
    "vt",
    "i2",
    "h2",
    "q",
    "q_df",
    "q_p",
]
# Estimates a millionth apart or equal: squares of smaller differences leave no digits to compare.
study = st.tuples(st.floats(-3, 3).map(lambda y: round(y, 6)), st.floats(0.01, 2))
ragged = st.lists(st.lists(study, min_size=1, max_size=9), min_size=1, max_size=6)


def padded(sets):
    """Sets of (yi, vi) as two arrays, NaN where a set is shorter."""
    k = max(map(len, sets))
    arrays = np.full((2, len(sets), k), np.nan)
    for i, rows in enumerate(sets):
        arrays[:, i, : len(rows)] = np.array(rows).T
    return arrays


def test_every_estimator_of_one_set_is_there_for_many():
    assert set(STACK_TAU2) == set(TAU2) - {"GENQM"}  # it needs the eigenvalues of a matrix for each set


@pytest.mark.parametrize("name", sorted(STACK_TAU2))
@settings(max_examples=20, deadline=None)
@given(
    sets=ragged,
    test=st.sampled_from(["z", "t", "hksj", "knha"]),
    pi=st.sampled_from(["test", "z", "t", "riley"]),
)
def test_a_batch_is_the_loop(name, sets, test, pi):
    y, v = padded(sets)
    many = km.random_effects_batch(y, v, tau2=name, test=test, pi=pi, level=0.9)
    for i, rows in enumerate(sets):
        yi, vi = np.array(rows).T
        one = km.random_effects(yi, vi, measure="GEN", tau2=name, test=test, pi=pi, level=0.9)
        for field in FIELDS:
            wanted = getattr(one, field)
            if field == "statistic" and abs(wanted) > 1e8:
                continue  # a quotient of rounding errors
            assert getattr(many, field)[i] == pytest.approx(wanted, rel=1e-10, abs=1e-10, nan_ok=True), field
        assert many.converged[i]


def hostile(m, k, rng):
    """Sets whose variances differ by ten orders of magnitude, with outliers and equal estimates among them."""
    v = 10.0 ** rng.uniform(-6, 4, (m, k))
    y = rng.standard_cauchy((m, k)) * 10.0 ** rng.uniform(-3, 3, (m, 1))
    y[: m // 10] = 1.0
    return y, v


@pytest.mark.parametrize("name", ["ML", "REML", "PM", "PMM"])
def test_hostile_sets_settle_where_each_alone_does(name):
    y, v = hostile(400, 7, np.random.default_rng(11))
    many = km.random_effects_batch(y, v, tau2=name, test="z")
    alone = np.array([TAU2[name](a, b) for a, b in zip(y, v, strict=True)])
    assert many.converged.all()
    np.testing.assert_allclose(many.tau2, alone, rtol=1e-8, atol=1e-10)


def test_parts_are_put_together_in_order():
    rng = np.random.default_rng(5)
    m = 3 * (CHUNK // 4) + 1
    y, v = rng.normal(size=(m, 4)), rng.uniform(0.1, 1, (m, 4))
    whole = km.random_effects_batch(y, v, tau2="DL")
    rows = [0, CHUNK // 4 - 1, CHUNK // 4, m - 1]
    part = km.random_effects_batch(y[rows], v[rows], tau2="DL")
    np.testing.assert_allclose(whole.mu[rows], part.mu, rtol=1e-14)


def test_a_mask_hides_whatever_stands_behind_it():
    y = np.array([[0.1, 0.5, np.inf], [0.2, 0.4, 0.9]])
    v = np.array([[0.1, 0.2, -1.0], [0.1, 0.2, 0.3]])
    mask = np.array([[True, True, False], [True, True, True]])
    masked = km.random_effects_batch(y, v, mask=mask)
    assert masked.k.tolist() == [2, 3]
    assert masked.mu[0] == pytest.approx(km.random_effects(y[0, :2], v[0, :2], measure="GEN").mu)


def test_empty_and_single_sets_are_named_in_warnings():
    nan = float("nan")
    many = km.random_effects_batch([[nan, nan], [0.3, nan]], [[0.1, 0.1], [0.2, nan]])
    assert many.k.tolist() == [0, 1]
    assert np.isnan(many.mu[0])
    assert many.mu[1] == 0.3
    assert many.ci_low[1] == pytest.approx(0.3 - 1.959963985 * 0.2**0.5)
    assert [text.split(":")[0] for text in many.warnings] == [
        "1 sets without an estimate",
        "1 sets of one estimate",
    ]


def test_an_estimator_that_does_not_settle_is_marked_and_never_silent(monkeypatch):
    monkeypatch.setitem(
        STACK_TAU2, "REML", lambda stack: (np.full(len(stack.k), 0.5), np.zeros(len(stack.k), bool))
    )
    many = km.random_effects_batch([[0.1, 0.5, 0.9]], [[0.1, 0.1, 0.1]])
    assert not many.converged.any()
    assert "did not settle" in many.warnings[0]
    with pytest.raises(ConvergenceError, match="did not settle") as error:
        km.random_effects([0.1, 0.5, 0.9], [0.1, 0.1, 0.1], measure="GEN").leave_one_out()
    assert error.value.last == many.tau2[0]


@pytest.mark.parametrize(
    ("yi", "vi", "options", "words"),
    [
        ([[1, 2]], [[1, 2, 3]], {}, "one shape"),
        ([1, 2], [1, 2], {}, r"shape \(2,\)"),
        ([["a", "b"]], [[1, 2]], {}, "not numbers"),
        ([[1, np.inf]], [[1, 2]], {}, "not finite"),
        ([[1, 2]], [[1, 0]], {}, "above 0"),
        ([[1, 2]], [[1, -1]], {}, "above 0"),
        ([[1, 2]], [[1, np.inf]], {}, "finite"),
        ([[]], [[]], {}, "shape"),
        ([[1, np.nan]], [[1, 2]], {"mask": [[True, True]]}, "missing"),
        ([[1, 2]], [[1, 2]], {"mask": [True, True]}, "mask"),
        ([[1, 2]], [[1, 2]], {"tau2": "RMEL"}, "no tau2 estimator"),
        ([[1, 2]], [[1, 2]], {"test": "f"}, "no test"),
        ([[1, 2]], [[1, 2]], {"pi": "f"}, "no pi"),
        ([[1, 2]], [[1, 2]], {"level": 95}, "level"),
        ([[1, 2]], [[1, 2]], {"tau2": -1.0}, "tau2"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(yi, vi, options, words):
    with pytest.raises(InputError, match=words) as error:
        km.random_effects_batch(yi, vi, **options)
    assert error.value.where


def test_a_given_tau2_and_the_views_of_the_result():
    many = km.random_effects_batch([[0.1, 0.5, 0.9]], [0.1, 0.2, 0.3], tau2=0.25, test="z")
    one = km.random_effects([0.1, 0.5, 0.9], [0.1, 0.2, 0.3], measure="GEN", tau2=0.25, test="z")
    assert (many.mu[0], many.pi_low[0]) == pytest.approx((one.mu, one.pi_low))
    assert many.rows()[0]["k"] == 3
    assert many.summary().startswith("1 models, tau2 by fixed")
    with pytest.raises(ValueError, match="read-only"):
        many.mu[0] = 1
