"""The top of a smooth log-likelihood: Newton steps with analytic gradients, kept uphill and inside a box."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kmeta.core.arrays import Floats

Height = Callable[[Floats], tuple[float, Floats]]  # value and gradient; -inf where the likelihood is 0
STEPS = 200
HALVINGS = 40
SETTLED = 1e-13  # half the promise of a Newton step, relative to 1 + |value|
NEARLY = 1e-7  # the same, taken as settled when rounding lets no step rise
ROUNDING = 1e-15  # relative, of a log-likelihood
KEPT = 1e-7  # a step that promised less leaves the curvature as it was
FLATTEST = 1e-10  # least curvature a step may count on, of the largest, after scaling
LONGEST = 3.0  # of any parameter in one step
QUICK, CAREFUL = 1e-6, 1e-4


@dataclass(frozen=True, eq=False)
class Top:
    """Where the climb ended; `free` says which parameters are not at a limit."""

    theta: Floats
    value: float
    free: np.ndarray
    converged: bool


def climb(height: Height, start: Floats, low: Floats, high: Floats) -> Top:
    """Uphill from `start` to where a Newton step promises nothing."""
    theta = np.clip(start, low, high)
    value, gradient = height(theta)
    settled, curvature = False, None
    for _ in range(STEPS):
        held = ((theta <= low) & (gradient <= 0)) | ((theta >= high) & (gradient >= 0))
        free = np.flatnonzero(~held)
        step = np.zeros_like(theta)
        if len(free):
            if curvature is None:
                curvature = -hessian(height, theta, gradient)
            step[free] = _uphill(curvature[np.ix_(free, free)], gradient[free])
        promise = 0.5 * float(step @ gradient)
        size = 1 + abs(value)
        if promise <= SETTLED * size:
            settled = True
            there = np.clip(theta + step, low, high)
            risen, _ = height(there)
            if risen >= value - ROUNDING * size:
                theta, value = there, max(risen, value)
            break
        step *= min(1.0, LONGEST / float(np.abs(step).max()))
        found = _along(height, theta, value, gradient, step, low, high)
        if found is None:
            settled = promise <= NEARLY * size
            break
        theta, value, gradient = found
        if promise > KEPT * size:
            curvature = None
    at_limit = (theta <= low) | (theta >= high)
    return Top(theta, value, ~at_limit, settled and bool(np.isfinite(value)))


def _along(
    height: Height, theta: Floats, value: float, gradient: Floats, step: Floats, low: Floats, high: Floats
) -> tuple[Floats, float, Floats] | None:
    """The first point of the halved steps that rises enough."""
    for halving in range(HALVINGS):
        there = np.clip(theta + step * 0.5**halving, low, high)
        risen, slope = height(there)
        if risen > value and risen - value >= 1e-4 * float((there - theta) @ gradient):
            return there, risen, slope
    return None


def _uphill(curvature: Floats, gradient: Floats) -> Floats:
    """The Newton step; where the surface bends upwards, a step as if it bent down as much."""
    root = np.sqrt(np.maximum(np.abs(np.diag(curvature)), 1e-12))
    values, vectors = np.linalg.eigh(curvature / np.outer(root, root))
    bent = np.maximum(np.abs(values), FLATTEST * max(1.0, float(np.abs(values).max())))
    return np.asarray(vectors @ ((vectors.T @ (gradient / root)) / bent) / root)


def hessian(height: Height, theta: Floats, gradient: Floats | None = None) -> Floats:
    """Second derivatives by differences of gradients: one-sided when the gradient is given, else by four points."""
    columns = []
    for j in range(len(theta)):
        h = (QUICK if gradient is not None else CAREFUL) * (1 + abs(theta[j]))
        move = np.zeros_like(theta)
        move[j] = h
        if gradient is not None:
            columns.append((height(theta + move)[1] - gradient) / h)
        else:
            near = (height(theta + move)[1] - height(theta - move)[1]) / (2 * h)
            wide = (height(theta + 2 * move)[1] - height(theta - 2 * move)[1]) / (4 * h)
            columns.append((4 * near - wide) / 3)
    square = np.array(columns)
    return np.where(np.isfinite(square), (square + square.T) / 2, 0.0)
