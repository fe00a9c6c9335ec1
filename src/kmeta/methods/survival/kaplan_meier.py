"""The Kaplan-Meier estimator with Greenwood's standard error, pointwise intervals and quantiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.methods.survival.intervals import INTERVALS

Interval = Literal["log-log", "log", "plain", "logit", "arcsine"]
TOLERANCE = math.sqrt(float(np.finfo(np.float64).eps))  # a step this near to 1 - p counts as reaching it


@dataclass(frozen=True, kw_only=True, eq=False)
class SurvivalCurve(Result):
    """Survival of one group at each of its distinct times; arrays of one length.

    `n_risk` counts time >= t; censorings at a time come after its events. `se` is Greenwood's, of the survival
    itself. Limits are NaN where the scale of the interval gives none (survival 0).
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

    @property
    def events(self) -> int:
        """Number of events."""
        return int(self.n_event.sum())

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
        """Survival, its se and interval, and the number at risk (time >= t) at each of `times`.

        After the last time of a group whose last patient was censored the survival is not known: NaN.
        """
        wanted = np.atleast_1d(np.array(times, dtype=float))
        if wanted.ndim != 1 or not np.isfinite(wanted).all() or (wanted < 0).any():
            raise InputError("must be finite and not negative", where="times", hint="in the unit of the data")
        rows = []
        for t in wanted.tolist():
            i = int(np.searchsorted(self.time, t, side="right")) - 1
            j = int(np.searchsorted(self.time, t, side="left"))
            known = t <= self.time[-1] or self.survival[-1] == 0
            found = (
                (1.0, 0.0, 1.0, 1.0)
                if i < 0
                else tuple(float(a[i]) for a in (self.survival, self.se, self.ci_low, self.ci_high))
            )
            s, se, low, high = found if known else (math.nan,) * 4
            at_risk = float(self.n_risk[j]) if j < len(self.time) else 0.0
            rows.append(
                {"time": t, "survival": s, "se": se, "ci_low": low, "ci_high": high, "n_risk": at_risk}
            )
        return rows

    def rows(self) -> list[dict[str, Any]]:
        """One row a distinct time."""
        names = ("time", "n_risk", "n_event", "n_censored", "survival", "se", "ci_low", "ci_high")
        columns = [getattr(self, name).tolist() for name in names]
        return [
            {"group": self.label, **dict(zip(names, row, strict=True))} for row in zip(*columns, strict=True)
        ]


@dataclass(frozen=True, kw_only=True, eq=False)
class KaplanMeier(Result):
    """One curve a group, in order of first appearance."""

    curves: tuple[SurvivalCurve, ...]

    def __getitem__(self, label: str) -> SurvivalCurve:
        """The curve of one group; InputError when there is none."""
        for curve in self.curves:
            if curve.label == label:
                return curve
        raise InputError(
            f"no group is named {label!r}", where="group", hint=", ".join(c.label for c in self.curves)
        )

    def rows(self) -> list[dict[str, Any]]:
        """One row a group: patients, events, median with its interval."""
        rows = []
        for curve in self.curves:
            median, low, high = curve.median
            rows.append(
                {
                    "group": curve.label,
                    "n": curve.n,
                    "events": curve.events,
                    "median": median,
                    "ci_low": low,
                    "ci_high": high,
                }
            )
        return rows

    def table(self) -> list[dict[str, Any]]:
        """The survival table: one row a group and distinct time."""
        return [row for curve in self.curves for row in curve.rows()]


def kaplan_meier(
    time: ArrayLike,
    event: ArrayLike,
    *,
    group: Sequence[object] | None = None,
    level: float = 0.95,
    interval: Interval = "log-log",
) -> KaplanMeier:
    """Survival curves of individual data.

    time : follow-up, 0 or later, shape (n,). event : 1 event, 0 censored, shape (n,). group : a label each.
    interval : the scale of the pointwise interval: "log-log", "log" (R's default), "plain", "logit", "arcsine".
    Raises InputError for times or events that cannot be. O(n log n).
    Source: Kaplan & Meier 1958, doi:10.1080/01621459.1958.10501452; Kalbfleisch & Prentice 2002, ch. 1 (scales).

    >>> curve = kaplan_meier([1, 2, 2, 3, 5, 8], [1, 1, 0, 1, 0, 1]).curves[0]
    >>> curve.survival.round(3).tolist(), curve.median[0]
    ([0.833, 0.667, 0.444, 0.444, 0.0], 3.0)
    """
    t, d = _times(time), _events(event)
    if len(t) != len(d):
        raise InputError(f"{len(t)} times, {len(d)} events", where="event", hint="one event a time")
    if interval not in INTERVALS:
        raise InputError(f"no interval is named {interval!r}", where="interval", hint=", ".join(INTERVALS))
    if not 0 < level < 1:
        raise InputError(f"level is {level!r}", where="level", hint="a fraction: 0.95")
    if group is None:
        return KaplanMeier(curves=(_curve("all", t, d, level, interval),))
    if isinstance(group, str) or len(group) != len(t):
        raise InputError(f"{len(group)} groups, {len(t)} times", where="group", hint="one label a time")
    labels = [str(label) for label in group]
    rank = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    member = np.array([rank[label] for label in labels])
    curves = tuple(
        _curve(label, t[member == i], d[member == i], level, interval) for label, i in rank.items()
    )
    return KaplanMeier(curves=curves)


def _times(time: ArrayLike) -> Floats:
    try:
        t = np.array(time, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("holds something that is not a number", where="time") from error
    if t.ndim != 1 or not t.size:
        raise InputError(
            f"has shape {t.shape}", where="time", hint="one follow-up time a patient, at least one"
        )
    good = np.isfinite(t) & (t >= 0)
    if not good.all():
        row = int(np.argmin(good))
        raise InputError(f"time[{row}] is {t[row]:g}", where="time", hint="finite, 0 or later")
    return t


def _events(event: ArrayLike) -> Floats:
    try:
        d = np.array(event, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("holds something that is not 0 or 1", where="event") from error
    if d.ndim != 1:
        raise InputError(f"has shape {d.shape}", where="event", hint="one value a patient")
    good = (d == 0) | (d == 1)
    if not good.all():
        row = int(np.argmin(good))
        raise InputError(f"event[{row}] is {d[row]:g}", where="event", hint="1 event, 0 censored")
    return d


def _curve(label: str, t: Floats, d: Floats, level: float, interval: str) -> SurvivalCurve:
    from scipy.special import ndtri

    times, place = np.unique(t, return_inverse=True)
    left = np.bincount(place, minlength=len(times)).astype(float)
    events = np.bincount(place, weights=d, minlength=len(times))
    at_risk = np.cumsum(left[::-1])[::-1]
    survival = np.cumprod((at_risk - events) / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        hazard_se = np.sqrt(np.cumsum(events / (at_risk * (at_risk - events))))
        se = survival * hazard_se
        low, high = INTERVALS[interval](survival, hazard_se, float(ndtri((1 + level) / 2)))
    return SurvivalCurve(
        label=label,
        n=len(t),
        time=frozen(times),
        n_risk=frozen(at_risk),
        n_event=frozen(events),
        n_censored=frozen(left - events),
        survival=frozen(survival),
        se=frozen(se),
        ci_low=frozen(low),
        ci_high=frozen(high),
        level=level,
        interval=interval,
    )


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
