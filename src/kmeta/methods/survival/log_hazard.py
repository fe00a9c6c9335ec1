"""Elementary relations between the log hazard ratio and what papers print: intervals, p values, events, survival.

Plain arithmetic on single numbers, shared by the routes to a hazard ratio, the checks and the selection of rows.
Sources: Parmar, Torri & Stewart 1998, doi:10.1002/(SICI)1097-0258(19981230)17:24<2815::AID-SIM110>3.0.CO;2-8;
Williamson et al. 2002, doi:10.1002/sim.1303; Tierney et al. 2007, doi:10.1186/1745-6215-8-16.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

_NORMAL = NormalDist()


def normal_quantile(level: float) -> float:
    """Half-width of a two-sided `level` interval in standard errors.

    >>> round(normal_quantile(0.95), 4)
    1.96
    """
    return -_NORMAL.inv_cdf((1 - level) / 2)


def z_of_p(p: float, sides: int = 2) -> float:
    """|z| of a p value; the two-sided p takes z(1 - p/2), the one-sided z(1 - p).

    >>> round(z_of_p(0.05), 3), round(z_of_p(0.025, sides=1), 3)
    (1.96, 1.96)
    """
    tail = p / sides
    return 0.0 if tail >= 0.5 else -_NORMAL.inv_cdf(tail)


def p_of_z(z: float) -> float:
    """Two-sided p value.

    >>> round(p_of_z(1.96), 3)
    0.05
    """
    return math.erfc(abs(z) / math.sqrt(2))


def interval_error(low: float, high: float, level: float = 0.95) -> float:
    """Standard error behind the interval of a ratio: (ln high - ln low) / (2 z)."""
    return (math.log(high) - math.log(low)) / (2 * normal_quantile(level))


def variance_by_arm(events_1: float, events_0: float) -> float:
    """V of O - E from the events of both arms: d1 d0 / (d1 + d0)."""
    return events_1 * events_0 / (events_1 + events_0)


def variance_by_allocation(events: float, n_1: float = 1.0, n_0: float = 1.0) -> float:
    """V of O - E from all events and the sizes of the arms: d n1 n0 / (n1 + n0)^2; d / 4 where they are equal.

    >>> variance_by_allocation(150)
    37.5
    """
    return events * n_1 * n_0 / (n_1 + n_0) ** 2


def survival_ratio(
    survival_1: float, survival_0: float, at_risk_1: float, at_risk_0: float
) -> tuple[float, float]:
    """(log HR, se) from survival at one time: ln(ln S1 / ln S0), exact where hazards are proportional.

    `at_risk` of each arm at that time; var ln(-ln S) = (1 - S) / (n_risk (ln S)^2), Peto's variance of S.
    """
    cells = ((survival_1, at_risk_1), (survival_0, at_risk_0))
    variance = sum((1 - s) / (n * math.log(s) ** 2) for s, n in cells)
    return math.log(math.log(survival_1) / math.log(survival_0)), math.sqrt(variance)


def actuarial(start: float, end: float, survival: float) -> tuple[float, float]:
    """(events, effective number at risk) of an interval that `survival` of those at its start survive.

    Events d = (n0 + n1)(1 - c)/(1 + c); the censored, n0 - n1 - d, are spread evenly, so half of them count as at
    risk. Where that number is negative nobody was censored and d = n0 (1 - c).
    """
    events = (start + end) * (1 - survival) / (1 + survival)
    censored = start - end - events
    if censored < 0:
        return start * (1 - survival), start
    return events, start - censored / 2


def interval_ratios(
    survival: tuple[Sequence[float], Sequence[float]], at_risk: tuple[Sequence[float], Sequence[float]]
) -> list[tuple[float, float] | None]:
    """(log HR, variance) of each interval between the times of a curve; None where an arm has no event in it.

    `survival` and `at_risk` of both arms at each time, the first time included (survival 1, all patients).
    """
    found: list[tuple[float, float] | None] = []
    for i in range(len(survival[0]) - 1):
        cells = []
        for s, n in zip(survival, at_risk, strict=True):
            if s[i] > s[i + 1] and n[i] > 0:
                cells.append(actuarial(n[i], n[i + 1], s[i + 1] / s[i]))
        if len(cells) < 2:
            found.append(None)
            continue
        (d1, r1), (d0, r0) = cells
        found.append((math.log((d1 / r1) / (d0 / r0)), 1 / d1 - 1 / r1 + 1 / d0 - 1 / r0))
    return found
