"""The k estimates of one meta-analysis, laid out so that weighted sums lose nothing, and the algebra on them.

Everything is O(k p**2) in time and O(k) in memory: the k x k matrix P = W - W X (X'WX)^-1 X'W is never made, only
its traces and its products with vectors.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError

LONG = 8192  # numbers; above, BLAS wakes its threads for a dot product, and waiting for them costs far more than it


def dot(a: Floats, b: Floats) -> float:
    """a'b of two vectors, on one core and so the same whatever the machine has."""
    return float(a @ b) if len(a) <= LONG else float(np.einsum("i,i->", a, b))


class Sample:
    """Estimates `y` with variances `v`, divided by a power of two so that the smallest variance is in [1, 4).

    Without moderators (`x` is None) the most precise estimate comes first and is the origin: the sums below then
    stay exact when variances differ by 20 orders of magnitude. With moderators `x` is an orthonormal basis of their
    span, and `r` brings its coefficients back.
    """

    __slots__ = ("first", "k", "p", "r", "unit", "v", "x", "y")

    def __init__(self, yi: Floats, vi: Floats, x: Floats | None = None) -> None:
        self.k, self.p = len(yi), 1 if x is None else x.shape[1]
        self.first = first = int(vi.argmin())
        self.unit = 2.0 ** ((math.frexp(float(vi[first]))[1] - 1) // 2)
        self.x: Floats | None = None
        self.r: Floats | None = None
        if x is None:
            self.y = (yi - yi[first]) / self.unit
            self.v = vi / self.unit**2
            if first:
                self.y[first], self.v[first] = self.y[0], self.v[0]
                self.y[0], self.v[0] = 0.0, vi[first] / self.unit**2
        else:
            self.y, self.v = yi / self.unit, vi / self.unit**2
            self.x, self.r = orthonormal(x)

    @property
    def rss(self) -> float:
        """Unweighted residual sum of squares."""
        if self.x is None:
            return float(np.sum((self.y - self.y.mean()) ** 2))
        return float(np.sum((self.y - self.x @ (self.x.T @ self.y)) ** 2))


def orthonormal(x: Floats) -> tuple[Floats, Floats]:
    """QR of a design matrix; refused when its columns are collinear."""
    q, r = np.linalg.qr(x)
    size = np.abs(np.diag(r))
    norm = np.sqrt(np.sum(x * x, axis=0))
    if (size <= 1e-10 * norm).any():
        column = int(np.argmax(size <= 1e-10 * norm))
        raise InputError(
            f"moderator column {column} is a combination of the columns before it",
            where="mods",
            hint="leave one of the collinear columns out (a constant column is the intercept)",
        )
    return q, r


class Weighted:
    """Least squares of a sample under weights `w` (shape (k,), in the sample's order).

    `mu` are the coefficients (a float without moderators), `u` = P y, `q` = y'Py, `inverse` = (X'WX)^-1.
    """

    __slots__ = ("inverse", "mu", "q", "resid", "sample", "u", "w")

    def __init__(self, sample: Sample, w: Floats) -> None:
        self.sample, self.w = sample, w
        if sample.x is None:
            self.inverse: Any = 1.0 / float(w.sum())
            self.mu: Any = dot(w, sample.y) * self.inverse
            self.resid = sample.y - self.mu
        else:
            wx = sample.x * w[:, None]
            self.inverse = np.linalg.inv(sample.x.T @ wx)
            self.mu = self.inverse @ (wx.T @ sample.y)
            self.resid = sample.y - sample.x @ self.mu
        self.u = w * self.resid
        self.q = dot(self.u, self.resid)

    def quadratic(self, a: Floats) -> float:
        """a'Pa."""
        wa = self.w * a
        if self.sample.x is None:
            return dot(wa, a) - float(wa.sum()) ** 2 * float(self.inverse)
        xa = self.sample.x.T @ wa
        return float(wa @ a) - float(xa @ self.inverse @ xa)

    def trace(self, d: Floats | None = None) -> float:
        """tr(P D) for a diagonal D; without it tr(P)."""
        w = self.w
        wd = w if d is None else w * d
        if self.sample.x is None:
            if d is not None:
                # w_i d_i (1 - w_i / sum w), the largest weight's complement summed without it
                rest = float(w[1:].sum())
                others = dot(w[1:], d[1:]) * float(w[0]) + dot(w[1:] * d[1:], rest - w[1:])
                return (float(wd[0]) * rest + others) * float(self.inverse)
            first, rest = float(w[0]), float(w[1:].sum())
            return (2 * first * rest + rest * rest - dot(w[1:], w[1:])) * float(self.inverse)
        return float(wd.sum() - np.sum(self.inverse * self._gram(w * wd)))

    def trace2(self, d: Floats | None = None, e: Floats | None = None) -> float:
        """tr(P D P E) for diagonal D and E; without them tr(P P)."""
        w = self.w
        wd = w if d is None else w * d
        we = w if e is None else w * e
        if self.sample.x is None:
            s = float(self.inverse)
            keep = 1 - w * s
            keep[0] = float(w[1:].sum()) * s
            a, b = wd * w, we * w
            rest = float(b[1:].sum())
            apart = float(a[0]) * rest + dot(a[1:], float(b[0]) + rest - b[1:])
            return dot(wd * we, keep * keep) + s * s * apart
        gd, ge = self._gram(w * wd), self._gram(w * we)
        once = np.sum(self.inverse * self._gram(wd * we * w))
        return float(wd @ we - 2 * once + np.sum((self.inverse @ gd) * (self.inverse @ ge).T))

    def _gram(self, w: Floats) -> Floats:
        x = self.sample.x
        assert x is not None  # noqa: S101
        return x.T @ (x * w[:, None])

    def log_det(self) -> float:
        """log |X'WX| in the orthonormal basis (without moderators: log of the sum of weights)."""
        if self.sample.x is None:
            return -math.log(float(self.inverse))
        return -float(np.linalg.slogdet(self.inverse)[1])
