"""What a printed comparison says beyond its estimate: its standard error, an exact p value, numbers of events."""

from __future__ import annotations

import math

from kmeta.methods.survival.log_hazard import (
    interval_error,
    variance_by_allocation,
    variance_by_arm,
    z_of_p,
)
from kmeta.review.estimate import Comparison, Estimate
from kmeta.review.vocabulary import meanings, stated_events

# How far the rounding of an estimate and its p value may leave the standard error open: largest over smallest.
RELIABLE = 1.5


def events_printed(comparison: Comparison) -> tuple[int, ...] | None:
    """Events of arm a and b, or of both together; None where none are printed.

    >>> events_printed(Comparison(study_id="s", arm_a="a", arm_b="b", outcome="PFS", measure="HR",
    ...                           flag="update; 30 v 78 events"))
    (30, 78)
    """
    return stated_events(f"{comparison.flag}; {comparison.adjustment}")


def exact_p(comparison: Comparison) -> float | None:
    """The two-sided p value where one is printed as a value, not as a bound ("<0.001") nor as one-sided."""
    if {"one_sided"} & (meanings(comparison.flag) | meanings(comparison.adjustment)):
        return None
    try:
        p = float(comparison.p_value)
    except ValueError:
        return None
    return p if 0 < p < 1 else None


def has_interval(comparison: Comparison) -> bool:
    """Whether both limits of a ratio are printed and can be limits."""
    low, high = comparison.ci_low, comparison.ci_high
    return low is not None and high is not None and 0 < low < high


def error_of_p(comparison: Comparison) -> float | None:
    """|ln HR| / z of an exact two-sided p value; None where p is a bound, or rounding leaves it open by half and more.

    Source: Tierney 2007, doi:10.1186/1745-6215-8-16.

    >>> round(error_of_p(Comparison(study_id="s", arm_a="a", arm_b="b", outcome="PFS", measure="HR", estimate=0.58,
    ...                             p_value="0.022")), 3)
    0.238
    """
    p, ratio = exact_p(comparison), comparison.estimate
    if p is None or ratio is None or ratio <= 0 or ratio == 1:
        return None
    half_p = 0.5 * 10.0 ** -len(comparison.p_value.strip().partition(".")[2])
    half = 0.5 * 10.0 ** -max(2, len(repr(ratio).partition(".")[2])) / ratio
    y = abs(math.log(ratio))
    least, most = z_of_p(min(p + half_p, 1.0)), z_of_p(p - half_p) if p > half_p else math.inf
    if y <= half or not least > 0 or (y + half) * most > RELIABLE * (y - half) * least:
        return None
    return y / z_of_p(p)


def log_standard_error(comparison: Comparison, *, from_p: bool = False) -> float | None:
    """Standard error of the log of a printed ratio; None where the source does not let one have it.

    From the interval at its level: (ln U - ln L)/(2 z). Else from an exact two-sided p value and the events, both
    printed: 1/sqrt(V) with V = d1 d0/(d1 + d0) by arm or d/4 in all, used only where it is within a quarter of
    |ln HR|/z(p), the standard error that the p value alone implies. Source: Parmar 1998; Tierney 2007,
    doi:10.1186/1745-6215-8-16. `from_p`: else from the exact p value alone, `error_of_p`.

    >>> round(log_standard_error(Comparison(study_id="s", arm_a="a", arm_b="b", outcome="PFS", measure="HR",
    ...                                     estimate=0.47, ci_low=0.30, ci_high=0.73)), 3)
    0.227
    """
    if comparison.estimate is None or comparison.estimate <= 0:
        return None
    low, high = comparison.ci_low, comparison.ci_high
    if low is not None and high is not None and 0 < low < high:
        return interval_error(low, high, comparison.level)
    if events_printed(comparison) is None:
        return error_of_p(comparison) if from_p else None
    return _error_of_events(comparison, comparison.estimate)  # None where they contradict p


def _error_of_events(comparison: Comparison, ratio: float) -> float | None:
    p, events = exact_p(comparison), events_printed(comparison)
    if p is None or events is None or min(events) == 0 or ratio == 1:
        return None
    v = variance_by_arm(*events) if len(events) == 2 else variance_by_allocation(events[0])
    implied = abs(math.log(ratio)) / z_of_p(p)
    se: float = v**-0.5
    return se if 0.75 <= se / implied <= 1.25 else None


def usable_limits(estimate: Estimate) -> tuple[float | None, float | None] | None:
    """The printed limits of a survival probability from which its precision can be had; None where there are none.

    One limit is enough. The interval must hold the value and have a limit inside 0 and 1 other than the value.

    >>> usable_limits(Estimate(study_id="s", arm_id="a", outcome="OS", kind="probability", value=0.6, ci_low=0.7))
    """
    p, low, high = estimate.value, estimate.ci_low, estimate.ci_high
    if p is None or not 0 < p < 1:
        return None
    if (low is not None and not 0 <= low <= p) or (high is not None and not p <= high <= 1):
        return None
    inside = (low is not None and 0 < low < p) or (high is not None and p < high < 1)
    return (low, high) if inside else None


def has_size(estimate: Estimate, n: int | None, *, effective: bool = True) -> bool:
    """Whether anything says how precise a survival probability is: n, and where `effective` limits or a number at risk.

    >>> has_size(Estimate(study_id="s", arm_id="a", outcome="OS", kind="probability", value=0.6, n_risk=9), None)
    True
    """
    at_risk = bool(estimate.n_risk) and bool(estimate.value)
    return bool(n) or (effective and (at_risk or usable_limits(estimate) is not None))
