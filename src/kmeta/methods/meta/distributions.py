"""Quantiles and tail areas of the reference distributions of tests: normal when df is infinite, else t."""

from __future__ import annotations

import math


def quantile(level: float, df: float) -> float:
    """The two-sided critical value of a `level` interval; NaN when df is not above 0."""
    from scipy.special import ndtri, stdtrit

    if not df > 0:
        return math.nan
    if math.isinf(df):
        return float(ndtri((1 + level) / 2))
    return float(stdtrit(df, (1 + level) / 2))


def two_sided(statistic: float, df: float) -> float:
    """Two-sided p value of a z or t statistic."""
    from scipy.special import ndtr, stdtr

    if not df > 0 or math.isnan(statistic):
        return math.nan
    return 2 * float(ndtr(-abs(statistic)) if math.isinf(df) else stdtr(df, -abs(statistic)))


def chi2_tail(q: float, df: int) -> float:
    """P(chi2 with df degrees of freedom > q); 1 when df is 0."""
    from scipy.special import chdtrc

    return float(chdtrc(df, q)) if df > 0 else 1.0
