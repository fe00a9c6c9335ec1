"""A drawing as plain data: texts, strokes and shapes in points, y downwards, in the order they are painted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from kmeta.plots.style import BASELINE, BODY, LINE
from kmeta.plots.text import ASCENT, DESCENT, Run, Runs, plain, text_of, width

Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]
# Layers: behind (grid, null line), bands and patches over it, marks, then words.
BEHIND, PATCH, MARKS, WORDS = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Text:
    """Runs on one baseline; `turned` texts read upwards from (x, y)."""

    x: float
    y: float
    runs: Runs
    anchor: Anchor = "start"
    turned: bool = False
    layer: int = WORDS

    @property
    def width(self) -> float:
        """Measured width."""
        return width(self.runs)

    @property
    def start(self) -> float:
        """How far before (x, y) the first letter begins."""
        return {"start": 0.0, "middle": self.width / 2, "end": self.width}[self.anchor]


@dataclass(frozen=True, slots=True)
class Stroke:
    """An open line; butt caps, mitred joins."""

    points: tuple[Point, ...]
    colour: str = "ink"
    width: float = LINE
    dash: tuple[float, ...] = ()
    opacity: float = 1.0
    layer: int = MARKS


@dataclass(frozen=True, slots=True)
class Shape:
    """A closed polygon, filled, outlined or both; `fill` "" is no fill, `outline` "" no line."""

    points: tuple[Point, ...]
    fill: str = ""
    outline: str = ""
    width: float = LINE
    opacity: float = 1.0
    layer: int = MARKS


@dataclass(frozen=True, slots=True)
class Disc:
    """A circle."""

    x: float
    y: float
    r: float
    fill: str = ""
    outline: str = ""
    width: float = LINE
    layer: int = MARKS


Item = Text | Stroke | Shape | Disc


@dataclass(frozen=True, slots=True)
class Box:
    """The room a text takes."""

    x0: float
    y0: float
    x1: float
    y1: float
    text: str

    def overlap(self, other: Box) -> float:
        """How far two boxes run into each other: the smaller of the two sides of what they share."""
        return min(
            min(self.x1, other.x1) - max(self.x0, other.x0), min(self.y1, other.y1) - max(self.y0, other.y0)
        )


def box_of(text: Text) -> Box:
    """From 0.74 of the size above the baseline to 0.04 below, by the measured width."""
    top = max((ASCENT * run.size + run.rise for run in text.runs), default=0.0)
    bottom = max((DESCENT * run.size - run.rise for run in text.runs), default=0.0)
    before, after = text.start, text.width - text.start
    if text.turned:
        return Box(text.x - top, text.y - after, text.x + bottom, text.y + before, text_of(text.runs))
    return Box(text.x - before, text.y - top, text.x + after, text.y + bottom, text_of(text.runs))


class Drawing:
    """Where a layout puts things while it works; `items()` gives them in painting order."""

    def __init__(self) -> None:
        self._items: list[Item] = []

    def items(self) -> tuple[Item, ...]:
        """All items, by layer and then as they came."""
        return tuple(sorted(self._items, key=lambda item: item.layer))

    def runs(
        self, x: float, y: float, runs: Sequence[Run], anchor: Anchor = "start", *, turned: bool = False
    ) -> None:
        """Measured runs on the baseline y; empty ones leave nothing."""
        if text_of(runs).strip():
            self._items.append(Text(x, y, tuple(runs), anchor, turned))

    def centred(self, x: float, centre: float, runs: Sequence[Run], anchor: Anchor = "start") -> None:
        """Runs whose baseline suits a row centred on `centre`."""
        size = max((run.size for run in runs), default=BODY)
        self.runs(x, centre + BASELINE * size, runs, anchor)

    def text(
        self, x: float, centre: float, text: str, anchor: Anchor = "start", *, size: float = BODY, bold: bool = False,
        italic: bool = False, colour: str = "ink",
    ) -> None:  # fmt: skip
        """Words in one face on a row centred on `centre`."""
        face: Literal["bold", "italic", "regular"] = "bold" if bold else "italic" if italic else "regular"
        self.centred(x, centre, plain(text, size, face, colour), anchor)

    def line(
        self, points: Iterable[Point], colour: str = "ink", width: float = LINE, *, dash: tuple[float, ...] = (),
        opacity: float = 1.0, layer: int = MARKS,
    ) -> None:  # fmt: skip
        """An open line through the points."""
        self._items.append(Stroke(tuple(points), colour, width, dash, opacity, layer))

    def shape(
        self, points: Iterable[Point], fill: str = "", outline: str = "", *, width: float = LINE, opacity: float = 1.0,
        layer: int = MARKS,
    ) -> None:  # fmt: skip
        """A closed polygon."""
        self._items.append(Shape(tuple(points), fill, outline, width, opacity, layer))

    def box(
        self, x0: float, y0: float, x1: float, y1: float, fill: str = "", outline: str = "", *, width: float = LINE,
        opacity: float = 1.0, layer: int = MARKS,
    ) -> None:  # fmt: skip
        """A rectangle."""
        corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
        self.shape(corners, fill, outline, width=width, opacity=opacity, layer=layer)

    def disc(
        self, x: float, y: float, r: float, fill: str = "", outline: str = "", *, width: float = LINE,
    ) -> None:  # fmt: skip
        """A circle."""
        self._items.append(Disc(x, y, r, fill, outline, width))

    def arrowhead(
        self, x: float, y: float, direction: Literal["left", "right", "down"], colour: str = "ink",
        length: float = 4.0, breadth: float = 4.6,
    ) -> None:  # fmt: skip
        """A solid head whose tip is at (x, y)."""
        half = breadth / 2
        back = {
            "left": ((x + length, y - half), (x + length, y + half)),
            "right": ((x - length, y - half), (x - length, y + half)),
            "down": ((x - half, y - length), (x + half, y - length)),
        }[direction]
        self.shape(((x, y), *back), colour)

    def mark(self, kind: str, x: float, y: float, half: float, colour: str, *, hollow: bool = False) -> None:
        """A point's mark: square, diamond, triangle, triangle-down, circle, ring, plus; about equal in area."""
        fill, outline = ("paper", colour) if hollow else (colour, "")
        if kind in ("circle", "ring"):
            ring = hollow or kind == "ring"
            self.disc(x, y, half * 1.1, "paper" if ring else colour, colour if ring else "", width=0.8)
        elif kind == "plus":
            a, b = half * 1.25, half * 0.45
            quarter = [(-b, -a), (b, -a), (b, -b), (a, -b)]
            arms = [*quarter, *((-dy, dx) for dx, dy in quarter[1:])]
            arms += [(-dx, -dy) for dx, dy in arms[1:6]]
            self.shape([(x + dx, y + dy) for dx, dy in arms], fill, outline, width=0.8)
        else:
            a = half * 1.3
            corners = {
                "square": [(-half, -half), (half, -half), (half, half), (-half, half)],
                "diamond": [(-a, 0), (0, -a), (a, 0), (0, a)],
                "triangle": [(-a, half), (0, -a), (a, half)],
                "triangle-down": [(-a, -half), (a, -half), (0, a)],
            }[kind]
            self.shape([(x + dx, y + dy) for dx, dy in corners], fill, outline, width=0.8)
