"""What was found, in a handful of sentences made of numbers."""

from __future__ import annotations

from collections.abc import Iterator

from kmeta.core.numbers import count, percent
from kmeta.methods.synthesis.result import Pool, Synthesis
from kmeta.report import words
from kmeta.report.document import Block, Bullets, Paragraph, Runs, joined, quote, ref, runs, say, section_key
from kmeta.report.draft import Draft, section
from kmeta.report.pooled import all_pools, asked, effect, many, rows_word
from kmeta.report.scale import level, scale_of
from kmeta.report.values import pool_id, slug


@section("summary", "Summary", order=10)
def summary(draft: Draft) -> Iterator[Block]:
    """The first thing a reader reads."""
    said = [
        _evidence(draft),
        *(_survival(draft, s) for s in draft.of_kind("survival_at")),
        _association(draft),
        *(_ratios(draft, s) for s in draft.of_kind("hazard_ratio")),
        _beside(draft),
        _doubts(draft),
    ]
    if draft.contents.protocol.example:
        yield Paragraph(runs(quote(draft.contents.protocol.example)), "note")
    yield Bullets(tuple(sentence for sentence in said if sentence))


def _evidence(draft: Draft) -> Runs:
    values = draft.values
    return say(
        "The review holds {studies} with {arms}. Of the {printed} "
        "values taken from papers, {second} ({share}) are second hand: read in another paper’s table.",
        studies=values.counted("evidence/studies", "study", "studies"),
        arms=values.counted("evidence/arms", "treatment arm or subgroup", "treatment arms or subgroups"),
        printed=values.run("evidence/values"),
        second=values.run("evidence/second_hand"),
        share=values.new("evidence/second_hand_share", _share(draft), percent, unit="%"),
    )


def _share(draft: Draft) -> float | None:
    known = draft.values.known
    return known["evidence/second_hand"] / known["evidence/values"] if known["evidence/values"] else None


def _survival(draft: Draft, synthesis: Synthesis) -> Runs:
    fitted = [pool for pool in synthesis.pools if pool.fit is not None]
    if not fitted:
        return say(
            "{asked} is not pooled in any treatment class, for too few arms print it ({where}).",
            asked=asked(draft, synthesis),
            where=ref(section_key("survival")),
        )
    return say(
        "{asked} was {each} ({where}).",
        asked=asked(draft, synthesis),
        each=joined([_after(draft, synthesis, pool, first=i == 0) for i, pool in enumerate(fitted)]),
        where=ref(f"results-{synthesis.name}"),
    )


def _after(draft: Draft, synthesis: Synthesis, pool: Pool, *, first: bool) -> Runs:
    return say(
        "{effect} after {what} ({k}, {n})",
        effect=effect(draft, synthesis, pool, with_level=first),
        what=quote(words.in_sentence(pool.title or pool.name)),
        k=draft.values.counted(f"{pool_id(synthesis, pool)}/k", "arm"),
        n=draft.values.counted(f"{pool_id(synthesis, pool)}/n_patients", "patient"),
    )


def _association(draft: Draft) -> Runs:
    wide = _largest(draft)
    first = (
        "Treatment classes were given to different patients: differences between them are associations, "
        "not effects of treatment. "
    )
    if not draft.of_kind("survival_at"):
        return ()
    if wide is None:
        return say(first)
    synthesis, pool = wide
    return say(
        first
        + "Cohorts of one class differ as well: in a new, similar cohort after {what} the true value may lie "
        "anywhere from {low} to {high} ({level} prediction interval).",
        what=quote(words.in_sentence(pool.title or pool.name)),
        low=draft.values.run(f"{pool_id(synthesis, pool)}/pi_low", scale_of(synthesis).form, unit="%"),
        high=draft.values.run(f"{pool_id(synthesis, pool)}/pi_high", scale_of(synthesis).form, unit="%"),
        level=level(draft.values, slug(synthesis.name)),
    )


def _largest(draft: Draft) -> tuple[Synthesis, Pool] | None:
    """The pool with most patients of the first survival analysis, among those with a prediction interval."""
    found = [
        (pool.n_patients, synthesis, pool)
        for synthesis in draft.of_kind("survival_at")[:1]
        for pool in synthesis.pools
        if pool.fit is not None and pool.fit.pi_low == pool.fit.pi_low
    ]
    best = max(found, key=lambda item: item[0], default=None)
    return (best[1], best[2]) if best else None


def _ratios(draft: Draft, synthesis: Synthesis) -> Runs:
    pools = [pool for pool in all_pools(synthesis) if pool.fit is not None]
    what = rows_word(synthesis)
    if not pools:
        return ()
    return say(
        "{title}: in {what} the hazard ratio was {each} ({where}); below one favours the treatment.",
        title=quote(words.capital(synthesis.title or synthesis.name)),
        what="randomised trials" if synthesis.plan.randomised_only else "comparative studies",
        each=joined(
            [
                say(
                    "{effect} for {name} ({k})",
                    effect=effect(draft, synthesis, pool, with_level=i == 0),
                    name=quote(words.in_sentence(pool.title or pool.name)),
                    k=draft.values.counted(f"{pool_id(synthesis, pool)}/k", what, many(what)),
                )
                for i, pool in enumerate(pools)
            ]
        ),
        where=ref(f"results-{synthesis.name}"),
    )


def _beside(draft: Draft) -> Runs:
    lines = [line for line in draft.contents.beside if line.published_inside_ci is not None]
    if not lines:
        return ()
    inside = sum(bool(line.published_inside_ci) for line in lines)
    return say(
        "Beside our estimates stand {n} of earlier reviews, of which {inside} {lie} inside our confidence "
        "interval ({where}).",
        n=draft.values.new("beside/comparable", len(lines), lambda n: words.number_of(n, "figure")),
        inside=draft.values.new("beside/inside_ci", inside, lambda n: count(n) if n else "none"),
        lie="lies" if inside == 1 else "lie",
        where=ref("beside"),
    )


def _doubts(draft: Draft) -> Runs:
    values, known = draft.values, draft.values.known
    parts = [
        runs(
            values.run(f"findings/{severity}"), f" {name}{'' if known[f'findings/{severity}'] == 1 else 's'}"
        )
        for severity, name in (("error", "error"), ("warning", "warning"), ("note", "note"))
        if known[f"findings/{severity}"]
    ]
    found = say("The checks of the data gave {parts}. ", parts=joined(parts)) if parts else ()
    return runs(
        found,
        say("What is not known or was not done is listed in {where}.", where=ref(section_key("not-known"))),
    )
