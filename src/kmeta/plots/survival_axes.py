"""The axes of a survival figure: time to the right, survival in percent upwards."""

from __future__ import annotations

import math

from kmeta.plots.drawing import BEHIND, Drawing
from kmeta.plots.style import AXIS, BODY, THIN
from kmeta.plots.text import measure, plain, wrap
from kmeta.plots.ticks import Axis, shortest

HEIGHT = 160.0


class SurvivalAxes:
    """Where a survival figure's axes stand; a figure sets these before it draws."""

    drawing: Drawing
    axis: Axis
    left: float
    right: float
    top: float

    def x(self, time: float) -> float:
        """Where a time stands."""
        return self.left + self.axis.share(time) * (self.right - self.left)

    def y(self, survival: float) -> float:
        """Where a survival of 0 to 1 stands."""
        return self.top + (1 - survival) * HEIGHT

    def axes(self, outcome: str, since: str) -> None:
        """Grid, ticks, numbers and titles."""
        d, bottom = self.drawing, self.top + HEIGHT
        for share in (0.25, 0.5, 0.75, 1.0):
            d.line([(self.left, self.y(share)), (self.right, self.y(share))], "grid", THIN, layer=BEHIND)
        for share in (0.0, 0.25, 0.5, 0.75, 1.0):
            y = self.y(share)
            d.line([(self.left - 3, y), (self.left, y)])
            d.text(self.left - 5, y, f"{100 * share:.0f}", "end", size=AXIS)
        d.line([(self.left, self.top), (self.left, bottom), (self.right, bottom)])
        room = max(measure(shortest(tick), AXIS) for tick in self.axis.ticks) + 4
        for i, tick in enumerate(self.axis.ticks):
            d.line([(self.x(tick), bottom), (self.x(tick), bottom + 3)])
            if i % self.stride(room) == 0:
                d.text(self.x(tick), bottom + 9, shortest(tick), "middle", size=AXIS)
        title = wrap(plain(since, BODY), self.right - self.left, 1)[0]
        d.centred((self.left + self.right) / 2, bottom + 20, title, "middle")
        side = wrap(plain(f"{outcome}, %", BODY), HEIGHT, 1)[0]
        d.runs(self.left - 22.0, self.top + HEIGHT / 2, side, "middle", turned=True)

    def stride(self, room: float) -> int:
        """Every how many ticks a text of that width has room."""
        pitch = (self.right - self.left) / (len(self.axis.ticks) - 1)
        return max(1, math.ceil(room / pitch))
