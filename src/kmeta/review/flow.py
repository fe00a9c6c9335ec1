"""The PRISMA 2020 flow: every box as counts whose parts must add up to it."""

from __future__ import annotations

from dataclasses import dataclass

from kmeta.core.errors import ReviewError


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """One line of a box: a label and how many; `record_ids` (or `study_ids`) are exactly what it counts."""

    label: str
    n: int
    record_ids: tuple[str, ...] = ()
    study_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box of the flow: its title, its total, and the parts that make it (none: the total alone)."""

    key: str
    title: str
    n: int
    parts: tuple[Count, ...] = ()
    record_ids: tuple[str, ...] = ()
    study_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.parts and sum(part.n for part in self.parts) != self.n:
            parts = " + ".join(str(part.n) for part in self.parts)
            raise ReviewError(
                f"{self.title}: {parts} is not {self.n}",
                where="PRISMA flow",
                hint="a flow whose parts and totals differ is not drawn; run `kmeta check`",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Databases column (always) and other-methods column (where studies were found otherwise).

    Keys in order: identified, removed, screened, excluded, sought, not_retrieved, assessed, excluded_full_text,
    other_identified, other_sought, other_not_retrieved, other_assessed, other_excluded; a box that is not known
    is absent, and `not_known` says so in a sentence each. `arms_by_class` counts all arms, `label` being the class
    as `Arm.treatment_class` has it. `n_reports` counts records that are reports of an included study;
    `n_from_records` of the `n_studies` have such a record, the others were found otherwise.
    """

    boxes: tuple[Box, ...]
    n_studies: int
    n_reports: int
    n_arms: int
    arms_by_class: tuple[Count, ...] = ()
    n_estimates: int = 0
    n_comparisons: int = 0
    n_from_records: int = 0
    not_known: tuple[str, ...] = ()

    def box(self, key: str) -> Box | None:
        """The box of that key, None where it is not known."""
        return next((box for box in self.boxes if box.key == key), None)
