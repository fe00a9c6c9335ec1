"""Whether the numbers of one comparison agree: the ratio and its interval with its P value and its events."""

from __future__ import annotations

import math
import re

from kmeta.methods.checks.comparisons import places_of
from kmeta.methods.checks.reading import codes, hazard_ratios
from kmeta.methods.checks.registry import CHECKS
from kmeta.methods.checks.wording import plain, ratio
from kmeta.methods.survival.log_hazard import interval_error, variance_by_allocation, variance_by_arm, z_of_p
from kmeta.review.estimate import Comparison
from kmeta.review.evidence import Evidence
from kmeta.review.finding import Finding
from kmeta.review.vocabulary import stated_events

_P = re.compile(r"\s*(?:[pP]\s*)?([<>=]?)\s*(0?\.\d+(?:[eE]-?\d+)?|\d+(?:\.\d+)?[eE]-\d+)\s*")
_SIGNIFICANT = 1.96
# z of the P value and of the ratio apart beyond rounding, by this much and this factor: less is approximation.
_Z_APART, _Z_FACTOR = 0.75, 1.35
# An interval cannot be narrower than its events (or patients) allow, 2/sqrt(events), but for this share; nor is it
# often this many times as wide as they give.
_NARROW, _WIDE = 0.88, 1.6


def errors_of(row: Comparison) -> tuple[float, float] | None:
    """Least and largest standard error of log HR that the rounding of the limits leaves; None without an interval."""
    low, high = row.ci_low, row.ci_high
    if low is None or high is None or not 0 < low < high or not 0 < row.level < 1:
        return None
    half = 0.5 * 10.0 ** -max(2, *map(places_of, (low, high)))
    narrow = interval_error(low + half, high - half, row.level) if high - low > 2 * half else 0.0
    wide = interval_error(low - half, high + half, row.level) if low > half else math.inf
    return narrow, wide


@CHECKS.register("p_against_ratio")
def p_against_ratio(evidence: Evidence) -> list[Finding]:
    """A P value far from what the ratio and its interval give, though both say the same about 0.05."""
    found = []
    for row in hazard_ratios(evidence):
        printed, given = _z_of_p(row), _z_of_ratio(row)
        if printed is None or given is None or not _apart(printed, given):
            continue
        if (printed[0] > _SIGNIFICANT) != (given[1] > _SIGNIFICANT):
            continue  # told by p_against_interval
        found.append(
            Finding(
                check="p_against_ratio",
                where=f"{row.study_id}/{row.arm_a} v {row.arm_b}",
                message=f"{row.outcome}: {ratio(row)} has a z of {_range(given)}; "
                f"the printed P {row.p_value.strip()} has {_range(printed)}.",
                hint="Another test, an interval at another level, one-sided, or a misprint: look.",
                severity="warning",
                study_ids=(row.study_id,),
            )
        )
    return found


def _z_of_p(row: Comparison) -> tuple[float, float] | None:
    """Least and largest z that the printed P value leaves."""
    number = _P.fullmatch(row.p_value)
    if not number or not 0 < (p := float(number[2])) < 1:
        return None
    sides = 1 if "one_sided" in codes(row) else 2
    if number[1] == "<":
        return z_of_p(p, sides), math.inf
    if number[1] == ">":
        return 0.0, z_of_p(p, sides)
    half = 0.0 if "e" in number[2].lower() else 0.5 * 10.0 ** -len(number[2].partition(".")[2])
    return z_of_p(min(p + half, 1.0), sides), z_of_p(p - half, sides) if p > half else math.inf


def _z_of_ratio(row: Comparison) -> tuple[float, float] | None:
    errors = errors_of(row)
    if errors is None or row.estimate is None:
        return None
    half = 0.5 * 10.0 ** -max(2, places_of(row.estimate)) / row.estimate
    y = abs(math.log(row.estimate))
    return max(y - half, 0.0) / errors[1], (y + half) / errors[0] if errors[0] > 0 else math.inf


def _apart(one: tuple[float, float], other: tuple[float, float]) -> bool:
    upper, lower = max(one[0], other[0]), min(one[1], other[1])
    return upper - lower > _Z_APART and upper > _Z_FACTOR * lower


def _range(zs: tuple[float, float]) -> str:
    low, high = (plain(round(z, 1)) if math.isfinite(z) else "" for z in zs)
    if not high:
        return f"at least {low}"
    return low if low == high else f"{low} to {high}"


@CHECKS.register("ratio_against_events")
def ratio_against_events(evidence: Evidence) -> list[Finding]:
    """An interval narrower than its events or patients allow, or far wider; a P value that its events contradict.

    No Cox model or log-rank test has a standard error below 2/sqrt(events), and there are no more events than patients.
    """
    found = []
    for row in hazard_ratios(evidence):
        words = _events_words(evidence, row)
        if words:
            found.append(
                Finding(
                    check="ratio_against_events",
                    where=f"{row.study_id}/{row.arm_a} v {row.arm_b}",
                    message=f"{row.outcome}: {ratio(row)} {words}.",
                    hint="An interval at another level, a misprint, or events of other patients or another date.",
                    severity="warning",
                    study_ids=(row.study_id,),
                )
            )
    return found


def _events_words(evidence: Evidence, row: Comparison) -> str:
    events = stated_events(f"{row.flag}; {row.adjustment}")
    arms = [evidence.arm.get((row.study_id, arm)) for arm in (row.arm_a, row.arm_b)]
    sizes = [arm.n for arm in arms if arm is not None and arm.n]
    errors = errors_of(row)
    if events and min(events) > 0:
        v = variance_by_arm(*events) if len(events) == 2 else variance_by_allocation(events[0])
        counted = f"{' and '.join(map(str, events))} events"
        least = 2 / math.sqrt(sum(events))
        if errors and errors[1] < _NARROW * least:
            return f"has a narrower interval than {counted} can give"
        if errors and errors[0] > _WIDE / math.sqrt(v):
            return (
                f"has an interval {plain(round(errors[0] * math.sqrt(v), 1))} times as wide as {counted} give"
            )
        return "" if errors else _p_words(row, v, counted)
    if errors and len(sizes) == 2 and errors[1] < _NARROW * 2 / math.sqrt(sum(sizes)):
        return f"has a narrower interval than all of the {sum(sizes)} patients could give by dying"
    return ""


def _p_words(row: Comparison, v: float, counted: str) -> str:
    printed = _z_of_p(row)
    if printed is None or row.estimate in (None, 1):
        return ""
    expected = abs(math.log(row.estimate or 1.0)) * math.sqrt(v)
    if not _apart(printed, (expected, expected)):
        return ""
    told = f"the printed P {row.p_value.strip()} has {_range(printed)}"
    return f"with {counted} has a z of {plain(round(expected, 1))}; {told}"
