"""A distribution in which a share of the patients never has the event: S(t) = pi + (1 - pi) S0(t)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.survival.parametric.distribution import Distribution, Lifetimes, Parameter, Value
from kmeta.methods.survival.parametric.likelihood import Likelihood
from kmeta.methods.survival.parametric.location_scale import HALF_LOG_2PI

SURE = 14.0  # on the link's scale, beyond which the share is 0 or 1
Link = Callable[[Floats], tuple[Floats, Floats, Floats, Floats]]


def _logit(eta: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """log pi, log(1 - pi), and the derivatives of both in eta."""
    cured = 0.5 * (1 + np.tanh(eta / 2))
    return -np.logaddexp(0, -eta), -np.logaddexp(0, eta), 1 - cured, -cured


def _probit(eta: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    from scipy.special import log_ndtr

    cured, rest = log_ndtr(eta), log_ndtr(-eta)
    height = -0.5 * eta * eta - HALF_LOG_2PI
    return cured, rest, np.exp(height - cured), -np.exp(height - rest)


def _cloglog(eta: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """pi = 1 - exp(-exp(eta))."""
    grown = np.exp(eta)
    cured = np.log(-np.expm1(-grown))
    return cured, -grown, np.exp(eta - grown - cured), -grown


LINKS: dict[str, Link] = {"logit": _logit, "probit": _probit, "cloglog": _cloglog}


def link_of_share(share: float, link: str) -> float:
    """The value on the link's scale at which the share is `share`."""
    from scipy.special import ndtri

    if link == "probit":
        return float(ndtri(share))
    return float(np.log(share / (1 - share)) if link == "logit" else np.log(-np.log1p(-share)))


class MixtureCure(Distribution):
    """theta: the cured share on the link's scale (where lp is added), then the parameters of the others' times."""

    def __init__(self, base: Distribution, link: str) -> None:
        self.base, self.link, self.name = base, link, f"mixture cure, {base.name}"
        self.r_name, self.effect = "", f"{link} of the cured share"
        self.parameters = (Parameter(f"{link}(cure)"), *base.parameters)

    def log_survival(self, log_t: Floats, theta: Floats, lp: Floats) -> Value:
        """Log of pi + (1 - pi) S0."""
        cured, rest, _, in_rest = LINKS[self.link](theta[0] + lp)
        log_s0, slopes = self.base.log_survival(log_t, theta[1:], np.zeros_like(lp))
        value = np.logaddexp(cured, rest + log_s0)
        in_eta = -in_rest * np.exp(rest - value) * -np.expm1(log_s0)
        return value, np.vstack([in_eta, slopes[:-1] * np.exp(rest + log_s0 - value), in_eta])

    def log_density(self, log_t: Floats, theta: Floats, lp: Floats) -> Value:
        """Log of (1 - pi) f0."""
        _, rest, _, in_rest = LINKS[self.link](theta[0] + lp)
        value, slopes = self.base.log_density(log_t, theta[1:], np.zeros_like(lp))
        return rest + value, np.vstack([in_rest, slopes[:-1], in_rest])

    def starts(self, lives: Lifetimes) -> list[Floats]:
        """The plateau of the Kaplan-Meier curve with the times of the events alone; and next to no cure."""
        died = lives.event == 1
        alone = Lifetimes(
            log_time=lives.log_time[died],
            event=lives.event[died],
            weights=lives.weights[died],
            log_entry=np.full(int(died.sum()), -np.inf),
        )
        plateau = float(np.clip(_plateau(lives), 0.03, 0.97))
        fast = Likelihood(alone, np.empty((len(alone.event), 0))).top(self.base).theta
        slow = Likelihood(lives, np.empty((len(lives.event), 0))).top(self.base).theta
        return [
            np.append(link_of_share(plateau, self.link), fast),
            np.append(link_of_share(plateau / 2, self.link), slow),
        ]

    def limits(self) -> tuple[Floats, Floats]:
        """A share so near 0 or 1 that nobody, or everybody, is cured."""
        low, high = self.base.limits()
        least = -SURE if self.link == "logit" else -5.0 if self.link == "probit" else -SURE
        most = SURE if self.link == "logit" else 5.0 if self.link == "probit" else 3.0
        return np.append(least, low), np.append(most, high)

    def rescaled(self, theta: Floats, log_unit: float) -> tuple[Floats, Floats]:
        """The share has no unit."""
        inner, slopes = self.base.rescaled(theta[1:], log_unit)
        full = np.eye(len(theta))
        full[1:, 1:] = slopes
        return np.append(theta[0], inner), full

    def in_unit(self, log_unit: float) -> MixtureCure:
        """As the base."""
        return MixtureCure(self.base.in_unit(log_unit), self.link)

    def breaks(self) -> Floats:
        """As the base."""
        return self.base.breaks()

    def finite_mean(self, theta: Floats) -> bool:
        """Never: some live on."""
        return False

    def boundary(self, theta: Floats) -> tuple[str, ...]:
        """A share of 0 or 1, and what the base says."""
        low, high = self.limits()
        said = self.base.boundary(theta[1:])
        if theta[0] <= low[0] + 1e-6:
            return ("no cure: the cured share is estimated as 0", *said)
        if theta[0] >= high[0] - 1e-6:
            return ("boundary: the cured share is estimated as 1", *said)
        return said


def _plateau(lives: Lifetimes) -> float:
    """Kaplan-Meier survival at the end of follow-up."""
    died = lives.event == 1
    times, place = np.unique(lives.log_time[died], return_inverse=True)
    events = np.bincount(place, weights=lives.weights[died])
    at_risk = _weight_from(lives.log_time, lives.weights, times) - _weight_from(
        lives.log_entry, lives.weights, times
    )
    return float(np.prod(1 - np.minimum(events / np.maximum(at_risk, events), 1)))


def _weight_from(values: Floats, weights: Floats, at: Floats) -> Floats:
    """Weight of the rows whose value is at or above each of `at`."""
    order = np.argsort(values, kind="stable")
    above = np.append(np.cumsum(weights[order][::-1])[::-1], 0.0)
    return np.asarray(above[np.searchsorted(values[order], at, side="left")])
