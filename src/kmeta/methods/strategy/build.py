"""The strategy table: the decision criteria, and for each option what the analyses found.

It states what was found for groups of patients. It rates no certainty and advises nobody: which option fits one
patient is not in these numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from kmeta.methods.strategy.bearing import Bearing, bearing
from kmeta.methods.strategy.comparisons import direct_comparisons
from kmeta.methods.strategy.effects import beside_it, effect, qualifications, rests_on
from kmeta.methods.strategy.options import Option, read_option
from kmeta.methods.strategy.table import StrategyRow, StrategyTable
from kmeta.methods.synthesis.published import BesidePublished
from kmeta.methods.synthesis.result import Synthesis
from kmeta.review.estimate import Criterion
from kmeta.review.evidence import Evidence
from kmeta.review.protocol import Protocol

# Which analysis gives the effect: trials, survival at a time, comparisons that are not randomised, medians.
_KINDS = {"survival_at": 1, "median": 3}
_STATUS = (
    (("not read",), "not read"),
    (("disagree", "conflict"), "sources disagree"),
    (("in part", "partly"), "read in part"),
    (("second hand", "second-hand"), "second hand"),
)


def strategy_table(
    evidence: Evidence,
    protocol: Protocol,
    syntheses: Sequence[Synthesis],
    beside: Sequence[BesidePublished] = (),
) -> StrategyTable:
    """One row for each patient state and option of `evidence.criteria`, in the order of their `place`, then as given.

    The effect of a row is that of the first analysis with randomised trials of its treatments, else the first with
    survival at a time, else with comparisons that are not randomised, else with medians; the other analyses with lines
    for it stand in the notes. Numbers are those of
    the pools: nothing is pooled here, and what no pool stands for is a range that says so.

    >>> state = Criterion(patient_state="resectable", option="resection", criterion="intent", value="clear all disease")
    >>> row = strategy_table(Evidence(criteria=(state,)), Protocol(title="t"), []).table[0]
    >>> row.treatment_class, row.gaps
    ('resection', ('No survival value of the analyses is for this option.',))
    """
    groups: dict[tuple[str, str], list[Criterion]] = {}
    for criterion in sorted(evidence.criteria, key=lambda c: (c.place is None, c.place or 0)):
        groups.setdefault((criterion.patient_state, criterion.option), []).append(criterion)
    rows = [
        _row(state, text, tuple(criteria), evidence, protocol, syntheses, beside)
        for (state, text), criteria in groups.items()
    ]
    return StrategyTable(table=tuple(rows))


def reading_of(status: str) -> str:
    """What the status of a criterion says of how it was read; "" where it was read and nothing contradicts it.

    >>> reading_of("read: sources disagree"), reading_of("NOT READ: must be filled by hand"), reading_of("read")
    ('sources disagree', 'not read', '')
    """
    words = status.casefold()
    return next((meaning for marks, meaning in _STATUS if any(mark in words for mark in marks)), "")


def _row(
    state: str,
    text: str,
    criteria: tuple[Criterion, ...],
    evidence: Evidence,
    protocol: Protocol,
    syntheses: Sequence[Synthesis],
    beside: Sequence[BesidePublished],
) -> StrategyRow:
    option = read_option(text, protocol.treatments)
    found = bearing(option, state, criteria, evidence, protocol, syntheses)
    main = min(found, key=_rank, default=None)
    notes: list[str] = []
    if main is not None:
        notes += qualifications(main)
        notes += [beside_it(one) for one in found if one is not main]
        notes += _earlier(found, option, beside)
    return StrategyRow(
        patient_state=state,
        option=text,
        treatment_class=option.treatment_class,
        criteria=criteria,
        rests_on=rests_on(main) if main else "",
        effect=effect(main) if main else "",
        effect_notes=tuple(notes),
        comparisons=_comparisons(option, state, found, evidence, protocol),
        gaps=_gaps(option, criteria, main),
        analysis=main.synthesis.name if main else "",
    )


def _comparisons(
    option: Option, state: str, found: Sequence[Bearing], evidence: Evidence, protocol: Protocol
) -> tuple[str, ...]:
    if not option.treatment_class:
        return ()
    shown = {
        line.study_id for one in found if one.synthesis.plan.kind == "hazard_ratio" for line in one.lines
    }
    aside = {line.study_id for one in found for line in one.aside} - shown
    return direct_comparisons(
        option, state, evidence, protocol, told=frozenset(shown), others=frozenset(aside)
    )


def _rank(found: Bearing) -> int:
    plan = found.synthesis.plan
    return _KINDS.get(plan.kind, 0 if plan.randomised_only else 2)


def _earlier(found: Sequence[Bearing], option: Option, beside: Sequence[BesidePublished]) -> list[str]:
    """What an earlier review printed for the same question, of options that are a whole class."""
    names = {one.synthesis.name for one in found}
    return [
        f"earlier review {line.published.review}, {line.published.question}: {line.published.estimate}"
        + ("%" if line.published.measure == "percent" else f" ({line.published.measure})")
        for line in beside
        if option.whole and line.analysis in names and line.treatment_class == option.treatment_class
    ]


def _gaps(option: Option, criteria: Sequence[Criterion], main: Bearing | None) -> tuple[str, ...]:
    gaps = []
    if not option.treatment_class:
        gaps.append("Names no treatment of this review: no survival value stands beside it.")
    elif main is None:
        gaps.append("No survival value of the analyses is for this option.")
    for criterion in criteria:
        reading = reading_of(criterion.status)
        if reading:
            source = f" [{criterion.source}]" if criterion.source else ""
            gaps.append(
                f"{reading[:1].upper()}{reading[1:]}: {criterion.criterion}: {criterion.value}{source}."
            )
    if main is not None and main.aside:
        labels = ", ".join(dict.fromkeys(line.label for line in main.aside))
        gaps.append(
            f"Other trials of the same treatments, in other patients, are not counted here: {labels}."
        )
    return tuple(gaps)
