"""The rules for values of single arms, in the order in which they are put; each names its numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from kmeta.methods.selection.registry import RULES, group_rule, row_rule
from kmeta.methods.selection.reported import has_size
from kmeta.methods.selection.rows import Asked, Row, percent_words, time_words, value_words
from kmeta.methods.selection.sharing import shared_patients
from kmeta.methods.selection.treatments import belongs, is_placebo
from kmeta.review.study import Arm, Study
from kmeta.review.vocabulary import MEANINGS, normalised

# Outcomes that are easily taken for another one: they are looked at, and then left out by a rule of their own.
_EVENTS = {"TTP_cumulative_incidence": ("TTP", "PFS"), "recurrence_cumulative_incidence": ("DFS", "RFS")}
_GRAFT = "graft_survival"


@row_rule(RULES, "another_outcome", "The value is of another outcome than the one asked.", scope=True)
def another_outcome(row: Row, asked: Asked) -> str:
    """The outcome is not asked, nor one that is easily taken for it."""
    wanted, outcome = asked.analysis.outcomes, row.estimate.outcome
    look_alike = any(name in wanted for name in _EVENTS.get(outcome, ())) or (
        outcome == _GRAFT and "OS" in wanted
    )
    return "" if outcome in wanted or look_alike else f"{outcome} is not {_or(wanted)}."


@row_rule(RULES, "another_kind", "The value is not a survival probability.", scope=True)
def another_kind(row: Row, asked: Asked) -> str:
    """A median, mean or restricted mean where a probability is asked."""
    kind = row.estimate.kind
    return "" if kind == "probability" else f"A {kind} ({value_words(row.estimate)}), not a probability."


@row_rule(RULES, "not_a_median", "The value is a survival probability, not a survival time.", scope=True)
def not_a_median(row: Row, asked: Asked) -> str:
    """A probability where a median is asked."""
    return "" if row.estimate.kind != "probability" else f"A probability ({value_words(row.estimate)})."


@row_rule(RULES, "another_time", "The value is for another time than the one asked.", scope=True)
def another_time(row: Row, asked: Asked) -> str:
    """The time lies outside the window about the one asked."""
    plan, time = asked.analysis, row.estimate.time_months
    wanted = 0.0 if plan.time_months is None else plan.time_months
    if time is not None and abs(time - wanted) <= plan.window_months + 1e-9:
        return ""
    about = f" ± {plan.window_months:g}" if plan.window_months else ""
    return f"Printed for {time_words(time)}, not for {wanted:g}{about} months."


@row_rule(RULES, "another_class", "The treatment class is not among those asked.", scope=True)
def another_class(row: Row, asked: Asked) -> str:
    """No classes named: all are wanted."""
    wanted, mine = asked.analysis.classes, row.arm.treatment_class
    return "" if not wanted or mine in wanted else f"Treatment class {mine} is not among {_or(wanted)}."


@row_rule(RULES, "another_treatment", "The treatment is not among those asked.", scope=True)
def another_treatment(row: Row, asked: Asked) -> str:
    """The policy asks for certain treatments of a class."""
    only = [item for item in asked.policy.only if item.treatment_class == row.arm.treatment_class]
    if not only or any(belongs(row.arm, item) for item in only):
        return ""
    return f"{row.arm.treatment} is not {_or([item.name for item in only])}."


@row_rule(RULES, "no_value", "The source prints no value here.")
def no_value(row: Row, asked: Asked) -> str:
    """Nothing can be pooled."""
    return "" if row.estimate.value is not None else "No value is printed."


@row_rule(
    RULES,
    "event_probability",
    "The probability of an event is not turned into survival: 1 minus it ignores competing events.",
)
def event_probability(row: Row, asked: Asked) -> str:
    """Cumulative incidences are never taken as 1 - S."""
    if row.estimate.outcome in _EVENTS or "event_probability" in row.said:
        return f"{_value(row)} is the probability of the event, not of being free of it."
    return ""


@row_rule(
    RULES, "graft_survival", "Graft survival counts the loss of a graft as an event; patients may live on."
)
def graft_survival(row: Row, asked: Asked) -> str:
    """Graft survival is not survival of patients."""
    if row.estimate.outcome == _GRAFT or "graft" in row.said:
        return f"{_value(row)} is survival of the graft, not of the patients."
    return ""


@row_rule(RULES, "subgroup", "Part of an arm is not counted beside the whole.")
def subgroup(row: Row, asked: Asked) -> str:
    """A subgroup of an arm, or one that crosses the arms."""
    if asked.policy.subgroups == "keep":
        return ""
    arm = row.arm
    if arm.subgroup_of:
        who = re.sub(r"^subgroup(?: of \S+| across arms)?[:,]? *", "", arm.population) or arm.arm_id
        if arm.subgroup_of == "*":
            return f"It crosses or repeats other arms of its study{_n(arm)}: {who}."
        return f"A subgroup of arm {arm.subgroup_of}{_n(arm)}: {who}."
    return ""


@row_rule(
    RULES, "time_origin", "Survival counted from another time 0 is longer or shorter for that reason alone."
)
def time_origin(row: Row, asked: Asked) -> str:
    """The time origin is not one of those of the protocol."""
    origin = row.estimate.time_origin
    if _rank(origin, asked.origins) < len(asked.origins) and "origin_recurrence" not in row.said:
        return ""
    found = "not stated" if origin in ("", "not stated") else f"counted from {origin}"
    return f"{_value(row)}: time origin {found}; asked are {_or(asked.origins)}."


@row_rule(RULES, "publication_year", "The study was published outside the window of years of the protocol.")
def publication_year(row: Row, asked: Asked) -> str:
    """A study whose year is not printed is kept, and noted."""
    (first, last), year = asked.years, row.study.year
    if year is None or ((first is None or year >= first) and (last is None or year <= last)):
        return ""
    return f"Published in {year}; the window is {first or 'the beginning'} to {last or 'today'}."


def _said_rule(name: str, code: str, statement: str) -> None:
    @row_rule(RULES, name, statement)
    def against(row: Row, asked: Asked) -> str:
        return f"{_value(row)}: {MEANINGS[code]} ({_words(row)})." if code in row.said else ""


_said_rule(
    "immortal_time",
    "immortal_time",
    "Groups made by something that happened later carry time in which nobody could die.",
)
_said_rule(
    "grouped_by_recurrence",
    "grouped_by_recurrence",
    "Groups made by a later recurrence carry time in which nobody could die.",
)
_said_rule(
    "conditional",
    "conditional",
    "Survival of those who had an earlier event or lived so far is another quantity.",
)
_said_rule(
    "responders",
    "selected_by_response",
    "Patients chosen because they responded live longer for that reason.",
)


@row_rule(
    RULES, "completers_only", "Patients who did not complete the treatment are missing from the figure."
)
def completers_only(row: Row, asked: Asked) -> str:
    """Completers are no intention-to-treat group."""
    if asked.policy.completers == "keep" or "completers_only" not in row.said:
        return ""
    return f"{_value(row)} is of completers only{_n(row.arm)}: {row.arm.population or row.estimate.flag}."


_said_rule(
    "non_monotone", "nonmonotone", "Survival that rises with time shows that a figure of the source is wrong."
)
_said_rule("suspect", "suspect", "A figure thought to be a misprint is not pooled before the paper is read.")
_said_rule("inconsistent", "inconsistent", "A figure that contradicts another of its source is not pooled.")


@row_rule(RULES, "mean_not_median", "A mean survival time, restricted or not, is not a median.")
def mean_not_median(row: Row, asked: Asked) -> str:
    """By its kind, or because the extractor says so."""
    kind = row.estimate.kind
    if kind in ("mean", "rmst"):
        until = f" to {time_words(row.estimate.time_months)}" if kind == "rmst" else ""
        return f"{_value(row)} is a {'restricted mean' if until else 'mean'}{until}, not a median."
    return f"{_value(row)} is a mean, not a median." if "mean_not_median" in row.said else ""


@row_rule(
    RULES, "derived", "A value that was converted or computed by the extractor is not what the source prints."
)
def derived(row: Row, asked: Asked) -> str:
    """Derived rows are listed, never pooled."""
    if asked.policy.derived == "keep" or not row.estimate.derived:
        return ""
    return f"{_value(row)} was converted or computed ({row.estimate.flag or 'how is not noted'})."


@row_rule(RULES, "placebo", "An arm that got placebo alone says nothing on the treatments of its class.")
def placebo(row: Row, asked: Asked) -> str:
    """Placebo arms are filed under the class of the drug they are compared with."""
    if asked.policy.placebo == "keep" or not is_placebo(row.arm):
        return ""
    return f"{_value(row)} is of the placebo arm{_n(row.arm)}."


@row_rule(RULES, "second_hand", "Only values read in the study's own report are wanted.")
def second_hand(row: Row, asked: Asked) -> str:
    """Asked by a sensitivity analysis."""
    if asked.policy.second_hand == "keep" or not row.estimate.second_hand:
        return ""
    return f"{_value(row)} was read in {row.estimate.source or 'another paper'}."


@row_rule(RULES, "inferred_denominator", "The source does not say of whom the figure is.")
def inferred_denominator(row: Row, asked: Asked) -> str:
    """Asked by a sensitivity analysis; kept and noted otherwise."""
    if asked.policy.inferred == "keep" or "denominator_inferred" not in row.said:
        return ""
    return f"{_value(row)}: {MEANINGS['denominator_inferred']}."


@row_rule(
    RULES, "n_missing", "Without a number of patients, an interval or a number at risk a value has no weight."
)
def n_missing(row: Row, asked: Asked) -> str:
    """Nothing says how precise the value is."""
    if has_size(row.estimate, row.arm.n, effective=asked.policy.sample == "effective"):
        return ""
    return f"{_value(row)}: neither the arm's n nor an interval is printed."


@row_rule(RULES, "small", "Arms with few patients are left out.")
def small(row: Row, asked: Asked) -> str:
    """Asked by a sensitivity analysis."""
    least = asked.policy.least_n
    return "" if row.patients >= least or not row.arm.n else f"{row.arm.n} patients, fewer than {least}."


@row_rule(RULES, "set_aside", "The study was left out by name.")
def set_aside(row: Row, asked: Asked) -> str:
    """Asked by name, for leaving one out."""
    named = row.study.study_id in asked.policy.set_aside
    return f"{row.study.label} was left out by name." if named else ""


@row_rule(
    RULES, "matched", "A figure of matched patients does not stand for an arm whose n counts all patients."
)
def matched(row: Row, asked: Asked) -> str:
    """Kept where the arm's n is that of the matched patients."""
    switch = asked.policy.matched
    if (
        switch == "keep"
        or not is_matched(row)
        or (switch == "if_n_fits" and n_is_of_matched(row.arm, row.study))
    ):
        return ""
    whose = (
        "matched patients"
        if n_is_of_matched(row.arm, row.study)
        else "matched patients; their n is not printed"
    )
    return f"{_value(row)} is of {whose}{_n(row.arm, ', n of the arm ')}."


def is_matched(row: Row) -> bool:
    """Whether the figure is of matched patients."""
    return "matched_subset" in row.said and "unmatched" not in row.said


_OF_FIGURES = re.compile(
    r"\b(?:figures?|values?|estimates?|survival|results?|curves?|medians?)\b[^;.]*\bmatched\b"
)
_OF_N = re.compile(r"\b(?:of|from) (\d+)\b")


def n_is_of_matched(arm: Arm, study: Study) -> bool:
    """Whether the arm's n is that of the matched patients: its population says so, and not of the figures alone.

    "matched (of 103)" with n 72: yes. "survival figures are for matched patients" with n 225: no.
    """
    words = normalised(arm.population)
    if arm.n is None or not re.search(r"\bmatch(?:ed|ing)\b", words) or _OF_FIGURES.search(words):
        return False
    before = _OF_N.search(words)
    return (before is None or int(before[1]) > arm.n) and arm.n != study.n_total


@group_rule(
    RULES, "one_value_per_arm", "One arm gives one value to a pool: several would count its patients twice."
)
def one_value_per_arm(rows: Sequence[Row], asked: Asked) -> Mapping[Row, str]:
    """The first by outcome in the plan's order, then before matching, nearest time, origin, interval, own report."""
    out: dict[Row, str] = {}
    for _, group in _grouped(rows):
        first, *others = sorted(group, key=lambda row: _preference(row, asked))
        for row in others:
            out[row] = f"{_full(row)}; used is {_full(first)} of the same arm: {_differs(row, first)}."
    return out


def _preference(row: Row, asked: Asked) -> tuple[object, ...]:
    e, plan = row.estimate, asked.analysis
    wanted = plan.time_months or 0.0
    return (
        plan.outcomes.index(e.outcome) if e.outcome in plan.outcomes else len(plan.outcomes),
        is_matched(row) and not n_is_of_matched(row.arm, row.study),
        abs((e.time_months or 0.0) - wanted),
        _rank(e.time_origin, asked.origins),
        e.ci_low is None or e.ci_high is None,
        e.second_hand,
        e.derived,
        row.order,
    )


def _differs(row: Row, first: Row) -> str:
    a, b = row.estimate, first.estimate
    if a.outcome != b.outcome:
        return "the plan names it first"
    if is_matched(row) != is_matched(first):
        return "the figure before matching fits the arm's n"
    if a.time_months != b.time_months:
        return "it is nearer to the time asked"
    if a.time_origin != b.time_origin:
        return "the protocol prefers its time origin"
    if (a.ci_low is None) != (b.ci_low is None):
        return "it has an interval"
    if a.second_hand != b.second_hand:
        return "it was read in the study's own report"
    return "one of them is enough"


@group_rule(
    RULES,
    "counted_twice",
    "Arms that together hold more patients than their study count some of them twice.",
)
def counted_twice(rows: Sequence[Row], asked: Asked) -> Mapping[Row, str]:
    """Two partitions of one cohort: the arms with most patients that fit into the study are kept."""
    out: dict[Row, str] = {}
    for study_id, group in groupby(
        sorted(rows, key=lambda row: row.order), key=lambda row: row.study.study_id
    ):
        arms = list(group)
        total = asked.evidence.study[study_id].n_total
        patients = sum(row.patients for row in arms)
        if total is None or patients <= total:
            continue
        kept = _fitting(arms, total)
        names = ", ".join(row.arm.arm_id for row in kept)
        for row in arms:
            if kept and row not in kept:
                out[row] = (
                    f"The arms hold {patients} patients, the study {total}; kept: {names}"
                    f" ({sum(r.patients for r in kept)} patients)."
                )
    return out


def _fitting(arms: list[Row], total: int) -> tuple[Row, ...]:
    """The arms with most patients that hold at most `total`; ties go to more arms, then to those that sort first."""
    best: dict[int, tuple[int, int, tuple[Row, ...]]] = {0: (0, 0, ())}
    for i, row in enumerate(arms):
        tie = 1 << (len(arms) - 1 - i)
        for n, (size, ties, part) in list(best.items()):
            grown = (size + 1, ties | tie, (*part, row))
            if n + row.patients <= total and grown[:2] > best.get(n + row.patients, (0, 0, ()))[:2]:
                best[n + row.patients] = grown
    return best[max(best)][2]


@group_rule(RULES, "overlap", "Studies that share patients are not counted side by side.")
def overlap(rows: Sequence[Row], asked: Asked) -> Mapping[Row, str]:
    """Within one pool, the studies with most patients of which no two share any are kept."""
    return shared_patients(rows, asked)


def _grouped(rows: Iterable[Row]) -> Iterator[tuple[tuple[str, str], Iterator[Row]]]:
    return groupby(sorted(rows, key=lambda row: row.order), key=lambda row: row.arm.key)


def _rank(origin: str, origins: Sequence[str]) -> int:
    mine = normalised(origin)
    return next((i for i, name in enumerate(origins) if normalised(name) == mine), len(origins))


def _value(row: Row) -> str:
    e = row.estimate
    if e.value is None:
        return "No value"
    return percent_words(e.value) if e.kind == "probability" else value_words(e)


def _full(row: Row) -> str:
    e = row.estimate
    words = [e.outcome, value_words(e), f"from {e.time_origin}"]
    return " ".join([*words, "of matched patients"] if is_matched(row) else words)


def _words(row: Row) -> str:
    return row.estimate.flag or row.arm.population


def _n(arm: Arm, lead: str = ", n ") -> str:
    return f"{lead}{arm.n}" if arm.n is not None else ""


def _or(names: Sequence[str]) -> str:
    return (
        names[0]
        if len(names) == 1
        else f"{', '.join(names[:-1])} or {names[-1]}"
        if names
        else "anything asked"
    )
