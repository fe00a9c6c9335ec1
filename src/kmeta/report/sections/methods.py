"""How it was done, written from the settings and versions that were used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kmeta.core.numbers import MISSING
from kmeta.methods.synthesis.result import Synthesis
from kmeta.report import words
from kmeta.report.document import (
    Block,
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
    section_key,
)
from kmeta.report.draft import Draft, row_text, section
from kmeta.report.pooled import all_pools
from kmeta.report.scale import level
from kmeta.report.values import slug


@section("methods", "Methods", order=30)
def methods(draft: Draft) -> Iterator[Block]:
    """Estimators, tests, rules, software; never a method that was not used."""
    yield Heading("Which values are pooled", 2)
    yield from _selection(draft)
    yield Heading("How they are pooled", 2)
    yield from _models(draft)
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
            "Values are chosen by stated rules, the same for every analysis; the first that speaks against a value "
            "decides. {where} counts what each left out over all analyses; {all} gives every value with its reason.",
            where=ref("rules"),
            all=ref(section_key("excluded")),
        )
    )
    yield Table(
        "rules",
        runs("Rules that left out at least one value."),
        (Column("Rule", 34), Column("Why", 112), Column("Values", 16, "right")),
        tuple(
            Row(
                row_text(
                    quote(words.capital(rule.replace("_", " "))),
                    statement(rule),
                    draft.values.new(f"rules/{slug(rule)}", n),
                )
            )
            for rule, n in sorted(rules.items(), key=lambda item: (-item[1], item[0]))
        ),
        csv="excluded.csv",
    )


def statement(rule: str) -> str:
    """Why there is such a rule, in its own words; a dash for one that is not registered."""
    from kmeta.methods.selection.registry import CONTRAST_RULES, RULES

    if rule in RULES:
        return RULES[rule].statement
    return CONTRAST_RULES[rule].statement if rule in CONTRAST_RULES else MISSING


def _models(draft: Draft) -> Iterator[Block]:
    """One paragraph a model: analyses that were done alike are named together."""
    alike: dict[Runs, list[Synthesis]] = {}
    for synthesis in draft.contents.syntheses:
        alike.setdefault(_model(draft, synthesis), []).append(synthesis)
    for told, group in alike.items():
        yield Paragraph(runs(_named(draft, group), " ", told))


def _named(draft: Draft, group: list[Synthesis]) -> Runs:
    """The analyses of one model: each by its name, or how many when they are many."""
    if len(group) <= 2:
        names = "; ".join(words.capital(s.title or s.name) for s in group)
        return runs(Run(f"{names}.", bold=True, quoted=True))
    at = f"methods/{slug(group[0].name)}/analyses"
    n = draft.values.new(at, len(group), lambda n: words.number_of(n, "analysis", "analyses"))
    return say(
        "{kind} ({n}).",
        kind=Run(words.KINDS.get(group[0].plan.kind, group[0].plan.kind), bold=True),
        n=n,
    )


def _model(draft: Draft, synthesis: Synthesis) -> Runs:
    """What the analysis says of its model; where it says nothing, what its fits say."""
    if synthesis.model:
        return runs(quote(synthesis.model))
    fits = [pool.fit for pool in all_pools(synthesis) if pool.fit is not None]
    if fits:
        return _estimator(draft, synthesis, fits[0].method, fits[0].test)
    return runs("Values are listed as printed and not pooled.")


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
        where=ref(section_key("findings")),
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
