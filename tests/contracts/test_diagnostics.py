"""What each diagnostic says is what refitting the model says; all of it refuses what it cannot use."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError
from kmeta.methods.meta.likelihood import log_likelihood
from kmeta.methods.meta.sample import Sample

rows = st.lists(st.tuples(st.floats(-3, 3), st.floats(0.01, 2), st.floats(-2, 2)), min_size=5, max_size=9)
options = {
    "tau2": st.sampled_from(["REML", "ML", "DL", "PM", "HE", "SJ"]),
    "test": st.sampled_from(["z", "t", "hksj"]),
}


def model(rows, tau2, test, mods=False):
    y, v, x = np.array(rows).T
    extra = {"mods": {"x": x}} if mods else {}
    return km.random_effects(y, v, measure="GEN", tau2=tau2, test=test, **extra)


@settings(max_examples=25, deadline=None)
@given(rows=rows, **options)
def test_influence_is_what_refits_show(rows, tau2, test):
    fit = model(rows, tau2, test)
    got = fit.influence()
    for i in range(fit.k):
        other = model(rows[:i] + rows[i + 1 :], tau2, test)
        assert got.tau2_del[i] == pytest.approx(other.tau2, rel=1e-9, abs=1e-10)
        assert got.qe_del[i] == pytest.approx(other.q, rel=1e-9, abs=1e-9)
        assert got.cov_r[i] == pytest.approx((other.se / fit.se) ** 2, rel=1e-8)
        assert got.cook_d[i] == pytest.approx(((fit.mu - other.mu) / fit.se) ** 2, rel=1e-7, abs=1e-9)
    assert got.weight.sum() == pytest.approx(100)
    assert got.hat.sum() == pytest.approx(1)


@settings(max_examples=25, deadline=None)
@given(rows=rows, **options)
def test_influence_in_a_regression_is_what_refits_show(rows, tau2, test):
    x = np.array(rows)[:, 2]
    if min(np.ptp(np.delete(x, i)) for i in range(len(x))) < 0.1:
        return
    fit = model(rows, tau2, test, mods=True)
    got = fit.influence()
    assert got.hat.sum() == pytest.approx(2)
    for i in range(fit.k):
        other = model(rows[:i] + rows[i + 1 :], tau2, test, mods=True)
        assert got.tau2_del[i] == pytest.approx(other.tau2, rel=1e-7, abs=1e-9)
        move = fit.beta - other.beta
        assert got.cook_d[i] == pytest.approx(
            float(move @ np.linalg.solve(fit.vcov, move)), rel=1e-5, abs=1e-7
        )
        ratio = np.linalg.det(other.vcov) / np.linalg.det(fit.vcov)
        assert got.cov_r[i] == pytest.approx(ratio, rel=1e-6)


def test_a_moderator_that_only_one_estimate_has_leaves_nan_there():
    fit = km.random_effects(
        [1, 2, 3, 5], [0.1] * 4, measure="GEN", mods={"x": [0, 0, 0, 1]}, tau2="DL", test="z"
    )
    got = fit.influence()
    assert np.isnan(got.rstudent[3])
    assert np.isfinite(got.rstudent[:3]).all()
    assert np.isnan(fit.rstandard().z[3])


@settings(max_examples=15, deadline=None)
@given(rows=rows, **options)
def test_gosh_holds_every_subset_once_and_its_model(rows, tau2, test):
    fit = model(rows[:5], tau2, test)
    got = fit.gosh()
    assert len({tuple(row) for row in got.include.tolist()}) == 31
    assert got.k.tolist() == sorted(got.include.sum(axis=1).tolist())
    for i in (7, 20, 30):
        part = [row for row, taken in zip(rows, got.include[i], strict=False) if taken]
        other = model(part, tau2, "z")
        assert (got.mu[i], got.tau2[i]) == pytest.approx((other.mu, other.tau2), rel=1e-9, abs=1e-10)


def test_drawn_subsets_and_permutations_are_drawn_again_by_their_seed():
    rng = np.random.default_rng(3)
    fit = km.random_effects(rng.normal(0.4, 0.5, 30), np.full(30, 0.1), measure="GEN")
    assert (fit.gosh(n=50, seed=1).include == fit.gosh(n=50, seed=1).include).all()
    assert fit.gosh(n=50, seed=1).seed == 1
    assert set(fit.gosh(n=2000).k) == set(range(1, 31))
    one, two = (fit.permutation_test(n=200, seed=seed) for seed in (1, 2))
    assert (one.null == fit.permutation_test(n=200, seed=1).null).all()
    assert (one.null[1:] != two.null[1:]).any()
    assert not one.exact
    assert one.statistic[0] == pytest.approx(fit.statistic)


def test_a_permutation_test_is_exact_when_that_is_no_more_work():
    fit = km.random_effects(
        [0.5, 0.7, 0.3, 0.9, 0.4], [0.04, 0.02, 0.09, 0.05, 0.03], measure="MD", tau2="DL"
    )
    got = fit.permutation_test()
    assert got.exact
    assert got.permutations == 32
    assert got.p_value[0] == 2 / 32
    assert got.summary().startswith("Permutation test: 32 permutations (all)")
    assert got.rows()[0]["term"] == "mu"


def test_permuted_moderators_are_refits_in_that_order():
    rng = np.random.default_rng(8)
    y, v, x = rng.normal(size=5), rng.uniform(0.1, 1, 5), rng.normal(size=5)
    got = km.random_effects(y, v, measure="GEN", mods={"x": x}).permutation_test(exact=True)
    assert got.permutations == 120
    slopes = []
    from itertools import permutations

    for order in permutations(range(5)):
        other = km.random_effects(y, v, measure="GEN", mods={"x": x[list(order)]})
        slopes.append(other.beta[1] / other.vcov[1, 1] ** 0.5)
    np.testing.assert_allclose(sorted(got.null[:, 1]), sorted(slopes), rtol=1e-7)


@given(rows=rows)
@settings(max_examples=20, deadline=None)
def test_blups_lie_between_estimate_and_model_and_the_profile_tops_at_its_estimate(rows):
    fit = model(rows, "REML", "z")
    low, high = np.minimum(fit.yi, fit.mu), np.maximum(fit.yi, fit.mu)
    pred = fit.blup().pred
    assert ((pred >= low - 1e-12) & (pred <= high + 1e-12)).all()
    np.testing.assert_allclose(fit.ranef().pred, pred - fit.mu, atol=1e-12)
    curve = fit.profile()
    assert (curve.ll <= curve.highest + 1e-9).all()
    assert fit.profile([fit.tau2]).ll[0] == pytest.approx(fit.fit_stats()["REML"]["ll"])
    sample = Sample(fit.yi, fit.vi)
    steps = [log_likelihood(sample, t / sample.unit**2, restricted=True) for t in curve.tau2[:2]]
    assert curve.ll[1] - curve.ll[0] == pytest.approx(steps[1] - steps[0], abs=1e-9)


def test_radial_slope_is_the_pooled_effect():
    fit = km.random_effects([0.1, 0.2, 0.3, 2.0], [0.04, 0.02, 0.03, 0.05], measure="SMD")
    got = fit.radial()
    assert got.slope == pytest.approx(float(got.x @ got.y / (got.x @ got.x)))
    assert [set(row) for row in got.rows()] == [{"label", "x", "y"}] * 4


def test_tables_have_one_row_an_estimate():
    fit = km.random_effects(
        [0.1, 0.2, 0.3, 2.0], [0.04, 0.02, 0.03, 0.05], measure="SMD", labels=list("abcd")
    )
    for got in (fit.influence(), fit.rstandard(), fit.baujat(), fit.blup(), fit.ranef()):
        assert [row["label"] for row in got.rows()] == list("abcd")
        assert "a" in got.summary()
    assert fit.influence().rows()[3]["influential"] is True
    assert np.isnan(fit.ranef().rows()[0]["effect"])
    assert len(fit.profile().rows()) == 21
    assert "15 subsets" in fit.gosh().summary()


GROUPED = {"groups": [1, 1, 2, 2], "measure": "GEN"}


@pytest.mark.parametrize(
    "name", ["influence", "rstandard", "baujat", "gosh", "radial", "blup", "ranef", "profile"]
)
def test_a_multilevel_model_is_refused_in_words(name):
    fit = km.multilevel([0.1, 0.2, 0.3, 2.0], [0.04, 0.02, 0.03, 0.05], **GROUPED)
    with pytest.raises(InputError) as error:
        getattr(fit, name)()
    assert error.value.where


@pytest.mark.parametrize(
    ("name", "options", "fitted", "words"),
    [
        ("gosh", {}, {"weights": [1, 1, 1]}, "weights"),
        ("permutation_test", {}, {"test": "kr"}, "test kr"),
        ("gosh", {}, {"mods": {"x": [1, 2, 4]}}, "moderators"),
        ("radial", {}, {"mods": {"x": [1, 2, 4]}}, "moderators"),
        ("gosh", {"n": 0}, {}, "subsets"),
        ("gosh", {"n": 2.5}, {}, "subsets"),
        ("permutation_test", {"n": 1}, {}, "whole number"),
        ("profile", {"at": [-1]}, {}, "0 or more"),
        ("profile", {"at": ["x"]}, {}, "not a number"),
        ("profile", {}, {"tau2": "DL"}, "no profile"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(name, options, fitted, words):
    fit = km.random_effects([0.1, 0.2, 0.9], [0.1, 0.2, 0.3], measure="GEN", **fitted)
    with pytest.raises(InputError, match=words) as error:
        getattr(fit, name)(**options)
    assert error.value.where


def test_nothing_remains_when_the_only_estimate_is_left_out():
    with pytest.raises(InputError, match="nothing remains"):
        km.random_effects([0.1], [0.1], measure="GEN").influence()
    with pytest.raises(InputError, match="subsets"):
        km.random_effects(np.arange(30.0), np.ones(30), measure="GEN").gosh()
    with pytest.raises(InputError, match="permutations"):
        km.random_effects(np.arange(30.0), np.ones(30), measure="GEN").permutation_test(exact=True)


Y, V = [0.1, 0.9, -0.4, 0.5, 1.4, 0.2, 0.7], [0.02, 0.05, 0.01, 0.2, 0.03, 0.04, 0.06]
X, W = np.array([1.0, 2.0, 4.0, 3.0, 7.0, 5.0, 6.0]), np.array([2.0, 1.0, 1.0, 4.0, 3.0, 1.0, 2.0])
SINGLY = {
    "Kenward-Roger": {"test": "kr"},
    "user weights": {"weights": W},
    "user weights, moderator": {"weights": W, "mods": {"x": X}, "test": "knha"},
    "GENQ": {"weights": W, "tau2": "GENQ", "test": "z"},
    "GENQM": {"tau2": "GENQM", "test": "t"},
    "location-scale": {"scale": {"x": X}, "test": "z"},
    "location-scale, moderator": {"scale": {"x": X}, "mods": {"x": X}, "test": "knha"},
}


def part_of(rows, **options):
    """The model of some estimates, made from their data anew."""
    cut = {
        name: {key: column[rows] for key, column in value.items()} if isinstance(value, dict) else value
        for name, value in options.items()
    }
    if "weights" in cut:
        cut["weights"] = W[rows]
    return km.random_effects(np.array(Y)[rows], np.array(V)[rows], measure="GEN", **cut)


def vcov_of(fit):
    return np.array([[fit.se**2]]) if fit.vcov is None else fit.vcov


@pytest.mark.parametrize("name", SINGLY)
def test_what_no_batch_can_fit_is_refitted_without_each_estimate(name):
    options = SINGLY[name]
    fit = part_of(np.arange(7), **options)
    got, points = fit.influence(), fit.baujat()
    x = np.ones((7, 1)) if fit.x is None else fit.x
    beta = np.array([fit.mu]) if fit.beta is None else fit.beta
    for i in range(7):
        other = part_of(np.delete(np.arange(7), i), **options)
        left = np.array([other.mu]) if other.beta is None else other.beta
        between = other.tau2 if "scale" not in options else np.exp(other.alpha @ [1, X[i]])
        move, cov = beta - left, vcov_of(other)
        assert got.tau2_del[i] == pytest.approx(between, rel=1e-6, abs=1e-9)
        assert got.qe_del[i] == pytest.approx(other.q, rel=1e-9)
        assert got.cook_d[i] == pytest.approx(move @ np.linalg.solve(vcov_of(fit), move), rel=1e-6, abs=1e-9)
        assert got.cov_r[i] == pytest.approx(np.linalg.det(cov) / np.linalg.det(vcov_of(fit)), rel=1e-6)
        assert points.y[i] == pytest.approx((x[i] @ move) ** 2 / (x[i] @ cov @ x[i]), rel=1e-6, abs=1e-9)
    own = fit.tau2 if "scale" not in options else fit.tau2_i
    np.testing.assert_allclose(points.x, (fit.yi - x @ beta) ** 2 / (fit.vi + own), rtol=1e-10)


@pytest.mark.parametrize("name", [name for name in SINGLY if "moderator" not in name])
def test_what_no_batch_can_fit_is_left_out_and_added_one_by_one(name):
    options = SINGLY[name]
    fit = part_of(np.arange(7), **options)
    gone, grown = fit.leave_one_out(), fit.cumulative(order=X)
    order = np.argsort(X, kind="stable")
    for i in range(7):
        other = part_of(np.delete(np.arange(7), i), **options)
        assert (gone.mu[i], gone.se[i]) == pytest.approx((other.mu, other.se), rel=1e-9)
        if name == "location-scale" and i < 2:
            assert np.isnan(grown.mu[i])
            assert grown.k[i] == 0
        else:
            other = part_of(order[: i + 1], **options)
            assert (grown.mu[i], grown.se[i]) == pytest.approx((other.mu, other.se), rel=1e-9)


def test_deletions_that_leave_a_scale_column_constant_are_nan():
    fit = km.random_effects(
        Y, V, measure="GEN", scale={"x": [0, 0, 0, 1, 0, 0, 0]}, link="identity", test="z"
    )
    assert np.isnan(fit.influence().rstudent[3])
    assert np.isfinite(fit.influence().rstudent[:3]).all()


def test_weights_that_are_all_0_without_an_estimate_are_refused():
    fit = km.random_effects(Y[:3], V[:3], measure="GEN", weights=[1, 0, 0])
    with pytest.raises(InputError, match="all 0"):
        fit.leave_one_out()


def test_residuals_of_a_location_scale_model_have_the_variance_of_their_own_tau2():
    fit = part_of(np.arange(7), **SINGLY["location-scale, moderator"])
    total = fit.vi + fit.tau2_i
    w = np.diag(1 / total)
    off = np.eye(7) - fit.x @ np.linalg.inv(fit.x.T @ w @ fit.x) @ fit.x.T @ w
    np.testing.assert_allclose(fit.rstandard().se ** 2, np.diag(off @ np.diag(total) @ off.T), rtol=1e-9)
