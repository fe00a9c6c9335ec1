"""The likelihood of a location-scale model in the coefficients of its scale, with gradient and Hessian, and its
maximum.

Everything is O(k p**2 q) in time and O(k p**2) in memory: P = W - W X (X'WX)^-1 X'W is never made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import ConvergenceError

STEPS = 500
SETTLED = 1e-9  # a step this short, relative to the coefficients, was the last one needed
FLAT = 1e-13  # a step that would gain less in log-likelihood than this is taken for rounding ...
DRIFT = 1e-3  # ... unless it is this long: then the maximum lies at infinity
EXPONENT = 300.0  # exp() of larger predictors, and products of it, leave the range of doubles
AT_BOUND = 1e-12  # a variance this small against the largest sampling variance counts as 0


class Climb(NamedTuple):
    """Where a search ended: coefficients, log-likelihood, whether it settled, and which variances are held at 0."""

    alpha: Floats
    height: float
    settled: bool
    held: Floats


class Slopes(NamedTuple):
    """Log-likelihood (up to a constant), gradient, Hessian, and the information that scoring steps take.

    The information is the expected one: of the restricted likelihood, else of the likelihood with the location known.
    """

    height: float
    gradient: Floats
    hessian: Floats
    information: Floats


class ScaleLikelihood:
    """Profile (restricted) log-likelihood of y with variances v + tau2_i, tau2_i = exp(Z a) or Z a.

    `x` is an orthonormal basis of the location's columns, `z` (k, q) of full rank.
    """

    def __init__(self, y: Floats, v: Floats, x: Floats, z: Floats, *, link: str, restricted: bool) -> None:
        self.y, self.v, self.x, self.z = y, v, x, z
        self.log, self.restricted = link == "log", restricted

    def tau2(self, alpha: Floats) -> Floats:
        """The variance of each true effect."""
        eta = self.z @ alpha
        if self.log:
            return np.asarray(np.exp(np.clip(eta, -EXPONENT, EXPONENT)))
        return np.asarray(np.maximum(eta, 0.0))

    def inside(self, alpha: Floats) -> bool:
        """Whether all predictors are in the range of numbers."""
        return not self.log or bool(np.abs(self.z @ alpha).max() < EXPONENT)

    def height(self, alpha: Floats) -> float:
        """Log-likelihood at `alpha`, up to a constant."""
        total = self.v + self.tau2(alpha)
        w = 1 / total
        wx = self.x * w[:, None]
        gram = self.x.T @ wx
        resid = self.y - self.x @ np.linalg.solve(gram, wx.T @ self.y)
        height = -0.5 * (float(np.log(total).sum()) + float((w * resid) @ resid))
        return height - 0.5 * float(np.linalg.slogdet(gram)[1]) if self.restricted else height

    def slopes(self, alpha: Floats) -> Slopes:
        """Height with derivatives at `alpha`."""
        t = self.tau2(alpha)
        w = 1 / (self.v + t)
        wx = self.x * w[:, None]
        inverse = np.linalg.inv(self.x.T @ wx)
        u = w * (self.y - self.x @ (inverse @ (wx.T @ self.y)))
        root = wx @ np.linalg.cholesky(inverse)  # P = W - root root'
        own = w - np.sum(root * root, axis=1) if self.restricted else w
        d = self.z * t[:, None] if self.log else self.z
        first = 0.5 * (u * u - own)
        moved = d * u[:, None]
        across = root.T @ moved
        hessian = -(moved.T @ (moved * w[:, None]) - across.T @ across)
        if self.restricted:
            pairs = (root[:, :, None] * root[:, None, :]).reshape(len(w), -1).T @ d
            information = 0.5 * (d.T @ (d * (w * (2 * own - w))[:, None]) + pairs.T @ pairs)
        else:
            information = 0.5 * (d.T @ (d * (w * w)[:, None]))
        hessian += information
        if self.log:
            hessian += self.z.T @ (self.z * (first * t)[:, None])
        return Slopes(self.height(alpha), d.T @ first, hessian, information)


def highest(model: ScaleLikelihood, starts: Iterable[Floats], shown: Callable[[Floats], Floats]) -> Climb:
    """The highest maximum found from `starts`; `shown` brings an iterate to the coefficients that a reader knows.

    Raises ConvergenceError (with the last iterate) when none settles, or where one that does not settle is higher: the
    likelihood then has no maximum at finite coefficients.
    """
    ends = [climb(model, start) for start in starts]
    best = max(ends, key=lambda end: end.height)
    settled = [end for end in ends if end.settled]
    if settled:
        found = max(settled, key=lambda end: end.height)
        if found.height >= best.height - 1e-8:
            return found
    raise ConvergenceError(
        "the coefficients of the scale did not settle: the likelihood still rises as variances between studies go "
        "to 0 or to infinity",
        last=shown(best.alpha).tolist(),
        hint='fewer scale columns, link="identity" (which may give a variance of 0), or a model without scale',
    )


def climb(model: ScaleLikelihood, start: Floats) -> Climb:
    """Newton steps on the true Hessian where it is negative definite, else scoring steps; never downhill.

    With the identity link no variance may fall below 0: the rows at that bound which push outwards are held there.
    """
    alpha = np.array(start, dtype=float)
    held = np.zeros(len(model.y), dtype=bool)
    for _ in range(STEPS):
        here = model.slopes(alpha)
        held, free = _bounds(model, alpha, here.gradient)
        if not free.shape[1]:
            return Climb(alpha, here.height, True, held)
        step = _step(model, alpha, here, free)
        gain = 0.5 * float(step @ here.gradient)
        size = float(np.abs(step).max()) / (1 + float(np.abs(alpha).max()))
        if not model.log:
            size = float(np.abs(model.z @ step).max() / (model.v.min() + model.tau2(alpha).max()))
        if size <= SETTLED:
            return Climb(alpha + (step if _feasible(model, alpha + step) else 0), here.height, True, held)
        if gain <= FLAT:
            # The height can no longer tell, the gradient still can: the last step is taken if it is short.
            last = size <= DRIFT and _feasible(model, alpha + step)
            return Climb(alpha + (step if last else 0), here.height, size <= DRIFT, held)
        following = _line(model, alpha, step, here)
        if following is None:
            return Climb(alpha, here.height, gain <= 1e-10 and size <= DRIFT, held)
        alpha = following
    return Climb(alpha, model.height(alpha), False, held)


def _feasible(model: ScaleLikelihood, alpha: Floats) -> bool:
    return model.log or bool((model.z @ alpha >= 0).all())


def _bounds(model: ScaleLikelihood, alpha: Floats, gradient: Floats) -> tuple[Floats, Floats]:
    """(which estimates have their variance held at 0, a basis of the directions that are left).

    Non-negative least squares splits the gradient into a part that pushes against bounds, which are held, and the
    feasible rest (Moreau's decomposition).
    """
    k, q = model.z.shape
    held = np.zeros(k, dtype=bool)
    if model.log:
        return held, np.eye(q)
    at = np.flatnonzero(model.z @ alpha <= AT_BOUND * model.v.max())
    if not at.size:
        return held, np.eye(q)
    from scipy.optimize import nnls

    rows, first = np.unique(model.z[at], axis=0, return_index=True)
    push, left = nnls(rows.T, -gradient)
    pushing = push > 0
    held[at[first[pushing]]] = True
    held[at] |= np.array([any(np.array_equal(z, row) for row in rows[pushing]) for z in model.z[at]])
    if left <= 1e-10 * float(np.linalg.norm(gradient)):
        return held, np.empty((q, 0))
    return held, _null_space(rows[pushing], q)


def _null_space(rows: Floats, q: int) -> Floats:
    if not len(rows):
        return np.eye(q)
    _, size, vectors = np.linalg.svd(rows)
    rank = int(np.sum(size > 1e-10 * size.max()))
    return np.asarray(vectors[rank:].T)


def _step(model: ScaleLikelihood, alpha: Floats, here: Slopes, free: Floats) -> Floats:
    """An uphill step in the directions `free`, into no bound that `alpha` lies on."""
    bound = np.empty((0, free.shape[0]))
    if not model.log:
        bound = model.z[model.z @ alpha <= AT_BOUND * model.v.max()]
    for _ in range(free.shape[0] + 1):
        slope = free.T @ here.gradient
        step = free @ _solve(free.T @ here.hessian @ free, free.T @ here.information @ free, slope)
        into = bound[bound @ step < -1e-12 * np.abs(bound).max(initial=1.0) * np.abs(step).max()]
        if not len(into):
            return np.asarray(step)
        inner = into[:1] @ free
        free = free @ _null_space(inner, free.shape[1])
        if not free.shape[1]:
            break
    return np.zeros(len(alpha))


def _solve(hessian: Floats, information: Floats, slope: Floats) -> Floats:
    for matrix in (-hessian, information):
        scale = np.sqrt(np.abs(np.diag(matrix)))
        if (scale > 0).all():
            scaled = matrix / np.outer(scale, scale)
            value, vector = np.linalg.eigh(scaled)
            if value[0] > 1e-11:
                return np.asarray(vector @ ((vector.T @ (slope / scale)) / value) / scale)
    norm = float(np.linalg.norm(slope))
    return slope / norm if norm > 0 else slope


def _line(model: ScaleLikelihood, alpha: Floats, step: Floats, here: Slopes) -> Floats | None:
    """The first of ever shorter moves along `step` that gains what it should; None when none does."""
    length = 1.0
    eta = model.z @ alpha
    if model.log:
        length = min(1.0, 5.0 / max(1e-300, float(np.abs(model.z @ step).max())))
    else:
        change = model.z @ step
        falling = (change < 0) & (eta > AT_BOUND * model.v.max())
        if falling.any():
            length = min(1.0, float(np.min(eta[falling] / -change[falling])))
    slope = float(step @ here.gradient)
    for _ in range(60):
        following = alpha + length * step
        if model.inside(following) and model.height(following) >= here.height + 1e-4 * length * slope:
            return following
        length *= 0.5
    return None


def log_starts(model: ScaleLikelihood, level: float) -> list[Floats]:
    """Starts for the log link: one variance for all, at several sizes, and each column up and down."""
    k, q = model.z.shape
    flat = [_fitted(model, np.full(k, math.log(level * factor))) for factor in (1.0, 0.1, 10.0, 0.001)]
    tilted = []
    for j in range(q):
        column = model.z[:, j] - model.z[:, j].mean()
        spread = float(column.std())
        if spread > 1e-8 * float(np.abs(model.z[:, j]).max()):
            tilted += [_fitted(model, math.log(level) + sign * column / spread) for sign in (-1.5, 1.5)]
    resid = model.y - model.x @ (model.x.T @ model.y)
    crude = _fitted(model, np.log(np.maximum(resid**2 - model.v, 0.05 * model.v)))
    return [*flat, *tilted, crude]


def identity_starts(model: ScaleLikelihood, level: float) -> list[Floats]:
    """Starts for the identity link, all with variances above 0: even ones, and each column up and down."""
    k, q = model.z.shape
    found = [_fitted(model, np.full(k, level * factor)) for factor in (1.0, 0.1, 10.0)]
    for j in range(q):
        column = model.z[:, j]
        spread = float(np.ptp(column))
        if spread > 1e-8 * float(np.abs(column).max()):
            share = (column - column.min()) / spread
            found += [_fitted(model, level * (0.05 + part)) for part in (share, 1 - share)]
    return [start for start in found if (model.z @ start > 0).all()]


def _fitted(model: ScaleLikelihood, eta: Floats) -> Floats:
    return np.asarray(np.linalg.lstsq(model.z, eta, rcond=None)[0])
