"""A reported estimate with its interval, standard error or p value, as yi and vi: the same routes for every measure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.methods.effects.columns import column, same_length
from kmeta.methods.effects.effect_sizes import EffectSizes

SKEW = (
    0.25  # standard errors between an estimate and the middle of its interval that rounding does not explain
)
RATIOS = frozenset({"HR", "OR", "RR", "IRR", "PETO", "ROM", "MSR", "CVR", "VR"})
DIFFERENCES = frozenset({"RD", "IRD", "MD", "SMD", "SMDH", "SMD1", "AS"})


def reported(
    measure: str,
    *,
    estimate: ArrayLike,
    ci_low: ArrayLike | None = None,
    ci_high: ArrayLike | None = None,
    level: ArrayLike = 0.95,
    se: ArrayLike | None = None,
    p: ArrayLike | None = None,
) -> EffectSizes:
    """yi and vi of `measure` from reported estimates; per study the first route that has its numbers (NaN: none).

    estimate : a ratio (HR OR RR IRR PETO ROM MSR CVR VR; above 0, analysed as its log) or a difference (RD IRD MD SMD
        SMDH SMD1 AS), shape (k,).
    ci_low, ci_high : limits of the interval at `level` (one, or one a study): se = (high - low) / (2 z), of logs for a
        ratio. se : standard error, of the log for a ratio. p : two-sided p value of no effect: se = |y| / z(1 - p/2).
    An estimate further than a quarter of se from the middle of its interval is noted.
    Raises InputError when a study has no route, or its numbers cannot be.

    >>> found = reported("OR", estimate=[0.5], ci_low=[0.25], ci_high=[1.0])
    >>> round(float(found.yi[0]), 3), round(float(found.vi[0]) ** 0.5, 3)
    (-0.693, 0.354)
    """
    if measure not in RATIOS | DIFFERENCES:
        hint = ", ".join(sorted(RATIOS | DIFFERENCES))
        raise InputError(f"{measure} is not taken from an estimate", where="estimate", hint=hint)
    log = measure in RATIOS
    given = column(estimate, "estimate", low=1e-6 if log else -1e100, high=1e6 if log else 1e100)
    k = len(given)
    y = np.log(given) if log else given
    if (ci_low is None) != (ci_high is None):
        raise InputError(
            "one limit without the other", where="ci_low", hint="give both, NaN where not reported"
        )
    floor, top = (1e-9, 1e9) if log else (-1e100, 1e100)
    low, high = _optional(ci_low, "ci_low", k, floor, top), _optional(ci_high, "ci_high", k, floor, top)
    levels = _levels(level, k)
    direct = _optional(se, "se", k, 1e-9, 1e3 if log else 1e100)
    two_sided = _optional(p, "p", k, 1e-300, 1)
    errors, basis, notes = np.full(k, np.nan), [""] * k, [""] * k
    for i in range(k):
        if not (np.isnan(low[i]) or np.isnan(high[i])):
            errors[i], notes[i] = _of_interval(measure, i, given[i], low[i], high[i], levels[i])
            basis[i] = "ci"
        elif not np.isnan(direct[i]):
            errors[i], basis[i] = direct[i], "se"
        elif not np.isnan(two_sided[i]):
            errors[i], basis[i] = _of_p(measure, i, given[i], float(y[i]), two_sided[i]), "p"
        else:
            raise InputError(
                f"study {i} has no interval, se or p",
                where="estimate",
                hint="leave it out, or give one of them",
            )
    return EffectSizes(
        measure=measure, yi=frozen(y), vi=frozen(errors**2), basis=tuple(basis), notes=tuple(notes)
    )


def _of_interval(
    measure: str, i: int, given: float, low: float, high: float, level: float
) -> tuple[float, str]:
    """The standard error behind an interval, and a note where the estimate is not in its middle."""
    from scipy.special import ndtri

    if not low <= given <= high or low == high:
        raise InputError(
            f"study {i}: {low:g} to {high:g} does not hold {given:g}", where="ci_low", hint="low, high"
        )
    log = measure in RATIOS
    lower, upper, y = (np.log(low), np.log(high), np.log(given)) if log else (low, high, given)
    error = float((upper - lower) / (2 * ndtri((1 + level) / 2)))
    skew = abs(y - (upper + lower) / 2) / error
    if skew <= SKEW:
        return error, ""
    on = " on the log scale" if log else ""
    return error, f"{measure} lies {skew:.2f} standard errors from the middle of its interval{on}"


def _of_p(measure: str, i: int, given: float, y: float, p: float) -> float:
    """The standard error behind a two-sided p value."""
    from scipy.special import ndtri

    z = float(-ndtri(p / 2))
    if not z > 0 or y == 0:
        raise InputError(f"study {i}: p of {measure} {given:g} tells no standard error", where="p")
    return abs(y) / z


def _levels(level: ArrayLike, k: int) -> Floats:
    if np.size(level) not in (1, k):
        raise InputError(
            f"{np.size(level)} levels for {k} estimates", where="level", hint="one, or one a study"
        )
    return np.broadcast_to(column(level, "level", low=0.01, high=0.9999), (k,))


def _optional(values: Any, name: str, k: int, low: float, high: float) -> Floats:
    if values is None:
        return np.full(k, np.nan)
    found = column(values, name, low=low, high=high, gaps=True)
    same_length(estimate=np.empty(k), **{name: found})
    return found
