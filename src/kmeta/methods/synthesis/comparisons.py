"""Direct comparisons of two treatment classes: listed beside the single-arm figures, never pooled with them."""

from __future__ import annotations

import math

from kmeta.core.numbers import ratio
from kmeta.methods.selection import DEFAULT, Contrast, Policy, select_comparisons
from kmeta.methods.selection.rows import percent_words, ratio_words
from kmeta.methods.synthesis.lines import Labels, in_order, labels, ratio_marks
from kmeta.methods.synthesis.precision import of_ratio
from kmeta.methods.synthesis.result import Line, Pool, Synthesis
from kmeta.review.estimate import Comparison, Estimate
from kmeta.review.evidence import Evidence
from kmeta.review.protocol import Analysis, Protocol
from kmeta.review.study import CLASS_TITLES, TREATMENT_CLASSES, Arm

REMARK = "listed, not pooled: designs and measures differ"
_TESTS = {"logrank_p": "log-rank test", "cox_p": "Cox model, estimate not printed"}


def synthesise_comparisons(
    evidence: Evidence, protocol: Protocol, analysis: Analysis, policy: Policy = DEFAULT
) -> Synthesis:
    """All comparisons of arms of two treatment classes, of the outcomes of `analysis`, by pair of classes.

    Each line has the printed ratio (NaN where only a p value is printed); its remark gives design, adjustment,
    direction and the survival of both arms in words. Nothing is pooled.
    """
    selection = select_comparisons(evidence, protocol, analysis, policy)
    return Synthesis(
        plan=analysis,
        measure="comparison",
        title=analysis.title or f"Direct comparisons of treatment classes: {' or '.join(analysis.outcomes)}",
        pools=direct_pools(evidence, protocol, analysis, policy),
        excluded=selection.excluded,
        out_of_scope=selection.out_of_scope,
        model="Listed as printed; nothing is pooled.",
        notes=(
            "Direct comparisons within one study bear more on the question than a difference between pools of single"
            " arms; none of them was randomised unless its design says so.",
        ),
        policy=policy,
    )


def direct_pools(
    evidence: Evidence, protocol: Protocol, analysis: Analysis, policy: Policy = DEFAULT
) -> tuple[Pool, ...]:
    """The comparisons of two treatment classes, one pool of hollow lines for each pair of classes."""
    named = labels(evidence)
    rows = select_comparisons(evidence, protocol, analysis, policy).kept
    pairs = sorted(
        {_pair(row) for row in rows}, key=lambda pair: [TREATMENT_CLASSES.index(name) for name in pair]
    )
    return tuple(
        Pool(
            name=" v ".join(pair),
            title=" or ".join((CLASS_TITLES[pair[0]], _lower(CLASS_TITLES[pair[1]]))),
            lines=in_order(_line(row, named, evidence, analysis) for row in rows if _pair(row) == pair),
            remark=REMARK,
        )
        for pair in pairs
    )


def _pair(row: Contrast) -> tuple[str, str]:
    one, other = sorted((row.arm_a.treatment_class, row.arm_b.treatment_class), key=TREATMENT_CLASSES.index)
    return one, other


def _line(row: Contrast, named: Labels, evidence: Evidence, plan: Analysis) -> Line:
    c = row.comparison
    is_ratio = c.measure == "HR" and c.estimate is not None
    known = of_ratio(c) if is_ratio else None
    limits = is_ratio and c.ci_low is not None and c.ci_high is not None
    return Line(
        study_id=row.study.study_id,
        arm_id=f"{row.arm_a.arm_id} v {row.arm_b.arm_id}",
        label=named[row.study.study_id],
        year=row.study.year,
        treatment=row.arm_a.treatment,
        control=row.arm_b.treatment,
        n=row.arm_a.n,
        n_control=row.arm_b.n,
        estimate=c.estimate if is_ratio and c.estimate is not None else math.nan,
        ci_low=c.ci_low if limits else None,
        ci_high=c.ci_high if limits else None,
        yi=known.yi if known else math.nan,
        vi=known.vi if known else math.nan,
        interval="published" if limits else "none",
        marks=ratio_marks(row) if is_ratio else (),
        remark=_words(row, evidence, plan),
        source=c.source,
        location=c.location,
        second_hand=c.second_hand,
    )


def _words(row: Contrast, evidence: Evidence, plan: Analysis) -> str:
    c = row.comparison
    said = [f"{c.outcome}: {row.arm_a.treatment} against {row.arm_b.treatment}: {_result(c)}"]
    figures, longer = _figures(row, evidence, plan)
    if figures:
        said.append(figures)
    said.append(_direction(row, figures, longer))
    said.append(f"Design: {row.study.design or 'not stated'}; adjustment: {c.adjustment or 'not stated'}")
    said += [text[0].upper() + text[1:] for text in [c.flag] if text]
    return ". ".join(text.rstrip(".") for text in said if text) + "."


def _result(c: Comparison) -> str:
    p = f"p {c.p_value}" if c.p_value else ""
    if c.estimate is None:
        return f"{p or 'no p value printed'} ({_TESTS.get(c.measure, c.measure)})"
    if c.measure == "HR":
        return ", ".join(filter(None, [ratio_words(c), p]))
    return ", ".join(filter(None, [f"{c.measure} {ratio(c.estimate)}", p]))


def _direction(row: Contrast, figures: str, longer: Arm | None) -> str:
    """Which arm did better, from the ratio, else from the arms' own figures."""
    c = row.comparison
    if c.measure == "HR" and c.estimate is not None and c.estimate != 1:
        better = row.arm_a if c.estimate < 1 else row.arm_b
        certain = c.ci_low is not None and c.ci_high is not None and not c.ci_low <= 1 <= c.ci_high
        if c.ci_low is None or c.ci_high is None:
            return f"In favour of {better.treatment}; no interval is printed"
        return f"In favour of {better.treatment}" + ("" if certain else ", the interval includes 1")
    if longer is not None:
        return f"The figures are higher with {longer.treatment}"
    if figures:
        return "The figures are equal"
    return "" if c.estimate is not None else "Which arm did better is not printed with the p value"


def _figures(row: Contrast, evidence: Evidence, plan: Analysis) -> tuple[str, Arm | None]:
    """Survival of both arms where the study prints it: at the time asked, else the latest common, else medians."""
    mine, other = (_printed(arm, row.comparison.outcome, evidence) for arm in (row.arm_a, row.arm_b))
    common = sorted(
        {(e.time_months, e.time_origin) for e in mine if e.kind == "probability"}
        & {(e.time_months, e.time_origin) for e in other if e.kind == "probability"},
        key=lambda at: (at[0] != plan.time_months, -(at[0] or 0.0), at[1]),
    )
    if common:
        a, b = (
            next(e for e in found if (e.time_months, e.time_origin) == common[0]) for found in (mine, other)
        )
        at = f"{row.comparison.outcome} at {common[0][0]:g} months"
        return f"{at} {_share(a)} and {_share(b)}", _better(row, a, b)
    a, b = (next((e for e in found if e.kind == "median"), None) for found in (mine, other))  # type: ignore[assignment]
    if a is None or b is None:
        return "", None
    return f"Medians {a.value:.1f} and {b.value:.1f} months", _better(row, a, b)


def _printed(arm: Arm, outcome: str, evidence: Evidence) -> list[Estimate]:
    found = [
        e for e in evidence.estimates if e.key == arm.key and e.outcome == outcome and e.value is not None
    ]
    return sorted(
        found, key=lambda e: (e.kind, e.time_months or 0.0, e.time_origin, e.value or 0.0, e.flag, e.source)
    )


def _better(row: Contrast, a: Estimate, b: Estimate) -> Arm | None:
    first, second = a.value or 0.0, b.value or 0.0
    return None if first == second else row.arm_a if first > second else row.arm_b


def _share(e: Estimate) -> str:
    return percent_words(e.value or 0.0)


def _lower(title: str) -> str:
    return title[0].lower() + title[1:]
