"""Many weighted Cox fits of one data set at once: arrays (B, n) of weights in, coefficients (B, p) out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.survival.cox_likelihood import RiskSets
from kmeta.methods.survival.cox_newton import FINE, LONGEST, RIDGE

STEPS = 40
MOVING = 0.3  # a step that gains nothing and still moves a log hazard ratio by this: there is no maximum
AT_ONCE = 1_000_000  # numbers in one array: fits are made in pieces of this size


class Stack(NamedTuple):
    """The weights of some replicates and what follows from them alone; rows are events (Efron) or groups."""

    weights: Floats
    row_weight: Floats
    share: Floats | None

    def only(self, which: np.ndarray) -> Stack:
        """Some of the replicates."""
        share = None if self.share is None else self.share[which]
        return Stack(self.weights[which], self.row_weight[which], share)


class Slopes(NamedTuple):
    """Log-likelihood (B,), score (B, p), information (B, p, p)."""

    loglik: Floats
    score: Floats
    information: Floats


def fit_batch(sets: RiskSets, x: Floats, weights: Floats, start: Floats) -> Floats:
    """Coefficients of the standard covariates x (p, n) for each row of weights (B, n), both sorted; shape (B, p).

    NaN where a replicate has no maximum. Newton's method from `start`, all replicates of a piece together.
    """
    size = max(1, AT_ONCE // (weights.shape[1] * (len(x) + 1)))
    pieces = [
        _piece(sets, x, stack(sets, weights[i : i + size]), start) for i in range(0, len(weights), size)
    ]
    return np.concatenate(pieces)


def stack(sets: RiskSets, weights: Floats) -> Stack:
    """The rows of each replicate; who has weight 0 is no tied event."""
    own = weights[:, sets.events]
    total = np.add.reduceat(own, sets.first, axis=1)
    if not sets.shared:
        return Stack(weights, total, None)
    present = (own > 0).astype(float)
    size = np.maximum(np.add.reduceat(present, sets.first, axis=1), 1)[:, sets.group]
    running = np.cumsum(present, axis=1)
    before = running - running[:, sets.first][:, sets.group] + present[:, sets.first][:, sets.group] - present
    return Stack(weights, total[:, sets.group] / size * present, before / size)


def _piece(sets: RiskSets, x: Floats, whole: Stack, start: Floats) -> Floats:
    width = np.ptp(x, axis=1)
    out = np.full((len(whole.weights), len(x)), np.nan)
    left = np.flatnonzero(whole.row_weight.sum(axis=1) > 0)
    beta, some = np.tile(start, (len(left), 1)), whole.only(left)
    now = slopes(sets, x, some, beta)
    for done_so_far in range(STEPS):
        step, sound = _steps(now)
        gain = np.einsum("bi,bi->b", step, now.score) / 2
        endless = ~sound | ((gain < RIDGE) & ((np.abs(step) * width).max(axis=1) > MOVING))
        done = ~endless & (gain < FINE)
        out[left[done]] = beta[done] + step[done]
        on = ~endless & ~done
        if not on.any():
            break
        left, beta, step, some = left[on], beta[on], step[on], some.only(on)
        now = Slopes(*(values[on] for values in now))
        beta, now = _uphill(sets, x, some, beta, step, now, LONGEST * 1.5**done_so_far)
    return out


def _uphill(
    sets: RiskSets, x: Floats, some: Stack, beta: Floats, step: Floats, now: Slopes, longest: float
) -> tuple[Floats, Slopes]:
    """A Newton step of each replicate, halved where it does not gain."""
    reach = (np.abs(step) * np.ptp(x, axis=1)).max(axis=1)
    size = longest / np.maximum(reach, longest)
    for _ in range(30):
        with np.errstate(all="ignore"):  # a step too far is not finite, and is halved
            tried = slopes(sets, x, some, beta + size[:, None] * step)
        worse = ~(tried.loglik >= now.loglik - 1e-11 * np.abs(now.loglik))
        if not worse.any():
            break
        size = np.where(worse, size / 2, size)
    return beta + size[:, None] * step, tried


def _steps(now: Slopes) -> tuple[Floats, np.ndarray]:
    """Newton steps, and whether there is information for one."""
    p = now.score.shape[1]
    least = np.diagonal(now.information, axis1=1, axis2=2).min(axis=1)
    sound = np.isfinite(now.loglik) & (least > 1e-10)
    matrix = np.where(sound[:, None, None], now.information, np.eye(p))
    matrix = matrix + 1e-12 * np.trace(matrix, axis1=1, axis2=2)[:, None, None] * np.eye(p)
    return np.linalg.solve(matrix, now.score[:, :, None])[:, :, 0], sound


def slopes(sets: RiskSets, x: Floats, some: Stack, beta: Floats) -> Slopes:
    """The partial likelihood of each replicate at its own `beta` (B, p), and its derivatives."""
    eta = beta @ x
    theta = some.weights * np.exp(eta)
    s0 = _rows(sets, some, theta)
    known = some.row_weight > 0
    s0 = np.where(known, s0, 1.0)
    row = some.row_weight / s0
    expected = theta * _while_at_risk(sets, some, row)
    means = np.stack([_rows(sets, some, theta * values) / s0 for values in x], axis=1)
    own = some.weights[:, sets.events]
    loglik = np.einsum("be,be->b", own, eta[:, sets.events]) - np.einsum(
        "br,br->b", some.row_weight, np.log(s0)
    )
    score = own @ x[:, sets.events].T - expected @ x.T
    p = len(x)
    products = (x[:, None, :] * x[None, :, :]).reshape(p * p, -1)
    second = (expected @ products.T).reshape(-1, p, p)
    between = np.matmul(means * some.row_weight[:, None, :], means.swapaxes(1, 2))
    return Slopes(loglik, score, second - between)


def _rows(sets: RiskSets, some: Stack, values: Floats) -> Floats:
    sums = sets.at_risk(values)
    if some.share is None:
        return sums
    return sums[:, sets.group] - some.share * sets.of_events(values)[:, sets.group]


def _while_at_risk(sets: RiskSets, some: Stack, row: Floats) -> Floats:
    jump = row if some.share is None else np.add.reduceat(row, sets.first, axis=1)
    total = np.zeros((len(jump), jump.shape[1] + 1))
    np.cumsum(jump, axis=1, out=total[:, 1:])
    sums = total[:, sets.last_group] - total[:, sets.first_group]
    if some.share is not None:
        sums[:, sets.events] -= np.add.reduceat(row * some.share, sets.first, axis=1)[:, sets.group]
    return sums
