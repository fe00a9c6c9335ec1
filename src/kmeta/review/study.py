"""Studies, their arms, and the sets of studies that share patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

TreatmentClass = Literal[
    "resection", "transplantation", "locoregional", "systemic", "multimodal", "mixed", "conservative"
]
TREATMENT_CLASSES: tuple[str, ...] = get_args(TreatmentClass)
# Read-only, for this one is shared by all.
CLASS_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "resection": "Liver resection",
        "transplantation": "Liver transplantation",
        "locoregional": "Loco-regional treatment",
        "systemic": "Systemic treatment",
        "multimodal": "Multimodal treatment",
        "mixed": "Mixed treatments",
        "conservative": "Neither resected nor transplanted",
    }
)
OverlapStrength = Literal["certain", "likely", "possible"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One or more reports on the same patients; `note` says how much was read and what is odd."""

    study_id: str
    first_author: str = ""
    year: int | None = None
    pmid: str = ""
    doi: str = ""
    country: str = ""
    design: str = ""
    period_start: str = ""
    period_end: str = ""
    n_total: int | None = None
    note: str = ""

    @property
    def randomised(self) -> bool:
        """Whether the design says that patients were randomised to its arms."""
        words = self.design.casefold()
        return "randomi" in words and "non-randomi" not in words and "not randomi" not in words

    @property
    def label(self) -> str:
        """`Chen 1998`; the study's own key where the author is not known."""
        known = self.first_author and not self.first_author.startswith("(")
        return f"{self.first_author if known else self.study_id} {self.year or 'n.d.'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """Patients of a study who got one treatment, or a reported subgroup of them.

    `subgroup_of` is the parent arm ("" for a parent arm itself, "*" for a subgroup across arms).
    """

    study_id: str
    arm_id: str
    treatment_class: TreatmentClass
    treatment: str
    n: int | None = None
    population: str = ""
    primary_site: str = ""
    residual: str = ""
    source: str = ""
    location: str = ""
    subgroup_of: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """(study_id, arm_id), unique in a review."""
        return self.study_id, self.arm_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Two studies that share patients, how surely, and why one thinks so."""

    study_a: str
    study_b: str
    strength: OverlapStrength
    reason: str = ""
