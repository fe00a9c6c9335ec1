"""Likelihood of the random-effects model as a function of tau2, its slope, and its global maximum."""

from __future__ import annotations

import math

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.meta.maximise import Slope, maximise
from kmeta.methods.meta.sample import LONG, Sample, Weighted, dot

CHUNK = 1 << 17  # numbers held at once by the grid search


def upper_bound(sample: Sample, terms: int) -> float:
    """Beyond this tau2 the slope of the (restricted) likelihood is negative.

    y'PPy <= RSS / (tau2 + min v)**2 and the trace is at least `terms` / (tau2 + max v): the larger root of the
    quadratic where the two bounds meet.
    """
    rss = sample.rss
    low, high = float(sample.v.min()), float(sample.v.max())
    return (rss + math.sqrt(rss * rss + 4 * terms * rss * (high - low))) / (2 * terms) - low


def log_likelihood(sample: Sample, tau2: float, *, restricted: bool) -> float:
    """Up to a constant; profiled over the coefficients."""
    total = sample.v + tau2
    fit = Weighted(sample, 1 / total)
    height = -0.5 * (float(np.log(total).sum()) + fit.q)
    return height - 0.5 * fit.log_det() if restricted else height


def slope(sample: Sample, tau2: float, *, restricted: bool) -> Slope:
    """Twice the derivative of the log-likelihood in tau2, and its own derivative."""
    if sample.x is None:
        return _plain_slope(sample, tau2, restricted)
    fit = Weighted(sample, 1 / (sample.v + tau2))
    trace = fit.trace() if restricted else float(fit.w.sum())
    trace2 = fit.trace2() if restricted else float(fit.w @ fit.w)
    bend = trace2 - 2 * fit.quadratic(fit.u)
    return Slope(float(fit.u @ fit.u) - trace, bend, trace)


def _plain_slope(sample: Sample, tau2: float, restricted: bool) -> Slope:
    """`slope` without moderators, in as few passes over the data as it takes."""
    w = 1 / (sample.v + tau2)
    first, rest = float(w[0]), float(w[1:].sum())
    total = first + rest
    u = w * (sample.y - dot(w, sample.y) / total)
    wu, w2 = w * u, w * w
    square, others = float(w2.sum()), float(w2[1:].sum())
    bend = -2 * (dot(wu, u) - float(wu.sum()) ** 2 / total)
    if not restricted:
        return Slope(dot(u, u) - total, bend + square, total)
    trace = (2 * first * rest + rest * rest - others) / total
    bend += square - 2 * dot(w2, w) / total + (square / total) ** 2
    return Slope(dot(u, u) - trace, bend, trace)


def slopes(sample: Sample, points: Floats, *, restricted: bool) -> Floats:
    """`slope` at many values of tau2 at once."""
    if sample.x is not None:
        return np.array([slope(sample, float(t), restricted=restricted).first for t in points])
    out = np.empty(len(points))
    step = max(1, CHUNK // sample.k)
    for start in range(0, len(points), step):
        part = slice(start, start + step)
        w = 1 / (sample.v + points[part, None])
        rest = w[:, 1:].sum(axis=1)
        first = w[:, 0]
        total = first + rest
        sums = w @ sample.y if sample.k <= LONG else np.einsum("ij,j->i", w, sample.y)
        u = w * (sample.y - (sums / total)[:, None])
        squares = np.einsum("ij,ij->i", w[:, 1:], w[:, 1:])
        trace = (2 * first * rest + rest * rest - squares) / total if restricted else total
        out[part] = np.einsum("ij,ij->i", u, u) - trace
    return out


def maximum_likelihood_tau2(sample: Sample, *, restricted: bool) -> float:
    """The tau2 of the highest mode, on the sample's own scale."""
    upper = upper_bound(sample, sample.k - sample.p if restricted else sample.k)
    return maximise(
        lambda points: slopes(sample, points, restricted=restricted),
        lambda at: slope(sample, at, restricted=restricted),
        lambda at: log_likelihood(sample, at, restricted=restricted),
        smallest=float(sample.v.min()),
        upper=upper,
    )
