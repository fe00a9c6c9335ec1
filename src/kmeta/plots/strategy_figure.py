"""The strategy table as a figure: who, which option, what it rests on, what it gives, what could change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kmeta.methods.strategy.table import StrategyRow, StrategyTable
from kmeta.plots.drawing import Drawing
from kmeta.plots.figure import Figure, blank, figure_of
from kmeta.plots.registry import PLOTS
from kmeta.plots.style import (
    BODY,
    LINE,
    MARGIN,
    MAX_HEIGHT_MM,
    NOTE,
    POINTS_PER_MM,
    THIN,
    class_role,
    palette,
    points,
)
from kmeta.plots.text import Runs, plain, shortened, wrap
from kmeta.plots.words import capital, note, sentences, typographic

FIRST_PITCH, PITCH, PAD = 9.0, 8.2, 13.0
MOST_LINES, BAR, GAP = 6, 2.5, 10.0
NOTE_TEXT = (
    "In brackets, 95% CI. Differences between treatment classes are associations: patients differ. Certainty is not"
    " rated. Criteria, comparisons and gaps are shortened here: the table holds all of them, with their sources."
)
# (head, share of the width) in the order in which they stand
COLUMNS: tuple[tuple[str, float], ...] = (
    ("Patient", 0.23),
    ("Strategy", 0.19),
    ("Rests on", 0.14),
    ("Effect", 0.21),
    ("What could change it", 0.23),
)


@PLOTS.register("strategy_figure")
def strategy_figure(table: StrategyTable, *, preset: str = "journal", width_mm: float = 174) -> Figure:
    """Draw the strategy table; a row is as high as its fullest cell, long lists end in what was left out.

    There is no column of certainty, for none was rated: the figure says what each row rests on.
    """
    palette(preset)
    page = points(width_mm)
    if not table.table:
        return blank(
            "strategy",
            "Strategy table",
            "No decision criteria: no strategy table.",
            width=page,
            preset=preset,
        )
    layout = _Layout(page - 2 * MARGIN)
    rows = [layout.row(row) for row in table.table]
    drawing, height = layout.draw(rows)

    def made(drawn: Drawing, tall: float, parts: Sequence[Figure] = ()) -> Figure:
        return figure_of(
            drawn,
            name="strategy",
            title=TITLE,
            alt=_alt(table),
            width=page,
            height=tall,
            preset=preset,
            rows=table.rows(),
            parts=parts,
        )

    return made(drawing, height, [made(*part) for part in layout.pages(rows, height)])


TITLE = "Strategy by state of the patient"


@dataclass(slots=True)
class _Row:
    role: str
    cells: list[list[Runs]] = field(default_factory=list)
    bold: list[int] = field(default_factory=list)

    @property
    def height(self) -> float:
        tallest = max(
            b * FIRST_PITCH + (len(lines) - b) * PITCH for lines, b in zip(self.cells, self.bold, strict=True)
        )
        return tallest + PAD


class _Layout:
    """Columns as shares of the width; under 130 mm the last one is left out."""

    def __init__(self, content: float) -> None:
        self.content = content
        columns = COLUMNS if content > 130 * POINTS_PER_MM else COLUMNS[:4]
        columns = columns if content > 95 * POINTS_PER_MM else (COLUMNS[0], COLUMNS[1], COLUMNS[3])
        whole = sum(share for _, share in columns)
        room = content - 8.0
        self.heads = [head for head, _ in columns]
        self.widths = [room * share / whole - GAP for _, share in columns]
        self.x = [MARGIN + 8.0 + room * sum(s for _, s in columns[:i]) / whole for i in range(len(columns))]

    def row(self, row: StrategyRow) -> _Row:
        criteria = [typographic(f"{c.criterion}: {c.value}") for c in row.criteria]
        changing = [*row.comparisons, *row.gaps]
        texts = {
            "Patient": (capital(row.patient_state), criteria),
            "Strategy": (capital(row.option), []),
            "Rests on": ("", [row.rests_on] if row.rests_on else ["no study of this review"]),
            "Effect": (row.effect, list(row.effect_notes)),
            "What could change it": ("", changing),
        }
        out = _Row(class_role(row.treatment_class) if row.treatment_class else "")
        for head, room in zip(self.heads, self.widths, strict=True):
            first, rest = texts[head]
            bold = wrap(plain(first, BODY, "bold"), room, 3) if first else []
            plain_ink = head in ("Rests on", "What could change it")
            lines = _listed(rest, room, MOST_LINES - (1 if bold else 0), "ink" if plain_ink else "secondary")
            out.cells.append([*bold, *lines])
            out.bold.append(len(bold))
        return out

    def draw(self, rows: Sequence[_Row], *, notes: bool = True) -> tuple[Drawing, float]:
        drawing = Drawing()
        right = MARGIN + self.content
        for head, x in zip(self.heads, self.x, strict=True):
            drawing.text(x, MARGIN + 10, head, bold=True)
        y = MARGIN + 18
        drawing.line([(MARGIN, y), (right, y)], "ink", LINE)
        for i, row in enumerate(rows):
            self._draw_row(drawing, row, y)
            y += row.height
            last = i == len(rows) - 1
            drawing.line([(MARGIN, y), (right, y)], "ink" if last else "grid", LINE if last else THIN)
        if notes:
            for line in wrap(note(NOTE_TEXT, NOTE), self.content):
                drawing.centred(MARGIN, y + 10, line)
                y += 9.4
            y += 4
        return drawing, y + MARGIN

    def _draw_row(self, drawing: Drawing, row: _Row, top: float) -> None:
        if row.role:
            drawing.box(MARGIN, top + 3, MARGIN + BAR, top + row.height - 2, row.role)
        for x, lines, bold in zip(self.x, row.cells, row.bold, strict=True):
            y = top + 11
            for i, line in enumerate(lines):
                drawing.centred(x, y, line)
                y += FIRST_PITCH if i + 1 < bold else PITCH + (0.6 if i + 1 == bold else 0)

    def pages(self, rows: Sequence[_Row], height: float) -> list[tuple[Drawing, float]]:
        """Cut between rows where the table is higher than a page; nothing where it fits."""
        limit = MAX_HEIGHT_MM * POINTS_PER_MM
        if height <= limit:
            return []
        notes = len(wrap(note(NOTE_TEXT, NOTE), self.content)) * 9.4 + 8
        groups: list[list[_Row]] = [[]]
        for row in rows:
            if (
                groups[-1]
                and sum(r.height for r in groups[-1]) + row.height > limit - 2 * MARGIN - 18 - notes
            ):
                groups.append([])
            groups[-1].append(row)
        return [self.draw(group, notes=group is groups[-1]) for group in groups]


def _listed(items: Sequence[str], room: float, most: int, colour: str) -> list[Runs]:
    """Items one under the other, as many as have room; the last line says how many more there are."""
    lines: list[Runs] = []
    for i, item in enumerate(items):
        wrapped = wrap(plain(item, NOTE, colour=colour), room)
        left = len(items) - i - 1
        if len(lines) + len(wrapped) > most - (1 if left else 0):
            fitting = most - len(lines) - (1 if left or len(lines) + len(wrapped) > most else 0)
            if i == 0 and fitting > 0:
                lines += wrap(plain(item, NOTE, colour=colour), room, max(1, fitting))
                left_over = left
            else:
                left_over = left + 1
            if left_over:
                lines.append(shortened(plain(f"and {left_over} more", NOTE, "italic", "secondary"), room))
            return lines
        lines += wrapped
    return lines


def _alt(table: StrategyTable) -> str:
    with_effect = [row for row in table.table if row.effect]
    first = (
        f"Table of {len(table.table)} strategies by state of the patient, {len(with_effect)} with a number"
    )
    second = "; ".join(f"{row.option}: {row.effect}" for row in with_effect[:4])
    bare = len(table.table) - len(with_effect)
    third = f"{bare} rest on no study of this review" if bare else ""
    return sentences(first, second, third)
