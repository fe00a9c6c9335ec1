"""A variance component's maximum on [0, upper], found for certain: every mode is looked at, and the boundary.

The profile likelihood of a variance may have several modes, and scoring steps may circle round them. So the slope
is taken on a grid that is fine on the log scale, each change of its sign from + to - is narrowed by Newton steps
kept inside the bracket, and the highest of the points found (0 among them) wins.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import ConvergenceError

EPS = float(np.finfo(np.float64).eps)
GRID_STEP = 0.5  # on the log scale; 1 / (v + tau2) changes over a width of several such steps
SETTLED = 1e-11  # a Newton step this short, relative to where it starts, was the last one needed
STEPS = 300  # halving alone needs fewer


class Slope(NamedTuple):
    """First and second derivative at a point, and the size of the terms whose difference the first is."""

    first: float
    second: float
    size: float


def grid(smallest: float, upper: float) -> Floats:
    """0, then points from a hundredth of the smallest variance up to the bound, even on the log scale."""
    low = min(0.01 * smallest, 0.5 * upper)
    n = 2 + math.ceil(math.log(upper / low) / GRID_STEP)
    points = np.empty(n + 1)
    points[0] = 0.0
    points[1:] = np.exp(np.linspace(math.log(low), math.log(upper), n))
    points[-1] = upper
    return points


def narrow(slope: Callable[[float], Slope], low: float, high: float, tiny: float = 0.0) -> float:
    """The root of a slope that is above 0 at `low` and not above 0 at `high`.

    Newton steps; the bracket is halved where one would leave it or is not half as long as the move before. Ends when
    the slope is rounding, a step changes nothing that counts, or the bracket is shorter than its own precision or
    `tiny`.
    """
    at = 0.5 * (low + high)
    moved = high - low
    for _ in range(STEPS):
        here = slope(at)
        if abs(here.first) <= 8 * EPS * here.size:
            return at
        if here.first > 0:
            low = at
        else:
            high = at
        if high - low <= max(2 * EPS * high, tiny):
            return at
        following = at - here.first / here.second if here.second < 0 else math.nan
        if low < following < high and abs(following - at) <= 0.5 * moved:
            if abs(following - at) <= SETTLED * at:
                return following
        else:
            following = math.sqrt(low * high) if low > 0 and high > 4 * low else 0.5 * (low + high)
        moved, at = abs(following - at), following
    raise ConvergenceError(
        "the variance between studies did not settle", last=at, hint="see whether one estimate is an error"
    )


def maximise(
    slopes: Callable[[Floats], Floats],
    slope: Callable[[float], Slope],
    height: Callable[[float], float],
    *,
    smallest: float,
    upper: float,
) -> float:
    """Where `height` is highest on [0, upper]; `slopes` gives its derivative at many points at once.

    `upper` is a bound beyond which the slope is negative. Raises ConvergenceError when a bracket does not close.
    """
    if upper <= 0:
        return 0.0
    points = grid(smallest, upper)
    up = slopes(points) > 0
    found = [] if up[0] else [0.0]
    for i in np.flatnonzero(up[:-1] & ~up[1:]):
        found.append(narrow(slope, float(points[i]), float(points[i + 1]), EPS * smallest))
    if up[-1]:  # only rounding leaves the slope above 0 at the bound
        found.append(upper)
    return found[0] if len(found) == 1 else max(found, key=height)
