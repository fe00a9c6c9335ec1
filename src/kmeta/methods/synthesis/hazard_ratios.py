"""Hazard ratios of trials, by group of treatments and overall."""

from __future__ import annotations

from dataclasses import replace

from kmeta.core.errors import InputError
from kmeta.core.numbers import decimal, p_phrase, ratio
from kmeta.methods.meta import random_effects
from kmeta.methods.selection import DEFAULT, Contrast, Policy, Selection, select_trials
from kmeta.methods.selection.contrasts import sides
from kmeta.methods.selection.rows import Asked
from kmeta.methods.synthesis.lines import in_order, labels, ratio_line
from kmeta.methods.synthesis.models import fit_lines, weighted, why_not_pooled
from kmeta.methods.synthesis.result import Line, Pool, SubgroupTest, Synthesis
from kmeta.methods.synthesis.sensitivity import TRIALS, sensitivity
from kmeta.methods.synthesis.wording import listed, model_words, plural, sentence
from kmeta.review.evidence import Evidence
from kmeta.review.protocol import Analysis, Protocol, Treatment

MEASURE = "HR"
_SHOWN = ("no_interval",)


def synthesise_hazard_ratios(
    evidence: Evidence, protocol: Protocol, analysis: Analysis, policy: Policy = DEFAULT
) -> Synthesis:
    """Pool the hazard ratios of the trials that compare an experimental with a control treatment of `analysis`.

    On the log scale, standard errors from the printed intervals; one ratio a trial (`one_ratio_per_trial` says which);
    pools by `Treatment.group` and overall. Two trials of a group are shown without a pooled value and count overall.
    Raises InputError where the plan names a treatment that the protocol does not have.
    """
    _check(protocol, analysis)
    question = _Question(evidence, protocol, analysis)
    selection = question.selection(policy)
    pools = tuple(question.pool(group, policy) for group in question.groups(policy))
    overall = question.pool("", policy)
    test = subgroup_test(pools, analysis, policy) if overall.fit else None
    return Synthesis(
        plan=analysis,
        measure=MEASURE,
        title=analysis.title or f"Hazard ratio, {' or '.join(analysis.outcomes)}",
        pools=pools,
        overall=overall,
        excluded=selection.excluded,
        out_of_scope=selection.out_of_scope,
        model=model_words("the log hazard ratio", unit_of(analysis), analysis, policy),
        notes=_notes(overall, test, evidence, unit_of(analysis)),
        subgroup_test=test,
        policy=policy,
    )


def unit_of(analysis: Analysis) -> str:
    """What a line stands for, in words."""
    return "trial" if analysis.randomised_only else "study"


def _check(protocol: Protocol, analysis: Analysis) -> None:
    known = {treatment.name for treatment in protocol.treatments}
    for name in (*analysis.experimental, *analysis.control):
        if name not in known:
            raise InputError(
                f"no treatment is named {name!r}",
                where=f"analysis {analysis.name}",
                hint="the protocol has " + (", ".join(sorted(known)) or "none"),
            )


class _Question:
    """The analysis on its evidence; each policy's selection is made once. The group "" is all of them."""

    def __init__(self, evidence: Evidence, protocol: Protocol, analysis: Analysis) -> None:
        self.evidence, self.protocol, self.analysis = evidence, protocol, analysis
        self.labels = labels(evidence)
        self.known: dict[Policy, Selection[Contrast]] = {}

    def asked(self, policy: Policy) -> Asked:
        return Asked(evidence=self.evidence, protocol=self.protocol, analysis=self.analysis, policy=policy)

    def selection(self, policy: Policy) -> Selection[Contrast]:
        if policy not in self.known:
            self.known[policy] = select_trials(self.evidence, self.protocol, self.analysis, policy)
        return self.known[policy]

    def group(self, row: Contrast, policy: Policy) -> str:
        found = sides(row, self.asked(policy))
        return _group(found[0]) if found else ""

    def groups(self, policy: Policy) -> tuple[str, ...]:
        """In the order in which the protocol names its treatments."""
        found = {self.group(row, policy) for row in self.selection(policy).kept}
        return tuple(dict.fromkeys(g for t in self.protocol.treatments if (g := _group(t)) in found))

    def lines(self, group: str, policy: Policy) -> tuple[Line, ...]:
        rows = [row for row in self.selection(policy).kept if group in ("", self.group(row, policy))]
        return in_order(
            _marked(ratio_line(row, self.labels, self.asked(policy)), self.analysis) for row in rows
        )

    def apart(self, policy: Policy) -> tuple[Line, ...]:
        """Trials whose only ratio has no interval; a trial that has a line is not shown a second time."""
        counted = {line.study_id for line in self.lines("", policy)}
        return in_order(
            ratio_line(row, self.labels, self.asked(policy), remark=why)
            for row, rule, why in self.selection(policy).rows_excluded
            if rule in _SHOWN and row.study.study_id not in counted
        )

    def pool(self, group: str, policy: Policy) -> Pool:
        lines = self.lines(group, policy)
        remark = why_not_pooled(lines, ratio, unit_of(self.analysis))
        fit = None if remark else fit_lines(lines, MEASURE, self.analysis, policy)
        apart = self.apart(policy) if not group else ()
        return Pool(
            name=group or "overall",
            title=group or f"All {plural(len(lines), unit_of(self.analysis))}",
            lines=weighted(lines, fit) if fit else lines,
            apart=apart,
            apart_title="Printed without an interval, not pooled" if apart else "",
            fit=fit,
            remark=remark,
            sensitivity=sensitivity(
                lines,
                MEASURE,
                self.analysis,
                policy,
                lines_of=lambda other: self.lines(group, other),
                variations=TRIALS,
            ),
        )


def _group(treatment: Treatment) -> str:
    return treatment.group or treatment.name


def _marked(line: Line, plan: Analysis) -> Line:
    """Without the mark of an outcome that the plan names first: then it is no other one."""
    expected = plan.outcomes[:1] == ("TTP",)
    return replace(line, marks=tuple(mark for mark in line.marks if mark != "t")) if expected else line


def subgroup_test(pools: tuple[Pool, ...], plan: Analysis, policy: Policy) -> SubgroupTest | None:
    """Whether the groups differ: Q of a meta-regression on them, one between-trial variance for all.

    None with fewer than two groups or no more trials than groups. Source: Borenstein & Higgins 2013,
    doi:10.1007/s11121-013-0377-7.
    """
    lines = [line for pool in pools for line in pool.lines]
    if len(pools) < 2 or len(lines) <= len(pools):
        return None
    fit = random_effects(
        [line.yi for line in lines],
        [line.vi for line in lines],
        measure=MEASURE,
        tau2=policy.tau2 or plan.tau2,
        test="z",
        mods={pool.name: [float(line in pool.lines) for line in lines] for pool in pools[1:]},
        level=plan.level,
    )
    return SubgroupTest(
        q=fit.qm, df=int(fit.qm_df[0]), p=fit.qm_p, basis="one between-trial variance for all groups"
    )


def _notes(overall: Pool, test: SubgroupTest | None, evidence: Evidence, unit: str) -> tuple[str, ...]:
    notes = []
    if test:
        notes.append(
            f"Between groups: Q = {decimal(test.q, 1)}, df = {test.df}, {p_phrase(test.p)}; groups are not randomised"
            " against each other."
        )
    free = sorted(line.label for line in overall.lines if not evidence.study[line.study_id].randomised)
    if free:
        notes.append(sentence(f"Not randomised, so associations even where adjusted: {listed(free)}"))
    other = sorted(line.label for line in overall.lines if "t" in line.marks)
    if other:
        notes.append(sentence(f"Time to progression counts with the other outcome asked: {listed(other)}"))
    local = sorted(line.label for line in overall.lines if "i" in line.marks)
    if local:
        notes.append(sentence(f"Progression was assessed by the investigators: {listed(local)}"))
    second = [line for line in overall.lines if line.second_hand]
    if second:
        notes.append(
            f"{len(second)} of {plural(len(overall.lines), unit)} were read elsewhere than in the {unit}'s own report."
        )
    return tuple(notes)
