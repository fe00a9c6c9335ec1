"""Median survival ratios."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.methods.effects.columns import column, same_length
from kmeta.methods.effects.effect_sizes import MEASURES, EffectSizes


@MEASURES.register("MSR")
def median_survival_ratio(
    *,
    m1i: ArrayLike | None = None,
    m2i: ArrayLike | None = None,
    ci1_low: ArrayLike | None = None,
    ci1_high: ArrayLike | None = None,
    ci2_low: ArrayLike | None = None,
    ci2_high: ArrayLike | None = None,
    x1i: ArrayLike | None = None,
    x2i: ArrayLike | None = None,
    level: float = 0.95,
) -> EffectSizes:
    """Log ratio of two median survival times with its variance.

    m1i, m2i : medians of the two groups in one unit of time, shape (k,).
    ci1_low, ci1_high, ci2_low, ci2_high : limits of their intervals at `level`: the variance of each log median is
        (ln high - ln low)**2 / (2 z)**2; NaN where not reached or not reported.
    x1i, x2i : events in the groups, used where a group has no interval: 1 / events, as under exponential survival.
    Raises InputError. Source: Michiels, Piedbois, Burdett et al. 2005, Int J Technol Assess Health Care 21:119-125
    (medians as the unit of pooling).

    >>> yi, vi = median_survival_ratio(m1i=[20], m2i=[10], x1i=[40], x2i=[50])
    >>> round(float(yi[0]), 3), round(float(vi[0]), 3)
    (0.693, 0.045)
    """
    if m1i is None or m2i is None:
        raise InputError("needs m1i and m2i, the medians of both groups", where="columns")
    if not 0 < level < 1:
        raise InputError(f"level is {level!r}", where="level", hint="a fraction: 0.95")
    first, second = column(m1i, "m1i", low=1e-9, high=1e9), column(m2i, "m2i", low=1e-9, high=1e9)
    k = same_length(m1i=first, m2i=second)
    v1, basis1 = _log_variance(first, ci1_low, ci1_high, x1i, level, "1", k)
    v2, basis2 = _log_variance(second, ci2_low, ci2_high, x2i, level, "2", k)
    basis = tuple(a if a == b else f"{a} and {b}" for a, b in zip(basis1, basis2, strict=True))
    notes = tuple("exponential survival assumed for the variance" if "events" in b else "" for b in basis)
    return EffectSizes(
        measure="MSR", yi=frozen(np.log(first / second)), vi=frozen(v1 + v2), basis=basis, notes=notes
    )


def _log_variance(
    median: Floats, low: object, high: object, events: object, level: float, group: str, k: int
) -> tuple[Floats, list[str]]:
    from scipy.special import ndtri

    names = (f"ci{group}_low", f"ci{group}_high", f"x{group}i")
    given = [
        np.full(k, np.nan) if values is None else column(values, name, low=1e-9, high=1e12, gaps=True)
        for values, name in zip((low, high, events), names, strict=True)
    ]
    same_length(median=median, **dict(zip(names, given, strict=True)))
    lower, upper, x = given
    variance, basis = np.full(k, np.nan), []
    for i in range(k):
        if not (np.isnan(lower[i]) or np.isnan(upper[i])):
            if not lower[i] <= median[i] <= upper[i] or lower[i] == upper[i]:
                told = f"study {i}: {lower[i]:g} to {upper[i]:g} does not hold {median[i]:g}"
                raise InputError(told, where=names[0], hint="low, high")
            z = float(ndtri((1 + level) / 2))
            variance[i] = (np.log(upper[i] / lower[i]) / (2 * z)) ** 2
            basis.append("ci")
        elif not np.isnan(x[i]):
            variance[i] = 1 / x[i]
            basis.append("events")
        else:
            raise InputError(f"study {i} has no interval and no events in group {group}", where=names[0])
    return variance, basis
