"""What a distribution of survival times must answer, and the registry of those that do.

Every distribution is asked on the log of time and with parameters on the real line (the log of a positive one).
Covariates enter as a linear predictor `lp`, one number a patient: it is added to the location parameter (log scale,
meanlog, mu: the log of time; log rate, gamma0: the log of the hazard or of what the scale says).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.registry import Registry

Value = tuple[Floats, Floats]  # shape (n,); its derivatives in the parameters and in lp, shape (p + 1, n)
HALVINGS = 90
FARTHEST = 600.0  # |log time| beyond which a quantile is called unreachable


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its name, and whether it is positive (then its log is estimated)."""

    name: str
    positive: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Lifetimes:
    """What starting values may look at: log times of one unit, events, weights, log entries (-inf: none)."""

    log_time: Floats
    event: Floats
    weights: Floats
    log_entry: Floats

    def crude_log_rate(self) -> float:
        """Log of events over time under observation."""
        at_risk = np.exp(self.log_time) - np.exp(self.log_entry)
        return float(np.log((self.weights * self.event).sum() / (self.weights * at_risk).sum()))

    def shifted(self, log_unit: float) -> Lifetimes:
        """The same times in a unit exp(log_unit) times as long."""
        return Lifetimes(
            log_time=self.log_time - log_unit,
            event=self.event,
            weights=self.weights,
            log_entry=self.log_entry - log_unit,
        )


class Distribution(ABC):
    """A distribution of survival times; `effect` says what a coefficient of a covariate means."""

    name: str
    r_name: str
    effect: str
    parameters: tuple[Parameter, ...]
    located: Sequence[int] = (0,)  # the parameters to which lp is added

    @abstractmethod
    def log_density(self, log_t: Floats, theta: Floats, lp: Floats) -> Value:
        """Log density of the time at exp(log_t), with its derivatives."""

    @abstractmethod
    def log_survival(self, log_t: Floats, theta: Floats, lp: Floats) -> Value:
        """Log of the survival at exp(log_t), with its derivatives."""

    @abstractmethod
    def starts(self, lives: Lifetimes) -> list[Floats]:
        """Parameters from which to climb; the best top wins."""

    @abstractmethod
    def finite_mean(self, theta: Floats) -> bool:
        """Whether the mean survival time is finite."""

    def relatives(self) -> Sequence[Relative]:
        """Simpler distributions whose maximum is worth starting from, each with the way from its parameters."""
        return ()

    def last_resort(self) -> Sequence[Relative]:
        """The same, for when no search settled."""
        return ()

    def rescaled(self, theta: Floats, log_unit: float) -> tuple[Floats, Floats]:
        """`theta` is of time / exp(log_unit): the parameters in the data's unit, and their derivatives (p, p)."""
        return theta.copy(), np.eye(len(theta))

    def in_unit(self, log_unit: float) -> Distribution:
        """The same distribution for times divided by exp(log_unit): knots and cuts move along."""
        return self

    def limits(self) -> tuple[Floats, Floats]:
        """(lowest, highest) value a parameter may take on the real line."""
        p = len(self.parameters)
        return np.full(p, -np.inf), np.full(p, np.inf)

    def breaks(self) -> Floats:
        """Log times at which the hazard is not smooth."""
        return np.array([])

    def boundary(self, theta: Floats) -> tuple[str, ...]:
        """What is to be told of a maximum that lies on a boundary of the distribution."""
        low, high = self.limits()
        near = (theta <= low + 1e-6) | (theta >= high - 1e-6)
        names = [parameter.name for parameter, at in zip(self.parameters, near.tolist(), strict=True) if at]
        return tuple(
            f"boundary: {name} is at the limit of its range, no standard error means much" for name in names
        )

    def quantile(self, p: Floats, theta: Floats, lp: Floats) -> Floats:
        """The time by which a share `p` had the event; NaN where the survival never falls to 1 - p."""
        wanted = np.log1p(-p)
        low, high = np.full(len(p), -1.0), np.full(len(p), 1.0)
        with np.errstate(all="ignore"):
            while (above := self.log_survival(high, theta, lp)[0] > wanted).any() and high.max() < FARTHEST:
                high = np.where(above, high * 2, high)
            while (below := self.log_survival(low, theta, lp)[0] < wanted).any() and low.min() > -FARTHEST:
                low = np.where(below, low * 2, low)
            reached = self.log_survival(high, theta, lp)[0] <= wanted
            for _ in range(HALVINGS):
                middle = (low + high) / 2
                later = self.log_survival(middle, theta, lp)[0] > wanted
                low, high = np.where(later, middle, low), np.where(later, high, middle)
        return np.where(reached, np.exp(np.where(reached, (low + high) / 2, 0.0)), np.nan)


Relative = tuple[Distribution, Callable[[Floats], Floats]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Choices:
    """What the caller may choose of a flexible distribution, in the unit of the data."""

    knots: tuple[float, ...] | None = None
    n_knots: int | None = None


Maker = Callable[[Lifetimes, Choices], Distribution]
DISTRIBUTIONS: Registry[Maker] = Registry(
    "survival distribution", entry_point_group="kmeta.survival_distributions"
)
ALIASES = {
    "exp": "exponential",
    "weibullPH": "weibull-ph",
    "llogis": "log-logistic",
    "lnorm": "log-normal",
    "gengamma": "generalised-gamma",
    "generalized-gamma": "generalised-gamma",
    "genf": "generalised-f",
    "generalized-f": "generalised-f",
    "spline": "spline-hazard",
}


def distribution_named(name: str, lives: Lifetimes, choices: Choices) -> Distribution:
    """The distribution of that name (flexsurv's names are understood), laid out for the data.

    Raises InputError for an unknown name, or for knots that do not suit.
    """
    return DISTRIBUTIONS[ALIASES.get(name, name)](lives, choices)


def plain(kind: type[Distribution]) -> type[Distribution]:
    """Register a distribution that has nothing to choose."""
    DISTRIBUTIONS.register(kind.name)(lambda lives, choices: kind())
    return kind
