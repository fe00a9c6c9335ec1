"""Direct comparisons that bear on a row.

Of its treatments with another class, of its treatments with each other, and randomised ones of its treatments with any
other that no analysis tells of (for want of an interval). They are printed as their paper prints them; none of them is
pooled. Subgroups of arms are left out: their two sides were not chosen by treatment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from kmeta.core import numbers
from kmeta.methods.selection.treatments import treatment_of
from kmeta.methods.strategy.effects import some, time_words
from kmeta.methods.strategy.options import Option
from kmeta.methods.strategy.sites import same_site
from kmeta.review.estimate import SURVIVAL_OUTCOMES, Comparison, Estimate
from kmeta.review.evidence import Evidence
from kmeta.review.protocol import Protocol
from kmeta.review.study import Arm
from kmeta.review.vocabulary import meanings

# Comparisons of patients, or of groups made by what came later: no treatment was compared.
_NOT_OF_TREATMENTS = frozenset(
    {"subgroup", "across_arms", "prognostic", "immortal_time", "conditional", "grouped_by_recurrence"}
    | {"origin_recurrence", "selected_by_response"}
)
_RMST = re.compile(r"rmst_difference_(\d+)m", re.IGNORECASE)
_TESTS = {"logrank_p": "log-rank test", "cox_p": "Cox model"}


def direct_comparisons(
    option: Option,
    state: str,
    evidence: Evidence,
    protocol: Protocol,
    *,
    told: frozenset[str] = frozenset(),
    others: frozenset[str] = frozenset(),
) -> tuple[str, ...]:
    """One text a comparison, in the order of the evidence, without repeats.

    `told`: trials whose ratios stand in the row already; `others`: trials of other patients than the row's.
    """
    texts = []
    for row in evidence.comparisons:
        a, b = evidence.arm.get((row.study_id, row.arm_a)), evidence.arm.get((row.study_id, row.arm_b))
        if a is None or b is None or a.subgroup_of or b.subgroup_of or row.outcome not in SURVIVAL_OUTCOMES:
            continue
        if _NOT_OF_TREATMENTS & meanings(f"{row.adjustment}; {row.flag}") or row.study_id in others:
            continue
        untold = row.study_id not in told or row.measure not in (*_TESTS, "HR")
        untold = untold and _trial_of(option, state, a, b, evidence)
        if _between_classes(option, a, b, protocol) or _within(option, a, b, protocol) or untold:
            texts.append(_words(row, a, b, evidence, protocol))
    return tuple(dict.fromkeys(texts))


def _between_classes(option: Option, a: Arm, b: Arm, protocol: Protocol) -> bool:
    if a.treatment_class == b.treatment_class:
        return False
    mine = [arm for arm in (a, b) if arm.treatment_class == option.treatment_class]
    return any(_of_option(option, arm, protocol) for arm in mine)


def _trial_of(option: Option, state: str, a: Arm, b: Arm, evidence: Evidence) -> bool:
    """A randomised comparison of the option, as arm a, with another treatment, in patients of this state."""
    if option.whole or not option.has(a) or option.has(b):
        return False
    return evidence.study[a.study_id].randomised and same_site(state, a.primary_site or a.population)


def _of_option(option: Option, arm: Arm, protocol: Protocol) -> bool:
    """The arm got the option, or a treatment of the same group that its paper does not split."""
    if option.has(arm):
        return True
    treatment = treatment_of(arm, protocol.treatments)
    groups = {named.group for named in option.treatments if named.group}
    return treatment is not None and treatment.group in groups


def _within(option: Option, a: Arm, b: Arm, protocol: Protocol) -> bool:
    if option.whole or len(option.treatments) < 2:
        return False
    first, second = treatment_of(a, protocol.treatments), treatment_of(b, protocol.treatments)
    return first != second and first in option.treatments and second in option.treatments


def _words(row: Comparison, a: Arm, b: Arm, evidence: Evidence, protocol: Protocol) -> str:
    study = evidence.study[row.study_id]
    parts = [part for part in (_survival(row, a, b, evidence, protocol), _measure(row)) if part]
    remarks = [
        part for part in (row.adjustment, "test not named" if "test not named" in row.flag else "") if part
    ]
    window = protocol.eligibility
    if study.year and not (window.year_from or 0) <= study.year <= (window.year_to or 9999):
        remarks.append("outside the protocol's years")
    tail = f" ({'; '.join(remarks)})" if remarks else ""
    return f"{a.treatment} v {b.treatment}: {row.outcome} {', '.join(parts)}{tail}; {study.label}"


def _measure(row: Comparison) -> str:
    p = row.p_value.strip()
    p_words = (f"P {p[0]} {p[1:].strip()}" if p[0] in "<>" else f"P = {p}") if p else ""
    if row.estimate is None:
        return f"{p_words}, {_TESTS[row.measure]}" if p_words and row.measure in _TESTS else p_words
    if row.measure == "HR":
        low, high = numbers.ratio(row.ci_low), numbers.ratio(row.ci_high)
        value = numbers.estimate(numbers.ratio(row.estimate), low, high)
        if row.ci_low is None:
            return f"HR {value}, no interval printed" + (f", {p_words}" if p_words else "")
        return f"HR {value}"
    limits = [numbers.months(value) for value in (row.ci_low, row.ci_high)]
    value = numbers.estimate(numbers.months(row.estimate), *limits)
    if found := _RMST.fullmatch(row.measure):
        text = f"difference in restricted mean survival to {some(int(found[1]), 'month')} {value} months"
    else:
        text = f"{row.measure} {value}"
    return text + (f", {p_words}" if p_words else "")


def _survival(row: Comparison, a: Arm, b: Arm, evidence: Evidence, protocol: Protocol) -> str:
    """Both arms' survival at one time, where both are printed alike; the time of the plans, else the latest."""
    of_a, of_b = (_printed(evidence.estimates, arm, row.outcome) for arm in (a, b))
    both = [key for key in of_a if key in of_b]
    if not both:
        return ""
    planned = {plan.time_months for plan in protocol.analyses if plan.kind == "survival_at"}
    key = max(both, key=lambda k: (k[0] in planned, k[0], k[1], k[2]))
    first, second = numbers.percent(of_a[key]), numbers.percent(of_b[key])
    return f"{first}% v {second}% at {time_words(key[0])}"


def _printed(estimates: Iterable[Estimate], arm: Arm, outcome: str) -> dict[tuple[float, str, str], float]:
    found: dict[tuple[float, str, str], float] = {}
    for value in estimates:
        if value.key != arm.key or value.outcome != outcome or value.kind != "probability":
            continue
        if value.time_months is not None and value.value is not None:
            found.setdefault((value.time_months, value.time_origin, value.flag), value.value)
    return found
