"""Limit meta-analysis: the effect a study of infinite size would show, allowing for small-study effects."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.numbers import decimal, interval, p_phrase
from kmeta.methods.meta.distributions import chi2_tail, quantile, two_sided
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.of_fit import OfFit
from kmeta.methods.meta.small_study import few, need_three


@dataclass(frozen=True, kw_only=True, eq=False)
class LimitMeta(OfFit):
    """`mu` with its interval is the limit beta + tau alpha; `alpha` the bias (expected shift in the standardised
    effect of the smallest studies), `beta` the slope of the generalised radial plot.

    `shrunken` are the studies' effects in the limit, shape (k,). Cochran's `q` splits in `q_small` (1 df, small-study
    effects) and `q_rest` (k - 2 df); `g2` is the heterogeneity that is left in the limit, as a fraction.
    """

    k: int
    level: float
    mu: float
    se: float
    ci_low: float
    ci_high: float
    p_value: float
    alpha: float
    beta: float
    tau2: float
    shrunken: Floats
    q: float
    q_small: float
    q_small_p: float
    q_rest: float
    q_rest_p: float
    g2: float
    warnings: tuple[str, ...] = ()

    def summary(self) -> str:
        """The limit, and how Cochran's Q splits."""
        limits = interval(decimal(self.ci_low, 4), decimal(self.ci_high, 4))
        return (
            f"Limit meta-analysis, k = {self.k}\n"
            f"limit {decimal(self.mu, 4)}, {100 * self.level:g} % CI {limits}, {p_phrase(self.p_value)}; "
            f"bias alpha {decimal(self.alpha, 4)}\n"
            f"Q = {decimal(self.q, 2)}: small-study effects {decimal(self.q_small, 2)} ({p_phrase(self.q_small_p)}), "
            f"rest {decimal(self.q_rest, 2)} ({p_phrase(self.q_rest_p)}); G2 = {decimal(100 * self.g2, 1)} %"
        )

    def rows(self) -> list[dict[str, Any]]:
        """One row."""
        hidden = ("fit", "shrunken", "warnings")
        return [{name: getattr(self, name) for name in self.__dataclass_fields__ if name not in hidden}]


def limit_meta(fit: MetaFit) -> LimitMeta:
    """Limit meta-analysis of a random-effects model without moderators, k >= 3, with its tau2.

    The model is yi = beta + sqrt(vi + tau2) (alpha + N(0, 1)); beta and alpha are slope and intercept of the
    generalised radial plot, the limit beta + tau alpha has the covariance of that regression with error variance 1.
    Raises InputError for a model it does not hold for, and when all variances are equal.
    Source: Ruecker, Schwarzer, Carpenter, Binder & Schumacher 2011, doi:10.1093/biostatistics/kxq046.

    >>> from kmeta.methods.meta import random_effects
    >>> fit = random_effects([-0.5, -0.2, -0.9, -1.2], [0.04, 0.02, 0.09, 0.2], measure="HR", tau2="DL")
    >>> found = limit_meta(fit)
    >>> round(found.mu, 3), round(found.alpha, 3)
    (-0.139, -5.022)
    """
    fit.need_no_moderators("limit_meta")
    if fit.model == "multilevel":
        raise InputError("limit_meta is given for one estimate a study", where="fit")
    need_three(fit.k, "limit_meta")
    y, v, tau2 = fit.yi, fit.vi, fit.tau2
    if np.ptp(v) <= 1e-12 * float(v.max()):
        raise InputError("all variances are equal: there is nothing to extrapolate", where="vi")
    alpha, beta, inverse, _ = _radial(y, np.sqrt(v + tau2))
    tau = math.sqrt(tau2)
    direction = np.array([tau, 1.0])
    mu, se = beta + tau * alpha, math.sqrt(float(direction @ inverse @ direction))
    half = quantile(fit.level, math.inf) * se
    shrunken = beta + np.sqrt(tau2 / (v + tau2)) * (y - beta)
    q_rest = _radial(y, np.sqrt(v))[3]
    q_small = max(0.0, fit.q - q_rest)
    radial = shrunken / np.sqrt(v)
    spread = float(np.sum((radial - radial.mean()) ** 2))
    g2 = _radial(shrunken, np.sqrt(v))[3] / spread if spread > 0 else 0.0
    return LimitMeta(
        fit=fit,
        k=fit.k,
        level=fit.level,
        mu=mu,
        se=se,
        ci_low=mu - half,
        ci_high=mu + half,
        p_value=two_sided(mu / se, math.inf),
        alpha=alpha,
        beta=beta,
        tau2=tau2,
        shrunken=frozen(shrunken),
        q=fit.q,
        q_small=q_small,
        q_small_p=chi2_tail(q_small, 1),
        q_rest=q_rest,
        q_rest_p=chi2_tail(q_rest, fit.k - 2),
        g2=g2,
        warnings=few(fit.k),
    )


def _radial(y: Floats, se: Floats) -> tuple[float, float, Floats, float]:
    """y / se on 1 / se: (intercept, slope, (X'X)^-1, residual sum of squares)."""
    x = np.column_stack([np.ones(len(y)), 1 / se])
    q, r = np.linalg.qr(x)
    coefficients = np.linalg.solve(r, q.T @ (y / se))
    rest = y / se - x @ coefficients
    back = np.linalg.inv(r)
    return float(coefficients[0]), float(coefficients[1]), back @ back.T, float(rest @ rest)
