"""Royston-Parmar models: a natural cubic spline of log time on the log hazard, log odds or normal scale.

Source: Royston & Parmar 2002, doi:10.1002/sim.1203; the basis of flexsurv's flexsurvspline.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.methods.survival.parametric.distribution import (
    DISTRIBUTIONS,
    Choices,
    Distribution,
    Lifetimes,
    Maker,
    Parameter,
    Relative,
    Value,
)
from kmeta.methods.survival.parametric.location_scale import HALF_LOG_2PI, LogLogistic, LogNormal, Weibull
from kmeta.methods.survival.parametric.proportional_hazards import inner_knots

SCALES = {
    "hazard": "log hazard ratio",
    "odds": "log odds ratio of an event",
    "normal": "difference in probits of an event",
}


class Spline(Distribution):
    """eta = gamma0 + gamma1 x + sum gamma_j v_j(x) + lp with x = log t; `knots` are log times, the ends among them.

    hazard: log(-log S) = eta; odds: log((1 - S) / S) = eta; normal: -probit(S) = eta.
    """

    def __init__(self, knots: Floats, scale: str) -> None:
        self.knots, self.scale = knots, scale
        self.name, self.r_name, self.effect = f"spline-{scale}", "survspline", SCALES[scale]
        self.parameters = tuple(Parameter(f"gamma{j}") for j in range(len(knots)))

    def basis(self, x: Floats) -> tuple[Floats, Floats]:
        """Its functions of log time and their derivatives, both (p, n)."""
        low, high = self.knots[0], self.knots[-1]
        rows, slopes = [np.ones_like(x), x], [np.zeros_like(x), np.ones_like(x)]
        after_low, after_high = np.maximum(x - low, 0), np.maximum(x - high, 0)
        for knot in self.knots[1:-1]:
            share, after = (high - knot) / (high - low), np.maximum(x - knot, 0)
            rows.append(after**3 - share * after_low**3 - (1 - share) * after_high**3)
            slopes.append(3 * (after**2 - share * after_low**2 - (1 - share) * after_high**2))
        return np.vstack(rows), np.vstack(slopes)

    def log_survival(self, log_t: Floats, theta: Floats, lp: Floats) -> Value:
        """By the scale's link."""
        rows, _ = self.basis(log_t)
        value, slope = self._link(theta @ rows + lp)
        return value, np.vstack([rows * slope, slope])

    def log_density(self, log_t: Floats, theta: Floats, lp: Floats) -> Value:
        """Log of -dS/deta times the slope of eta over t; -inf where eta falls."""
        rows, slopes = self.basis(log_t)
        value, in_eta = self._log_slope(theta @ rows + lp)
        rise = theta @ slopes
        good = rise > 0
        held = np.where(good, rise, 1.0)
        total = np.where(good, value + np.log(held) - log_t, -np.inf)
        return total, np.vstack([rows * in_eta + slopes / held, in_eta])

    def _link(self, eta: Floats) -> Value:
        """Log survival and its derivative in eta."""
        if self.scale == "hazard":
            grown = -np.exp(eta)
            return grown, grown
        if self.scale == "odds":
            return -np.logaddexp(0, eta), -0.5 * (1 + np.tanh(eta / 2))
        from scipy.special import log_ndtr

        value = log_ndtr(-eta)
        return value, -np.exp(-0.5 * eta * eta - HALF_LOG_2PI - value)

    def _log_slope(self, eta: Floats) -> Value:
        """log(-dS/deta) and its derivative in eta."""
        if self.scale == "hazard":
            grown = np.exp(eta)
            return eta - grown, 1 - grown
        if self.scale == "odds":
            return -eta - 2 * np.logaddexp(0, -eta), -np.tanh(eta / 2)
        return -0.5 * eta * eta - HALF_LOG_2PI, -eta

    def starts(self, lives: Lifetimes) -> list[Floats]:
        """None of its own: the straight line's maximum."""
        return []

    def relatives(self) -> Sequence[Relative]:
        """Without inner knots: Weibull, log-logistic, log-normal."""
        rest = np.zeros(len(self.knots) - 2)
        if self.scale == "normal":
            return ((LogNormal(), lambda t: np.array([-t[0] * np.exp(-t[1]), np.exp(-t[1]), *rest])),)
        line = Weibull() if self.scale == "hazard" else LogLogistic()
        return ((line, lambda t: np.array([-t[1] * np.exp(t[0]), np.exp(t[0]), *rest])),)

    def rescaled(self, theta: Floats, log_unit: float) -> tuple[Floats, Floats]:
        """x moves by log_unit: gamma0 loses gamma1 times it."""
        moved, slopes = theta.copy(), np.eye(len(theta))
        moved[0] -= theta[1] * log_unit
        slopes[0, 1] = -log_unit
        return moved, slopes

    def in_unit(self, log_unit: float) -> Spline:
        """Knots move along."""
        return Spline(self.knots - log_unit, self.scale)

    def breaks(self) -> Floats:
        """The knots."""
        return self.knots

    def _last_slope(self, theta: Floats) -> float:
        """Slope of eta beyond the last knot."""
        return float(theta @ self.basis(self.knots[-1:] + 1.0)[1][:, 0])

    def finite_mean(self, theta: Floats) -> bool:
        """By the straight line beyond the last knot: Weibull, log-logistic or log-normal."""
        return self._last_slope(theta) > (1.0 if self.scale == "odds" else 0.0)

    def boundary(self, theta: Floats) -> tuple[str, ...]:
        """A spline that falls somewhere is no distribution there."""
        x = np.linspace(self.knots[0] - 2, self.knots[-1], 400)
        told = []
        if (theta @ self.basis(x)[1] <= 0).any():
            told.append("falling spline: survival rises somewhere within follow-up; use fewer knots")
        if self._last_slope(theta) <= 0:
            told.append("falling spline: survival rises beyond the last knot; do not extrapolate")
        return tuple(told)


def _maker(scale: str) -> Maker:
    def make(lives: Lifetimes, choices: Choices) -> Distribution:
        events = lives.log_time[lives.event == 1]
        low, high = float(events.min()), float(events.max())
        inner = inner_knots(lives, choices, default=2)
        if not low < high or (len(inner) and not (low < inner[0] and inner[-1] < high)):
            raise InputError(
                f"lie outside the event times {np.exp(low):g} to {np.exp(high):g}",
                where="knots",
                hint="inner knots between the first and the last event; those two are the outer knots",
            )
        return Spline(np.array([low, *inner, high]), scale)

    return make


for _scale in SCALES:
    DISTRIBUTIONS.register(f"spline-{_scale}")(_maker(_scale))
