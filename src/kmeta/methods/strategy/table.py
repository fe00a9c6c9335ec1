"""Rows of the strategy table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kmeta.core.result import Result
from kmeta.review.estimate import Criterion


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyRow:
    """One patient state and one option.

    `criteria` say who fits, each with its source; `rests_on` counts the evidence in words; `effect` is the number
    with what it is ("OS 74% (68-79) at 5 years"), `effect_notes` qualify it (prediction interval, association);
    `comparisons` are the direct comparisons that bear on it; `gaps` say what is missing or what the sources
    disagree on. An option without any evidence has an empty `effect` and says so in `gaps`.
    """

    patient_state: str
    option: str
    treatment_class: str
    criteria: tuple[Criterion, ...] = ()
    rests_on: str = ""
    effect: str = ""
    effect_notes: tuple[str, ...] = ()
    comparisons: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    analysis: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class StrategyTable(Result):
    """The whole table, in the order of the decision criteria."""

    table: tuple[StrategyRow, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One row an option, text only."""
        return [
            {
                "patient_state": row.patient_state,
                "option": row.option,
                "class": row.treatment_class,
                "criteria": "; ".join(
                    f"{c.criterion}: {c.value} [{c.source}; {c.status}]" for c in row.criteria
                ),
                "rests_on": row.rests_on,
                "effect": row.effect,
                "notes": "; ".join(row.effect_notes),
                "comparisons": "; ".join(row.comparisons),
                "gaps": "; ".join(row.gaps),
            }
            for row in self.table
        ]
