"""Hazard ratios as a measure: log HR and its variance of every study, each from what it reports."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.methods.effects.columns import column, same_length
from kmeta.methods.effects.effect_sizes import MEASURES, EffectSizes
from kmeta.methods.effects.hazard_ratio import hazard_ratio
from kmeta.methods.effects.reported import SKEW, reported

__all__ = ["SKEW", "hazard_ratios"]

_ANY = (-1e12, 1e12)
# column -> (argument of `hazard_ratio`, range)
_SINGLE: dict[str, tuple[str, tuple[float, float]]] = {
    "estimate": ("hr", (1e-6, 1e6)),
    "ci_low": ("ci_low", (1e-9, 1e9)),
    "ci_high": ("ci_high", (1e-9, 1e9)),
    "se": ("se", (1e-9, 1e3)),
    "p": ("p", (1e-300, 1)),
    "chi2": ("chi2", (0, 1e5)),
    "z": ("z", (-40, 40)),
    "o_minus_e": ("o_minus_e", _ANY),
    "v": ("v", (1e-9, 1e12)),
    "events": ("events", (0, 1e12)),
}
# columns of group 1 and 2 -> the pair that they are
_PAIRS = {
    ("e1i", "e2i"): "events",
    ("n1i", "n2i"): "n",
    ("m1i", "m2i"): "median",
    ("t1i", "t2i"): "person_time",
    ("s1i", "s2i"): "survival",
    ("r1i", "r2i"): "n_risk",
}
_OLD = ("estimate", "ci_low", "ci_high", "se", "p")


@MEASURES.register("HR")
def hazard_ratios(
    *,
    estimate: ArrayLike | None = None,
    ci_low: ArrayLike | None = None,
    ci_high: ArrayLike | None = None,
    level: ArrayLike = 0.95,
    se: ArrayLike | None = None,
    p: ArrayLike | None = None,
    chi2: ArrayLike | None = None,
    z: ArrayLike | None = None,
    o_minus_e: ArrayLike | None = None,
    v: ArrayLike | None = None,
    events: ArrayLike | None = None,
    e1i: ArrayLike | None = None,
    e2i: ArrayLike | None = None,
    n1i: ArrayLike | None = None,
    n2i: ArrayLike | None = None,
    m1i: ArrayLike | None = None,
    m2i: ArrayLike | None = None,
    t1i: ArrayLike | None = None,
    t2i: ArrayLike | None = None,
    s1i: ArrayLike | None = None,
    s2i: ArrayLike | None = None,
    r1i: ArrayLike | None = None,
    r2i: ArrayLike | None = None,
    favours: ArrayLike | None = None,
) -> EffectSizes:
    """log HR of group 1 against 2 with its variance; per study the most trusted route (NaN: not reported).

    estimate : HR, above 0, shape (k,). ci_low, ci_high : limits of the interval at `level` (one, or one a study).
    se : standard error of log HR. p : two-sided p value. chi2, z : of a log-rank test with 1 df. o_minus_e, v : of
    group 1. events : of both groups together, or e1i and e2i by group. n1i, n2i : patients. m1i, m2i : medians.
    t1i, t2i : person-time. s1i, s2i : survival at one time, r1i, r2i : numbers at risk then.
    favours : 1 or 2, the group that fares better, for tests that have no sign.
    `basis` names the route ("ci", "se", "p" for a printed ratio with them, else as in `hazard_ratio`).
    An estimate further than a quarter of se from the middle of its interval (on the log scale) is noted.
    Raises InputError when a study has no route, or its numbers cannot be.
    Source: Parmar, Torri & Stewart 1998, doi:10.1002/(SICI)1097-0258(19981230)17:24<2815::AID-SIM110>3.0.CO;2-8;
    Tierney et al. 2007, doi:10.1186/1745-6215-8-16.

    >>> found = hazard_ratios(estimate=[0.48], ci_low=[0.35], ci_high=[0.67])
    >>> round(float(found.yi[0]), 3), round(float(found.vi[0]) ** 0.5, 3)
    (-0.734, 0.166)
    >>> found = hazard_ratios(estimate=[0.48, None], se=[0.2, None], p=[None, 0.02], events=[None, 150],
    ...                       favours=[None, 1])
    >>> found.basis, found.yi.round(3).tolist()
    (('se', 'p_balanced'), [-0.734, -0.38])
    """
    given = {name: value for name, value in locals().items() if value is not None and name != "level"}
    if estimate is not None and set(given) <= set(_OLD) and not _one_limit(given):
        return reported("HR", estimate=estimate, ci_low=ci_low, ci_high=ci_high, level=level, se=se, p=p)
    columns = {name: _column(value, name) for name, value in given.items()}
    if not columns:
        raise InputError("no column is given", where="columns", hint="estimate with ci_low and ci_high, ...")
    k = same_length(**columns)
    levels = column(level, "level", low=0.01, high=0.9999)
    if len(levels) not in (1, k):
        raise InputError(f"{len(levels)} levels for {k} studies", where="level", hint="one, or one a study")
    return _each({name: values.tolist() for name, values in columns.items()}, np.resize(levels, k).tolist())


def _one_limit(given: dict[str, Any]) -> bool:
    """Whether a study has one limit and nothing else for its standard error."""
    if "ci_low" not in given or "ci_high" not in given:
        return False
    low, high = (~np.isnan(_column(given[name], name)) for name in ("ci_low", "ci_high"))
    if len(low) != len(high):
        return False
    alone = low ^ high
    for name in ("se", "p"):
        if name in given and len(others := _column(given[name], name)) == len(alone):
            alone &= np.isnan(others)
    return bool(alone.any())


def _column(values: Any, name: str) -> Floats:
    filled = [math.nan if value is None else value for value in values] if np.ndim(values) else values
    low, high = _SINGLE[name][1] if name in _SINGLE else (0.0, 1e12)
    found = column(filled, name, low=low, high=high, gaps=True)
    if name == "favours" and not np.isin(found[~np.isnan(found)], (1, 2)).all():
        raise InputError("holds something else than 1 and 2", where=name, hint="the group that fares better")
    return found


def _each(columns: dict[str, list[float]], levels: list[float]) -> EffectSizes:
    yi, vi, basis, notes = [], [], [], []
    for i, level in enumerate(levels):
        try:
            found = hazard_ratio(**_study({name: values[i] for name, values in columns.items()}), level=level)
        except InputError as error:
            raise InputError(
                f"study {i}: {error.message}", where=error.where or "columns", hint=error.hint
            ) from error
        yi.append(found.log_hr)
        vi.append(found.variance)
        basis.append({"hr_ci": "ci", "hr_se": "se", "hr_p": "p"}.get(found.route, found.route))
        notes.append(_note(found.asymmetry, [finding.message for finding in found.findings]))
    return EffectSizes(measure="HR", yi=frozen(yi), vi=frozen(vi), basis=tuple(basis), notes=tuple(notes))


def _study(row: dict[str, float]) -> dict[str, Any]:
    """The arguments of `hazard_ratio` for one study; a pair with a gap is not given."""
    there = {name: value for name, value in row.items() if not math.isnan(value)}
    found: dict[str, Any] = {_SINGLE[name][0]: value for name, value in there.items() if name in _SINGLE}
    for (first, second), argument in _PAIRS.items():
        if first in there and second in there:
            found[argument] = (there[first], there[second])
    if "survival" in found:
        found["times"] = 1.0  # one time, whichever: the route does not ask when
    elif "n_risk" in found:
        del found["n_risk"]
    if "favours" in there:
        found["favours"] = ("experimental", "control")[int(there["favours"]) - 1]
    return found


def _note(asymmetry: float, messages: list[str]) -> str:
    words = [message.rstrip(".") for message in messages]
    if asymmetry > SKEW and not any("middle" in word for word in words):
        words.insert(0, f"HR lies {asymmetry:.2f} standard errors from the middle of its interval")
    return "; ".join(words)
