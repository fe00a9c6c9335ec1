"""Likelihood of a random-effects model under selection by p value, with its first and second derivatives.

A study's density is w(p(y)) N(y; mu, v + tau2) / A, where A is the integral of the numerator. A and the moments its
derivatives need come from Gauss-Legendre panels: fine where p changes, wide where only the normal density does.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.meta.selection_functions import Family

NODES = 8
CORE = 8.0  # beyond this z, p is 0 or 1 to 15 digits
PANEL = 0.5
TAILS = 18
REACH = 9.0  # standard deviations
CHUNK = 500  # studies at once
TINY = 1e-300  # of 1 - p where an estimate is exactly 0
FLAT = 1e-8  # a tail that falls slower than this has no integral worth the name


class Height(NamedTuple):
    """Log-likelihood, gradient and Hessian in (beta, tau2, delta); value -inf where the model has no density."""

    value: float
    gradient: Floats
    hessian: Floats


class Selected:
    """Estimates `y` with variances `v` and design `x`, seen by chance w(p); `two_sided` p, else of y > 0."""

    def __init__(
        self, y: Floats, v: Floats, x: Floats, family: Family, edges: Floats, *, two_sided: bool
    ) -> None:
        self.y, self.v, self.x, self.family, self.two_sided = y, v, x, family, two_sided
        self.q = x.shape[1]
        core = np.arange(-CORE, CORE + PANEL / 2, PANEL)
        # two-sided, 1 - p is like |z| at 0, and its powers need panels that shrink towards it
        near = PANEL * 3.0 ** -np.arange(1, 17) if two_sided else np.zeros(0)
        self.core = np.unique(np.concatenate([core, edges, near, -near]))
        self.log_p, self.log_q = self.log_tails(y / np.sqrt(v))

    def log_tails(self, z: Floats) -> tuple[Floats, Floats]:
        """(log p, log(1 - p)) of z statistics."""
        from scipy.special import erf, log_ndtr

        if not self.two_sided:
            return np.asarray(log_ndtr(-z)), np.asarray(log_ndtr(z))
        log_p = np.minimum(math.log(2) + log_ndtr(-np.abs(z)), 0.0)
        return log_p, np.log(np.maximum(erf(np.abs(z) / math.sqrt(2)), TINY))

    def height(self, theta: Floats) -> Height:
        """At theta = (beta, tau2, delta)."""
        size = self.q + 1 + self.family.size
        value, gradient, hessian = 0.0, np.zeros(size), np.zeros((size, size))
        for start in range(0, len(self.y), CHUNK):
            with np.errstate(
                invalid="ignore", over="ignore"
            ):  # a step too far gives no number, and is not taken
                part = self._part(theta, slice(start, start + CHUNK))
            if part is None:
                return Height(-math.inf, gradient, hessian)
            value, gradient, hessian = value + part.value, gradient + part.gradient, hessian + part.hessian
        good = math.isfinite(value) and np.isfinite(gradient).all() and np.isfinite(hessian).all()
        return Height(value if good else -math.inf, gradient, hessian)

    def _part(self, theta: Floats, rows: slice) -> Height | None:
        y, v, x = self.y[rows], self.v[rows], self.x[rows]
        beta, tau2, delta = theta[: self.q], float(theta[self.q]), theta[self.q + 1 :]
        mu, total = x @ beta, v + tau2
        seen = self.family.log_weight(self.log_p[rows], self.log_q[rows], delta)
        nodes, log_width = self._nodes(mu / np.sqrt(v), np.sqrt(total / v), delta)
        if nodes is None or log_width is None:
            return None
        hidden = self.family.log_weight(*self.log_tails(nodes), delta)
        away = nodes * np.sqrt(v)[:, None] - mu[:, None]
        log_density = hidden.value + log_width - 0.5 * away**2 / total[:, None]
        top = log_density.max(axis=1)
        mass = np.exp(log_density - top[:, None])
        sums = mass.sum(axis=1)
        chance = mass / sums[:, None]
        # A in y units: the width of a node in y is its width in z times sqrt(v); 2 pi total is in the density of y too
        log_a = top + np.log(sums) + 0.5 * np.log(v)
        resid = y - mu
        value = float(np.sum(seen.value - 0.5 * resid**2 / total - log_a))
        g_seen = _scores(resid, total, seen.gradient)
        g_hidden = _scores(away, total[:, None], hidden.gradient)
        expected = np.einsum("aij,ij->ai", g_hidden, chance)
        score = g_seen - expected
        curve = _curvatures(resid, total, seen.curvature, self.family.size)
        curve -= np.einsum(
            "abij,ij->abi", _curvatures(away, total[:, None], hidden.curvature, self.family.size), chance
        )
        weighted = g_hidden * chance
        curve -= np.einsum("aij,bij->abi", weighted, g_hidden)
        curve += expected[:, None] * expected[None]
        return Height(value, *self._to_beta(score, curve, x))

    def _to_beta(self, score: Floats, curve: Floats, x: Floats) -> tuple[Floats, Floats]:
        """From derivatives in each study's mu to those in beta, summed over studies."""
        q, size = self.q, self.q + score.shape[0] - 1
        gradient, hessian = np.empty(size), np.empty((size, size))
        gradient[:q], gradient[q:] = score[0] @ x, score[1:].sum(axis=1)
        hessian[:q, :q] = (x * curve[0, 0][:, None]).T @ x
        hessian[:q, q:] = x.T @ curve[0, 1:].T
        hessian[q:, :q] = hessian[:q, q:].T
        hessian[q:, q:] = curve[1:, 1:].sum(axis=2)
        return gradient, hessian

    def _nodes(self, centre: Floats, spread: Floats, delta: Floats) -> tuple[Floats | None, Floats | None]:
        """(z of the nodes, log of their widths), each (k, nodes); None where the integral is infinite."""
        low, high = centre - REACH * spread, centre + REACH * spread
        if self.family.size == 2 and self.family.neutral == 1.0:
            # p**(d - 1) grows like exp((1 - d) z**2 / 2) where p -> 0, and so does (1 - p)**(d - 1) on the other side
            first, second = max(0.0, 1 - float(delta[0])), max(0.0, 1 - float(delta[1]))
            up, down = 1 / spread**2 - first, 1 / spread**2 - (first if self.two_sided else second)
            if not ((up > FLAT).all() and (down > FLAT).all()):
                return None, None
            high = np.maximum(high, np.maximum(centre, centre / (spread**2 * up)) + REACH / np.sqrt(up))
            low = np.minimum(low, np.minimum(centre, centre / (spread**2 * down)) - REACH / np.sqrt(down))
        left, right = (
            np.minimum(high, np.maximum(low, self.core[0])),
            np.maximum(low, np.minimum(high, self.core[-1])),
        )
        edges = np.concatenate(
            [
                left[:, None] - _tail(left - low),
                np.clip(self.core[None], low[:, None], high[:, None])[:, 1:-1],
                right[:, None] + _tail(high - right),
            ],
            axis=1,
        )
        edges.sort(axis=1)
        t, w = np.polynomial.legendre.leggauss(NODES)
        half = np.diff(edges, axis=1) / 2
        middle = (edges[:, 1:] + edges[:, :-1]) / 2
        nodes = (middle[:, :, None] + half[:, :, None] * t).reshape(len(centre), -1)
        with np.errstate(divide="ignore"):  # panels of no width have no weight
            return nodes, np.log((half[:, :, None] * w).reshape(len(centre), -1))


def _tail(length: Floats) -> Floats:
    """Distances of panel edges from the core, (k, edges): even ones for the normal density, and growing ones."""
    far = np.maximum(length, 2 * PANEL)[:, None]
    growing = np.minimum(PANEL * (far / PANEL) ** np.linspace(0, 1, TAILS), length[:, None])
    return np.concatenate([length[:, None] * np.linspace(0, 1, TAILS + 1), growing], axis=1)


def _scores(away: Floats, total: Floats, in_delta: Floats) -> Floats:
    """Derivatives of log w + log N in (mu, tau2, delta), shape (2 + d, ...)."""
    z = away / total
    return np.concatenate([np.stack([z, 0.5 * (z * z - 1 / total)]), in_delta])


def _curvatures(away: Floats, total: Floats, in_delta: Floats | None, d: int) -> Any:
    """Second derivatives of log w + log N, shape (2 + d, 2 + d, ...)."""
    out = np.zeros((2 + d, 2 + d, *np.shape(away)))
    z = away / total
    out[0, 0] = -1 / total
    out[0, 1] = out[1, 0] = -z / total
    out[1, 1] = (0.5 / total - z * z) / total
    if in_delta is not None:
        for j in range(d):
            out[2 + j, 2 + j] = in_delta[j]
    return out


def ascend(
    height: Any, theta: Floats, low: Floats, high: Floats, *, rounds: int = 100
) -> tuple[Floats, Height, bool]:
    """Newton's method with damping inside bounds: (theta, height there, whether it settled)."""
    here = height(theta)
    for _ in range(rounds):
        free = ~(((theta <= low) & (here.gradient <= 0)) | ((theta >= high) & (here.gradient >= 0)))
        if not free.any():
            return theta, here, True
        step = np.zeros_like(theta)
        step[free] = _direction(here.hessian[np.ix_(free, free)], here.gradient[free])
        gain = float(step @ here.gradient)
        if gain <= 1e-10 * (1 + abs(here.value)):  # the last step: Newton's error is squared by it
            there = np.clip(theta + step, low, high)
            found = height(there)
            return (there, found, True) if math.isfinite(found.value) else (theta, here, True)
        length = 1.0
        while True:
            there = np.clip(theta + length * step, low, high)
            found = height(there)
            rise = float(here.gradient @ (there - theta))
            if found.value >= here.value + 1e-4 * max(0.0, rise) and math.isfinite(found.value):
                break
            length /= 2
            if length < 1e-8:
                return theta, here, False
        theta, here = there, found
    return theta, here, False


def _direction(hessian: Floats, gradient: Floats) -> Floats:
    """Newton's direction, upwards also where the surface is not concave."""
    size = 1 / np.sqrt(np.maximum(np.abs(np.diag(hessian)), 1e-300))
    values, vectors = np.linalg.eigh(-hessian * size[:, None] * size)
    values = np.maximum(np.abs(values), 1e-9 * max(1e-300, float(np.abs(values).max())))
    return np.asarray(size * (vectors @ ((vectors.T @ (size * gradient)) / values)))
