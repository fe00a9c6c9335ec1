"""Means and restricted means of a fitted survival: the integral of S, by Gauss-Legendre panels on log time."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.survival.parametric.distribution import Distribution, Value

NODES = 24
PANELS = (1e-8, 1e-5, 1e-3, 0.01, 0.05, 0.15, 0.3, 0.5, 0.7, 0.85, 0.95, 0.99, 0.999, 0.99999, 1 - 1e-9)
NEGLIGIBLE = -34.0  # log of what is left of the integrand where it may stop


def mean_survival(distribution: Distribution, theta: Floats, lp: float, tau: float) -> Value:
    """(integral of S from 0 to tau, its derivatives in theta and lp), shapes (1,) and (p + 1, 1).

    tau may be infinite when the mean is finite.
    """
    edges = _edges(distribution, theta, lp, tau)
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    half = np.diff(edges)[:, None] / 2
    x = ((edges[:-1] + edges[1:])[:, None] / 2 + half * nodes).ravel()
    with np.errstate(all="ignore"):
        log_s, slopes = distribution.log_survival(x, theta, np.full(len(x), lp))
        height = (half * weights).ravel() * np.exp(log_s + x)
        slopes = np.where(np.isfinite(slopes) & (height > 0), slopes, 0.0)
    first = math.exp(edges[0])  # before the first edge S is 1
    return np.array([height.sum() + first]), (slopes @ height)[:, None]


def _edges(distribution: Distribution, theta: Floats, lp: float, tau: float) -> Floats:
    """Log times that part the integral where S bends: its quantiles, the breaks of the hazard, and the tail."""
    shares = np.array(PANELS)
    with np.errstate(divide="ignore", invalid="ignore"):
        inner = np.log(distribution.quantile(shares, theta, np.full(len(shares), lp)))
    inner = np.append(inner[np.isfinite(inner)], distribution.breaks())
    end = math.log(tau) if math.isfinite(tau) else _far_end(distribution, theta, lp, float(inner.max()))
    start = min(float(inner.min()) if len(inner) else end, end) - 20.0
    inner = inner[(inner > start) & (inner < end)]
    edges = np.unique(np.concatenate([[start, end], inner]))
    fine = [np.linspace(a, b, max(2, math.ceil((b - a) / 1.5) + 1))[:-1] for a, b in pairwise(edges.tolist())]
    return np.concatenate([*fine, [end]])


def _far_end(distribution: Distribution, theta: Floats, lp: float, start: float) -> float:
    """Log time beyond which S(t) t is of no weight."""
    width, at = 1.0, start
    with np.errstate(all="ignore"):
        while at < start + 500:
            at += width
            if (
                float(distribution.log_survival(np.array([at]), theta, np.array([lp]))[0][0]) + at - start
                < NEGLIGIBLE
            ):
                break
            width *= 1.3
    return at
