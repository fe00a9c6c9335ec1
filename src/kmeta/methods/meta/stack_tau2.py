"""Estimators of tau2 for many meta-analyses at once: the roots that `tau2.py` finds, found for all in step.

Each is a function of a stack: (tau2 on the stack's scale, whether it settled), both of shape (m,). A problem without
degrees of freedom has tau2 = 0, as it has alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.meta.maximise import EPS, GRID_STEP, SETTLED, STEPS
from kmeta.methods.meta.stack import Ints, Slopes, Stack, Stacked, heights, rising, slopes

Bools = np.ndarray[Any, np.dtype[np.bool_]]
Found = tuple[Floats, Bools]


def between(low: Floats, high: Floats) -> Floats:
    """A point inside each bracket: its geometric middle where it spans more than a factor of four."""
    wide = (low > 0) & (high > 4 * low)
    return np.where(wide, np.sqrt(low * high), 0.5 * (low + high))


def narrow(
    slope: Callable[[Floats, Ints], Slopes], low: Floats, high: Floats, tiny: Floats
) -> tuple[Floats, Bools]:
    """The root in each bracket and whether it was reached: `maximise.narrow` for all brackets in step.

    `slope(points, which)` gives the slopes of the brackets `which` alone; those that are done drop out.
    """
    out, reached = np.empty(len(low)), np.zeros(len(low), dtype=bool)
    which = np.arange(len(low))
    at, moved = 0.5 * (low + high), high - low
    for _ in range(STEPS):
        if not len(which):
            break
        here = slope(at, which)
        up = here.first > 0
        low, high = np.where(up, at, low), np.where(up, high, at)
        done = (np.abs(here.first) <= 8 * EPS * here.size) | (high - low <= np.maximum(2 * EPS * high, tiny))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            newton = at - here.first / here.second
            inside = (here.second < 0) & (low < newton) & (newton < high)
            inside &= np.abs(newton - at) <= 0.5 * moved
            last = inside & ~done & (np.abs(newton - at) <= SETTLED * at)
        following = np.where(inside, newton, between(low, high))
        out[which] = np.where(done, at, following)
        going = ~(done | last)
        reached[which[~going]] = True
        moved = np.abs(following - at)
        low, high, at, moved, tiny = (a[going] for a in (low, high, following, moved, tiny))
        which = which[going]
    return out, reached


def upper_bounds(stack: Stack, terms: Ints) -> Floats:
    """Beyond these tau2 every slope is negative; see `likelihood.upper_bound`."""
    rss = stack.rss
    low, high = stack.v.min(axis=0), stack.held.max(axis=0)
    return np.asarray((rss + np.sqrt(rss * rss + 4 * terms * rss * (high - low))) / (2 * terms) - low)


def maximum_likelihood(stack: Stack, *, restricted: bool) -> Found:
    """The tau2 of the highest mode of each profile likelihood, 0 included."""
    m = stack.y.shape[1]
    tau2, settled = np.zeros(m), np.ones(m, dtype=bool)
    terms = stack.df if restricted else stack.k
    upper = upper_bounds(stack, np.maximum(terms, 1))
    open_ = np.flatnonzero((upper > 0) & (stack.df > 0))
    if not len(open_):
        return tau2, settled
    tau2[open_], settled[open_] = _highest(stack.take(open_), upper[open_], restricted)
    return tau2, settled


def _highest(stack: Stack, upper: Floats, restricted: bool) -> Found:
    """The slope's sign on a grid, then the root in every bracket, then the highest of a problem's modes."""
    smallest = stack.v.min(axis=0)
    low = np.log(np.minimum(0.01 * smallest, 0.5 * upper))
    high = np.log(upper)
    n = 2 + int(np.ceil(((high - low) / GRID_STEP).max()))
    points = np.zeros((n + 1, len(upper)))
    points[1:] = np.exp(low + (high - low) * np.linspace(0, 1, n)[:, None])
    points[-1] = upper
    up = np.array([rising(stack, at, restricted=restricted) for at in points])
    step, problem = np.nonzero(up[:-1] & ~up[1:])

    def slope(at: Floats, which: Ints) -> Slopes:
        return slopes(stack.take(problem[which]), at, restricted=restricted)

    roots, reached = narrow(slope, points[step, problem], points[step + 1, problem], EPS * smallest[problem])
    ends, zeros = np.flatnonzero(up[-1]), np.flatnonzero(~up[0])
    where = np.concatenate([problem, zeros, ends])
    found = np.concatenate([roots, np.zeros(len(zeros)), upper[ends]])
    settled = np.ones(len(upper), dtype=bool)
    settled[problem[~reached]] = False
    return _best(stack, where, found, restricted), settled


def _best(stack: Stack, where: Ints, found: Floats, restricted: bool) -> Floats:
    """Of the points `found` of problems `where` the highest one of each problem."""
    tau2 = np.zeros(stack.y.shape[1])
    tau2[where] = found
    several = np.bincount(where, minlength=len(tau2))[where] > 1
    if several.any():
        where, found = where[several], found[several]
        height = heights(stack.take(where), found, restricted=restricted)
        order = np.lexsort((height, where))
        tau2[where[order]] = found[order]  # the last written, the highest, stays
    return tau2


def solve_q(stack: Stack, target: Floats) -> Found:
    """The tau2 at which each generalised Q equals its target, 0 where it is below: `qprofile.solve_q` in step."""
    m = stack.y.shape[1]
    tau2, settled = np.zeros(m), np.ones(m, dtype=bool)
    rss, least = stack.rss, stack.v.min(axis=0)
    which = np.flatnonzero((stack.df > 0) & (target > 0))
    which = which[rss[which] / target[which] > least[which]]
    low, high = np.zeros(len(which)), rss[which] / target[which] - least[which]
    at, goal = np.zeros(len(which)), target[which]
    for _ in range(STEPS):
        if not len(which):
            return tau2, settled
        fit = stack.take(which).at(at)
        excess = fit.q - goal
        low, high = np.where(excess > 0, at, low), np.where(excess > 0, high, at)
        done = (np.abs(excess) <= 4 * EPS * fit.q) | ((at == 0) & (excess <= 0))
        done |= high - low <= 2 * EPS * high
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            newton = at + fit.q * excess / (goal * np.einsum("km,km->m", fit.u, fit.u))
            inside = (low < newton) & (newton < high)
            last = ~done & inside & (np.abs(newton - at) <= SETTLED * at)
        following = np.where(inside, newton, between(low, high))
        tau2[which] = np.where(done, at, following)
        going = ~(done | last)
        low, high, at, goal, which = (a[going] for a in (low, high, following, goal, which))
    settled[which] = False
    return tau2, settled


def moments(fit: Stacked, expected: Floats, slope: Floats) -> Found:
    """(Q - what is expected of it at tau2 = 0) / its slope in tau2, truncated at 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        raw = (fit.q - expected) / slope
    return np.where(raw > 0, raw, 0.0), np.ones(len(raw), dtype=bool)


def dersimonian_laird(stack: Stack) -> Found:
    """As `tau2.dersimonian_laird`."""
    fit = Stacked(stack, 1 / stack.v)
    return moments(fit, stack.df.astype(float), fit.trace())


def hedges(stack: Stack) -> Found:
    """As `tau2.hedges`."""
    fit = Stacked(stack, stack.ones)
    return moments(fit, fit.trace(stack.held), stack.df.astype(float))


def two_step(first: Callable[[Stack], Found], stack: Stack) -> Found:
    """As `tau2.two_step_dersimonian_laird` and `tau2.two_step_hedges`."""
    fit = stack.at(np.where(stack.df > 0, first(stack)[0], 0.0))
    return moments(fit, fit.trace(stack.held), fit.trace())


def hunter_schmidt(stack: Stack) -> Found:
    """As `tau2.hunter_schmidt`."""
    fit = Stacked(stack, 1 / stack.v)
    return moments(fit, stack.k.astype(float), fit.w.sum(axis=0))


def hunter_schmidt_k(stack: Stack) -> Found:
    """As `tau2.hunter_schmidt_k`."""
    fit = Stacked(stack, 1 / stack.v)
    factor = stack.k / np.maximum(stack.df, 1)
    return moments(fit, stack.k / factor, fit.w.sum(axis=0) / factor)


def sidik_jonkman(stack: Stack) -> Found:
    """As `tau2.sidik_jonkman`."""
    ones = stack.ones
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.einsum("km,km->m", ones, stack.y) / stack.k
        guess = np.einsum("km,km->m", ones, (stack.y - mean) ** 2) / stack.k
        raw = guess * stack.at(np.where(guess > 0, guess, 1.0)).q / np.maximum(stack.df, 1)
    return np.where(raw > 0, raw, 0.0), np.ones(len(raw), dtype=bool)


def paule_mandel(stack: Stack) -> Found:
    """As `tau2.paule_mandel`."""
    return solve_q(stack, stack.df.astype(float))


def median_unbiased_paule_mandel(stack: Stack) -> Found:
    """As `tau2.median_unbiased_paule_mandel`."""
    from scipy.special import chdtri

    df, back = np.unique(np.maximum(stack.df, 1), return_inverse=True)
    return solve_q(stack, chdtri(df, 0.5)[back])


STACK_TAU2: dict[str, Callable[[Stack], Found]] = {
    "DL": dersimonian_laird,
    "DL2": lambda stack: two_step(dersimonian_laird, stack),
    "DLIT": paule_mandel,
    "EB": paule_mandel,
    "GENQ": dersimonian_laird,
    "HE": hedges,
    "HE2": lambda stack: two_step(hedges, stack),
    "HS": hunter_schmidt,
    "HSk": hunter_schmidt_k,
    "ML": lambda stack: maximum_likelihood(stack, restricted=False),
    "PM": paule_mandel,
    "PMM": median_unbiased_paule_mandel,
    "REML": lambda stack: maximum_likelihood(stack, restricted=True),
    "SJ": sidik_jonkman,
    "SJIT": paule_mandel,
}


def estimate(method: str | float, stack: Stack) -> Found:
    """(tau2 on the stack's scale, settled) by a named estimator; "CE" gives 0, a number itself."""
    m = stack.y.shape[1]
    if method == "CE" or not isinstance(method, str):
        fixed = 0.0 if method == "CE" else float(method)
        return fixed / stack.unit**2, np.ones(m, dtype=bool)
    tau2, settled = STACK_TAU2[method](stack)
    return np.where(stack.df > 0, tau2, 0.0), settled
