"""The generalised Q with any fixed weights: its exact distribution at a given tau2, and what follows from inverting it.

Q = (y - mu)'W(y - mu) is a sum of independent chi2(1) variables with unequal weights; its distribution function is
found from the Laplace transform on a contour in the complex plane, to some twelve digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.inputs import level_of, weights_of
from kmeta.methods.meta.sample import Sample, Weighted

POINTS = 32
FEW = 12  # terms: with more, the contour comes too near the poles
BLOCK, BLOCKS = 256, 4000
MOST = 2000  # estimates: the distribution needs the eigenvalues of a k x k matrix
DOUBLINGS = 400


def chi2_sum(q: float, weights: Floats) -> float:
    """P(sum of weights * chi2(1) <= q), weights above 0, shape (n,).

    Source: Trefethen, Weideman & Schmelzer 2006, doi:10.1007/s10543-006-0077-9 (the contour for few terms); for many
    the Laplace transform falls fast enough to be integrated along a line.

    >>> round(chi2_sum(3.841458820694124, np.array([1.0])), 10)
    0.95
    """
    if q <= 1e-200 * float(weights.max()):  # the share is below 1e-100, and 1 / q may overflow
        return 0.0
    value = _round_the_axis(q, weights) if len(weights) <= FEW else _along_a_line(q, weights)
    return min(1.0, max(0.0, value))


def _round_the_axis(q: float, weights: Floats) -> float:
    theta = math.pi * np.arange(-POINTS + 1, POINTS, 2) / POINTS
    scaled = 0.6407 * theta
    cot = 1 / np.tan(scaled)
    z = POINTS * (0.5017 * theta * cot - 0.6122 + 0.2645j * theta)
    slope = POINTS * (0.5017 * cot - 0.5017 * 0.6407 * theta / np.sin(scaled) ** 2 + 0.2645j)
    transform = np.exp(-0.5 * np.log(1 + 2 * np.outer(weights, z / q)).sum(axis=0)) / z
    # trapezoid in theta, steps of 2 pi / POINTS: (1 / 2 pi i) * sum of e^z F(z) z'
    return float((np.sum(np.exp(z) * transform * slope) / (1j * POINTS)).real)


def _upper_bound(q: float, weights: Floats) -> float:
    """Chernoff's bound of P(sum > q)."""
    tilt = np.arange(1, 20) / (40 * float(weights.max()))
    logs = -tilt * q - 0.5 * np.log1p(-2 * np.outer(weights, tilt)).sum(axis=0)
    return math.exp(min(0.0, float(logs.min())))


def _along_a_line(q: float, weights: Floats) -> float:
    """Trapezoid on a vertical line to the right of the pole; the step makes its error smaller than rounding."""
    beyond = max(0.0, q - float(weights.sum()))
    if beyond and _upper_bound(q, weights) < 1e-17:
        return 1.0
    # about the saddle point: farther out in the tail the line must lie nearer the pole, or large terms cancel
    at = 1 / math.hypot(math.sqrt(2 * float(weights @ weights)), beyond)
    step = at / 6
    start, total = 0, 0.0
    for _ in range(BLOCKS):
        s = at + 1j * step * (np.arange(start, start + BLOCK) + 0.5)
        logs = s * q - 0.5 * sum(np.log(1 + 2 * w * s) for w in weights.tolist())
        total += float((np.exp(logs) / s).real.sum()) * step / math.pi
        start += BLOCK
        if float(logs[-1].real) < -39:  # e^-39 is below rounding beside 1
            return total
    raise ConvergenceError("the distribution of the generalised Q could not be integrated", last=total)


class Inverted:
    """P(Q <= the Q observed) as a function of tau2, for given weights; on the sample's scale."""

    def __init__(self, sample: Sample, weights: Floats) -> None:
        if sample.k > MOST:
            raise InputError(
                f"{sample.k} estimates: the generalised Q is inverted for at most {MOST}", where="tau2"
            )
        self.sample = sample
        fit = Weighted(sample, weights)
        self.q = fit.q
        x = np.ones((sample.k, 1)) if sample.x is None else sample.x
        wx = x * weights[:, None]
        self.a = np.diag(weights) - wx @ np.linalg.inv(x.T @ wx) @ wx.T

    def __call__(self, tau2: float) -> float:
        """P(Q <= q) at tau2."""
        root = np.sqrt(self.sample.v + tau2)
        values: Floats = np.asarray(np.linalg.eigvalsh(root[:, None] * self.a * root), dtype=np.float64)
        return chi2_sum(self.q, values[self.sample.p :])

    def solve(self, share: float) -> float:
        """The tau2 at which P(Q <= q) is `share`; 0 where it is less from the start. The share falls with tau2."""
        from scipy.optimize import brentq

        if self(0.0) <= share or self.q == 0:
            return 0.0
        low, high = 0.0, max(float(self.sample.v.min()), self.sample.rss / self.sample.k)
        for _ in range(DOUBLINGS):
            if self(high) < share:
                return float(
                    brentq(lambda t: self(t) - share, low, high, xtol=1e-300, rtol=1e-13, maxiter=500)
                )
            low, high = high, 2 * high
        raise ConvergenceError("the generalised Q did not fall to its target", last=high)


def aligned(sample: Sample, weights: Floats) -> Floats:
    """Weights in the sample's order, the largest 1."""
    w = np.array(weights, dtype=float)
    if sample.x is None:
        w[0], w[sample.first] = w[sample.first], w[0]
    w /= w.max()
    return w


def generalised_q_interval(
    fit: MetaFit, weights: ArrayLike | None = None, *, level: float | None = None
) -> tuple[float, float]:
    """Interval of tau2 by inverting the exact distribution of Q with fixed weights, shape (k,).

    Without weights those of a GENQ fit, else 1 / vi, which is Biggerstaff and Jackson's interval; 1 / sqrt(vi) is
    Jackson's. Both limits are 0 where Q is too small for any tau2.
    Raises InputError for multilevel models, unusable weights, and more than 2,000 estimates.
    Sources: Biggerstaff & Jackson 2008, doi:10.1002/sim.3490; Jackson 2013, doi:10.1002/jrsm.1081.

    >>> from kmeta import random_effects
    >>> fit = random_effects([0.1, 0.5, 0.9, 2.0], [0.04, 0.02, 0.05, 0.03], measure="MD", tau2="DL")
    >>> [round(limit, 3) for limit in generalised_q_interval(fit)]
    [0.186, 10.002]
    """
    if fit.model == "multilevel":
        raise InputError("is given for models with one estimate a study", where="generalised_q_interval")
    if fit.q_df < 1:
        return math.nan, math.nan
    alpha = (1 - level_of(fit.level if level is None else level)) / 2
    given = weights_of(weights, fit.k)
    if given is None:
        given = fit.user_weights if fit.method in ("GENQ", "GENQM") else None
    sample = Sample(fit.yi, fit.vi, fit.x)
    share = Inverted(sample, aligned(sample, 1 / fit.vi if given is None else given))
    unit2 = sample.unit**2
    return share.solve(1 - alpha) * unit2, share.solve(alpha) * unit2


def solver(fit: MetaFit, weights: Floats) -> Callable[[float], float]:
    """P(Q <= q) as a function of tau2 on the scale of vi."""
    sample = Sample(fit.yi, fit.vi, fit.x)
    share = Inverted(sample, aligned(sample, weights))
    return lambda tau2: share(tau2 / sample.unit**2)
