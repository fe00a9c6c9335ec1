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

Height = Callable[[Floats], Point | None]


def climb(point: Height, start: Floats, low: Floats, high: Floats) -> tuple[Floats, Point]:
    """The local maximum that is uphill of `start` within [low, high].

    Scoring with the average information (Gilmour, Thompson & Cullis 1995, doi:10.2307/2533274); a step that does not
    rise is damped (Levenberg-Marquardt), a parameter at its bound whose slope points outwards is left there.
    Raises ConvergenceError with the last iterate.
    """
    theta = np.clip(start, low, high)
    here = point(theta)
    if here is None:
        raise ConvergenceError("the starting covariance is not positive definite", last=theta)
    damping = 0.0
    for _ in range(STEPS):
        held = ((theta <= low) & (here.slope <= 0)) | ((theta >= high) & (here.slope >= 0))
        free = np.flatnonzero(~held)
        step = np.zeros_like(theta)
        if len(free):
            step[free] = _step(here, free, damping)
        promise = float(step @ here.slope)
        if promise <= SETTLED and damping <= 1e-2:
            return theta, here
        following = np.clip(theta + step, low, high)
        there = point(following)
        noise = 1e-13 * (1 + abs(here.height))
        if there is not None and there.height >= here.height - noise and (following != theta).any():
            theta, here = following, there
            damping = damping / 10 if damping > 1e-6 else 0.0
        elif damping > HIGHEST_DAMPING or (following == theta).all():
            full = np.zeros_like(theta)
            full[free] = _step(here, free, 0.0)
            if float(full @ here.slope) < STUCK:
                return theta, here
            break
        else:
            damping = max(10 * damping, 1e-3)
    raise ConvergenceError(
        "the variances did not settle",
        last=theta,
        hint="see whether one estimate is an error, or a simpler structure",
    )


def _step(here: Point, free: Ints, damping: float) -> Floats:
    """The damped scoring step of the free parameters."""
    info = here.information[np.ix_(free, free)]
    size = np.diag(info).copy()
    size[size <= 0] = max(float(size.max()), 1.0)
    root = np.sqrt(size)
    scaled = info / (root[:, None] * root)
    scaled[np.arange(len(free)), np.arange(len(free))] += damping + 1e-12
    try:
        step = np.linalg.solve(scaled, here.slope[free] / root)
    except np.linalg.LinAlgError:
        step = here.slope[free] / root
    return np.asarray(step / root)


def highest(point: Height, starts: Sequence[Floats], low: Floats, high: Floats) -> tuple[Floats, Point]:
    """The best of the maxima uphill of `starts`; ConvergenceError when none of them settles."""
    best: tuple[Floats, Point] | None = None
    failed: ConvergenceError | None = None
    for start in starts:
        try:
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
