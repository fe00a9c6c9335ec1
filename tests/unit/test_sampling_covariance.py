"""Sampling errors that are correlated: their blocks, and what cannot be one."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError
from kmeta.methods.meta.sampling_covariance import covariance_of, log_determinant

V = [0.1, 0.2, 0.3, 0.4]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 0.95))
def test_blocks_are_the_matrix(seed, rho):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, 15))
    cluster, v = rng.integers(0, 4, k), rng.uniform(0.01, 2, k)
    found = km.impute_covariance(v, cluster, rho=rho)
    expected = rho * np.sqrt(np.outer(v, v)) * (cluster[:, None] == cluster)
    np.fill_diagonal(expected, v)
    np.testing.assert_allclose(found.dense(), expected, rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(covariance_of(expected).dense(), expected, rtol=1e-12, atol=1e-300)
    assert log_determinant(found) == pytest.approx(np.linalg.slogdet(expected)[1])
    some = rng.permutation(k)[: max(1, k // 2)].tolist()
    np.testing.assert_allclose(
        found.subset(some).dense(), expected[np.ix_(some, some)], rtol=1e-12, atol=1e-300
    )


def test_a_matrix_and_its_blocks_give_the_same_model():
    y, cluster = [0.1, 0.5, 0.2, 0.3], ["A", "A", "B", "B"]
    blocks = km.impute_covariance(V, cluster, rho=0.4)
    a, b = (
        km.multilevel(y, vi, groups=cluster, structure="study", measure="GEN", test="z")
        for vi in (blocks, blocks.dense())
    )
    assert a.mu == pytest.approx(b.mu, rel=1e-12)
    assert a.se == pytest.approx(b.se, rel=1e-12)


def test_correlations_by_the_names_of_outcomes():
    rho = {("OS", "PFS"): 0.7, ("OS", "ORR"): 0.2, ("ORR", "PFS"): 0.3}
    found = km.impute_covariance([1, 1, 1, 1], list("AAAB"), construct=["OS", "ORR", "PFS", "OS"], rho=rho)
    expected = [[1, 0.2, 0.7, 0], [0.2, 1, 0.3, 0], [0.7, 0.3, 1, 0], [0, 0, 0, 1]]
    assert found.dense().tolist() == expected
    assert found.rows()[1] == {"row": 2, "column": 1, "covariance": 0.2, "correlation": 0.2}


def test_arms_against_one_control_share_it():
    """Two arms of 10 against a control of 40: (1/40) / (1/10 + 1/40) = 0.2."""
    found = km.impute_covariance(
        [1, 1], ["A", "A"], group1=["a", "b"], group2=["c", "c"], n1=[10, 10], n2=[40, 40]
    )
    assert found.dense()[0, 1] == pytest.approx(0.2)


def test_nothing_can_be_changed_behind_its_back():
    found = km.impute_covariance(V, ["A"] * 4, rho=0.5)
    with pytest.raises(ValueError, match="read-only"):
        found.stacks[0][1][0, 0, 0] = 9


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rho": 1}, "not positive definite"),
        ({"rho": -0.5}, "not positive definite"),
        ({"rho": 2}, "is 2"),
        ({"rho": "0.5"}, "is '0.5'"),
        ({"rho": True}, "is True"),
        ({"rho": math.nan}, "is nan"),
        ({"rho": (0.5, 0.2)}, "2 correlations for 1"),
        ({"obs": [1, 2, 3, 4]}, "need a correlation"),
        ({"rho": 0.5, "obs": [1, 2]}, "2 values for 4"),
        ({"rho": {("a", "b"): 0.5}, "obs": list("abcd")}, "no correlation of"),
        ({"phi": 0.5}, "go together"),
        ({"time": [1, 2, 3, 4]}, "go together"),
        ({"phi": -0.5, "time": [1, 2, 3, 4]}, "is -0.5"),
        ({"phi": 0.5, "time": [1, 2, 3]}, "3 values for 4"),
        ({"phi": 0.5, "time": list("abcd")}, "not a number"),
        ({"n1": [1, 2, 3, 4]}, "need group1"),
        ({"group1": list("abcd"), "n1": [0, 1, 1, 1]}, "not above 0"),
        ({"group1": list("abcd"), "time": [1] * 4, "phi": 0.5, "time2": [1] * 4}, "needs group2"),
        ({"rvars": [[0.1], [0.2], [0.3], [0.4]]}, "1 columns for a cluster of 4"),
        ({"rvars": np.triu(np.ones((4, 4)))}, "not symmetric"),
        ({"rvars": np.full((4, 4), np.nan)}, "missing"),
        ({"rvars": "x"}, "not a number"),
        ({"subgroup": "abcd", "rho": 0.5}, "not a column"),
    ],
)
def test_what_cannot_be_used_is_refused(options, words):
    with pytest.raises(InputError, match=words):
        km.impute_covariance(V, ["A"] * 4, **options)


@pytest.mark.parametrize("vi", [[0.1, -1, 1, 1], [0.1, math.nan, 1, 1], ["a"] * 4, [], [[1]]])
def test_variances_are_looked_at(vi):
    with pytest.raises(InputError):
        km.impute_covariance(vi, ["A"] * 4, rho=0.5)
