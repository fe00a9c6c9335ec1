"""Several variances and correlations at their highest likelihood: damped scoring inside bounds, from several starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import ConvergenceError
from kmeta.methods.meta.block_likelihood import Point
from kmeta.methods.meta.sampling_covariance import Ints

STEPS = 500
SETTLED = 1e-15  # twice the rise that a full step still promises, in units of log-likelihood
STUCK = 1e-7  # the promise left when no step rises any more: rounding below this, a failure above
HIGHEST_DAMPING = 1e12
ENOUGH = 1e-3  # of a step's promise, to be gained by it
NEAR = 1.0  # units of log-likelihood from where on the curvature seen corrects the information
FLAT = 1e-9  # least curvature, on the scale where each parameter's own is 1

Height = Callable[[Floats], Point | None]


def climb(point: Height, start: Floats, low: Floats, high: Floats) -> tuple[Floats, Point]:
    """The local maximum that is uphill of `start` within [low, high].

    Scoring with the average information (Gilmour, Thompson & Cullis 1995, doi:10.2307/2533274), to which the curvature
    of standard deviations and roots is added, for at 0 they have no other, and near the top what the last steps showed
    of it; a step that does not
    rise is damped (Levenberg-Marquardt), a parameter at its bound whose slope points outwards is left there.
    Raises ConvergenceError with the last iterate.
    """
    theta = np.clip(start, low, high)
    here = point(theta)
    if here is None:
        raise ConvergenceError("the starting covariance is not positive definite", last=theta)
    damping, correction = 0.0, np.zeros_like(here.information)
    for _ in range(STEPS):
        held = ((theta <= low) & (here.slope <= 0)) | ((theta >= high) & (here.slope >= 0))
        free = np.flatnonzero(~held)
        step = np.zeros_like(theta)
        if len(free):
            step[free] = _step(here.information + correction, here.slope, free, damping)
        promise = float(step @ here.slope)
        if not len(free) or (promise <= SETTLED * (1 + abs(here.height)) and damping <= 1e-2):
            return theta, here
        following = np.clip(theta + step, low, high)
        moved = following - theta
        there = point(following)
        gain = -np.inf if there is None else there.height - here.height
        if there is not None and moved.any() and gain >= ENOUGH * promise - 1e-13 * (1 + abs(here.height)):
            if promise < NEAR:
                correction = _corrected(there.information, correction, moved, here.slope - there.slope)
            theta, here = following, there
            damping = damping / 10 if damping > 1e-6 else 0.0
        elif damping > HIGHEST_DAMPING or not moved.any():
            step[free] = _step(here.information, here.slope, free, 0.0)
            if float(step @ here.slope) < STUCK:
                return theta, here
            break
        else:
            damping = max(10 * damping, 1e-3)
            correction = np.zeros_like(correction) if damping > 0.5 else correction
    raise ConvergenceError(
        "the variances did not settle",
        last=theta,
        hint="see whether one estimate is an error, or a simpler structure",
    )


def _step(information: Floats, slope: Floats, free: Ints, damping: float) -> Floats:
    """The damped scoring step of the free parameters."""
    info = information[np.ix_(free, free)]
    size = np.abs(np.diag(info))
    size[size <= 0] = max(float(size.max()), 1.0)
    root = np.sqrt(size)
    values, vectors = np.linalg.eigh(info / (root[:, None] * root))
    # where the likelihood bends upwards a step is made as if it bent down as much
    bend = np.maximum(np.abs(values), FLAT) + damping
    return np.asarray(vectors @ ((vectors.T @ (slope[free] / root)) / bend) / root)


def _corrected(information: Floats, correction: Floats, moved: Floats, fallen: Floats) -> Floats:
    """What the information lacks of the curvature seen along the last step (symmetric rank one)."""
    missed = fallen - (information + correction) @ moved
    share = float(missed @ moved)
    if abs(share) <= 1e-8 * float(np.linalg.norm(missed) * np.linalg.norm(moved)):
        return correction
    return np.asarray(correction + np.outer(missed, missed) / share)


def highest(point: Height, starts: Sequence[Floats], low: Floats, high: Floats) -> tuple[Floats, Point]:
    """The best of the maxima uphill of `starts`; ConvergenceError when none of them settles."""
    best: tuple[Floats, Point] | None = None
    failed: ConvergenceError | None = None
    for start in starts:
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # a step too far is seen by its height
                found = climb(point, start, low, high)
        except ConvergenceError as error:
            failed = error
            continue
        if best is None or found[1].height > best[1].height + 1e-10:
            best = found
    if best is None:
        assert failed is not None  # noqa: S101
        raise failed
    return best
