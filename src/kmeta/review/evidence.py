"""All that was extracted, with its keys resolved: what checks, selection and synthesis read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from kmeta.review.estimate import Comparison, Criterion, Estimate, PublishedResult
from kmeta.review.record import Decision, Pairing, Record
from kmeta.review.study import Arm, Overlap, Study


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The present state of a review's data; every tuple is in a fixed order (that of its keys or of extraction)."""

    studies: tuple[Study, ...] = ()
    arms: tuple[Arm, ...] = ()
    estimates: tuple[Estimate, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    overlaps: tuple[Overlap, ...] = ()
    published: tuple[PublishedResult, ...] = ()
    criteria: tuple[Criterion, ...] = ()
    records: tuple[Record, ...] = ()
    decisions: tuple[Decision, ...] = ()
    pairings: tuple[Pairing, ...] = ()

    @cached_property
    def study(self) -> dict[str, Study]:
        """study_id -> Study."""
        return {study.study_id: study for study in self.studies}

    @cached_property
    def arm(self) -> dict[tuple[str, str], Arm]:
        """(study_id, arm_id) -> Arm."""
        return {arm.key: arm for arm in self.arms}
