"""Whose survival a value is: groups made in hindsight, the selected, the matched, and other kinds of event."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kmeta.methods.checks.reading import (
    arm_codes,
    by,
    codes,
    is_event_probability,
    is_graft,
    matched,
    values_of,
)
from kmeta.methods.checks.registry import CHECKS, Check
from kmeta.methods.checks.wording import counted, place, plain, said, several
from kmeta.review.estimate import Comparison, Estimate
from kmeta.review.evidence import Evidence
from kmeta.review.finding import Finding, Severity
from kmeta.review.vocabulary import MEANINGS, stated_n


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of value that is not survival of an arm's patients from time 0: how it is known, what is said."""

    applies: Callable[[Evidence, Estimate], bool]
    because: str
    hint: str
    effect: str
    severity: Severity = "warning"
    code: str = ""


def _says(code: str) -> Callable[[Evidence, Estimate], bool]:
    return lambda evidence, row: code in codes(row) | arm_codes(evidence, *row.key)


def _hindsight(evidence: Evidence, row: Estimate) -> bool:
    """Grouped by what came later: so the words, or the group is one of recurrence and time starts before it."""
    words = codes(row) | arm_codes(evidence, *row.key)
    origin = row.time_origin.casefold()
    return "immortal_time" in words or (
        "grouped_by_recurrence" in words and "conditional" not in words and "recur" not in origin
    )


_KINDS: dict[str, _Kind] = {
    "immortal_time": _Kind(
        _hindsight,
        "the groups are made by something after time 0, so nobody in them could die before it (immortal time)",
        "Use the whole arm; a landmark analysis or time-varying exposure would be needed.",
        "Left out of pooled results: immortal time.",
        code="immortal_time",
    ),
    "conditional": _Kind(
        _says("conditional"),
        MEANINGS["conditional"],
        "Not comparable with survival from treatment; look for the value of the whole arm.",
        "Left out of pooled results: conditional.",
        code="conditional",
    ),
    "completers_only": _Kind(
        _says("completers_only"),
        MEANINGS["completers_only"] + "; who died or progressed before is not in it",
        "Look for the survival of all who began.",
        "Left out of pooled results: completers only.",
        code="completers_only",
    ),
    "selected_by_response": _Kind(
        _says("selected_by_response"),
        MEANINGS["selected_by_response"],
        "Survival of the selected is longer than that of all who began; do not set it beside unselected arms.",
        "",
        code="selected_by_response",
    ),
    "graft_survival": _Kind(
        lambda evidence, row: is_graft(row),
        MEANINGS["graft"],
        "Look for the survival of patients; graft survival is at or below it.",
        "Left out of pooled results: graft survival.",
        code="graft",
    ),
    "event_probability": _Kind(
        lambda evidence, row: is_event_probability(row),
        MEANINGS["event_probability"],
        "Never enter it as survival; 1 minus it is event-free survival only without competing events.",
        "Left out of pooled results: event probability.",
        severity="note",
        code="event_probability",
    ),
    "denominator_inferred": _Kind(
        _says("denominator_inferred"),
        MEANINGS["denominator_inferred"],
        "Ask the authors, or leave it out in a sensitivity analysis.",
        "",
        code="denominator_inferred",
    ),
}


def _registered(name: str, kind: _Kind) -> Check:
    def check(evidence: Evidence) -> list[Finding]:
        rows = [row for row in evidence.estimates if kind.applies(evidence, row)]
        compared = [row for row in evidence.comparisons if kind.code in codes(row)]
        studies = sorted({row.study_id for row in rows} | {row.study_id for row in compared})
        return [
            _finding(
                name,
                kind,
                study,
                [r for r in rows if r.study_id == study],
                [c for c in compared if c.study_id == study],
            )
            for study in studies
        ]

    check.__doc__ = f"Values of which it is said or seen: {kind.because}."
    return CHECKS.register(name)(check)


def _finding(
    name: str, kind: _Kind, study: str, rows: Iterable[Estimate], compared: Iterable[Comparison]
) -> Finding:
    rows, compared = list(rows), list(compared)
    arms = {row.arm_id for row in rows} | {arm for row in compared for arm in (row.arm_a, row.arm_b)}
    parts = [counted(len(rows), "value")] if rows else []
    parts += [counted(len(compared), "comparison")] if compared else []
    values = several((f"{row.arm_id} {row.outcome} {said(row)}" for row in rows), limit=3)
    shown = f" ({values})" if rows else ""
    return Finding(
        check=name,
        where=place(study, arms),
        message=f"{' and '.join(parts)}{shown}: {kind.because}.",
        hint=kind.hint,
        severity=kind.severity,
        effect=kind.effect,
        study_ids=(study,),
    )


for _name, _kind in _KINDS.items():
    _registered(_name, _kind)


@CHECKS.register("matched_figures")
def matched_figures(evidence: Evidence) -> list[Finding]:
    """Values of matched patients under the size of the whole arm, or beside the arm's unmatched values."""
    found = []
    rows = [row for row in evidence.estimates if matched(evidence, row)]
    others = values_of(evidence)
    for (study,), group in by(rows, lambda row: (row.study_id,)).items():
        pairs = [pair for row in group for pair in _unmatched_twins(evidence, row, others[row.key])]
        arms = sorted({row.arm_id for row in group})
        sizes = _sizes_are_of_all(evidence, study, arms)
        if pairs:
            words = "matched and unmatched values of one arm: " + several(pairs, limit=4)
        else:
            words = f"{counted(len(group), 'value')} of matched patients ({several(arms)})"
        found.append(
            Finding(
                check="matched_figures",
                where=place(study, arms),
                message=f"{words[0].upper()}{words[1:]}; {sizes}.",
                hint="Pool one of the two, never both; find how many patients were matched.",
                severity="warning",
                effect="Matched values whose number of patients is not known are left out of pooled results.",
                study_ids=(study,),
            )
        )
    return found


def _unmatched_twins(evidence: Evidence, row: Estimate, of_the_arm: Iterable[Estimate]) -> list[str]:
    return [
        f"{row.arm_id} {row.outcome} {said(row)} matched, {said(other)} not"
        for other in of_the_arm
        if (other.outcome, other.kind, other.time_months, other.time_origin)
        == (row.outcome, row.kind, row.time_months, row.time_origin)
        and not matched(evidence, other)
    ]


def _sizes_are_of_all(evidence: Evidence, study: str, arms: list[str]) -> str:
    known = [evidence.arm[study, arm] for arm in arms if (study, arm) in evidence.arm]
    sized = [f"{arm.arm_id} {arm.n}" for arm in known if arm.n is not None]
    if not sized:
        return "how many were matched is not entered"
    mine = all("matched (of" in arm.population.casefold() for arm in known)
    return (
        f"the sizes entered ({several(sized)}) {'are of the matched' if mine else 'may be of the whole arms'}"
    )


@CHECKS.register("other_denominator")
def other_denominator(evidence: Evidence) -> list[Finding]:
    """A value whose flag or location names another number of patients than its arm has."""
    found = []
    for row in evidence.estimates:
        arm = evidence.arm.get(row.key)
        stated = stated_n(f"{row.flag}; {row.location}")
        if arm is None or arm.n is None or stated is None or stated == arm.n:
            continue
        found.append(
            Finding(
                check="other_denominator",
                where=place(row.study_id, [row.arm_id]),
                message=f"{row.outcome}, {said(row)}, is of {stated} patients; the arm has {plain(arm.n)}.",
                hint="Enter those patients as an arm of their own, a subgroup of this one.",
                severity="warning",
                study_ids=(row.study_id,),
            )
        )
    return found
