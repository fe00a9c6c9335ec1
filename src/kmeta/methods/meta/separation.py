"""Counts that no finite estimate fits best: found from the counts themselves, before anything is climbed.

A study whose count is as low (or as high) as it can be pulls its effect down (up) without end; only studies inside
their range hold the estimates back. The likelihood of a model of counts has no maximum where coefficients can move
along a direction that no study resists (separation); where every study is at an end the variance may have no bound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kmeta.core.arrays import Floats
from kmeta.core.errors import ConvergenceError

Signs = NDArray[np.int8]  # -1: as low as it can be, 1: as high, 0: inside
TINY = 1e-9
SHOWN = 5  # studies named in a message


def group_ends(measure: str, columns: Mapping[str, Floats]) -> Signs:
    """Where the counts of each group lie, shape (k, J)."""
    if measure == "PLO":
        x, n = columns["xi"], columns["ni"]
        pairs = [(x, n - x)]
    elif measure == "IRLN":
        pairs = [(columns["xi"], np.ones_like(columns["xi"]))]
    elif measure == "OR":
        pairs = [(columns["ai"], columns["bi"]), (columns["ci"], columns["di"])]
    else:
        pairs = [(x, np.ones_like(x)) for x in (columns["x1i"], columns["x2i"])]
    return np.column_stack(
        [(rest == 0).astype(np.int8) - (events == 0).astype(np.int8) for events, rest in pairs]
    )


def effect_ends(groups: Signs, *, events_alone: bool = False) -> Signs:
    """Where the effect of each study lies, shape (k,): of two groups one at an end is enough.

    `events_alone`: groups in which everyone has the event count as inside (the approximate conditional model).
    """
    if groups.shape[1] == 1:
        return groups[:, 0]
    kept = np.minimum(groups, 0) if events_alone else groups
    return np.sign(kept[:, 0] - kept[:, 1]).astype(np.int8)


def separating(rows: Floats, signs: Signs) -> Floats | None:
    """A direction of the coefficients that no row resists and some row gains from; None where there is none.

    rows (n, p): what the coefficients are multiplied with; signs (n,). A linear program.
    Source: Albert & Anderson 1984, doi:10.1093/biomet/71.1.1.
    """
    inside, ends = rows[signs == 0], signs[signs != 0, None] * rows[signs != 0]
    if not len(ends):
        return None
    free = np.eye(rows.shape[1])
    if len(inside):
        _, size, axes = np.linalg.svd(inside, full_matrices=True)
        rank = int(np.sum(size > TINY * max(1.0, float(size.max(initial=0.0)))))
        free = axes[rank:].T
    if not free.shape[1]:
        return None
    gains = ends @ free
    if free.shape[1] == 1:
        one = gains[:, 0]
        size_ = float(np.abs(one).max())
        if size_ <= TINY or (one.min() < -TINY * size_ and one.max() > TINY * size_):
            return None
        return np.asarray(free[:, 0] * (1.0 if one.max() > TINY * size_ else -1.0))
    from scipy.optimize import linprog

    n = len(gains)
    scale = np.maximum(np.abs(gains).max(axis=1, keepdims=True), TINY)
    unit = gains / scale
    found = linprog(
        -unit.sum(axis=0),
        A_ub=np.vstack([-unit, unit]),
        b_ub=np.concatenate([np.zeros(n), np.ones(n)]),
        bounds=[(None, None)] * unit.shape[1],
        method="highs",
    )
    if found.x is None or -found.fun < 1e-6:
        return None
    return np.asarray(free @ found.x)


def refuse_separated(rows: Floats, signs: Signs, terms: Sequence[str], labels: Sequence[str]) -> None:
    """ConvergenceError that names the coefficients without an estimate, and studies that push them.

    `terms` of the columns of `rows`, `labels` of its rows.
    """
    direction = separating(rows, signs)
    if direction is None:
        return
    size = np.abs(direction).max()
    moved = [term for term, part in zip(terms, direction.tolist(), strict=True) if abs(part) > 1e-7 * size]
    gain = signs * (rows @ direction)
    pushing = list(
        dict.fromkeys(label for label, g in zip(labels, gain.tolist(), strict=True) if g > 1e-7 * size)
    )
    raise ConvergenceError(
        f"no finite estimate of {', '.join(moved)}: the counts of {_named(pushing)} are as low or as high as they can "
        "be, and no study stands against",
        last=direction.tolist(),
        where="glmm",
        hint="leave out that moderator"
        if len(rows[0]) > 1 and moved != list(terms[:1])
        else "report the counts",
    )


def best_far_away(signs: Signs) -> float:
    """The log-likelihood that is approached as mu and tau grow together, when every study is at an end of its counts.

    Each study then tells no more than the sign of its effect; no mean and tau do better where studies differ in nothing
    but their numbers.
    """
    up, k = int((signs > 0).sum()), len(signs)
    return sum(n * float(np.log(n / k)) for n in (up, k - up) if n)


def boundless(signs: Signs, labels: Sequence[str], deviation: float) -> ConvergenceError:
    """The error of a variance that grows without end, with the studies that ask for it."""
    ends = [label for label, sign in zip(labels, signs.tolist(), strict=True) if sign]
    which = "the counts of every study" if len(ends) == len(labels) else f"the counts of {_named(ends)}"
    rises = (
        "does not fall however large it is"
        if math.isinf(deviation)
        else f"still rises at tau = {deviation:.3g}"
    )
    return ConvergenceError(
        f"no finite variance between studies: the likelihood {rises}; {which} are as low or as high as they can be",
        last=[deviation],
        where="glmm",
        hint='method="EE" (one true effect), or report the counts',
    )


def _named(labels: Sequence[str]) -> str:
    if not labels:
        return "no study"
    more = len(labels) - SHOWN
    return f"study {', '.join(labels[:SHOWN])}" + (f" and {more} more" if more > 0 else "")
