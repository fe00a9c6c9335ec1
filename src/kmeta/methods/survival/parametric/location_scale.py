"""Distributions of log time: (log t - mu) / sigma follows a standard form. Covariates move mu: time ratios.

Weibull, log-logistic, log-normal; and the gamma, whose covariates act on the log rate.
Source: flexsurv's parameterisation, Jackson 2016, doi:10.18637/jss.v070.i08.
"""

from __future__ import annotations

import math
from abc import abstractmethod

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.survival.parametric.distribution import Distribution, Lifetimes, Parameter, Value, plain
from kmeta.methods.survival.parametric.incomplete_gamma import log_upper_gamma, upper_gamma_slope

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
WIDEST = 7.0  # |log sigma| and |log shape| stay within
Standard = tuple[Floats, Floats, Floats]  # value; derivative in w; derivatives in the further shapes (s, n)


class LocationScale(Distribution):
    """theta: location and scale, then shapes. A subclass gives density and survival of w = (log t - mu) / sigma."""

    effect = "log time ratio"
    inverted = False  # parameters are (shape = 1 / sigma, scale = exp(mu)) instead of (mu, sigma)

    @abstractmethod
    def standard_density(self, w: Floats, shapes: Floats) -> Standard:
        """Log density of w."""

    @abstractmethod
    def standard_survival(self, w: Floats, shapes: Floats) -> Standard:
        """Log survival of w."""

    def log_density(self, log_t: Floats, theta: Floats, lp: Floats) -> Value:
        """That of w, with the Jacobian 1 / (sigma t)."""
        mu, log_sigma, shapes = self._split(theta)
        w = (log_t - mu - lp) * math.exp(-log_sigma)
        value, slope, others = self.standard_density(w, shapes)
        return value - log_sigma - log_t, self._join(w, slope, others, log_sigma, 1.0)

    def log_survival(self, log_t: Floats, theta: Floats, lp: Floats) -> Value:
        """That of w."""
        mu, log_sigma, shapes = self._split(theta)
        w = (log_t - mu - lp) * math.exp(-log_sigma)
        value, slope, others = self.standard_survival(w, shapes)
        return value, self._join(w, slope, others, log_sigma, 0.0)

    def _split(self, theta: Floats) -> tuple[float, float, Floats]:
        if self.inverted:
            return float(theta[1]), -float(theta[0]), theta[2:]
        return float(theta[0]), float(theta[1]), theta[2:]

    def _join(self, w: Floats, slope: Floats, others: Floats, log_sigma: float, jacobian: float) -> Floats:
        """Derivatives in the order of theta, then lp."""
        in_mu, in_log_sigma = -slope * math.exp(-log_sigma), -w * slope - jacobian
        first = [-in_log_sigma, in_mu] if self.inverted else [in_mu, in_log_sigma]
        return np.vstack([*first, others, in_mu])

    def starts(self, lives: Lifetimes) -> list[Floats]:
        """Location at the crude mean time, sigma 1."""
        first = [0.0, -lives.crude_log_rate()] if self.inverted else [-lives.crude_log_rate(), 0.0]
        return [np.array(first)]

    def limits(self) -> tuple[Floats, Floats]:
        """Sigma between e^-7 and e^7."""
        place = 0 if self.inverted else 1
        low, high = super().limits()
        low[place], high[place] = -WIDEST, WIDEST
        return low, high

    def rescaled(self, theta: Floats, log_unit: float) -> tuple[Floats, Floats]:
        """Mu is a log time."""
        moved = theta.copy()
        moved[1 if self.inverted else 0] += log_unit
        return moved, np.eye(len(theta))

    def finite_mean(self, theta: Floats) -> bool:
        """Unless a subclass knows better."""
        return True


NO_SHAPES = np.array([])


def _none(w: Floats) -> Floats:
    return np.empty((0, len(w)))


@plain
class Weibull(LocationScale):
    """S(t) = exp(-(t / scale)^shape); covariates act on log scale (accelerated failure time)."""

    name, r_name, inverted, located = "weibull", "weibull", True, (1,)
    parameters = (Parameter("shape", positive=True), Parameter("scale", positive=True))

    def standard_density(self, w: Floats, shapes: Floats) -> Standard:
        """The smallest extreme value."""
        grown = np.exp(w)
        return w - grown, 1 - grown, _none(w)

    def standard_survival(self, w: Floats, shapes: Floats) -> Standard:
        """-exp(w)."""
        grown = np.exp(w)
        return -grown, -grown, _none(w)


@plain
class LogLogistic(LocationScale):
    """S(t) = 1 / (1 + (t / scale)^shape)."""

    name, r_name, inverted, located = "log-logistic", "llogis", True, (1,)
    parameters = (Parameter("shape", positive=True), Parameter("scale", positive=True))

    def standard_density(self, w: Floats, shapes: Floats) -> Standard:
        """The logistic."""
        return -w - 2 * np.logaddexp(0, -w), -np.tanh(w / 2), _none(w)

    def standard_survival(self, w: Floats, shapes: Floats) -> Standard:
        """-log(1 + exp(w))."""
        return -np.logaddexp(0, w), -0.5 * (1 + np.tanh(w / 2)), _none(w)

    def finite_mean(self, theta: Floats) -> bool:
        """With a shape above 1."""
        return bool(theta[0] > 0)


@plain
class LogNormal(LocationScale):
    """Log time is normal."""

    name, r_name = "log-normal", "lnorm"
    parameters = (Parameter("meanlog"), Parameter("sdlog", positive=True))

    def standard_density(self, w: Floats, shapes: Floats) -> Standard:
        """The normal."""
        return -0.5 * w * w - HALF_LOG_2PI, -w, _none(w)

    def standard_survival(self, w: Floats, shapes: Floats) -> Standard:
        """Log of the normal's upper tail."""
        from scipy.special import log_ndtr

        value = log_ndtr(-w)
        return value, -np.exp(-0.5 * w * w - HALF_LOG_2PI - value), _none(w)


@plain
class Gamma(Distribution):
    """Density rate^shape t^(shape - 1) exp(-rate t) / Gamma(shape); covariates act on the log rate."""

    name, r_name, effect, located = "gamma", "gamma", "log rate ratio", (1,)
    parameters = (Parameter("shape", positive=True), Parameter("rate", positive=True))

    def log_density(self, log_t: Floats, theta: Floats, lp: Floats) -> Value:
        """With x = rate t: shape log x - x - log Gamma(shape) - log t."""
        from scipy.special import digamma, gammaln

        shape, log_x = math.exp(theta[0]), log_t + theta[1] + lp
        x = np.exp(log_x)
        slope = shape - x
        return (
            shape * log_x - x - float(gammaln(shape)) - log_t,
            np.vstack([shape * (log_x - float(digamma(shape))), slope, slope]),
        )

    def log_survival(self, log_t: Floats, theta: Floats, lp: Floats) -> Value:
        """The regularised upper incomplete gamma function."""
        from scipy.special import gammaln

        shape, log_x = math.exp(theta[0]), log_t + theta[1] + lp
        x = np.exp(log_x)
        value = log_upper_gamma(shape, log_x)
        slope = -np.exp(shape * log_x - x - float(gammaln(shape)) - value)
        return value, np.vstack([shape * upper_gamma_slope(shape, log_x), slope, slope])

    def starts(self, lives: Lifetimes) -> list[Floats]:
        """The exponential."""
        return [np.array([0.0, lives.crude_log_rate()])]

    def limits(self) -> tuple[Floats, Floats]:
        """A shape between e^-7 and e^9."""
        return np.array([-WIDEST, -np.inf]), np.array([9.0, np.inf])

    def rescaled(self, theta: Floats, log_unit: float) -> tuple[Floats, Floats]:
        """A rate per unit of time."""
        return theta - np.array([0.0, log_unit]), np.eye(2)

    def finite_mean(self, theta: Floats) -> bool:
        """Always."""
        return True
