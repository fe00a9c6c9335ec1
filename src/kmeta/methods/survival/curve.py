"""The survival curve of one group, and what is read off it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.methods.survival.sample import SurvivalSample, column

if TYPE_CHECKING:
    from kmeta.methods.survival.rmst import RestrictedMean

TOLERANCE = math.sqrt(float(np.finfo(np.float64).eps))  # a step this near to 1 - p counts as reaching it


@dataclass(frozen=True, kw_only=True, eq=False)
class SurvivalCurve(Result):
    """Survival of one group at each of its distinct times; arrays of one length.

    `n_risk` counts time >= t (and entry < t); censorings at a time come after its events; with weights all three
    counts are sums of weights, and `robust` says that the standard errors are the robust ones. `se` is that of the
    survival, `log_se` that of -log(survival): Greenwood's. `hazard` is the Nelson-Aalen cumulative hazard with
    `hazard_se` (Aalen's). Limits are NaN where the scale of the interval gives none (survival 0). `sample`: the
    patients themselves.
    """

    label: str
    n: int
    time: Floats
    n_risk: Floats
    n_event: Floats
    n_censored: Floats
    survival: Floats
    se: Floats
    ci_low: Floats
    ci_high: Floats
    level: float
    interval: str
    log_se: Floats
    hazard: Floats
    hazard_se: Floats
    robust: bool
    sample: SurvivalSample

    @property
    def events(self) -> int:
        """Number of patients with the event, whatever their weights."""
        return int(self.sample.event.sum())

    @property
    def median(self) -> tuple[float, float, float]:
        """Median with its interval; NaN: not reached."""
        return self.quantile(0.5)

    def quantile(self, p: float) -> tuple[float, float, float]:
        """The time by which a share `p` had the event, with the limits that invert the pointwise interval.

        The first time with survival at or below 1 - p; where the curve stays at 1 - p, the middle of that step.
        NaN: not reached. Source: Brookmeyer & Crowley 1982, doi:10.2307/2530286.
        """
        if not 0 < p < 1:
            raise InputError(f"p is {p!r}", where="p", hint="a share between 0 and 1: 0.5 for the median")
        curves = (self.survival, self.ci_low, self.ci_high)
        value, low, high = (_first_below(self.time, curve, 1 - p) for curve in curves)
        return value, low, high

    def at(self, times: ArrayLike) -> list[dict[str, float]]:
        """Survival with its se and interval, the number at risk (time >= t), and the counts since the time before.

        `n_event` and `n_censored` count from after the next smaller of `times` (from 0 for the smallest) up to and
        with this one. After the last time of a group whose last patient was censored survival is not known: NaN.
        """
        wanted = checked_times(times)
        rows = []
        for t in wanted.tolist():
            i = int(np.searchsorted(self.time, t, side="right")) - 1
            start = max((x for x in wanted.tolist() if x < t), default=-1.0)
            since = (self.time > start) & (self.time <= t)
            known = t <= self.time[-1] or self.survival[-1] == 0
            found = (
                (1.0, 0.0, 1.0, 1.0)
                if i < 0
                else tuple(float(a[i]) for a in (self.survival, self.se, self.ci_low, self.ci_high))
            )
            s, se, low, high = found if known else (math.nan,) * 4
            row = {"time": t, "survival": s, "se": se, "ci_low": low, "ci_high": high}
            row["n_risk"] = number_at_risk(self.sample, t)
            row["n_event"] = float(self.n_event[since].sum())
            row["n_censored"] = float(self.n_censored[since].sum())
            rows.append(row)
        return rows

    def risk_table(self, times: ArrayLike) -> list[dict[str, Any]]:
        """The table under a printed curve: at risk (time >= t), and events and censorings before t.

        Without truncation the three make n at each time.
        """
        rows = []
        for t in checked_times(times).tolist():
            past = self.time < t
            row = {"group": self.label, "time": t, "n_risk": number_at_risk(self.sample, t)}
            row["events"] = float(self.n_event[past].sum())
            row["censored"] = float(self.n_censored[past].sum())
            rows.append(row)
        return rows

    def rmst(self, tau: float) -> RestrictedMean:
        """Restricted mean survival time to `tau`: the area under the curve, with its standard error."""
        from kmeta.methods.survival.rmst import restricted_mean

        return restricted_mean(self, tau)

    def interval_hazards(self, cuts: Sequence[float]) -> list[dict[str, Any]]:
        """Events per time at risk in (cut, next cut], with exact Poisson limits; events at the first cut count too.

        The limits are NaN where weights are not whole numbers. Source: Garwood 1936, doi:10.1093/biomet/28.3-4.437.
        """
        from scipy.special import gammaincinv

        edges = checked_times(cuts)
        if len(edges) < 2 or (np.diff(edges) <= 0).any():
            raise InputError("must rise", where="cuts", hint="at least two times, each later: [0, 12, 24]")
        tail = (1 - self.level) / 2
        whole = bool((self.sample.weights == np.floor(self.sample.weights)).all())
        rows = []
        for j, (start, end) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
            inside = (self.time >= start if j == 0 else self.time > start) & (self.time <= end)
            d, at_risk = float(self.n_event[inside].sum()), _time_at_risk(self.sample, start, end)
            row = {"group": self.label, "start": start, "end": end, "events": d, "time_at_risk": at_risk}
            limits = [gammaincinv(d, tail) if d else 0.0, gammaincinv(d + 1, 1 - tail)]
            low, high = limits if whole else (math.nan, math.nan)
            for name, count in (("hazard", d), ("ci_low", low), ("ci_high", high)):
                row[name] = float(count) / at_risk if at_risk > 0 else math.nan
            rows.append(row)
        return rows

    def rows(self) -> list[dict[str, Any]]:
        """One row a distinct time."""
        names = ("time", "n_risk", "n_event", "n_censored", "survival", "se", "ci_low", "ci_high")
        columns = [getattr(self, name).tolist() for name in (*names, "hazard", "hazard_se")]
        return [
            {"group": self.label, **dict(zip((*names, "hazard", "hazard_se"), row, strict=True))}
            for row in zip(*columns, strict=True)
        ]


def number_at_risk(sample: SurvivalSample, t: float) -> float:
    """Sum of the weights of those under observation just before `t`."""
    here = sample.time >= t
    if sample.truncated:
        here &= (sample.entry < t) | ((t == 0) & (sample.entry == 0))
    return float(sample.weights[here].sum())


def checked_times(times: ArrayLike) -> Floats:
    """Times at which a curve is read: finite, not negative."""
    return column(
        np.atleast_1d(np.asarray(times, dtype=object)),
        "times",
        "finite, 0 or later, in the unit of the data",
        lambda a: np.isfinite(a) & (a >= 0),
    )


def _time_at_risk(sample: SurvivalSample, start: float, end: float) -> float:
    spent = np.minimum(sample.time, end) - np.maximum(sample.entry, start)
    return float((sample.weights * np.maximum(spent, 0)).sum())


def _first_below(time: Floats, curve: Floats, target: float) -> float:
    """First time at which a falling curve is at or below `target`; the middle of a step that lies on it."""
    with np.errstate(invalid="ignore"):
        reached = np.flatnonzero(curve <= target + TOLERANCE)
        beyond = np.flatnonzero(curve < target - TOLERANCE)
    if not reached.size:
        return math.nan
    first = float(time[reached[0]])
    if beyond.size and beyond[0] == reached[0]:
        return first
    end = float(time[beyond[0]]) if beyond.size else float(time[-1])
    return (first + end) / 2
