"""What a paper prints of two arms, checked: the numbers from which the routes make a log hazard ratio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from kmeta.core.errors import InputError
from kmeta.methods.effects.printed import Number, Printed, demand, number

Pair = tuple[Number, Number]
Series = tuple[tuple[Number, ...], tuple[Number, ...]]
Digits = int | Mapping[str, int] | None


@dataclass(frozen=True, kw_only=True)
class Reported:
    """The checked numbers of one comparison; pairs are (first arm, second arm), ratios first against second.

    `turn` is -1 where the printed ratio is of the second arm against the first; `sign` of the log hazard ratio as the
    words or the printed ratio say it, 0 where nothing does.
    """

    arms: tuple[str, str]
    level: float
    sides: int
    turn: int
    sign: int
    hr: Number | None = None
    ci_low: Number | None = None
    ci_high: Number | None = None
    se: Number | None = None
    p: Number | None = None
    chi2: Number | None = None
    z: Number | None = None
    o_minus_e: Number | None = None
    v: Number | None = None
    events: Number | None = None
    by_arm: Pair | None = None
    n: Pair | None = None
    times: tuple[float, ...] = ()
    survival: Series | None = None
    n_risk: Series | None = None
    median: Pair | None = None
    median_ci: tuple[Pair, Pair] | None = None
    person_time: Pair | None = None
    follow_up: tuple[float, float] | None = None
    direction_from: str = ""
    contradicting: tuple[str, ...] = field(default=())


def arms_of(arms: Sequence[str], reference: str | None, favours: str | None) -> tuple[tuple[str, str], int]:
    """The two labels and the turn of a printed ratio; InputError where `reference` or `favours` is no arm."""
    if (
        isinstance(arms, str)
        or not hasattr(arms, "__len__")
        or len(arms) != 2
        or arms[0] == arms[1]
        or not all(map(str, arms))
    ):
        raise InputError(f"arms are {arms!r}", where="arms", hint="two labels, the first against the second")
    for name, label in (("reference", reference), ("favours", favours)):
        if label is not None and label not in arms:
            raise InputError(f"{name} is {label!r}", where=name, hint=f"{arms[0]} or {arms[1]}")
    return (str(arms[0]), str(arms[1])), -1 if reference == arms[0] else 1


def ratios(given: Mapping[str, Printed | None], digits: Digits) -> dict[str, Number | None]:
    """The single numbers: hr, ci_low, ci_high, se, p, chi2, z, o_minus_e, v."""
    found = {name: number(value, name, digits=digits, bound=name == "p") for name, value in given.items()}
    for name in ("hr", "ci_low", "ci_high"):
        demand(found[name], name, "a ratio above 0", lambda x: 1e-6 < x < 1e6, "the ratio, not its logarithm")
    demand(found["se"], "se", "above 0", lambda x: 0 < x < 1e3, "of the log hazard ratio")
    demand(found["v"], "v", "above 0", lambda x: 0 < x < 1e12)
    demand(found["chi2"], "chi2", "0 or more, with 1 degree of freedom", lambda x: 0 <= x < 1e5)
    demand(found["z"], "z", "-40 to 40", lambda x: abs(x) < 40)
    demand(found["p"], "p", "above 0, at most 1", lambda x: 1e-300 < x <= 1, 'a bound is text: "<0.001"')
    low, hr, high = found["ci_low"], found["hr"], found["ci_high"]
    if low and high and low.value >= high.value:
        raise InputError(
            f"{low.text} to {high.text} is no interval", where="ci_low", hint="lower limit first"
        )
    for name, limit, wrong in (("ci_low", low, 1), ("ci_high", high, -1)):
        if hr and limit and wrong * (limit.value - hr.value) > limit.half + hr.half:
            raise InputError(
                f"the interval's {limit.text} leaves out the ratio {hr.text}",
                where=name,
                hint="two numbers may be exchanged, or the ratio turned round",
            )
    return found


def count(given: Any, name: str, *, least: int = 0) -> Number | None:
    """A whole number, exact; InputError for anything else."""
    found = number(given, name)
    demand(found, name, f"a whole number, {least} or more", lambda x: x == int(x) and least <= x < 1e12)
    return None if found is None else Number(found.value, 0.0, found.text)


def pair(given: Any, name: str) -> tuple[Any, Any] | None:
    """Two values, first arm and second arm."""
    if given is None:
        return None
    if isinstance(given, (str, int, float)) or not hasattr(given, "__len__") or len(given) != 2:
        raise InputError(f"{name} is {given!r}", where=name, hint="a pair: first arm, second arm")
    return given[0], given[1]


def counts(given: Any, name: str, *, least: int = 0) -> Pair | None:
    """A pair of whole numbers."""
    both = pair(given, name)
    if both is None:
        return None
    first, second = (count(each, f"{name}[{i}]", least=least) for i, each in enumerate(both))
    if first is None or second is None:
        raise InputError(f"{name} has one arm only", where=name, hint="both arms, or none")
    return first, second


def events_of(given: Any, n: Pair | None) -> tuple[Number | None, Pair | None]:
    """(events of both arms together, by arm): a single number or a pair; neither above n."""
    if given is None:
        return None, None
    if isinstance(given, (str, int, float)):
        total = count(given, "events", least=1)
        if total and n and total.value > n[0].value + n[1].value:
            raise InputError(f"events are {total.text} of {n[0].text} + {n[1].text}", where="events")
        return total, None
    by_arm = counts(given, "events")
    if by_arm and n:
        for i in (0, 1):
            if by_arm[i].value > n[i].value:
                raise InputError(f"events[{i}] are {by_arm[i].text} of {n[i].text}", where="events")
    return None, by_arm


def positives(given: Any, name: str, digits: Digits) -> Pair | None:
    """A pair of numbers above 0 (medians, person-time)."""
    both = pair(given, name)
    if both is None:
        return None
    first, second = (
        number(each, f"{name}[{i}]", digits=_digits(digits, name)) for i, each in enumerate(both)
    )
    for i, each in enumerate((first, second)):
        demand(each, f"{name}[{i}]", "above 0", lambda x: 0 < x < 1e12)
    if first is None or second is None:
        return None  # a median not reached says nothing by itself
    return first, second


def intervals(given: Any, name: str, digits: Digits) -> tuple[Pair, Pair] | None:
    """The interval of each arm's median; None where a limit was not reached."""
    both = pair(given, name)
    if both is None:
        return None
    first, second = (positives(each, f"{name}[{i}]", digits) for i, each in enumerate(both))
    for i, each in enumerate((first, second)):
        if each and each[0].value >= each[1].value:
            raise InputError(
                f"{name}[{i}] is {each[0].text} to {each[1].text}", where=name, hint="lower limit first"
            )
    return (first, second) if first and second else None


def _digits(digits: Digits, name: str) -> int | None:
    return digits.get(name) if isinstance(digits, Mapping) else digits


@dataclass(frozen=True, slots=True)
class Curve:
    """Survival of both arms at the same times, and numbers at risk where printed; time 0 is added where it lacks."""

    times: tuple[float, ...] = ()
    survival: Series | None = None
    n_risk: Series | None = None


def curve_of(times: Any, survival: Any, n_risk: Any, n: Pair | None, digits: Digits) -> Curve:
    """Checked survival at times: increasing times, survival and numbers at risk that never rise."""
    if survival is None:
        if n_risk is not None or times is not None:
            raise InputError("times without survival", where="survival", hint="a pair of lists, one an arm")
        return Curve()
    columns = pair(survival, "survival")
    if columns is None or times is None:
        raise InputError("survival without times", where="times", hint="the times at which it is printed")
    if isinstance(times, (str, int, float)):
        times, columns = [times], ([columns[0]], [columns[1]])
        n_risk = None if n_risk is None else tuple([each] for each in pair(n_risk, "n_risk") or ())
    at = tuple(_times(times))
    s = (
        _column(columns[0], "survival[0]", len(at), digits),
        _column(columns[1], "survival[1]", len(at), digits),
    )
    risk = None
    if n_risk is not None:
        sides = pair(n_risk, "n_risk") or ((), ())
        risk = (_at_risk(sides[0], "n_risk[0]", len(at)), _at_risk(sides[1], "n_risk[1]", len(at)))
    if at[0] > 0:
        at, one = (0.0, *at), (Number(1.0, 0.0, "1"),)
        s = (one + s[0], one + s[1])
        if risk is not None and n is None:
            raise InputError(
                "numbers at risk without those at time 0", where="n", hint="patients of each arm"
            )
        risk = None if risk is None or n is None else ((n[0], *risk[0]), (n[1], *risk[1]))
    for i in (0, 1):
        if s[i][0].value != 1:
            raise InputError(
                f"survival[{i}] is {s[i][0].text} at time 0", where="survival", hint="1 at time 0"
            )
        _never_rises(s[i], f"survival[{i}]")
        if risk is not None:
            _never_rises(risk[i], f"n_risk[{i}]")
    return Curve(at, s, risk)


def _times(times: Any) -> list[float]:
    found = [
        each.value for i, value in enumerate(times) if (each := number(value, f"times[{i}]")) is not None
    ]
    if not found or len(found) != len(times) or found[0] < 0:
        raise InputError(f"times are {times!r}", where="times", hint="0 or later, each printed time")
    for i, (early, late) in enumerate(pairwise(found)):
        if late <= early:
            raise InputError(f"times[{i + 1}] is {late:g} after {early:g}", where="times", hint="increasing")
    if found == [0.0]:
        raise InputError("the only time is 0", where="times", hint="a time at which survival is printed")
    return found


def _column(values: Any, name: str, size: int, digits: Digits) -> tuple[Number, ...]:
    if isinstance(values, (str, int, float)) or len(values) != size:
        raise InputError(f"{name} is {values!r} for {size} times", where=name, hint="one value a time")
    found = []
    for i, value in enumerate(values):
        each = number(value, f"{name}[{i}]", digits=_digits(digits, "survival"))
        if each is None:
            raise InputError(f"{name}[{i}] is missing", where=name, hint="leave out that time")
        demand(each, f"{name}[{i}]", "0 to 1", lambda x: 0 <= x <= 1, 'a share, 0.74, or text, "74 %"')
        found.append(Number(each.value, 0.0 if each.value == 1 and i == 0 else each.half, each.text))
    return tuple(found)


def _at_risk(values: Any, name: str, size: int) -> tuple[Number, ...]:
    if isinstance(values, (str, int, float)) or len(values) != size:
        raise InputError(f"{name} is {values!r} for {size} times", where=name, hint="one number a time")
    found = []
    for i, value in enumerate(values):
        each = count(value, f"{name}[{i}]")
        if each is None:
            raise InputError(f"{name}[{i}] is missing", where=name, hint="leave out that time")
        found.append(each)
    return tuple(found)


def _never_rises(values: Sequence[Number], name: str) -> None:
    for i in range(len(values) - 1):
        if values[i + 1].value > values[i].value:
            raise InputError(
                f"{name} rises from {values[i].text} to {values[i + 1].text}",
                where=name,
                hint="it cannot rise",
            )
