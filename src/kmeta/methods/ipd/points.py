"""Points read off a published curve -> a checked, falling curve with what can be told of its resolution."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.methods.survival.sample import column, refuse_rows

Scale = Literal["auto", "fraction", "percent"]
Direction = Literal["auto", "survival", "incidence"]

TYPICAL_COLUMNS = 540  # pixel columns of a printed curve when the points do not tell
TYPICAL_NOISE = 0.0025  # of a survival read by eye or pixel, when the points do not tell
LEAST_NOISE = 0.0002
MOST_NOISE = 0.02
SLACK = 0.05  # how far outside 0 to 1 a reading may lie and still be a slip of the pen
OUTLIER = 0.04  # least distance from its neighbours at which a single point is left out
MOST_POINTS = 20_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Points:
    """A falling curve: arrays of one length, the first point (0, 1), the last the end of follow-up.

    `survival` never rises; `read` is what was read at the same times; `noise` the sd of a reading; `column` the
    width in time below which events cannot be told apart.
    """

    time: Floats
    survival: Floats
    read: Floats
    noise: float
    column: float
    notes: tuple[str, ...]

    @property
    def end(self) -> float:
        """The last time."""
        return float(self.time[-1])


def read_points(
    time: ArrayLike, survival: ArrayLike, *, scale: Scale = "auto", direction: Direction = "auto"
) -> Points:
    """Check, orient, sort and smooth the points; InputError naming the rows that cannot be."""
    t = column(time, "time", "finite, 0 or later", np.isfinite)
    s = column(survival, "survival", "a finite number", np.isfinite)
    if len(t) != len(s):
        raise InputError(f"{len(s)} values, {len(t)} times", where="survival", hint="one survival a time")
    if not 1 <= len(t) <= MOST_POINTS:
        raise InputError(f"{len(t)} points", where="time", hint=f"1 to {MOST_POINTS} points of a curve")
    notes: list[str] = []
    t = _times(t, notes)
    s = _fractions(t, s, scale, direction, notes)
    order = np.lexsort((-s, t))
    t, s = t[order], s[order]
    keep = _inliers(s)
    if not keep.all():
        notes.append(f"{int((~keep).sum())} point(s) far off their neighbours were left out")
        t, s = t[keep], s[keep]
    quantum = _quantum(s)
    noise = quantum / math.sqrt(12) if quantum else _noise(s)
    rises = int((np.diff(s) > max(3 * noise, 0.005)).sum())
    if rises:
        notes.append(f"the points rise {rises} time(s); a falling curve was fitted through them")
    grid = _quantum(t[t > 0] / t[-1]) * t[-1] if t[-1] > 0 else 0.0
    fitted = falling(s)
    return _with_start(t, fitted, s, float(np.clip(noise, LEAST_NOISE, MOST_NOISE)), grid, notes)


def longer(points: Points, end: float) -> Points:
    """The curve drawn on, flat, to a later end."""
    return replace(
        points,
        time=np.append(points.time, end),
        survival=np.append(points.survival, points.survival[-1]),
        read=np.append(points.read, points.survival[-1]),
    )


def _times(t: Floats, notes: list[str]) -> Floats:
    largest = float(t.max())
    refuse_rows(t >= -0.02 * max(largest, 0.0) - 1e-12, t, "time", "0 or later")
    if (t < 0).any():
        notes.append(f"{int((t < 0).sum())} time(s) just below 0 were taken as 0")
    if largest <= 0:
        raise InputError(
            "no time is above 0", where="time", hint="give the end of follow-up as the last point"
        )
    return np.maximum(t, 0.0)


def _fractions(t: Floats, s: Floats, scale: Scale, direction: Direction, notes: list[str]) -> Floats:
    if scale not in ("auto", "fraction", "percent"):
        raise InputError(f"no scale is named {scale!r}", where="scale", hint="auto, fraction, percent")
    if direction not in ("auto", "survival", "incidence"):
        raise InputError(
            f"no direction is named {direction!r}", where="direction", hint="auto, survival, incidence"
        )
    if scale == "percent" or (scale == "auto" and s.max() > 1.5):
        s = s / 100
        if scale == "auto":
            notes.append("the survival was read as percent")
    refuse_rows((s >= -SLACK) & (s <= 1 + SLACK), s, "survival", "0 to 1, or 0 to 100 with scale='percent'")
    if direction == "incidence" or (direction == "auto" and _rises(t, s)):
        s = 1 - s
        if direction == "auto":
            notes.append("the curve rises from 0: it was read as 1 - survival")
    if (s > 1).any() or (s < 0).any():
        notes.append(f"{int(((s > 1) | (s < 0)).sum())} survival(s) outside 0 to 1 were moved to the limit")
    return np.clip(s, 0.0, 1.0)


def _rises(t: Floats, s: Floats) -> bool:
    """Whether the values start low and go up: a cumulative incidence, not a survival."""
    order = np.argsort(t, kind="stable")
    third = max(1, len(s) // 3)
    first, last = float(s[order[:third]].mean()), float(s[order[-third:]].mean())
    return float(s[order[0]]) < 0.5 and last >= first and not (len(s) == 1 and first > 0.25)


def _inliers(s: Floats) -> np.ndarray:
    """False for a single point far from the running median of five; a falling run is its own median."""
    if len(s) < 7:
        return np.ones(len(s), dtype=bool)
    padded = np.concatenate([s[:1], s[:1], s, s[-1:], s[-1:]])
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
    off = np.abs(s - middle)
    good: np.ndarray = off <= max(OUTLIER, 8 * 1.4826 * float(np.median(off)))
    return good


def falling(s: Floats) -> Floats:
    """The nearest falling sequence (least squares)."""
    if (np.diff(s) <= 0).all():
        return s.copy()
    from scipy.optimize import isotonic_regression

    return np.asarray(isotonic_regression(s, increasing=False).x, dtype=np.float64)


def _quantum(values: Floats) -> float:
    """The largest step of which all values are multiples; 0 when they lie on no grid that can be told."""
    distinct = np.unique(np.round(values, 9))
    gaps = np.diff(distinct)
    gaps = gaps[gaps > 1e-6]
    if len(gaps) < 8:
        return 0.0
    least = float(gaps.min())
    for divisor in (1, 2, 3):
        step = least / divisor
        if step < 1e-4:
            return 0.0
        for _ in range(3):  # the least gap is rounded too: sharpen it on all gaps
            whole = np.maximum(np.round(gaps / step), 1)
            step = float((gaps @ whole) / (whole @ whole))
        off = np.abs(gaps / step - np.round(gaps / step))
        if np.quantile(off, 0.95) < 0.12:
            return step
    return 0.0


def _noise(s: Floats) -> float:
    """Sd of a reading, from the negative autocovariance that noise puts into successive drops."""
    drops = -np.diff(s)
    if len(drops) < 12:
        return TYPICAL_NOISE
    limit = 3 * float(np.median(np.abs(drops))) + 1e-9
    centred = np.clip(drops, -limit, limit)
    centred = centred - centred.mean()
    covariance = float(np.mean(centred[1:] * centred[:-1]))
    own = math.sqrt(max(-covariance, 0.0))
    weight = len(drops) / (len(drops) + 30)
    return weight * own + (1 - weight) * TYPICAL_NOISE


def _with_start(t: Floats, s: Floats, read: Floats, noise: float, grid: float, notes: list[str]) -> Points:
    """One point a time (the lowest), preceded by (0, 1)."""
    last = np.append(np.diff(t) > 0, True)
    t, s, read = t[last], s[last].copy(), read[last].copy()
    if t[0] > 0 or s[0] < 1 - 0.02 - 3 * noise:
        t, s, read = (np.concatenate([[first], a]) for first, a in ((0.0, t), (1.0, s), (1.0, read)))
    s[0] = read[0] = 1.0
    width = grid if grid > 0 else float(t[-1]) / TYPICAL_COLUMNS
    return Points(time=t, survival=s, read=read, noise=noise, column=width, notes=tuple(notes))
