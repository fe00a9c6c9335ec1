"""Weights exp(x'a) under which the covariates of the patients have the target's means."""

from __future__ import annotations

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import ConvergenceError, InputError

STEPS = 200
FINE = 1e-10  # largest weighted mean of a standardised centred covariate that counts as 0
ALMOST_NONE = 1e-6  # a weight below this is looked at again
FARTHEST = 500.0  # log weights that differ by more: one patient stands for all


def balancing_weights(x: Floats, names: tuple[str, ...]) -> tuple[Floats, Floats]:
    """(weights that sum to n, coefficients a of x) for centred covariates x, shape (n, p).

    Minimises log sum exp(x'a), convex, whose slope is the weighted mean of x, by Newton's method with halving.
    Raises InputError where no positive weights bring every mean to 0 (the target lies outside, or on the edge, of what
    these patients can be combined to). Source: Signorovitch et al. 2010, doi:10.2165/11538370-000000000-00000.
    """
    scale = np.sqrt(np.mean(x**2, axis=0))
    scale[scale == 0] = 1.0
    xs = x / scale
    a = np.zeros(x.shape[1])
    value, share = _at(xs, a)
    for _ in range(STEPS):
        slope = share @ xs
        if np.abs(slope).max() < FINE:
            if share.min() * len(x) < ALMOST_NONE:  # far from the target, or on its way to 0 at the edge
                refuse_unreachable(xs, names)
            return share * len(x), a / scale
        spread = (xs - slope).T @ (share[:, None] * (xs - slope))
        step = -np.linalg.lstsq(spread, slope, rcond=1e-12)[0]
        a, value, share, moved = _downhill(xs, a, step, value, share, slope)
        if not moved or np.ptp(xs @ a) > FARTHEST:
            break
    refuse_unreachable(xs, names)
    if np.abs(share @ xs).max() < 1e-7:
        return share * len(x), a / scale
    raise ConvergenceError("the weights did not settle", last=a / scale, where="target")


def _at(xs: Floats, a: Floats) -> tuple[float, Floats]:
    eta = xs @ a
    top = eta.max()
    w = np.exp(eta - top)
    total = w.sum()
    return float(top + np.log(total)), w / total


def _downhill(
    xs: Floats, a: Floats, step: Floats, value: float, share: Floats, slope: Floats
) -> tuple[Floats, float, Floats, bool]:
    """The first of the halved steps that goes down; the last flag is False where none does."""
    size = 1.0
    for _ in range(40):
        new_value, new_share = _at(xs, a + size * step)
        if new_value <= value + 1e-4 * size * float(slope @ step) or (
            size == 1.0 and np.abs(new_share @ xs).max() < 0.5 * np.abs(slope).max()
        ):
            return a + size * step, new_value, new_share, True
        size /= 2
    return a, value, share, False


def refuse_unreachable(xs: Floats, names: tuple[str, ...]) -> None:
    """InputError where 0 is no mean of the rows with weights that are all above 0.

    The largest least weight t of weights that sum to 1 and bring every mean to 0, by linear programming.
    """
    from scipy.optimize import linprog

    n, p = xs.shape
    # weights w = t + u with u >= 0: sum u + n t = 1, xs'u + t xs'1 = 0, t at most 1/n
    equal = np.vstack([np.append(np.ones(n), n), np.column_stack([xs.T, xs.sum(axis=0)])])
    found = linprog(
        np.append(np.zeros(n), -1.0),
        A_eq=equal,
        b_eq=np.append(1.0, np.zeros(p)),
        bounds=[(0, None)] * n + [(0, 1 / n)],
        method="highs",
    )
    if found.status == 2 or (found.status == 0 and found.x[-1] * n < 1e-9):
        raise InputError(
            f"no weights bring {', '.join(names)} to the target together",
            where="target",
            hint="each mean lies within the patients' range, their combination does not: match fewer covariates",
        )
