"""Direct comparisons of treatment classes: two arms of one study, beside what the single arms show."""

from __future__ import annotations

from collections.abc import Iterator

from kmeta.core.numbers import MISSING, count, decimal, percent, ratio
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
)
from kmeta.report.draft import Draft, row_text, section
from kmeta.report.pooled import SECOND_HAND, second_hand_words
from kmeta.report.values import slug
from kmeta.review.estimate import Comparison, Estimate
from kmeta.review.evidence import Evidence
from kmeta.review.study import Arm


def between_classes(evidence: Evidence) -> list[Comparison]:
    """The comparisons whose two arms belong to different treatment classes."""
    found = []
    for comparison in evidence.comparisons:
        a = evidence.arm.get((comparison.study_id, comparison.arm_a))
        b = evidence.arm.get((comparison.study_id, comparison.arm_b))
        if a and b and a.treatment_class != b.treatment_class:
            found.append(comparison)
    return found


def side_by_side(evidence: Evidence, outcomes: tuple[str, ...], time: float) -> list[tuple[Arm, Estimate]]:
    """The printed survival of both arms at one time, in studies that compare classes."""
    chosen = {c.study_id for c in between_classes(evidence)}
    shown = [
        (evidence.arm[estimate.key], estimate)
        for estimate in evidence.estimates
        if estimate.study_id in chosen
        and estimate.kind == "probability"
        and estimate.outcome in outcomes
        and estimate.time_months == time
        and estimate.value is not None
        and estimate.key in evidence.arm
    ]
    classes: dict[str, set[str]] = {}
    for arm, _ in shown:
        classes.setdefault(arm.study_id, set()).add(arm.treatment_class)
    return [(arm, estimate) for arm, estimate in shown if len(classes[arm.study_id]) > 1]


@section("direct", "Direct comparisons of treatment classes", order=90)
def direct(draft: Draft) -> Iterator[Block]:
    """What studies say that gave both treatments."""
    evidence = draft.contents.evidence
    found = between_classes(evidence)
    if not found:
        yield Paragraph(runs("No study compares two treatment classes directly."))
        return
    studies = {c.study_id for c in found}
    randomised = sum(evidence.study[s].randomised for s in sorted(studies) if s in evidence.study)
    yield Paragraph(
        say(
            "Treatment classes are set against each other in {n} from {studies} ({where}), of which {randomised} "
            "randomised patients. Without randomisation the two groups differ in more than "
            "their treatment, also after matching or adjustment: these are associations.",
            n=draft.values.new("direct/comparisons", len(found), lambda n: words.number_of(n, "comparison")),
            studies=draft.values.new(
                "direct/studies", len(studies), lambda n: words.number_of(n, "study", "studies")
            ),
            randomised=draft.values.new("direct/randomised", randomised, lambda n: count(n) if n else "none"),
            where=ref("direct"),
        )
    )
    yield _table(draft, found)
    for synthesis in draft.of_kind("survival_at"):
        plan = synthesis.plan
        pairs = side_by_side(evidence, plan.outcomes, plan.time_months or 0.0)
        if pairs:
            title = f"The same studies: {words.in_sentence(synthesis.title or synthesis.name)}"
            yield Heading(title, 2)
            yield _arms(draft, synthesis.name, pairs)


def _table(draft: Draft, found: list[Comparison]) -> Table:
    columns = (
        Column("Study", 30),
        Column("Treatment", 44),
        Column("Against", 44),
        Column("Outcome", 30),
        Column("Measure", 28),
        Column("Estimate (CI)", 30, "right"),
        Column("P, as printed", 16, "right"),
        Column("Adjusted for", 28),
    )
    evidence = draft.contents.evidence
    rows = [_row(draft, evidence, i, c) for i, c in enumerate(found, start=1)]
    notes = [
        runs(
            "A ratio below one favours the first-named treatment. Measures and P values as the source prints them."
        )
    ]
    if any(c.second_hand for c in found):
        notes.append(runs(Run(SECOND_HAND, raised=True), " ", second_hand_words()))
    notes += _flags(evidence, found)
    caption = runs("Direct comparisons of treatment classes within a study.")
    return Table(
        "direct", caption, columns, tuple(rows), tuple(notes), wide=True, csv="direct-comparisons.csv"
    )


def _flags(evidence: Evidence, found: list[Comparison]) -> list[Runs]:
    told: list[Runs] = []
    for comparison in found:
        if comparison.flag:
            label = _label(evidence, comparison.study_id)
            note = runs(quote(label), ": ", quote(comparison.flag), ".")
            if note not in told:
                told.append(note)
    return told


def _label(evidence: Evidence, study_id: str) -> str:
    study = evidence.study.get(study_id)
    return study.label if study else study_id


def _row(draft: Draft, evidence: Evidence, i: int, comparison: Comparison) -> Row:
    a = evidence.arm[comparison.study_id, comparison.arm_a]
    b = evidence.arm[comparison.study_id, comparison.arm_b]
    mark: Runs = (Run(SECOND_HAND, raised=True),) if comparison.second_hand else ()
    return Row(
        row_text(
            runs(quote(_label(evidence, comparison.study_id)), mark),
            runs(quote(a.treatment), f" ({words.in_sentence(words.treatment_class(a.treatment_class))})"),
            runs(quote(b.treatment), f" ({words.in_sentence(words.treatment_class(b.treatment_class))})"),
            quote(words.outcome(comparison.outcome)),
            quote(words.MEASURES.get(comparison.measure, comparison.measure.replace("_", " "))),
            _estimate(draft, i, comparison),
            quote(comparison.p_value or MISSING),
            quote(comparison.adjustment or MISSING),
        )
    )


def _estimate(draft: Draft, i: int, comparison: Comparison) -> Runs:
    if comparison.estimate is None:
        return runs(MISSING)
    c = comparison
    at = f"direct/{slug(c.study_id)}/{slug(c.arm_a)}-{slug(c.arm_b)}/{slug(c.outcome)}/{i}"
    form = ratio if c.measure in ("HR", "OR", "RR") else lambda v: decimal(v, 1)
    values = draft.values
    number = values.new(f"{at}/estimate", c.estimate, form)
    if c.ci_low is None or c.ci_high is None:
        return runs(number)
    values.put(f"{at}/ci_low", c.ci_low)
    values.put(f"{at}/ci_high", c.ci_high)
    return runs(number, " (", values.interval(at, form), ")")


def _arms(draft: Draft, name: str, pairs: list[tuple[Arm, Estimate]]) -> Table:
    evidence = draft.contents.evidence
    rows: list[Row] = []
    for i, (arm, estimate) in enumerate(pairs, start=1):
        at = f"direct/{slug(name)}/{slug(arm.study_id)}/{slug(arm.arm_id)}/{i}"
        draft.values.put(f"{at}/ci_low", estimate.ci_low)
        draft.values.put(f"{at}/ci_high", estimate.ci_high)
        printed = lambda v: percent(v, 1)  # noqa: E731
        rows.append(
            Row(
                row_text(
                    quote(_label(evidence, arm.study_id)),
                    quote(arm.treatment),
                    words.treatment_class(arm.treatment_class),
                    count(arm.n),
                    draft.values.new(f"{at}/survival", estimate.value, printed),
                    draft.values.interval(at, printed),
                    quote(estimate.flag or MISSING),
                )
            )
        )
    columns = (
        Column("Study", 26),
        Column("Treatment", 42),
        Column("Class", 28),
        Column("Patients", 14, "right"),
        Column("Printed, %", 15, "right"),
        Column("CI", 18, "right"),
        Column("Remark", 30),
    )
    caption = runs("Survival printed for both arms by the studies that compare classes.")
    note = runs(
        "Values as printed, whether or not they are pooled above; matched patients are marked in the remark."
    )
    return Table(f"direct-{name}", caption, columns, tuple(rows), (note,), csv="values-all.csv")
