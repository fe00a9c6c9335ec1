"""What the checks found, all of it, the gravest first."""

from __future__ import annotations

from collections.abc import Iterator

from kmeta.report.document import Block, Column, Paragraph, Row, Table, quote, ref, runs, say
from kmeta.report.draft import Draft, row_text, section

GROUPS = {
    "error": ("Errors", "a number cannot be right or cannot be used"),
    "warning": ("Warnings", "look before citing"),
    "note": ("Notes", "worth knowing"),
}


@section("findings", "What the checks found", order=120)
def findings(draft: Draft) -> Iterator[Block]:
    """Grouped by how grave, then by check."""
    found = draft.contents.findings
    if not found:
        yield Paragraph(runs("The checks found nothing."))
        return
    values = draft.values
    yield Paragraph(
        say(
            "{where} lists {n}: {errors}, {warnings} and {notes}. Each says what kmeta "
            "does about it by itself, and what a person should do.",
            where=ref("findings-table"),
            n=values.counted("findings", "finding"),
            errors=values.counted("findings/error", "error"),
            warnings=values.counted("findings/warning", "warning"),
            notes=values.counted("findings/note", "note"),
        )
    )
    yield _table(draft)


def _table(draft: Draft) -> Table:
    columns = (
        Column("Check", 32),
        Column("Where", 46),
        Column("What was found", 88),
        Column("What kmeta does", 48),
        Column("What to do", 48),
    )
    rows: list[Row] = []
    for severity, (title, meaning) in GROUPS.items():
        group = sorted(f for f in draft.contents.findings if f.severity == severity)
        if group:
            rows.append(Row((runs(f"{title}: {meaning}"),), "band"))
        rows += [
            Row(
                row_text(
                    quote(f.check.replace("_", " ").replace("-", " ")),
                    quote(f.where),
                    quote(f.message),
                    quote(f.effect or "–"),
                    quote(f.hint or "–"),
                )
            )
            for f in group
        ]
    caption = runs("Findings of the checks.")
    return Table("findings-table", caption, columns, tuple(rows), wide=True, csv="findings.csv")
