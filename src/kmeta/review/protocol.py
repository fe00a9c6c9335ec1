"""What `review.toml` says: the question, who is eligible, which outcomes, and which analyses are planned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from kmeta.review.study import TreatmentClass

AnalysisKind = Literal["survival_at", "hazard_ratio", "median", "comparison"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligibility:
    """Which records and studies may enter; languages as ISO 639-1 codes, years inclusive."""

    languages: tuple[str, ...] = ()
    year_from: int | None = None
    year_to: int | None = None
    population: str = ""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """A treatment as analyses name it; an arm belongs to the first whose class fits and whose words it contains.

    An arm's words are matched whole and regardless of case: "everolimus" is in "everolimus 10 mg/d".
    `without` lists words that must be absent ("octreotide" for everolimus alone).
    """

    name: str
    treatment_class: TreatmentClass
    words: tuple[str, ...]
    without: tuple[str, ...] = ()
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """One planned analysis.

    survival_at: pool the survival probability of `outcomes` at `time_months`, by treatment class (`classes`).
    hazard_ratio: pool the trials that compare one of `experimental` with one of `control` (names of treatments).
    median: list the medians of `outcomes`.
    comparison: list the comparisons of two treatment classes within one study (one of them in `classes`).
    `widths_from_p`: hazard ratios printed without an interval enter with the standard error of their exact P value.
    `year_from`, `year_to` override the protocol's window of publication years for this analysis (an amendment).
    """

    name: str
    kind: AnalysisKind
    outcomes: tuple[str, ...]
    title: str = ""
    time_months: float | None = None
    window_months: float = 0.0
    classes: tuple[TreatmentClass, ...] = ()
    experimental: tuple[str, ...] = ()
    control: tuple[str, ...] = ()
    randomised_only: bool = True
    widths_from_p: bool = False
    year_from: int | None = None
    year_to: int | None = None
    tau2: str = "REML"
    test: str = "hksj"
    level: float = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedLine:
    """An earlier review's result to be shown beside one class of one analysis; `question` as in its row."""

    analysis: str
    treatment_class: TreatmentClass
    review: str
    question: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """The whole of `review.toml`; `text` is the file as it stands, byte for byte."""

    title: str
    question: str = ""
    format_version: int = 1
    time_unit: Literal["months"] = "months"
    eligibility: Eligibility = field(default_factory=Eligibility)
    reasons: tuple[str, ...] = ()
    treatments: tuple[Treatment, ...] = ()
    analyses: tuple[Analysis, ...] = ()
    compare_with: tuple[PublishedLine, ...] = ()
    time_origins: tuple[str, ...] = ("treatment", "transplantation", "randomisation")
    not_known: tuple[str, ...] = ()
    example: str = ""
