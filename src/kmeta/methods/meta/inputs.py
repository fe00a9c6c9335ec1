"""What may enter a meta-analysis: checked once, at the door, with words a reader can act on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats
from kmeta.core.errors import ConvergenceError, InputError

P = ParamSpec("P")
T = TypeVar("T")
EXTREME = 1e150  # squares and products of squares of larger numbers leave the range of doubles


def numbers(values: ArrayLike, name: str) -> Floats:
    """`values` as a read-only 1-D float array; InputError for text, nesting, NaN, infinity or nothing at all."""
    try:
        array = np.array(values, dtype=np.float64, copy=True)
    except (TypeError, ValueError) as error:
        raise InputError(
            "holds something that is not a number", where=name, hint="a flat list of numbers, one per study"
        ) from error
    if array.ndim != 1 or not array.size:
        raise InputError(
            f"has shape {array.shape}", where=name, hint="a flat list of numbers, one per study, at least one"
        )
    good = np.abs(array) < EXTREME
    if not good.all():
        row = int(np.argmin(good))
        raise InputError(
            f"{name}[{row}] is {array[row]:g}",
            where=name,
            hint="leave out studies without a usable value; nothing is dropped silently",
        )
    array.setflags(write=False)
    return array


def estimates(yi: ArrayLike, vi: ArrayLike) -> tuple[Floats, Floats]:
    """yi and vi, of equal length, finite, vi > 0."""
    y, v = numbers(yi, "yi"), numbers(vi, "vi")
    if y.shape != v.shape:
        raise InputError(
            f"yi has {y.size} values, vi has {v.size}", where="vi", hint="one variance for each estimate"
        )
    good = v > 1 / EXTREME
    if not good.all():
        row = int(np.argmin(good))
        raise InputError(
            f"vi[{row}] is {v[row]:g}, must be above 0", where="vi", hint="vi is se**2, not a weight"
        )
    if not v.max() / v.min() < EXTREME:
        raise InputError(
            "the variances differ by more than 150 orders of magnitude", where="vi", hint="vi is se**2"
        )
    return y, v


def weights_of(weights: ArrayLike | None, k: int) -> Floats | None:
    """User weights: k of them, none negative, not all zero."""
    if weights is None:
        return None
    w = numbers(weights, "weights")
    if w.size != k:
        raise InputError(f"{w.size} weights for {k} estimates", where="weights", hint="one for each estimate")
    if (w < 0).any() or not w.sum() > 0:
        raise InputError("must not be negative, and not all 0", where="weights", hint="1 for equal weights")
    return w


def labels_of(labels: Sequence[str] | None, k: int) -> tuple[str, ...]:
    """Names of the estimates; "1", "2", ... where none are given."""
    if labels is None:
        return tuple(map(str, range(1, k + 1)))
    if isinstance(labels, str) or len(labels) != k:
        raise InputError(
            f"{len(labels)} labels for {k} estimates", where="labels", hint="one for each estimate"
        )
    return tuple(str(label) for label in labels)


def level_of(level: float) -> float:
    """A confidence level strictly between 0 and 1."""
    if not isinstance(level, (int, float)) or not 0 < level < 1:
        raise InputError(f"level is {level!r}", where="level", hint="a fraction: 0.95 for a 95 % interval")
    return float(level)


def variance_of(tau2: float) -> float:
    """A tau2 fixed by the user."""
    if isinstance(tau2, bool) or not (math.isfinite(tau2) and 0 <= tau2 < EXTREME):
        raise InputError(f"tau2 is {tau2!r}", where="tau2", hint="0 or more, or the name of an estimator")
    return float(tau2)


def within_precision(fit: Callable[P, T]) -> Callable[P, T]:
    """Say in words where double precision ends: no bare error of linear algebra or arithmetic leaves a fit."""

    @wraps(fit)
    def guarded(*args: P.args, **options: P.kwargs) -> T:
        try:
            return fit(*args, **options)
        except (np.linalg.LinAlgError, ArithmeticError) as error:
            raise ConvergenceError(
                f"the numbers are too far apart for double precision ({error})",
                where="yi, vi",
                hint="look for an estimate or a variance in another unit",
            ) from error

    return guarded
