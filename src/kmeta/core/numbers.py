"""How numbers are printed: one rule for figures, tables and sentences.

Sources of the rules: doi:10.1136/bmjebm-2019-111264 and the instructions of the larger medical journals.
Intervals take an en dash, or "to" where a limit is negative; minus is U+2212; a missing value is an en dash.
"""

from __future__ import annotations

import math

MISSING = "–"


def _minus(text: str) -> str:
    return text.replace("-", "−")


def decimal(value: float | None, places: int = 2) -> str:
    """`value` with that many decimals; a negative zero loses its sign.

    >>> decimal(-1.236, 1), decimal(None), decimal(-0.001)
    ('−1.2', '–', '0.00')
    """
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.{places}f}"
    return _minus(text[1:] if text.startswith("-") and float(text) == 0 else text)


def ratio_places(value: float) -> int:
    """Decimals of a ratio: 2; 1 from 10 on; below 0.10 two significant digits."""
    if not math.isfinite(value) or value <= 0:
        return 2
    if value >= 9.995:
        return 1
    return 2 if value >= 0.0995 else min(6, 1 - math.floor(math.log10(value)))


def ratio(value: float | None) -> str:
    """HR, OR, RR.

    >>> ratio(0.474), ratio(23), ratio(0.047)
    ('0.47', '23.0', '0.047')
    """
    return MISSING if value is None else decimal(value, ratio_places(value))


def percent(share: float | None, places: int = 0) -> str:
    """A share as percent without the sign.

    >>> percent(0.774), percent(0.774, 1)
    ('77', '77.4')
    """
    return MISSING if share is None else decimal(100 * share, places)


def months(value: float | None) -> str:
    """Months with one decimal."""
    return decimal(value, 1)


def count(value: int | None) -> str:
    """A count, with a comma from 1,000 on.

    >>> count(1144)
    '1,144'
    """
    return MISSING if value is None else f"{value:,}"


def p_value(p: float | None) -> str:
    """The number alone, with its sign of comparison where it is a bound.

    >>> p_value(0.046), p_value(0.0052), p_value(0.0001), p_value(0.37), p_value(0.999)
    ('0.046', '0.005', '< 0.001', '0.37', '> 0.99')
    """
    if p is None or math.isnan(p):
        return MISSING
    if p < 0.001:
        return "< 0.001"
    if p > 0.99:
        return "> 0.99"
    return f"{p:.3f}" if p < 0.01 or f"{p:.2f}" == "0.05" else f"{p:.2f}"


def p_phrase(p: float | None) -> str:
    """`P = 0.046` or `P < 0.001`."""
    text = p_value(p)
    return f"P {text}" if text[0] in "<>" else f"P = {text}"


def interval(low: str, high: str) -> str:
    """Two printed limits as one text: an en dash, or "to" when one is negative.

    >>> interval("0.30", "0.73"), interval("−1.2", "0.4")
    ('0.30–0.73', '−1.2 to 0.4')
    """
    return f"{low} to {high}" if "−" in low + high else f"{low}–{high}"


def estimate(value: str, low: str, high: str) -> str:
    """`0.47 (0.30–0.73)`; without limits the value alone."""
    return value if MISSING in (low, high) else f"{value} ({interval(low, high)})"
