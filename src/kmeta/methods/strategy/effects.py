"""Lines of an analysis as the words of a strategy row: what it rests on, the number, and what qualifies it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from kmeta.core import numbers
from kmeta.methods.meta.random_effects import MetaFit
from kmeta.methods.strategy.bearing import Bearing
from kmeta.methods.synthesis.result import Line
from kmeta.review.protocol import Analysis


def time_words(months: float | None) -> str:
    """A time as readers say it.

    >>> time_words(60), time_words(12), time_words(18)
    ('5 years', '1 year', '18 months')
    """
    if months is None:
        return "no stated time"
    if months > 0 and months % 12 == 0:
        return some(round(months / 12), "year")
    return some(months, "month")


def some(n: float, one: str, more: str = "") -> str:
    """A count with its noun.

    >>> some(1, "study", "studies"), some(1234, "patient")
    ('1 study', '1,234 patients')
    """
    number = numbers.count(round(n)) if float(n).is_integer() else f"{n:g}"
    return f"{number} {one if n == 1 else more or one + 's'}"


def rests_on(found: Bearing) -> str:
    """How much evidence: trials and patients, or arms, studies and patients."""
    lines = found.lines
    patients = sum((line.n or 0) + (line.n_control or 0) for line in lines)
    studies = len({line.study_id for line in lines})
    if found.synthesis.plan.kind == "hazard_ratio":
        words = [some(len(lines), "trial" if found.synthesis.plan.randomised_only else "comparison")]
        unknown = sum(line.n is None or line.n_control is None for line in lines)
    else:
        words = [some(len(lines), "arm")]
        words += [some(studies, "study", "studies")] if studies != len(lines) else []
        unknown = sum(line.n is None for line in lines)
    words += [some(patients, "patient")] if patients else []
    words += [f"number of patients not printed for {unknown}"] if unknown else []
    return ", ".join(words)


def effect(found: Bearing) -> str:
    """The number with what it is: pooled, of a single study, or a range that says it is not pooled."""
    plan, lines = found.synthesis.plan, found.lines
    fit = found.pool.fit if found.pool else None
    what = outcome_words(plan, lines)
    if fit is not None:
        return _placed(plan, what, _pooled(plan, fit), lines)
    if len(lines) == 1:
        return _placed(plan, what, _single(plan, lines[0]), lines)
    return _placed(plan, what, _range(plan, lines), lines) + ", range, not pooled"


def outcome_words(plan: Analysis, lines: Iterable[Line]) -> str:
    """The outcomes of `lines`: a line marked `t` counts time to progression where the plan asks for another."""
    if len(plan.outcomes) == 1:
        return plan.outcomes[0]
    marked = {"t" in line.marks for line in lines}
    if "TTP" in plan.outcomes:
        others = [name for name in plan.outcomes if name != "TTP"]
        return " or ".join([*(others if False in marked else []), *(["TTP"] if True in marked else [])])
    return " or ".join(plan.outcomes)


def _placed(plan: Analysis, what: str, value: str, lines: Sequence[Line]) -> str:
    if plan.kind == "survival_at":
        return f"{what} {value} at {time_words(plan.time_months)}"
    if plan.kind == "median":
        return f"median {what} {value}" + ("" if value.startswith("not") else " months")
    controls = sorted({line.control for line in lines if line.control})
    against = f" v {controls[0]}" if len(controls) == 1 else ""
    return f"{what} HR {value}{against}"


def _text(plan: Analysis, value: float | None) -> str:
    if plan.kind == "survival_at":
        return numbers.percent(value)
    return numbers.months(value) if plan.kind == "median" else numbers.ratio(value)


def _unit(plan: Analysis) -> str:
    return "%" if plan.kind == "survival_at" else ""


def _pooled(plan: Analysis, fit: MetaFit) -> str:
    low, high = fit.effect_ci
    return _with_interval(plan, fit.effect, low, high)


def _single(plan: Analysis, line: Line) -> str:
    if not math.isfinite(line.estimate):
        return _range(plan, [line])
    text = _with_interval(plan, line.estimate, line.ci_low, line.ci_high)
    if line.ci_low is None and line.ci_high is None and plan.kind == "hazard_ratio":
        return f"{text} (no interval printed)"
    return text


def _with_interval(plan: Analysis, value: float, low: float | None, high: float | None) -> str:
    text = f"{_text(plan, value)}{_unit(plan)}"
    if low is None or high is None:
        return text
    return f"{text} ({numbers.interval(_text(plan, low), _text(plan, high))})"


def _range(plan: Analysis, lines: Sequence[Line]) -> str:
    values = [line.estimate for line in lines if math.isfinite(line.estimate)]
    if not values:
        return "not reached" if plan.kind == "median" else numbers.MISSING
    first, last = _text(plan, min(values)), _text(plan, max(values))
    text = (first if first == last else numbers.interval(first, last)) + _unit(plan)
    open_ended = len(lines) - len(values)
    return f"{text} (not reached in {open_ended})" if open_ended and plan.kind == "median" else text


def qualifications(found: Bearing) -> tuple[str, ...]:
    """What a reader must know of the number: how far it spreads, that it is an association, where it was read."""
    plan, lines = found.synthesis.plan, found.lines
    notes: list[str] = []
    fit = found.pool.fit if found.pool else None
    if fit is not None:
        low, high = fit.effect_pi
        if math.isfinite(low) and math.isfinite(high):
            spread = numbers.interval(_text(plan, low), _text(plan, high)) + _unit(plan)
            notes.append(f"{numbers.percent(plan.level)}% prediction interval {spread}")
    elif found.pool and found.pool.remark and len(lines) > 1:
        notes.append(_sentence(found.pool.remark))
    if len(lines) == 1 and lines[0].interval == "wilson":
        notes.append("interval computed from the number of patients, not printed")
    if found.class_pool and found.class_pool.fit and plan.kind == "survival_at":
        notes.append(f"all arms of the class pooled: {_pooled(plan, found.class_pool.fit)}")
    if plan.kind == "survival_at" or not plan.randomised_only:
        notes.append("association: patients differ between treatments")
    notes += _reading(lines)
    return tuple(notes)


def _reading(lines: Sequence[Line]) -> list[str]:
    second = sum(line.second_hand for line in lines)
    said = {
        "a": "adjusted",
        "i": "progression as read by the investigators",
        "m": "matched patients",
        "t": "time to progression, deaths not counted",
    }
    notes = []
    for mark, words in said.items():
        n = sum(mark in line.marks for line in lines)
        if n:
            notes.append(f"{words} in {n} of {len(lines)}" if len(lines) > 1 else words)
    if second:
        notes.append(f"read second hand: {second} of {some(len(lines), 'value')}")
    return notes


def beside_it(found: Bearing) -> str:
    """The analysis as a note of a row whose effect is another one."""
    plan = found.synthesis.plan
    inside = {"hazard_ratio": rests_on(found), "survival_at": f"{rests_on(found)}; association"}
    words = f"{effect(found)} ({inside.get(plan.kind, some(len(found.lines), 'value') + ' listed')}"
    if plan.kind == "hazard_ratio" and not plan.randomised_only:
        words += "; association, not randomised"
    if plan.kind == "hazard_ratio" and len(found.lines) == 1 and found.lines[0].remark:
        words += f"; {found.lines[0].remark}"
    return f"{words})"


def _sentence(text: str) -> str:
    return text[:1].lower() + text[1:].rstrip(".") if text else text
