"""Arms and their sizes: subgroups beside their parents, parts that cannot give the whole, sizes that do not fit."""

from __future__ import annotations

from collections.abc import Sequence

from kmeta.methods.checks.reading import by, is_event_probability, points, subgroups_of, values_of
from kmeta.methods.checks.registry import CHECKS
from kmeta.methods.checks.wording import counted, place, plain, said, several, share
from kmeta.review.estimate import Estimate
from kmeta.review.evidence import Evidence
from kmeta.review.finding import Finding
from kmeta.review.study import Arm

# What Kaplan-Meier estimates of a whole and its parts may differ by through censoring.
SLACK_OF_BOUND = 0.05
SLACK_OF_MEAN = 0.10


@CHECKS.register("subgroups_beside_parent")
def subgroups_beside_parent(evidence: Evidence) -> list[Finding]:
    """Subgroups (and wholes that repeat their parts) with values: their patients are in other arms as well."""
    found = []
    values = values_of(evidence)
    groups = by((arm for arm in evidence.arms if arm.subgroup_of), lambda arm: (arm.study_id,))
    for (study,), subs in groups.items():
        compared = {
            arm for row in evidence.comparisons if row.study_id == study for arm in (row.arm_a, row.arm_b)
        }
        used = [arm for arm in subs if arm.key in values or arm.arm_id in compared]
        if not used:
            continue
        names = several(
            f"{arm.arm_id} of {arm.subgroup_of}" if arm.subgroup_of != "*" else f"{arm.arm_id} across arms"
            for arm in used
        )
        found.append(
            Finding(
                check="subgroups_beside_parent",
                where=place(study, [arm.arm_id for arm in used]),
                message=f"{counted(len(used), 'arm')} whose patients are in another arm as well: {names}.",
                hint="Use the parent, or the parts that make it, never both.",
                severity="note",
                effect="Left out of pooled results: subgroups.",
                study_ids=(study,),
            )
        )
    return found


@CHECKS.register("parts_against_whole")
def parts_against_whole(evidence: Evidence) -> list[Finding]:
    """Subgroups that cannot give the whole's survival, whoever the remaining patients are.

    With n of N patients in a subgroup, survival of the whole at t is at least n/N times the subgroup's at any later
    time and at most that at any earlier time plus (N - n)/N: survival cannot rise, and the rest is between nobody and
    everybody alive. Subgroups that sum exactly to N give it as their weighted mean.
    """
    values = values_of(evidence)
    found = []
    for (study, parent_id), subs in sorted(subgroups_of(evidence).items()):
        parent = evidence.arm.get((study, parent_id))
        if parent is None or not parent.n:
            continue
        for whole in values.get(parent.key, []):
            if is_event_probability(whole) or whole.value is None:
                continue
            reason = _outside_bounds(parent, whole, subs, values) or _off_the_mean(
                parent, whole, subs, values
            )
            if reason:
                found.append(
                    Finding(
                        check="parts_against_whole",
                        where=place(study, [parent_id]),
                        message=f"{whole.outcome}: {said(whole)} in all {parent.n}, but {reason}.",
                        hint="One of them is misprinted or of other patients: look at the source.",
                        severity="error",
                        effect="The subgroups are left out of pooled results; the whole stays.",
                        study_ids=(study,),
                    )
                )
    return found


def _comparable(part: Estimate, whole: Estimate) -> bool:
    return (part.outcome, part.kind, part.time_origin) == (whole.outcome, whole.kind, whole.time_origin)


def _outside_bounds(
    parent: Arm, whole: Estimate, subs: Sequence[Arm], values: dict[tuple[str, str], list[Estimate]]
) -> str:
    if whole.kind != "probability" or whole.time_months is None or whole.value is None or not parent.n:
        return ""
    worst, words = 0.0, ""
    for sub in subs:
        if not sub.n or sub.n > parent.n:
            continue
        for time, value, row in points(part for part in values.get(sub.key, []) if _comparable(part, whole)):
            least = sub.n * value / parent.n if whole.time_months <= time else 0.0
            most = (sub.n * value + parent.n - sub.n) / parent.n if whole.time_months >= time else 1.0
            excess = max(least - whole.value, whole.value - most) - SLACK_OF_BOUND
            if excess > worst:
                bound = f"at least {share(least)}" if least > whole.value else f"at most {share(most)}"
                worst, words = excess, f"{said(row)} in the {sub.n} of {sub.arm_id} leave {bound}"
    return words


def _off_the_mean(
    parent: Arm, whole: Estimate, subs: Sequence[Arm], values: dict[tuple[str, str], list[Estimate]]
) -> str:
    """Where parts of known size sum exactly to the whole and have the same kind of value at the same time."""
    if whole.kind not in ("probability", "mean") or whole.value is None or not parent.n:
        return ""
    parts: list[tuple[Arm, float]] = []
    for sub in subs:
        rows = [
            row
            for row in values.get(sub.key, [])
            if _comparable(row, whole) and row.time_months == whole.time_months
        ]
        if sub.n and rows and rows[0].value is not None and len(rows) == 1:
            parts.append((sub, rows[0].value))
    if len(parts) < 2 or sum(sub.n or 0 for sub, _ in parts) != parent.n:
        return ""
    mean = sum((sub.n or 0) * value for sub, value in parts) / parent.n
    slack = SLACK_OF_MEAN if whole.kind == "probability" else SLACK_OF_MEAN * whole.value
    if abs(mean - whole.value) <= slack:
        return ""
    shown = share if whole.kind == "probability" else plain
    return f"its parts ({several(f'{sub.arm_id} {shown(value)}' for sub, value in parts)}) give {shown(round(mean, 3))}"


@CHECKS.register("arms_above_study")
def arms_above_study(evidence: Evidence) -> list[Finding]:
    """Arms, or subgroups of one, larger than what they are part of."""
    found = []
    for (study,), arms in by(evidence.arms, lambda arm: (arm.study_id,)).items():
        total = evidence.study[study].n_total if study in evidence.study else None
        own = [arm for arm in arms if not arm.subgroup_of and arm.n is not None]
        together = sum(arm.n or 0 for arm in own)
        faults = []
        if total is not None and together > total:
            faults.append(f"arms of {together} patients together in a study of {total}")
        for arm in arms:
            whole = evidence.arm.get((study, arm.subgroup_of))
            limit = whole.n if whole else total
            if arm.subgroup_of and arm.n is not None and limit is not None and arm.n > limit:
                faults.append(f"{arm.arm_id} has {arm.n} patients, what it is part of {limit}")
        if faults:
            found.append(
                Finding(
                    check="arms_above_study",
                    where=study,
                    message=f"{several(faults)}.",
                    hint="Look whether arms share patients (name their parent in the population) or a size is wrong.",
                    severity="error",
                    study_ids=(study,),
                )
            )
    return found


@CHECKS.register("size_not_known")
def size_not_known(evidence: Evidence) -> list[Finding]:
    """Survival probabilities of arms whose number of patients is not printed: they have no variance."""
    found = []
    values = values_of(evidence)
    arms = [arm for arm in evidence.arms if arm.n is None and not arm.subgroup_of]
    for (study,), group in by(arms, lambda arm: (arm.study_id,)).items():
        rows = [
            row
            for arm in group
            for row in values.get(arm.key, [])
            if row.kind == "probability" and row.ci_low is None and row.n_risk is None
        ]
        if rows:
            names = several(row.arm_id for row in rows)
            found.append(
                Finding(
                    check="size_not_known",
                    where=place(study, [row.arm_id for row in rows]),
                    message=f"{counted(len(rows), 'survival value')} of {names} without a number of patients.",
                    hint="Look for it in the full text; without it a value can be listed, not pooled.",
                    severity="warning",
                    effect="Left out of pooled results: no number of patients.",
                    study_ids=(study,),
                )
            )
    return found


@CHECKS.register("no_values")
def no_values(evidence: Evidence) -> list[Finding]:
    """Studies with arms and no survival value and no comparison: what was looked for is not there."""
    valued = {row.study_id for row in evidence.estimates} | {row.study_id for row in evidence.comparisons}
    without = by((arm for arm in evidence.arms if arm.study_id not in valued), lambda arm: (arm.study_id,))
    return [
        Finding(
            check="no_values",
            where=study,
            message=f"{counted(len(arms), 'arm')} ({several(arm.arm_id for arm in arms)}) and no survival value.",
            hint="Look in the full text, or ask the authors; the study counts as included without results.",
            severity="note",
            effect="Counted in the flow, in no result.",
            study_ids=(study,),
        )
        for (study,), arms in without.items()
    ]
