"""What a planned analysis gives: everything a figure, a table or a sentence about it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kmeta.core.result import Result
from kmeta.methods.meta.random_effects import MetaFit
from kmeta.methods.selection.policy import DEFAULT, Policy
from kmeta.methods.selection.rows import Exclusion
from kmeta.review.estimate import PublishedResult
from kmeta.review.protocol import Analysis

__all__ = ["Exclusion", "Line", "Pool", "Sensitivity", "SubgroupTest", "Synthesis"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One arm (or one trial) as a row of a forest plot.

    `estimate`, `ci_low`, `ci_high` are on the scale people read (a probability 0-1, an HR); yi, vi on the analysis
    scale (NaN where no variance could be had). `interval` says where the printed interval is from: "published",
    "wilson" (on the effective sample) or "none". `weight` in percent of its pool, None when not pooled. `marks` are the
    source marks of the figure rules (a adjusted, i investigator, t time to progression, m matched, ...).
    `n_effective`: the sample size that the variance stands for; `basis` says how it was had.
    """

    study_id: str
    arm_id: str
    label: str
    year: int | None = None
    treatment: str = ""
    control: str = ""
    n: int | None = None
    n_control: int | None = None
    events: int | None = None
    estimate: float
    ci_low: float | None = None
    ci_high: float | None = None
    yi: float
    vi: float
    interval: str = "published"
    n_effective: float | None = None
    basis: str = ""
    weight: float | None = None
    marks: tuple[str, ...] = ()
    remark: str = ""
    source: str = ""
    location: str = ""
    second_hand: bool = False

    @property
    def pooled(self) -> bool:
        """Whether the row counts in its pool's estimate."""
        return self.weight is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """The same pool under one other rule: `label` names the rule, `reason` why one would ask."""

    label: str
    fit: MetaFit | None
    k: int
    n_patients: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Rows that answer one question, their model (None where nothing is pooled: `remark` says why)."""

    name: str
    title: str
    treatment_class: str = ""
    lines: tuple[Line, ...] = ()
    apart: tuple[Line, ...] = ()
    apart_title: str = ""
    fit: MetaFit | None = None
    remark: str = ""
    sensitivity: tuple[Sensitivity, ...] = ()
    published: tuple[PublishedResult, ...] = ()

    @property
    def k(self) -> int:
        """Rows pooled, or all rows where nothing is pooled."""
        return sum(line.pooled for line in self.lines) or len(self.lines)

    @property
    def k_studies(self) -> int:
        """Studies among `lines`."""
        return len({line.study_id for line in self.lines})

    @property
    def n_patients(self) -> int:
        """Patients in `lines`, both arms of a trial; rows without a printed n count nothing."""
        return sum((line.n or 0) + (line.n_control or 0) for line in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubgroupTest:
    """Whether the pools differ: Q between them, its degrees of freedom and p; `basis` says how it was had."""

    q: float
    df: int
    p: float
    basis: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Synthesis(Result):
    """One planned analysis, done. `overall` pools all pools' rows where the plan allows it (trials), else None.

    Every value of the evidence is looked at once: it is a line of a pool, or in `excluded`, or in `out_of_scope`
    (another outcome, kind, time or class: it answers another question). `direct` holds comparisons of two treatment
    classes, to be shown beside the pools and never pooled with them. `policy` names the switches that were used.
    """

    plan: Analysis
    measure: str
    title: str
    pools: tuple[Pool, ...]
    overall: Pool | None = None
    excluded: tuple[Exclusion, ...] = ()
    model: str = ""
    notes: tuple[str, ...] = ()
    direct: tuple[Pool, ...] = ()
    out_of_scope: tuple[Exclusion, ...] = ()
    subgroup_test: SubgroupTest | None = None
    policy: Policy = DEFAULT

    @property
    def name(self) -> str:
        """The analysis' name in review.toml."""
        return self.plan.name

    @property
    def has_fit(self) -> bool:
        """Whether anything is pooled at all."""
        done = (*self.pools, self.overall) if self.overall else self.pools
        return any(pool.fit is not None for pool in done)

    def rows(self) -> list[dict[str, Any]]:
        """One row a pool, on the scale people read."""
        done = [*self.pools, *([self.overall] if self.overall else [])]
        return [_row(pool) for pool in done]


def _row(pool: Pool) -> dict[str, Any]:
    fit = pool.fit
    low, high = fit.effect_ci if fit else (None, None)
    pi_low, pi_high = fit.effect_pi if fit else (None, None)
    return {
        "pool": pool.name,
        "k": pool.k,
        "studies": pool.k_studies,
        "patients": pool.n_patients,
        "estimate": fit.effect if fit else None,
        "ci_low": low,
        "ci_high": high,
        "pi_low": pi_low,
        "pi_high": pi_high,
        "tau2": fit.tau2 if fit else None,
        "i2": fit.i2 if fit else None,
        "remark": pool.remark,
    }
