"""Hazard ratios of the trials: one part for each such analysis of the protocol."""

from __future__ import annotations

from collections.abc import Iterator

from kmeta.core.numbers import p_phrase
from kmeta.methods.synthesis.result import Pool, Synthesis
from kmeta.report import words
from kmeta.report.document import Block, Heading, Paragraph, Picture, Runs, quote, runs, say
from kmeta.report.draft import Draft, section
from kmeta.report.pooled import all_pools, asked, effect, results_table, rows_table, sensitivity_table
from kmeta.report.scale import level, scale_of
from kmeta.report.values import pool_id, slug


@section("ratios", "Hazard ratios", order=70)
def ratios(draft: Draft) -> Iterator[Block]:
    """Below one favours the first-named treatment."""
    for synthesis in draft.of_kind("hazard_ratio"):
        yield Heading(words.capital(synthesis.title or synthesis.name), 2, f"heading-{synthesis.name}")
        yield from _one(draft, synthesis)


def _one(draft: Draft, synthesis: Synthesis) -> Iterator[Block]:
    drawn = draft.figures_of(synthesis.name)
    pools = [pool for pool in all_pools(synthesis) if pool.lines or pool.apart]
    if not pools:
        yield Paragraph(
            say("{asked}: no comparison may be pooled by the rules.", asked=asked(draft, synthesis))
        )
        return
    fitted = [pool for pool in pools if pool.fit is not None]
    where = draft.see([*(f"figure-{name}" for name in drawn), f"results-{synthesis.name}"])
    for i, pool in enumerate(fitted):
        yield Paragraph(
            _reading(draft, synthesis, pool, where if i == 0 else ()), keep_with_next=i == len(fitted) - 1
        )
    if not fitted:
        yield Paragraph(
            say("No two trials answer one question, so nothing is pooled ({where}).", where=where)
        )
    for name in drawn:
        yield Picture(
            name,
            say("{asked}, with the trials behind it.", asked=asked(draft, synthesis)),
            _caption(draft, synthesis, fitted),
        )
    if not synthesis.plan.randomised_only:
        yield Paragraph(
            runs("Comparisons that were not randomised stand among them: their ratios are associations.")
        )
    yield results_table(draft, synthesis)
    other = sensitivity_table(draft, synthesis)
    if other:
        yield other
    behind = rows_table(draft, synthesis)
    if behind:
        yield behind


def _reading(draft: Draft, synthesis: Synthesis, pool: Pool, where: Runs) -> Runs:
    at, values = pool_id(synthesis, pool), draft.values
    told = say(
        "{name}: {effect}, {p}, from {k} {trials} with {n} patients",
        name=quote(words.capital(pool.title or pool.name)),
        effect=effect(draft, synthesis, pool),
        p=values.run(f"{at}/p_value", p_phrase),
        k=values.run(f"{at}/k"),
        trials="trial" if pool.k == 1 else "trials",
        n=values.run(f"{at}/n_patients"),
    )
    spread: Runs = ()
    if pool.fit is not None and pool.fit.pi_low == pool.fit.pi_low:
        spread = say(
            "; {level} prediction interval {pi}",
            level=level(values, slug(synthesis.name)),
            pi=values.interval(at, scale_of(synthesis).form, kind="pi"),
        )
    return runs(told, spread, runs(" (", where, ")") if where else "", ".")


def _caption(draft: Draft, synthesis: Synthesis, fitted: list[Pool]) -> Runs:
    if not fitted:
        return runs("The trials are shown one by one.")
    first = synthesis.overall if synthesis.overall in fitted else fitted[0]
    assert first is not None  # noqa: S101 -- fitted is not empty
    return say(
        "Pooled hazard ratio {effect} for {name}.",
        effect=effect(draft, synthesis, first),
        name=quote(words.in_sentence(first.title or first.name)),
    )
