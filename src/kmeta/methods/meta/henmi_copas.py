"""Henmi and Copas' interval: the common-effect estimate with a random-effects interval, robust to small-study bias."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeta.core.errors import ConvergenceError, InputError
from kmeta.core.numbers import decimal, interval
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.of_fit import OfFit
from kmeta.methods.meta.random_effects import common_effect, random_effects


@dataclass(frozen=True, kw_only=True, eq=False)
class HenmiCopas(OfFit):
    """`mu` weighs by 1 / vi; `se` holds under heterogeneity `tau2` (DL); `t` is the quantile that stands for 1.96."""

    k: int
    mu: float
    se: float
    ci_low: float
    ci_high: float
    tau2: float
    t: float
    level: float

    def summary(self) -> str:
        """The estimate with its interval."""
        limits = interval(decimal(self.ci_low, 4), decimal(self.ci_high, 4))
        return (
            f"Henmi-Copas interval, k = {self.k}\n"
            f"estimate {decimal(self.mu, 4)}, se {decimal(self.se, 4)}, {100 * self.level:g} % CI {limits}; "
            f"tau2 (DL) {decimal(self.tau2, 4)}"
        )

    def rows(self) -> list[dict[str, Any]]:
        """One row."""
        return [{name: getattr(self, name) for name in self.__dataclass_fields__ if name != "fit"}]


def henmi_copas(fit: MetaFit) -> HenmiCopas:
    """The interval for the estimates of a model without moderators, k >= 2.

    Raises InputError for a model it does not hold for, ConvergenceError when its quantile is not found.
    Source: Henmi & Copas 2010, doi:10.1002/sim.4029.

    >>> from kmeta.methods.meta import random_effects
    >>> found = henmi_copas(random_effects([-0.5, -0.2, -0.9], [0.04, 0.02, 0.09], measure="HR"))
    >>> round(found.mu, 4), round(found.ci_low, 2), round(found.ci_high, 2)
    (-0.3774, -0.92, 0.17)
    """
    fit.need_no_moderators("henmi_copas")
    if fit.k < 2:
        raise InputError("one estimate: there is no heterogeneity to allow for", where="yi")
    mu = common_effect(fit.yi, fit.vi, measure="GEN").mu
    tau2 = random_effects(fit.yi, fit.vi, measure="GEN", tau2="DL").tau2
    unit = float(fit.vi.min())
    moments = Conditional(1 / (fit.vi / unit), tau2 / unit)
    t = moments.quantile(1 - fit.level)
    se = math.sqrt(moments.variance / moments.total * unit)
    return HenmiCopas(
        fit=fit,
        k=fit.k,
        mu=mu,
        se=se,
        ci_low=mu - t * se,
        ci_high=mu + t * se,
        tau2=tau2,
        t=t,
        level=fit.level,
    )


class Conditional:
    """Q given the standardised error r of the common-effect mean: a gamma with the right two moments.

    With weights w, `total` = sum w and m_j = sum w**j / total, the errors are normal with variances 1/w + tau2, and
    so is r sqrt(total); what is left of Q is a quadratic form in normals whose cumulants follow from the traces.
    """

    def __init__(self, w: Any, tau2: float) -> None:
        self.k = len(w)
        self.tau2 = tau2
        self.total = float(w.sum())
        self.m2, self.m3, self.m4 = (float(np.sum(w**j)) / self.total for j in (2, 3, 4))
        self.variance = 1 + tau2 * self.m2  # of r sqrt(total)

    def mean_of_q(self, r: Any) -> Any:
        """E(Q | r)."""
        excess = (r * r / self.variance - 1) / self.variance
        spread = self.m3 - self.m2**2
        return (self.k - 1) + self.tau2 * (self.total - self.m2) + self.tau2**2 * excess * spread

    def variance_of_q(self, r: Any) -> Any:
        """var(Q | r)."""
        t, m2, m3, m4 = self.tau2, self.m2, self.m3, self.m4
        excess = (r * r / self.variance - 1) / self.variance
        spread = m3 - m2**2
        value = 2 * (self.k - 1) + 4 * t * (self.total - m2)
        value += 2 * t**2 * (self.total * m2 - 2 * m3 + m2**2)
        value = value + 4 * t**2 * excess * spread + 4 * t**3 * excess * (m4 - 2 * m2 * m3 + m2**3)
        return value + 2 * t**4 * (1 - 2 * r * r / self.variance) / self.variance**2 * spread**2

    def excess(self, t: float, alpha: float) -> float:
        """P(r over its estimated standard deviation > t) - alpha / 2."""
        from scipy.special import gammainc

        nodes, weights = _legendre(t / math.sqrt(self.variance))  # below, tau2 would be under 0
        r = math.sqrt(self.variance) * nodes
        mean, variance = self.mean_of_q(r), self.variance_of_q(r)
        ratio = self.total / self.m2 - 1
        q = ratio * ((r / t) ** 2 - 1) + (self.k - 1)
        tail = gammainc(mean**2 / variance, np.maximum(q, 0) * mean / variance)
        density = np.exp(-0.5 * nodes**2) / math.sqrt(2 * math.pi)
        return float(np.sum(weights * tail * density)) - alpha / 2

    def quantile(self, alpha: float) -> float:
        """The t at which the excess vanishes."""
        from scipy.optimize import brentq

        low, high = 1e-6, 2.0
        while self.excess(high, alpha) > 0:
            high *= 2
            if high > 64:
                raise ConvergenceError("the quantile is not found", last=high, where="henmi_copas")
        return float(brentq(self.excess, low, high, args=(alpha,), xtol=1e-13, rtol=1e-13, maxiter=200))


def _legendre(low: float) -> tuple[Any, Any]:
    """Nodes and weights on [low, low + 12], in panels that are fine near `low`."""
    x, w = np.polynomial.legendre.leggauss(20)
    edges = low + 12 * np.linspace(0, 1, 41) ** 2
    middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    return (middle[:, None] + half[:, None] * x).ravel(), (half[:, None] * w).ravel()
