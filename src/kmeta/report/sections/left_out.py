"""Values that were looked at and left out, by rule, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator

from kmeta.core.numbers import decimal
from kmeta.methods.synthesis.result import Exclusion, Synthesis
from kmeta.report import words
from kmeta.report.document import Block, Column, Paragraph, Row, Table, quote, ref, runs, say
from kmeta.report.draft import Draft, row_text, section
from kmeta.report.pooled import asked
from kmeta.report.scale import scale_of
from kmeta.report.values import slug


@section("excluded", "What was left out, and why", order=130)
def left_out(draft: Draft) -> Iterator[Block]:
    """One table an analysis."""
    some = [s for s in draft.contents.syntheses if s.excluded]
    if not some:
        yield Paragraph(runs("No value was left out of an analysis."))
        return
    yield Paragraph(
        runs(
            "A value stands here when an analysis looked at it and a rule kept it out. The same value may be left "
            "out of one analysis and used in another."
        )
    )
    for synthesis in some:
        yield Paragraph(
            say(
                "{asked}: {n} left out ({where}); {scope} answer another question (another outcome, time, kind or "
                "treatment) and are no loss to this one.",
                asked=asked(draft, synthesis),
                n=draft.values.counted(f"{slug(synthesis.name)}/excluded", "value"),
                scope=draft.values.run(f"{slug(synthesis.name)}/out_of_scope"),
                where=ref(f"excluded-{synthesis.name}"),
            ),
            keep_with_next=True,
        )
        yield _table(draft, synthesis)


def _table(draft: Draft, synthesis: Synthesis) -> Table:
    scale = scale_of(synthesis)
    columns = (
        Column("Study", 34),
        Column("Arm", 32),
        Column(scale.head, 18, "right"),
        Column("Reason", 84),
    )
    by_rule: dict[str, list[Exclusion]] = {}
    for exclusion in synthesis.excluded:
        by_rule.setdefault(exclusion.rule, []).append(exclusion)
    rows: list[Row] = []
    for rule, group in sorted(by_rule.items(), key=lambda item: (-len(item[1]), item[0])):
        title = f"{words.capital(rule.replace('_', ' '))}: {words.number_of(len(group), 'value')}"
        rows.append(Row((runs(quote(title)),), "band"))
        rows += [_row(draft, synthesis, exclusion) for exclusion in group]
    caption = runs(asked(draft, synthesis), ": values left out, by rule.")
    return Table(f"excluded-{synthesis.name}", caption, columns, tuple(rows), csv="excluded.csv")


def _row(draft: Draft, synthesis: Synthesis, exclusion: Exclusion) -> Row:
    study = draft.contents.evidence.study.get(exclusion.study_id)
    arm = draft.contents.evidence.arm.get((exclusion.study_id, exclusion.arm_id))
    printed = (
        scale_of(synthesis).line_form(exclusion.estimate) if exclusion.estimate is not None else decimal(None)
    )
    return Row(
        row_text(
            quote(study.label if study else exclusion.study_id),
            quote(arm.treatment if arm else exclusion.arm_id),
            printed,
            quote(exclusion.reason),
        )
    )
