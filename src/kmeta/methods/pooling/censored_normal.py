"""Random-effects model of estimates of which some are known as bounds only."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import ConvergenceError

ABOVE, BELOW = 1, -1


@dataclass(frozen=True, kw_only=True, eq=False)
class CensoredNormal:
    """Maximum-likelihood mu with its se (tau2 as estimated), tau2 and the log-likelihood."""

    mu: float
    se: float
    tau2: float
    log_likelihood: float


def fit_censored(value: Floats, v: Floats, side: Floats) -> CensoredNormal:
    """y_i ~ N(mu, tau2 + v_i); where side is 1 (or -1) only y_i > value_i (or <) is known.

    By maximum likelihood; se from the observed information of (mu, tau2), or of mu alone where tau2 is 0. Needs an
    estimate that is not a bound.
    Source: Tobin 1958, doi:10.2307/1907382 (the likelihood of values known as bounds).
    """
    from scipy.optimize import minimize_scalar

    unit = math.sqrt(float(np.median(v)))
    y, s2 = value / unit, v / unit**2
    exact = side == 0
    centre = float(np.average(y[exact], weights=1 / s2[exact]))
    spread = float(np.ptp(y)) + 10 * math.sqrt(float(s2.max()))

    def height(log_tau2: float) -> tuple[float, float]:
        tau2 = math.exp(log_tau2) if log_tau2 > -math.inf else 0.0
        mu = _best_mu(y, s2 + tau2, side, centre)
        return _log_likelihood(mu, y, s2 + tau2, side), mu

    grid = np.linspace(math.log(1e-4), math.log(spread**2 + 1), 33)
    heights = [height(point)[0] for point in grid.tolist()]
    best = int(np.argmax(heights))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = minimize_scalar(
        lambda point: -height(point)[0], bounds=(low, high), method="bounded", options={"xatol": 1e-10}
    )
    tau2 = math.exp(float(found.x))
    at, mu = height(float(found.x))
    zero, mu_zero = height(-math.inf)
    if zero >= at - 1e-12:
        tau2, at, mu = 0.0, zero, mu_zero
    se = _standard_error(mu, tau2, y, s2, side)
    if not math.isfinite(se):
        raise ConvergenceError("the bounds leave the pooled median without an interval", last=mu * unit)
    # the likelihood of values in another unit differs by its Jacobian
    shift = float(exact.sum()) * math.log(unit)
    return CensoredNormal(mu=mu * unit, se=se * unit, tau2=tau2 * unit**2, log_likelihood=at - shift)


def _log_likelihood(mu: float, y: Floats, total: Floats, side: Floats) -> float:
    from scipy.special import log_ndtr

    z = (y - mu) / np.sqrt(total)
    exact = -0.5 * (z**2 + np.log(2 * np.pi * total))
    return float(np.where(side == 0, exact, log_ndtr(-side * z)).sum())


def _score(mu: float, y: Floats, total: Floats, side: Floats) -> tuple[float, float]:
    """First and (negative) second derivative by mu; the log-likelihood is concave in it."""
    root = np.sqrt(total)
    z = (y - mu) / root
    u = np.where(side == 0, 0.0, -side * z)
    mills, excess = _mills(u)
    first = np.where(side == 0, z / root, side * mills / root)
    second = np.where(side == 0, 1 / total, mills * excess / total)
    return float(first.sum()), float(second.sum())


def _mills(u: Floats) -> tuple[Floats, Floats]:
    """phi(u) / Phi(u), and how much it is above -u; by their expansion far below 0, where both parts vanish."""
    from scipy.special import log_ndtr

    far = u < -50.0
    near = np.where(far, 0.0, u)
    mills = np.exp(-0.5 * near**2 - 0.5 * math.log(2 * math.pi) - log_ndtr(near))
    size = np.where(far, -u, 1.0)
    excess = np.where(far, 1 / size - 2 / size**3, mills + u)
    return np.where(far, size + excess, mills), excess


def _best_mu(y: Floats, total: Floats, side: Floats, start: float) -> float:
    mu, most = start, 3 * math.sqrt(float(total.max()))
    for _ in range(200):
        first, second = _score(mu, y, total, side)
        step = min(max(first / second, -most), most) if second > 0 else math.copysign(most, first)
        mu += step
        if abs(step) < 1e-12 * (1 + abs(mu)):
            return mu
    raise ConvergenceError("the likelihood of the medians has no maximum", last=mu)


def _standard_error(mu: float, tau2: float, y: Floats, s2: Floats, side: Floats) -> float:
    _, information = _score(mu, y, s2 + tau2, side)
    if tau2 > 0:
        h = 1e-4 * (tau2 + float(s2.min()))
        h = min(h, tau2 / 2)

        def at(change: float) -> float:
            return _log_likelihood(mu, y, s2 + tau2 + change, side)

        second = -(at(h) - 2 * at(0.0) + at(-h)) / h**2
        cross = -(_score(mu, y, s2 + tau2 + h, side)[0] - _score(mu, y, s2 + tau2 - h, side)[0]) / (2 * h)
        if second > 0:
            information -= cross**2 / second
    return information**-0.5 if information > 0 else math.nan
