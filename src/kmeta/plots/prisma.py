"""The PRISMA 2020 flow as a figure: only boxes that are known, each with the parts that make it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kmeta.core.errors import ReviewError
from kmeta.core.numbers import count
from kmeta.plots.drawing import Drawing
from kmeta.plots.figure import Figure, figure_of
from kmeta.plots.registry import PLOTS
from kmeta.plots.style import AXIS, BASELINE, LINE, MARGIN, NOTE, palette, points
from kmeta.plots.text import Runs, marked_up, measure, plain, wrap
from kmeta.plots.words import full_stop, note_from_outside, sentences
from kmeta.review.flow import Box, Count, Flow

STRIP, STRIP_GAP, SIDE_GAP, OTHER_GAP, ROW_GAP = 16.0, 10.0, 16.0, 18.0, 14.0
PAD, INDENT, PITCH = 6.0, 6.0, 9.6
MOST_REASONS = 3
# Longer words are cut like any unbroken text; ordinary ones are not.
LONGEST_WORD = 20
SHORTENED = "The parts of some boxes have no room here: see the table"
# (key in the databases column, key of the box beside it, keys in the other-methods column, phase)
ROWS = (
    ("identified", "removed", ("other_identified",), "Identification"),
    ("screened", "excluded", (), "Screening"),
    ("sought", "not_retrieved", ("other_sought", "other_not_retrieved"), "Screening"),
    ("assessed", "excluded_full_text", ("other_assessed", "other_excluded"), "Screening"),
)
REST = {"identified": "Other sources", "other_identified": "Other ways"}


@PLOTS.register("prisma_flow")
def prisma_flow(flow: Flow, *, preset: str = "journal", width_mm: float = 174) -> Figure:
    """Draw the flow of records: the databases column, and the other-methods column where it was used.

    A box that is not known is absent and its sentence stands under the figure. Raises ReviewError where the parts
    of a box do not make its total (`kmeta check` says which).
    """
    palette(preset)
    page = points(width_mm)
    chart = _Chart(flow, page - 2 * MARGIN)
    height = chart.draw()
    return figure_of(
        chart.drawing,
        name="prisma",
        title="Flow of records, reports and studies (PRISMA 2020)",
        alt=_alt(flow),
        width=page,
        height=height,
        preset=preset,
        rows=_rows(flow),
    )


@dataclass(slots=True)
class _Cell:
    """A box of the figure: its lines of head and its details with counts."""

    head: list[Runs] = field(default_factory=list)
    details: list[tuple[list[Runs], str]] = field(default_factory=list)

    @property
    def height(self) -> float:
        lines = len(self.head) + sum(len(words) for words, _ in self.details)
        return lines * PITCH + 9.0


class _Chart:
    """Boxes in rows; a row is as high as its fullest box."""

    def __init__(self, flow: Flow, content: float) -> None:
        self.flow, self.drawing, self.content = flow, Drawing(), content
        self.boxes = {box.key: box for box in flow.boxes}
        self.shortened = False
        for box in flow.boxes:
            _check(box)
        self.other = any(key in self.boxes for _, _, keys, _ in ROWS for key in keys)
        room = content - STRIP - STRIP_GAP - SIDE_GAP
        shares = (148.0, 118.0, 161.2) if self.other else (158.0, 138.0, 0.0)
        unit = (room - (OTHER_GAP if self.other else 0)) / sum(shares)
        self.widths = tuple(share * unit for share in shares)
        main = MARGIN + STRIP + STRIP_GAP
        side = main + self.widths[0] + SIDE_GAP
        self.x = (main, side, side + self.widths[1] + OTHER_GAP)
        self.y = MARGIN

    def draw(self) -> float:
        self._column_heads()
        rows = [row for row in ROWS if any(key in self.boxes for key in (row[0], row[1], *row[2]))]
        phases: list[tuple[str, float, float]] = []
        above_main: float | None = None
        above_other: float | None = None
        for main_key, side_key, other_keys, phase in rows:
            cells = [self._cell(main_key, 0), self._cell(side_key, 1), self._other_cell(other_keys)]
            top = self.y
            bottom = top + max(cell.height for cell in cells if cell)
            if phase == "Identification":
                bottom = max(bottom, top + measure(phase, 7.2, "bold") + 9)
            above_main = self._main(cells, top, bottom, above_main)
            if cells[2]:
                self._down(2, above_other, top)
                self._box(2, top, bottom, cells[2])
                above_other = bottom
            phases.append((phase, top, bottom))
            self.y = bottom + ROW_GAP
        self._included(above_main, above_other, phases)
        self._strips(phases)
        return self._notes()

    def _main(
        self, cells: Sequence[_Cell | None], top: float, bottom: float, above: float | None
    ) -> float | None:
        main, side = cells[0], cells[1]
        if main:
            self._down(0, above, top)
            self._box(0, top, bottom, main)
        if side:
            self._box(1, top, bottom, side)
            if main:
                y = (top + bottom) / 2
                self.drawing.line([(self.x[0] + self.widths[0], y), (self.x[1] - 3.5, y)])
                self.drawing.arrowhead(self.x[1], y, "right", length=4.3, breadth=4.6)
        return bottom if main else above

    def _column_heads(self) -> None:
        titles = [("Databases and registers", self.x[0], self.x[1] + self.widths[1])]
        if self.other:
            titles.append(("Other methods", self.x[2], self.x[2] + self.widths[2]))
        for title, left, right in titles:
            self.drawing.box(left, self.y, right, self.y + 16.8, "pooled")
            self.drawing.text((left + right) / 2, self.y + 8.4, title, "middle", bold=True, colour="paper")
        self.y += 24.6

    def _cell(self, key: str, column: int) -> _Cell | None:
        box = self.boxes.get(key)
        if box is None:
            return None
        room = self.widths[column] - 2 * PAD
        details = self._details(shown_parts(box), room)
        return _Cell(wrap(_head(box.title, box.n), room), details)

    def _other_cell(self, keys: Sequence[str]) -> _Cell | None:
        if not keys or not any(key in self.boxes for key in keys):
            return None
        first, room = self.boxes.get(keys[0]), self.widths[2] - 2 * PAD
        cell = _Cell()
        if first:
            cell.head = wrap(_head(first.title, first.n), room)
            cell.details = self._details(shown_parts(first), room)
        for key in keys[1:]:
            if box := self.boxes.get(key):
                cell.details += self._details([Count(label=box.title, n=box.n)], room)
        return cell

    def _details(self, parts: Sequence[Count], room: float) -> list[tuple[list[Runs], str]]:
        """The parts of a box; none where the box is too narrow for their words, and a note says so."""
        left = room - INDENT - max((measure(count(part.n), AXIS) for part in parts), default=0.0) - 6
        words = [word for part in parts for word in part.label.split() if len(word) <= LONGEST_WORD]
        if any(measure(word, AXIS) > left for word in words):
            self.shortened = True
            return []
        return [self._detail(part, room) for part in parts]

    def _detail(self, part: Count, room: float) -> tuple[list[Runs], str]:
        number = count(part.n)
        left = room - INDENT - measure(number, AXIS) - 6
        return wrap(plain(part.label, AXIS), left, 2), number

    def _box(self, column: int, top: float, bottom: float, cell: _Cell, fill: str = "paper") -> None:
        left, right = self.x[column], self.x[column] + self.widths[column]
        self.drawing.box(left, top, right, bottom, fill, "ink", width=LINE)
        y = (top + bottom) / 2 - (cell.height - 9.0) / 2 + PITCH / 2
        for line in cell.head:
            self.drawing.centred(left + PAD, y, line)
            y += PITCH
        for words, number in cell.details:
            for i, line in enumerate(words):
                self.drawing.centred(left + PAD + INDENT, y, line)
                if i == len(words) - 1:
                    self.drawing.text(right - PAD, y, number, "end", size=AXIS)
                y += PITCH

    def _down(self, column: int, above: float | None, top: float) -> None:
        if above is None:
            return
        x = self.x[column] + self.widths[column] / 2
        self.drawing.line([(x, above), (x, top - 3.5)])
        self.drawing.arrowhead(x, top, "down", length=4.3, breadth=4.6)

    def _included(
        self, above_main: float | None, above_other: float | None, phases: list[tuple[str, float, float]]
    ) -> None:
        flow, room = self.flow, self.widths[0] - 2 * PAD
        lines = [("Studies included", flow.n_studies), ("Reports of them", flow.n_reports)]
        lines += [("Treatment arms in them", flow.n_arms)] if flow.n_arms else []
        cell = _Cell([line for words, n in lines for line in wrap(_head(words, n), room)])
        top, bottom = self.y, self.y + max(cell.height, measure("Included", 7.2, "bold") + 9)
        self._down(0, above_main, top)
        self._box(0, top, bottom, cell, "included")
        if above_other is not None:
            x, y = self.x[2] + self.widths[2] / 2, (top + bottom) / 2
            edge = self.x[0] + self.widths[0]
            self.drawing.line([(x, above_other), (x, y), (edge + 3.5, y)])
            self.drawing.arrowhead(edge, y, "left", length=4.3, breadth=4.6)
        phases.append(("Included", top, bottom))
        self.y = bottom

    def _strips(self, phases: Sequence[tuple[str, float, float]]) -> None:
        """A phase runs from its first row to its last; its name reads upwards."""
        for name in dict.fromkeys(phase for phase, _, _ in phases):
            top = min(t for phase, t, _ in phases if phase == name)
            bottom = max(b for phase, _, b in phases if phase == name)
            self.drawing.box(MARGIN, top, MARGIN + STRIP, bottom, "phase")
            if measure(name, 7.2, "bold") <= bottom - top:
                x = MARGIN + STRIP / 2 + BASELINE * 7.2
                self.drawing.runs(x, (top + bottom) / 2, plain(name, 7.2, "bold"), "middle", turned=True)

    def _notes(self) -> float:
        y = self.y
        lines = [
            line
            for text in [*self.flow.not_known, *([SHORTENED] if self.shortened else [])]
            for line in wrap(note_from_outside(full_stop(text), NOTE), self.content)
        ]
        for i, line in enumerate(lines):
            self.drawing.centred(MARGIN, y + 11 + 9.4 * i, line)
        return y + (11 + 9.4 * (len(lines) - 1) + 4 if lines else 0) + MARGIN


def _head(title: str, n: int) -> Runs:
    """`Records identified, n = 187`, kept together at the end where it wraps."""
    number = marked_up(f", *n*\u00a0=\u00a0{count(n)}")
    return (*plain(title), *number)


def _check(box: Box) -> None:
    if box.parts and sum(part.n for part in box.parts) != box.n:
        raise ReviewError(
            f"{box.title}: its parts do not make {box.n}",
            where="PRISMA flow",
            hint="a flow whose parts and totals differ is not drawn; run `kmeta check`",
        )


def shown_parts(box: Box) -> tuple[Count, ...]:
    """At most three parts, the largest; the rest summed into one line. A single part that says no more is left out."""
    parts = sorted(box.parts, key=lambda part: -part.n)
    if len(parts) <= MOST_REASONS + 1:
        return box.parts if len(parts) > 1 or (parts and parts[0].label != box.title) else ()
    rest = sum(part.n for part in parts[MOST_REASONS:])
    label = REST.get(box.key, "Other reasons (see table)")
    return (*parts[:MOST_REASONS], Count(label=label, n=rest))


def _alt(flow: Flow) -> str:
    main = [box for key in ("identified", "screened", "assessed") if (box := flow.box(key))]
    first = "Flow diagram: " + ", ".join(
        f"{box.title[0].lower()}{box.title[1:]} {count(box.n)}" for box in main
    )
    if not main:
        first = "Flow diagram of the review"
    second = f"{count(flow.n_studies)} studies in {count(flow.n_reports)} reports are included"
    unknown = len(flow.not_known)
    third = f"{unknown} {'thing is' if unknown == 1 else 'things are'} not known about it" if unknown else ""
    return sentences(first, second, third)


def _rows(flow: Flow) -> list[Mapping[str, Any]]:
    out: list[Mapping[str, Any]] = []
    for box in flow.boxes:
        out.append({"box": box.key, "title": box.title, "part": "", "n": box.n})
        out += [{"box": box.key, "title": box.title, "part": part.label, "n": part.n} for part in box.parts]
    for key, n in (("studies", flow.n_studies), ("reports", flow.n_reports), ("arms", flow.n_arms)):
        out.append({"box": "included", "title": f"{key} included", "part": "", "n": n})
    return out
