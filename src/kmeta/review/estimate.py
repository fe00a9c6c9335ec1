"""What a paper prints: survival of an arm, and comparisons of two arms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le

EstimateKind = Literal["probability", "median", "mean", "rmst"]
SURVIVAL_OUTCOMES = ("OS", "DSS", "DFS", "RFS", "PFS", "HPFS", "TTP", "TTF", "TTLP")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One printed value of one arm.

    `value` with its interval is a probability (0-1) at `time_months` when `kind` is "probability", months when it
    is "median", "mean" or "rmst"; None means not reached or not printed (see `flag`). `flag` is what the extractor
    noted, in words. `second_hand`: read in another paper's table, not in the study's own report.
    """

    study_id: str
    arm_id: str
    outcome: str
    kind: EstimateKind
    value: Annotated[float, Ge(0)] | None = None
    time_months: Annotated[float, Ge(0)] | None = None
    ci_low: Annotated[float, Ge(0)] | None = None
    ci_high: Annotated[float, Ge(0)] | None = None
    n_risk: Annotated[int, Ge(0)] | None = None
    time_origin: str = "not stated"
    derived: bool = False
    flag: str = ""
    source: str = ""
    location: str = ""
    second_hand: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """The arm it belongs to."""
        return self.study_id, self.arm_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One printed comparison of `arm_a` against `arm_b`; a ratio below 1 favours arm_a.

    `p_value` is text as printed ("<0.001" is a bound, not a value).
    """

    study_id: str
    arm_a: str
    arm_b: str
    outcome: str
    measure: str
    estimate: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p_value: str = ""
    level: Annotated[float, Ge(0), Le(1)] = 0.95
    adjustment: str = ""
    derived: bool = False
    flag: str = ""
    source: str = ""
    location: str = ""
    second_hand: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedResult:
    """A pooled result of an earlier review: something to stand beside ours, never an input."""

    review: str
    question: str
    measure: str
    estimate: str
    n_studies: int | None = None
    n_patients: int | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    model: str = ""
    source: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """Who gets which treatment: one fact with its source; `status` says how well it was read.

    `place` is its position in the table as its author ordered it; None where that is not recorded.
    """

    patient_state: str
    option: str
    criterion: str
    value: str
    source: str = ""
    status: str = ""
    place: int | None = None
