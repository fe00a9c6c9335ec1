"""Survival, hazard, quantiles and means that follow from fitted parameters, with delta-method intervals.

Intervals: survival on the log(-log) scale, the others on the log scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.methods.survival.parametric.distribution import Distribution, Value
from kmeta.methods.survival.parametric.integrals import mean_survival


@dataclass(frozen=True, kw_only=True, eq=False)
class ParametricPrediction(Result):
    """A quantity at times (or shares) for one or several patterns of covariates; arrays of one length.

    `at` is what `axis` names: "time", "p" (a quantile's share of events) or "tau". `extrapolated` is True where the
    estimate rests on time beyond the longest follow-up, where no patient was seen.
    """

    quantity: str
    axis: str
    pattern: tuple[str, ...]
    at: Floats
    estimate: Floats
    se: Floats
    ci_low: Floats
    ci_high: Floats
    extrapolated: tuple[bool, ...]
    level: float
    last_time: float

    def rows(self) -> list[dict[str, Any]]:
        """One row a pattern and time."""
        columns = [getattr(self, name).tolist() for name in ("at", "estimate", "se", "ci_low", "ci_high")]
        return [
            {
                "pattern": pattern,
                self.axis: at,
                self.quantity: estimate,
                "se": se,
                "ci_low": low,
                "ci_high": high,
                "extrapolated": beyond,
            }
            for pattern, at, estimate, se, low, high, beyond in zip(
                self.pattern, *columns, self.extrapolated, strict=True
            )
        ]


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """What a prediction needs of a fit: `covariance` is that of (theta, coefficients)."""

    distribution: Distribution
    theta: Floats
    coefficients: Floats
    covariance: Floats
    last_time: float
    level: float


def survival_values(fit: Fitted, at: Floats, lp: float) -> Value:
    """S and its derivatives."""
    with np.errstate(all="ignore"):
        value, slopes = fit.distribution.log_survival(np.log(at), fit.theta, np.full(len(at), lp))
        s = np.exp(value)
        slopes = slopes * s
    return np.where(at == 0, 1.0, s), np.where((at == 0) | ~np.isfinite(slopes), 0.0, slopes)


def log_hazard_values(fit: Fitted, at: Floats, lp: float) -> Value:
    """Log h and its derivatives."""
    log_t, lps = np.log(at), np.full(len(at), lp)
    with np.errstate(all="ignore"):
        density, d_slopes = fit.distribution.log_density(log_t, fit.theta, lps)
        survival, s_slopes = fit.distribution.log_survival(log_t, fit.theta, lps)
        return density - survival, d_slopes - s_slopes


def log_quantile_values(fit: Fitted, p: Floats, lp: float) -> Value:
    """Log of the time by which a share p had the event: by the implicit function theorem. NaN: never reached."""
    lps = np.full(len(p), lp)
    with np.errstate(all="ignore"):
        log_t = np.log(fit.distribution.quantile(p, fit.theta, lps))
        density, _ = fit.distribution.log_density(log_t, fit.theta, lps)
        survival, slopes = fit.distribution.log_survival(log_t, fit.theta, lps)
        return log_t, slopes / np.exp(density - survival + log_t)


def log_mean_values(fit: Fitted, tau: Floats, lp: float) -> Value:
    """Log of the mean time lived up to each tau; tau infinite: the mean, infinite where it is."""
    found = []
    for end in tau.tolist():
        if math.isinf(end) and not fit.distribution.finite_mean(fit.theta):
            found.append((np.array([np.inf]), np.full((len(fit.theta) + 1, 1), np.nan)))
        elif end == 0:
            found.append((np.array([0.0]), np.zeros((len(fit.theta) + 1, 1))))
        else:
            found.append(mean_survival(fit.distribution, fit.theta, lp, end))
    value = np.concatenate([v for v, _ in found])
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = np.hstack([s for _, s in found]) / value
        return np.log(value), slopes


def predicted(
    fit: Fitted,
    patterns: tuple[Floats, Sequence[str]],
    at: Floats,
    *,
    ask: Callable[[Fitted, Floats, float], Value],
    quantity: str,
    axis: str,
) -> ParametricPrediction:
    """`ask` at every pattern and `at`; survival is interval-ed on the log(-log) scale, what is a log on its own."""
    from scipy.special import ndtri

    crit = float(ndtri((1 + fit.level) / 2))
    parts = []
    for row in patterns[0]:
        value, slopes = ask(fit, at, float(row @ fit.coefficients))
        full = np.vstack([slopes[:-1], row[:, None] * slopes[-1]])
        with np.errstate(invalid="ignore"):
            spread = np.sqrt(np.maximum(np.einsum("ij,ik,kj->j", full, fit.covariance, full), 0))
        parts.append(_limits(value, spread, crit, quantity))
    estimate, se, low, high = (np.concatenate(column) for column in zip(*parts, strict=True))
    where = np.tile(at, len(parts))
    beyond = estimate > fit.last_time if axis == "p" else where > fit.last_time
    return ParametricPrediction(
        quantity=quantity,
        axis=axis,
        pattern=tuple(label for label in patterns[1] for _ in range(len(at))),
        at=frozen(where),
        estimate=frozen(estimate),
        se=frozen(se),
        ci_low=frozen(low),
        ci_high=frozen(high),
        extrapolated=tuple(bool(b) for b in beyond),
        level=fit.level,
        last_time=fit.last_time,
    )


def _limits(
    value: Floats, spread: Floats, crit: float, quantity: str
) -> tuple[Floats, Floats, Floats, Floats]:
    """(estimate, se, low, high)."""
    with np.errstate(all="ignore"):
        if quantity == "survival":
            inside = (value > 0) & (value < 1)
            s = np.where(inside, value, 0.5)
            half = crit * spread / (s * np.abs(np.log(s)))
            low, high = s ** np.exp(half), s ** np.exp(-half)
            unknown = np.isnan(spread)
            low = np.where(unknown, np.nan, np.where(inside, low, value))
            return value, spread, low, np.where(unknown, np.nan, np.where(inside, high, value))
        estimate = np.exp(value)
        se = estimate * spread
        return estimate, se, np.exp(value - crit * spread), np.exp(value + crit * spread)


def checked(values: ArrayLike, name: str, *, least: float, most: float, open_ends: bool) -> Floats:
    """Finite numbers between the ends; InputError naming the first that is not."""
    try:
        found = np.atleast_1d(np.array(values, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise InputError("hold something that is not a number", where=name) from error
    if found.ndim != 1 or not found.size:
        raise InputError(f"have shape {found.shape}", where=name, hint="a number or a list of numbers")
    good = np.isfinite(found) & ((found > least) if open_ends else (found >= least))
    good &= (found < most) if open_ends and math.isfinite(most) else (found <= most)
    if not good.all():
        i = int(np.argmin(good))
        bounds = f"above {least:g}" if open_ends else f"{least:g} or more"
        raise InputError(
            f"{name}[{i}] is {found[i]:g}",
            where=name,
            hint=bounds + (f" and below {most:g}" if math.isfinite(most) else ", finite"),
        )
    return found
