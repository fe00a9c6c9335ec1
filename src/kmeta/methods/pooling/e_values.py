"""How strong an unmeasured confounder must be to explain an association away.

Source: VanderWeele & Ding 2017, doi:10.7326/M16-2607 (with its conversions for outcomes that are common).
"""

from __future__ import annotations

import math

COMMON = 0.15  # share with the event from which a hazard or odds ratio is no risk ratio


def as_risk_ratio(ratio: float, kind: str, *, common: bool) -> float:
    """A hazard ("HR") or odds ("OR") ratio as an approximate risk ratio."""
    if not common or not ratio > 0:
        return ratio
    if kind == "OR":
        return math.sqrt(ratio)
    return -math.expm1(math.log(0.5) * math.sqrt(ratio)) / -math.expm1(math.log(0.5) * math.sqrt(1 / ratio))


def e_value(ratio: float, kind: str, *, common: bool) -> float:
    """The risk ratio that a confounder would need with both class and survival; 1 where the ratio is 1.

    >>> round(e_value(3.9, "HR", common=False), 2)
    7.26
    """
    risk = as_risk_ratio(ratio, kind, common=common)
    risk = max(risk, 1 / risk)
    return risk + math.sqrt(risk * (risk - 1))


def e_value_of_limit(low: float, high: float, kind: str, *, common: bool) -> float:
    """The E-value of the limit nearer to 1; 1 where the interval holds 1."""
    if low <= 1 <= high:
        return 1.0
    return e_value(low if low > 1 else high, kind, common=common)
