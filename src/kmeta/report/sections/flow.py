"""The PRISMA 2020 flow: the diagram, the same as a table, and what is not known about it."""

from __future__ import annotations

from collections.abc import Iterator

from kmeta.report.document import (
    Block,
    Column,
    Paragraph,
    Picture,
    Row,
    Runs,
    Table,
    joined,
    quote,
    runs,
    say,
)
from kmeta.report.draft import Draft, row_text, section
from kmeta.report.values import slug

FIGURES = ("flow", "prisma", "prisma-flow")


@section("flow", "From records to studies", order=40)
def flow(draft: Draft) -> Iterator[Block]:
    """Counted from the records themselves."""
    counts, values = draft.contents.flow, draft.values
    drawn = [name for name in FIGURES if name in draft.figures]
    yield Paragraph(
        say(
            "The review includes {studies} with {arms}, {estimates} and {comparisons} ({where}).",
            studies=values.counted("flow/n_studies", "study", "studies"),
            arms=values.counted("flow/n_arms", "arm or subgroup", "arms or subgroups"),
            estimates=values.counted("flow/n_estimates", "survival value"),
            comparisons=values.counted("flow/n_comparisons", "comparison"),
            where=draft.see([*(f"figure-{name}" for name in drawn), "flow-counts"]),
        ),
        keep_with_next=True,
    )
    for name in drawn:
        yield Picture(
            name,
            runs("Flow of records, reports and studies."),
            say("Included: {n}.", n=values.counted("flow/n_studies", "study", "studies")),
        )
    for sentence in counts.not_known:
        yield Paragraph(runs(quote(sentence)))
    if counts.boxes:
        yield _table(draft)


def _table(draft: Draft) -> Table:
    values = draft.values
    rows: list[Row] = []
    for box in draft.contents.flow.boxes:
        rows.append(Row(row_text(quote(box.title), values.run(f"flow/{box.key}")), "total"))
        for part in box.parts:
            at = f"flow/{box.key}/{slug(part.label)}"
            rows.append(Row(row_text(runs("\u2003", quote(part.label)), values.run(at))))
    return Table(
        "flow-counts",
        runs("Every box of the flow; the parts of a box add up to it."),
        (Column("Box", 110), Column("n", 20, "right")),
        tuple(rows),
        notes=tuple(_by_class(draft)),
        csv="flow.csv",
    )


def _by_class(draft: Draft) -> Iterator[Runs]:
    parts = draft.contents.flow.arms_by_class
    if parts:
        told = joined(
            [
                runs(
                    quote(part.label),
                    " ",
                    draft.values.new(f"flow/arms_by_class/{slug(part.label)}", part.n),
                )
                for part in parts
            ]
        )
        yield say("Arms by treatment class: {told}.", told=told)
