"""What a section writes from, and the door by which sections enter the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kmeta.core.registry import Registry
from kmeta.methods.synthesis.result import Synthesis
from kmeta.report.contents import Contents
from kmeta.report.document import Block, Part, Run, joined, ref
from kmeta.report.values import Values


@dataclass(frozen=True, slots=True)
class Draft:
    """The contents, their numbers by id, and the names of the figures there are."""

    contents: Contents
    values: Values
    figures: tuple[str, ...] = ()

    def of_kind(self, kind: str) -> tuple[Synthesis, ...]:
        """The analyses of one kind, in the order of the protocol."""
        return tuple(s for s in self.contents.syntheses if s.plan.kind == kind)

    def figures_of(self, name: str) -> tuple[str, ...]:
        """The figures of an analysis: named as it, or with its name as first or last part (`forest-os_60`)."""
        return tuple(
            f for f in self.figures if f == name or f.startswith(f"{name}-") or f.endswith(f"-{name}")
        )

    def see(self, keys: Iterable[str]) -> tuple[Run, ...]:
        """`Figure 1 and Table 2`."""
        return joined([ref(key) for key in keys])


@dataclass(frozen=True, slots=True)
class Section:
    """`order` sorts the report; `write` gives the blocks under the heading, none when there is nothing to say."""

    key: str
    title: str
    order: int
    write: Callable[[Draft], Iterable[Block]]


SECTIONS: Registry[Section] = Registry("report section", entry_point_group="kmeta.report_sections")


def section(
    key: str, title: str, *, order: int
) -> Callable[[Callable[[Draft], Iterable[Block]]], Callable[[Draft], Iterable[Block]]]:
    """Make a function the writer of a section of the report."""

    def keep(write: Callable[[Draft], Iterable[Block]]) -> Callable[[Draft], Iterable[Block]]:
        SECTIONS.register(key)(Section(key, title, order, write))
        return write

    return keep


def row_text(*cells: Part) -> tuple[tuple[Run, ...], ...]:
    """Cells of a table row; a string is one run."""
    from kmeta.report.document import runs

    return tuple(runs(cell) for cell in cells)
