"""The question and what the protocol says about who is eligible and what is analysed."""

from __future__ import annotations

from collections.abc import Iterator

from kmeta.core.numbers import MISSING
from kmeta.report import words
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
    runs,
    say,
)
from kmeta.report.draft import Draft, row_text, section
from kmeta.report.values import slug
from kmeta.review.protocol import Analysis


@section("question", "Question and protocol", order=20)
def question(draft: Draft) -> Iterator[Block]:
    """As the team wrote it, before the results."""
    protocol = draft.contents.protocol
    if protocol.question:
        yield Paragraph(runs(quote(protocol.question)), "lead")
    yield from _eligibility(draft)
    if protocol.analyses:
        yield Heading("Planned analyses", 2)
        yield _analyses(draft)


def _eligibility(draft: Draft) -> Iterator[Block]:
    rule = draft.contents.protocol.eligibility
    if rule.population:
        yield Paragraph(say("Population: {who}.", who=quote(rule.population.rstrip("."))))
    yield Paragraph(runs(_window(draft)))
    for title, items in (("Included if", rule.include), ("Excluded if", rule.exclude)):
        if items:
            yield Paragraph(runs(Run(title, bold=True)), keep_with_next=True)
            yield Bullets(tuple(runs(quote(item)) for item in items))
    if draft.contents.protocol.reasons:
        yield Paragraph(runs(Run("Reasons for leaving out a report", bold=True)), keep_with_next=True)
        yield Bullets(tuple(runs(quote(r)) for r in draft.contents.protocol.reasons), ordered=True)


def _window(draft: Draft) -> Runs:
    rule = draft.contents.protocol.eligibility
    languages = ", ".join(words.LANGUAGES.get(code, code) for code in rule.languages)
    years = _years(draft, "eligibility", rule.year_from, rule.year_to)
    origins = ", ".join(draft.contents.protocol.time_origins)
    return say(
        "Reports in {languages} {years}. Survival counts from {origins}; values counted from another origin "
        "are not pooled with them.",
        languages=languages or "any language",
        years=years or "of any year",
        origins=quote(origins or "any origin"),
    )


def _years(draft: Draft, at: str, first: int | None, last: int | None) -> Runs:
    if first is None and last is None:
        return ()
    if last is None:
        return runs("published from ", draft.values.run(f"{at}/year_from", str))
    if first is None:
        return runs("published up to ", draft.values.run(f"{at}/year_to", str))
    return say(
        "published from {first} to {last}",
        first=draft.values.run(f"{at}/year_from", str),
        last=draft.values.run(f"{at}/year_to", str),
    )


def _analyses(draft: Draft) -> Table:
    columns = (
        Column("Analysis", 50),
        Column("What is done", 36),
        Column("Outcomes", 18),
        Column("Time", 14),
        Column("Limited to", 52),
    )
    rows = [_analysis(draft, plan) for plan in draft.contents.protocol.analyses]
    changed = any(p.year_from is not None or p.year_to is not None for p in draft.contents.protocol.analyses)
    note = runs("An analysis with years of its own departs from the protocol’s window: an amendment.")
    return Table("planned", runs("The planned analyses."), columns, tuple(rows), (note,) if changed else ())


def _analysis(draft: Draft, plan: Analysis) -> Row:
    at = f"planned/{slug(plan.name)}"
    time: Runs = runs(MISSING)
    if plan.time_months is not None:
        time = runs(draft.values.new(f"{at}/time_months", plan.time_months, words.time))
        if plan.window_months:
            time = runs(time, " ± ", draft.values.new(f"{at}/window_months", plan.window_months, words.time))
    draft.values.put(f"{at}/year_from", plan.year_from)
    draft.values.put(f"{at}/year_to", plan.year_to)
    limits = [words.treatment_class(c) for c in plan.classes]
    if plan.experimental or plan.control:
        limits.append(f"{', '.join(plan.experimental)} against {', '.join(plan.control)}")
    if plan.kind == "hazard_ratio" and plan.randomised_only:
        limits.append("randomised trials")
    years = _years(draft, at, plan.year_from, plan.year_to)
    limit = runs(quote("; ".join(limits)), "; " if limits and years else "", years)
    return Row(
        row_text(
            quote(plan.title or plan.name),
            words.KINDS.get(plan.kind, plan.kind),
            quote(", ".join(plan.outcomes)),
            time,
            limit or MISSING,
        )
    )
