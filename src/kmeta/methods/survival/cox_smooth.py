"""A coefficient that varies in time: a natural cubic spline through scaled Schoenfeld residuals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.methods.survival.cox_coefficients import normal_quantile, ratios


@dataclass(frozen=True, kw_only=True, eq=False)
class SmoothCoefficient(Result):
    """The log hazard ratio of a term at points of time, with pointwise limits."""

    term: str
    time: Floats
    beta: Floats
    ci_low: Floats
    ci_high: Floats
    level: float

    def rows(self) -> list[dict[str, Any]]:
        """One row a point of time; hazard ratios."""
        columns = (self.time, *map(ratios, (self.beta, self.ci_low, self.ci_high)))
        names = ("time", "hr", "ci_low", "ci_high")
        return [
            dict(zip(names, row, strict=True)) for row in zip(*(c.tolist() for c in columns), strict=True)
        ]


def smooth(
    term: str,
    time: Floats,
    g: Floats,
    residual: Floats,
    variance: float,
    *,
    df: int,
    points: int,
    level: float,
) -> SmoothCoefficient:
    """Least squares in `df` natural splines of g with knots at its quantiles; `variance` is of one residual."""
    if not np.isfinite(residual).all():
        raise InputError("the exact likelihood has no scaled residuals", where="ties", hint='ties="efron"')
    distinct = len(np.unique(g))
    if not 2 <= df <= distinct or points < 2:
        raise InputError(f"df is {df}", where="df", hint=f"2 to {distinct}, the number of event times")
    knots = np.quantile(np.unique(g), np.linspace(0, 1, df))
    order = np.argsort(g, kind="stable")
    at = np.linspace(g.min(), g.max(), points)
    # Times between events: as g between them, which is a straight line for "identity".
    when = np.interp(at, g[order], time[order])
    basis, shown = _natural(g, knots), _natural(at, knots)
    left, values, right = np.linalg.svd(basis, full_matrices=False)
    root = shown @ (right.T / values)
    beta = root @ (left.T @ residual)
    half = normal_quantile(level) * np.sqrt(variance * np.sum(root**2, axis=1))
    return SmoothCoefficient(
        term=term,
        time=frozen(when),
        beta=frozen(beta),
        ci_low=frozen(beta - half),
        ci_high=frozen(beta + half),
        level=level,
    )


def _natural(values: Floats, knots: Floats) -> Floats:
    """Natural cubic splines in truncated powers, (n, knots): linear beyond the outer knots."""
    unit = knots[-1] - knots[0]
    x, k = (values - knots[0]) / unit, (knots - knots[0]) / unit

    def bend(j: int) -> Floats:
        upper = np.maximum(x - k[j], 0) ** 3 - np.maximum(x - k[-1], 0) ** 3
        found: Floats = upper / (k[-1] - k[j])
        return found

    last = bend(len(k) - 2) if len(k) > 2 else None
    bends = [] if last is None else [bend(j) - last for j in range(len(k) - 2)]
    return np.column_stack([np.ones_like(x), x, *bends])
