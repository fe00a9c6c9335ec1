"""Survival at a time, by treatment class: one part for each such analysis of the protocol."""

from __future__ import annotations

from collections.abc import Iterator

from kmeta.methods.synthesis.result import Pool, Synthesis
from kmeta.report import words
from kmeta.report.document import (
    Block,
    Bullets,
    Heading,
    Paragraph,
    Picture,
    Runs,
    joined,
    quote,
    ref,
    runs,
    say,
)
from kmeta.report.draft import Draft, section
from kmeta.report.pooled import asked, effect, notes_of, results_table, rows_table, sensitivity_table, titled
from kmeta.report.scale import level, scale_of
from kmeta.report.values import pool_id, slug

ASSOCIATION = (
    "The classes are not compared by a test. Who is offered which treatment depends on how far the disease has "
    "spread and how fit the patient is, so a difference between classes is an association."
)


@section("survival", "Survival by treatment class", order=60)
def survival(draft: Draft) -> Iterator[Block]:
    """Each analysis: its figure with the paragraph that reads it, results, other rules, values."""
    for synthesis in draft.of_kind("survival_at"):
        yield Heading(words.capital(synthesis.title or synthesis.name), 2, f"heading-{synthesis.name}")
        yield from _one(draft, synthesis)


def _one(draft: Draft, synthesis: Synthesis) -> Iterator[Block]:
    fitted = [pool for pool in synthesis.pools if pool.fit is not None]
    drawn = draft.figures_of(synthesis.name)
    where = draft.see([*(f"figure-{name}" for name in drawn), f"results-{synthesis.name}"])
    if not any(pool.lines or pool.apart for pool in synthesis.pools):
        yield Paragraph(say("{asked}: no value may be pooled by the rules.", asked=asked(draft, synthesis)))
        return
    yield Paragraph(runs(_reading(draft, synthesis, fitted, where)), keep_with_next=bool(drawn))
    for name in drawn:
        yield Picture(
            name,
            runs(titled(synthesis), "."),
            _caption_result(draft, synthesis, fitted),
        )
    notes = notes_of(synthesis)
    if not any("association" in note for note in synthesis.notes):
        yield Paragraph(runs(ASSOCIATION))
    if notes:
        yield Bullets(tuple(notes))
    yield results_table(draft, synthesis)
    other = sensitivity_table(draft, synthesis)
    if other:
        yield _moved(draft, synthesis)
        yield other
    behind = rows_table(draft, synthesis)
    if behind:
        yield behind


def _reading(draft: Draft, synthesis: Synthesis, fitted: list[Pool], where: Runs) -> Runs:
    if not fitted:
        return say(
            "No class has enough rows to be pooled; the values are shown one by one ({where}).", where=where
        )
    told = [
        say(
            "{effect} after {what}",
            effect=effect(draft, synthesis, pool, with_level=i == 0),
            what=quote(words.in_sentence(pool.title or pool.name)),
        )
        for i, pool in enumerate(fitted)
    ]
    return say(
        "{asked} was {told} ({where}). {spread}",
        asked=asked(draft, synthesis),
        told=joined(told),
        where=where,
        spread=_spread(draft, synthesis, fitted),
    )


def _spread(draft: Draft, synthesis: Synthesis, fitted: list[Pool]) -> Runs:
    """The prediction intervals in words, where there are any."""
    form = scale_of(synthesis).form
    known = [pool for pool in fitted if pool.fit is not None and pool.fit.pi_low == pool.fit.pi_low]
    if not known:
        return ()
    each = [
        say(
            "{pi} after {what}",
            pi=draft.values.interval(pool_id(synthesis, pool), form, kind="pi"),
            what=quote(words.in_sentence(pool.title or pool.name)),
        )
        for pool in known
    ]
    return say(
        "The {level} prediction interval, in percent, runs over {each}.",
        level=level(draft.values, slug(synthesis.name)),
        each=joined(each),
    )


def _caption_result(draft: Draft, synthesis: Synthesis, fitted: list[Pool]) -> Runs:
    if not fitted:
        return runs("No class is pooled.")
    return say(
        "{k} {of} {n} classes {is_} pooled; the diamond is the mean, the bar the prediction interval.",
        k=draft.values.new(f"{slug(synthesis.name)}/pooled_classes", len(fitted)),
        of="of",
        n=draft.values.new(f"{slug(synthesis.name)}/classes", len(synthesis.pools)),
        is_="is" if len(fitted) == 1 else "are",
    )


def _moved(draft: Draft, synthesis: Synthesis) -> Paragraph:
    """The largest change that another rule makes, so that nobody has to hunt for it."""
    best: tuple[float, Pool, int] | None = None
    for pool in synthesis.pools:
        for i, other in enumerate(pool.sensitivity, start=1):
            if pool.fit is not None and other.fit is not None:
                change = abs(other.fit.effect - pool.fit.effect)
                if best is None or change > best[0]:
                    best = (change, pool, i)
    if best is None:
        return Paragraph(
            say("{where} gives the pools under other rules.", where=ref(f"sensitivity-{synthesis.name}"))
        )
    _, pool, i = best
    at, form = pool_id(synthesis, pool), scale_of(synthesis).form
    return Paragraph(
        say(
            "Of the other rules tried, one moves an estimate most: for {what}, “{rule}” gives {other} instead of "
            "{ours} ({where}).",
            what=quote(words.in_sentence(pool.title or pool.name)),
            rule=quote(words.in_sentence(pool.sensitivity[i - 1].label)),
            other=draft.values.run(f"{at}/sensitivity/{i}/effect", form, unit="%"),
            ours=draft.values.run(f"{at}/effect", form, unit="%"),
            where=ref(f"sensitivity-{synthesis.name}"),
        )
    )
