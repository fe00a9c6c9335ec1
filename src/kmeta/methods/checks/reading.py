"""What rows say of themselves, and the curves that rows make together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from kmeta.review.estimate import Comparison, Estimate
from kmeta.review.evidence import Evidence
from kmeta.review.study import Arm
from kmeta.review.vocabulary import meanings

# Half of the last digit of a percentage printed without decimals: two values nearer than this may be equal.
ROUNDING = 0.005

T = TypeVar("T")
Curve = tuple[Estimate, ...]
CurveKey = tuple[str, str, str, str, bool]


def by(rows: Iterable[T], key: Callable[[T], tuple[str, ...]]) -> dict[tuple[str, ...], list[T]]:
    """Rows grouped by `key`, groups and rows in a fixed order whatever the order they come in."""
    groups: dict[tuple[str, ...], list[T]] = {}
    for row in sorted(rows, key=lambda row: (key(row), repr(row))):
        groups.setdefault(key(row), []).append(row)
    return groups


def codes(row: Estimate | Comparison) -> frozenset[str]:
    """The meanings of a row's own words."""
    more = meanings(row.adjustment) if isinstance(row, Comparison) else frozenset[str]()
    return meanings(row.flag) | meanings(row.location) | more


def arm_codes(evidence: Evidence, study_id: str, arm_id: str) -> frozenset[str]:
    """The meanings of the words on an arm's patients; none for an arm that is not there."""
    arm = evidence.arm.get((study_id, arm_id))
    return meanings(arm.population) if arm else frozenset()


def matched(evidence: Evidence, estimate: Estimate) -> bool:
    """Whether the value is of matched patients: by its own words, else by those of its arm."""
    own = codes(estimate)
    if "unmatched" in own:
        return False
    return "matched_subset" in own | arm_codes(evidence, *estimate.key)


def is_event_probability(estimate: Estimate) -> bool:
    """Whether it is the probability of an event (it rises) and not of being free of it (it falls)."""
    return "incidence" in estimate.outcome.casefold() or "event_probability" in meanings(estimate.flag)


def is_graft(estimate: Estimate) -> bool:
    """Whether the loss of a graft counts as the event."""
    return "graft" in estimate.outcome.casefold() or "graft" in codes(estimate)


def curves(evidence: Evidence, *, kinds: tuple[str, ...] = ("probability",)) -> dict[CurveKey, Curve]:
    """(study, arm, outcome, origin, matched) -> its survival values by time; event probabilities left out."""
    found: dict[CurveKey, list[Estimate]] = {}
    for estimate in evidence.estimates:
        if estimate.kind in kinds and not is_event_probability(estimate):
            key = (*estimate.key, estimate.outcome, estimate.time_origin, matched(evidence, estimate))
            found.setdefault(key, []).append(estimate)
    return {key: tuple(sorted(rows, key=in_time)) for key, rows in sorted(found.items())}


def points(curve: Iterable[Estimate]) -> list[tuple[float, float, Estimate]]:
    """(time, survival, row) of the probabilities of a curve that have both."""
    return [
        (row.time_months, row.value, row)
        for row in curve
        if row.kind == "probability" and row.time_months is not None and row.value is not None
    ]


def in_time(estimate: Estimate) -> tuple[float, float, str]:
    """Key by which the rows of a curve are put in order."""
    time = -1.0 if estimate.time_months is None else estimate.time_months
    return time, -1.0 if estimate.value is None else estimate.value, repr(estimate)


def subgroups_of(evidence: Evidence) -> Mapping[tuple[str, str], list[Arm]]:
    """(study, parent) -> its subgroups; the parent "*" holds those across arms."""
    groups = by(
        (arm for arm in evidence.arms if arm.subgroup_of), lambda arm: (arm.study_id, arm.subgroup_of)
    )
    return {(key[0], key[1]): arms for key, arms in groups.items()}


def values_of(evidence: Evidence) -> dict[tuple[str, str], list[Estimate]]:
    """(study, arm) -> its estimates, in a fixed order."""
    return {(key[0], key[1]): rows for key, rows in by(evidence.estimates, lambda row: row.key).items()}


def value_pairs(evidence: Evidence, row: Comparison) -> list[tuple[Estimate, Estimate]]:
    """Values of the two arms that can be set side by side: same outcome, kind, time, origin and matching."""
    mine = [
        value
        for value in evidence.estimates
        if value.study_id == row.study_id and value.outcome == row.outcome
    ]
    sides = [[value for value in mine if value.arm_id == arm] for arm in (row.arm_a, row.arm_b)]
    return [
        (ours, theirs)
        for ours in sides[0]
        for theirs in sides[1]
        if (ours.kind, ours.time_months, ours.time_origin)
        == (theirs.kind, theirs.time_months, theirs.time_origin)
        and matched(evidence, ours) == matched(evidence, theirs)
        and not is_event_probability(ours)
    ]


def hazard_ratios(evidence: Evidence) -> list[Comparison]:
    """The comparisons that are hazard ratios with a value that can be."""
    return [
        row
        for row in evidence.comparisons
        if row.measure == "HR" and row.estimate is not None and 1e-6 < row.estimate < 1e6
    ]
