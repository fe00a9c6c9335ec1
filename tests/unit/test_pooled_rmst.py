"""Pooled restricted mean survival, one horizon at a time and several together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError
from kmeta.methods.pooling.multivariate import falling, pool_multivariate


def trials(seed, k=5, n=60):
    rng = np.random.default_rng(seed)
    rows = {"time": [], "event": [], "study": [], "arm": []}
    for i in range(k):
        for arm, rate in (("control", 0.06), ("new", 0.04)):
            time = rng.exponential(1 / rate, n)
            end = rng.uniform(12 + 3 * i, 40, n)
            rows["time"] += np.minimum(time, end).tolist()
            rows["event"] += (time <= end).astype(int).tolist()
            rows["study"] += [f"T{i}"] * n
            rows["arm"] += [arm] * n
    return rows


def test_all_followed_the_mean_is_the_average_and_its_variance_the_usual():
    time = np.array([2.0, 4, 7, 9, 15, 20])
    found = km.rmst_by_study(time, np.ones(6), study=["A"] * 6, tau=[10])
    capped = np.minimum(time, 10)
    assert found.estimate[0, 0] == pytest.approx(capped.mean())
    assert found.se[0, 0] ** 2 == pytest.approx(capped.var() / 6)


def test_the_covariance_over_horizons_is_that_of_repeated_samples():
    """Drawn again and again from one exponential; Var of the first mean alone would be far too small."""
    rng = np.random.default_rng(5)
    n, means, covariances = 60, [], []
    for _ in range(400):
        time, end = rng.exponential(20, n), rng.uniform(15, 40, n)
        found = km.rmst_by_study(
            np.minimum(time, end), (time <= end).astype(int), study=["A"] * n, tau=[6, 14]
        )
        means.append(found.estimate[0])
        covariances.append(found.covariance[0])
    seen, told = np.cov(np.array(means).T), np.mean(covariances, axis=0)
    np.testing.assert_allclose(told, seen, rtol=0.2)
    assert told[0, 1] > 1.5 * told[0, 0]


def test_differences_are_of_the_arms_and_univariate_is_random_effects():
    rows = trials(1)
    one = km.rmst_by_study(**rows, tau=[6, 12], reference="control")
    other = km.rmst_by_study(**rows, tau=[6, 12], reference="new")
    assert one.contrast == ("new", "control")
    np.testing.assert_allclose(one.estimate, -other.estimate)
    np.testing.assert_allclose(one.covariance, other.covariance)
    found = km.pooled_rmst(one)
    fit = km.random_effects(one.estimate[:, 1], one.se[:, 1] ** 2, measure="MD")
    assert found.estimate[1] == fit.mu
    assert found.ci_low[1] == fit.ci_low
    assert found.rows()[1]["k"] == 5
    given_ = km.pooled_rmst(one.estimate, one.se, tau=[6, 12])
    np.testing.assert_allclose(given_.estimate, found.estimate)


def test_a_horizon_beyond_follow_up_is_not_extrapolated():
    rows = trials(2)
    study = km.rmst_by_study(**rows, tau=[6, 30, 38])
    assert np.isnan(study.estimate).any()
    assert "T" in study.warnings[0]
    found = km.pooled_rmst(study, model="multivariate")
    assert found.k[0] == 5 > found.k[2]
    with pytest.raises(InputError, match="no study reaches 90"):
        km.pooled_rmst(km.rmst_by_study(**rows, tau=[6, 90]))


def test_several_horizons_borrow_from_each_other():
    study = km.rmst_by_study(**trials(3, k=8), tau=[6, 12, 30])
    together, apart = km.pooled_rmst(study, model="multivariate"), km.pooled_rmst(study, tau2="DL", test="z")
    assert together.se[2] < apart.se[2] * 1.05
    assert np.isfinite(together.pi_low).all()
    assert together.joint.q_df == np.isfinite(study.estimate).sum() - 3


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 9))
def test_one_value_a_study_is_dersimonian_and_laird(seed, k):
    rng = np.random.default_rng(seed)
    y, v = rng.normal(0, 1, k), rng.uniform(0.05, 0.5, k)
    found = pool_multivariate(y[:, None], v[:, None, None])
    fit = km.random_effects(y, v, measure="MD", tau2="DL", test="z")
    assert found.beta[0] == pytest.approx(fit.mu, abs=1e-9)
    assert found.between[0, 0] == pytest.approx(fit.tau2, abs=1e-9)
    assert found.vcov[0, 0] == pytest.approx(fit.se**2, rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_the_moments_move_with_the_values(seed):
    """Shifted, scaled, reordered values move the answer alike."""
    rng = np.random.default_rng(seed)
    root = rng.normal(0, 0.4, (6, 2, 2))
    covariance = root @ root.transpose(0, 2, 1) + 0.05 * np.eye(2)
    y = rng.normal(0, 1, (6, 2))
    y[0, 1] = np.nan
    one = pool_multivariate(y, covariance)
    other = pool_multivariate(3 * y[::-1] + [1, -2], 9 * covariance[::-1])
    np.testing.assert_allclose(other.beta, 3 * one.beta + [1, -2], rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(other.between, 9 * one.between, rtol=1e-6, atol=1e-8)


def test_the_moments_find_the_covariance_they_were_drawn_with():
    rng = np.random.default_rng(11)
    truth = np.array([[0.5, 0.3], [0.3, 0.4]])
    found = []
    for _ in range(150):
        covariance = np.array([[[0.2, 0.1], [0.1, 0.3]]] * 20) * rng.uniform(0.5, 1.5, (20, 1, 1))
        y = np.array([rng.multivariate_normal([1, 2], truth + c) for c in covariance])
        y[:6, 1] = np.nan
        found.append(pool_multivariate(y, covariance).between)
    np.testing.assert_allclose(np.mean(found, axis=0), truth, atol=0.05)


def test_values_that_rise_are_held_level():
    beta, vcov = np.array([1.0, 1.4, 0.2]), np.diag([1.0, 3.0, 1.0])
    fitted, joined = falling(beta, vcov)
    assert fitted == pytest.approx([1.1, 1.1, 0.2])
    assert joined == ((0, 1),)
    same, none = falling(np.array([2.0, 1.0]), np.eye(2))
    assert same.tolist() == [2.0, 1.0]
    assert none == ()


def test_what_is_printed_and_the_scripts():
    study = km.rmst_by_study(**trials(3), tau=[6, 12])
    one, several = km.pooled_rmst(study), km.pooled_rmst(study, model="multivariate")
    assert "new minus control" in one.summary()
    assert "rma(" in one.r_script()
    assert "mvmeta" in several.r_script()
    assert "Heterogeneity over all horizons" in several.summary()
    assert len(study.rows()) == 10


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: km.pooled_rmst([1, 2], [0.1, 0.2]), "tau: not given"),
        (lambda: km.pooled_rmst([1, 2], tau=12), "give se, or covariance"),
        (lambda: km.pooled_rmst([1, 2], [0.1, 0], tau=12), "study 1 has a value without"),
        (lambda: km.pooled_rmst([1, "x"], [0.1, 0.2], tau=12), "not a number"),
        (lambda: km.pooled_rmst([[1, 2]], [[0.1, 0.2]], tau=[6, 12], model="multivariate"), "covariance"),
        (lambda: km.pooled_rmst([1, 2], [0.1, 0.2], tau=[6, 12]), "2 horizons for 1"),
        (lambda: km.pooled_rmst([1, 2], [0.1, 0.2], tau=12, model="joint"), "no model"),
        (lambda: km.pooled_rmst([[1, 2]], covariance=[[[1, 2], [2, 1]]], tau=[6, 12]), "eigenvalue"),
        (lambda: km.rmst_by_study([1, 2], [1, 1], study=["A", "A"], tau=[0]), r"tau\[0\] is 0"),
        (lambda: km.rmst_by_study([1, 2], [1, 1], study=["A", "A"], tau=[2, 1]), "rising order"),
        (lambda: km.rmst_by_study([1, 2], [1, 2], study=["A", "A"], tau=[1]), r"event\[1\] is 2"),
        (lambda: km.rmst_by_study([1, 2], [1, 1], study=["A", "A"], arm=["x", "x"], tau=[1]), "arms x"),
        (
            lambda: km.rmst_by_study(
                [1, 2, 3], [1, 1, 1], study=["A", "A", "B"], arm=["x", "y", "x"], tau=[1]
            ),
            "'B' has no patient",
        ),
        (
            lambda: km.rmst_by_study(
                [1, 2], [1, 1], study=["A", "A"], arm=["x", "y"], tau=[1], reference="z"
            ),
            "no arm is called",
        ),
    ],
)
def test_what_cannot_be_is_refused(call, words):
    with pytest.raises(InputError, match=words):
        call()
