"""How findings name things and print numbers: short, the thing first, one form of each number."""

from __future__ import annotations

from collections.abc import Iterable

from kmeta.core import numbers
from kmeta.review.estimate import Comparison, Estimate

NARROW = "\u202f"


def share(value: float) -> str:
    """A probability as percent with the decimals it has, at most two.

    >>> share(0.74).replace(NARROW, " "), share(0.4667).replace(NARROW, " ")
    ('74 %', '46.67 %')
    """
    return f"{numbers.decimal(round(100 * value, 2), 2).rstrip('0').rstrip('.')}{NARROW}%"


def plain(value: float) -> str:
    """Months or a ratio with the decimals it has, at most three.

    >>> plain(120.0), plain(39.6)
    ('120', '39.6')
    """
    return numbers.decimal(value, 3).rstrip("0").rstrip(".")


def said(estimate: Estimate) -> str:
    """`74 % at 60 months`, `median 39 months`, `median not reached`."""
    if estimate.kind == "probability":
        value = "no value" if estimate.value is None else share(estimate.value)
        return (
            f"{value} at {plain(estimate.time_months)} months" if estimate.time_months is not None else value
        )
    kind = "restricted mean" if estimate.kind == "rmst" else estimate.kind
    return f"{kind} not reached" if estimate.value is None else f"{kind} {plain(estimate.value)} months"


def ratio(comparison: Comparison) -> str:
    """`HR 0.59 (0.3 to 0.9)`, or the measure with its p value where there is no estimate."""
    if comparison.estimate is None:
        return f"{comparison.measure} {comparison.p_value or 'not printed'}"
    low, high = comparison.ci_low, comparison.ci_high
    interval = f" ({plain(low)} to {plain(high)})" if low is not None and high is not None else ""
    return f"{comparison.measure} {plain(comparison.estimate)}{interval}"


def several(words: Iterable[str], *, limit: int = 6) -> str:
    """`a, b and c`; after `limit` the number of the rest.

    >>> several(["b", "a"]), several("abcd", limit=2)
    ('a and b', 'a, b and 2 more')
    """
    each = sorted(set(words))
    if len(each) > limit:
        return f"{', '.join(each[:limit])} and {len(each) - limit} more"
    return each[0] if len(each) == 1 else " and ".join(filter(None, [", ".join(each[:-1]), *each[-1:]]))


def counted(n: int, thing: str) -> str:
    """`1 value`, `3 values`."""
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"


def place(study_id: str, arm_ids: Iterable[str] = ()) -> str:
    """`study/arm` for one arm, `study` for none or several."""
    arms = sorted(set(arm_ids))
    return f"{study_id}/{arms[0]}" if len(arms) == 1 else study_id
