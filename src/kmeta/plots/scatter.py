"""A framed plot of points: two axes with ticks and titles, marks in data units, names where there is room for them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from kmeta.plots.drawing import PATCH, Box, Disc, Drawing, Point, Text, box_of
from kmeta.plots.style import AXIS, BASELINE, LINE, MARGIN, NOTE, POOLED_DASH, THIN
from kmeta.plots.text import measure, plain, shortened, width, wrap
from kmeta.plots.ticks import Axis, shortest

RADIUS = 2.0
LONGEST = 78.0  # points of a name beside its mark
TURNED, TICKS = 11.0, 5.0
UNDER = 24.0  # from the frame to the lower edge of the axis title


class Frame:
    """A panel whose axes stand left and below; `top` and `left` are its outer corner, `down` turns the y axis over,
    `gutter` is the least room of its numbers, so that panels stand in line."""

    def __init__(
        self,
        drawing: Drawing,
        x: Axis,
        y: Axis,
        *,
        left: float,
        top: float,
        right: float,
        height: float,
        titles: tuple[str, str],
        down: bool = False,
        gutter: float = 0.0,
    ) -> None:
        self.drawing, self.horizontal, self.vertical, self.down = drawing, x, y, down
        numbers = max(gutter, *(measure(shortest(tick), AXIS) for tick in y.ticks))
        self.left = left + (TURNED if titles[1] else 0.0) + numbers + TICKS
        over = measure(shortest(x.ticks[-1]), AXIS) / 2 - 4  # the last number stands out beyond the frame
        self.right, self.top, self.bottom = right - max(0.0, over), top, top + height
        self.titles = titles
        self._draw()

    @classmethod
    def alone(
        cls,
        drawing: Drawing,
        page: float,
        x: Axis,
        y: Axis,
        titles: tuple[str, str],
        *,
        height: float,
        down: bool = False,
    ) -> Frame:
        """The one panel of a figure `page` points wide."""
        right = page - MARGIN - 4
        return cls(
            drawing, x, y, left=MARGIN, top=MARGIN + 9, right=right, height=height, titles=titles, down=down
        )

    def x(self, value: float) -> float:
        """Place of a value of the x axis."""
        return self.left + self.horizontal.share(value) * (self.right - self.left)

    def y(self, value: float) -> float:
        """Place of a value of the y axis."""
        share = self.vertical.share(value)
        return self.top + (share if self.down else 1 - share) * (self.bottom - self.top)

    def _draw(self) -> None:
        d = self.drawing
        d.line([(self.left, self.top), (self.left, self.bottom), (self.right, self.bottom)], "ink", LINE)
        for tick in self.vertical.ticks:
            y = self.y(tick)
            d.line([(self.left - 3, y), (self.left, y)], "ink", LINE)
            d.text(self.left - TICKS, y, shortest(tick), "end", size=AXIS)
        taken = -math.inf
        for tick in self.horizontal.ticks:
            x, half = self.x(tick), measure(shortest(tick), AXIS) / 2
            d.line([(x, self.bottom), (x, self.bottom + 3)], "ink", LINE)
            if x - half > taken + 2:
                d.text(x, self.bottom + 9, shortest(tick), "middle", size=AXIS)
                taken = x + half
        below, beside = self.titles
        if below:
            line = wrap(plain(below), self.right - self.left, 1)[0]
            d.centred((self.left + self.right) / 2, self.bottom + 20, line, "middle")
        if beside:
            line = wrap(plain(beside), self.bottom - self.top, 1)[0]
            widest = max(measure(shortest(tick), AXIS) for tick in self.vertical.ticks)
            at = self.left - TICKS - widest - 4.5
            d.runs(at, (self.top + self.bottom) / 2, line, "middle", turned=True)

    def inside(self, x: float, y: float) -> bool:
        """Whether a point lies within both axes."""
        return 0 <= self.horizontal.share(x) <= 1 and 0 <= self.vertical.share(y) <= 1

    def dots(self, points: Iterable[Point], colour: str = "pooled", r: float = RADIUS) -> None:
        """A disc each; those that are no numbers, or beyond the axes, are left out."""
        for x, y in points:
            if math.isfinite(x) and math.isfinite(y) and self.inside(x, y):
                self.drawing.disc(self.x(x), self.y(y), r, colour, "paper", width=0.5)

    def path(
        self,
        points: Iterable[Point],
        colour: str = "ink",
        width: float = LINE,
        *,
        dash: tuple[float, ...] = (),
    ) -> None:
        """A line through points in data units."""
        places = [(self.x(x), self.y(y)) for x, y in points if math.isfinite(x) and math.isfinite(y)]
        if len(places) > 1:
            self.drawing.line(places, colour, width, dash=dash, layer=PATCH)

    def across(self, y: float, *, dash: tuple[float, ...] = POOLED_DASH, colour: str = "rule") -> None:
        """A level line over the whole width, where it lies within the axis."""
        if math.isfinite(y) and 0 <= self.vertical.share(y) <= 1:
            self.drawing.line(
                [(self.left, self.y(y)), (self.right, self.y(y))], colour, THIN, dash=dash, layer=PATCH
            )

    def upright(
        self, x: float, *, dash: tuple[float, ...] = (), colour: str = "ink", width: float = LINE
    ) -> None:
        """A line over the whole height, where it lies within the axis."""
        if math.isfinite(x) and 0 <= self.horizontal.share(x) <= 1:
            self.drawing.line(
                [(self.x(x), self.top), (self.x(x), self.bottom)], colour, width, dash=dash, layer=PATCH
            )

    def name(self, points: Sequence[Point], labels: Sequence[str], order: Iterable[int]) -> list[int]:
        """Write names beside points, in `order` of their weight, wherever one has room; gives those written."""
        items = self.drawing.items()
        texts = [box_of(item) for item in items if isinstance(item, Text)]
        marks = [Box(i.x - i.r, i.y - i.r, i.x + i.r, i.y + i.r, "") for i in items if isinstance(i, Disc)]
        done = []
        for i in order:
            x, y = points[i]
            if not (math.isfinite(x) and math.isfinite(y) and self.inside(x, y)):
                continue
            runs = shortened(plain(labels[i], NOTE), LONGEST)
            own = Box(self.x(x) - RADIUS, self.y(y) - RADIUS, self.x(x) + RADIUS, self.y(y) + RADIUS, "")
            for text in self._places(self.x(x), self.y(y), runs):
                box = box_of(text)
                within = (
                    self.left + 1 < box.x0
                    and box.x1 < self.right
                    and self.top - 6 < box.y0 < box.y1 < self.bottom
                )
                free = all(box.overlap(other) < -0.5 for other in texts)
                free &= all(box.overlap(mark) < 0 for mark in marks if mark != own)
                if within and free:
                    self.drawing.runs(text.x, text.y, text.runs, text.anchor)
                    texts.append(box)
                    done.append(i)
                    break
        return done

    def _places(self, x: float, y: float, runs: Sequence[object]) -> list[Text]:
        words = tuple(runs)
        lower, half = BASELINE * NOTE, width(words) / 2  # type: ignore[arg-type]
        places = [(x + 4, y + lower, "start"), (x - 4, y + lower, "end")]
        places += [
            (max(x, self.left + half + 2), y - 4, "middle"),
            (max(x, self.left + half + 2), y + 8, "middle"),
        ]
        return [Text(at, base, words, anchor) for at, base, anchor in places]  # type: ignore[arg-type]


def farthest(points: Sequence[Point]) -> list[int]:
    """Indices of the points, those farthest from the origin first, each axis in units of its largest value."""
    known = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    if not known:
        return []
    wide, high = (max((abs(p[i]) for p in known), default=1.0) or 1.0 for i in (0, 1))
    reach = [
        math.hypot(x / wide, y / high) if math.isfinite(x) and math.isfinite(y) else -1.0 for x, y in points
    ]
    return sorted(range(len(points)), key=lambda i: (-reach[i], i))
