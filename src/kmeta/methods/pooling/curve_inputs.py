"""Published or reconstructed curves of several studies -> their survival and precision on one grid of times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.methods.meta.inputs import numbers
from kmeta.methods.survival.curve import SurvivalCurve
from kmeta.methods.survival.kaplan_meier import KaplanMeier
from kmeta.methods.survival.sample import refuse_rows

COLUMNS = ("study", "time", "survival", "n_risk")
# Intervals of a grid that has to be made: more of them leave small studies without an event in most, and the arcsine
# of their survival biased (8 studies of 15 patients: S 0.03 too low with 24, 0.01 with 12, in a simulation)
GRID = 12
MOST_REPORTED = (
    60  # reported times are the grid while they are no more than this and every study reports them
)
ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyCurve:
    """One study as pieces between its times: `survival` at each, and the Greenwood sum (variance of -ln S) up to it.

    `n_risk` of a piece is the number at risk in the interval that ends at the time. `steps`: the survival changes at
    the times alone (Kaplan-Meier); else it is read between them with a constant hazard.
    """

    label: str
    time: Floats
    survival: Floats
    greenwood: Floats
    n_risk: Floats
    end: float
    steps: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class GriddedCurves:
    """K studies on p times, arrays (K, p), NaN after a study's end: survival, and the number at risk in the interval
    that ends at the time, such that Greenwood's formula gives the study's own precision.
    """

    labels: tuple[str, ...]
    time: Floats
    survival: Floats
    n_risk: Floats
    dropped: tuple[str, ...]


def study_curves(curves: Any, n_risk_at: str | None) -> tuple[StudyCurve, ...]:
    """The studies in order of first appearance; see `pooled_curve` for what may be given."""
    if isinstance(curves, (StudyCurve, SurvivalCurve)):
        curves = [curves]
    if isinstance(curves, KaplanMeier):
        curves = curves.curves
    if (
        isinstance(curves, Mapping)
        and curves
        and all(isinstance(c, (SurvivalCurve, KaplanMeier)) for c in curves.values())
    ):
        return _unique([_of_kaplan_meier(_single(c, label), str(label)) for label, c in curves.items()])
    if hasattr(curves, "columns") and not isinstance(curves, Mapping):  # a data frame
        curves = {str(name): list(curves[name]) for name in curves.columns}
    if isinstance(curves, Mapping):
        return _of_rows(curves, n_risk_at)
    items = _listed(curves)
    if all(isinstance(item, StudyCurve) for item in items):
        return tuple(items)
    if all(isinstance(item, SurvivalCurve) for item in items):
        return _unique([_of_kaplan_meier(item, item.label) for item in items])
    return _of_rows(_columns(items), n_risk_at)


def _single(curve: SurvivalCurve | KaplanMeier, label: object) -> SurvivalCurve:
    if isinstance(curve, SurvivalCurve):
        return curve
    if len(curve.curves) != 1:
        groups = ", ".join(one.label for one in curve.curves)
        raise InputError(f"study {label!r} has the groups {groups}", where="curves", hint="one curve a study")
    return curve.curves[0]


def _listed(curves: Any) -> list[Any]:
    if isinstance(curves, str) or not isinstance(curves, Iterable):
        raise InputError(f"is {type(curves).__name__}", where="curves", hint="rows of " + ", ".join(COLUMNS))
    items = list(curves)
    if not items:
        raise InputError("holds nothing", where="curves", hint="at least one study")
    return items


def _columns(items: list[Any]) -> dict[str, list[Any]]:
    """Rows (dicts, or tuples in the order of COLUMNS) as columns."""
    found: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for row, item in enumerate(items):
        if isinstance(item, Mapping):
            missing = [name for name in COLUMNS if name not in item]
            if missing:
                raise InputError(f"row {row} has no {', '.join(missing)}", where="curves")
            values = [item[name] for name in COLUMNS]
        elif isinstance(item, Sequence) and not isinstance(item, str) and len(item) == len(COLUMNS):
            values = list(item)
        else:
            raise InputError(
                f"row {row} is not a curve and has not the columns",
                where="curves",
                hint="curves of kaplan_meier, or rows of " + ", ".join(COLUMNS),
            )
        for name, value in zip(COLUMNS, values, strict=True):
            found[name].append(value)
    return found


def _unique(curves: list[StudyCurve]) -> tuple[StudyCurve, ...]:
    labels = [curve.label for curve in curves]
    for label in labels:
        if labels.count(label) > 1:
            hint = "name the studies: a mapping of study to curve"
            raise InputError(f"two curves are called {label!r}", where="curves", hint=hint)
    return tuple(curves)


def _of_kaplan_meier(curve: SurvivalCurve, label: str) -> StudyCurve:
    """The steps of an estimated curve; its end is the last time with a patient at risk."""
    d, r = curve.n_event, curve.n_risk
    with np.errstate(divide="ignore"):
        sums = np.cumsum(d / (r * (r - d)))
    last = float(curve.time[-1])
    if not last > 0:
        raise InputError(f"{label!r} has no follow-up after time 0", where="curves")
    return StudyCurve(
        label=label,
        time=curve.time,
        survival=curve.survival,
        greenwood=frozen(sums),
        n_risk=curve.n_risk,
        end=last,
        steps=True,
    )


def _of_rows(columns: Mapping[str, Any], n_risk_at: str | None) -> tuple[StudyCurve, ...]:
    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise InputError(f"has no {', '.join(missing)}", where="curves", hint="columns " + ", ".join(COLUMNS))
    time, survival, n_risk = (numbers(columns[name], name) for name in COLUMNS[1:])
    studies = [str(value) for value in columns["study"]]
    if len({len(studies), len(time), len(survival), len(n_risk)}) > 1:
        raise InputError("columns differ in length", where="curves", hint="one row a study and time")
    refuse_rows(time >= 0, time, "time", "0 or later")
    hint = "a fraction from 0 to 1; divide percent by 100"
    refuse_rows((survival >= 0) & (survival <= 1), survival, "survival", hint)
    refuse_rows(n_risk >= 0, n_risk, "n_risk", "0 or more patients")
    member = np.array(studies, dtype=object)
    found = []
    for label in dict.fromkeys(studies):
        rows = np.flatnonzero(member == label)
        rows = rows[np.argsort(time[rows], kind="stable")]
        found.append(_of_study(label, rows, time[rows], survival[rows], n_risk[rows], n_risk_at))
    return tuple(found)


def _of_study(
    label: str, rows: np.ndarray[Any, Any], time: Floats, survival: Floats, n: Floats, n_risk_at: str | None
) -> StudyCurve:
    """One study's rows in order of time, checked against each other."""

    def refuse(bad: np.ndarray[Any, Any], words: str, hint: str) -> None:
        if bad.any():
            i = int(np.argmax(bad)) + 1
            where = f"study {label!r}, row {rows[i]}, time {time[i]:g}"
            raise InputError(words.format(now=i, before=i - 1), where=where, hint=hint)

    refuse(np.diff(time) == 0, "a second row at this time", "one row a study and time")
    refuse(
        np.diff(survival) > ROUNDING, "survival rises", "a cumulative incidence? give 1 - it; else look again"
    )
    refuse(np.diff(n) > ROUNDING * n[:-1], "the number at risk rises", "nobody comes back; look again")
    at_zero = bool(time[0] == 0)
    when = n_risk_at or ("time" if at_zero else "interval")
    if at_zero and survival[0] < 1 - ROUNDING:
        raise InputError(
            f"survival is {survival[0]:g} at time 0", where=f"study {label!r}", hint="1 at time 0"
        )
    if when == "time":
        if not at_zero:
            hint = "a row at time 0 with survival 1 and the number at the start"
            raise InputError("has no number at risk at time 0", where=f"study {label!r}", hint=hint)
        at_risk = _in_intervals(survival, n)
    else:
        at_risk = n[1:] if at_zero else n
    if at_zero:
        time, survival, rows = time[1:], survival[1:], rows[1:]
    if not len(time):
        raise InputError("has no row after time 0", where=f"study {label!r}", hint="at least one")
    before = np.concatenate([[1.0], survival[:-1]])
    used = before > 0  # after a survival of 0 nobody is left
    empty = used & ~(at_risk > 0)
    if empty.any():
        i = int(np.argmax(empty))
        where = f"study {label!r}, row {rows[i]}, time {time[i]:g}"
        raise InputError("nobody at risk", where=where, hint="leave out rows after the end of follow-up")
    time, survival, at_risk, before = time[used], survival[used], at_risk[used], before[used]
    with np.errstate(divide="ignore"):
        greenwood = np.cumsum((before / survival - 1) / at_risk)
    return StudyCurve(
        label=label,
        time=frozen(time),
        survival=frozen(survival),
        greenwood=frozen(greenwood),
        n_risk=frozen(at_risk),
        end=float(time[-1]),
        steps=False,
    )


def _in_intervals(survival: Floats, n: Floats) -> Floats:
    """From numbers at risk at times: those in each interval, half of its censored left out.

    Source: Williamson et al. 2002, doi:10.1002/sim.1303 (censoring evenly spread over an interval).
    """
    start, end = n[:-1], n[1:]
    q = np.divide(survival[1:], survival[:-1], out=np.zeros(len(start)), where=survival[:-1] > 0)
    censored = np.clip(2 * (start * q - end) / (1 + q), 0, None)
    return np.asarray(start - censored / 2, dtype=np.float64)


def grid_of(curves: Sequence[StudyCurve], times: ArrayLike | None) -> Floats:
    """The common times: given, or those reported, or equally spaced ones where curves have too many of their own."""
    if times is not None:
        given = numbers(times, "times")
        refuse_rows(given > 0, given, "times", "after 0")
        if (np.diff(given) <= 0).any():
            row = int(np.argmax(np.diff(given) <= 0)) + 1
            raise InputError(
                f"times[{row}] is {given[row]:g}", where="times", hint="in rising order, once each"
            )
        return given
    if not any(curve.steps for curve in curves):
        reported = np.unique(np.concatenate([curve.time for curve in curves]))
        whole = all(np.array_equal(c.time, reported[reported <= c.end]) for c in curves)
        if len(reported) <= (MOST_REPORTED if whole else GRID):
            return frozen(reported)
    ends = np.sort([curve.end for curve in curves])[::-1]
    last = float(ends[min(len(ends), 3) - 1])
    return frozen(last * np.arange(1, GRID + 1) / GRID)


def on_grid(curves: Sequence[StudyCurve], time: Floats) -> GriddedCurves:
    """Every study at every time of the grid within its follow-up; a study that ends before the first is dropped."""
    kept = [curve for curve in curves if curve.end >= time[0] * (1 - ROUNDING)]
    if not kept:
        raise InputError(f"no study is followed to {time[0]:g}", where="times", hint="an earlier first time")
    values = [_study_on_grid(curve, time) for curve in kept]
    survival, n_risk = (np.array(part) for part in zip(*values, strict=True))
    used = np.isfinite(survival).any(axis=0)
    return GriddedCurves(
        labels=tuple(curve.label for curve in kept),
        time=frozen(time[used]),
        survival=frozen(survival[:, used]),
        n_risk=frozen(n_risk[:, used]),
        dropped=tuple(curve.label for curve in curves if curve not in kept),
    )


def _study_on_grid(curve: StudyCurve, grid: Floats) -> tuple[Floats, Floats]:
    """(survival, number at risk in the interval) of one study at the grid's times; NaN after its end."""
    survival, n_risk = np.full(len(grid), np.nan), np.full(len(grid), np.nan)
    followed = grid <= curve.end * (1 + ROUNDING)
    inside = grid[followed]
    if len(inside) == len(curve.time) and np.array_equal(inside, curve.time):
        survival[followed], n_risk[followed] = curve.survival, curve.n_risk
        return survival, n_risk
    s, g, first = _steps_at(curve, inside) if curve.steps else _hazards_at(curve, inside)
    s0, g0 = np.concatenate([[1.0], s[:-1]]), np.concatenate([[0.0], g[:-1]])
    alive = s0 > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        implied = (s0 / s - 1) / (g - g0)
    n = np.where(np.isfinite(implied) & (s < s0 * (1 - ROUNDING)), implied, first)
    keep = np.flatnonzero(followed)[alive & (n > 0)]
    survival[keep], n_risk[keep] = s[alive & (n > 0)], n[alive & (n > 0)]
    return survival, n_risk


def _steps_at(curve: StudyCurve, grid: Floats) -> tuple[Floats, Floats, Floats]:
    """(S, Greenwood sum, number at risk at the start of each interval) of a step curve."""
    at = np.searchsorted(curve.time, grid * (1 + ROUNDING), side="right") - 1
    s = np.where(at < 0, 1.0, curve.survival[at])
    g = np.where(at < 0, 0.0, curve.greenwood[at])
    starts = np.concatenate([[0.0], grid[:-1]])
    after = np.searchsorted(curve.time, starts * (1 + ROUNDING), side="right")
    first = curve.n_risk[np.minimum(after, len(curve.time) - 1)]
    return s, g, first


def _hazards_at(curve: StudyCurve, grid: Floats) -> tuple[Floats, Floats, Floats]:
    """The same where the hazard is constant between the reported times (linear where the survival ends at 0)."""
    t = np.concatenate([[0.0], curve.time])
    s = np.concatenate([[1.0], curve.survival])
    g = np.concatenate([[0.0], curve.greenwood])

    def survival_at(when: Floats) -> tuple[Floats, np.ndarray[Any, Any]]:
        piece = np.clip(np.searchsorted(t, when, side="left"), 1, len(t) - 1)
        share = np.clip((when - t[piece - 1]) / (t[piece] - t[piece - 1]), 0.0, 1.0)
        high, low = s[piece - 1], s[piece]
        inner = high * np.where(low > 0, low / high, 1.0) ** share
        return np.where(low > 0, inner, high * (1 - share)), piece

    value, piece = survival_at(grid)
    with np.errstate(divide="ignore"):
        sums = g[piece - 1] + (s[piece - 1] / value - 1) / curve.n_risk[piece - 1]
    starts = np.concatenate([[0.0], grid[:-1]])
    before, _ = survival_at(starts)
    following = np.clip(np.searchsorted(t, starts, side="right"), 1, len(t) - 1)
    first = curve.n_risk[following - 1] * before / s[following - 1]
    return value, sums, np.asarray(first, dtype=np.float64)
