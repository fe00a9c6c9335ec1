"""Hazard ratios: log HR and its variance from an estimate with an interval, a standard error or a p value."""

from __future__ import annotations

from numpy.typing import ArrayLike

from kmeta.methods.effects.effect_sizes import MEASURES, EffectSizes
from kmeta.methods.effects.reported import SKEW, reported

__all__ = ["SKEW", "hazard_ratio"]


@MEASURES.register("HR")
def hazard_ratio(
    *,
    estimate: ArrayLike,
    ci_low: ArrayLike | None = None,
    ci_high: ArrayLike | None = None,
    level: ArrayLike = 0.95,
    se: ArrayLike | None = None,
    p: ArrayLike | None = None,
) -> EffectSizes:
    """log HR with its variance; per study the first route that has its numbers (NaN: not reported).

    estimate : HR, above 0, shape (k,).
    ci_low, ci_high : limits of the interval at `level` (one, or one a study): se = (ln high - ln low) / (2 z).
    se : standard error of log HR. p : two-sided p value of HR = 1: se = |ln HR| / z(1 - p/2).
    An estimate further than a quarter of se from the middle of its interval (on the log scale) is noted.
    Raises InputError when a study has no route, or its numbers cannot be.
    Source: Parmar, Torri & Stewart 1998, doi:10.1002/(SICI)1097-0258(19981230)17:24<2815::AID-SIM110>3.0.CO;2-8;
    Tierney et al. 2007, doi:10.1186/1745-6215-8-16.

    >>> found = hazard_ratio(estimate=[0.48], ci_low=[0.35], ci_high=[0.67])
    >>> round(float(found.yi[0]), 3), round(float(found.vi[0]) ** 0.5, 3)
    (-0.734, 0.166)
    """
    return reported("HR", estimate=estimate, ci_low=ci_low, ci_high=ci_high, level=level, se=se, p=p)
