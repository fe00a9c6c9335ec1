"""The hazard ratio of two arms: Cox's partial likelihood with one 0/1 covariate, Efron's ties, and the log-rank."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kmeta.core.arrays import Floats

STEPS = 40
LARGEST_STEP = 1.0
BOUND = 30.0  # a log hazard ratio beyond it has no maximum: an arm without events


@dataclass(frozen=True, kw_only=True)
class TwoArms:
    """Log hazard ratio of arm 1 against arm 0 with its se, and the log-rank z; NaN where there is none."""

    log_hr: float
    se: float
    logrank_z: float


def compare(time: Floats, event: Floats, arm: Floats) -> TwoArms:
    """Cox (Efron) and log-rank of two arms; `arm` is 0 or 1. O(n log n).

    Source: Efron 1977, doi:10.1080/01621459.1977.10480613; Mantel 1966 (log-rank).
    """
    times, place = np.unique(time, return_inverse=True)
    size = len(times)
    deaths = np.bincount(place, weights=event, minlength=size)
    deaths1 = np.bincount(place, weights=event * arm, minlength=size)
    risk = np.cumsum(np.bincount(place, minlength=size)[::-1])[::-1].astype(float)
    risk1 = np.cumsum(np.bincount(place, weights=arm, minlength=size)[::-1])[::-1]
    happened = deaths > 0
    d, d1, n, n1 = (np.asarray(a[happened], dtype=float) for a in (deaths, deaths1, risk, risk1))
    if not d.sum() or not 0 < d1.sum() < d.sum():
        return TwoArms(log_hr=math.nan, se=math.nan, logrank_z=_logrank(d, d1, n, n1))
    many = d.astype(np.intp)
    row = np.repeat(np.arange(len(many)), many)
    part = (np.arange(len(row)) - np.repeat(np.cumsum(many) - many, many)) / d[row]
    one = n1[row] - part * d1[row]
    other = (n - n1)[row] - part * (d - d1)[row]
    beta, information = 0.0, 0.0
    for _ in range(STEPS):
        share = one * math.exp(beta)
        share = share / (share + other)
        information = float(share @ (1 - share))
        if information <= 0 or abs(beta) > BOUND:
            return TwoArms(log_hr=math.nan, se=math.nan, logrank_z=_logrank(d, d1, n, n1))
        step = float(d1.sum() - share.sum()) / information
        beta += max(-LARGEST_STEP, min(LARGEST_STEP, step))
        if abs(step) < 1e-10:
            break
    return TwoArms(log_hr=beta, se=information**-0.5, logrank_z=_logrank(d, d1, n, n1))


def _logrank(d: Floats, d1: Floats, n: Floats, n1: Floats) -> float:
    expected = d * n1 / n
    more = np.maximum(n - 1, 1.0)
    variance = float((expected * (1 - n1 / n) * (n - d) / more).sum())
    return float((d1 - expected).sum()) / math.sqrt(variance) if variance > 0 else math.nan
