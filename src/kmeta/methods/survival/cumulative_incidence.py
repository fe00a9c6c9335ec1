"""Cumulative incidence with competing risks: the Aalen-Johansen estimator of each cause."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.methods.survival.causes import CausesSample, causes_sample
from kmeta.methods.survival.curve import checked_times, number_at_risk
from kmeta.methods.survival.intervals import INTERVALS
from kmeta.methods.survival.kaplan_meier import Interval, checked_level
from kmeta.methods.survival.r_code import Column, data_frame
from kmeta.methods.survival.risk_sets import RiskSets, risk_sets
from kmeta.methods.survival.sample import groups_of

ROUNDING = 1e-12  # a sum of increments this near to 1 is 1


@dataclass(frozen=True, kw_only=True, eq=False)
class IncidenceCurve(Result):
    """Cumulative incidence of one cause in one group, at each of the group's distinct times; arrays of one length.

    `n_risk` counts time >= t, `n_event` events of this cause. `survival` is that from all causes. Limits are NaN
    where the scale of the interval gives none.
    """

    label: str
    cause: str
    n: int
    time: Floats
    n_risk: Floats
    n_event: Floats
    incidence: Floats
    se: Floats
    ci_low: Floats
    ci_high: Floats
    survival: Floats
    level: float
    interval: str
    data: CausesSample

    @property
    def events(self) -> int:
        """Number of events of this cause."""
        return int(self.n_event.sum())

    def at(self, times: ArrayLike) -> list[dict[str, float]]:
        """Incidence with its se and interval, and the number at risk (time >= t), at each of `times`.

        After the last time of a group in which somebody is still free of events then, it is not known: NaN.
        """
        rows = []
        for t in checked_times(times).tolist():
            i = int(np.searchsorted(self.time, t, side="right")) - 1
            known = t <= self.time[-1] or self.survival[-1] == 0
            columns = (self.incidence, self.se, self.ci_low, self.ci_high)
            found = (0.0,) * 4 if i < 0 else tuple(float(a[i]) for a in columns)
            value, se, low, high = found if known else (math.nan,) * 4
            row = {"time": t, "incidence": value, "se": se, "ci_low": low, "ci_high": high}
            rows.append(row | {"n_risk": number_at_risk(self.data.sample, t)})
        return rows

    def rows(self) -> list[dict[str, Any]]:
        """One row a distinct time."""
        names = ("time", "n_risk", "n_event", "incidence", "se", "ci_low", "ci_high")
        columns = [getattr(self, name).tolist() for name in names]
        start = {"group": self.label, "cause": self.cause}
        return [start | dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


@dataclass(frozen=True, kw_only=True, eq=False)
class CumulativeIncidence(Result):
    """One curve a group and cause: groups in order of first appearance, causes sorted."""

    curves: tuple[IncidenceCurve, ...]

    def curve(self, cause: object, group: object = None) -> IncidenceCurve:
        """The curve of a cause, in a group (None: the only one); InputError when there is none."""
        found = [
            c
            for c in self.curves
            if c.cause == str(cause) and str(group if group is not None else c.label) == c.label
        ]
        if len(found) != 1:
            known = ", ".join(f"{c.label} {c.cause}" for c in self.curves)
            raise InputError(f"no one curve of {cause!s} in {group!s}", where="cause", hint=known)
        return found[0]

    def rows(self) -> list[dict[str, Any]]:
        """One row a group and cause: patients, events, incidence at the end of follow-up with its interval."""
        rows = []
        for c in self.curves:
            row = {
                "group": c.label,
                "cause": c.cause,
                "n": c.n,
                "events": c.events,
                "time": float(c.time[-1]),
            }
            ends = ("incidence", "se", "ci_low", "ci_high")
            rows.append(row | {name: float(getattr(c, name)[-1]) for name in ends})
        return rows

    def table(self, times: ArrayLike) -> list[dict[str, Any]]:
        """One row a group, cause and time."""
        return [{"group": c.label, "cause": c.cause, **row} for c in self.curves for row in c.at(times)]

    def r_script(self) -> str:
        """R code that repeats the curves with the package cmprsk, the patients inline."""
        parts = {c.label: c.data for c in self.curves}
        labels = [label for label, part in parts.items() for _ in part.code.tolist()]
        lines = incidence_data(list(parts.values()), {"group": labels})
        lines.append("fit <- cuminc(dat$time, dat$cause, dat$group)")
        lines += ["print(fit)", "timepoints(fit, quantile(dat$time, c(.25, .5, .75)))"]
        return "\n".join(lines + [f"# kmeta: {row}" for row in self.rows()]) + "\n"


def incidence_data(parts: list[CausesSample], extra: Mapping[str, Column] | None = None) -> list[str]:
    """R lines: cmprsk, and the patients as `dat` with time, cause (0 censored) and the `extra` columns."""
    columns: dict[str, Column] = {
        "time": np.concatenate([part.time for part in parts]),
        "cause": np.concatenate([part.code for part in parts]),
    }
    named = ", ".join(f"{i + 1} {cause!a}" for i, cause in enumerate(parts[0].causes))
    return ["library(cmprsk)", "", f"# causes: {named}", *data_frame({**columns, **(extra or {})}), ""]


def cumulative_incidence(
    time: ArrayLike,
    event: ArrayLike | Sequence[object],
    *,
    group: Sequence[object] | np.ndarray | None = None,
    cause: object = None,
    censored: object = None,
    level: float = 0.95,
    interval: Interval = "log-log",
) -> CumulativeIncidence:
    """Probability of each cause by each time, where another cause may come first.

    time : follow-up, 0 or later, shape (n,). event : 0 censored, 1.. the causes; or a label each. group : a label each.
    cause : the one wanted; None: all. censored : the label that means censored where it is not 0 or "censored".
    interval : the scale of the pointwise interval. 1 - Kaplan-Meier, with the other causes censored, would be too high.
    Raises InputError, naming rows, for data that cannot be. O(n log n).
    Sources: Aalen & Johansen 1978; Gray 1988, doi:10.1214/aos/1176350951 (the variance, as in the package cmprsk).

    >>> fit = cumulative_incidence([1, 2, 3, 4, 5, 6], [1, 2, 0, 1, 2, 0])
    >>> [(c.cause, round(c.at([4])[0]["incidence"], 3)) for c in fit.curves]
    [('1', 0.389), ('2', 0.167)]
    """
    data = causes_sample(time, event, censored)
    if interval not in INTERVALS:
        raise InputError(f"no interval is named {interval!r}", where="interval", hint=", ".join(INTERVALS))
    checked_level(level)
    codes = range(1, len(data.causes) + 1) if cause is None else [data.number(cause)]
    labels, member = groups_of(group, len(data.code))
    parts = [data] if len(labels) == 1 else [data.part(member == i) for i in range(len(labels))]
    found = [(label, part, risk_sets(part.sample)) for label, part in zip(labels, parts, strict=True)]
    curves = [_curve(*each, code, level, interval) for code in codes for each in found]
    return CumulativeIncidence(curves=tuple(curves))


def _curve(
    label: str, data: CausesSample, sets: RiskSets, code: int, level: float, interval: str
) -> IncidenceCurve:
    from scipy.special import ndtri

    at_risk, d = sets.at_risk[:, 0], sets.events[:, 0]
    mine = sets.counted((data.code == code).astype(float))[:, 0]
    survival = np.cumprod((at_risk - d) / at_risk).astype(np.float64)
    before = np.append(1.0, survival[:-1])
    incidence = np.cumsum(before * mine / at_risk)
    incidence = np.where(incidence > 1 - ROUNDING, 1.0, incidence)
    se = np.sqrt(np.maximum(_variance(at_risk, mine, d - mine, before, survival, incidence), 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(incidence > 0, se / incidence, 0.0)
        low, high = INTERVALS[interval](incidence, relative, float(ndtri((1 + level) / 2)))
    # no scale has an interval at 1; before the first event both limits are 0
    low, high = (np.where(incidence == 1, np.nan, limit) for limit in (low, high))
    none = incidence == 0
    return IncidenceCurve(
        label=label,
        cause=data.causes[code - 1],
        n=len(data.code),
        time=frozen(sets.time),
        n_risk=frozen(at_risk),
        n_event=frozen(mine),
        incidence=frozen(incidence),
        se=frozen(se),
        ci_low=frozen(np.where(none, 0.0, low)),
        ci_high=frozen(np.where(none, 0.0, high)),
        survival=frozen(survival),
        level=level,
        interval=interval,
        data=data,
    )


def _variance(
    at_risk: Floats, mine: Floats, others: Floats, before: Floats, after: Floats, incidence: Floats
) -> Floats:
    """Gray's variance of the incidence: the delta method, each cause's increments with their hypergeometric variance.

    An event at u of this cause moves F(t) by 1 - (F(t) - F(u)) / S(u), one of another cause by -(F(t) - F(u)) / S(u):
    quadratic in F(t), so that three running sums give it at every t. It moves on at events of this cause only.
    """

    def spread(count: Floats) -> Floats:
        ties = np.where(count > 1, 1 - (count - 1) / np.maximum(at_risk - 1, 1), 1.0)
        found: Floats = before**2 * ties * count / at_risk**2
        return found

    inverse = np.divide(1.0, after, out=np.zeros_like(after), where=after > 0)
    own, other = spread(mine), spread(others) * (after > 0)
    by_own, by_other = 1 + inverse * incidence, inverse * incidence
    v1 = np.cumsum(by_own**2 * own + by_other**2 * other)
    v2 = np.cumsum(inverse * (by_own * own + by_other * other))
    v3 = np.cumsum(inverse**2 * (own + other))
    whole = v1 + incidence**2 * v3 - 2 * incidence * v2
    last = np.maximum.accumulate(np.where(mine > 0, np.arange(len(mine)), -1))
    return np.where(last >= 0, whole[last], 0.0)
