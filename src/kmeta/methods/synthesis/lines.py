"""Rows of the evidence as lines of a forest plot."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from kmeta.methods.effects import wilson
from kmeta.methods.selection import Contrast, Policy, Row
from kmeta.methods.selection.contrasts import sides
from kmeta.methods.selection.estimates import is_matched
from kmeta.methods.selection.reported import events_printed
from kmeta.methods.selection.rows import Asked
from kmeta.methods.synthesis.precision import of_ratio, of_survival
from kmeta.methods.synthesis.result import Line
from kmeta.review.evidence import Evidence
from kmeta.review.protocol import Analysis
from kmeta.review.study import Study

Labels = dict[str, str]


def labels(evidence: Evidence) -> Labels:
    """study_id -> `Chen 1998`; the key is added where two studies would read the same."""
    taken = Counter(study.label for study in evidence.studies)
    return {s.study_id: _label(s, taken[s.label] > 1) for s in evidence.studies}


def _label(study: Study, shared: bool) -> str:
    if not shared or study.study_id in study.label:
        return study.label
    name, _, year = study.label.rpartition(" ")
    return f"{name} ({study.study_id}) {year}"


def in_order(lines: Iterable[Line]) -> tuple[Line, ...]:
    """By year (not printed: last), then label, arm and value."""
    return tuple(sorted(lines, key=lambda x: (x.year is None, x.year or 0, x.label, x.arm_id, repr(x))))


def survival_line(row: Row, named: Labels, plan: Analysis, policy: Policy, remark: str = "") -> Line:
    """A survival probability as a line: the printed interval, else Wilson's on the effective sample."""
    e = row.estimate
    known = of_survival(e, row.arm.n, sample=policy.sample)
    low, high, interval = e.ci_low, e.ci_high, "published"
    if low is None or high is None:
        low, high, interval = None, None, "none"
        if e.value is not None and known.n_effective:
            low, high = wilson(e.value, known.n_effective, plan.level)
            interval = "wilson"
    return Line(
        study_id=row.study.study_id,
        arm_id=row.arm.arm_id,
        label=named[row.study.study_id],
        year=row.study.year,
        treatment=row.arm.treatment,
        n=row.arm.n,
        estimate=math.nan if e.value is None else e.value,
        ci_low=low,
        ci_high=high,
        yi=known.yi,
        vi=known.vi,
        interval=interval,
        n_effective=known.n_effective,
        basis=known.basis,
        marks=_arm_marks(row),
        remark=remark or _remark(row, plan),
        source=e.source,
        location=e.location,
        second_hand=e.second_hand,
    )


def months_line(row: Row, named: Labels, plan: Analysis, remark: str = "") -> Line:
    """A median (or mean) survival time as a line, in months; NaN where it was not reached. Never pooled."""
    e = row.estimate
    said = [remark.rstrip(".")] if remark else []
    if e.value is None:
        said.append("not reached" if "median_not_reached" in row.said or not e.flag else e.flag)
    elif e.ci_low is not None and e.ci_high is None:
        said.append("upper limit not reached")
    said += [word for code, word in _MEDIAN_WORDS if code in row.said]
    if len(plan.outcomes) > 1:
        said.insert(0, e.outcome)
    return Line(
        study_id=row.study.study_id,
        arm_id=row.arm.arm_id,
        label=named[row.study.study_id],
        year=row.study.year,
        treatment=row.arm.treatment,
        n=row.arm.n,
        estimate=math.nan if e.value is None else e.value,
        ci_low=e.ci_low,
        ci_high=e.ci_high,
        yi=math.nan,
        vi=math.nan,
        interval="none" if e.ci_low is None and e.ci_high is None else "published",
        marks=_arm_marks(row),
        remark="; ".join(said),
        source=e.source,
        location=e.location,
        second_hand=e.second_hand,
    )


_MEDIAN_WORDS = (
    ("extrapolated", "beyond the follow-up of the study"),
    ("range_not_interval", "the bracketed figures are a range, not an interval"),
    ("interval_type_unknown", "the kind of interval is not stated"),
    ("open_extension", "includes an open-label extension"),
    ("derived_unit", "converted from another unit"),
    ("origin_implied", "time origin implied, not printed"),
)


def _arm_marks(row: Row) -> tuple[str, ...]:
    e = row.estimate
    marks = ("m",) * is_matched(row) + ("t",) * (e.outcome == "TTP")
    return tuple(marks)


def _remark(row: Row, plan: Analysis) -> str:
    e = row.estimate
    said = []
    if row.study.year is None:
        said.append("year not printed")
    if "denominator_inferred" in row.said:
        said.append("of whom is not printed: inferred")
    if "origin_implied" in row.said:
        said.append("time origin implied, not printed")
    if e.time_months is not None and plan.time_months is not None and e.time_months != plan.time_months:
        said.append(f"printed for {e.time_months:g} months")
    if len(plan.outcomes) > 1:
        said.append(e.outcome)
    return "; ".join(said)


def ratio_line(row: Contrast, named: Labels, asked: Asked, remark: str = "") -> Line:
    """A hazard ratio of experimental against control as a line; turned round where the arms are the other way."""
    c = row.comparison
    found = sides(row, asked)
    turn = bool(found and found[2])
    known = of_ratio(c, from_p=asked.analysis.widths_from_p)
    active, control = (row.arm_b, row.arm_a) if turn else (row.arm_a, row.arm_b)
    low, high, interval = c.ci_low, c.ci_high, "published"
    estimate = c.estimate if c.estimate is not None else math.nan
    if turn:
        estimate = 1 / estimate if estimate else math.nan
        low, high = (1 / high if high else None), (1 / low if low else None)
    if low is None or high is None:
        low, high, interval = None, None, "none"
    events = events_printed(c)
    said = [remark] if remark else [text for text in (c.adjustment, c.flag) if text]
    if known.route == "d" and not remark:
        said.append(f"width derived from P = {c.p_value.strip()}")
    return Line(
        study_id=row.study.study_id,
        arm_id=f"{active.arm_id} v {control.arm_id}",
        label=named[row.study.study_id],
        year=row.study.year,
        treatment=active.treatment,
        control=control.treatment,
        n=active.n,
        n_control=control.n,
        events=sum(events) if events else None,
        estimate=estimate,
        ci_low=low,
        ci_high=high,
        yi=-known.yi if turn else known.yi,
        vi=known.vi,
        interval=interval,
        basis=known.basis + ("; turned round" if turn else ""),
        marks=ratio_marks(row, known.route),
        remark="; ".join(said),
        source=c.source,
        location=c.location,
        second_hand=c.second_hand,
    )


def ratio_marks(row: Contrast, route: str = "") -> tuple[str, ...]:
    """Source marks: a adjusted or stratified, d width from p, i investigator, m matched, p from p and events, t TTP."""
    text = f"{row.comparison.adjustment} {row.comparison.flag}".casefold()
    plain = any(word in text for word in ("unadjusted", "univaria", "crude"))
    adjusted = not plain and any(word in text for word in ("stratif", "adjust", "multivaria", "propensity"))
    marks = [
        ("a", adjusted),
        ("d", route == "d"),
        ("i", "local_review" in row.said),
        ("m", "matched_subset" in row.said),
        ("p", route == "p"),
        ("t", row.comparison.outcome == "TTP"),
    ]
    return tuple(mark for mark, used in marks if used)


def share(lines: Sequence[Line]) -> int:
    """How many of the lines were read second hand."""
    return sum(line.second_hand for line in lines)
