"""The rules for comparisons of two arms: which hazard ratios of trials are pooled, which comparisons are listed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby

from kmeta.methods.selection.registry import CONTRAST_RULES, group_rule, row_rule
from kmeta.methods.selection.reported import events_printed, exact_p, log_standard_error
from kmeta.methods.selection.rows import Asked, Contrast, ratio_words
from kmeta.methods.selection.sharing import shared_patients
from kmeta.methods.selection.treatments import treatment_of
from kmeta.review.protocol import Treatment
from kmeta.review.study import Arm
from kmeta.review.vocabulary import normalised


@row_rule(
    CONTRAST_RULES, "another_outcome", "The comparison is of another outcome than the one asked.", scope=True
)
def another_outcome(row: Contrast, asked: Asked) -> str:
    """The outcome is not asked."""
    wanted, mine = asked.analysis.outcomes, row.comparison.outcome
    return "" if mine in wanted else f"{mine} is not {' or '.join(wanted)}."


@row_rule(CONTRAST_RULES, "not_a_hazard_ratio", "The comparison is not a hazard ratio.", scope=True)
def not_a_hazard_ratio(row: Contrast, asked: Asked) -> str:
    """A p value alone or another measure."""
    c = row.comparison
    return "" if c.measure == "HR" and c.estimate is not None else f"{c.measure}: {ratio_words(c)}."


@row_rule(
    CONTRAST_RULES, "other_treatments", "The comparison is of other treatments than those asked.", scope=True
)
def other_treatments(row: Contrast, asked: Asked) -> str:
    """Neither way round is it one of the experimental against one of the control treatments."""
    words = f"{row.arm_a.treatment} against {row.arm_b.treatment}"
    return "" if sides(row, asked) else f"{words}: not a comparison that the plan asks for."


def sides(row: Contrast, asked: Asked) -> tuple[Treatment, Treatment, bool] | None:
    """Experimental and control treatment, and whether the ratio has to be turned round; None where neither fits."""
    plan, known = asked.analysis, asked.protocol.treatments
    a, b = _named(row.arm_a, plan.experimental, known), _named(row.arm_b, plan.control, known)
    if a and b:
        return a, b, False
    a, b = _named(row.arm_b, plan.experimental, known), _named(row.arm_a, plan.control, known)
    return (a, b, True) if a and b else None


def _named(arm: Arm, names: Sequence[str], known: Sequence[Treatment]) -> Treatment | None:
    found = treatment_of(arm, known)
    return found if found and found.name in names else None


@row_rule(CONTRAST_RULES, "same_class", "Both arms are of one treatment class.", scope=True)
def same_class(row: Contrast, asked: Asked) -> str:
    """Only comparisons between classes are asked."""
    if row.arm_a.treatment_class != row.arm_b.treatment_class:
        return ""
    return f"Both arms are {row.arm_a.treatment_class}: {row.arm_a.treatment}; {row.arm_b.treatment}."


@row_rule(CONTRAST_RULES, "another_class", "A treatment class is not among those asked.", scope=True)
def another_class(row: Contrast, asked: Asked) -> str:
    """One of the two is enough to bear on the question; no classes named: all are wanted."""
    wanted = asked.analysis.classes
    mine = (row.arm_a.treatment_class, row.arm_b.treatment_class)
    return (
        ""
        if not wanted or any(name in wanted for name in mine)
        else f"{mine[0]} against {mine[1]} is not asked."
    )


@row_rule(
    CONTRAST_RULES, "not_randomised", "Only randomised trials are asked: other groups differ from the start."
)
def not_randomised(row: Contrast, asked: Asked) -> str:
    """The plan may ask for all designs."""
    if not asked.analysis.randomised_only or row.study.randomised:
        return ""
    return f"{ratio_words(row.comparison)}: {row.study.design or 'design not stated'}."


@row_rule(
    CONTRAST_RULES,
    "subgroup",
    "A hazard ratio of some patients of a trial is not counted beside that of all.",
)
def subgroup(row: Contrast, asked: Asked) -> str:
    """Partitions of one randomisation, and arms that are subgroups."""
    part = next((arm for arm in (row.arm_a, row.arm_b) if arm.subgroup_of), None)
    if asked.policy.subgroups == "keep" or not (part or row.said & {"subgroup", "across_arms"}):
        return ""
    return f"{ratio_words(row.comparison)}: {row.comparison.adjustment or (part.population if part else 'a subgroup')}."


@row_rule(
    CONTRAST_RULES,
    "prognostic",
    "A ratio that compares patients, not treatments, is no effect of a treatment.",
)
def prognostic(row: Contrast, asked: Asked) -> str:
    """Prognostic groups."""
    return f"{ratio_words(row.comparison)}: {row.comparison.flag}." if "prognostic" in row.said else ""


@row_rule(
    CONTRAST_RULES,
    "conditional",
    "Groups made by something that happened later, or of those who had an event.",
)
def conditional(row: Contrast, asked: Asked) -> str:
    """Immortal time, or counted from a recurrence."""
    codes = {
        "immortal_time",
        "conditional",
        "grouped_by_recurrence",
        "origin_recurrence",
        "selected_by_response",
    }
    return f"{ratio_words(row.comparison)}: {row.comparison.flag}." if row.said & codes else ""


@row_rule(
    CONTRAST_RULES, "publication_year", "The study was published outside the window of years of the protocol."
)
def publication_year(row: Contrast, asked: Asked) -> str:
    """As for single arms."""
    (first, last), year = asked.years, row.study.year
    if year is None or ((first is None or year >= first) and (last is None or year <= last)):
        return ""
    return f"Published in {year}; the window is {first or 'the beginning'} to {last or 'today'}."


@row_rule(CONTRAST_RULES, "derived", "A ratio that the extractor computed is not what the source prints.")
def derived(row: Contrast, asked: Asked) -> str:
    """Listed, never pooled."""
    if asked.policy.derived == "keep" or not row.comparison.derived:
        return ""
    return f"{ratio_words(row.comparison)} was computed ({row.comparison.flag or 'how is not noted'})."


@row_rule(CONTRAST_RULES, "second_hand", "Only values read in the trial's own report are wanted.")
def second_hand(row: Contrast, asked: Asked) -> str:
    """Asked by a sensitivity analysis."""
    if asked.policy.second_hand == "keep" or not row.comparison.second_hand:
        return ""
    return f"{ratio_words(row.comparison)} was read in {row.comparison.source or 'another paper'}."


@row_rule(CONTRAST_RULES, "set_aside", "The trial was left out by name.")
def set_aside(row: Contrast, asked: Asked) -> str:
    """Asked by name, for leaving one out."""
    return f"{row.study.label} was left out by name." if row.study.study_id in asked.policy.set_aside else ""


@row_rule(CONTRAST_RULES, "no_interval", "A hazard ratio without an interval has no weight.")
def no_interval(row: Contrast, asked: Asked) -> str:
    """Unless an exact p value and the events are printed, or the plan lets an exact p value do (`widths_from_p`)."""
    c = row.comparison
    if log_standard_error(c, from_p=asked.analysis.widths_from_p) is not None:
        return ""
    p, events = exact_p(c), events_printed(c)
    lacking = (
        "no exact p value"
        if p is None
        else "no number of events"
        if events is None
        else "p and events disagree"
    )
    said = f"{ratio_words(c)}, p {c.p_value or 'not printed'}"
    return f"{said}: no interval is printed, nor can one be derived ({lacking})."


@group_rule(
    CONTRAST_RULES, "one_ratio_per_trial", "One trial gives one hazard ratio: several would count it twice."
)
def one_ratio_per_trial(rows: Sequence[Contrast], asked: Asked) -> Mapping[Contrast, str]:
    """The first by outcome in the plan's order, assessor, follow-up, adjustment, interval, events, own report."""
    out: dict[Contrast, str] = {}
    for _, group in groupby(sorted(rows, key=lambda row: row.order), key=lambda row: row.study.study_id):
        first, *others = sorted(
            group, key=lambda row: (*(value for _, value in ladder(row, asked)), row.order)
        )
        for row in others:
            why = _why(row, first, asked)
            out[row] = f"{_described(row)} not used; used is {_described(first)}: {why}."
    return out


def ladder(row: Contrast, asked: Asked) -> list[tuple[str, float]]:
    """What is preferred, rung by rung, each with the reason it gives; smaller numbers first."""
    c, plan = row.comparison, asked.analysis
    has_limits = c.ci_low is not None and c.ci_high is not None and c.ci_low > 0
    width = c.ci_high / c.ci_low if has_limits and c.ci_high is not None and c.ci_low else float("inf")
    events = events_printed(c)
    outcome = plan.outcomes.index(c.outcome) if c.outcome in plan.outcomes else len(plan.outcomes)
    return [
        ("the plan names its outcome first", float(outcome)),
        ("a blinded, central or independent review comes before the investigators'", _assessor(row)),
        ("the final or longest follow-up comes before an interim one", _maturity(row)),
        ("its analysis comes first for this design", _adjustment(row)),
        ("its interval is narrower", width),
        ("it rests on more events", -float(sum(events) if events else 0)),
        ("it was read in the trial's own report", float(c.second_hand)),
    ]


def _assessor(row: Contrast) -> float:
    if "central_review" in row.said or re.search(r"\b(?:blinded|independent)\b", _text(row)):
        return 0.0
    return 2.0 if "local_review" in row.said else 1.0


_LATER = re.compile(
    r"\bfinal\b|\bup ?dated?\b|\blong term\b|\blongest\b|\bfollow up (?:to|until)\b|\bend of study\b"
)
_SPAN = re.compile(r"\b(\d+(?:\.\d+)?) ?(year|month)s?\b(?: of)? follow up\b")


def _maturity(row: Contrast) -> float:
    text = _text(row)
    if "interim" in row.said:
        return 1.0
    if span := _SPAN.search(text):
        length = float(span[1]) * (12 if span[2] == "year" else 1)
        return -1.0 - length / 1e4
    return -2.0 if re.search(r"\bfinal\b", text) else -1.0 if _LATER.search(text) else 0.0


def _adjustment(row: Contrast) -> float:
    text = _text(row)
    unadjusted = bool(re.search(r"\b(?:un ?adjusted|univaria\w+|crude)\b", text))
    covariates = not unadjusted and bool(
        re.search(r"\badjust\w*|\bmultivaria\w+|\bpropensity\b|\bmatch", text)
    )
    planned = bool(re.search(r"\bprimary\b|\bstratified\b", text))
    if row.study.randomised:  # the trial's own analysis; then nothing said, unadjusted, adjusted afterwards
        return 0.0 if planned else 3.0 if covariates else 2.0 if unadjusted else 1.0
    return 0.0 if covariates else 1.0 if planned else 3.0 if unadjusted else 2.0


def _text(row: Contrast) -> str:
    return normalised(f"{row.comparison.adjustment}; {row.comparison.flag}")


def _described(row: Contrast) -> str:
    said = row.comparison.adjustment or row.comparison.flag
    return ratio_words(row.comparison) + (f" [{said}]" if said else "")


def _why(row: Contrast, first: Contrast, asked: Asked) -> str:
    if {row.arm_a.arm_id, row.arm_b.arm_id} != {first.arm_a.arm_id, first.arm_b.arm_id}:
        return "two comparisons of one trial share an arm"
    pairs = zip(ladder(row, asked), ladder(first, asked), strict=True)
    return next((words for (words, mine), (_, best) in pairs if mine != best), "one of them is enough")


@group_rule(CONTRAST_RULES, "overlap", "Trials that share patients are not counted side by side.")
def overlap(rows: Sequence[Contrast], asked: Asked) -> Mapping[Contrast, str]:
    """As for single arms."""
    return shared_patients(rows, asked)
