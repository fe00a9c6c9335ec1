"""Individual data from the points of a published curve and what is printed beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import frozen
from kmeta.core.errors import InputError
from kmeta.methods.ipd import drops
from kmeta.methods.ipd.facts import Contradiction, Facts, other_unit, read_facts
from kmeta.methods.ipd.points import Direction, Points, Scale, longer, read_points
from kmeta.methods.ipd.result import Draw, ReconstructedIPD, curve_of
from kmeta.methods.ipd.solve import Prepared, Problem, Solution, prepare, solve

Interpolation = Literal["auto", "steps", "smooth"]
MOST_DRAWS = 10_000
ANCHOR = 400  # weight of a printed survival or median among points of a sample


def reconstruct_ipd(
    time: ArrayLike,
    survival: ArrayLike,
    *,
    n_risk_time: ArrayLike | None = None,
    n_risk: ArrayLike | None = None,
    n: int | None = None,
    events: int | None = None,
    median: float | None = None,
    survival_at: Mapping[float, float] | None = None,
    time_unit: str = "",
    scale: Scale = "auto",
    direction: Direction = "auto",
    interpolation: Interpolation = "auto",
    ensemble: int = 0,
    seed: int = 0,
    label: str = "arm",
) -> ReconstructedIPD:
    """Individual data of one arm whose curve was read off a figure.

    time, survival : the points, in any order, shape (k,); the last one is taken as the end of follow-up.
    n_risk_time, n_risk : the numbers at risk below the figure, each counting patients with time >= t. n : patients
    at time 0 (needed when the numbers at risk do not start there). events : all events of the arm.
    median, survival_at : as printed ({12: 0.74}). One unit for all times; `time_unit` is only a name for it.
    scale : "fraction", "percent", or "auto". direction : "survival", "incidence" (1 - S), or "auto".
    interpolation : "steps" when the points are the drops of the curve (a pixel or vector trace), "smooth" when they
    are a sample along it (clicks), "auto" decides by their number.
    ensemble : how many further reconstructions to draw, each with the reading errors, the censoring and the places
    of events between points drawn anew from what is known; `seed` starts them.

    The censoring pattern is estimated from all facts at once: each number at risk gives the share not yet censored
    at its time, the heights and spacing of the drops how many were at risk in between (a drop is S d / n with whole
    d), the events the rest. Then whole patients follow the curve; the numbers at risk come out as given.
    Raises InputError for points or numbers that cannot be. Always ends; O(points + n) for each reconstruction.
    Source: the task as posed by Guyot et al. 2012, doi:10.1186/1471-2288-12-9; this solution is kmeta's own.

    >>> found = reconstruct_ipd([0, 2, 5, 9, 12], [1, 0.9, 0.8, 0.7, 0.7], n_risk_time=[0, 6], n_risk=[10, 7])
    >>> found.n, found.events, [row["n_risk"] for row in found.rows()]
    (10, 3, [10, 7])
    """
    _check_options(interpolation, ensemble, seed)
    points = read_points(time, survival, scale=scale, direction=direction)
    facts = read_facts((points.time, points.survival), n_risk_time, n_risk, n, events, median, survival_at)
    points, warnings = _reach_table(points, facts)
    steps = drops.are_steps(points, facts.n) if interpolation == "auto" else interpolation == "steps"
    points = points if steps else _anchored(points, facts)
    prepared = prepare(Problem(points=points, n=facts.n, table=facts.table, events=facts.events, steps=steps))
    found = solve(prepared)
    return result_of(
        found, prepared, facts, warnings, _draws(prepared, ensemble, seed), seed, label, time_unit
    )


def _check_options(interpolation: str, ensemble: int, seed: int) -> None:
    if interpolation not in ("auto", "steps", "smooth"):
        raise InputError(
            f"no interpolation is named {interpolation!r}", where="interpolation", hint="auto, steps, smooth"
        )
    for name, value, most in (("ensemble", ensemble, MOST_DRAWS), ("seed", seed, 2**63)):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise InputError(f"is {value!r}", where=name, hint=f"a whole number, 0 to {most}")


def _draws(prepared: Prepared, ensemble: int, seed: int) -> tuple[Draw, ...]:
    found = []
    for one in range(ensemble):
        drawn = solve(prepared, np.random.default_rng([seed, one]))
        found.append(Draw(time=frozen(drawn.time), event=frozen(drawn.event)))
    return tuple(found)


def _reach_table(points: Points, facts: Facts) -> tuple[Points, list[str]]:
    """The curve drawn on to the last time at which the table still has patients."""
    warnings = [*points.notes, *facts.warnings]
    table = facts.table
    followed = table.time[table.at_risk > 0]
    if len(followed) and followed[-1] > points.end:
        hint = other_unit(float(followed[-1]), points.end)
        if hint:
            raise InputError(
                f"numbers at risk are given at {followed[-1]:g}, the curve ends at {points.end:g}",
                where="n_risk_time",
                hint=hint,
            )
        warnings.append(
            f"{int(table.at_risk[table.at_risk > 0][-1])} at risk at {followed[-1]:g}, after the last point at "
            f"{points.end:g}: the curve was drawn on, flat"
        )
        points = longer(points, float(followed[-1]))
    elif len(table.time) and other_unit(float(table.time[-1]), points.end):
        warnings.append(
            f"the numbers at risk end at {table.time[-1]:g}, the curve at {points.end:g}: one unit?"
        )
    return points, warnings


def _anchored(points: Points, facts: Facts) -> Points:
    """A sample of points with the printed survivals and the median among them."""
    anchors = [(t, s) for t, s in facts.survival_at if 0 < t <= points.end]
    if facts.median is not None and facts.median <= points.end:
        anchors.append((facts.median, 0.5))
    if not anchors:
        return points
    from scipy.optimize import isotonic_regression

    t = np.concatenate([points.time, [a[0] for a in anchors]])
    s = np.concatenate([points.read, [a[1] for a in anchors]])
    weight = np.concatenate([np.ones(len(points.time)), np.full(len(anchors), float(ANCHOR))])
    weight[0] = float(ANCHOR)
    order = np.lexsort((-s, t))
    t, s, weight = t[order], s[order], weight[order]
    fitted = np.asarray(isotonic_regression(s, weights=weight, increasing=False).x)
    last = np.append(np.diff(t) > 0, True)
    fitted = np.minimum.accumulate(np.clip(fitted[last], 0.0, 1.0))
    fitted[0] = 1.0
    return replace(points, time=t[last], survival=fitted, read=s[last])


def result_of(
    found: Solution,
    prepared: Prepared,
    facts: Facts,
    warnings: list[str],
    draws: tuple[Draw, ...],
    seed: int,
    label: str,
    time_unit: str,
) -> ReconstructedIPD:
    """The solution as a result, held against every fact."""
    problem = prepared.problem
    points = problem.points
    off = np.abs(curve_of(found.time, found.event, points.time) - points.read)
    median = _median(found)
    return ReconstructedIPD(
        label=label,
        time=frozen(found.time),
        event=frozen(found.event),
        n=facts.n,
        events=found.walk.events,
        events_given=facts.events,
        points_read="steps" if problem.steps else "smooth",
        reading_sd=points.noise,
        max_ds=float(off.max()),
        mean_ds=float(off.mean()),
        median=median,
        intervals=tuple(_intervals(found, facts, points.end)),
        used=_used(facts),
        warnings=tuple(warnings),
        contradictions=(*facts.contradictions, *_contradictions(found, facts, points, median)),
        ensemble=draws,
        seed=seed,
        time_unit=time_unit,
    )


def _used(facts: Facts) -> tuple[str, ...]:
    named = {
        "points": True,
        "numbers at risk": len(facts.table.time) > 0,
        "n": True,
        "events": facts.events is not None,
        "median": facts.median is not None,
        "survival at times": bool(facts.survival_at),
    }
    return tuple(name for name, there in named.items() if there)


def _median(found: Solution) -> float:
    survival = curve_of(found.time, found.event, found.time)
    below = np.flatnonzero(survival <= 0.5 + 1e-9)
    return float(found.time[below[0]]) if below.size else math.nan


def _intervals(found: Solution, facts: Facts, end: float) -> list[dict[str, Any]]:
    table = facts.table
    given: list[int | None] = [facts.n, *table.at_risk.tolist()]
    start = np.append(0.0, table.time)
    if not len(table.time):
        start = np.linspace(0.0, end, 5)[:-1]
        given += [None] * 3
    implied = len(found.time) - np.searchsorted(found.time, start, side="left")
    place = np.searchsorted(start, found.time, side="right") - 1
    died = np.bincount(place, weights=found.event, minlength=len(start)).astype(int)
    all_left = np.bincount(place, minlength=len(start))
    return [
        {
            "time": float(start[i]),
            "n_risk_given": given[i],
            "n_risk": int(implied[i]),
            "events": int(died[i]),
            "censored": int(all_left[i] - died[i]),
        }
        for i in range(len(start))
    ]


def _contradictions(found: Solution, facts: Facts, points: Points, median: float) -> list[Contradiction]:
    told = [*_table_against_curve(found, facts, points)]
    if facts.events is not None and found.walk.events != facts.events:
        told.append(
            Contradiction(
                fact="events",
                given=float(facts.events),
                implied=float(found.walk.events),
                message=f"{facts.events} events were given; the curve and the other numbers allow {found.walk.events}",
            )
        )
    slack = max(3 * points.noise, 0.015)
    for t, s in facts.survival_at:
        near = np.array([max(t - 2 * points.column, 0.0), t, t + 2 * points.column])
        values = curve_of(found.time, found.event, near)
        if t <= points.end and not values.min() - slack <= s <= values.max() + slack:
            implied = float(values[1])
            message = f"survival at {t:g} is printed as {s:.3g}; the curve gives {implied:.3g}"
            told.append(Contradiction(fact="survival_at", given=s, implied=implied, message=message))
    if facts.median is not None:
        told += _median_against_curve(found, facts.median, median, slack)
    return told


def _median_against_curve(found: Solution, given: float, median: float, slack: float) -> list[Contradiction]:
    around = curve_of(found.time, found.event, np.array([0.97 * given, 1.03 * given]))
    if around[1] - slack <= 0.5 <= around[0] + slack and given <= found.time[-1] * 1.03:
        return []
    implied = "not reached" if math.isnan(median) else f"{median:.4g}"
    message = f"the median is printed as {given:g}; the curve gives {implied}"
    return [Contradiction(fact="median", given=given, implied=median, message=message)]


def _table_against_curve(found: Solution, facts: Facts, points: Points) -> list[Contradiction]:
    told = []
    slack = max(3 * points.noise, 0.01)
    for t, at_risk in zip(facts.table.time.tolist(), facts.table.at_risk.tolist(), strict=True):
        most = facts.n * (float(np.interp(t - 2 * points.column, points.time, points.survival)) + slack) + 1
        if at_risk > most:
            told.append(
                Contradiction(
                    fact="n_risk",
                    given=float(at_risk),
                    implied=math.floor(most),
                    message=f"{at_risk} at risk at {t:g}; of {facts.n} patients the curve leaves at most {most:.0f}",
                )
            )
    worst = float(np.abs(curve_of(found.time, found.event, points.time) - points.survival).max())
    if not told and worst > max(0.05, 2.5 / facts.n):
        told.append(
            Contradiction(
                fact="curve",
                given=0.0,
                implied=worst,
                message=f"no whole patients with these numbers keep to the curve: they differ by {worst:.3f}",
            )
        )
    return told
