"""Printed medians with intervals, or bounds where one was not reached -> estimates, variances, what is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError

EXPONENTIAL = 1 / math.log(2)  # se of ln(median) times sqrt(n), exponential times without censoring
ASYMMETRIC = 1.5  # one half of an interval this many times the other is told


@dataclass(frozen=True, kw_only=True, eq=False)
class Medians:
    """Medians of one group in k studies on the chosen scale: `value` (k,), NaN where not reached; then `bound` (k,) is
    what the median is above. `se` (k,), NaN where nothing tells it; `basis` says where it is from.
    """

    value: Floats
    se: Floats
    bound: Floats
    basis: tuple[str, ...]
    uneven: tuple[int, ...]


def read_medians(
    median: ArrayLike,
    ci_low: ArrayLike | None,
    ci_high: ArrayLike | None,
    n: ArrayLike | None,
    events: ArrayLike | None,
    follow_up: ArrayLike | None,
    *,
    scale: str,
    se: str,
    level: ArrayLike,
    group: str = "",
) -> Medians:
    """Check the printed columns and bring them to `scale`, "log" or "identity".

    se "scale": the half-width of the interval on that scale; "wald": on the scale of time, by the delta method for
    logs. An upper limit that is not reached leaves the lower half; without an interval 1 / sqrt(events), else
    1.44 / sqrt(n), as under exponential survival.
    """
    from scipy.special import ndtri

    m = _column(median, "median" + group)
    low, high, size, number, reach = (
        np.full(len(m), np.nan) if values is None else _column(values, name + group, len(m))
        for values, name in (
            (ci_low, "ci_low"),
            (ci_high, "ci_high"),
            (n, "n"),
            (events, "events"),
            (follow_up, "follow_up"),
        )
    )
    _ordered(m, low, high, group)
    z = ndtri((1 + _levels(level, len(m))) / 2)
    change = np.log if scale == "log" else np.asarray
    value, errors, basis, uneven = change(m), np.full(len(m), np.nan), [], []
    for i in range(len(m)):
        found, words = _error(m[i], low[i], high[i], size[i], number[i], z[i], scale, se)
        errors[i] = found
        basis.append(words)
        if _is_uneven(m[i], low[i], high[i], scale):
            uneven.append(i)
    known = np.where(np.isnan(reach), low, np.fmax(reach, low))
    bound = np.where(np.isnan(m), change(known), np.nan)
    for i in np.flatnonzero(np.isnan(m) & np.isnan(bound)).tolist():
        raise InputError(
            f"row {i}: the median is missing and nothing bounds it",
            where="median" + group,
            hint="not reached: give follow_up (or the lower limit), the time it is above; else leave the study out",
        )
    for i in np.flatnonzero(~np.isnan(m) & np.isnan(errors)).tolist():
        hint = "an interval, the events or n"
        raise InputError(f"row {i} has nothing to tell its precision", where="median" + group, hint=hint)
    return Medians(value=value, se=errors, bound=bound, basis=tuple(basis), uneven=tuple(uneven))


def _levels(level: ArrayLike, k: int) -> Floats:
    """The confidence level of each interval: one for all, or one a study."""
    found = _column(level, "ci_level", k)
    bad = ~((found > 0) & (found < 1))
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(f"ci_level[{row}] is {found[row]:g}", where="ci_level", hint="a fraction: 0.95")
    return found


def _column(values: ArrayLike, name: str, k: int | None = None) -> Floats:
    """Numbers above 0, None or NaN where there is none."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        hint = "None where a value is missing or not reached"
        raise InputError("holds something that is not a number", where=name, hint=hint) from error
    if array.ndim == 0:
        array = np.full(k or 1, float(array))
    if array.ndim != 1 or not array.size:
        raise InputError(f"has shape {array.shape}", where=name, hint="one number a study, at least one")
    if k is not None and len(array) != k:
        raise InputError(f"{len(array)} values for {k} medians", where=name, hint="one for each")
    bad = ~(np.isnan(array) | ((array > 0) & (array < 1e9)))
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(f"{name}[{row}] is {array[row]:g}", where=name, hint="above 0 and below 1e9")
    return array


def _ordered(m: Floats, low: Floats, high: Floats, group: str) -> None:
    with np.errstate(invalid="ignore"):
        bad = (low > m) | (high < m) | (low >= high)
    if bad.any():
        row = int(np.argmax(bad))
        told = f"row {row}: {low[row]:g} to {high[row]:g} does not hold {m[row]:g}"
        raise InputError(told, where="ci" + group, hint="lower limit, median, upper limit; one unit of time")


def _error(
    m: float, low: float, high: float, n: float, events: float, z: float, scale: str, se: str
) -> tuple[float, str]:
    """(standard error on the scale, what it is from); NaN and "" where nothing tells it."""
    logs = scale == "log" and se == "scale"
    inner = [math.log(x) if logs and x == x else x for x in (low, m, high)]
    per = m if scale == "log" and not logs else 1.0
    if not math.isnan(inner[0] + inner[2]):
        if logs or per == 1.0 or not math.isnan(m):
            return (inner[2] - inner[0]) / (2 * z) / per, "interval"
        return math.nan, ""
    if not math.isnan(inner[0] + inner[1]) and inner[1] > inner[0]:
        return (inner[1] - inner[0]) / z / per, "lower limit"
    if not math.isnan(inner[1] + inner[2]) and inner[2] > inner[1]:
        return (inner[2] - inner[1]) / z / per, "upper limit"
    unit = 1.0 if scale == "log" else m
    if not math.isnan(events):
        return unit / math.sqrt(events), "events, exponential"
    if not math.isnan(n):
        return unit * EXPONENTIAL / math.sqrt(n), "n, exponential, no censoring"
    return math.nan, ""


def _is_uneven(m: float, low: float, high: float, scale: str) -> bool:
    if math.isnan(m + low + high) or not low < m < high:
        return False
    points = [math.log(x) for x in (low, m, high)] if scale == "log" else [low, m, high]
    below, above = points[1] - points[0], points[2] - points[1]
    return max(below, above) > ASYMMETRIC * min(below, above)


def names_of(rows: Sequence[int], labels: Sequence[str]) -> str:
    """The labels of some rows."""
    return ", ".join(labels[i] for i in rows)
