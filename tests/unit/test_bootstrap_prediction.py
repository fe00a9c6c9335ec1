"""The bootstrap prediction interval, and the distribution of Q far out that its draws need."""

import numpy as np
import pytest
from scipy.stats import chi2

import kmeta as km
from kmeta.core.errors import InputError
from kmeta.methods.meta.bootstrap_prediction import drawn_tau2
from kmeta.methods.meta.generalised_q import Inverted, chi2_sum
from kmeta.methods.meta.sample import Sample

Y = [-0.9, -0.2, -1.1, 0.1, -0.5, -0.4]
V = [0.05, 0.08, 0.04, 0.06, 0.03, 0.09]


def boot(y=Y, v=V, **options):
    return km.random_effects(y, v, measure="HR", pi="bootstrap", **options)


def test_draws_of_tau2_with_equal_variances_have_a_closed_form():
    """Q / (1 + tau2 / v) is a chi2 with k - 1 df, so tau2 = v (q / quantile - 1) where that is above 0."""
    y, v = np.array(Y), np.full(6, 0.05)
    uniform = np.random.default_rng(1).random(5000)
    sample = Sample(y, v)
    q = float(np.sum((y - y.mean()) ** 2)) / 0.05
    expected = np.maximum(0, 0.05 * (q / chi2.ppf(uniform, 5) - 1))
    np.testing.assert_allclose(drawn_tau2(sample, uniform) * sample.unit**2, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("k", [3, 8, 40])
def test_draws_of_tau2_are_the_solutions_of_the_exact_distribution(k):
    random = np.random.default_rng(k)
    v = random.uniform(0.02, 0.6, k)
    sample = Sample(random.normal(size=k) * np.sqrt(v + 0.2), v)
    uniform = random.random(2000)
    share = Inverted(sample, 1 / sample.v)
    exact = [share.solve(u) for u in uniform[:40].tolist()]
    np.testing.assert_allclose(drawn_tau2(sample, uniform)[:40], exact, rtol=1e-4, atol=1e-4)


def test_the_limits_are_those_of_the_published_steps():
    """Step by step with equal variances, where tau2 is drawn in closed form, and draws of its own."""
    y, v, n = np.array(Y), 0.05, 400_000
    random = np.random.default_rng(99)
    q = float(np.sum((y - y.mean()) ** 2)) / v
    tau2 = np.maximum(0, v * (q / random.chisquare(5, n) - 1))
    hartung = np.var(y, ddof=1) / 6  # equal weights, whatever tau2
    new = y.mean() + np.sqrt(tau2) * random.normal(size=n) + np.sqrt(hartung) * random.standard_t(5, n)
    fit = boot(y, [v] * 6, n_bootstrap=400_000)
    np.testing.assert_allclose((fit.pi_low, fit.pi_high), np.quantile(new, [0.025, 0.975]), atol=0.03)


def test_seed_and_replicates_are_recorded_and_repeat_the_limits():
    fit, again, other = boot(seed=7, n_bootstrap=5000), boot(seed=7, n_bootstrap=5000), boot(seed=8)
    assert (fit.seed, fit.n_bootstrap, fit.pi) == (7, 5000, "bootstrap")
    assert (fit.pi_low, fit.pi_high) == (again.pi_low, again.pi_high)
    assert fit.pi_low != other.pi_low
    assert "bootstrap, 5000 replicates, seed 7" in fit.summary()
    assert "seed = 7" in fit.r_script()
    plain = km.random_effects(Y, V, measure="HR")
    assert (plain.seed, plain.n_bootstrap) == (None, None)
    assert (fit.mu, fit.ci_low, fit.tau2) == (plain.mu, plain.ci_low, plain.tau2)


def test_estimator_and_test_do_not_matter_but_the_level_does():
    fit = boot(seed=1)
    for options in ({"tau2": "DL"}, {"test": "z"}, {"test": "wider"}):
        assert boot(seed=1, **options).pi_low == fit.pi_low
    wide, narrow = boot(seed=1, level=0.99), boot(seed=1, level=0.8)
    assert wide.pi_low < fit.pi_low < narrow.pi_low < narrow.pi_high < fit.pi_high < wide.pi_high


def test_scale_and_origin():
    fit, moved = boot(seed=1), boot(np.array(Y) * 3 + 10, np.array(V) * 9, seed=1)
    found = [moved.pi_low, moved.pi_high]
    np.testing.assert_allclose(found, [10 + 3 * fit.pi_low, 10 + 3 * fit.pi_high], rtol=1e-4)


def test_what_is_made_of_the_fit():
    fit = boot(seed=1)
    assert fit.predict().pi_low[0] == fit.pi_low
    assert fit.predict(pi="t").pi_low[0] == km.random_effects(Y, V, measure="HR", pi="t").pi_low
    np.testing.assert_allclose(
        fit.leave_one_out().mu, km.random_effects(Y, V, measure="HR").leave_one_out().mu
    )
    assert fit.trim_fill().fit.pi == "bootstrap"
    assert fit.to_dict()["seed"] == 1


def test_equal_estimates_are_warned_of_and_two_give_none():
    assert any("no width" in text for text in boot([0.5] * 4, [0.1, 0.2, 0.1, 0.3]).warnings)
    assert np.isnan(boot([0.1, 0.2], [0.1, 0.1]).pi_low)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"n_bootstrap": 10}, "n_bootstrap"),
        ({"n_bootstrap": True}, "n_bootstrap"),
        ({"tau2": 0.1}, "pi"),
        ({"weights": [1] * 6}, "pi"),
        ({"mods": {"x": [1, 2, 3, 4, 5, 7]}}, "pi"),
    ],
)
def test_what_cannot_be_used_is_said(options, where):
    with pytest.raises(InputError, match=f"^{where}"):
        boot(**options)


def test_a_fit_without_it_cannot_predict_by_it():
    with pytest.raises(InputError, match="no bootstrap interval"):
        km.random_effects(Y, V, measure="HR").predict(pi="bootstrap")


@pytest.mark.parametrize("n", [15, 60, 299])
@pytest.mark.parametrize("distance", [0.2, 0.9, 1.0, 1.3, 2.0, 5.0, 1000.0])
def test_the_distribution_of_q_holds_far_from_its_middle(n, distance):
    assert chi2_sum(n * distance, np.ones(n)) == pytest.approx(chi2.cdf(n * distance, n), abs=1e-11)
