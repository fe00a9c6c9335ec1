"""The share of patients not yet censored, as a function of time, from numbers at risk, events and drop heights.

With the product-limit estimator n(t) = n S(t-) G(t-), G being the same estimator of censoring; so a number at risk
gives G at its time, and the deaths are n times the sum of G over the drops of S.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.ipd import drops
from kmeta.methods.ipd.points import Points

WINDOWS = 24
SHAPES = np.array([0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 3.3])  # powers of the share of a segment's censoring
SHAPE_SD = 0.5  # prior sd of the log of such a power
LONGEST_BEND = 4.0
DRAWN = 0.3  # power of the weights in a draw: no family of paths holds exactly, so it is trusted less than it claims
EVENT_SD = 0.01  # of the given events, beside half an event: how near a candidate must come


def _tails() -> tuple[Floats, Floats, Floats]:
    """Accrual that ended (1 - a) of the segment before its end, its shape p, and a constant drop-out r."""
    rows = [
        (a, p, r)
        for a in (*np.linspace(0, 0.9, 10).tolist(), 1.0)
        for p in ((0.5, 1.0, 1.6, 2.5) if a < 1 else (1.0,))
        for r in (0.0, 0.05, 0.12, 0.25, 0.5, 1.0)
    ]
    a, p, r = np.array(rows).T[:, :, None]
    return a, p, r


ACCRUAL, POWER, DROP_OUT = _tails()


@dataclass(frozen=True, kw_only=True, eq=False)
class Knots:
    """Times at which log G is known; the first is 0."""

    time: Floats
    log_g: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Censoring:
    """log G at chosen times, between `before` and `after`, what it is at the ends of the segment around.

    `after` is the known value, or the lowest that can be where `free` (nothing known later).
    """

    log_g: Floats
    before: Floats
    after: Floats
    free: np.ndarray

    def bent(self, bend: float) -> Floats:
        """G with censoring later (bend > 0) or earlier (bend < 0) than estimated, the known values kept."""
        if bend == 0:
            return np.exp(self.log_g)
        span = np.maximum(self.before - self.after, 1e-300)
        share = np.clip((self.before - self.log_g) / span, 0.0, 1.0)
        inner = self.before - span * share ** math.exp(bend)
        tail = self.before - np.minimum((self.before - self.log_g + 1e-3) * math.exp(-bend), span)
        return np.exp(np.where(self.free, tail, inner))


@dataclass(frozen=True, kw_only=True, eq=False)
class Posterior:
    """The mean path of G, and the candidates of each segment (log G, shape (c, m)) with their weights."""

    mean: Censoring
    candidates: list[Floats]
    weights: list[Floats]
    segment: np.ndarray

    def draw(self, random: np.random.Generator) -> Censoring:
        """One path: a candidate of each segment, drawn by its weight to a power below 1."""
        log_g = self.mean.log_g.copy()
        for j, (values, weight) in enumerate(zip(self.candidates, self.weights, strict=True)):
            less = np.cumsum(weight**DRAWN)
            chosen = int(np.searchsorted(less, random.random() * less[-1]))
            log_g[self.segment == j] = values[min(chosen, len(weight) - 1)]
        return replace(self.mean, log_g=log_g)


def knots_of(time: Floats, at_risk: Floats, n: float, survival: Floats) -> Knots:
    """log G at the times of the table; `survival` is that just before each of them."""
    g = np.minimum.accumulate(np.clip(at_risk / (n * np.maximum(survival, 1e-9)), 0.2 / n, 1.0))
    log_g = np.log(g)
    if not len(time) or time[0] > 0:
        return Knots(time=np.append(0.0, time), log_g=np.append(0.0, log_g))
    log_g[0] = 0.0
    return Knots(time=time, log_g=log_g)


def posterior(
    knots: Knots, points: Points, n: float, at: Floats, mass: Floats, events: float | None, said: list[Floats]
) -> Posterior:
    """What G can be at times `at`, where the curve loses `mass`, given all that is known.

    `said` is what the drops say, or what `nothing_said` gives.
    """
    least = _least(knots, points, n)
    candidates, segment = _candidates(knots, points.end, least, at)
    weights = _weights(candidates, segment, said, n, mass, events)
    log_g = np.empty(len(at))
    for j, (values, weight) in enumerate(zip(candidates, weights, strict=True)):
        log_g[segment == j] = np.log(weight @ np.exp(values))
    before = knots.log_g[segment]
    after = np.minimum(np.append(knots.log_g[1:], least)[segment], before)
    mean = Censoring(log_g=log_g, before=before, after=after, free=segment == len(knots.time) - 1)
    return Posterior(mean=mean, candidates=candidates, weights=weights, segment=segment)


def bend_to_events(path: Censoring, n: float, mass: Floats, events: float) -> float:
    """The bend at which the deaths are `events`, or the nearest there is."""

    def deaths(bend: float) -> float:
        return n * float(path.bent(bend) @ mass)

    low, high = -LONGEST_BEND, LONGEST_BEND
    if deaths(low) >= events:
        return low
    if deaths(high) <= events:
        return high
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (middle, high) if deaths(middle) < events else (low, middle)
    return (low + high) / 2


def _candidates(knots: Knots, end: float, least: float, at: Floats) -> tuple[list[Floats], np.ndarray]:
    """For each segment the candidate log G at the times `at` inside it, and the segment of each time."""
    last = len(knots.time) - 1
    segment = np.clip(np.searchsorted(knots.time, at, side="left") - 1, 0, last)
    base = _between(knots, at)
    found: list[Floats] = []
    for j in range(last):
        inside = segment == j
        start = float(knots.log_g[j])
        span = start - float(knots.log_g[j + 1])
        share = np.clip((start - base[inside]) / max(span, 1e-12), 0.0, 1.0)
        found.append(start - span * share[None, :] ** SHAPES[:, None])
    start, begin = float(knots.log_g[-1]), float(knots.time[-1])
    x = np.clip((at[segment == last] - begin) / max(end - begin, 1e-12), 0.0, 1.0)[None, :]
    left = np.where(x > ACCRUAL, (1.0001 - x) / (1.0001 - ACCRUAL), 1.0)
    found.append(np.maximum(start + POWER * np.log(left) - DROP_OUT * x, least))
    return found, segment


def _between(knots: Knots, at: Floats) -> Floats:
    """log G between the known values: the share not censored falls smoothly (monotone cubic)."""
    if len(knots.time) < 3:
        return np.log(np.interp(at, knots.time, np.exp(knots.log_g)))
    from scipy.interpolate import PchipInterpolator

    inside = np.clip(at, 0.0, knots.time[-1])
    smooth = PchipInterpolator(knots.time, np.exp(knots.log_g))(inside)
    return np.asarray(np.log(np.maximum(smooth, 1e-12)))


def _least(knots: Knots, points: Points, n: float) -> float:
    """Log G when half a patient is left at the end of the curve."""
    left = math.log(max(0.5 / (n * max(float(points.survival[-1]), 0.5 / n)), 1e-9))
    return min(left, float(knots.log_g[-1]))


def nothing_said(knots: Knots) -> list[Floats]:
    """No word on any candidate."""
    return [np.zeros(1) for _ in knots.time]


def drops_say(knots: Knots, points: Points, n: float) -> list[Floats]:
    """Log likelihood of each candidate of each segment, from the drops inside it."""
    ends = np.append(knots.time, max(points.end, float(knots.time[-1])))
    counts = np.clip(np.round(WINDOWS * np.diff(ends) / ends[-1]), 2, WINDOWS).astype(int)
    edges = [np.linspace(ends[j], ends[j + 1], count + 1)[:-1] for j, count in enumerate(counts)]
    edge = np.append(np.concatenate(edges), ends[-1])
    levels, table = drops.log_likelihood(points, n, edge)
    log_levels = np.log(levels)
    step = log_levels[1] - log_levels[0]
    values, segment = _candidates(knots, points.end, _least(knots, points, n), (edge[1:] + edge[:-1]) / 2)
    found = []
    for j, paths in enumerate(values):
        place = np.clip((paths - log_levels[0]) / step, 0, len(levels) - 1.001)
        low = place.astype(int)
        window = np.flatnonzero(segment == j)[None, :]
        said = table[window, low] * (1 - place + low) + table[window, low + 1] * (place - low)
        found.append(said.sum(axis=1))
    return found


def _weights(
    candidates: list[Floats],
    segment: np.ndarray,
    said: list[Floats],
    n: float,
    mass: Floats,
    events: float | None,
) -> list[Floats]:
    found: list[Floats] = []
    expected = 0.0  # deaths in the segments before
    for j, values in enumerate(candidates):
        last = j == len(candidates) - 1
        log_w = np.zeros(len(values)) if last else -0.5 * (np.log(SHAPES) / SHAPE_SD) ** 2
        log_w = log_w + said[j]
        deaths = n * (np.exp(values) @ mass[segment == j])
        if events is not None and last:
            sd = EVENT_SD * events + 0.5 + 0.02 * expected
            log_w -= 0.5 * ((deaths - (events - expected)) / sd) ** 2
        weight = np.exp(log_w - log_w.max())
        weight /= weight.sum()
        expected += float(weight @ deaths)
        found.append(weight)
    return found
