"""Our pooled values beside those of an earlier review, and why they differ."""

from __future__ import annotations

from collections.abc import Iterator

from kmeta.core.numbers import MISSING, count, decimal, percent
from kmeta.methods.synthesis.published import BesidePublished
from kmeta.report.document import (
    Block,
    Bullets,
    Column,
    Heading,
    Paragraph,
    Row,
    Runs,
    Table,
    quote,
    ref,
    runs,
    say,
)
from kmeta.report.draft import Draft, row_text, section
from kmeta.report.words import treatment_class


@section("beside", "Beside earlier reviews", order=100)
def beside(draft: Draft) -> Iterator[Block]:
    """Side by side, then the reasons, line by line."""
    lines = draft.contents.beside
    if not lines:
        yield Paragraph(runs("The protocol names no earlier review to compare with."))
        return
    reviews = sorted({line.published.review for line in lines})
    yield Paragraph(
        say(
            "{where} sets our estimates beside {reviews}. A difference of the two is not an error of either: they rest "
            "on different studies and rules.",
            where=ref("beside"),
            reviews=quote(", ".join(reviews)),
        )
    )
    yield _table(draft, lines)
    explained = [line for line in lines if line.reasons]
    if explained:
        yield Heading("Why they differ", 2)
        for line in explained:
            yield Paragraph(
                say(
                    "{title}, {what}.",
                    title=quote(line.title),
                    what=quote(treatment_class(line.treatment_class)),
                ),
                keep_with_next=True,
            )
            yield Bullets(tuple(runs(quote(reason)) for reason in line.reasons))


def _table(draft: Draft, lines: tuple[BesidePublished, ...]) -> Table:
    columns = (
        Column("Treatment class", 34),
        Column("Ours, %", 15, "right"),
        Column("CI", 20, "right"),
        Column("Prediction interval", 20, "right"),
        Column("Earlier, %", 16, "right"),
        Column("Difference, points", 18, "right"),
        Column("In our CI", 16),
        Column("In our prediction interval", 22),
    )
    rows: list[Row] = []
    previous = ""
    for i, line in enumerate(lines, start=1):
        if line.title != previous:
            rows.append(Row((runs(quote(line.title)),), "band"))
            previous = line.title
        rows.append(_row(draft, i, line))
    notes: list[Runs] = [runs("Difference: ours minus the earlier figure, in percentage points.")]
    for published in dict.fromkeys(line.published for line in lines):
        patients = f"; {count(published.n_patients)} patients" if published.n_patients else ""
        model = f"; model: {published.model}" if published.model else ""
        told = (
            f"{published.review}, {published.question}{patients}{model}. {published.source}. {published.note}"
        )
        notes.append(runs(quote(told.strip())))
    caption = runs("Our pooled estimates beside the figures of earlier reviews.")
    return Table("beside", caption, columns, tuple(rows), tuple(notes), csv="beside-published.csv")


def _row(draft: Draft, i: int, line: BesidePublished) -> Row:
    values, at = draft.values, f"beside/{i}"

    def form(share: float | None) -> str:
        return percent(share, 1)

    fit = line.pool.fit if line.pool else None
    low, high = fit.effect_ci if fit else (None, None)
    pi_low, pi_high = fit.effect_pi if fit else (None, None)
    for name, value in (("ci_low", low), ("ci_high", high), ("pi_low", pi_low), ("pi_high", pi_high)):
        values.put(f"{at}/ours/{name}", value)
    return Row(
        row_text(
            quote(treatment_class(line.treatment_class)),
            values.new(f"{at}/ours/effect", fit.effect if fit else None, form),
            values.interval(f"{at}/ours", form),
            values.interval(f"{at}/ours", form, kind="pi"),
            values.run(f"{at}/published", str),
            values.run(f"{at}/difference", _points),
            _yes_no(line.published_inside_ci),
            _yes_no(line.published_inside_pi),
        )
    )


def _points(difference: float | None) -> str:
    """A difference of two shares, with its sign.

    >>> _points(0.074), _points(-0.013), _points(None)
    ('+7.4', '−1.3', '–')
    """
    if difference is None:
        return MISSING
    text = decimal(100 * difference, 1)
    return text if text[0] in "−0" else "+" + text


def _yes_no(answer: bool | None) -> str:
    return MISSING if answer is None else ("yes" if answer else "no")
