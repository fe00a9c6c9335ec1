"""Our pooled value beside an earlier review's, and why the two differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kmeta.core.numbers import decimal, percent
from kmeta.methods.meta import MetaFit
from kmeta.methods.synthesis.result import Pool, Sensitivity, Synthesis
from kmeta.methods.synthesis.sensitivity import ALL_YEARS, COMPLETERS_KEPT, FIRST_HAND, OVERLAPS_KEPT
from kmeta.methods.synthesis.wording import listed, plural
from kmeta.review.estimate import PublishedResult
from kmeta.review.evidence import Evidence
from kmeta.review.protocol import Analysis, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class BesidePublished:
    """One line of the side-by-side table. `reasons` are written from the data, never general talk.

    `difference` is ours minus theirs on the scale people read (a probability: 0.07 is 7 points).
    """

    analysis: str
    title: str
    treatment_class: str
    pool: Pool | None
    published: PublishedResult
    difference: float | None = None
    published_inside_ci: bool | None = None
    published_inside_pi: bool | None = None
    reasons: tuple[str, ...] = ()


def published_lines(
    evidence: Evidence, protocol: Protocol, analysis: Analysis, treatment_class: str
) -> tuple[PublishedResult, ...]:
    """The results of earlier reviews that the protocol puts beside one class of one analysis."""
    return tuple(
        result
        for line in protocol.compare_with
        if line.analysis == analysis.name and line.treatment_class == treatment_class
        for result in evidence.published
        if result.review == line.review and result.question == line.question
    )


def beside_published(
    evidence: Evidence, protocol: Protocol, syntheses: Sequence[Synthesis]
) -> tuple[BesidePublished, ...]:
    """Each published line of the protocol with our pool, the difference, and reasons from the data.

    In the protocol's order. A line whose analysis was not done or has no such pool stands with `pool` None; one whose
    published row is not in the evidence is left out here (a check of the protocol reports it).
    """
    done = {synthesis.name: synthesis for synthesis in syntheses}
    found = []
    for line in protocol.compare_with:
        synthesis = done.get(line.analysis)
        pools = synthesis.pools if synthesis else ()
        pool = next((p for p in pools if p.treatment_class == line.treatment_class), None)
        for result in evidence.published:
            if (result.review, result.question) == (line.review, line.question):
                found.append(_beside(line.analysis, line.treatment_class, synthesis, pool, result, protocol))
    return tuple(found)


def _beside(
    name: str,
    treatment_class: str,
    synthesis: Synthesis | None,
    pool: Pool | None,
    result: PublishedResult,
    protocol: Protocol,
) -> BesidePublished:
    theirs, ours = number(result), _ours(pool)
    fit = pool.fit if pool else None
    one = pool.lines[0] if pool and len(pool.lines) == 1 else None
    interval = fit.effect_ci if fit else (one.ci_low, one.ci_high) if one else (None, None)
    return BesidePublished(
        analysis=name,
        title=result.question,
        treatment_class=treatment_class,
        pool=pool,
        published=result,
        difference=ours - theirs if ours is not None and theirs is not None else None,
        published_inside_ci=_inside(theirs, *interval),
        published_inside_pi=_inside(theirs, *fit.effect_pi) if fit else None,
        reasons=tuple(_reasons(synthesis, pool, result, protocol)) if synthesis and pool else (),
    )


def number(result: PublishedResult) -> float | None:
    """The published estimate on our scale: percent become probabilities; None where it is no single number.

    >>> number(PublishedResult(review="r", question="q", measure="percent", estimate="36.2"))
    0.362
    """
    try:
        value = float(result.estimate)
    except ValueError:
        return None
    return round(value / 100, 12) if result.measure == "percent" else value


def _ours(pool: Pool | None) -> float | None:
    if pool is None:
        return None
    if pool.fit:
        return pool.fit.effect
    return pool.lines[0].estimate if len(pool.lines) == 1 else None


def _inside(value: float | None, low: float | None, high: float | None) -> bool | None:
    if value is None or low is None or high is None or low != low or high != high:
        return None
    return low <= value <= high


def _reasons(synthesis: Synthesis, pool: Pool, result: PublishedResult, protocol: Protocol) -> Iterator[str]:
    yield from _evidence(pool, result)
    yield from _how_they_pooled(result)
    yield from _left_out(synthesis, pool)
    yield from _second_hand(pool)
    yield from _window(synthesis, pool, protocol)
    yield from _spread(pool, result)
    yield from _weights(pool)
    yield from _outcome(synthesis, result)


def _evidence(pool: Pool, result: PublishedResult) -> Iterator[str]:
    ours = (
        f"Ours rests on {plural(len(pool.lines), 'arm')} of {plural(pool.k_studies, 'study')} with"
        f" {plural(pool.n_patients, 'patient')}"
    )
    if result.n_studies is not None:
        theirs = f"the earlier review on {plural(result.n_studies, 'study')}"
        if result.n_patients is not None:
            theirs += f" with {plural(result.n_patients, 'patient')}"
    elif result.n_patients is not None:
        theirs = f"the earlier review names {plural(result.n_patients, 'patient')} and no number of studies"
    else:
        theirs = "how many studies and patients the earlier figure rests on is not printed"
    yield f"{ours}; {theirs}. Its list of studies is not in our data: which of them differ cannot be told."
    if pool.remark and pool.fit is None:
        yield f"Ours is not pooled: {pool.remark}."


def _how_they_pooled(result: PublishedResult) -> Iterator[str]:
    lacking = []
    if result.ci_low is None or result.ci_high is None:
        lacking.append("no interval")
    if not result.model or "not stated" in result.model:
        lacking.append("no model")
    if lacking:
        yield f"The earlier figure is printed with {listed(lacking)}: how precise it is cannot be told."
    if result.note:
        yield f"Read with care: {result.note}."


def _left_out(synthesis: Synthesis, pool: Pool) -> Iterator[str]:
    """What our rules removed from this class and what keeping it would give."""
    words = {
        "overlap": ("for shared patients", OVERLAPS_KEPT),
        "completers_only": ("for counting completers only", COMPLETERS_KEPT),
        "matched": ("for figures of matched patients without their n", ""),
        "n_missing": ("for want of a number of patients", ""),
        "time_origin": ("for another time origin", ""),
        "subgroup": ("as subgroups of an arm", ""),
    }
    for rule, (why, label) in words.items():
        gone = [e for e in synthesis.excluded if e.rule == rule and e.treatment_class == pool.treatment_class]
        if not gone:
            continue
        values = [e.estimate for e in gone if e.estimate is not None]
        shown = f" ({_range(values)})" if values else ""
        yield f"We left out {plural(len(gone), 'value')} {why}{shown}{_would_give(pool, label)}."


def _would_give(pool: Pool, label: str) -> str:
    row = _sensitivity(pool, label)
    return f"; with them ours would be {_value(row.fit)}" if row and row.fit and pool.fit else ""


def _second_hand(pool: Pool) -> Iterator[str]:
    second = [line for line in pool.lines if line.second_hand]
    if not second:
        return
    n = sum(line.n or 0 for line in second)
    row = _sensitivity(pool, FIRST_HAND)
    if row is None:
        then = ""
    elif row.fit:
        then = f"; without them ours would be {_value(row.fit)}"
    else:
        then = f"; without them {plural(row.k, 'arm')} would remain"
    yield (
        f"{len(second)} of our {plural(len(pool.lines), 'arm')} ({n:,} of {plural(pool.n_patients, 'patient')}) were"
        f" read in another paper's table, not in the study's own report{then}."
    )


def _window(synthesis: Synthesis, pool: Pool, protocol: Protocol) -> Iterator[str]:
    plan, window = synthesis.plan, protocol.eligibility
    widened = (plan.year_from, plan.year_to) != (None, None) and (
        plan.year_from not in (None, window.year_from) or plan.year_to not in (None, window.year_to)
    )
    if widened:
        yield (
            f"This analysis takes studies of {plan.year_from or window.year_from or 'any year'} to"
            f" {plan.year_to or window.year_to or 'any year'}, the protocol's window is {window.year_from or 'open'} to"
            f" {window.year_to or 'open'}."
        )
    row = _sensitivity(pool, ALL_YEARS)
    if row and row.fit:
        yield f"With all years of publication ours would be {_value(row.fit)} ({plural(row.k, 'arm')})."
    undated = sorted({line.label for line in pool.lines if line.year is None})
    if undated:
        yield f"The year of {listed(undated)} is not printed: whether the window holds them cannot be checked."


def _spread(pool: Pool, result: PublishedResult) -> Iterator[str]:
    values = [line.estimate for line in pool.lines]
    if len(values) < 2:
        return
    said = f"Our single arms range from {percent(min(values))}% to {percent(max(values))}%"
    theirs = number(result)
    fit = pool.fit
    if theirs is not None:
        below = sum(value < theirs for value in values)
        said += f", {below} of {len(values)} below the earlier figure"
    if fit and fit.effect_pi[0] == fit.effect_pi[0]:
        low, high = fit.effect_pi
        said += f"; the prediction interval ({percent(low)}% to {percent(high)}%)"
        said += "" if theirs is None else " holds it" if low <= theirs <= high else " does not hold it"
    yield said + "."


def _weights(pool: Pool) -> Iterator[str]:
    if not pool.fit:
        return
    share: dict[str, float] = {}
    for line in pool.lines:
        share[line.label] = share.get(line.label, 0.0) + (line.weight or 0.0)
    top = sorted(share.items(), key=lambda item: (-item[1], item[0]))[:2]
    said = f"{listed([f'{label} ({decimal(w, 0)}%)' for label, w in top])} carry most weight in ours"
    ends = [row for row in pool.sensitivity if "leaving one study out" in row.label and row.fit]
    if len(ends) == 2:
        low, high = (row.fit.effect for row in ends if row.fit)
        said += f"; leaving out one study at a time gives {percent(low, 1)}% to {percent(high, 1)}%"
    yield said + "."


def _outcome(synthesis: Synthesis, result: PublishedResult) -> Iterator[str]:
    if synthesis.plan.outcomes == ("OS",):
        return
    mine = f"{' or '.join(synthesis.plan.outcomes)} at {synthesis.plan.time_months or 0:g} months"
    yield f"Ours is {mine}; the earlier figure is called “{result.question}”."


def _sensitivity(pool: Pool, label: str) -> Sensitivity | None:
    return next((row for row in pool.sensitivity if row.label == label), None) if label else None


def _value(fit: MetaFit) -> str:
    low, high = fit.effect_ci
    return f"{percent(fit.effect, 1)}% ({percent(low, 1)}% to {percent(high, 1)}%)"


def _range(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{percent(low)}%" if low == high else f"{percent(low)}% to {percent(high)}%"
