"""Hazard ratios by period of follow-up: a coefficient that is constant between given times, and the test of change."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.core.numbers import decimal, interval, p_phrase
from kmeta.core.result import Result
from kmeta.methods.survival.cox_coefficients import normal_quantile, ratios
from kmeta.methods.survival.cox_data import CoxData
from kmeta.methods.survival.cox_fit import maximise
from kmeta.methods.survival.cox_newton import inverse
from kmeta.methods.survival.sample import column


@dataclass(frozen=True, kw_only=True, eq=False)
class CoxPeriods(Result):
    """Log hazard ratios of each period, `beta` and `se` (periods, p), NaN where a period has none.

    `start`, `end` (periods,): events in (start, end] count. `chi2`, `df`, `p`: likelihood-ratio test against
    coefficients that are the same in all periods; NaN where a period has no estimate.
    """

    terms: tuple[str, ...]
    start: Floats
    end: Floats
    n_risk: Floats
    events: Floats
    beta: Floats
    se: Floats
    chi2: float
    df: int
    p: float
    level: float
    warnings: tuple[str, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One row a term and period; limits are of the hazard ratio."""
        half = normal_quantile(self.level) * self.se
        low, ratio, high = (ratios(self.beta + side * half) for side in (-1, 0, 1))
        return [
            {
                "term": term,
                "start": float(self.start[k]),
                "end": float(self.end[k]),
                "n_risk": int(self.n_risk[k]),
                "events": int(self.events[k]),
                "log_hr": float(self.beta[k, j]),
                "se": float(self.se[k, j]),
                "hr": float(ratio[k, j]),
                "ci_low": float(low[k, j]),
                "ci_high": float(high[k, j]),
            }
            for j, term in enumerate(self.terms)
            for k in range(len(self.start))
        ]

    def summary(self) -> str:
        """A line for each term and period, and the test."""
        lines = []
        for row in self.rows():
            limits = interval(decimal(row["ci_low"], 3), decimal(row["ci_high"], 3))
            end = "end" if math.isinf(row["end"]) else f"{row['end']:g}"
            lines.append(
                f"{row['term']}, {row['start']:g} to {end}: HR {decimal(row['hr'], 3)} ({limits}), "
                f"{row['events']} events, {row['n_risk']} under observation"
            )
        test = "no test: a period has no estimate"
        if not math.isnan(self.p):
            test = f"likelihood ratio chi2({self.df}) = {decimal(self.chi2, 3)}, {p_phrase(self.p)}"
        lines.append(f"Same hazard ratios in all periods: {test}")
        return "\n".join([*lines, *(f"Warning: {text}." for text in self.warnings)])


def by_period(data: CoxData, loglik: float, cuts: ArrayLike, level: float) -> CoxPeriods:
    """The hazard ratios between 0, each of `cuts` and the end; `loglik` is of the model without periods.

    With every coefficient free in every period the partial likelihood falls apart into one of each period.
    """
    from scipy.special import chdtrc

    edges = column(
        np.atleast_1d(np.asarray(cuts)), "cuts", "times above 0, rising", lambda a: np.isfinite(a) & (a > 0)
    )
    if not edges.size or (np.diff(edges) <= 0).any():
        raise InputError("must be rising times", where="cuts", hint="for example [12, 24]")
    start, end = np.append(0.0, edges), np.append(edges, math.inf)
    k, p = len(start), len(data.terms)
    beta, se = np.full((k, p), math.nan), np.full((k, p), math.nan)
    n_risk, events, total, warnings = np.zeros(k), np.zeros(k), 0.0, []
    for i, (low, high) in enumerate(zip(start.tolist(), end.tolist(), strict=True)):
        part = _between(data, low, high)
        if part is None:
            raise InputError(f"no event between {low:g} and {high:g}", where="cuts", hint="longer periods")
        n_risk[i], events[i] = part.n, part.events
        try:
            summit, scale = maximise(part), part.standard[1]
        except (InputError, ConvergenceError) as error:
            warnings.append(f"period {low:g} to {high:g}: {error.message}")
            total = math.nan
            continue
        beta[i] = summit.beta / scale
        se[i] = np.sqrt(np.diag(inverse(summit.top.information))) / scale
        total += summit.top.loglik
    chi2, df = 2 * (total - loglik), p * (k - 1)
    return CoxPeriods(
        terms=data.terms,
        start=frozen(start),
        end=frozen(end),
        n_risk=frozen(n_risk),
        events=frozen(events),
        beta=frozen(beta),
        se=frozen(se),
        chi2=chi2,
        df=df,
        p=math.nan if math.isnan(chi2) else float(chdtrc(df, max(chi2, 0.0))),
        level=level,
        warnings=tuple(warnings),
    )


def _between(data: CoxData, low: float, high: float) -> CoxData | None:
    """Those under observation after `low` and until `high`; None without an event."""
    from_start = low == 0
    here = (data.entry < high) & ((data.time > low) | (from_start & (data.time >= 0)))
    event = np.where(data.time <= high, data.event, 0.0)[here]
    if not event.any():
        return None
    return replace(
        data,
        time=np.minimum(data.time, high)[here],
        event=event,
        entry=np.maximum(data.entry, low)[here],
        weights=data.weights[here],
        x=data.x[here],
        stratum=data.stratum[here],
        cluster=None,
    )
