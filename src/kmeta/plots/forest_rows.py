"""The rows of a forest plot, each knowing its height and how it is drawn on a panel."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kmeta.plots.columns import Cell, Columns
from kmeta.plots.drawing import BEHIND, PATCH, Drawing, Point
from kmeta.plots.style import LINE, THIN
from kmeta.plots.text import Run, Runs, plain, shortened, width, wrap
from kmeta.plots.ticks import Axis

NOTE_PITCH = 10.0


@dataclass(slots=True)
class Panel:
    """One stretch of rows: where it stands, its columns and its axis."""

    drawing: Drawing
    columns: Columns
    axis: Axis
    x0: float

    @property
    def row(self) -> float:
        """Height of a row of one line."""
        return self.columns.type.row

    @property
    def left(self) -> float:
        """Left end of the axis."""
        return self.x0 + self.columns.plot_left

    @property
    def right(self) -> float:
        """Right end of the axis."""
        return self.x0 + self.columns.plot_right

    def x(self, value: float) -> float:
        """Where a value stands; values outside the axis stand at its ends."""
        share = min(1.0, max(0.0, self.axis.share(value)))
        return self.left + share * (self.right - self.left)

    def inside(self, value: float) -> bool:
        """Whether the axis shows the value."""
        return -1e-9 <= self.axis.share(value) <= 1 + 1e-9


class Row(Protocol):
    """What a panel stacks."""

    def height(self, panel: Panel) -> float:
        """Height in points."""
        ...

    def draw(self, panel: Panel, top: float) -> None:
        """Draw with the upper edge at `top`."""
        ...


def _cells_height(panel: Panel, cells: Mapping[str, Cell], indent: float) -> float:
    lines = panel.columns.lines(cells, indent)
    return panel.row + (lines - 1) * panel.columns.type.body * 1.13


def _segment(panel: Panel, low: float | None, high: float | None, y: float, colour: str = "ink") -> None:
    """An interval; a limit outside ends in an arrowhead at the axis end, one that is missing is not drawn."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return
    below, above = panel.axis.share(low) < -1e-9, panel.axis.share(high) > 1 + 1e-9
    if panel.axis.share(high) >= 0 and panel.axis.share(low) <= 1:
        # Under a solid head the line stops short of the tip, so that the tip stays sharp.
        x0, x1 = panel.x(low) + (2 if below else 0), panel.x(high) - (2 if above else 0)
        if x1 > x0:
            panel.drawing.line([(x0, y), (x1, y)], colour, LINE)
    if below:
        panel.drawing.arrowhead(panel.left, y, "left", colour)
    if above:
        panel.drawing.arrowhead(panel.right, y, "right", colour)


@dataclass(slots=True)
class BandRow:
    """A group's name on a band over the whole width; `note` at its right end."""

    title: str
    note: str = ""
    colour: str = ""
    continued: bool = False

    def height(self, panel: Panel) -> float:
        """One row."""
        return panel.row

    def draw(self, panel: Panel, top: float) -> None:
        """Band, colour bar, name, note."""
        d, content, type_ = panel.drawing, panel.columns.content, panel.columns.type
        d.box(panel.x0, top, panel.x0 + content, top + panel.row, "band", layer=PATCH)
        if self.colour:
            d.box(panel.x0, top, panel.x0 + 2.2, top + panel.row, self.colour, layer=PATCH)
        note = plain(self.note, type_.body - 0.5, colour="secondary") if self.note else ()
        left = type_.indent if self.colour else 2.0
        name = plain(self.title, type_.body, "bold")
        tail = (Run(" (continued)", type_.body, colour="secondary"),) if self.continued else ()
        room = content - left - width(note) - width(tail) - 10
        d.centred(panel.x0 + left, top + panel.row / 2, (*shortened(name, room), *tail))
        d.centred(panel.x0 + content - 2, top + panel.row / 2, note, "end")


@dataclass(slots=True)
class EntryRow:
    """A study: its cells, its interval and its mark."""

    cells: Mapping[str, Cell]
    value: float
    low: float | None = None
    high: float | None = None
    half: float = 2.7
    hollow: bool = False
    colour: str = "pooled"
    mark: str = "square"

    def height(self, panel: Panel) -> float:
        """One row, more where a name wraps."""
        return _cells_height(panel, self.cells, panel.columns.type.indent)

    def draw(self, panel: Panel, top: float) -> None:
        """Cells, interval, square."""
        y = top + self.height(panel) / 2
        panel.columns.draw_row(panel.drawing, panel.x0, y, self.cells, panel.columns.type.indent)
        _segment(panel, self.low, self.high, y)
        if math.isnan(self.value):
            return
        if not panel.inside(self.value):
            left = panel.axis.share(self.value) < 0
            panel.drawing.arrowhead(panel.left if left else panel.right, y, "left" if left else "right")
            return
        panel.drawing.mark(self.mark, panel.x(self.value), y, self.half, self.colour, hollow=self.hollow)


@dataclass(slots=True)
class PooledRow:
    """A pooled estimate as a diamond whose tips are its limits."""

    cells: Mapping[str, Cell]
    value: float
    low: float
    high: float
    half: float = 4.6
    colour: str = "pooled"
    indent: float | None = None
    extra: float = 0.0

    def height(self, panel: Panel) -> float:
        """One row and what the figure adds around its totals."""
        indent = panel.columns.type.indent if self.indent is None else self.indent
        return _cells_height(panel, self.cells, indent) + self.extra

    def draw(self, panel: Panel, top: float) -> None:
        """Cells and diamond."""
        y = top + self.height(panel) / 2
        indent = panel.columns.type.indent if self.indent is None else self.indent
        panel.columns.draw_row(panel.drawing, panel.x0, y, self.cells, indent)
        if any(math.isnan(v) for v in (self.value, self.low, self.high)):
            return
        half = min(self.half, panel.row / 2 - 0.4)
        share = panel.axis.share
        corners = [
            (share(self.low), 0.0),
            (share(self.value), -half),
            (share(self.high), 0.0),
            (share(self.value), half),
        ]
        span = panel.right - panel.left
        points = [(panel.left + s * span, y + dy) for s, dy in _within(corners)]
        if len(points) > 2:
            panel.drawing.shape(points, self.colour)


def _within(corners: Sequence[Point]) -> list[Point]:
    """A polygon cut at 0 and at 1 in its first coordinate."""
    points = [(max(-1e6, min(1e6, s)), dy) for s, dy in corners]
    for edge, keep in ((0.0, 1), (1.0, -1)):
        cut: list[Point] = []
        for (s0, y0), (s1, y1) in zip(points, points[1:] + points[:1], strict=True):
            inside0, inside1 = keep * (s0 - edge) >= 0, keep * (s1 - edge) >= 0
            if inside0:
                cut.append((s0, y0))
            if inside0 != inside1:
                cut.append((edge, y0 + (y1 - y0) * (edge - s0) / (s1 - s0)))
        points = cut
        if not points:
            break
    return points


@dataclass(frozen=True, slots=True)
class Density:
    """A predictive t distribution on the axis' own scale (log for ratios)."""

    centre: float
    scale: float
    df: float

    def height(self, value: float) -> float:
        """Density relative to its peak."""
        z = (value - self.centre) / self.scale
        if math.isinf(self.df):
            return math.exp(-z * z / 2)
        return float((1 + z * z / self.df) ** (-(self.df + 1) / 2))


@dataclass(slots=True)
class PredictionRow:
    """Where a new study's true value is expected: a bar, with the density over it or caps at its ends."""

    cells: Mapping[str, Cell]
    low: float
    high: float
    colour: str = "pooled"
    density: Density | None = None
    indent: float | None = None

    def height(self, panel: Panel) -> float:
        """A row; half as much again under a density."""
        return panel.row + (4.0 if self.density else 0.0)

    def draw(self, panel: Panel, top: float) -> None:
        """Cells, density, bar."""
        y = top + self.height(panel) / 2
        indent = panel.columns.type.indent if self.indent is None else self.indent
        panel.columns.draw_row(panel.drawing, panel.x0, y, self.cells, indent)
        if math.isnan(self.low) or math.isnan(self.high):
            return
        below, above = panel.axis.share(self.low) < -1e-9, panel.axis.share(self.high) > 1 + 1e-9
        x0, x1 = panel.x(self.low), panel.x(self.high)
        d = panel.drawing
        if self.density and x1 - x0 > 1:
            y = top + self.height(panel) - 4.2
            self._density(panel, y, x0, x1)
        d.box(x0 + (3 if below else 0), y - 0.9, x1 - (3 if above else 0), y + 0.9, self.colour)
        for x, out, side in ((x0, below, "left"), (x1, above, "right")):
            if out:
                d.arrowhead(x, y, "left" if side == "left" else "right", self.colour)
            elif not self.density:
                d.line([(x, y - 2.3), (x, y + 2.3)], self.colour, 0.8)

    def _density(self, panel: Panel, y: float, x0: float, x1: float) -> None:
        assert self.density is not None  # noqa: S101 - the caller asked
        axis, span, n = panel.axis, panel.right - panel.left, 240
        curve = []
        for i in range(n + 1):
            share = i / n
            value = (
                math.log(axis.low) + share * math.log(axis.high / axis.low)
                if axis.log
                else axis.low + share * (axis.high - axis.low)
            )
            curve.append((panel.left + share * span, 7 * self.density.height(value)))
        # What lies on the centre of a narrow density may fall between two steps: its corners are added.
        extra = [x0, x1, panel.x(math.exp(self.density.centre) if axis.log else self.density.centre)]
        for x in extra:
            share = (x - panel.left) / span
            value = (
                math.log(axis.low) + share * math.log(axis.high / axis.low)
                if axis.log
                else axis.low + share * (axis.high - axis.low)
            )
            curve.append((x, 7 * self.density.height(value)))
        curve.sort()
        shown = [(x, h) for x, h in curve if h > 0.05]
        for fill, part in (("density-tail", shown), ("density", [p for p in curve if x0 <= p[0] <= x1])):
            if len(part) > 1:
                top = [(x, y - 0.9 - h) for x, h in part]
                panel.drawing.shape([(part[0][0], y - 0.9), *top, (part[-1][0], y - 0.9)], fill)


@dataclass(slots=True)
class PublishedRow:
    """An earlier review's value as a hollow triangle, in grey, in a row of its own."""

    cells: Mapping[str, Cell]
    value: float
    low: float | None = None
    high: float | None = None

    def height(self, panel: Panel) -> float:
        """One row, more where its name wraps."""
        return _cells_height(panel, self.cells, panel.columns.type.indent)

    def draw(self, panel: Panel, top: float) -> None:
        """Cells, interval where one was printed, triangle."""
        y = top + self.height(panel) / 2
        panel.columns.draw_row(panel.drawing, panel.x0, y, self.cells, panel.columns.type.indent)
        _segment(panel, self.low, self.high, y, "secondary")
        if not math.isnan(self.value) and panel.inside(self.value):
            panel.drawing.mark("triangle-down", panel.x(self.value), y, 2.3, "ink", hollow=True)


@dataclass(slots=True)
class WordsRow:
    """Small lines under a group: heterogeneity, a remark; on white where they run into the plot."""

    paragraphs: Sequence[Runs]
    indent: float | None = None
    before: float = 0.0
    lines: list[Runs] = field(default_factory=list)

    def _wrapped(self, panel: Panel) -> list[Runs]:
        indent = panel.columns.type.indent if self.indent is None else self.indent
        room = panel.columns.content - indent - 2
        return [line for paragraph in self.paragraphs for line in wrap(paragraph, room)]

    def height(self, panel: Panel) -> float:
        """A pitch a line."""
        pitch = NOTE_PITCH * panel.columns.type.note / 6.5
        return self.before + pitch * len(self._wrapped(panel))

    def draw(self, panel: Panel, top: float) -> None:
        """The lines, each over a white patch where the grid would cross it."""
        indent = panel.columns.type.indent if self.indent is None else self.indent
        pitch = NOTE_PITCH * panel.columns.type.note / 6.5
        lines, x, first = self._wrapped(panel), panel.x0 + indent, top + self.before
        if any(x + width(line) > panel.left - 3 for line in lines):
            bottom = first + pitch * len(lines)
            panel.drawing.box(panel.left - 4, first, panel.right + 4, bottom, "paper", layer=PATCH)
        for i, line in enumerate(lines):
            panel.drawing.centred(x, first + pitch * (i + 0.5), line)


@dataclass(slots=True)
class RuleRow:
    """A thin rule between the groups and the whole."""

    space: float = 6.0

    def height(self, panel: Panel) -> float:
        """Its space."""
        del panel
        return self.space

    def draw(self, panel: Panel, top: float) -> None:
        """The rule."""
        y = top + self.space / 2
        ends = [(panel.x0, y), (panel.x0 + panel.columns.content, y)]
        panel.drawing.line(ends, "rule", THIN, layer=BEHIND)


@dataclass(slots=True)
class SpaceRow:
    """Room."""

    space: float = 3.0

    def height(self, panel: Panel) -> float:
        """Its space."""
        del panel
        return self.space

    def draw(self, panel: Panel, top: float) -> None:
        """Nothing."""
