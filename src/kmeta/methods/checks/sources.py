"""Where values come from: second hand, doubted by who read them, converted, counted only, not entered."""

from __future__ import annotations

import re

from kmeta.methods.checks.reading import by, codes
from kmeta.methods.checks.registry import CHECKS
from kmeta.methods.checks.wording import counted, place, plain, said, several
from kmeta.review.estimate import Comparison, Estimate
from kmeta.review.evidence import Evidence
from kmeta.review.finding import Finding
from kmeta.review.vocabulary import meanings, normalised

_MONTHS = {"year": 12.0, "week": 7 / 30.4375, "day": 1 / 30.4375}
_PRINTED = re.compile(
    r"(?<![\d.])(\d{1,6}(?:\.\d{1,6})?) ?(?:\([^()]{0,60}\)|\+/? ?\d{1,6}(?:\.\d{1,6})?)? ?(year|week|day)s?\b"
)


@CHECKS.register("second_hand")
def second_hand(evidence: Evidence) -> list[Finding]:
    """Values read in another paper's table or in the news: one finding for each such source."""
    found = []
    rows: list[Estimate | Comparison] = [row for row in evidence.estimates if row.second_hand]
    rows += [row for row in evidence.comparisons if row.second_hand]
    for (source,), group in by(rows, lambda row: (row.source,)).items():
        studies = tuple(sorted({row.study_id for row in group}))
        found.append(
            Finding(
                check="second_hand",
                where=source or "source not named",
                message=f"{counted(len(group), 'value')} of {len(studies)} "
                f"{'study' if len(studies) == 1 else 'studies'} read second hand: {several(studies)}.",
                hint="Read each paper itself before a value is cited.",
                severity="note",
                effect="Used, and marked as second hand.",
                study_ids=studies,
            )
        )
    return found


@CHECKS.register("doubted")
def doubted(evidence: Evidence) -> list[Finding]:
    """Values that whoever read them held for a misprint or a contradiction."""
    found = []
    words = {"suspect", "inconsistent"}
    flagged = [row for row in evidence.estimates if codes(row) & words]
    for (study,), rows in by(flagged, lambda row: (row.study_id,)).items():
        values = several((f"{row.arm_id} {row.outcome} {said(row)} ({row.flag})" for row in rows), limit=3)
        found.append(
            Finding(
                check="doubted",
                where=place(study, [row.arm_id for row in rows]),
                message=f"{counted(len(rows), 'value')} flagged as doubtful when read: {values}.",
                hint="Read the paper itself; correct the value or leave it out with that reason.",
                severity="warning",
                study_ids=(study,),
            )
        )
    seen = {row.study_id for row in flagged}
    for noted in sorted(evidence.studies, key=lambda study: study.study_id):
        if noted.study_id not in seen and meanings(noted.note) & words:
            found.append(
                Finding(
                    check="doubted",
                    where=noted.study_id,
                    message=f"The note speaks of a contradiction or a misprint: {_clause(noted.note, words)}.",
                    hint="Read the note before a value of this study is cited.",
                    severity="note",
                    study_ids=(noted.study_id,),
                )
            )
    return found


@CHECKS.register("not_entered")
def not_entered(evidence: Evidence) -> list[Finding]:
    """Values that a source prints and that were, for a reason, not entered."""
    return [
        Finding(
            check="not_entered",
            where=study.study_id,
            message=f"Printed and not entered: {_clause(study.note, {'not_entered'})}.",
            hint="Nothing to do unless the reason goes away; the report says so.",
            severity="note",
            study_ids=(study.study_id,),
        )
        for study in sorted(evidence.studies, key=lambda study: study.study_id)
        if "not_entered" in meanings(study.note)
    ]


@CHECKS.register("counts_only")
def counts_only(evidence: Evidence) -> list[Finding]:
    """Studies that print how many live, not a survival estimate."""
    found = []
    for study in sorted(evidence.studies, key=lambda study: study.study_id):
        if "counts_only" in meanings(study.note):
            found.append(
                Finding(
                    check="counts_only",
                    where=study.study_id,
                    message=f"Numbers of the living only: {_clause(study.note, {'counts_only'})}.",
                    hint="A count at different follow-up times is no survival at a time; do not turn it into one.",
                    severity="note",
                    study_ids=(study.study_id,),
                )
            )
    return found


def _clause(note: str, words: set[str]) -> str:
    """The parts of a note, between semicolons, that have one of these meanings; at most 200 characters."""
    parts = [part.strip() for part in note.split(";")]
    chosen = "; ".join(part for part in parts if meanings(part) & words)
    text = chosen or note.strip()
    return text if len(text) <= 200 else text[:197] + "..."


@CHECKS.register("converted_unit")
def converted_unit(evidence: Evidence) -> list[Finding]:
    """Months worked out from years, weeks or days; checked where the row tells what was printed."""
    found = []
    rows = [row for row in evidence.estimates if row.kind != "probability" and _is_converted(row)]
    for row in rows:
        printed = _printed_months(row)
        if printed is not None and row.value is not None and not _agrees(row.value, printed):
            found.append(
                Finding(
                    check="converted_unit",
                    where=place(row.study_id, [row.arm_id]),
                    message=f"{row.outcome}: {said(row)}, but what is printed makes {plain(round(printed, 1))} months.",
                    hint="Correct the conversion: a year has 12 months, a month 30.4375 days.",
                    severity="error",
                    study_ids=(row.study_id,),
                )
            )
    studies = tuple(sorted({row.study_id for row in rows}))
    if rows:
        found.append(
            Finding(
                check="converted_unit",
                where=place(studies[0]) if len(studies) == 1 else "survival",
                message=f"{counted(len(rows), 'value')} converted to months: {several(studies)}.",
                hint="A year printed without decimals may be half a year off.",
                severity="note",
                study_ids=studies,
            )
        )
    return found


def _is_converted(row: Estimate) -> bool:
    return row.derived or "derived_unit" in codes(row)


def _printed_months(row: Estimate) -> float | None:
    found = [match for text in (row.location, row.flag) for match in _PRINTED.finditer(normalised(text))]
    return float(found[0][1]) * _MONTHS[found[0][2]] if found else None


def _agrees(value: float, printed: float) -> bool:
    return abs(value - printed) <= max(0.06, 0.005 * printed)


@CHECKS.register("test_not_named")
def test_not_named(evidence: Evidence) -> list[Finding]:
    """P values printed without their test: one finding for all."""
    rows = [row for row in evidence.comparisons if "test_not_named" in codes(row)]
    studies = tuple(sorted({row.study_id for row in rows}))
    if not rows:
        return []
    return [
        Finding(
            check="test_not_named",
            where="comparisons",
            message=f"{counted(len(rows), 'P value')} without the name of the test: {several(studies)}.",
            hint="Taken for log-rank tests where they are shown; no effect is worked out from them.",
            severity="note",
            study_ids=studies,
        )
    ]
