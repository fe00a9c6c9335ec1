"""How it was done, written from the settings and versions that were used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kmeta.methods.synthesis.result import Synthesis
from kmeta.report import words
from kmeta.report.document import Block, Bullets, Heading, Paragraph, Run, Runs, quote, ref, runs, say
from kmeta.report.draft import Draft, section
from kmeta.report.pooled import all_pools, asked, notes_of
from kmeta.report.scale import level
from kmeta.report.values import slug


@section("methods", "Methods", order=30)
def methods(draft: Draft) -> Iterator[Block]:
    """Estimators, tests, rules, software; never a method that was not used."""
    yield Heading("Which values are pooled", 2)
    yield from _selection(draft)
    yield Heading("How they are pooled", 2)
    for synthesis in draft.contents.syntheses:
        yield from _model(draft, synthesis)
    yield Heading("Checks of the data", 2)
    yield Paragraph(_checks(draft))
    yield Heading("Software", 2)
    yield Paragraph(_software(draft))


def _selection(draft: Draft) -> Iterator[Block]:
    rules: Counter[str] = Counter()
    for synthesis in draft.contents.syntheses:
        rules.update(exclusion.rule for exclusion in synthesis.excluded)
    if not rules:
        yield Paragraph(runs("No rule left out a value."))
        return
    yield Paragraph(
        say(
            "Values are chosen by stated rules, the same for every analysis. The rules that left something out, and "
            "how many values over all analyses, are these; each value with its reason is in {where}.",
            where=ref("excluded"),
        ),
        keep_with_next=True,
    )
    yield Bullets(
        tuple(
            runs(
                quote(words.capital(rule.replace("_", " "))), ": ", draft.values.new(f"rules/{slug(rule)}", n)
            )
            for rule, n in sorted(rules.items(), key=lambda item: (-item[1], item[0]))
        )
    )


def _model(draft: Draft, synthesis: Synthesis) -> Iterator[Block]:
    fits = [pool.fit for pool in all_pools(synthesis) if pool.fit is not None]
    told: list[Runs] = [
        runs(Run(words.capital(synthesis.title or synthesis.name), bold=True, quoted=True), ". ")
    ]
    if fits:
        told.append(_estimator(draft, synthesis, fits[0].method, fits[0].test))
    elif synthesis.plan.kind == "median":
        told.append(runs("Medians are listed as printed and not pooled."))
    else:
        told.append(say("{asked}: nothing could be pooled.", asked=asked(draft, synthesis)))
    for note in notes_of(synthesis):
        told.append(runs(" ", note))
    yield Paragraph(runs(*told))


def _estimator(draft: Draft, synthesis: Synthesis, method: str, test: str) -> Runs:
    return say(
        "Random-effects model on {scale}; between-study variance τ² by {tau2}; {level} intervals by {test}. "
        "Prediction intervals stand beside every estimate from enough rows.",
        scale=words.SCALES.get(synthesis.measure, f"the scale of {synthesis.measure}"),
        tau2=words.TAU2.get(method, method),
        level=level(draft.values, slug(synthesis.name)),
        test=words.TESTS.get(test, test),
    )


def _checks(draft: Draft) -> Runs:
    values = draft.values
    names = sorted({finding.check for finding in draft.contents.findings})
    if not names:
        return runs("The checks of the data found nothing.")
    return say(
        "Every value was checked before use: whether it can be right, whether it contradicts another, whether patients "
        "are counted twice. {checks} named checks found something, {n} times in all ({where}).",
        checks=values.run("findings/checks"),
        n=values.run("findings"),
        where=ref("findings"),
    )


def _software(draft: Draft) -> Runs:
    contents = draft.contents
    return say(
        "Computed by kmeta {version} from the state {state} of the review. The file analysis.R repeats the pooled "
        "numbers in R with the package metafor; results.json holds every number with the id that sentences carry; "
        "the tables are also there as CSV.",
        version=quote(contents.version),
        state=quote(contents.state[:12] or "not recorded"),
    )
