"""Every registered survival distribution, and a mixture cure on top of one, is asked the same questions."""

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

import kmeta as km
from kmeta.methods.survival.parametric import DISTRIBUTIONS
from kmeta.methods.survival.parametric.distribution import Choices, Lifetimes, distribution_named
from kmeta.methods.survival.parametric.mixture import LINKS, MixtureCure

# Times that are skewed, tied in places and a third censored; the arm halves the hazard.
RANDOM = np.random.default_rng(20)
ARM = np.arange(120) % 2
TIME = np.round(9 * RANDOM.weibull(1.3, 120) * np.where(ARM, 1.6, 1.0), 2) + 0.01
EVENT = (RANDOM.random(120) < 0.67).astype(int)
NAMES = sorted(DISTRIBUTIONS)


@cache
def fit_of(name):
    return km.parametric_survival(TIME, EVENT, {"arm": ARM}, distribution=name)


@cache
def laid_out(name):
    """(distribution, parameters near which it is asked)."""
    if name.startswith("cure"):
        base, theta = laid_out("weibull")
        return MixtureCure(base, name.split("-")[1]), np.append(-0.4, theta)
    fit = fit_of(name)
    return fit.model, fit.theta


ASKED = [*NAMES, *(f"cure-{link}" for link in LINKS)]
moves = st.lists(st.floats(-0.25, 0.25), min_size=6, max_size=6)
log_times = np.log(np.array([0.05, 0.7, 2.0, 5.0, 9.0, 14.0, 22.0]))


def moved(name, shifts):
    """Other parameters at which the distribution is still one."""
    model, theta = laid_out(name)
    free = not name.startswith("spline")  # a spline that is bent at random need not rise
    return model, theta + (
        np.array(shifts[: len(theta)]) if free else np.array([shifts[0]] + [0] * (len(theta) - 1))
    )


def both(model, x, theta, lp=0.2):
    lps = np.full(len(x), lp)
    with np.errstate(all="ignore"):
        return model.log_density(x, theta, lps), model.log_survival(x, theta, lps)


@pytest.mark.parametrize("name", ASKED)
@settings(deadline=None, max_examples=15)
@given(moves)
def test_the_density_is_what_the_survival_loses(name, shifts):
    model, theta = moved(name, shifts)
    h = 1e-5
    (log_f, _), (log_s, _) = both(model, log_times, theta)
    high, low = both(model, log_times + h, theta)[1][0], both(model, log_times - h, theta)[1][0]
    smooth = np.array([abs(x - model.breaks()).min(initial=1.0) > 1e-3 for x in log_times])
    # d log S / d log t = -t f / S
    np.testing.assert_allclose(
        ((high - low) / (2 * h))[smooth], -np.exp(log_f - log_s + log_times)[smooth], rtol=2e-6, atol=1e-9
    )


@pytest.mark.parametrize("name", ASKED)
@settings(deadline=None, max_examples=15)
@given(moves)
def test_survival_is_1_at_time_0_and_falls(name, shifts):
    model, theta = moved(name, shifts)
    x = np.concatenate([[-40.0], log_times])
    log_s = both(model, x, theta)[1][0]
    assert log_s[0] == pytest.approx(0, abs=1e-6)
    assert (np.diff(log_s) < 0).all()


@pytest.mark.parametrize("name", ASKED)
@settings(deadline=None, max_examples=10)
@given(moves)
def test_gradients_are_those_of_finite_differences(name, shifts):
    model, theta = moved(name, shifts)
    for which in (0, 1):
        slopes = both(model, log_times, theta)[which][1]
        assert slopes.shape == (len(theta) + 1, len(log_times))
        for j in range(len(theta) + 1):
            h = 1e-4
            ends = []
            for sign in (1, -1, 2, -2):
                step = np.zeros(len(theta) + 1)
                step[j] = sign * h
                ends.append(both(model, log_times, theta + step[:-1], 0.2 + step[-1])[which][0])
            numeric = (4 * (ends[0] - ends[1]) / 2 - (ends[2] - ends[3]) / 4) / (3 * h)
            size = 1 + np.abs(both(model, log_times, theta)[which][0])
            np.testing.assert_allclose(slopes[j] / size, numeric / size, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ASKED)
@given(st.floats(0.01, 0.6))
@settings(deadline=None, max_examples=15)
def test_the_quantile_inverts_the_survival(name, p):
    model, theta = laid_out(name)
    found = model.quantile(np.array([p]), theta, np.array([0.1]))
    if name.startswith("cure") and math.isnan(found[0]):
        assert np.exp(both(model, np.array([30.0]), theta, 0.1)[1][0][0]) > 1 - p
        return
    log_s = model.log_survival(np.log(found), theta, np.array([0.1]))[0]
    assert np.exp(log_s[0]) == pytest.approx(1 - p, rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("unit", [1 / 365.25, 12.0])
def test_the_unit_of_time_does_not_matter(name, unit):
    months, other = fit_of(name), km.parametric_survival(TIME * unit, EVENT, {"arm": ARM}, distribution=name)
    assert other.loglik == pytest.approx(months.loglik - EVENT.sum() * math.log(unit), abs=1e-6)
    at = np.array([1.0, 6.0, 20.0])
    first, second = months.survival(at, {"arm": [0, 1]}), other.survival(at * unit, {"arm": [0, 1]})
    np.testing.assert_allclose(second.estimate, first.estimate, atol=2e-6)
    if np.isfinite(first.se).all():
        np.testing.assert_allclose(second.se, first.se, rtol=2e-3, atol=1e-6)
    assert second.extrapolated == first.extrapolated


@pytest.mark.parametrize("name", NAMES)
def test_the_origin_and_the_unit_of_a_covariate_do_not_matter(name):
    plain = fit_of(name)
    other = km.parametric_survival(TIME, EVENT, {"arm": 50 + 10 * ARM}, distribution=name)
    assert other.loglik == pytest.approx(plain.loglik, abs=1e-7)
    assert other.coefficients[0] * 10 == pytest.approx(plain.coefficients[0], abs=2e-5)
    np.testing.assert_allclose(
        other.median({"arm": [50, 60]}).estimate, plain.median({"arm": [0, 1]}).estimate, rtol=1e-5
    )


@pytest.mark.parametrize("name", NAMES)
def test_restricted_means_are_areas_under_the_curve(name):
    fit = fit_of(name)
    for tau in (3.0, 40.0):
        knots = [float(np.exp(b)) for b in fit.model.breaks() if np.exp(b) < tau] or None
        area = quad(
            lambda t: fit.survival(t, {"arm": 1}).estimate[0], 0, tau, points=knots, limit=300, epsabs=1e-8
        )[0]
        assert fit.rmst(tau, {"arm": 1}).estimate[0] == pytest.approx(area, rel=1e-6)
    mean = fit.mean({"arm": 1}).estimate[0]
    assert mean == pytest.approx(fit.rmst(1e7, {"arm": 1}).estimate[0], rel=2e-3) or math.isinf(mean)


@pytest.mark.parametrize("name", NAMES)
def test_delta_method_standard_errors_follow_the_likelihood(name):
    """The se of a survival probability equals that of refits with the parameters moved along the covariance."""
    fit = fit_of(name)
    if np.isnan(fit.covariance).any():
        pytest.skip("a parameter lies on its boundary")
    p = len(fit.theta)
    values, vectors = np.linalg.eigh(fit.covariance)
    spread = 0.0
    for value, vector in zip(values, vectors.T, strict=True):
        ends = []
        for sign in (1e-3, -1e-3):
            step = sign * math.sqrt(value) * vector
            lp = np.array([fit.coefficients[0] + step[p]])
            ends.append(np.exp(fit.model.log_survival(np.log([7.0]), fit.theta + step[:p], lp)[0][0]))
        spread += ((ends[0] - ends[1]) / 2e-3) ** 2
    assert fit.survival(7.0, {"arm": 1}).se[0] == pytest.approx(math.sqrt(spread), rel=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_whole_weights_are_repeated_patients(name):
    weights = 1 + np.arange(120) % 3
    once = km.parametric_survival(TIME, EVENT, distribution=name, weights=weights, **knots_for(name))
    again = km.parametric_survival(
        np.repeat(TIME, weights), np.repeat(EVENT, weights), distribution=name, **knots_for(name)
    )
    assert once.loglik == pytest.approx(again.loglik, abs=1e-6)
    np.testing.assert_allclose(
        once.survival([2, 8, 15]).estimate, again.survival([2, 8, 15]).estimate, atol=1e-5
    )


def knots_for(name):
    """Knots stay where they are; their quantiles are of patients, not of weights."""
    return {"knots": [4.0, 9.0]} if "spline" in name or "piecewise" in name else {}


@pytest.mark.parametrize("name", NAMES)
def test_patients_of_a_split_follow_up_are_the_same_patients(name):
    """A patient cut in two at time 3 (censored there, entering again there) says what the whole one says."""
    late = TIME > 3
    time = np.concatenate([np.minimum(TIME, 3.0), TIME[late]])
    event = np.concatenate([np.where(late, 0, EVENT), EVENT[late]])
    entry = np.concatenate([np.zeros(120), np.full(late.sum(), 3.0)])
    whole = km.parametric_survival(TIME, EVENT, distribution=name)
    parts = km.parametric_survival(time, event, distribution=name, entry=entry)
    assert parts.loglik == pytest.approx(whole.loglik, abs=1e-6)
    np.testing.assert_allclose(parts.survival([2, 9]).estimate, whole.survival([2, 9]).estimate, atol=1e-5)


def test_every_distribution_is_laid_out_from_its_name():
    lives = Lifetimes(
        log_time=np.log(TIME), event=EVENT, weights=np.ones(120), log_entry=np.full(120, -np.inf)
    )
    for name in NAMES:
        assert distribution_named(name, lives, Choices()).name == name
