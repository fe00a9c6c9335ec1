"""Logs of the regularised incomplete gamma functions, into their tails, and the derivative in the shape.

Source: NIST Digital Library of Mathematical Functions, 8.7 (series) and 8.9 (continued fraction).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from kmeta.core.arrays import Floats

TAIL = 1e-200  # below this the tail's own expansion takes over
TERMS = 400
STEP = 3e-5


def log_upper_gamma(a: float, log_x: Floats) -> Floats:
    """log Q(a, x), shape of x; -inf where x is infinite."""
    from scipy.special import gammainc, gammaincc

    x = np.exp(log_x)
    upper = gammaincc(a, x)
    most = upper > 0.5
    with np.errstate(divide="ignore"):
        value: Floats = np.where(most, np.log1p(-gammainc(a, np.where(most, x, 0.0))), np.log(upper))
    far = (upper < TAIL) & np.isfinite(x)
    if far.any():
        value[far] = _log_upper_tail(a, x[far])
    return value


def log_lower_gamma(a: float, log_x: Floats) -> Floats:
    """log P(a, x), shape of x, also where x itself is too small for a number; -inf at 0."""
    from scipy.special import gammainc, gammaincc

    x = np.exp(log_x)
    lower = gammainc(a, x)
    most = lower > 0.5
    with np.errstate(divide="ignore"):
        value: Floats = np.where(most, np.log1p(-gammaincc(a, np.where(most, x, np.inf))), np.log(lower))
    far = (lower < TAIL) & np.isfinite(log_x)
    if far.any():
        value[far] = _log_lower_tail(a, log_x[far])
    return value


def upper_gamma_slope(a: float, log_x: Floats) -> Floats:
    """Derivative of log Q(a, x) in a."""
    return central_slope(lambda shape: log_upper_gamma(shape, log_x), a, STEP * a)


def central_slope(function: Callable[[float], Floats], at: float, h: float) -> Floats:
    """Derivative by two points, to about 1e-9; 0 where the function itself is not finite."""
    with np.errstate(invalid="ignore"):
        slope = (function(at + h) - function(at - h)) / (2 * h)
    return np.where(np.isfinite(slope), slope, 0.0)


def _log_upper_tail(a: float, x: Floats) -> Floats:
    """The continued fraction, by Lentz's method."""
    tiny = 1e-300
    b = x + 1 - a
    c, d = np.full_like(x, 1 / tiny), 1 / np.where(b == 0, tiny, b)
    h = d
    for i in range(1, TERMS):
        an = -i * (i - a)
        b = b + 2
        d = an * d + b
        d = 1 / np.where(d == 0, tiny, d)
        c = b + an / c
        c = np.where(c == 0, tiny, c)
        h = h * d * c
        if (np.abs(d * c - 1) < 1e-15).all():
            break
    return a * np.log(x) - x - math.lgamma(a) + np.log(np.abs(h))


def _log_lower_tail(a: float, log_x: Floats) -> Floats:
    """The power series."""
    x = np.exp(log_x)
    total, term = np.ones_like(x), np.ones_like(x)
    for i in range(1, TERMS):
        term = term * x / (a + i)
        total = total + term
        if (term < 1e-16 * total).all():
            break
    return a * log_x - x - math.lgamma(a + 1) + np.log(total)
