"""Bayesian random effects: against a second quadrature over both parameters, and what must hold for any data."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import dblquad, quad

import kmeta as km
from kmeta.core.errors import InputError
from kmeta.methods.meta.tau_priors import (
    RHODES,
    TURNER,
    half_cauchy,
    half_normal,
    log_normal_tau2,
    log_student_tau2,
    rhodes,
    turner,
    uniform,
)

Y, V = np.array([-0.5, -0.2, -0.9]), np.array([0.04, 0.02, 0.09])
PRIORS = [
    half_normal(0.5),
    half_cauchy(0.4),
    uniform(2.0),
    log_normal_tau2(-2.5, 1.7),
    log_student_tau2(-3.4, 2.6),
]


@pytest.mark.parametrize("prior", PRIORS, ids=[p.name for p in PRIORS])
def test_priors_integrate_to_their_distribution(prior):
    for end in (0.1, 0.7, 1.9):
        area = quad(
            lambda u: math.exp(float(prior.log_density(np.array([math.exp(u)]))[0]) + u),
            -60,
            math.log(end),
            limit=400,
        )[0]
        missing = prior.cdf(math.exp(-60))
        assert area + missing == pytest.approx(prior.cdf(end), abs=1e-7)


def test_against_a_double_integral():
    """Evidence, moments and a tail area by adaptive quadrature in (mu, tau), which shares no code with ours."""
    found = km.bayes_random_effects(Y, V, measure="HR", prior_tau=half_normal(0.5), prior_mu=(0, 2))

    def joint(mu, tau):
        like = np.prod(np.exp(-0.5 * (Y - mu) ** 2 / (V + tau**2)) / np.sqrt(2 * math.pi * (V + tau**2)))
        prior = math.exp(-0.5 * (mu / 2) ** 2) / (2 * math.sqrt(2 * math.pi))
        return like * prior * 2 / (0.5 * math.sqrt(2 * math.pi)) * math.exp(-0.5 * (tau / 0.5) ** 2)

    def integral(f, high=6.0):
        return dblquad(f, 0, 5, -6, high, epsabs=1e-11, epsrel=1e-10)[0]

    evidence = integral(joint)
    assert found.log_evidence == pytest.approx(math.log(evidence), abs=1e-9)
    assert found.mu_mean == pytest.approx(integral(lambda m, t: m * joint(m, t)) / evidence, abs=1e-9)
    assert found.tau_mean == pytest.approx(integral(lambda m, t: t * joint(m, t)) / evidence, abs=1e-9)
    assert integral(joint, found.ci_low) / evidence == pytest.approx(0.025, abs=1e-9)
    null = quad(lambda t: joint(0.0, t), 0, 5, epsabs=1e-13)[0] * 2 * math.sqrt(2 * math.pi)
    assert found.bf_mu0 == pytest.approx(null / evidence, rel=1e-9)


@pytest.mark.parametrize("prior", PRIORS, ids=[p.name for p in PRIORS])
def test_tau_against_a_plain_integral_of_its_flat_mu_posterior(prior):
    found = km.bayes_random_effects(Y, V, measure="HR", prior_tau=prior)

    def height(u):
        tau = math.exp(u)
        w = 1 / (V + tau**2)
        mean = w @ Y / w.sum()
        like = math.sqrt(np.prod(w) / w.sum()) * math.exp(-0.5 * float(w @ (Y - mean) ** 2))
        return like * math.exp(float(prior.log_density(np.array([tau]))[0]) + u)

    top = math.log(2.0) if prior.upper == 2.0 else 30.0
    points = [-10, -4, -2, -1, 0]
    total, low, mean = (
        quad(f, -45, end, points=points, limit=1000, epsabs=1e-14, epsrel=1e-12)[0]
        for f, end in (
            (height, top),
            (height, math.log(found.tau)),
            (lambda u: math.exp(u) * height(u), top),
        )
    )
    w = 1 / V
    at_zero = math.sqrt(np.prod(w) / w.sum()) * math.exp(-0.5 * float(w @ (Y - w @ Y / w.sum()) ** 2))
    below = prior.cdf(math.exp(-45)) * at_zero
    assert (low + below) / (total + below) == pytest.approx(0.5, abs=1e-9)
    if math.isfinite(found.tau_mean):
        assert mean / (total + below) == pytest.approx(found.tau_mean, rel=1e-8)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-2, 2), st.floats(0.01, 1)), min_size=3, max_size=8),
    st.randoms(use_true_random=False),
)
def test_order_and_origin_change_nothing_and_limits_hold_their_share(rows, random):
    y, v = np.array(rows).T
    here = km.bayes_random_effects(y, v, measure="MD")
    order = list(range(len(y)))
    random.shuffle(order)
    there = km.bayes_random_effects(y[order] + 3, v[order], measure="MD")
    assert (there.mu - 3, there.ci_low - 3, there.tau) == pytest.approx(
        (here.mu, here.ci_low, here.tau), rel=1e-8, abs=1e-9
    )
    assert here.effect_posterior.cdf(here.ci_high) == pytest.approx(0.975, abs=1e-12)
    assert here.tau_posterior.cdf(here.tau_high) == pytest.approx(0.975, abs=1e-11)
    assert here.pi_low <= here.ci_low <= here.mu <= here.ci_high <= here.pi_high
    assert ((here.shrinkage > 0) & (here.shrinkage < 1)).all()
    assert here.weights.sum() == pytest.approx(100)


def test_a_tau_near_zero_gives_the_common_effect():
    found = km.bayes_random_effects(Y, V, measure="HR", prior_tau=log_normal_tau2(-60, 0.5))
    common = km.common_effect(Y, V, measure="HR")
    assert (found.mu, found.mu_sd) == pytest.approx((common.mu, common.se), rel=1e-12)
    assert found.bf_tau0 == pytest.approx(1, rel=1e-12)
    np.testing.assert_allclose(found.theta, common.mu, rtol=1e-9)


def test_a_vague_posterior_is_the_normal_theory():
    """Many precise studies: the posterior of tau closes on the REML estimate."""
    rng = np.random.default_rng(7)
    v = np.full(400, 0.01)
    y = rng.normal(0.2, math.sqrt(0.09 + 0.01), 400)
    found = km.bayes_random_effects(y, v, measure="MD", prior_tau=uniform())
    fit = km.random_effects(y, v, measure="MD", test="z")
    assert found.tau == pytest.approx(fit.tau, rel=0.01)
    assert (found.ci_low, found.ci_high) == pytest.approx((fit.ci_low, fit.ci_high), abs=2e-3)


def test_the_shortest_interval_is_not_longer_and_holds_its_level():
    found = km.bayes_random_effects(Y, V, measure="HR")
    low, high = found.shortest()
    assert high - low <= found.ci_high - found.ci_low
    assert found.effect_posterior.cdf(high) - found.effect_posterior.cdf(low) == pytest.approx(0.95, abs=1e-9)
    low, high = found.shortest("tau")
    assert (low, found.tau_posterior.cdf(high)) == (0.0, pytest.approx(0.95, abs=1e-9))


def test_infinite_moments_are_called_infinite():
    found = km.bayes_random_effects(Y, V, measure="HR", prior_tau=uniform())
    assert (found.tau_mean, found.tau_sd, found.mu_sd) == (math.inf, math.inf, math.inf)
    assert math.isnan(found.bf_tau0)
    assert any("infinite" in text for text in found.warnings)


def test_the_published_tables_can_all_be_used():
    for outcome, row in TURNER.items():
        for comparison in ("drug-placebo", "drug-drug", "other-placebo", "other-drug", "other-other"):
            assert turner(outcome, comparison).proper
        assert len(row) == 5
    for outcome, row in RHODES.items():
        assert len(row) == 3
        for comparison in ("drug-placebo", "drug-drug", "other"):
            assert rhodes(outcome, comparison).proper
    # printed so in the paper; the pattern of the other entries would have -2.85
    assert RHODES["mental health"][2] == (-3.85, 1.93)
    shift = {round(other[0] - first[0], 2) for first, _, other in RHODES.values()}
    assert shift == {0.14, -0.86}
    with pytest.raises(InputError, match="no outcome"):
        turner("hope")


BAD = [
    (lambda: km.bayes_random_effects([1.0], [1.0], measure="MD"), "prior of mu"),
    (lambda: km.bayes_random_effects(Y[:2], V[:2], measure="MD", prior_tau=uniform()), "proper"),
    (lambda: km.bayes_random_effects(Y, V, measure="MD", prior_tau="half-normal"), "prior_tau"),
    (lambda: km.bayes_random_effects(Y, V, measure="MD", prior_mu=(0, -1)), "prior_mu"),
    (lambda: km.bayes_random_effects(Y, V[:2], measure="MD"), "2"),
    (lambda: km.bayes_random_effects(Y, V * 0, measure="MD"), "above 0"),
    (lambda: half_normal(0), "above 0"),
    (lambda: km.bayes_random_effects(Y, V, measure="MD").shortest("sigma"), "sigma"),
]


@pytest.mark.parametrize(("call", "word"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_bad_input_is_named(call, word):
    with pytest.raises(InputError, match=word):
        call()


def test_one_study_with_priors_is_its_conjugate_posterior_in_the_limit():
    found = km.bayes_random_effects(
        [0.4], [0.05], measure="MD", prior_mu=(0, 1), prior_tau=log_normal_tau2(-60, 0.5)
    )
    precision = 1 / 0.05 + 1
    assert (found.mu, found.mu_sd) == pytest.approx((0.4 / 0.05 / precision, precision**-0.5), rel=1e-10)


def test_it_can_be_read():
    found = km.bayes_random_effects(Y, V, measure="HR", labels=["a", "b", "c"])
    assert "hazard ratio" in found.summary()
    assert [row["term"] for row in found.rows()] == ["mu", "tau", "new", "a", "b", "c"]
    assert "predictive" not in found.to_dict()
    assert found.probability_below(0) > 0.9
