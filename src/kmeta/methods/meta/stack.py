"""Many meta-analyses side by side: the algebra of `sample.py` for m problems at once, without a loop over them.

Arrays have shape (k, m): problems run along the last axis, so that every sum over estimates is a sum of rows, which
the processor does in full width. A missing estimate has an infinite variance, hence no weight. Where the problems
have moderators, `x` has shape (p, k, m), or (p, k, 1) when all share them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.meta.maximise import EPS

Ints = np.ndarray[Any, np.dtype[np.int64]]


class Stack:
    """Estimates `y` with variances `v`, each problem divided by a power of two as in `Sample`.

    Without moderators the most precise estimate of each problem is its first row and its origin.
    """

    __slots__ = ("held", "here", "k", "origin", "p", "pairs", "unit", "v", "x", "y")

    def __init__(self, yi: Floats, vi: Floats, x: Floats | None = None) -> None:
        """`yi`, `vi` of shape (k, m), vi infinite where there is no estimate; `x` a basis, orthonormal if complete."""
        self.here = np.isfinite(vi)
        self.k: Ints = self.here.sum(axis=0)
        first = vi.argmin(axis=0)
        columns = np.arange(vi.shape[1])
        least = vi[first, columns]
        exponent = np.where(np.isfinite(least), np.frexp(least)[1], 1)
        self.unit: Floats = np.ldexp(1.0, (exponent - 1) // 2)
        self.v = vi / self.unit**2
        self.x, self.pairs, self.p = x, None if x is None else pairs(x), 1 if x is None else x.shape[0]
        if x is None:
            self.origin: Floats = yi[first, columns]
            self.y = (yi - self.origin) / self.unit
            self.y[~self.here] = 0.0
            for array in (self.y, self.v, self.here):
                array[first, columns], array[0] = array[0].copy(), array[first, columns]
        else:
            self.origin = np.zeros(vi.shape[1])
            self.y = np.where(self.here, yi, 0.0) / self.unit
        self.held = self.v if self.here.all() else np.where(self.here, self.v, 0.0)

    def take(self, which: Ints) -> Stack:
        """The problems `which` alone; the stack itself when these are all in their order."""
        if len(which) == self.y.shape[1] and np.array_equal(which, np.arange(len(which))):
            return self
        part = object.__new__(Stack)
        part.p, part.k, part.unit, part.origin = (
            self.p,
            self.k[which],
            self.unit[which],
            self.origin[which],
        )
        part.y, part.v, part.here = self.y[:, which], self.v[:, which], self.here[:, which]
        part.held = part.v if self.held is self.v else self.held[:, which]
        shared = self.x is None or self.x.shape[2] == 1
        part.x = self.x if self.x is None or shared else self.x[:, :, which]
        part.pairs = self.pairs if self.pairs is None or shared else self.pairs[:, :, which]
        return part

    @property
    def df(self) -> Ints:
        """Estimates less coefficients, per problem."""
        return self.k - self.p

    def at(self, tau2: Floats) -> Stacked:
        """Least squares with weights 1 / (v + tau2), tau2 of shape (m,)."""
        return Stacked(self, 1 / (self.v + tau2))

    @property
    def ones(self) -> Floats:
        """Equal weights; 0 where there is no estimate."""
        return self.here.astype(np.float64)

    @property
    def rss(self) -> Floats:
        """Unweighted residual sums of squares."""
        return Stacked(self, self.ones).q


def pairs(x: Floats) -> Floats:
    """Products of every two columns of a design, shape (p (p + 1) / 2, k, m)."""
    p = x.shape[0]
    return np.stack([x[i] * x[j] for i in range(p) for j in range(i, p)])


def gram(products: Floats, w: Floats) -> Floats:
    """X'WX of every problem, shape (p, p, m)."""
    shared = products.shape[2] == 1
    flat = products[:, :, 0] @ w if shared else np.einsum("ikm,km->im", products, w)
    p = int(((8 * len(products) + 1) ** 0.5 - 1) / 2)
    out = np.empty((p, p, w.shape[1]))
    cells = [(i, j) for i in range(p) for j in range(i, p)]
    for (i, j), values in zip(cells, flat, strict=True):
        out[i, j] = out[j, i] = values
    return out


def across(x: Floats, a: Floats) -> Floats:
    """X'a of every problem, shape (p, m)."""
    return np.asarray(x[:, :, 0] @ a if x.shape[2] == 1 else np.einsum("ikm,km->im", x, a))


def inverse(matrices: Floats) -> Floats:
    """Inverses of symmetric positive definite matrices, shape (p, p, m); NaN where one is singular."""
    p = len(matrices)
    out = matrices.copy()
    size = np.abs(np.einsum("iim->im", matrices))
    for i in range(p):
        pivot = np.where(out[i, i] > 64 * EPS * size[i], out[i, i], np.nan)
        row, column = out[i] / pivot, out[:, i] / pivot
        out = out - out[:, i][:, None] * row[None]
        out[i], out[:, i], out[i, i] = row, -column, 1 / pivot
    return out


class Stacked:
    """Least squares of every problem under weights `w`, shape (k, m); names as in `Weighted`.

    Without moderators `inverse` and `mu` have shape (m,), else (p, p, m) and (p, m).
    """

    __slots__ = ("inverse", "mu", "q", "resid", "rest", "stack", "u", "w")

    def __init__(self, stack: Stack, w: Floats) -> None:
        self.stack, self.w = stack, w
        if stack.x is None or stack.pairs is None:
            self.rest: Floats = w[1:].sum(axis=0)
            with np.errstate(divide="ignore", invalid="ignore"):
                self.inverse: Floats = 1 / (w[0] + self.rest)
                self.mu: Floats = np.einsum("km,km->m", w, stack.y) * self.inverse
            self.resid = stack.y - self.mu
        else:
            self.inverse = inverse(gram(stack.pairs, w))
            self.mu = np.einsum("ijm,jm->im", self.inverse, across(stack.x, w * stack.y))
            shared = stack.x.shape[2] == 1
            fitted = stack.x[:, :, 0].T @ self.mu if shared else np.einsum("ikm,im->km", stack.x, self.mu)
            self.resid = stack.y - fitted
        self.u = w * self.resid
        self.q: Floats = np.einsum("km,km->m", self.u, self.resid)

    def quadratic(self, a: Floats) -> Floats:
        """a'Pa, a of shape (k, m)."""
        wa = self.w * a
        if self.stack.x is None:
            return np.asarray(np.einsum("km,km->m", wa, a) - wa.sum(axis=0) ** 2 * self.inverse)
        xa = across(self.stack.x, wa)
        return np.asarray(
            np.einsum("km,km->m", wa, a) - np.einsum("im,ijm,jm->m", xa, self.inverse, xa, optimize=True)
        )

    def trace(self, d: Floats | None = None) -> Floats:
        """tr(P D) for a diagonal D of shape (k, m); without it tr(P)."""
        w = self.w
        if self.stack.pairs is not None:
            wd = w if d is None else w * d
            lost = np.einsum("ijm,ijm->m", self.inverse, gram(self.stack.pairs, w * wd))
            return np.asarray(wd.sum(axis=0) - lost)
        first, rest = w[0], self.rest
        if d is None:
            squares = np.einsum("km,km->m", w[1:], w[1:])
            return np.asarray((2 * first * rest + rest * rest - squares) * self.inverse)
        wd = w * d
        others = wd[1:].sum(axis=0) * first + np.einsum("km,km->m", wd[1:], rest - w[1:])
        return np.asarray((wd[0] * rest + others) * self.inverse)

    def trace2(self) -> Floats:
        """tr(P P)."""
        w2 = self.w * self.w
        square = w2.sum(axis=0)
        if self.stack.pairs is None:
            cubes = np.einsum("km,km->m", w2, self.w)
            return np.asarray(square - 2 * cubes * self.inverse + (square * self.inverse) ** 2)
        once = np.einsum("ijm,ijm->m", self.inverse, gram(self.stack.pairs, w2 * self.w))
        both = np.einsum("ijm,jlm->ilm", self.inverse, gram(self.stack.pairs, w2))
        return np.asarray(square - 2 * once + np.einsum("ijm,jim->m", both, both))

    def log_det(self) -> Floats:
        """log |X'WX|."""
        if self.stack.x is None:
            return np.asarray(-np.log(self.inverse))
        return np.asarray(-np.linalg.slogdet(np.moveaxis(self.inverse, 2, 0))[1])


class Slopes(NamedTuple):
    """As `Slope`, one value a problem."""

    first: Floats
    second: Floats
    size: Floats


def slopes(stack: Stack, tau2: Floats, *, restricted: bool) -> Slopes:
    """Twice the derivative of each log-likelihood in tau2, its own derivative, and the size of its terms."""
    fit = stack.at(tau2)
    trace = fit.trace() if restricted else fit.w.sum(axis=0)
    trace2 = fit.trace2() if restricted else np.einsum("km,km->m", fit.w, fit.w)
    return Slopes(
        np.einsum("km,km->m", fit.u, fit.u) - trace, trace2 - 2 * fit.quadratic(fit.u), np.asarray(trace)
    )


def rising(stack: Stack, tau2: Floats, *, restricted: bool) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether each log-likelihood rises at tau2, shape (m,)."""
    fit = stack.at(tau2)
    trace = fit.trace() if restricted else fit.w.sum(axis=0)
    return np.asarray(np.einsum("km,km->m", fit.u, fit.u) > trace)


def heights(stack: Stack, tau2: Floats, *, restricted: bool) -> Floats:
    """Each profile log-likelihood at tau2, up to a constant."""
    fit = stack.at(tau2)
    total = np.where(stack.here, stack.held + tau2, 1.0)
    height = -0.5 * (np.log(total).sum(axis=0) + fit.q)
    return np.asarray(height - 0.5 * fit.log_det() if restricted else height)
