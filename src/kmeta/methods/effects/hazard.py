"""Hazard ratios: log HR and its variance from an estimate with an interval, a standard error or a p value."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.methods.effects.columns import column, same_length
from kmeta.methods.effects.effect_sizes import MEASURES, EffectSizes

SKEW = 0.25  # standard errors between log HR and the middle of its interval that rounding does not explain


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
    from scipy.special import ndtri

    hr = column(estimate, "estimate", low=1e-6, high=1e6)
    k = len(hr)
    y = np.log(hr)
    errors = np.full(k, np.nan)
    basis, notes = [""] * k, [""] * k
    if (ci_low is None) != (ci_high is None):
        raise InputError(
            "one limit without the other", where="ci_low", hint="give both, NaN where not reported"
        )
    low, high = _optional(ci_low, "ci_low", k, 1e-9, 1e9), _optional(ci_high, "ci_high", k, 1e-9, 1e9)
    levels = (
        np.broadcast_to(column(level, "level", low=0.01, high=0.9999), (k,))
        if np.size(level) in (1, k)
        else None
    )
    if levels is None:
        raise InputError(
            f"{np.size(level)} levels for {k} estimates", where="level", hint="one, or one a study"
        )
    direct, two_sided = _optional(se, "se", k, 1e-9, 1e3), _optional(p, "p", k, 1e-300, 1)
    for i in range(k):
        if not (np.isnan(low[i]) or np.isnan(high[i])):
            if not low[i] <= hr[i] <= high[i] or low[i] == high[i]:
                raise InputError(
                    f"study {i}: {low[i]:g} to {high[i]:g} does not hold {hr[i]:g}",
                    where="ci_low",
                    hint="low, high",
                )
            width = np.log(high[i]) - np.log(low[i])
            errors[i], basis[i] = width / (2 * ndtri((1 + levels[i]) / 2)), "ci"
            skew = abs(y[i] - (np.log(high[i]) + np.log(low[i])) / 2) / errors[i]
            if skew > SKEW:
                notes[i] = (
                    f"HR lies {skew:.2f} standard errors from the middle of its interval on the log scale"
                )
        elif not np.isnan(direct[i]):
            errors[i], basis[i] = direct[i], "se"
        elif not np.isnan(two_sided[i]):
            z = float(-ndtri(two_sided[i] / 2))
            if not z > 0 or y[i] == 0:
                raise InputError(f"study {i}: p of an HR of {hr[i]:g} tells no standard error", where="p")
            errors[i], basis[i] = abs(y[i]) / z, "p"
        else:
            raise InputError(
                f"study {i} has no interval, se or p",
                where="estimate",
                hint="leave it out, or give one of them",
            )
    return EffectSizes(
        measure="HR", yi=frozen(y), vi=frozen(errors**2), basis=tuple(basis), notes=tuple(notes)
    )


def _optional(values: Any, name: str, k: int, low: float, high: float) -> Floats:
    if values is None:
        return np.full(k, np.nan)
    found = column(values, name, low=low, high=high, gaps=True)
    same_length(estimate=np.empty(k), **{name: found})
    return found
