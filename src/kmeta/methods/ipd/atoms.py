"""Where the curve loses its mass: at the points themselves, or spread between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.ipd.points import Points

PARTS = 10  # places in a gap between two points of a sample
NEIGHBOURHOOD = 0.1  # of the follow-up: how far the usual hazard is averaged
BISECTIONS = 26


@dataclass(frozen=True, kw_only=True, eq=False)
class Atoms:
    """Places where deaths may fall: the end of each, its start, the time at which its risk set counts, S after it."""

    time: Floats
    start: Floats
    at: Floats
    survival: Floats

    @property
    def mass(self) -> Floats:
        """What the curve loses in each."""
        return -np.diff(self.survival, prepend=1.0)


def at_points(points: Points) -> Atoms:
    """Each drop of the curve is one place; the end of follow-up is the last."""
    t, s = points.time, points.survival
    keep = s[:-1] > s[1:]
    keep[-1:] = True
    time = t[1:][keep]
    return Atoms(time=time, start=time, at=time, survival=s[1:][keep])


def between_points(
    points: Points, n: float, share: Callable[[Floats], Floats], clumps: Floats | None = None
) -> Atoms:
    """The fall between two points spread over the gap as deaths most likely fell.

    Deaths come at the usual rate h of the neighbourhood; that the curve falls by H in the gap tilts it to
    h exp(theta / n(t)), the nearest rate (in the Kullback-Leibler sense) under which the sum of d / n is H: what
    falls too much falls where few are at risk, not in many deaths when many were. `share` gives G.
    """
    t, log_s = points.time, np.log(np.maximum(points.survival, 1e-4))
    gap, fall = np.diff(t), -np.diff(log_s)
    middle = (t[1:] + t[:-1]) / 2
    usual = _usual_hazard(points, n, share, middle, gap)
    fraction = np.arange(1, PARTS + 1) / PARTS
    time = t[:-1, None] + gap[:, None] * fraction
    at = time - gap[:, None] / (2 * PARTS)
    g = share(at.ravel()).reshape(at.shape)
    base = np.repeat((usual * gap / PARTS + 1e-12)[:, None], PARTS, axis=1)
    if clumps is not None:  # a drawn unevenness of the usual rate, one factor a place
        base = base * clumps.reshape(base.shape)
    hazard = np.repeat((fall / PARTS)[:, None], PARTS, axis=1)
    falls = fall > 0
    for _ in range(3):
        inner = np.exp(log_s[:-1, None] - np.cumsum(hazard, axis=1) + hazard / 2)
        light = 1 / np.maximum(n * inner * g, 0.7)
        hazard = np.where(falls[:, None], _tilted(base, light, np.maximum(fall, 1e-12)), 0.0)
    survival = np.exp(log_s[:-1, None] - np.cumsum(hazard, axis=1))
    survival[:, -1] = points.survival[1:]
    survival = np.minimum.accumulate(survival.ravel())
    return Atoms(
        time=time.ravel(), start=(time - gap[:, None] / PARTS).ravel(), at=at.ravel(), survival=survival
    )


def _usual_hazard(
    points: Points, n: float, share: Callable[[Floats], Floats], middle: Floats, gap: Floats
) -> Floats:
    """Deaths over time at risk around each gap."""
    s = points.survival
    g = share(middle)
    deaths = n * g * -np.diff(s)
    exposure = n * g * np.sqrt(np.maximum(s[1:] * s[:-1], 1e-12)) * gap
    width = NEIGHBOURHOOD * points.end + gap
    weight = np.exp(-0.5 * ((middle[None, :] - middle[:, None]) / width[:, None]) ** 2)
    usual: Floats = (weight @ deaths) / np.maximum(weight @ exposure, 1e-12)
    return usual


def _tilted(base: Floats, light: Floats, fall: Floats) -> Floats:
    """base * exp(theta * light) in each row, theta such that the row sums to `fall`."""
    ratio = np.log(fall / base.sum(axis=1))
    ends = np.stack([ratio / light.max(axis=1), ratio / light.min(axis=1)])
    low, high = ends.min(axis=0), ends.max(axis=0)
    for _ in range(BISECTIONS):
        theta = (low + high) / 2
        above = (base * np.exp(np.clip(theta[:, None] * light, -600, 600))).sum(axis=1) > fall
        low, high = np.where(above, low, theta), np.where(above, theta, high)
    found = base * np.exp(np.clip(high[:, None] * light, -600, 600))
    return np.asarray(found * (fall / np.maximum(found.sum(axis=1), 1e-300))[:, None])
