"""The strategy table: who, which treatment, resting on what, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator

from kmeta.core.numbers import MISSING
from kmeta.methods.strategy.table import StrategyRow
from kmeta.report.document import (
    Block,
    Column,
    Paragraph,
    Picture,
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
from kmeta.report.words import capital


@section("strategy", "Strategy table", order=110)
def strategy(draft: Draft) -> Iterator[Block]:
    """One row an option; a missing source is said, not hidden."""
    rows = draft.contents.strategy.table
    if not rows:
        yield Paragraph(runs("No decision criteria were extracted, so there is no strategy table."))
        return
    states = len({row.patient_state for row in rows})
    yield Paragraph(
        say(
            "{where} joins who is offered which treatment ({options} options for {states} states of disease, as "
            "published criteria describe them) with what this review found. It informs groups of patients; it does "
            "not advise on one.",
            where=ref("strategy"),
            options=draft.values.new("strategy/options", len(rows)),
            states=draft.values.new("strategy/states", states),
        )
    )
    for name in draft.figures:
        if name == "strategy":
            yield Picture(
                name,
                runs("The strategy at a glance."),
                runs("The table below gives every criterion and source."),
            )
    yield _table(rows)


def _table(rows: tuple[StrategyRow, ...]) -> Table:
    columns = (
        Column("Option", 38),
        Column("Who fits", 92),
        Column("Rests on", 34),
        Column("Survival", 46),
        Column("Missing or disputed", 50),
    )
    sources = _sources(rows)
    done: list[Row] = []
    previous = None
    for row in rows:
        if row.patient_state != previous:
            done.append(Row((runs(quote(capital(row.patient_state))),), "band"))
            previous = row.patient_state
        done += _option(row, sources)
    notes = [
        runs("Survival of a treatment class is an association: patients were chosen for the treatment."),
        *(runs(Run(letter, raised=True), " ", quote(source)) for source, letter in sources.items()),
    ]
    caption = runs("Options by state of disease, who fits, and what is known.")
    return Table("strategy", caption, columns, tuple(done), tuple(notes), wide=True, csv="strategy.csv")


def _option(row: StrategyRow, sources: dict[str, str]) -> list[Row]:
    """The option in one row; what qualifies it, and the direct comparisons, under it over the whole width."""
    cells = row_text(
        quote(capital(row.option)),
        _criteria(row, sources),
        quote(row.rests_on or MISSING),
        quote(row.effect or MISSING),
        quote(" ".join(sentence(gap) for gap in row.gaps) or MISSING),
    )
    details = [("To know of this: ", row.effect_notes), ("Direct comparisons: ", row.comparisons)]
    more = [
        Row((runs(Run(head, bold=True), quote(sentence("; ".join(told)))),), "detail")
        for head, told in details
        if told
    ]
    return [Row(cells), *more]


def _sources(rows: tuple[StrategyRow, ...]) -> dict[str, str]:
    """Source of a criterion -> its letter, in the order of the table; z is followed by aa."""
    found: dict[str, str] = {}
    for row in rows:
        for criterion in row.criteria:
            told = "; ".join(filter(None, [criterion.source, _status(criterion.status)]))
            if told and told not in found:
                found[told] = _letter(len(found))
    return found


def _status(status: str) -> str:
    """How well it was read, where it was not simply read."""
    return "" if status in ("", "read") else status


def _letter(index: int) -> str:
    """a, b, ... z, aa, ab, ...

    >>> _letter(0), _letter(25), _letter(26)
    ('a', 'z', 'aa')
    """
    first, last = divmod(index, 26)
    return (_letter(first - 1) if first else "") + "abcdefghijklmnopqrstuvwxyz"[last]


def _criteria(row: StrategyRow, sources: dict[str, str]) -> Runs:
    done: list[Run] = []
    for criterion in row.criteria:
        told = "; ".join(filter(None, [criterion.source, _status(criterion.status)]))
        done.append(quote(f"{'; ' if done else ''}{criterion.criterion}: {criterion.value}"))
        if told:
            done.append(Run(sources[told], raised=True))
    return tuple(done) or runs(MISSING)
