"""Gauss-Hermite nodes for integrals over the whole line, usable for any number of points."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from kmeta.core.arrays import Floats


@lru_cache(maxsize=32)
def hermite(points: int) -> tuple[Floats, Floats]:
    """Nodes x and log weights: the integral of g(x) dx is near the sum of exp(log weight) g(x).

    Exact when g is a normal density times a polynomial of degree < 2 `points`. The weights come from the normalised
    Hermite functions, which neither over- nor underflow as polynomials and bare weights do.
    Source: Golub & Welsch 1969, doi:10.1090/S0025-5718-69-99647-1.
    """
    from scipy.linalg import eigh_tridiagonal

    order = np.arange(1.0, points)
    x = np.asarray(eigh_tridiagonal(np.zeros(points), np.sqrt(order), eigvals_only=True), dtype=np.float64)
    x = (x - x[::-1]) / 2  # symmetric to the last bit
    before, here = np.zeros(points), (2 * np.pi) ** -0.25 * np.exp(-x * x / 4)
    total = here * here
    for j in range(1, points):
        before, here = here, (x * here - np.sqrt(j - 1) * before) / np.sqrt(j)
        total = total + here * here
    log_weights = -np.log(total)
    x.setflags(write=False)
    log_weights.setflags(write=False)
    return x, log_weights


@lru_cache(maxsize=32)
def grid(points: int, dimensions: int) -> tuple[Floats, Floats]:
    """Nodes of shape (points**dimensions, dimensions) and their log weights: the product rule."""
    x, log_weights = hermite(points)
    if dimensions == 1:
        return x[:, None], log_weights
    first, second = np.repeat(np.arange(points), points), np.tile(np.arange(points), points)
    return np.column_stack([x[first], x[second]]), log_weights[first] + log_weights[second]
