"""Values that were looked at and left out, by rule, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator

from kmeta.core.numbers import MISSING
from kmeta.methods.synthesis.result import Exclusion, Synthesis
from kmeta.report import words
from kmeta.report.document import Block, Bullets, Column, Paragraph, Row, Runs, Table, quote, ref, runs, say
from kmeta.report.draft import Draft, row_text, section
from kmeta.report.pooled import titled
from kmeta.report.scale import scale_of
from kmeta.report.values import slug


@section("excluded", "What was left out, and why", order=130)
def left_out(draft: Draft) -> Iterator[Block]:
    """What each analysis left out, then a table for each kind of analysis."""
    some = [s for s in draft.contents.syntheses if s.excluded]
    if not some:
        yield Paragraph(runs("No value was left out of an analysis."))
        return
    yield Paragraph(
        runs(
            "A value stands here when an analysis looked at it and a rule kept it out. The same value may be left "
            "out of one analysis and used in another. Values of another outcome, time, kind or treatment than an "
            "analysis asks for are out of its scope: they are counted and not listed."
        ),
        keep_with_next=True,
    )
    yield Bullets(tuple(_counted(draft, synthesis) for synthesis in draft.contents.syntheses))
    for kind in dict.fromkeys(s.plan.kind for s in some):
        yield _table(draft, kind, [s for s in some if s.plan.kind == kind])


def _counted(draft: Draft, synthesis: Synthesis) -> Runs:
    at = slug(synthesis.name)
    where = runs(" (", ref(f"excluded-{synthesis.plan.kind}"), ")") if synthesis.excluded else ()
    return say(
        "{title}: {n} left out{where}, {scope} out of scope.",
        title=titled(synthesis),
        n=draft.values.counted(f"{at}/excluded", "value"),
        where=where,
        scope=draft.values.run(f"{at}/out_of_scope"),
    )


def _table(draft: Draft, kind: str, group: list[Synthesis]) -> Table:
    rows: list[Row] = []
    for synthesis in group:
        by_rule: dict[str, list[Exclusion]] = {}
        for exclusion in synthesis.excluded:
            by_rule.setdefault(exclusion.rule, []).append(exclusion)
        for rule, found in sorted(by_rule.items(), key=lambda item: (-len(item[1]), item[0])):
            title = words.capital(synthesis.title or synthesis.name)
            told = f"{title}. {words.capital(rule.replace('_', ' '))}: {words.number_of(len(found), 'value')}"
            rows.append(Row((runs(quote(told)),), "band"))
            rows += [_row(draft, synthesis, exclusion) for exclusion in found]
    columns = (
        Column("Study", 34),
        Column("Arm", 38),
        Column(scale_of(group[0]).head, 16, "right"),
        Column("Reason", 82),
    )
    caption = runs("Values left out, by analysis and rule. ", words.KINDS.get(kind, kind), ".")
    return Table(f"excluded-{kind}", caption, columns, tuple(rows), csv="excluded.csv")


def _row(draft: Draft, synthesis: Synthesis, exclusion: Exclusion) -> Row:
    study = draft.contents.evidence.study.get(exclusion.study_id)
    arm = draft.contents.evidence.arm.get((exclusion.study_id, exclusion.arm_id))
    value = exclusion.estimate
    return Row(
        row_text(
            quote(study.label if study else exclusion.study_id),
            quote(arm.treatment if arm else _both(draft, exclusion)),
            scale_of(synthesis).line_form(value) if value is not None else MISSING,
            quote(exclusion.reason),
        )
    )


def _both(draft: Draft, exclusion: Exclusion) -> str:
    """The treatments of the two arms of a comparison; the keys where they are not known."""
    arms = [
        draft.contents.evidence.arm.get((exclusion.study_id, key)) for key in exclusion.arm_id.split(" v ")
    ]
    return " v ".join(arm.treatment for arm in arms if arm) if all(arms) else exclusion.arm_id
