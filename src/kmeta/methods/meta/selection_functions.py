"""How likely a study with p value p is seen, relative to others: weight functions of selection models.

Each gives log w and its derivatives in the parameters, from log p and log(1 - p) of any shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from kmeta.core.arrays import Floats

LARGEST = 100.0  # of a parameter; a likelihood that rises beyond it has no maximum worth the name


class LogWeight(NamedTuple):
    """log w; its gradient, shape (d, ...); its second derivatives, the diagonal only, shape (d, ...), or None for 0."""

    value: Floats
    gradient: Floats
    curvature: Floats | None


@dataclass(frozen=True)
class Family:
    """A weight function with `size` parameters: their bounds, value under no selection, and where to start."""

    size: int
    low: float
    neutral: float
    starts: tuple[tuple[float, ...], ...]
    log_weight: Callable[[Floats, Floats, Floats], LogWeight]


def _beta(log_p: Floats, log_q: Floats, delta: Floats) -> LogWeight:
    return LogWeight((delta[0] - 1) * log_p + (delta[1] - 1) * log_q, np.stack([log_p, log_q]), None)


def _half_normal(log_p: Floats, log_q: Floats, delta: Floats) -> LogWeight:
    slope = -np.exp(2 * log_p)
    return LogWeight(delta[0] * slope, slope[None], None)


def _negative_exponential(log_p: Floats, log_q: Floats, delta: Floats) -> LogWeight:
    slope = -np.exp(log_p)
    return LogWeight(delta[0] * slope, slope[None], None)


def _logistic(log_p: Floats, log_q: Floats, delta: Floats) -> LogWeight:
    p = np.exp(log_p)
    e = np.exp(-delta[0] * p)
    share = e / (1 + e)
    return LogWeight(
        math.log(2) - delta[0] * p - np.log1p(e),
        (-p * (1 - share))[None],
        (-p * p * share * (1 - share))[None],
    )


def _power(log_p: Floats, log_q: Floats, delta: Floats) -> LogWeight:
    return LogWeight(delta[0] * log_q, log_q[None], None)


ONE = ((0.1,), (1.0,), (4.0,), (15.0,))
FAMILIES: dict[str, Family] = {
    "beta": Family(2, 1e-5, 1.0, ((1.0, 1.0), (1.2, 1.3), (0.9, 1.5), (1.5, 1.0), (1.0, 3.0)), _beta),
    "halfnorm": Family(1, 0.0, 0.0, ONE, _half_normal),
    "negexp": Family(1, 0.0, 0.0, ONE, _negative_exponential),
    "logistic": Family(1, 0.0, 0.0, ONE, _logistic),
    "power": Family(1, 0.0, 0.0, ONE, _power),
}


def step_family(steps: Floats) -> Family:
    """Constant between `steps` (increasing, the last 1); parameters are the logs of the weights after the first."""
    size = len(steps) - 1
    log_steps = np.log(steps)

    def log_weight(log_p: Floats, log_q: Floats, delta: Floats) -> LogWeight:
        interval = np.searchsorted(log_steps, log_p, side="left")
        interval = np.minimum(interval, size)
        value = np.concatenate([[0.0], delta])[interval]
        gradient: Any = np.stack([interval == j + 1 for j in range(size)]).astype(float)
        return LogWeight(value, gradient, None)

    starts = tuple(tuple([value] * size) for value in (0.0, -1.0, 1.0))
    return Family(size, math.log(1e-6), 0.0, starts, log_weight)
