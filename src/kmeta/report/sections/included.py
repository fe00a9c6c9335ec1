"""Characteristics of the studies: one row an arm, grouped by treatment class."""

from __future__ import annotations

from collections.abc import Iterator

from kmeta.core.numbers import MISSING, count
from kmeta.report import words
from kmeta.report.document import Block, Column, Paragraph, Row, Run, Runs, Table, quote, ref, runs, say
from kmeta.report.draft import Draft, row_text, section
from kmeta.report.pooled import SECOND_HAND, second_hand_words
from kmeta.review.study import TREATMENT_CLASSES, Arm


@section("included", "Included studies", order=50)
def included(draft: Draft) -> Iterator[Block]:
    """Every arm with its study; subgroups are counted, not listed."""
    evidence = draft.contents.evidence
    whole = [arm for arm in evidence.arms if not arm.subgroup_of]
    if not whole:
        yield Paragraph(runs("The review holds no arm yet."))
        return
    parts = len(evidence.arms) - len(whole)
    yield Paragraph(
        say(
            "{where} lists {arms} of {studies}; {parts} reported beside them are in the file "
            "arms.csv. A study that gives arms of two classes stands in both groups.",
            where=ref("included"),
            arms=draft.values.new("evidence/whole_arms", len(whole), lambda n: words.number_of(n, "arm")),
            studies=draft.values.new(
                "evidence/studies_with_arms",
                len({arm.study_id for arm in whole}),
                lambda n: words.number_of(n, "study", "studies"),
            ),
            parts=draft.values.new("evidence/subgroups", parts, lambda n: words.number_of(n, "subgroup")),
        )
    )
    yield _table(draft, whole)


def _table(draft: Draft, arms: list[Arm]) -> Table:
    columns = (
        Column("Study", 34),
        Column("Country", 22),
        Column("Recruited", 20),
        Column("Design", 46),
        Column("Treatment", 52),
        Column("Patients", 15, "right"),
        Column("Primary tumour", 32),
        Column("Outcomes read", 28),
    )
    rows: list[Row] = []
    outcomes, second = _outcomes(draft)
    for code in TREATMENT_CLASSES:
        group = sorted((a for a in arms if a.treatment_class == code), key=lambda a: _order(draft, a))
        if group:
            patients = sum(arm.n or 0 for arm in group)
            title = f"{words.treatment_class(code)}: {words.number_of(len(group), 'arm')}, "
            rows.append(Row((runs(title + words.number_of(patients, "patient")),), "band"))
            for i, arm in enumerate(group):
                again = i > 0 and group[i - 1].study_id == arm.study_id
                rows.append(_row(draft, arm, outcomes, second, again=again))
    notes = [runs("A dash: not printed in what was read. Patients of studies that overlap count in each.")]
    if second:
        notes.append(
            runs(Run(SECOND_HAND, raised=True), " At least one value is second hand. ", second_hand_words())
        )
    caption = runs("Characteristics of the included studies, by treatment class.")
    return Table("included", caption, columns, tuple(rows), tuple(notes), wide=True, csv="arms.csv")


def _order(draft: Draft, arm: Arm) -> tuple[str, str, str]:
    study = draft.contents.evidence.study.get(arm.study_id)
    return (study.label.casefold() if study else arm.study_id, arm.study_id, arm.arm_id)


def _outcomes(draft: Draft) -> tuple[dict[tuple[str, str], list[str]], set[tuple[str, str]]]:
    """Outcomes by arm, and the arms with a second-hand value."""
    outcomes: dict[tuple[str, str], list[str]] = {}
    second: set[tuple[str, str]] = set()
    for estimate in draft.contents.evidence.estimates:
        listed = outcomes.setdefault(estimate.key, [])
        if estimate.outcome not in listed:
            listed.append(estimate.outcome)
        if estimate.second_hand:
            second.add(estimate.key)
    return outcomes, second


def _row(
    draft: Draft,
    arm: Arm,
    outcomes: dict[tuple[str, str], list[str]],
    second: set[tuple[str, str]],
    *,
    again: bool,
) -> Row:
    study = draft.contents.evidence.study.get(arm.study_id)
    mark: Runs = (Run(SECOND_HAND, raised=True),) if arm.key in second else ()
    codes = ", ".join(code.replace("_", " ") for code in outcomes.get(arm.key, []))
    told = [
        study.country if study else "",
        words.period(study.period_start, study.period_end) if study else "",
        study.design if study else "",
    ]
    # What was said in the row above is not said again.
    about = [quote("" if again else text or MISSING) for text in told]
    return Row(
        row_text(
            runs(quote(study.label if study else arm.study_id), mark),
            *about,
            quote(arm.treatment),
            count(arm.n),
            quote(arm.primary_site or MISSING),
            quote(codes or MISSING),
        )
    )
