"""Hazard ratios of the trials: one part for each such analysis of the protocol."""

from __future__ import annotations

from collections.abc import Iterator

from kmeta.core.numbers import decimal, p_phrase
from kmeta.methods.synthesis.result import Pool, Synthesis
from kmeta.report import words
from kmeta.report.document import Block, Bullets, Heading, Paragraph, Picture, Runs, quote, runs, say
from kmeta.report.draft import Draft, section
from kmeta.report.pooled import (
    all_pools,
    asked,
    effect,
    many,
    notes_of,
    results_table,
    rows_table,
    rows_word,
    sensitivity_table,
    titled,
)
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
    if not any(pool.lines or pool.apart for pool in synthesis.pools):
        yield Paragraph(
            say("{asked}: no comparison may be pooled by the rules.", asked=asked(draft, synthesis))
        )
        return
    fitted = [pool for pool in all_pools(synthesis) if pool.fit is not None]
    # A figure of one or two rows says all that a table of them would.
    listed = bool(fitted) or not drawn or _n_rows(synthesis) > 2
    tables = [f"results-{synthesis.name}"] if fitted else [f"rows-{synthesis.name}"] if listed else []
    where = draft.see([*(f"figure-{name}" for name in drawn), *tables])
    for told in _readings(draft, synthesis, fitted, where):
        yield Paragraph(told, keep_with_next=bool(drawn))
    for name in drawn:
        yield Picture(
            name,
            runs(titled(synthesis), "; hazard ratios."),
            _caption(draft, synthesis, fitted),
        )
    if not synthesis.plan.randomised_only:
        yield Paragraph(
            runs("Comparisons that were not randomised stand among them: their ratios are associations.")
        )
    notes = notes_of(synthesis)
    if notes:
        yield Bullets(tuple(notes))
    if listed:
        yield from _tables(draft, synthesis, pooled=bool(fitted))


def _n_rows(synthesis: Synthesis) -> int:
    return sum(len(pool.lines) + len(pool.apart) for pool in synthesis.pools)


def _tables(draft: Draft, synthesis: Synthesis, *, pooled: bool) -> Iterator[Block]:
    if pooled:
        yield results_table(draft, synthesis)
        other = sensitivity_table(draft, synthesis)
        if other:
            yield other
    behind = rows_table(draft, synthesis)
    if behind:
        yield behind


def _readings(draft: Draft, synthesis: Synthesis, fitted: list[Pool], where: Runs) -> Iterator[Runs]:
    for i, pool in enumerate(fitted):
        yield _reading(draft, synthesis, pool, where if i == 0 else ())
    for pool in synthesis.pools:
        if pool.fit is None and pool.lines:
            yield say(
                "{name}: {remark} ({where}).",
                name=quote(words.capital(pool.title or pool.name)),
                remark=quote(pool.remark.rstrip(".") or "not pooled"),
                where=where,
            )
    test = synthesis.subgroup_test
    if test is not None:
        at = f"{slug(synthesis.name)}/subgroup_test"
        yield say(
            "Whether the groups differ: Q = {q} on {df} degrees of freedom, {p}{basis}.",
            q=draft.values.new(f"{at}/q", test.q, lambda q: decimal(q, 1)),
            df=draft.values.new(f"{at}/df", test.df),
            p=draft.values.new(f"{at}/p", test.p, p_phrase),
            basis=quote(f" ({test.basis})" if test.basis else ""),
        )


def _reading(draft: Draft, synthesis: Synthesis, pool: Pool, where: Runs) -> Runs:
    at, values = pool_id(synthesis, pool), draft.values
    told = say(
        "{name}: {effect}, {p}, from {k} with {n}",
        name=quote(words.capital(pool.title or pool.name)),
        effect=effect(draft, synthesis, pool),
        p=values.run(f"{at}/p_value", p_phrase),
        k=values.counted(f"{at}/k", rows_word(synthesis), many(rows_word(synthesis))),
        n=values.counted(f"{at}/n_patients", "patient"),
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
        return runs("Shown one by one, not pooled.")
    first = synthesis.overall if synthesis.overall in fitted else fitted[0]
    assert first is not None  # noqa: S101 -- fitted is not empty
    return say(
        "Pooled hazard ratio {effect} for {name}.",
        effect=effect(draft, synthesis, first),
        name=quote(words.in_sentence(first.title or first.name)),
    )
