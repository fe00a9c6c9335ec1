"""Medians of survival by class, as printed: dots on an axis of months, nothing pooled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from kmeta.core.numbers import count, months
from kmeta.methods.synthesis.result import Line, Pool, Synthesis
from kmeta.plots.columns import Cell, Column, Interval, Type
from kmeta.plots.data import synthesis_rows
from kmeta.plots.figure import Figure, blank
from kmeta.plots.forest_layout import Block, Forest, forest_figure
from kmeta.plots.forest_rows import BandRow, EntryRow, SpaceRow, WordsRow
from kmeta.plots.registry import PLOTS
from kmeta.plots.style import MARKS, class_role, palette, points
from kmeta.plots.text import plain
from kmeta.plots.ticks import linear_axis
from kmeta.plots.words import (
    by_year,
    capital,
    counted,
    first_sentence,
    known,
    note,
    note_from_outside,
    outcome_title,
    paragraph,
    plain_interval,
    sentences,
    study_label,
    typographic,
)

NOT_REACHED = "n.r."
NARROW_MM, MANY = 100.0, 25


@PLOTS.register("median_figure")
def median_figure(
    synthesis: Synthesis, *, preset: str = "journal", width_mm: float = 174, order: str = "year"
) -> Figure:
    """Draw medians by class, one dot an arm, with the interval where one was printed.

    An arm whose median was not reached is an arrow at the end of the axis (from its lower limit, where known) and
    "n.r."; an upper limit that was not reached is an arrow too. Values kept apart are hollow. `order`: "year" or
    "given".
    """
    palette(preset)
    page = points(width_mm)
    pools = [pool for pool in synthesis.pools if pool.lines or pool.apart]
    if not pools:
        remark = f"{synthesis.title}: no median was printed."
        return blank(synthesis.name, synthesis.title, remark, width=page, preset=preset)
    return forest_figure(
        _Parts(synthesis, pools, width_mm, order).forest(),
        name=synthesis.name,
        title=synthesis.title,
        alt=_alt(synthesis, pools),
        page=page,
        preset=preset,
        rows=synthesis_rows(synthesis),
    )


class _Parts:
    """Medians turned into rows."""

    def __init__(self, synthesis: Synthesis, pools: Sequence[Pool], width_mm: float, order: str) -> None:
        self.synthesis, self.pools, self.order = synthesis, pools, order
        self.narrow = width_mm < NARROW_MM
        self.lines = [x for pool in pools for x in (*pool.lines, *pool.apart)]
        small = self.narrow or len(self.lines) > MANY
        self.type = Type(7.0, 6.5, 10.8, 6.0) if small else Type(7.5, 6.5, 12.2, 6.0)

    def forest(self) -> Forest:
        left = [Column("study", "Study", least=0 if self.narrow else 74, most=130)]
        if not self.narrow:
            left.append(Column("treatment", "Treatment", most=150))
            left.append(Column("n", "n", "right"))
        reached = [x.estimate for x in self.lines if known(x.estimate)]
        limits = [v for x in self.lines for v in (x.ci_low, x.ci_high) if v is not None and known(v)]
        # A single wide interval may end in an arrow rather than squeeze all dots to the left.
        top = max([*reached, 1.0])
        shown = [v for v in limits if v <= 1.25 * top]
        return Forest(
            left=left,
            right=[Column("effect", "Months (95% CI)", "estimate")],
            drop=("treatment", "n"),
            type=self.type,
            groups=[self._group(pool) for pool in self.pools],
            axis=linear_axis([*reached, *shown], hold=[0.0], most=6),
            axis_title=f"Median {_lower(outcome_title(self.synthesis.plan.outcomes))}, months",
            notes=self._notes(),
        )

    def _group(self, pool: Pool) -> Block:
        role = class_role(pool.treatment_class)
        block = Block([BandRow(capital(pool.title or pool.name), counted(len(pool.lines), "value"), role)])
        block.rows += [self._entry(x, role, hollow=False) for x in self._sorted(pool.lines)]
        if pool.apart:
            title = capital(pool.apart_title or "Kept apart")
            block.rows.append(WordsRow([plain(title, self.type.note, "italic", "secondary")], before=1.0))
            block.rows += [self._entry(x, role, hollow=True) for x in self._sorted(pool.apart)]
        block.rows.append(SpaceRow(5.0))
        return block

    def _sorted(self, lines: Sequence[Line]) -> list[Line]:
        return by_year(lines) if self.order == "year" else list(lines)

    def _entry(self, line: Line, role: str, *, hollow: bool) -> EntryRow:
        size = self.type.body
        cells: dict[str, Cell] = {
            "study": study_label(line, size),
            "treatment": plain(typographic(line.treatment) or "–", size),
            "n": plain(count(line.n), size),
            "effect": _printed(line),
        }
        low, high = line.ci_low, line.ci_high
        if known(low) and not known(high):
            high = math.inf
        if known(low) and high == math.inf and not known(line.estimate):
            value = math.nan
        else:
            value = line.estimate if known(line.estimate) else math.inf
        return EntryRow(cells, value, low, high, 2.3, hollow, role, MARKS.get(role, "square"))

    def _notes(self) -> list[Any]:
        size, out = self.type.note, []
        reached = all(known(x.estimate) for x in self.lines)
        if not reached:
            out.append(note(f"Arrow and {NOT_REACHED}: not reached.", size))
        if any(pool.apart for pool in self.pools):
            out.append(note("Hollow: listed apart.", size))
        if any(x.ci_low is None for x in self.lines):
            out.append(note("No line: no interval printed.", size))
        if self.synthesis.model:
            out.append(note_from_outside(first_sentence(self.synthesis.model), size))
        if len(self.pools) > 1:
            out.append(note("Patients differ between classes: differences are associations.", size))
        return paragraph(*out)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _printed(line: Line) -> Interval:
    mark = ",".join(line.marks)
    if not known(line.estimate) and not known(line.ci_low):
        return Interval(NOT_REACHED, mark=mark)
    if known(line.ci_low) and not known(line.ci_high):
        return Interval(
            months(line.estimate) if known(line.estimate) else NOT_REACHED,
            months(line.ci_low),
            NOT_REACHED,
            mark,
        )
    return plain_interval(line.estimate, line.ci_low, line.ci_high, 1, mark=mark)


def _alt(synthesis: Synthesis, pools: Sequence[Pool]) -> str:
    lines = [x for pool in pools for x in pool.lines]
    what = _lower(outcome_title(synthesis.plan.outcomes))
    first = f"Dot plot of median {what} in months, {counted(len(lines), 'arm')}"
    said = []
    for pool in pools:
        reached = [x.estimate for x in pool.lines if known(x.estimate)]
        missed = len(pool.lines) - len(reached)
        if reached:
            span = months(min(reached)) + (f" to {months(max(reached))}" if len(reached) > 1 else "")
            said.append(
                f"{pool.title or pool.name} {span}" + (f", not reached in {missed}" if missed else "")
            )
        elif missed:
            said.append(f"{pool.title or pool.name}, not reached in {missed}")
    second = "By class: " + "; ".join(said) if said else "No median was reached"
    return sentences(first, second, "Nothing is pooled")
