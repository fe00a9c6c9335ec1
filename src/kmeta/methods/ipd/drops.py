"""What the heights and the number of a curve's drops tell about how many patients were still at risk.

A drop of a Kaplan-Meier curve is S d / n with d deaths among n at risk, d a whole number: the smaller the risk set,
the higher and the rarer the drops for the same fall of the curve.
"""

from __future__ import annotations

import math

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.ipd.points import Points

MOST_DEATHS = 12  # deaths in one column that are told apart
LEVELS = 28  # grid of the share not yet censored on which the likelihood is kept
BASE = 1e-5  # so that one misread drop does not decide
TEMPER = 0.5  # neighbouring readings share their errors, and deaths cluster: count half of what they say
COUNT_WEIGHT = 0.3  # the number of columns with a drop says less where deaths cluster (visits, months)
SMOOTH_BELOW = 0.4  # share of the columns that deaths would hit which are hit: below, the points are a sample


def are_steps(points: Points, n: float) -> bool:
    """Whether the points stand at the drops of the curve, all of them, and are not a sample along it."""
    share = 1 - 0.5 * points.time / points.end
    mass = np.append(0.0, -np.diff(points.survival)) * n * share
    edges = np.linspace(0, points.end, 13)
    window = np.clip(np.searchsorted(edges, points.time) - 1, 0, 11)
    deaths = np.bincount(window, weights=mass, minlength=12)
    columns = points.end / 12 / points.column
    expected = float((columns * -np.expm1(-deaths / columns)).sum())
    return bool((mass > 0).sum() >= SMOOTH_BELOW * expected)


def log_likelihood(points: Points, n: float, edges: Floats) -> tuple[Floats, Floats]:
    """(levels of the share not censored, shape (L,), their log likelihood in each window, shape (W, L))."""
    levels = np.geomspace(1.0, max(0.4 / n, 1e-5), LEVELS)
    t, s = points.time, points.survival
    k = np.arange(1, len(t) - 1)
    k = k[s[k - 1] - s[k] > 0]
    found = np.zeros((len(edges) - 1, LEVELS))
    if k.size < 3:
        return levels, found
    window = np.clip(np.searchsorted(edges, t[k], side="left") - 1, 0, len(edges) - 2)
    hits = np.bincount(window, minlength=len(edges) - 1)
    log_s = np.log(np.maximum(np.interp(edges, t, s), 1e-3))
    columns = np.maximum(np.diff(edges) / points.column, np.maximum(hits, 1))
    hazard = np.maximum(-np.diff(log_s), 1e-6) / columns
    unit = s[k - 1, None] / np.maximum(n * s[k - 1, None] * levels, 1.0)
    rate = np.maximum(n * s[k - 1, None] * levels, 1.0) * hazard[window, None]
    drop = (points.read[k - 1] - points.read[k])[:, None]
    sd = math.sqrt(2) * points.noise
    most = int(np.clip(math.ceil(1.5 * float(np.quantile(drop, 0.98)) * n), 4, MOST_DEATHS))
    log_rate, truncated = np.log(rate), np.log(np.expm1(rate))
    total, log_factorial = np.zeros_like(rate), 0.0
    for d in range(1, most + 1):
        log_factorial += math.log(d)
        total += np.exp(d * log_rate - log_factorial - truncated - 0.5 * ((drop - d * unit) / sd) ** 2)
    np.add.at(found, window, np.log(total + BASE))
    middle = (edges[1:] + edges[:-1]) / 2
    per_column = np.maximum(n * np.interp(middle, t, s)[:, None] * levels * hazard[:, None], 1e-9)
    empty = np.maximum(columns - hits, 0.0)[:, None]
    found += COUNT_WEIGHT * (hits[:, None] * np.log(-np.expm1(-per_column)) - empty * per_column)
    return levels, TEMPER * found
