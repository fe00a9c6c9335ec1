"""The columns of a forest plot: cells measured, aligned, wrapped, and dropped in order where room is short."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from kmeta.plots.drawing import Drawing
from kmeta.plots.style import BASELINE, MARK, MARK_RISE
from kmeta.plots.text import Run, Runs, measure, plain, width, wrap

Align = Literal["left", "right", "slash", "estimate"]
TEXT_GAP, NUMBER_GAP, PAIR_GAP = 10.0, 12.0, 8.0
PLOT_GAP, COMPACT_GAP = 16.0, 7.0
LEAST_PLOT, MOST_PLOT_SHARE, LEAST_TEXT, MOST_LINES = 80.0, 0.45, 60.0, 3
LINE_PITCH = 1.13


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its limits as printed; any of the three may be empty. `mark` hangs after it, raised."""

    value: str
    low: str = ""
    high: str = ""
    mark: str = ""
    bold: bool = False
    colour: str = "ink"


@dataclass(frozen=True, slots=True)
class Slash:
    """x / n, set on its slash."""

    left: str
    right: str


Cell = Runs | Interval | Slash


@dataclass(slots=True)
class Column:
    """One column; `least` is its least width, `span` the head it shares with its neighbours."""

    key: str
    head: str
    align: Align = "left"
    least: float = 0.0
    most: float = 200.0
    span: str = ""
    x: float = field(default=0.0, init=False)
    width: float = field(default=0.0, init=False)
    axis: float = field(default=0.0, init=False)
    hang: float = field(default=0.0, init=False)

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width


@dataclass(frozen=True, slots=True)
class Type:
    """Sizes of one forest plot: body, notes, row height."""

    body: float
    note: float
    row: float
    indent: float = 7.0


def _interval_extent(cells: Sequence[Interval], size: float) -> tuple[float, float, float]:
    """Room before the dash, after it, and of the marks that hang."""
    before = after = hang = 0.0
    lower = max((_low_width(c, size) for c in cells), default=0.0)
    for cell in cells:
        value = measure(cell.value, size, _face(cell))
        before = max(before, value + (1.6 * measure(" ", size) + lower if lower else 0.0))
        if cell.low:
            after = max(after, measure(_high_text(cell, cells), size, _face(cell)))
        hang = max(hang, measure(cell.mark, size * MARK / 7.5) + 1 if cell.mark else 0.0)
    return before, after, hang


def _face(cell: Interval) -> Literal["bold", "regular"]:
    return "bold" if cell.bold else "regular"


def separator(cells: Sequence[Interval]) -> str:
    """An en dash; "to" for a whole column as soon as one limit is negative."""
    return " to " if any("−" in cell.low + cell.high for cell in cells) else "–"


def _low_width(cell: Interval, size: float) -> float:
    return measure(f"({cell.low}", size, _face(cell)) if cell.low else 0.0


def _high_text(cell: Interval, cells: Sequence[Interval]) -> str:
    return f"{separator(cells)}{cell.high})"


class Columns:
    """All columns left and right of the plot, placed on a content width."""

    def __init__(
        self,
        left: Sequence[Column],
        right: Sequence[Column],
        cells: Sequence[Mapping[str, Cell]],
        content: float,
        type_: Type,
        *,
        drop: Sequence[str] = (),
        least_plot: float = LEAST_PLOT,
        compact: bool = False,
    ) -> None:
        self.compact = compact
        self.plot_gap = COMPACT_GAP if compact else PLOT_GAP
        self.type, self.cells, self.content = type_, cells, content
        self.intervals = [cell for row in cells for cell in row.values() if isinstance(cell, Interval)]
        self.left, self.right = list(left), list(right)
        for dropped in [None, *drop]:
            if dropped is not None:
                self.left = [c for c in self.left if c.key != dropped]
                self.right = [c for c in self.right if c.key != dropped]
            if self._fits(least_plot):
                break
        self._place()

    def _measure(self) -> None:
        for column in [*self.left, *self.right]:
            self._natural(column)

    def _natural(self, column: Column) -> None:
        size = self.type.body
        head = measure(column.head, self._head_size(column), "bold")
        cells = [row[column.key] for row in self.cells if column.key in row and not self._spans(row, column)]
        if column.align == "estimate":
            before, after, column.hang = _interval_extent([c for c in cells if isinstance(c, Interval)], size)
            widest = max(before + after, head)
            column.axis = before + (head - before - after) / 2 if head > before + after else before
        elif column.align == "slash":
            slashes = [c for c in cells if isinstance(c, Slash)]
            after = max((measure(f" {c.right}", size) for c in slashes), default=0.0)
            before = max((measure(f"{c.left} /", size) for c in slashes), default=0.0)
            widest = max(before + after, head)
            column.axis = widest - after
        else:
            widest = max((width(c) for c in cells if isinstance(c, tuple)), default=0.0)
            widest = max(widest + (self.type.indent if column is self.left[0] else 0.0), head)
        column.width = min(max(widest, column.least), column.most) if column.align == "left" else widest

    def _spans(self, row: Mapping[str, Cell], column: Column) -> bool:
        """A label that stands alone left of the plot may run over the columns beside it."""
        return column is self.left[0] and len(self.left) > 1 and sum(c.key in row for c in self.left) == 1

    def _head_size(self, column: Column) -> float:
        return self.type.body - 0.5 if column.span else self.type.body

    def _gap_after(self, columns: Sequence[Column], i: int) -> float:
        this, following = columns[i], columns[i + 1]
        if this.align == "estimate":
            return max(self.plot_gap if self.compact else PAIR_GAP, this.hang + 3)
        if following.span and following.span == this.span:
            return PAIR_GAP
        return TEXT_GAP if this.align == "left" and following.align in ("left", "slash") else NUMBER_GAP

    def _used(self) -> float:
        total = 0.0
        for columns in (self.left, self.right):
            total += sum(c.width for c in columns)
            total += sum(self._gap_after(columns, i) for i in range(len(columns) - 1))
        return total + 2 * self.plot_gap + self._hang_at_edge()

    def _hang_at_edge(self) -> float:
        last = self.right[-1] if self.right else None
        return max(1.0 if self.compact else 2.0, last.hang + 1) if last else 0.0

    def _fits(self, least: float) -> bool:
        """Measure, and narrow the text columns (they wrap) until the plot has its least width."""
        self._measure()
        short = self._used() + least - self.content
        texts = [c for c in self.left if c.align == "left"]
        while short > 1e-6:
            widest = max(texts, key=lambda c: c.width)
            room = widest.width - LEAST_TEXT
            if room <= 0:
                return False
            others = max((c.width for c in texts if c.width < widest.width - 1e-6), default=LEAST_TEXT)
            same = [c for c in texts if c.width >= widest.width - 1e-6]
            step = min(short / len(same), widest.width - max(others, LEAST_TEXT))
            for column in same:
                column.width -= step
            short -= step * len(same)
        return True

    def _place(self) -> None:
        """Left columns from 0, right columns from the right edge, the plot between; spare room goes to the gaps."""
        rest = self.content - self._used()
        plot = min(max(rest, 30.0), MOST_PLOT_SHARE * self.content)
        spare = max(0.0, rest - plot)
        gaps = max(1, len(self.left))
        x = 0.0
        for i, column in enumerate(self.left):
            column.x = x
            if i + 1 < len(self.left):
                x = column.right + self._gap_after(self.left, i) + spare / gaps
        edge = self.content - self._hang_at_edge()
        for i in range(len(self.right) - 1, -1, -1):
            column = self.right[i]
            column.x = edge - column.width
            edge = column.x - (self._gap_after(self.right, i - 1) if i else 0.0)
        self.plot_right = (self.right[0].x if self.right else self.content) - self.plot_gap
        self.plot_left = max(
            (self.left[-1].right if self.left else 0.0) + self.plot_gap, self.plot_right - plot
        )

    @property
    def tiers(self) -> int:
        """2 where a head spans several columns."""
        return 2 if any(c.span for c in [*self.left, *self.right]) else 1

    def lines(self, row: Mapping[str, Cell], indent: float) -> int:
        """Lines the row's longest text takes."""
        return max((len(self._wrapped(c, row, indent)) for c in self.left if c.key in row), default=1)

    def _wrapped(self, column: Column, row: Mapping[str, Cell], indent: float) -> list[Runs]:
        cell = row[column.key]
        if column.align != "left" or not isinstance(cell, tuple):
            return [()]
        room = column.width - (indent if column is self.left[0] else 0.0)
        if self._spans(row, column):
            room = max(room, self.plot_left - self.plot_gap / 2 - column.x - indent)
        return wrap(cell, room + 0.01, MOST_LINES)

    def draw_row(
        self, drawing: Drawing, x0: float, centre: float, row: Mapping[str, Cell], indent: float
    ) -> None:
        """All cells of one row, centred on `centre`."""
        for column in [*self.left, *self.right]:
            if column.key in row:
                self._cell(drawing, x0, centre, column, row, indent)

    def _cell(
        self, drawing: Drawing, x0: float, centre: float, column: Column, row: Mapping[str, Cell], indent: float
    ) -> None:  # fmt: skip
        cell = row[column.key]
        if isinstance(cell, Interval):
            self._interval(drawing, x0 + column.x + column.axis, centre, cell)
        elif isinstance(cell, Slash):
            size = self.type.body
            drawing.text(x0 + column.x + column.axis, centre, f"{cell.left} /", "end", size=size)
            drawing.text(x0 + column.right, centre, cell.right, "end", size=size)
        elif column.align == "right":
            drawing.centred(x0 + column.right, centre, cell, "end")
        else:
            lines = self._wrapped(column, row, indent)
            pitch = self.type.body * LINE_PITCH
            left = x0 + column.x + (indent if column is self.left[0] else 0.0)
            for i, line in enumerate(lines):
                drawing.centred(left, centre + (i - (len(lines) - 1) / 2) * pitch, line)

    def _interval(self, drawing: Drawing, dash: float, centre: float, cell: Interval) -> None:
        size, face = self.type.body, _face(cell)
        lower = max((_low_width(c, size) for c in self.intervals), default=0.0)
        room = 1.6 * measure(" ", size) + lower if lower else 0.0

        def put(x: float, text: str, anchor: Literal["start", "end"]) -> None:
            drawing.centred(x, centre, (Run(text, size, face, cell.colour),), anchor)

        if cell.value:
            put(dash - room, cell.value, "end")
        if cell.low:
            put(dash, f"({cell.low}", "end")
            # A leading space would be lost at the start of a text in a page.
            after = _high_text(cell, self.intervals)
            lead = measure(after, size, face) - measure(after.lstrip(" "), size, face)
            put(dash + lead, after.lstrip(" "), "start")
        if cell.mark:
            end = dash + (measure(_high_text(cell, self.intervals), size, face) if cell.low else -room)
            mark = Run(cell.mark, size * MARK / 7.5, "regular", "secondary", size * MARK_RISE / 7.5)
            drawing.runs(end + 0.8, centre + BASELINE * size, (mark,))

    def draw_head(self, drawing: Drawing, x0: float, top: float, *, rule: Callable[[float], None]) -> float:
        """Heads, spanning heads and the rule under them; gives the y of the rule."""
        centre = top + (20.0 if self.tiers == 2 else 10.0)
        for column in [*self.left, *self.right]:
            run = plain(column.head, self._head_size(column), "bold")
            if column.align == "left":
                drawing.centred(x0 + column.x, centre, run)
            elif column.align == "estimate":
                drawing.centred(x0 + column.right, centre, run, "end")
            else:
                drawing.centred(x0 + column.right, centre, run, "end")
        for span in dict.fromkeys(c.span for c in [*self.left, *self.right] if c.span):
            under = [c for c in [*self.left, *self.right] if c.span == span]
            left, right = min(c.x for c in under) - 4, max(c.right for c in under)
            drawing.text(x0 + (left + right) / 2, top + 8, span, "middle", size=self.type.body, bold=True)
            drawing.line([(x0 + left, top + 14), (x0 + right, top + 14)], "rule", 0.5)
        y = top + (28.0 if self.tiers == 2 else 18.0)
        rule(y)
        return y
