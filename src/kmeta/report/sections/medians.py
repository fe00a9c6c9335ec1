"""Median survival times as printed: listed, with where each is from."""

from __future__ import annotations

from collections.abc import Iterator

from kmeta.core.numbers import MISSING, count, months
from kmeta.methods.synthesis.result import Line, Synthesis
from kmeta.report import words
from kmeta.report.document import (
    Block,
    Bullets,
    Column,
    Heading,
    Paragraph,
    Picture,
    Row,
    Runs,
    Table,
    quote,
    ref,
    runs,
    say,
)
from kmeta.report.draft import Draft, row_text, section
from kmeta.report.pooled import asked, notes_of, row_notes, sentence, study_cell, titled
from kmeta.report.values import line_ids, pool_id, slug


@section("medians", "Medians", order=80)
def medians(draft: Draft) -> Iterator[Block]:
    """One part for each analysis that lists medians."""
    for synthesis in draft.of_kind("median"):
        yield Heading(words.capital(synthesis.title or synthesis.name), 2, f"heading-{synthesis.name}")
        yield from _one(draft, synthesis)


def _one(draft: Draft, synthesis: Synthesis) -> Iterator[Block]:
    lines = [line for pool in synthesis.pools for line in (*pool.lines, *pool.apart)]
    if not lines:
        yield Paragraph(say("{asked}: none may be listed by the rules.", asked=asked(draft, synthesis)))
        return
    yield Paragraph(_reading(draft, synthesis, lines))
    for name in draft.figures_of(synthesis.name):
        yield Picture(name, runs(titled(synthesis), "."))
    notes = notes_of(synthesis)
    if notes:
        yield Bullets(tuple(notes))
    yield _table(draft, synthesis, lines)


def _reading(draft: Draft, synthesis: Synthesis, lines: list[Line]) -> Runs:
    at, values = slug(synthesis.name), draft.values
    reached = [line.estimate for line in lines if line.estimate == line.estimate]
    told = say(
        "{asked} is printed {n} by {studies} ({where}). The medians are listed and not pooled: few "
        "come with an interval, and patients differ.",
        asked=asked(draft, synthesis),
        n=values.new(f"{at}/lines", len(lines), lambda n: words.number_of(n, "time")),
        studies=values.new(
            f"{at}/studies",
            len({line.study_id for line in lines}),
            lambda n: words.number_of(n, "study", "studies"),
        ),
        where=ref(f"rows-{synthesis.name}"),
    )
    if not reached:
        return told
    return runs(
        told,
        say(
            " They run from {low} to {high} months.",
            low=values.new(f"{at}/shortest", min(reached), months),
            high=values.new(f"{at}/longest", max(reached), months),
        ),
    )


def _table(draft: Draft, synthesis: Synthesis, lines: list[Line]) -> Table:
    rows: list[Row] = []
    for pool in synthesis.pools:
        listed = line_ids(pool_id(synthesis, pool), pool)
        if listed:
            rows.append(Row((runs(quote(pool.title or pool.name)),), "band"))
        for i, (key, line) in enumerate(listed):
            if i == len(pool.lines) and pool.apart:
                rows.append(
                    Row((runs(quote(sentence(pool.apart_title or "Apart from the above"))),), "remark")
                )
            rows.append(
                Row(
                    row_text(
                        study_cell(line),
                        quote(line.treatment),
                        count(line.n),
                        draft.values.run(f"{key}/estimate", months),
                        draft.values.interval(key, months),
                        quote(words.capital(line.remark) or MISSING),
                    )
                )
            )
    columns = (
        Column("Study", 40),
        Column("Treatment", 80),
        Column("Patients", 15, "right"),
        Column("Median, months", 20, "right"),
        Column("CI", 20, "right"),
        Column("Remark", 90),
    )
    notes = tuple(n for n in row_notes(lines) if not any("No weight" in run.text for run in n))
    return Table(
        f"rows-{synthesis.name}",
        runs(titled(synthesis), "; as printed, CI as published."),
        columns,
        tuple(rows),
        notes=notes,
        wide=True,
        csv="medians.csv",
    )
