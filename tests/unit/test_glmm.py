"""Models of counts: exact likelihoods, every model against an integral worked out otherwise, and bad input."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import binom, nchypergeom_fisher, norm, poisson

import kmeta as km
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.methods.meta.quadrature import hermite

SPARSE = {"xi": [0, 0, 1, 2, 0, 5, 10, 3, 0, 7], "ni": [10, 25, 30, 50, 12, 60, 10, 3, 8, 90]}
PROPORTIONS = {"xi": [8, 5, 12, 3, 9], "ni": [12, 18, 30, 14, 20]}
TABLES = {"ai": [4, 6, 3, 0], "n1i": [23, 36, 31, 20], "ci": [11, 9, 11, 4], "n2i": [39, 30, 22, 21]}
RATES = {"x1i": [3, 5, 2, 9], "t1i": [90, 80, 60, 70], "x2i": [6, 14, 5, 8], "t2i": [95, 70, 50, 90]}


def expit(x):
    return 1 / (1 + math.exp(-x))


def height(pieces, mu, tau):
    """Log-likelihood by plain adaptive integration; `pieces`: probability of a study's counts, given its effect."""
    total = 0.0
    for piece in pieces:
        value, _ = quad(
            lambda z, piece=piece: piece(mu + tau * z) * norm.pdf(z),
            -12,
            12,
            limit=400,
            epsabs=0,
            epsrel=1e-11,
        )
        total += math.log(value)
    return total


def pieces_of(measure, model):
    if measure == "PLO":
        return [
            lambda e, x=x, n=n: binom.pmf(x, n, expit(e))
            for x, n in zip(PROPORTIONS["xi"], PROPORTIONS["ni"], strict=True)
        ]
    if measure == "IRLN":
        return [
            lambda e, x=x, t=t: poisson.pmf(x, t * math.exp(e))
            for x, t in zip(RATES["x1i"], RATES["t1i"], strict=True)
        ]
    rows = list(zip(*(TABLES if measure == "OR" else RATES).values(), strict=True))
    if measure == "IRR":
        return [lambda e, r=r: binom.pmf(r[0], r[0] + r[2], expit(e + math.log(r[1] / r[3]))) for r in rows]
    if model == "CM.EL":
        return [
            lambda e, r=r: nchypergeom_fisher.pmf(r[0], r[1] + r[3], r[1], r[0] + r[2], math.exp(e))
            for r in rows
        ]
    return [lambda e, r=r: binom.pmf(r[0], r[0] + r[2], expit(e + math.log(r[1] / r[3]))) for r in rows]


@pytest.mark.parametrize(
    ("measure", "model", "columns"),
    [
        ("PLO", "UM.FS", PROPORTIONS),
        ("IRLN", "UM.FS", {"xi": RATES["x1i"], "ti": RATES["t1i"]}),
        ("OR", "CM.EL", TABLES),
        ("OR", "CM.AL", TABLES),
        ("IRR", "CM.EL", RATES),
    ],
)
def test_the_likelihood_is_that_of_plain_integration_and_highest_at_the_estimates(measure, model, columns):
    fit = km.glmm(measure, **columns, model=model)
    pieces = pieces_of(measure, model)
    here = height(pieces, fit.mu, fit.tau)
    assert fit.log_likelihood == pytest.approx(here, abs=1e-7)
    for d_mu, d_tau in ((0.01, 0), (-0.01, 0), (0, 0.01), (0, -0.01)):
        assert height(pieces, fit.mu + d_mu, abs(fit.tau + d_tau)) < here


def test_sparse_proportions_are_exact_where_81_points_are_not():
    """The maximum with 0 of n and n of n: here metafor's 7 points are 10 % off in tau2, and 81 points 9e-6."""
    fit = km.glmm("PLO", **SPARSE)
    z = np.linspace(-14, 14, 20_001)
    slopes = np.zeros(2)
    for x, n in zip(SPARSE["xi"], SPARSE["ni"], strict=True):
        eta = fit.mu + fit.tau * z
        weight = np.exp(x * eta - n * np.logaddexp(0, eta) - z * z / 2)
        score = x - n / (1 + np.exp(-eta))
        slopes += np.array([weight @ score, weight @ (score * z)]) / weight.sum()
    assert np.abs(slopes).max() < 1e-8
    assert fit.mu == pytest.approx(-2.9374182, abs=1e-6)
    assert fit.tau2 == pytest.approx(16.493897, abs=1e-5)
    assert fit.points > 81
    assert km.glmm("PLO", **SPARSE, points=7).tau2 == pytest.approx(14.837, abs=0.01)


def test_laplace_is_where_its_own_approximation_is_highest():
    """lme4 stops short here (tau2 0.57265): its default tolerance; with 1e-14 it gives these numbers too."""
    x = np.array([16, 10, 4, 9])
    n = np.array([17, 12, 8, 30])
    fit = km.glmm("PLO", xi=x, ni=n, points=1)

    def laplace(mu, tau):
        total = 0.0
        for a, b in zip(x, n, strict=True):
            z = 0.0
            for _ in range(200):
                p = expit(mu + tau * z)
                z += (tau * (a - b * p) - z) / (1 + tau * tau * b * p * (1 - p))
            p = expit(mu + tau * z)
            total += binom.logpmf(a, b, p) - z * z / 2 - 0.5 * math.log(1 + tau**2 * b * p * (1 - p))
        return total

    here = laplace(fit.mu, fit.tau)
    assert fit.log_likelihood == pytest.approx(here, abs=1e-9)
    for d_mu, d_tau in ((0.01, 0), (-0.01, 0), (0, 0.01), (0, -0.01)):
        assert laplace(fit.mu + d_mu, fit.tau + d_tau) < here


def test_no_heterogeneity_is_the_logistic_model():
    same = {"xi": [10, 20, 30], "ni": [20, 40, 60]}
    fit = km.glmm("PLO", **same)
    assert fit.tau2 == 0
    assert fit.mu == pytest.approx(0, abs=1e-9)
    assert fit.se == pytest.approx(math.sqrt(1 / 30))
    assert km.glmm("PLO", **same, method="EE").se == pytest.approx(fit.se)
    assert fit.lrt == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("model", ["UM.FS", "UM.RS", "CM.EL", "CM.AL"])
def test_exchanged_groups_change_the_sign(model):
    other = {"ai": TABLES["ci"], "n1i": TABLES["n2i"], "ci": TABLES["ai"], "n2i": TABLES["n1i"]}
    one, two = km.glmm("OR", **TABLES, model=model), km.glmm("OR", **other, model=model)
    assert one.mu == pytest.approx(-two.mu, abs=1e-7)
    assert one.tau2 == pytest.approx(two.tau2, abs=1e-7)


@settings(deadline=None, max_examples=15)
@given(st.permutations(range(5)))
def test_the_order_of_studies_does_not_matter(order):
    mixed = {name: [values[i] for i in order] for name, values in PROPORTIONS.items()}
    one, two = km.glmm("PLO", **PROPORTIONS), km.glmm("PLO", **mixed)
    assert (one.mu, one.se, one.tau2) == pytest.approx((two.mu, two.se, two.tau2), rel=1e-8)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=3, max_size=8))
def test_any_counts_give_a_maximum_or_say_why_not(rows):
    x = [a for a, _ in rows]
    n = [a + b + 1 for a, b in rows]
    try:
        fit = km.glmm("PLO", xi=x, ni=n)
    except (InputError, ConvergenceError):
        return
    assert fit.tau2 >= 0
    assert fit.log_likelihood >= km.glmm("PLO", xi=x, ni=n, method="EE").log_likelihood - 1e-8
    assert fit.ci_low < fit.mu < fit.ci_high


def test_moderators_of_groups_are_separate_models_when_tau_is_0():
    x, n = [10, 20, 15, 30], [20, 40, 20, 40]
    fit = km.glmm("PLO", xi=x, ni=n, mods={"late": [0, 0, 1, 1]})
    assert fit.beta[1] == pytest.approx(math.log(3), abs=1e-8)
    assert fit.qm_df[0] == 1


def test_what_a_result_shows():
    fit = km.glmm("OR", **TABLES, model="CM.EL", labels=list("ABCD"))
    assert "adaptive Gauss-Hermite" in fit.summary()
    assert 'model = "CM.EL"' in fit.r_script()
    assert fit.leave_one_out().k == (3, 3, 3, 3)
    assert fit.common.tau2 == 0
    assert fit.predict(pi="riley").pi_low[0] < fit.pi_low
    assert set(fit.fit_stats()["ML"]) == {"ll", "dev", "AIC", "BIC", "AICc"}


def test_studies_that_tell_nothing_are_left_out_and_named():
    table = {"ai": [4, 0, 3], "n1i": [23, 10, 31], "ci": [11, 0, 11], "n2i": [39, 10, 22]}
    fit = km.glmm("OR", **table, labels=["A", "none", "C"])
    assert (fit.k, fit.labels) == (2, ("A", "C"))
    assert "left out: none" in fit.warnings[0]


@pytest.mark.parametrize(
    ("measure", "columns", "words"),
    [
        ("PLO", {"xi": [0, 0], "ni": [5, 6]}, "no events in any study"),
        ("PLO", {"xi": [5, 6], "ni": [5, 6]}, "events in everyone"),
        ("PLO", {"xi": [7], "ni": [6]}, "7 of 6"),
        ("PLO", {"xi": [1, 2]}, "needs xi and ni"),
        ("PLO", {"xi": [1], "ni": [math.nan]}, "ni"),
        ("PLO", {**PROPORTIONS, "model": "CM.EL"}, "no model"),
        ("PLO", {**PROPORTIONS, "points": 0}, "points"),
        ("PLO", {**PROPORTIONS, "test": "hksj"}, "no test"),
        ("OR", {"ai": [0, 0], "n1i": [9, 9], "ci": [1, 2], "n2i": [9, 9]}, "first group"),
        ("IRR", {"x1i": [1], "t1i": [2], "x2i": [3]}, "needs x1i"),
        ("MD", PROPORTIONS, "no model of counts"),
    ],
)
def test_what_cannot_be_fitted_is_refused(measure, columns, words):
    with pytest.raises(InputError, match=words):
        km.glmm(measure, **columns)


@pytest.mark.parametrize("points", [1, 7, 61, 481])
def test_nodes_integrate_a_normal_density(points):
    x, log_weights = hermite(points)
    density = np.exp(log_weights - x * x / 2) / math.sqrt(2 * math.pi)
    assert density.sum() == pytest.approx(1, rel=1e-11)
    if points > 2:
        assert (density * x * x).sum() == pytest.approx(1, rel=1e-11)


def test_survival_pooled_by_the_glmm_on_effective_numbers():
    found = km.survival_at([0.7, 0.8, 0.6, 1.0], [50.5, 30.2, 80.9, 12.0], time=60, model="glmm")
    direct = km.glmm(
        "PLO",
        xi=np.array([0.7, 0.8, 0.6, 1.0]) * [50.5, 30.2, 80.9, 12.0],
        ni=[50.5, 30.2, 80.9, 12.0],
        test="t",
    )
    assert found["all"].mu == direct.mu
    with pytest.raises(InputError, match="several arms"):
        km.survival_at([0.7, 0.8, 0.6], [50, 30, 80], time=60, model="glmm", groups=["a", "a", "b"])
