"""Numbers as a paper prints them: the value, and the half unit of its last digit that rounding may hide."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kmeta.core.errors import InputError

_TEXT = re.compile(r"(?:[pP]\s*)?([<>≤≥=]?)\s*(-?)(\d+(?:\.(\d*))?|\.(\d+))(?:[eE]([+-]?\d+))?\s*(%?)")
Printed = float | int | str


@dataclass(frozen=True, slots=True)
class Number:
    """A printed number: the true one lies within `half` of `value`; `relation` is "<" or ">" where it is a bound."""

    value: float
    half: float = 0.0
    text: str = ""
    relation: str = ""

    def span(self, low: float = -math.inf, high: float = math.inf) -> tuple[float, float]:
        """What rounding leaves, inside `low` and `high`."""
        return max(self.value - self.half, low), min(self.value + self.half, high)


def number(
    given: Printed | None, name: str, *, digits: int | Mapping[str, int] | None = None, bound: bool = False
) -> Number | None:
    """`given` as a Number; None stays None.

    Text carries its own rounding: "0.48" is 0.475 to 0.485, "74 %" is 0.735 to 0.745; a float is exact unless
    `digits` says how many decimals were printed (of all numbers, or by name). `bound` allows "<0.001" and ">0.5".
    Raises InputError naming `name` for anything that is no finite number.

    >>> number("74 %", "survival")
    Number(value=0.74, half=0.005, text='74 %', relation='')
    """
    if given is None:
        return None
    if isinstance(given, str):
        return _of_text(given, name, bound)
    if isinstance(given, bool):
        raise InputError(f"{name} is {given!r}", where=name, hint="a number")
    try:
        value = float(given)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is {given!r}", where=name, hint="a number, or its printed text") from error
    if not math.isfinite(value):
        raise InputError(f"{name} is {value:g}", where=name, hint="leave out what is not printed")
    places = digits.get(name) if isinstance(digits, Mapping) else digits
    whole = isinstance(given, int)
    half = 0.0 if places is None or whole else 0.5 * 10.0**-places
    return Number(value, half, f"{value:.{places}f}" if half and places is not None else f"{value:g}")


def _of_text(given: str, name: str, bound: bool) -> Number:
    text = given.strip().replace("·", ".").replace("−", "-").replace("\u202f", " ")
    found = _TEXT.fullmatch(text)
    if not found:
        hint = "a decimal point, not a comma" if re.fullmatch(r"\d+,\d+", text) else 'a number: "0.48"'
        raise InputError(f"{name} is {given!r}", where=name, hint=hint)
    relation, sign, digits, after, bare, exponent, percent = found.groups()
    relation = {"≤": "<", "≥": ">", "=": ""}.get(relation, relation)
    if relation and not bound:
        raise InputError(f"{name} is {given!r}, a bound", where=name, hint="give the printed value")
    power = int(exponent or 0) - (2 if percent else 0)
    places = len(after or bare or "") - power
    if abs(power) > 300:
        raise InputError(f"{name} is {given!r}", where=name, hint="a number that can be")
    value = float(f"{sign}{digits}e{power}")
    half = 0.0 if relation else 0.5 * 10.0**-places
    return Number(value, half, given.strip(), relation)


def demand(
    found: Number | None, name: str, expected: str, good: Callable[[float], bool], hint: str = ""
) -> None:
    """InputError naming `name` unless its value is `good`."""
    if found is not None and not good(found.value):
        raise InputError(f"{name} is {found.text}, expected {expected}", where=name, hint=hint or expected)


def over_rounding(
    formula: Callable[[Mapping[str, float]], tuple[float, float]],
    numbers: Mapping[str, Number],
    limits: Mapping[str, tuple[float, float]],
) -> tuple[tuple[float, float], tuple[float, float]]:
    """The least and the largest of both values of `formula` over all numbers that round to those printed.

    Each number is moved to its ends alone to see which way it takes a value, then all together to the corner that is
    least and the one that is largest: exact where each number moves a value one way only, as in every route. A corner
    where the formula cannot be (an interval of no width) leaves that side open.
    """
    middle = {name: each.value for name, each in numbers.items()}
    spans = {
        name: each.span(*limits.get(name, (-math.inf, math.inf)))
        for name, each in numbers.items()
        if each.half
    }
    found = []
    for place in (0, 1):
        least, most = dict(middle), dict(middle)
        for name, (low, high) in spans.items():
            moved = [_value(formula, {**middle, name: end}, place) for end in (low, high)]
            ends = (low, high) if _rises(*moved) else (high, low)
            least[name], most[name] = ends
        low_value, high_value = _value(formula, least, place), _value(formula, most, place)
        found.append(
            (
                -math.inf if math.isnan(low_value) else low_value,
                math.inf if math.isnan(high_value) else high_value,
            )
        )
    if found[1][0] < 0:
        found[1] = (0.0, found[1][1])
    return found[0], found[1]


def _rises(low: float, high: float) -> bool:
    return low <= high if not (math.isnan(low) or math.isnan(high)) else math.isnan(high)


def _value(
    formula: Callable[[Mapping[str, float]], tuple[float, float]], at: Mapping[str, float], place: int
) -> float:
    try:
        return formula(at)[place]
    except (ValueError, ArithmeticError):
        return math.nan
