"""A forest plot as blocks of rows on one axis -> a drawing: one panel, two halves side by side, or pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from kmeta.plots.columns import Cell, Column, Columns, Type
from kmeta.plots.drawing import BEHIND, Drawing
from kmeta.plots.figure import Figure, figure_of
from kmeta.plots.forest_rows import BandRow, EntryRow, Panel, PooledRow, Row
from kmeta.plots.style import (
    AXIS,
    LINE,
    MARGIN,
    MAX_HEIGHT_MM,
    POINTS_PER_MM,
    POOLED_DASH,
    POOLED_LINE,
    THIN,
)
from kmeta.plots.text import Runs, measure, plain, shortened, width, wrap
from kmeta.plots.ticks import Axis, shortest

GUTTER = 21.0
NOTE_PITCH = 9.4
BAND_GAP = 3.0
COMPACT_BELOW = 260.0
# What an axis with its words takes under the rows.
AXIS_ROOM = 42.0
# The pooled rows of a group that is cut follow its last study, whatever they take.
SPLIT_SLACK = 90.0


@dataclass(slots=True)
class Block:
    """A group: rows that stand together, the band first where there is one."""

    rows: list[Row]

    def cells(self) -> list[Mapping[str, Cell]]:
        """Cells of all its rows."""
        return [row.cells for row in self.rows if hasattr(row, "cells")]


@dataclass(slots=True, kw_only=True)
class Forest:
    """Everything a forest plot is made of, before it has a place on the page."""

    left: list[Column]
    right: list[Column]
    drop: tuple[str, ...]
    type: Type
    groups: list[Block]
    whole: Block | None = None
    tail: list[Block] = field(default_factory=list)
    axis: Axis
    null: float | None = None
    pooled: float | None = None
    axis_title: str = ""
    favours: tuple[str, str] = ("", "")
    notes: list[Runs] = field(default_factory=list)

    def blocks(self) -> list[Block]:
        """All blocks from top to bottom."""
        return [*self.groups, *([self.whole] if self.whole else []), *self.tail]


def _columns(forest: Forest, content: float) -> Columns:
    cells = [cells for block in forest.blocks() for cells in block.cells()]
    # Copies, for each panel places its columns anew.
    left, right = [replace(c) for c in forest.left], [replace(c) for c in forest.right]
    compact = content < COMPACT_BELOW
    return Columns(left, right, cells, content, forest.type, drop=forest.drop, compact=compact)


def _height(panel: Panel, blocks: Sequence[Block]) -> float:
    return sum(row.height(panel) for block in blocks for row in block.rows)


def _draw_blocks(panel: Panel, blocks: Sequence[Block], top: float) -> tuple[float, float | None]:
    """Draw rows downwards; gives the lower edge and the centre of the whole's diamond."""
    diamond = None
    for block in blocks:
        for row in block.rows:
            row.draw(panel, top)
            if isinstance(row, PooledRow) and row.indent is not None:
                diamond = top + row.height(panel) / 2
            top += row.height(panel)
    return top, diamond


def _draw_head(panel: Panel, top: float) -> float:
    d = panel.drawing
    content = panel.columns.content
    return panel.columns.draw_head(
        d, panel.x0, top, rule=lambda y: d.line([(panel.x0, y), (panel.x0 + content, y)], "ink", LINE)
    )


def _draw_lines(panel: Panel, forest: Forest, top: float, bottom: float, diamond: float | None) -> None:
    d = panel.drawing
    for tick in panel.axis.ticks:
        x = panel.x(tick)
        if tick != forest.null:
            d.line([(x, top), (x, bottom)], "grid", THIN, layer=BEHIND)
    if forest.null is not None and panel.inside(forest.null):
        x = panel.x(forest.null)
        d.line([(x, top), (x, bottom)], "ink", LINE, layer=BEHIND)
    if forest.pooled is not None and panel.inside(forest.pooled):
        x = panel.x(forest.pooled)
        d.line([(x, top), (x, diamond or bottom)], "pooled", POOLED_LINE, dash=POOLED_DASH, layer=BEHIND)


def _draw_axis(panel: Panel, forest: Forest, y: float) -> tuple[float, float]:
    """Axis, labels, favours, title; gives the lower edge and the left edge of what was written."""
    d = panel.drawing
    d.line([(panel.left, y), (panel.right, y)], "ink", LINE)
    leftmost = panel.left
    for tick in panel.axis.ticks:
        x = panel.x(tick)
        d.line([(x, y), (x, y + 3)], "ink", LINE)
    for tick in _labels(panel, forest):
        d.text(panel.x(tick), y + 9, shortest(tick), "middle", size=AXIS)
        leftmost = min(leftmost, panel.x(tick) - measure(shortest(tick), AXIS) / 2)
    bottom = y + 12
    if any(forest.favours) and forest.null is not None:
        leftmost = min(leftmost, _draw_favours(panel, forest, y + 21))
        bottom = y + 24
    if forest.axis_title:
        bottom += 8
        size = forest.type.body
        runs = shortened(plain(forest.axis_title, size), panel.columns.content)
        half = width(runs) / 2
        centre = (panel.left + panel.right) / 2
        centre = min(max(centre, panel.x0 + half), panel.x0 + panel.columns.content - half)
        d.centred(centre, bottom, runs, "middle")
        leftmost = min(leftmost, centre - half)
        bottom += 3
    return bottom, leftmost


def _labels(panel: Panel, forest: Forest) -> list[float]:
    """The ticks whose labels have room, those nearest the null value (or the low end) first."""
    home = forest.null if forest.null is not None else panel.axis.ticks[0]
    chosen: list[tuple[float, float, float]] = []
    for tick in sorted(panel.axis.ticks, key=lambda t: abs(panel.x(t) - panel.x(home))):
        half = measure(shortest(tick), AXIS) / 2 + 1.5
        x = panel.x(tick)
        if all(x + half <= low or x - half >= high for low, high, _ in chosen):
            chosen.append((x - half, x + half, tick))
    return sorted(tick for _, _, tick in chosen)


def _draw_favours(panel: Panel, forest: Forest, y: float) -> float:
    assert forest.null is not None  # noqa: S101 - the caller asked
    d, x, size = panel.drawing, panel.x(forest.null), AXIS
    left, right = forest.favours
    edge = x
    if left:
        runs = shortened(plain(left, size), x - 10 - panel.x0)
        d.centred(x - 10, y, runs, "end")
        d.line([(x - 3.2, y), (x - 6, y)], "ink", LINE)
        d.arrowhead(x - 8.4, y, "left", length=3, breadth=3.6)
        edge = x - 10 - width(runs)
    if right:
        d.centred(x + 10, y, shortened(plain(right, size), panel.x0 + panel.columns.content - x - 10))
        d.line([(x + 3.2, y), (x + 6, y)], "ink", LINE)
        d.arrowhead(x + 8.4, y, "right", length=3, breadth=3.6)
    return edge


def _draw_notes(
    drawing: Drawing,
    notes: Sequence[Runs],
    x0: float,
    content: float,
    axis_y: float,
    bottom: float,
    beside: float,
) -> float:
    """Notes left of the axis where they take three lines there, else under it; gives the lower edge."""
    if not notes:
        return bottom
    room = beside - x0 - 14
    narrow = [line for runs in notes for line in wrap(runs, room)] if room > 120 else []
    if narrow and len(narrow) <= 4:
        for i, line in enumerate(narrow):
            drawing.centred(x0, axis_y + 8.5 + i * NOTE_PITCH, line)
        return max(bottom, axis_y + 12 + (len(narrow) - 1) * NOTE_PITCH)
    y = bottom + 9
    lines = [line for runs in notes for line in wrap(runs, content)]
    for i, line in enumerate(lines):
        drawing.centred(x0, y + i * NOTE_PITCH, line)
    return y + (len(lines) - 1) * NOTE_PITCH + 3.5


def _one_panel(
    forest: Forest, page: float, blocks: Sequence[Block], *, notes: bool = True
) -> tuple[Drawing, float]:
    """A drawing of these blocks and its height."""
    drawing, content = Drawing(), page - 2 * MARGIN
    columns = _columns(forest, content)
    panel = Panel(drawing, columns, forest.axis, MARGIN)
    rows_top = _draw_head(panel, MARGIN) + BAND_GAP
    bottom, diamond = _draw_blocks(panel, blocks, rows_top)
    axis_y = bottom + 3
    _draw_lines(panel, forest, rows_top - 1.5, axis_y, diamond)
    bottom, leftmost = _draw_axis(panel, forest, axis_y)
    if notes:
        bottom = _draw_notes(drawing, forest.notes, MARGIN, content, axis_y, bottom, leftmost)
    return drawing, bottom + MARGIN


def _two_halves(forest: Forest, page: float) -> tuple[Drawing, float]:
    """Groups dealt to two columns as equal as can be; the whole stands under the shorter one."""
    content = (page - 2 * MARGIN - GUTTER) / 2
    drawing = Drawing()
    columns = _columns(forest, content)
    panels = [Panel(drawing, columns, forest.axis, x0) for x0 in (MARGIN, MARGIN + content + GUTTER)]
    tops = [_draw_head(panel, MARGIN) + BAND_GAP for panel in panels]
    dealt = _deal(panels[0], forest)
    ends = []
    diamonds: list[float | None] = []
    for panel, top, blocks in zip(panels, tops, dealt, strict=True):
        bottom, diamond = _draw_blocks(panel, blocks, top)
        ends.append(bottom)
        diamonds.append(diamond)
    axis_y = max(ends) + 3
    bottom = axis_y
    for panel, top, diamond in zip(panels, tops, diamonds, strict=True):
        _draw_lines(panel, forest, top - 1.5, axis_y, diamond)
        bottom = max(bottom, _draw_axis(panel, forest, axis_y)[0])
    bottom = _draw_notes(drawing, forest.notes, MARGIN, page - 2 * MARGIN, axis_y, bottom, 0.0)
    return drawing, bottom + MARGIN


def _deal(panel: Panel, forest: Forest) -> tuple[list[Block], list[Block]]:
    """Which blocks go left and right: the smallest of the greater heights, the order kept inside a half."""
    groups = _halved(panel, forest.groups)
    heights = [_height(panel, [block]) for block in groups]
    rest = [*([forest.whole] if forest.whole else []), *forest.tail]
    rest_height = _height(panel, rest)
    sides = product((0, 1), repeat=len(groups)) if len(groups) <= 12 else _cuts(len(groups))

    def cost(side: Sequence[int]) -> tuple[float, tuple[int, ...]]:
        sums = [sum(h for h, s in zip(heights, side, strict=True) if s == half) for half in (0, 1)]
        return max(max(sums), min(sums) + rest_height), tuple(side)

    best = min(sides, key=cost)
    halves: tuple[list[Block], list[Block]] = ([], [])
    for block, side in zip(groups, best, strict=True):
        halves[side].append(block)
    left, right = (_height(panel, half) for half in halves)
    (halves[0] if left <= right else halves[1]).extend(rest)
    return halves


def _cuts(n: int) -> list[tuple[int, ...]]:
    return [tuple(0 if i < cut else 1 for i in range(n)) for cut in range(n + 1)]


def _halved(panel: Panel, groups: Sequence[Block]) -> list[Block]:
    """The groups, a single huge one cut in two: half a page left white would help nobody."""
    total = _height(panel, groups)
    out: list[Block] = []
    for block in groups:
        if _height(panel, [block]) > 0.7 * total and len(block.rows) > 40:
            out.extend(_split(panel, block, _height(panel, [block]) / 2 + SPLIT_SLACK))
        else:
            out.append(block)
    return out


def _split(panel: Panel, block: Block, room: float) -> list[Block]:
    """A block cut where `room` is full, its band repeated with "continued"."""
    band = block.rows[0] if block.rows and isinstance(block.rows[0], BandRow) else None
    parts: list[list[Row]] = [[]]
    used = 0.0
    for row in block.rows:
        height = row.height(panel)
        # The pooled rows and the words under a group stay with its last study.
        if used + height > room - SPLIT_SLACK and len(parts[-1]) > 1 and isinstance(row, EntryRow):
            parts.append([replace(band, continued=True)] if band else [])
            used = parts[-1][0].height(panel) if band else 0.0
        parts[-1].append(row)
        used += height
    return [Block(rows) for rows in parts]


def _paged(forest: Forest, page: float) -> list[list[Block]]:
    """Blocks a page, none of them higher than the page allows; a block that is too high by itself is cut."""
    columns = _columns(forest, page - 2 * MARGIN)
    panel = Panel(Drawing(), columns, forest.axis, MARGIN)
    room = (
        MAX_HEIGHT_MM * POINTS_PER_MM - 2 * MARGIN - (28 if columns.tiers == 2 else 18) - BAND_GAP - AXIS_ROOM
    )
    notes = sum(len(wrap(runs, page - 2 * MARGIN)) for runs in forest.notes) * NOTE_PITCH + 12
    blocks = [part for block in forest.blocks() for part in _parts(panel, block, room)]
    pages: list[list[Block]] = [[]]
    for block in blocks:
        if pages[-1] and _height(panel, [*pages[-1], block]) > room:
            pages.append([])
        pages[-1].append(block)
    # Only the last page carries the notes; where they have no room the last group goes with them.
    if len(pages[-1]) > 1 and _height(panel, pages[-1]) > room - notes:
        pages.append([pages[-1].pop()])
    return pages


def _parts(panel: Panel, block: Block, room: float) -> list[Block]:
    return [block] if _height(panel, [block]) <= room else _split(panel, block, room)


def forest_figure(
    forest: Forest, *, name: str, title: str, alt: str, page: float, preset: str, rows: Sequence[Mapping[str, Any]],
    halves: bool = False,
) -> Figure:  # fmt: skip
    """The plot on one drawing; higher than a page it also comes cut into pages."""

    def made(drawing: Drawing, height: float, parts: Sequence[Figure] = ()) -> Figure:
        return figure_of(
            drawing,
            name=name,
            title=title,
            alt=alt,
            width=page,
            height=height,
            preset=preset,
            rows=rows,
            parts=parts,
        )

    if halves:
        return made(*_two_halves(forest, page))
    drawing, height = _one_panel(forest, page, forest.blocks())
    if height <= MAX_HEIGHT_MM * POINTS_PER_MM:
        return made(drawing, height)
    cut = _paged(forest, page)
    last = len(cut) - 1
    parts = [made(*_one_panel(forest, page, blocks, notes=i == last)) for i, blocks in enumerate(cut)]
    return made(drawing, height, parts)
