"""Distributions whose covariates multiply the hazard: exponential, Weibull (PH), Gompertz, piecewise exponential.

Source: flexsurv's parameterisation, Jackson 2016, doi:10.18637/jss.v070.i08.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.methods.survival.parametric.distribution import (
    DISTRIBUTIONS,
    Choices,
    Distribution,
    Lifetimes,
    Parameter,
    Value,
    plain,
)

SMALL = 1e-2  # |shape * time| below which Gompertz's hazard is expanded


class ProportionalHazards(Distribution):
    """h(t) = exp(lp) h0(t): a subclass gives the log of h0 and of its integral H0, with derivatives (p, n)."""

    effect = "log hazard ratio"

    @abstractmethod
    def log_hazard(self, log_t: Floats, theta: Floats) -> Value:
        """Log h0 and its derivatives in the parameters, shape (p, n)."""

    @abstractmethod
    def log_cumulative(self, log_t: Floats, theta: Floats) -> Value:
        """Log H0 and its derivatives in the parameters, shape (p, n)."""

    def log_survival(self, log_t: Floats, theta: Floats, lp: Floats) -> Value:
        """-H0 exp(lp)."""
        log_h, slopes = self.log_cumulative(log_t, theta)
        value = -np.exp(log_h + lp)
        return value, np.vstack([slopes * value, value])

    def log_density(self, log_t: Floats, theta: Floats, lp: Floats) -> Value:
        """Log hazard + log survival."""
        log_s, s_slopes = self.log_survival(log_t, theta, lp)
        log_h, h_slopes = self.log_hazard(log_t, theta)
        return log_h + lp + log_s, s_slopes + np.vstack([h_slopes, np.ones_like(lp)])


@plain
class Exponential(ProportionalHazards):
    """S(t) = exp(-rate t)."""

    name, r_name = "exponential", "exp"
    parameters = (Parameter("rate", positive=True),)

    def log_hazard(self, log_t: Floats, theta: Floats) -> Value:
        """The log rate."""
        return np.full_like(log_t, theta[0]), np.ones((1, len(log_t)))

    def log_cumulative(self, log_t: Floats, theta: Floats) -> Value:
        """Log rate + log time."""
        return theta[0] + log_t, np.ones((1, len(log_t)))

    def starts(self, lives: Lifetimes) -> list[Floats]:
        """The estimate itself when there are no covariates."""
        return [np.array([lives.crude_log_rate()])]

    def rescaled(self, theta: Floats, log_unit: float) -> tuple[Floats, Floats]:
        """A rate per longer unit is larger."""
        return theta - log_unit, np.eye(1)

    def finite_mean(self, theta: Floats) -> bool:
        """Always."""
        return True


@plain
class WeibullPH(ProportionalHazards):
    """S(t) = exp(-scale t^shape)."""

    name, r_name, located = "weibull-ph", "weibullPH", (1,)
    parameters = (Parameter("shape", positive=True), Parameter("scale", positive=True))

    def log_hazard(self, log_t: Floats, theta: Floats) -> Value:
        """Log of scale shape t^(shape - 1)."""
        shape = np.exp(theta[0])
        value = theta[1] + theta[0] + (shape - 1) * log_t
        return value, np.vstack([1 + shape * log_t, np.ones_like(log_t)])

    def log_cumulative(self, log_t: Floats, theta: Floats) -> Value:
        """Log of scale t^shape."""
        moved = np.exp(theta[0]) * log_t
        return theta[1] + moved, np.vstack([moved, np.ones_like(log_t)])

    def starts(self, lives: Lifetimes) -> list[Floats]:
        """The exponential."""
        return [np.array([0.0, lives.crude_log_rate()])]

    def limits(self) -> tuple[Floats, Floats]:
        """A shape between e^-7 and e^7."""
        return np.array([-7.0, -np.inf]), np.array([7.0, np.inf])

    def rescaled(self, theta: Floats, log_unit: float) -> tuple[Floats, Floats]:
        """Log scale moves by -shape log_unit."""
        moved = np.exp(theta[0]) * log_unit
        return np.array([theta[0], theta[1] - moved]), np.array([[1.0, 0.0], [-moved, 1.0]])

    def finite_mean(self, theta: Floats) -> bool:
        """Always."""
        return True


@plain
class Gompertz(ProportionalHazards):
    """h(t) = rate exp(shape t); with a shape below 0 a share of the patients never has the event."""

    name, r_name, located = "gompertz", "gompertz", (1,)
    parameters = (Parameter("shape"), Parameter("rate", positive=True))

    def log_hazard(self, log_t: Floats, theta: Floats) -> Value:
        """log rate + shape t."""
        t = np.exp(log_t)
        return theta[1] + theta[0] * t, np.vstack([t, np.ones_like(t)])

    def log_cumulative(self, log_t: Floats, theta: Floats) -> Value:
        """Log of rate (exp(shape t) - 1) / shape."""
        t = np.exp(log_t)
        value, slope = _log_mean_growth(theta[0] * t)
        return theta[1] + log_t + value, np.vstack([t * slope, np.ones_like(t)])

    def starts(self, lives: Lifetimes) -> list[Floats]:
        """The exponential."""
        return [np.array([0.0, lives.crude_log_rate()])]

    def rescaled(self, theta: Floats, log_unit: float) -> tuple[Floats, Floats]:
        """Shape and rate are per unit of time."""
        shrink = np.exp(-log_unit)
        return np.array([theta[0] * shrink, theta[1] - log_unit]), np.diag([shrink, 1.0])

    def finite_mean(self, theta: Floats) -> bool:
        """Not when some never have the event."""
        return bool(theta[0] >= 0)

    def boundary(self, theta: Floats) -> tuple[str, ...]:
        """A falling hazard leaves a plateau, which extrapolation must not take for a cure."""
        if theta[0] >= 0:
            return ()
        share = float(np.exp(np.exp(theta[1]) / theta[0]))
        return (f"plateau: shape is below 0, the fitted curve levels off at {share:.3g} and never reaches 0",)


def _log_mean_growth(z: Floats) -> Value:
    """log((e^z - 1) / z) and its derivative, through z = 0."""
    near = np.abs(z) < SMALL
    far = np.where(near, 1.0, z)
    size = np.abs(far)
    value = np.maximum(far, 0) + np.log1p(-np.exp(-size)) - np.log(size)
    slope = 1 / -np.expm1(-far) - 1 / far
    close = np.where(near, z, 0.0)
    squared = close * close
    return (
        np.where(near, close / 2 + squared / 24 - squared**2 / 2880, value),
        np.where(near, 0.5 + close / 12 - close * squared / 720, slope),
    )


class PiecewiseExponential(ProportionalHazards):
    """A constant rate between cuts; an event at a cut belongs to the interval that ends there."""

    name, r_name = "piecewise-exponential", ""

    def __init__(self, log_cuts: Floats) -> None:
        self.log_cuts = log_cuts
        self.located = range(len(log_cuts) + 1)
        self.parameters = tuple(Parameter(f"rate{j + 1}", positive=True) for j in range(len(log_cuts) + 1))

    def _exposure(self, log_t: Floats) -> Floats:
        """Time spent in each interval, shape (p, n)."""
        starts = np.append(0.0, np.exp(self.log_cuts))[:, None]
        ends = np.append(np.exp(self.log_cuts), np.inf)[:, None]
        return np.asarray(np.clip(np.exp(log_t)[None, :], starts, ends) - starts)

    def log_hazard(self, log_t: Floats, theta: Floats) -> Value:
        """The log rate of the interval."""
        place = np.searchsorted(self.log_cuts, log_t, side="left")
        return theta[place], (place[None, :] == np.arange(len(theta))[:, None]).astype(float)

    def log_cumulative(self, log_t: Floats, theta: Floats) -> Value:
        """Log of the sum of rate times time over the intervals."""
        parts = np.exp(theta)[:, None] * self._exposure(log_t)
        total = parts.sum(axis=0)
        held = np.where(total > 0, total, 1.0)
        return np.where(total > 0, np.log(held), -np.inf), parts / held

    def starts(self, lives: Lifetimes) -> list[Floats]:
        """Events over time at risk in each interval; InputError for an interval without an event."""
        at_risk = self._exposure(lives.log_time) - self._exposure(lives.log_entry)
        place = np.searchsorted(self.log_cuts, lives.log_time, side="left")
        events = np.bincount(place, weights=lives.weights * lives.event, minlength=len(self.parameters))
        empty = np.flatnonzero(events == 0)
        if empty.size:
            number = int(empty[0]) + 1
            raise InputError(
                f"no event in interval {number} of {len(events)}: its rate has no estimate",
                where="knots",
                hint="choose cuts with at least one event between them",
            )
        return [np.log(events / (at_risk @ lives.weights))]

    def rescaled(self, theta: Floats, log_unit: float) -> tuple[Floats, Floats]:
        """Rates per unit of time."""
        return theta - log_unit, np.eye(len(theta))

    def in_unit(self, log_unit: float) -> PiecewiseExponential:
        """Cuts move along."""
        return PiecewiseExponential(self.log_cuts - log_unit)

    def breaks(self) -> Floats:
        """The cuts."""
        return self.log_cuts

    def finite_mean(self, theta: Floats) -> bool:
        """Always: the last rate is above 0."""
        return True


@DISTRIBUTIONS.register("piecewise-exponential")
def piecewise_exponential(lives: Lifetimes, choices: Choices) -> Distribution:
    """Cuts as given, or at quantiles of the event times (three)."""
    return PiecewiseExponential(inner_knots(lives, choices, default=3))


def inner_knots(lives: Lifetimes, choices: Choices, *, default: int) -> Floats:
    """Log times of the knots: as given, or at equally spaced quantiles of the log event times."""
    events = lives.log_time[lives.event == 1]
    if choices.knots is not None:
        given = np.array(choices.knots, dtype=float)
        if not np.isfinite(given).all() or (given <= 0).any() or (np.diff(given) <= 0).any():
            raise InputError(
                f"are {list(choices.knots)}",
                where="knots",
                hint="rising times above 0, in the unit of the data",
            )
        return np.asarray(np.log(given))
    n = default if choices.n_knots is None else choices.n_knots
    knots = np.quantile(events, np.arange(1, n + 1) / (n + 1)) if n else np.array([])
    if (np.diff(knots) <= 0).any() or n + 2 > len(np.unique(events)):
        raise InputError(
            f"{n} knots fall together: too few different event times", where="n_knots", hint="fewer knots"
        )
    return np.asarray(knots)
