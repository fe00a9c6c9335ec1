"""Cumulative hazard and survival of a Cox model at given covariates, with intervals.

Source: Breslow 1974, doi:10.2307/2529620; Efron's variant as the ties; variance: Tsiatis 1981,
doi:10.1214/aos/1176345329; Link 1984, doi:10.2307/2530905.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.methods.survival.cox_coefficients import checked_level, normal_quantile
from kmeta.methods.survival.cox_data import Covariates
from kmeta.methods.survival.cox_residuals import at_beta
from kmeta.methods.survival.intervals import INTERVALS

if TYPE_CHECKING:
    from kmeta.methods.survival.cox import CoxFit


@dataclass(frozen=True, kw_only=True, eq=False)
class CoxCurve(Result):
    """Survival at one set of covariates in one stratum, at its event times; arrays of one length.

    `se` is of the cumulative `hazard`; `end` the last time anybody of the stratum was followed.
    """

    stratum: str
    at: tuple[float, ...]
    time: Floats
    n_risk: Floats
    n_event: Floats
    hazard: Floats
    se: Floats
    survival: Floats
    ci_low: Floats
    ci_high: Floats
    end: float
    level: float
    interval: str

    @property
    def median(self) -> float:
        """The first time with survival at or below 0.5; NaN: not reached."""
        reached = np.flatnonzero(self.survival <= 0.5)
        return float(self.time[reached[0]]) if reached.size else math.nan

    def at_times(self, times: ArrayLike) -> list[dict[str, float]]:
        """Cumulative hazard, survival and its limits at each of `times`; NaN after the end of follow-up."""
        wanted = np.atleast_1d(np.asarray(times, dtype=float))
        if wanted.ndim != 1 or not np.isfinite(wanted).all() or (wanted < 0).any():
            raise InputError("must be finite and not negative", where="times", hint="in the unit of the data")
        place = np.searchsorted(self.time, wanted, side="right")
        names = {"hazard": 0.0, "se": 0.0, "survival": 1.0, "ci_low": 1.0, "ci_high": 1.0}
        columns = {
            name: np.where(wanted > self.end, np.nan, np.concatenate([[first], getattr(self, name)])[place])
            for name, first in names.items()
        }
        return [
            {"time": t, **{name: float(values[i]) for name, values in columns.items()}}
            for i, t in enumerate(wanted.tolist())
        ]

    def rows(self) -> list[dict[str, Any]]:
        """One row an event time."""
        names = ("time", "n_risk", "n_event", "hazard", "se", "survival", "ci_low", "ci_high")
        columns = [getattr(self, name).tolist() for name in names]
        return [
            {"stratum": self.stratum, **dict(zip(names, row, strict=True))}
            for row in zip(*columns, strict=True)
        ]


@dataclass(frozen=True, kw_only=True, eq=False)
class CoxCurves(Result):
    """One curve for each stratum and each row of covariates, rows within strata."""

    terms: tuple[str, ...]
    curves: tuple[CoxCurve, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One row a curve."""
        return [
            {
                "stratum": curve.stratum,
                **dict(zip(self.terms, curve.at, strict=True)),
                "events": float(curve.n_event.sum()),
                "median": curve.median,
                "end": curve.end,
            }
            for curve in self.curves
        ]


def baseline(fit: CoxFit, at: Covariates, *, interval: str, level: float) -> CoxCurves:
    """The curves; `at` as in `CoxFit.baseline`."""
    if interval not in INTERVALS:
        raise InputError(f"no interval is named {interval!r}", where="interval", hint=", ".join(INTERVALS))
    level = checked_level(level)
    data, sets = fit.data, fit.data.risk_sets
    rows = _rows_at(fit, at)
    x, _, hazard = at_beta(data, fit.beta)
    means = sets.means(x, hazard)
    variance = sets.over_groups(hazard.row / hazard.s0)
    drift = sets.over_groups(hazard.row * means)
    at_risk = sets.at_risk(sets.weights)
    z = normal_quantile(level)
    curves = []
    for k, label in enumerate(data.strata):
        here = np.flatnonzero(sets.group_stratum == k)[::-1]  # groups fall in time
        end = float(data.time[data.stratum == k].max())
        for row in rows:
            centred = row - data.mean
            factor = math.exp(float(centred @ fit.beta))
            total = np.cumsum(hazard.jump[here])
            away = centred[:, None] * total - np.cumsum(drift[:, here], axis=1)
            spread = np.cumsum(variance[here]) + np.einsum("in,ij,jn->n", away, fit.vcov, away)
            se = factor * np.sqrt(spread)
            survival = np.exp(-factor * total)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                low, high = INTERVALS[interval](survival, se, z)
            curves.append(
                CoxCurve(
                    stratum=label,
                    at=tuple(row.tolist()),
                    time=frozen(sets.group_time[here]),
                    n_risk=frozen(at_risk[here]),
                    n_event=frozen(sets.weight_of_group[here]),
                    hazard=frozen(factor * total),
                    se=frozen(se),
                    survival=frozen(survival),
                    ci_low=frozen(low),
                    ci_high=frozen(high),
                    end=end,
                    level=level,
                    interval=interval,
                )
            )
    return CoxCurves(terms=fit.terms, curves=tuple(curves))


def _rows_at(fit: CoxFit, at: Covariates) -> Floats:
    """The covariates asked for, shape (m, p)."""
    p = len(fit.terms)
    if at is None:
        return np.zeros((1, p))
    if isinstance(at, str):
        if at != "mean":
            raise InputError(f"at is {at!r}", where="at", hint='"mean", or values of the covariates')
        return fit.data.mean[None, :]
    if isinstance(at, Mapping):
        missing, unknown = set(fit.terms) - set(at), set(map(str, at)) - set(fit.terms)
        if missing or unknown:
            raise InputError(
                f"names {', '.join(sorted(map(str, at)))}", where="at", hint=f"give {', '.join(fit.terms)}"
            )
        at = np.column_stack(np.broadcast_arrays(*(np.atleast_1d(at[term]) for term in fit.terms)))
    try:
        rows = np.atleast_2d(np.array(at, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise InputError("holds something that is not a number", where="at", hint="numbers") from error
    if rows.ndim != 2 or rows.shape[1] != p or not np.isfinite(rows).all():
        raise InputError(f"has shape {rows.shape}", where="at", hint=f"finite, ({p},) or (m, {p})")
    return rows
