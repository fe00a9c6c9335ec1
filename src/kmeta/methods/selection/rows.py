"""A printed value with the arm and study it belongs to, and what is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from kmeta.core.errors import InputError
from kmeta.core.numbers import months, percent, ratio
from kmeta.methods.selection.policy import Policy
from kmeta.review.estimate import Comparison, Estimate
from kmeta.review.evidence import Evidence
from kmeta.review.protocol import Analysis, Protocol
from kmeta.review.study import Arm, Study
from kmeta.review.vocabulary import meanings

# Words about a whole arm that also hold for each of its values.
_OF_THE_ARM = frozenset({"completers_only", "conditional", "grouped_by_recurrence", "immortal_time"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """One value that was looked at and left out: by which rule, in words a reader understands."""

    study_id: str
    arm_id: str
    rule: str
    reason: str
    estimate: float | None = None
    treatment_class: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The question: which analysis of which protocol, on which evidence, under which policy."""

    evidence: Evidence
    protocol: Protocol
    analysis: Analysis
    policy: Policy

    @property
    def origins(self) -> tuple[str, ...]:
        """Time origins wanted, in order of preference."""
        return self.protocol.time_origins if self.policy.origins is None else self.policy.origins

    @property
    def years(self) -> tuple[int | None, int | None]:
        """First and last publication year, each None where open; the analysis speaks before the protocol."""
        if self.policy.years == "all":
            return None, None
        plan, window = self.analysis, self.protocol.eligibility
        return (
            window.year_from if plan.year_from is None else plan.year_from,
            window.year_to if plan.year_to is None else plan.year_to,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """One estimate, its arm, its study; `said` holds the codes of what was noted on it. A row equals itself alone."""

    estimate: Estimate
    arm: Arm
    study: Study
    said: frozenset[str]

    @property
    def patients(self) -> int:
        """The arm's n, 0 where it is not printed."""
        return self.arm.n or 0

    @property
    def pool(self) -> str:
        """What it would be pooled with."""
        return self.arm.treatment_class

    @property
    def order(self) -> tuple[object, ...]:
        """A total order that does not depend on where the row stood in its file."""
        e = self.estimate
        numbers = (e.time_months, e.value, e.ci_low, e.ci_high, e.n_risk)
        return (
            *e.key,
            e.outcome,
            e.kind,
            *(-1.0 if x is None else float(x) for x in numbers),
            e.time_origin,
            e.derived,
            e.second_hand,
            e.flag,
            e.source,
            e.location,
        )

    def left_out(self, rule: str, reason: str) -> Exclusion:
        """This row as an exclusion."""
        return Exclusion(
            study_id=self.study.study_id,
            arm_id=self.arm.arm_id,
            rule=rule,
            reason=reason,
            estimate=self.estimate.value,
            treatment_class=self.arm.treatment_class,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contrast:
    """One printed comparison, its two arms, its study; `said` as for Row."""

    comparison: Comparison
    arm_a: Arm
    arm_b: Arm
    study: Study
    said: frozenset[str]

    @property
    def patients(self) -> int:
        """Patients of both arms, those not printed as none."""
        return (self.arm_a.n or 0) + (self.arm_b.n or 0)

    @property
    def pool(self) -> str:
        """Trials of one question are one pool."""
        return ""

    @property
    def order(self) -> tuple[object, ...]:
        """A total order that does not depend on where the row stood in its file."""
        c = self.comparison
        return (
            c.study_id,
            c.outcome,
            c.arm_a,
            c.arm_b,
            c.measure,
            *(-1.0 if x is None else x for x in (c.estimate, c.ci_low, c.ci_high)),
            c.p_value,
            c.level,
            c.adjustment,
            c.flag,
            c.derived,
            c.second_hand,
            c.source,
            c.location,
        )

    def left_out(self, rule: str, reason: str) -> Exclusion:
        """This comparison as an exclusion; `arm_id` names both arms."""
        return Exclusion(
            study_id=self.study.study_id,
            arm_id=f"{self.arm_a.arm_id} v {self.arm_b.arm_id}",
            rule=rule,
            reason=reason,
            estimate=self.comparison.estimate,
            treatment_class=self.arm_a.treatment_class,
        )


T = TypeVar("T", Row, Contrast)
Judge = Callable[[Sequence[T], Asked], Mapping[T, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Generic[T]):
    """A named rule: `statement` says in one sentence why; `judge` gives the rows to leave out, each with its reason.

    `scope`: what the rule leaves out answers another question, and is no loss to this one.
    """

    name: str
    statement: str
    judge: Judge[T]
    scope: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection(Generic[T]):
    """Every value looked at, once: kept, excluded, or out of scope (it answers another question)."""

    kept: tuple[T, ...]
    excluded: tuple[Exclusion, ...]
    out_of_scope: tuple[Exclusion, ...]
    rows_excluded: tuple[tuple[T, str, str], ...] = ()


def select(rows: Sequence[T], asked: Asked, rules: Sequence[Rule[T]]) -> Selection[T]:
    """Put each row to the rules in their order; the first that speaks against it decides."""
    left = sorted(rows, key=lambda row: row.order)
    out: list[tuple[T, Rule[T], str]] = []
    for rule in rules:
        against = rule.judge(left, asked)
        out += [(row, rule, against[row]) for row in left if row in against]
        left = [row for row in left if row not in against]
    out.sort(key=lambda found: found[0].order)
    return Selection(
        kept=tuple(left),
        excluded=tuple(row.left_out(rule.name, why) for row, rule, why in out if not rule.scope),
        out_of_scope=tuple(row.left_out(rule.name, why) for row, rule, why in out if rule.scope),
        rows_excluded=tuple((row, rule.name, why) for row, rule, why in out if not rule.scope),
    )


def estimate_rows(evidence: Evidence) -> list[Row]:
    """Every estimate with its arm and study; InputError where one names an arm or study that is not there."""
    rows = []
    for estimate in evidence.estimates:
        arm = find_arm(evidence, *estimate.key)
        said = meanings(estimate.flag) | (meanings(arm.population) & _OF_THE_ARM)
        study = find_study(evidence, estimate.study_id)
        rows.append(Row(estimate=estimate, arm=arm, study=study, said=said))
    return rows


def contrast_rows(evidence: Evidence) -> list[Contrast]:
    """Every comparison with its arms and study; InputError where one names an arm or study that is not there."""
    return [
        Contrast(
            comparison=comparison,
            arm_a=find_arm(evidence, comparison.study_id, comparison.arm_a),
            arm_b=find_arm(evidence, comparison.study_id, comparison.arm_b),
            study=find_study(evidence, comparison.study_id),
            said=meanings(comparison.flag) | meanings(comparison.adjustment),
        )
        for comparison in evidence.comparisons
    ]


def find_arm(evidence: Evidence, study_id: str, arm_id: str) -> Arm:
    """The arm of that key."""
    arm = evidence.arm.get((study_id, arm_id))
    if arm is None:
        raise InputError(
            f"no arm {arm_id!r} of study {study_id!r}",
            where=f"{study_id}/{arm_id}",
            hint="enter the arm, or correct the key of the value that names it",
        )
    return arm


def find_study(evidence: Evidence, study_id: str) -> Study:
    """The study of that key."""
    study = evidence.study.get(study_id)
    if study is None:
        raise InputError(
            f"no study {study_id!r}", where=study_id, hint="enter the study, or correct the key that names it"
        )
    return study


def value_words(estimate: Estimate) -> str:
    """The value as a reader says it: `74% at 60 months`, `123.0 months`, `no value`."""
    if estimate.value is None:
        return "no value"
    if estimate.kind != "probability":
        return f"{months(estimate.value)} months"
    return f"{percent_words(estimate.value)} at {time_words(estimate.time_months)}"


def percent_words(share: float) -> str:
    """A share in words: whole percent, one decimal where the source has it.

    >>> percent_words(0.74), percent_words(0.774)
    ('74%', '77.4%')
    """
    whole = abs(100 * share - round(100 * share)) < 0.05
    return percent(share, 0 if whole else 1) + "%"


def time_words(time_months: float | None) -> str:
    """Months in words, whole where they are.

    >>> time_words(60.0), time_words(None)
    ('60 months', 'no printed time')
    """
    return "no printed time" if time_months is None else f"{time_months:g} months"


def ratio_words(comparison: Comparison) -> str:
    """`HR 0.47 (0.30 to 0.73)`, without limits where none are printed."""
    if comparison.estimate is None:
        return f"p {comparison.p_value or 'not printed'}"
    limits = (
        f" ({ratio(comparison.ci_low)} to {ratio(comparison.ci_high)})"
        if comparison.ci_low is not None and comparison.ci_high is not None
        else ""
    )
    return f"{comparison.measure} {ratio(comparison.estimate)}{limits}"
