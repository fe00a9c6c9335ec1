"""The generalised Q as a function of tau2: Q(tau2) = y'P(tau2)y falls from Cochran's Q towards 0."""

from __future__ import annotations

import math

from kmeta.core.arrays import Floats
from kmeta.core.errors import ConvergenceError
from kmeta.methods.meta.maximise import EPS, SETTLED, STEPS
from kmeta.methods.meta.sample import Sample, Weighted, dot


def solve_q(sample: Sample, target: float) -> float:
    """The tau2 (on the sample's scale) at which Q equals `target`; 0 where Q is below it already.

    Newton on 1 / Q, which is nearly straight, kept between two bounds.
    Raises ConvergenceError when it does not settle.
    """
    if target <= 0:
        return math.inf
    low, high = 0.0, sample.rss / target - float(sample.v.min())
    if high <= 0:
        return 0.0
    at = 0.0
    for _ in range(STEPS):
        fit = Weighted(sample, 1 / (sample.v + at))
        excess = fit.q - target
        if at == 0 and excess <= 0:
            return 0.0
        if abs(excess) <= 4 * EPS * fit.q:
            return at
        if excess > 0:
            low = at
        else:
            high = at
        if high - low <= 2 * EPS * high:
            return at
        step = fit.q * excess / (target * dot(fit.u, fit.u))
        if abs(step) <= SETTLED * at and low < at + step < high:
            return at + step
        following = at + step
        if not low < following < high:
            following = math.sqrt(low * high) if low > 0 and high > 4 * low else 0.5 * (low + high)
        at = following
    raise ConvergenceError("the generalised Q did not settle", last=at)


def q_profile(yi: Floats, vi: Floats, x: Floats | None, level: float) -> tuple[float, float]:
    """Confidence interval of tau2 by inverting Q against chi2 with k - p degrees of freedom; exact for given vi.

    Source: Viechtbauer 2007, doi:10.1002/sim.2514.
    """
    from scipy.special import chdtri

    sample = Sample(yi, vi, x)
    df = sample.k - sample.p
    if df < 1:
        return math.nan, math.nan
    unit = sample.unit**2
    low = solve_q(sample, float(chdtri(df, (1 - level) / 2))) * unit
    high = solve_q(sample, float(chdtri(df, (1 + level) / 2))) * unit
    return low, high
