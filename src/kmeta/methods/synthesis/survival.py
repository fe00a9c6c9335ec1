"""Survival at a fixed time, pooled by treatment class."""

from __future__ import annotations

import math
from dataclasses import replace

from kmeta.core.errors import InputError
from kmeta.core.numbers import percent
from kmeta.methods.selection import DEFAULT, Policy, Row, Selection, select_survival
from kmeta.methods.synthesis.comparisons import direct_pools
from kmeta.methods.synthesis.lines import in_order, labels, survival_line
from kmeta.methods.synthesis.models import fit_lines, is_nested, weighted, why_not_pooled
from kmeta.methods.synthesis.published import published_lines
from kmeta.methods.synthesis.result import Line, Pool, Synthesis
from kmeta.methods.synthesis.sensitivity import sensitivity
from kmeta.methods.synthesis.wording import listed, model_words, plural, sentence
from kmeta.review.evidence import Evidence
from kmeta.review.protocol import Analysis, Protocol
from kmeta.review.study import CLASS_TITLES, TREATMENT_CLASSES

MEASURE = "PLO"  # the logit of a proportion, as in metafor
# What these rules leave out is still shown under its pool, hollow.
_SHOWN = ("completers_only", "matched", "overlap")


def synthesise_survival(
    evidence: Evidence, protocol: Protocol, analysis: Analysis, policy: Policy = DEFAULT
) -> Synthesis:
    """Pool the survival probabilities that answer `analysis`, class by class; no pool over classes, no test.

    Random effects on the logit with effective sample sizes; arms within studies where a study gives several. One arm
    is shown as printed, two are not pooled. Every value of the evidence is a line, excluded or out of scope.
    Raises InputError where the analysis names no time or a value names an arm that is not there.
    """
    if analysis.time_months is None:
        raise InputError(
            "no time is planned", where=f"analysis {analysis.name}", hint="give time_months, 60 for 5 years"
        )
    question = _Question(evidence, protocol, analysis)
    selection = question.selection(policy)
    pools = tuple(question.pool(name, policy) for name in question.classes(policy))
    nested = any(is_nested(pool.lines) for pool in pools)
    return Synthesis(
        plan=analysis,
        measure=MEASURE,
        title=analysis.title or f"{' or '.join(analysis.outcomes)} at {analysis.time_months:g} months",
        pools=pools,
        excluded=selection.excluded,
        out_of_scope=selection.out_of_scope,
        model=model_words("the logit of survival", "arm", analysis, policy, nested=nested),
        notes=_notes(pools, evidence),
        direct=direct_pools(evidence, protocol, analysis, policy),
        policy=policy,
    )


class _Question:
    """The analysis on its evidence; each policy's selection is made once."""

    def __init__(self, evidence: Evidence, protocol: Protocol, analysis: Analysis) -> None:
        self.evidence, self.protocol, self.analysis = evidence, protocol, analysis
        self.labels = labels(evidence)
        self.known: dict[Policy, Selection[Row]] = {}

    def selection(self, policy: Policy) -> Selection[Row]:
        if policy not in self.known:
            self.known[policy] = select_survival(self.evidence, self.protocol, self.analysis, policy)
        return self.known[policy]

    def classes(self, policy: Policy) -> tuple[str, ...]:
        found = {row.pool for row in self.selection(policy).kept}
        return self.analysis.classes or tuple(name for name in TREATMENT_CLASSES if name in found)

    def lines(self, name: str, policy: Policy) -> tuple[Line, ...]:
        rows = [row for row in self.selection(policy).kept if row.pool == name]
        return in_order(survival_line(row, self.labels, self.analysis, policy) for row in rows)

    def apart(self, name: str, policy: Policy) -> tuple[Line, ...]:
        shown = []
        for row, rule, why in self.selection(policy).rows_excluded:
            if row.pool == name and rule in _SHOWN:
                line = survival_line(row, self.labels, self.analysis, policy, remark=why)
                shown.append(_without_size(line) if rule == "matched" else line)
        return in_order(shown)

    def pool(self, name: str, policy: Policy) -> Pool:
        lines, apart = self.lines(name, policy), self.apart(name, policy)
        remark = why_not_pooled(lines, lambda p: percent(p) + "%", "arm")
        fit = None if remark else fit_lines(lines, MEASURE, self.analysis, policy)
        return Pool(
            name=name,
            title=CLASS_TITLES[name],
            treatment_class=name,
            lines=weighted(lines, fit) if fit else lines,
            apart=apart,
            apart_title="Left out, shown for comparison" if apart else "",
            fit=fit,
            remark=remark or _warning(lines),
            sensitivity=sensitivity(
                lines, MEASURE, self.analysis, policy, lines_of=lambda other: self.lines(name, other)
            ),
            published=published_lines(self.evidence, self.protocol, self.analysis, name),
        )


def _without_size(line: Line) -> Line:
    """The line without what was had from the arm's n, which is not that of the patients of the figure."""
    bare = replace(line, n=None, vi=math.nan, n_effective=None, basis="")
    return bare if line.interval == "published" else replace(bare, ci_low=None, ci_high=None, interval="none")


def _warning(lines: tuple[Line, ...]) -> str:
    studies = {line.study_id for line in lines}
    if len(studies) == 2:
        return f"{len(lines)} arms of two studies only: the interval says little"
    return ""


def _notes(pools: tuple[Pool, ...], evidence: Evidence) -> tuple[str, ...]:
    lines = [line for pool in pools for line in pool.lines]
    notes = [
        "Classes differ in who gets them: a difference between classes is an association, not an effect of treatment,"
        " and no test between classes is made."
    ]
    bare = [line for line in lines if line.basis.startswith("n of the arm")]
    if bare:
        notes.append(
            f"For {len(bare)} of {plural(len(lines), 'arm')} neither an interval nor a number at risk is printed: n"
            " stands in for the effective sample, censoring is ignored, and their intervals are too narrow."
        )
    second = [line for line in lines if line.second_hand]
    if second:
        n = sum(line.n or 0 for line in second)
        notes.append(
            f"{len(second)} of {plural(len(lines), 'arm')} ({plural(n, 'patient')}) were read in another paper's table,"
            " not in the study's own report."
        )
    undated = sorted({line.label for line in lines if line.year is None})
    if undated:
        said = "Year of publication not printed, kept although the window of years cannot be checked"
        notes.append(sentence(f"{said}: {listed(undated)}"))
    inferred = sorted({line.label for line in lines if "inferred" in line.remark})
    if inferred:
        notes.append(sentence(f"Of whom the figure is was inferred, not printed: {listed(inferred)}"))
    return (*notes, *_possible(pools, evidence))


def _possible(pools: tuple[Pool, ...], evidence: Evidence) -> tuple[str, ...]:
    """Pairs in one pool that may share patients."""
    found = set()
    for pool in pools:
        label = {line.study_id: line.label for line in pool.lines}
        for pair in evidence.overlaps:
            if pair.strength == "possible" and pair.study_a in label and pair.study_b in label:
                found.add(" and ".join(sorted((label[pair.study_a], label[pair.study_b]))))
    if not found:
        return ()
    return (sentence(f"May share patients, both kept: {'; '.join(sorted(found))}"),)
