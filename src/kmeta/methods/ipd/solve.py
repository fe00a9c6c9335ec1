"""One arm: points and facts -> individual data; the same with every unknown drawn, for the ensemble."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.ipd import censoring
from kmeta.methods.ipd.atoms import PARTS, Atoms, at_points, between_points
from kmeta.methods.ipd.censoring import Censoring, Posterior
from kmeta.methods.ipd.patients import Table, Walk, individual_data, walk
from kmeta.methods.ipd.points import Points, falling

TRIES = 6
WITHIN_A_STEP = 0.6  # sd of a reading at a drop, in deaths of the first risk set: half a drop, and drops grow


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """One arm: `steps` says that the points are the drops themselves; the table's times are above 0."""

    points: Points
    n: int
    table: Table
    events: int | None
    steps: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """Individual data of one arm and how they came about."""

    time: Floats
    event: Floats
    walk: Walk
    bend: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """What every reconstruction of an arm shares: what the drops say of the risk set."""

    problem: Problem
    said: list[Floats]


def prepare(problem: Problem) -> Prepared:
    """Read the drops once."""
    points, n = problem.points, float(problem.n)
    atoms = at_points(points)
    knots = _knots(problem, points, lambda t: _before(atoms, t))
    said = censoring.drops_say(knots, points, n) if problem.steps else censoring.nothing_said(knots)
    return Prepared(problem=problem, said=said)


def solve(prepared: Prepared, random: np.random.Generator | None = None) -> Solution:
    """The reconstruction; with `random`, one in which all that is not known is drawn."""
    problem = prepared.problem
    points = problem.points if random is None else _read_again(problem, random)
    atoms, found = _paths(prepared, points, random)
    path = found.mean if random is None else found.draw(random)
    return _whole(problem, points, atoms, path)


def _paths(prepared: Prepared, points: Points, random: np.random.Generator | None) -> tuple[Atoms, Posterior]:
    """Places of deaths and paths of censoring; between sparse points each depends on the other, so twice."""
    problem, said = prepared.problem, prepared.said
    n, events = float(problem.n), problem.events
    if problem.steps:
        atoms = at_points(points)
        knots = _knots(problem, points, lambda t: _before(atoms, t))
        return atoms, censoring.posterior(knots, points, n, atoms.at, atoms.mass, events, said)
    clumps = None if random is None else random.gamma(1.0, size=(len(points.time) - 1) * PARTS) + 1e-3

    def straight(t: Floats) -> Floats:
        return np.exp(np.interp(t, points.time, np.log(np.maximum(points.survival, 1e-4))))

    survival: Callable[[Floats], Floats] = straight
    atoms = at_points(points)
    for _ in range(2):
        knots = _knots(problem, points, survival)
        before = censoring.posterior(knots, points, n, atoms.at, atoms.mass, events, said).mean
        atoms = between_points(points, n, _share(atoms, before, knots), clumps)
        survival = _along(atoms)
    knots = _knots(problem, points, survival)
    return atoms, censoring.posterior(knots, points, n, atoms.at, atoms.mass, events, said)


def _share(atoms: Atoms, path: Censoring, knots: censoring.Knots) -> Callable[[Floats], Floats]:
    """G along a path, the known values kept."""
    grid, log_g = _with_knots(np.append(0.0, atoms.at), np.append(0.0, path.log_g), knots)
    return lambda t: np.exp(np.interp(t, grid, log_g))


def _with_knots(grid: Floats, log_g: Floats, knots: censoring.Knots) -> tuple[Floats, Floats]:
    time = np.concatenate([grid, knots.time])
    value = np.concatenate([log_g, knots.log_g])
    order = np.argsort(time, kind="stable")
    return time[order], np.minimum.accumulate(value[order])


def _along(atoms: Atoms) -> Callable[[Floats], Floats]:
    time, survival = np.append(0.0, atoms.time), np.append(1.0, atoms.survival)
    return lambda t: np.interp(t, time, survival)


def _before(atoms: Atoms, time: Floats) -> Floats:
    """S just before each time."""
    return np.append(1.0, atoms.survival)[np.searchsorted(atoms.time, time, side="left")]


def _knots(problem: Problem, points: Points, survival: Callable[[Floats], Floats]) -> censoring.Knots:
    inside = problem.table.time <= points.end
    time = problem.table.time[inside]
    return censoring.knots_of(
        time, problem.table.at_risk[inside].astype(float), float(problem.n), survival(time)
    )


def _whole(problem: Problem, points: Points, atoms: Atoms, path: Censoring) -> Solution:
    """Whole patients; censoring is moved until the given deaths come out."""
    n, events = problem.n, problem.events
    mass = atoms.mass
    bend = 0.0 if events is None else censoring.bend_to_events(path, float(n), mass, events)
    best = walk(n, atoms, path.bent(bend), problem.table, points.end)
    if events is not None:
        aim, kept = float(events), bend
        for _ in range(TRIES):
            if best.events == events:
                break
            aim += 0.7 * (events - found.events if (found := best) else 0)
            bend = censoring.bend_to_events(path, float(n), mass, aim)
            tried = walk(n, atoms, path.bent(bend), problem.table, points.end)
            if abs(tried.events - events) < abs(best.events - events):
                best, kept = tried, bend
        bend = kept
    time, event = individual_data(best, atoms)
    return Solution(time=time, event=event, walk=best, bend=bend)


def _read_again(problem: Problem, random: np.random.Generator) -> Points:
    """The points as another reader might have read them.

    A point of a sample may have been read before, amid or after the drop it stands at: as much again is open.
    """
    points = problem.points
    step = 0.0 if problem.steps else WITHIN_A_STEP / problem.n
    read = points.read.copy()
    read[1:] += random.normal(0.0, math.hypot(points.noise, step), len(read) - 1)
    survival = np.clip(falling(np.clip(read, 0.0, 1.0)), 0.0, 1.0)
    survival[0] = 1.0
    return replace(points, survival=survival)
