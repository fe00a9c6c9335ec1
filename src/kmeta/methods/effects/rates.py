"""Events over person-time: rates of one group, and of two groups compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.methods.effects.columns import column, same_length
from kmeta.methods.effects.effect_sizes import MEASURES, EffectSizes
from kmeta.methods.effects.two_by_two import MANY, To
from kmeta.methods.effects.zero_cells import amount_of, finite, notes_of, to_correct


@dataclass(frozen=True, slots=True)
class PersonTime:
    """Events x over person-time t of one or both groups; shape (k,) each."""

    x1: Floats
    t1: Floats
    x2: Floats
    t2: Floats


def person_time(
    x1i: ArrayLike | None, t1i: ArrayLike | None, x2i: ArrayLike | None, t2i: ArrayLike | None
) -> PersonTime:
    """Checked events and person-time of two groups; InputError where they cannot be."""
    if x1i is None or t1i is None or x2i is None or t2i is None:
        raise InputError(
            "needs x1i, t1i, x2i and t2i: events and person-time of both groups", where="columns"
        )
    found = PersonTime(
        column(x1i, "x1i", low=0, high=MANY),
        column(t1i, "t1i", low=1e-12, high=1e15),
        column(x2i, "x2i", low=0, high=MANY),
        column(t2i, "t2i", low=1e-12, high=1e15),
    )
    same_length(x1i=found.x1, t1i=found.t1, x2i=found.x2, t2i=found.t2)
    return found


TwoRates = Callable[[PersonTime], tuple[Floats, Floats]]
OneRate = Callable[[Floats, Floats], tuple[Floats, Floats]]


def _ratio(g: PersonTime) -> tuple[Floats, Floats]:
    return np.log(g.x1 / g.t1) - np.log(g.x2 / g.t2), 1 / g.x1 + 1 / g.x2


def _difference(g: PersonTime) -> tuple[Floats, Floats]:
    return g.x1 / g.t1 - g.x2 / g.t2, g.x1 / g.t1**2 + g.x2 / g.t2**2


def _root_difference(g: PersonTime) -> tuple[Floats, Floats]:
    return np.sqrt(g.x1 / g.t1) - np.sqrt(g.x2 / g.t2), 1 / (4 * g.t1) + 1 / (4 * g.t2)


def _rate(x: Floats, t: Floats) -> tuple[Floats, Floats]:
    return x / t, x / t**2


def _log_rate(x: Floats, t: Floats) -> tuple[Floats, Floats]:
    return np.log(x / t), 1 / x


def _root_rate(x: Floats, t: Floats) -> tuple[Floats, Floats]:
    return np.sqrt(x / t), 1 / (4 * t)


def _freeman_tukey(x: Floats, t: Floats) -> tuple[Floats, Floats]:
    return (np.sqrt(x / t) + np.sqrt((x + 1) / t)) / 2, 1 / (4 * t)


# measure -> (formula, what is added to an empty cell unless the caller says otherwise)
TWO_GROUPS: dict[str, tuple[TwoRates, float]] = {
    "IRR": (_ratio, 0.5),
    "IRD": (_difference, 0.5),
    "IRSD": (_root_difference, 0.0),
}
ONE_GROUP: dict[str, tuple[OneRate, float]] = {
    "IR": (_rate, 0.5),
    "IRLN": (_log_rate, 0.5),
    "IRS": (_root_rate, 0.0),
    "IRFT": (_freeman_tukey, 0.0),
}


def _large_sample(measure: str, vtype: str) -> None:
    if vtype != "LS":
        raise InputError(f"{measure} has no vtype {vtype!r}", where="vtype", hint="LS")


def two_rates(
    measure: str,
    *,
    x1i: ArrayLike | None = None,
    t1i: ArrayLike | None = None,
    x2i: ArrayLike | None = None,
    t2i: ArrayLike | None = None,
    add: float | None = None,
    to: To = "only0",
    drop00: bool = False,
    vtype: str = "LS",
) -> EffectSizes:
    """Two incidence rates compared: IRR (log ratio), IRD (difference), IRSD (difference of square roots).

    x1i, t1i : events and person-time of the first group; x2i, t2i of the second; shape (k,).
    add, to : as in `two_by_two.two_groups`, added to the events. drop00 : no value where neither group has an event.
    vtype : "LS", the only kind of variance.
    Raises InputError. Source: Viechtbauer 2010, doi:10.18637/jss.v036.i03 (escalc).
    """
    _large_sample(measure, vtype)
    formula, usual = TWO_GROUPS[measure]
    given = person_time(x1i, t1i, x2i, t2i)
    amount = amount_of(add, usual)
    none = (given.x1 == 0) & (given.x2 == 0)
    dropped = none if drop00 else np.zeros(len(none), dtype=bool)
    hit = to_correct(((given.x1 == 0) | (given.x2 == 0)) & ~dropped, to) & ~dropped
    used = PersonTime(given.x1 + amount * hit, given.t1, given.x2 + amount * hit, given.t2)
    with np.errstate(all="ignore"):
        yi, vi = finite(*formula(used))
    yi[dropped] = vi[dropped] = np.nan
    notes = notes_of(yi, vi, hit, dropped, amount)
    return EffectSizes(
        measure=measure, yi=frozen(yi), vi=frozen(vi), basis=("person-time",) * len(yi), notes=notes
    )


def one_rate(
    measure: str,
    *,
    xi: ArrayLike | None = None,
    ti: ArrayLike | None = None,
    add: float | None = None,
    to: To = "only0",
    vtype: str = "LS",
) -> EffectSizes:
    """An incidence rate: IR (raw), IRLN (log), IRS (square root), IRFT (Freeman-Tukey).

    xi, ti : events and person-time, shape (k,). add, to : as in `two_by_two.two_groups` (IRS, IRFT: nothing is added).
    vtype : "LS", the only kind of variance.
    Raises InputError. Source: Viechtbauer 2010, doi:10.18637/jss.v036.i03 (escalc).
    """
    _large_sample(measure, vtype)
    formula, usual = ONE_GROUP[measure]
    if xi is None or ti is None:
        raise InputError("needs xi and ti: events and person-time", where="columns")
    x, t = column(xi, "xi", low=0, high=MANY), column(ti, "ti", low=1e-12, high=1e15)
    same_length(xi=x, ti=t)
    amount = amount_of(add, usual)
    hit = to_correct(x == 0, to)
    with np.errstate(all="ignore"):
        yi, vi = finite(*formula(x + amount * hit, t))
    notes = notes_of(yi, vi, hit, np.zeros(len(x), dtype=bool), amount)
    return EffectSizes(
        measure=measure, yi=frozen(yi), vi=frozen(vi), basis=("person-time",) * len(yi), notes=notes
    )


for _name in TWO_GROUPS:
    MEASURES.register(_name)(partial(two_rates, _name))
for _name in ONE_GROUP:
    MEASURES.register(_name)(partial(one_rate, _name))
