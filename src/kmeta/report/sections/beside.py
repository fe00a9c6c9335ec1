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
    Run,
    Runs,
    Table,
    quote,
    ref,
    runs,
    say,
)
from kmeta.report.draft import Draft, row_text, section
from kmeta.report.pooled import sentence
from kmeta.report.values import fit_numbers
from kmeta.report.words import capital, treatment_class


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
                runs(Run(f"{treatment_class(line.treatment_class)}; {line.title}.", bold=True, quoted=True)),
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
        title = _analysis(draft, line)
        if title != previous:
            rows.append(Row((runs(quote(title)),), "band"))
            previous = title
        rows.append(_row(draft, i, line))
    notes: list[Runs] = [runs("Difference: ours minus the earlier figure, in percentage points.")]
    for published in dict.fromkeys(line.published for line in lines):
        patients = f"; {count(published.n_patients)} patients" if published.n_patients else ""
        model = f"; model: {published.model}" if published.model else ""
        told = [
            f"{published.review}, {published.question}{patients}{model}",
            published.source,
            published.note,
        ]
        notes.append(runs(quote(" ".join(sentence(part) for part in told if part))))
    caption = runs("Our pooled estimates beside the figures of earlier reviews.")
    return Table("beside", caption, columns, tuple(rows), tuple(notes), csv="beside-published.csv")


def _analysis(draft: Draft, line: BesidePublished) -> str:
    """What our analysis is called; the earlier question where we have none."""
    done = next((s for s in draft.contents.syntheses if s.name == line.analysis), None)
    return capital(done.title) if done and done.title else line.title


def _ours(line: BesidePublished) -> dict[str, float | int | None]:
    """Our number and its intervals: of the pool, or of its only arm."""
    pool = line.pool
    if pool and pool.fit is None and len(pool.lines) == 1:
        one = pool.lines[0]
        return {"effect": one.estimate, "ci_low": one.ci_low, "ci_high": one.ci_high}
    return fit_numbers(pool.fit if pool else None)


def _row(draft: Draft, i: int, line: BesidePublished) -> Row:
    values, at = draft.values, f"beside/{i}"

    def form(share: float | None) -> str:
        return percent(share, 1)

    ours = _ours(line)
    for name in ("effect", "ci_low", "ci_high", "pi_low", "pi_high"):
        values.put(f"{at}/ours/{name}", ours.get(name))
    one = line.pool is not None and line.pool.fit is None and bool(ours)
    return Row(
        row_text(
            runs(quote(treatment_class(line.treatment_class)), " (one arm)" if one else ""),
            values.run(f"{at}/ours/effect", form),
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
