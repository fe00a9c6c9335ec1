"""Studies that share patients: sets of them, and what they print of the same people."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import combinations

from kmeta.methods.checks.reading import by, is_event_probability, values_of
from kmeta.methods.checks.registry import CHECKS
from kmeta.methods.checks.wording import place, plain, said, several
from kmeta.review.estimate import Estimate
from kmeta.review.evidence import Evidence
from kmeta.review.finding import Finding
from kmeta.review.study import Arm

LINKS = ("certain", "likely")
# Medians of like patients that differ by this factor are not by chance; nor are survivals by this much.
FAR_RATIO = 3.0
FAR_SHARE = 0.40
_SHARING = re.compile(r"\b(?:overlap|same|shar(?:e|ing)|inside|includ)[^.;]*")
_WORD = re.compile(r"\w[\w-]*")


def linked_sets(evidence: Evidence) -> list[tuple[str, ...]]:
    """Sets of studies joined by certain or likely pairs; possible pairs do not chain."""
    leader: dict[str, str] = {}

    def find(study: str) -> str:
        while leader.setdefault(study, study) != study:
            study = leader[study]
        return study

    for pair in evidence.overlaps:
        if pair.strength in LINKS:
            one, other = sorted((find(pair.study_a), find(pair.study_b)))
            leader[other] = one
    sets = by(leader, lambda study: (find(study),))
    return [tuple(members) for members in sets.values() if len(members) > 1]


@CHECKS.register("overlapping_cohorts")
def overlapping_cohorts(evidence: Evidence) -> list[Finding]:
    """Sets of studies that certainly or likely share patients."""
    found = []
    for members in linked_sets(evidence):
        linked = [pair for pair in evidence.overlaps if pair.strength in LINKS and pair.study_a in members]
        counts = [(sum(pair.strength == each for pair in linked), each) for each in LINKS]
        strengths = ", ".join(f"{n} {each}" for n, each in counts if n)
        reasons = sorted({pair.reason for pair in linked if pair.reason})
        why = (
            f" Because: {reasons[0]}" + (f" (and {len(reasons) - 1} more)." if reasons[1:] else ".")
            if reasons
            else ""
        )
        found.append(
            Finding(
                check="overlapping_cohorts",
                where=f"{members[0]} and {len(members) - 1} more",
                message=f"{len(members)} studies share patients (links: {strengths}): "
                f"{several(members, limit=10)}.{why}",
                hint="Choose which of them speaks for the set in each analysis, and say why.",
                severity="warning",
                effect="One study of the set enters each pooled result.",
                study_ids=members,
            )
        )
    return found


@CHECKS.register("possible_overlap")
def possible_overlap(evidence: Evidence) -> list[Finding]:
    """Pairs that may share patients: told, not acted upon."""
    return [
        Finding(
            check="possible_overlap",
            where=" and ".join(sorted((pair.study_a, pair.study_b))),
            message=f"May share patients{': ' + pair.reason if pair.reason else ''}.",
            hint="Ask the authors; leave one out in a sensitivity analysis.",
            severity="note",
            effect="Both stay in; possible pairs are not chained.",
            study_ids=tuple(sorted((pair.study_a, pair.study_b))),
        )
        for pair in evidence.overlaps
        if pair.strength == "possible"
    ]


@CHECKS.register("overlap_not_listed")
def overlap_not_listed(evidence: Evidence) -> list[Finding]:
    """A note or a population that names another study as sharing patients, without a row among the overlaps."""
    listed = {frozenset((pair.study_a, pair.study_b)) for pair in evidence.overlaps}
    member_of = {study: number for number, members in enumerate(linked_sets(evidence)) for study in members}
    # A key without a digit may be a name like any other, or a word.
    keys = {study.casefold(): study for study in evidence.study if re.search(r"\d", study)}
    texts = [(study.study_id, study.note) for study in evidence.studies]
    texts += [(arm.study_id, arm.population) for arm in evidence.arms]
    found: set[tuple[str, ...]] = set()
    for study, text in texts:
        words = {word for said_ in _SHARING.findall(text.casefold()) for word in _WORD.findall(said_)}
        for other in (keys[word] for word in words if word in keys):
            linked = other in member_of and member_of.get(study) == member_of[other]
            if other != study and not linked and frozenset((study, other)) not in listed:
                found.add(tuple(sorted((study, other))))
    return [
        Finding(
            check="overlap_not_listed",
            where=" and ".join(pair),
            message="The words of one name the other as sharing patients, and no overlap is listed.",
            hint="Add the pair to the overlaps with its strength.",
            severity="warning",
            study_ids=pair,
        )
        for pair in sorted(found)
    ]


@CHECKS.register("printed_differently")
def printed_differently(evidence: Evidence) -> list[Finding]:
    """Two studies that share patients, arms of one class and size, and yet different values."""
    found = []
    values = values_of(evidence)
    for one, other in _alike_arms(evidence, same_size=True):
        for ours, theirs in _same_values(values.get(one.key, []), values.get(other.key, [])):
            if ours.value != theirs.value:
                found.append(
                    Finding(
                        check="printed_differently",
                        where=f"{place(one.study_id, [one.arm_id])} and {place(other.study_id, [other.arm_id])}",
                        message=f"The same {one.n} patients, {ours.outcome}: {said(ours)} and {said(theirs)}.",
                        hint="Different follow-up or one misprint: take the later report, and cite the difference.",
                        severity="warning",
                        effect="One study of the pair enters each pooled result.",
                        study_ids=(one.study_id, other.study_id),
                    )
                )
    return found


@CHECKS.register("far_from_sibling")
def far_from_sibling(evidence: Evidence) -> list[Finding]:
    """A value implausibly far from that of like patients: an overlapping study, or the same treatment and group."""
    found = []
    values = values_of(evidence)
    pairs = {(one.key, other.key) for one, other in _alike_arms(evidence, same_size=False)} | _same_group(
        evidence
    )
    for one, other in sorted(pairs):
        for ours, theirs in _same_values(values.get(one, []), values.get(other, [])):
            if _far(ours, theirs):
                short, long = sorted((ours, theirs), key=lambda row: (row.value or 0.0, row.key))
                found.append(
                    Finding(
                        check="far_from_sibling",
                        where=place(short.study_id, [short.arm_id]),
                        message=f"{short.outcome}: {said(short)}, but {said(long)} in {long.study_id}/{long.arm_id}, "
                        "a group of the same treatment.",
                        hint="Look at the unit and the row in the source: years, or another group, may be printed.",
                        severity="warning",
                        study_ids=tuple(sorted({short.study_id, long.study_id})),
                    )
                )
    return found


def _alike_arms(evidence: Evidence, *, same_size: bool) -> list[tuple[Arm, Arm]]:
    """Parent arms of overlapping studies with the same class, and the same size or else the same treatment."""
    arms = {key[0]: group for key, group in by(evidence.arms, lambda arm: (arm.study_id,)).items()}
    pairs = []
    for studies in sorted({tuple(sorted((pair.study_a, pair.study_b))) for pair in evidence.overlaps}):
        for one in arms.get(studies[0], []):
            for other in arms.get(studies[1], []):
                if one.treatment_class != other.treatment_class or one.subgroup_of or other.subgroup_of:
                    continue
                size = one.n is not None and one.n == other.n
                words = one.treatment.casefold() == other.treatment.casefold()
                if size if same_size else words:
                    pairs.append((one, other))
    return pairs


def _same_group(evidence: Evidence) -> set[tuple[tuple[str, str], tuple[str, str]]]:
    """Arms of different studies that the same words describe: treatment, and residual disease or population."""

    def described(arm: Arm) -> tuple[str, ...]:
        return (
            arm.treatment_class,
            arm.treatment.casefold(),
            arm.residual.casefold(),
            arm.population.casefold(),
        )

    groups = by((arm for arm in evidence.arms if arm.residual or arm.population), described)
    return {
        (one.key, other.key)
        for group in groups.values()
        for one, other in combinations(sorted(group, key=lambda arm: arm.key), 2)
        if one.study_id != other.study_id
    }


def _same_values(ours: Iterable[Estimate], theirs: Iterable[Estimate]) -> list[tuple[Estimate, Estimate]]:
    theirs = list(theirs)
    return [
        (one, other)
        for one in ours
        for other in theirs
        if (one.outcome, one.kind, one.time_months, one.time_origin)
        == (other.outcome, other.kind, other.time_months, other.time_origin)
        and one.value is not None
        and other.value is not None
    ]


def _far(ours: Estimate, theirs: Estimate) -> bool:
    if ours.value is None or theirs.value is None or is_event_probability(ours):
        return False
    if ours.kind == "probability":
        return abs(ours.value - theirs.value) >= FAR_SHARE
    low, high = sorted((ours.value, theirs.value))
    return high >= FAR_RATIO * low and plain(low) != plain(high)
