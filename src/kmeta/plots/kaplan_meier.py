"""Kaplan-Meier curves with bands, censor marks, end labels and the tables under them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeta.core.errors import InputError
from kmeta.core.numbers import count, months
from kmeta.methods.survival.curve import SurvivalCurve, number_at_risk
from kmeta.methods.survival.kaplan_meier import KaplanMeier
from kmeta.plots.drawing import PATCH, Box, Drawing, Point
from kmeta.plots.figure import Figure, figure_of
from kmeta.plots.registry import PLOTS
from kmeta.plots.style import (
    AXIS,
    BODY,
    CLASS_ORDER,
    DASHES,
    MARGIN,
    NOTE,
    THIN,
    arm_role,
    palette,
    points,
)
from kmeta.plots.survival_axes import HEIGHT, SurvivalAxes
from kmeta.plots.text import measure, plain, wrap
from kmeta.plots.ticks import time_axis
from kmeta.plots.words import counted, note_from_outside, ratio_interval, sentences

LEFT, LEFT_WITHOUT_NAMES, TOP = 46.0, 34.0, 8.0
LABEL_ROOM, LABEL_GAP, LABEL_PITCH = 46.0, 7.0, 19.0
CURVE, BAND, CENSOR = 1.4, 0.12, 4.4
LONGEST_LEADER, SAMPLE = 70.0, 12.0
ROW, BLOCK = 9.5, 9.9
NARROW_MM = 100.0


@PLOTS.register("kaplan_meier_figure")
def kaplan_meier_figure(
    fitted: KaplanMeier | Sequence[SurvivalCurve],
    *,
    outcome: str = "Survival",
    since: str = "Months",
    hazard_ratio: tuple[float, float, float] | None = None,
    published: str = "",
    source: str = "",
    until: float | None = None,
    fade_below: int = 0,
    preset: str = "journal",
    width_mm: float = 114,
    name: str = "kaplan-meier",
) -> Figure:
    """Draw survival curves of one to seven groups.

    `outcome` and `since` name the axes ("Progression-free survival", "Months since randomisation"). `hazard_ratio`:
    (estimate, low, high), printed with the medians; `published`: the value a paper prints, shown in grey where the
    data are reconstructed. `until`: last time shown. `fade_below`: curves are pale where fewer are at risk. Under
    100 mm only the numbers at risk are tabulated, else also the cumulative censored and events: at each tick the
    three make n. Raises InputError without a curve or with more than seven.

    >>> from kmeta.methods.survival.kaplan_meier import kaplan_meier
    >>> fitted = kaplan_meier([3, 5, 8, 12], [1, 0, 1, 0], group=["A", "A", "B", "B"])
    >>> kaplan_meier_figure(fitted, outcome="Overall survival").title
    'Overall survival'
    """
    palette(preset)
    page = points(width_mm)
    curves = list(fitted.curves if isinstance(fitted, KaplanMeier) else fitted)
    if not 1 <= len(curves) <= len(CLASS_ORDER):
        raise InputError(
            f"{len(curves)} curves", where="fitted", hint="1 to 7 can be told apart in one figure"
        )
    said = _said(curves, hazard_ratio)
    plot = _Plot(curves, page - 2 * MARGIN, until, width_mm < NARROW_MM)
    height = plot.draw(outcome, since, said, published, source, fade_below)
    return figure_of(
        plot.drawing,
        name=name,
        title=outcome,
        alt=_alt(curves, outcome, said),
        width=page,
        height=height,
        preset=preset,
        rows=_rows(curves),
    )


def _said(curves: Sequence[SurvivalCurve], hazard_ratio: tuple[float, float, float] | None) -> list[str]:
    """The result block: HR, then the medians side by side (one group: with its interval)."""
    out = []
    if hazard_ratio:
        shown = ratio_interval(*hazard_ratio)
        limits = f" (95% CI {shown.low}–{shown.high})" if shown.low else ""
        out.append(f"HR {shown.value}{limits}")
    medians = [curve.median for curve in curves]
    if len(curves) == 1:
        value, low, high = medians[0]
        interval = f" ({_months(low)}–{_months(high)})" if not math.isnan(low) else ""
        out.append(
            f"Median {_months(value)}{interval} months" if not math.isnan(value) else "Median not reached"
        )
    elif len(curves) <= 3:
        out.append(f"Median {' v '.join(_months(m[0]) for m in medians)} months")
    return out


def _months(value: float) -> str:
    return "n.r." if math.isnan(value) else months(value)


@dataclass(slots=True)
class _Counts:
    """n(t) counts time >= t; censored and events before t: the three make n."""

    at_risk: list[int]
    censored: list[int]
    events: list[int]


def counts_at(curve: SurvivalCurve, ticks: Sequence[float]) -> _Counts:
    """At risk, cumulative censored and cumulative events of a curve at each tick."""
    out = _Counts([], [], [])
    for tick in ticks:
        before = curve.time < tick - 1e-9
        # sums of weights where there are any; with late entry those at risk are not the rest of n
        out.at_risk.append(round(number_at_risk(curve.sample, max(0.0, tick - 1e-9))))
        out.censored.append(round(float(curve.n_censored[before].sum())))
        out.events.append(round(float(curve.n_event[before].sum())))
    return out


class _Plot(SurvivalAxes):
    """Where the axes stand, and everything drawn in and around them."""

    def __init__(
        self, curves: Sequence[SurvivalCurve], content: float, until: float | None, narrow: bool
    ) -> None:
        self.curves, self.content, self.narrow = curves, content, narrow
        self.drawing = Drawing()
        last = max(float(curve.time[-1]) for curve in curves) if until is None else until
        self.axis = time_axis(last)
        self.until = self.axis.high if until is None else until
        self.roles = [arm_role(i) for i in range(len(curves))]
        widest = max(measure(curve.label, AXIS) for curve in curves)
        first = max(measure(count(curve.n), AXIS) for curve in curves) / 2
        self.named = widest + first + 4 <= LEFT
        self.left = MARGIN + (LEFT if self.named else LEFT_WITHOUT_NAMES)
        self.label_room = min(max(LABEL_ROOM, *(self._label_width(c) for c in curves)), 0.3 * content)
        self.right = MARGIN + content - self.label_room - LABEL_GAP
        self.top = MARGIN + TOP

    @staticmethod
    def _label_width(curve: SurvivalCurve) -> float:
        return max(measure(curve.label, BODY, "bold"), measure(_events(curve), NOTE)) + 0.5

    def draw(
        self, outcome: str, since: str, said: Sequence[str], published: str, source: str, fade_below: int
    ) -> float:
        lines = [(text, "ink") for text in said] + ([(published, "secondary")] if published else [])
        place = self._block_place(lines)
        if place == "above":
            self.top += BLOCK * len(lines) + 2
        self.axes(outcome, since)
        for curve, role in zip(self.curves, self.roles, strict=True):
            self._band(curve, role)
        for curve, role in zip(self.curves, self.roles, strict=True):
            self._curve(curve, role, fade_below)
        self._medians()
        self._end_labels()
        self._block(lines, place)
        bottom = self._tables(self.top + HEIGHT + 24)
        words = " ".join(filter(None, [source.strip(), "Ticks, censored; bands, 95% CI."]))
        for line in wrap(note_from_outside(words, NOTE), self.content):
            self.drawing.centred(MARGIN, bottom + 10, line)
            bottom += 9.4
        return bottom + 5 + MARGIN

    def _steps(self, curve: SurvivalCurve, values: Sequence[float], first: float = 1.0) -> list[Point]:
        """A step function from time 0 to the end of the curve, cut at the last time shown."""
        out, level = [(self.x(0.0), self.y(first))], first
        for time, value in zip(curve.time.tolist(), values, strict=True):
            if time > self.until:
                out.append((self.x(self.until), self.y(level)))
                return out
            if value != level:
                out += [(self.x(time), self.y(level)), (self.x(time), self.y(value))]
                level = value
        return [*out, (self.x(float(curve.time[-1])), self.y(level))]

    def _band(self, curve: SurvivalCurve, role: str) -> None:
        survival = curve.survival
        # Before the first event both limits are 1; where the scale gives none at 0, the band ends.
        low = np.where(np.isnan(curve.ci_low) & (survival >= 1), 1.0, curve.ci_low)
        high = np.where(np.isnan(curve.ci_high) & (survival >= 1), 1.0, curve.ci_high)
        known = (
            int(np.argmax(np.isnan(low) | np.isnan(high)))
            if (np.isnan(low) | np.isnan(high)).any()
            else len(low)
        )
        if known == 0:
            return
        last = float(curve.time[known]) if known < len(low) else float(curve.time[-1])
        end = self.x(min(last, self.until))
        tops = [
            p
            for p in self._steps(curve, [*high[:known], *[high[known - 1]] * (len(low) - known)])
            if p[0] <= end
        ]
        floor = [
            p
            for p in self._steps(curve, [*low[:known], *[low[known - 1]] * (len(low) - known)])
            if p[0] <= end
        ]
        tops.append((end, tops[-1][1]))
        floor.append((end, floor[-1][1]))
        self.drawing.shape([*tops, *reversed(floor)], role, opacity=BAND, layer=PATCH)

    def _curve(self, curve: SurvivalCurve, role: str, fade_below: int) -> None:
        dash = DASHES[role]
        steps = self._steps(curve, curve.survival.tolist())
        few = curve.n_risk < fade_below
        cut = self.x(float(curve.time[int(np.argmax(few))])) if few.any() else math.inf
        solid, pale = _cut(steps, cut)
        for part, opacity in ((solid, 1.0), (pale, 0.5)):
            if len(part) > 1:
                self.drawing.line(part, role, CURVE, dash=dash, opacity=opacity)
        for time, survival, censored in zip(curve.time, curve.survival, curve.n_censored, strict=True):
            if censored and time <= self.until:
                x, y = self.x(float(time)), self.y(float(survival))
                self.drawing.line([(x, y - CENSOR / 2), (x, y + CENSOR / 2)], role, 0.55)

    def _medians(self) -> None:
        reached = [
            (curve.median[0], role)
            for curve, role in zip(self.curves, self.roles, strict=True)
            if not math.isnan(curve.median[0]) and curve.median[0] <= self.until
        ]
        if reached:
            far = self.x(max(median for median, _ in reached))
            self.drawing.line(
                [(self.left, self.y(0.5)), (far, self.y(0.5))], "ink", THIN, dash=(1.2, 1.2), layer=PATCH
            )
        for median, role in reached:
            x = self.x(median)
            self.drawing.line([(x, self.y(0.5)), (x, self.y(0))], role, THIN, dash=(1.2, 1.2), layer=PATCH)
        for median, role in reached:
            self.drawing.disc(self.x(median), self.y(0.5), 1.9, "paper", role, width=0.9)

    def _ends(self) -> list[Point]:
        return [self._steps(curve, curve.survival.tolist())[-1] for curve in self.curves]

    def _end_labels(self) -> None:
        """Name and events at the end of each curve, pushed apart, order kept."""
        ends = self._ends()
        order = sorted(range(len(ends)), key=lambda i: (ends[i][1], i))
        low, high = self.top + 6, self.top + HEIGHT + 4
        wanted = [min(max(ends[i][1] - 4, low), high - 9) for i in order]
        placed = spread(wanted, LABEL_PITCH, low, high - 9)
        x = self.right + LABEL_GAP
        for i, y in zip(order, placed, strict=True):
            name = wrap(plain(self.curves[i].label, BODY, "bold", self.roles[i]), self.label_room, 1)[0]
            self.drawing.centred(x, y, name)
            start = (min(ends[i][0] + 1.0, self.right + 1), ends[i][1])
            # A leader from far away would cross the other curves: a sample of the line stands for it.
            far = x - start[0] > LONGEST_LEADER
            if far:
                dash = DASHES[self.roles[i]]
                self.drawing.line([(x, y + 8.4), (x + SAMPLE, y + 8.4)], self.roles[i], CURVE, dash=dash)
            else:
                self.drawing.line([start, (x - 1.8, y + 3.5)], self.roles[i], 0.5)
            indent = SAMPLE + 3 if far else 0.0
            words = plain(_events(self.curves[i]), NOTE, colour="secondary")
            self.drawing.centred(x + indent, y + 8.4, wrap(words, self.label_room - indent, 1)[0])

    def _block_box(self, lines: Sequence[tuple[str, str]], place: str) -> Box:
        wide = max((measure(text, BODY) for text, _ in lines), default=0.0)
        tall = BLOCK * len(lines)
        if place == "top":
            return Box(self.right - wide - 3, self.top, self.right, self.top + tall + 2, "")
        return Box(self.left + 4, self.top + HEIGHT - tall - 4, self.left + wide + 8, self.top + HEIGHT, "")

    def _block_place(self, lines: Sequence[tuple[str, str]]) -> str:
        """Top right, else bottom left, else above: never over a curve."""
        if not lines:
            return "top"
        for place in ("top", "bottom"):
            box = self._block_box(lines, place)
            if box.x0 > self.left and not any(self._crosses(curve, box) for curve in self.curves):
                return place
        return "above"

    def _crosses(self, curve: SurvivalCurve, box: Box) -> bool:
        steps = self._steps(curve, curve.survival.tolist())
        for (x0, y0), (x1, y1) in itertools.pairwise(steps):
            if (
                min(x0, x1) <= box.x1
                and max(x0, x1) >= box.x0
                and min(y0, y1) <= box.y1
                and max(y0, y1) >= box.y0
            ):
                return True
        return False

    def _block(self, lines: Sequence[tuple[str, str]], place: str) -> None:
        for i, (text, colour) in enumerate(lines):
            if place == "bottom":
                y = self.top + HEIGHT - BLOCK * (len(lines) - i) + BLOCK / 2 - 3
                self.drawing.text(self.left + 6, y, text, colour=colour)
            else:
                first = self.top - BLOCK * len(lines) - 3 if place == "above" else self.top
                room = self.right - (MARGIN if place == "above" else self.left)
                line = wrap(plain(text, BODY, colour=colour), room, 1)[0]
                self.drawing.centred(self.right, first + 5.4 + BLOCK * i, line, "end")

    def _tables(self, top: float) -> float:
        ticks = self.axis.ticks
        counted_up = [counts_at(curve, ticks) for curve in self.curves]
        tables = [("At risk", [c.at_risk for c in counted_up])]
        if not self.narrow:
            tables.append(("Censored (cumulative)", [c.censored for c in counted_up]))
            tables.append(("Events (cumulative)", [c.events for c in counted_up]))
        room = max(measure(count(curve.n), AXIS) for curve in self.curves) + 4
        stride, y = self.stride(room), top
        for title, rows in tables:
            y += 12.5
            self.drawing.text(MARGIN, y, title, size=AXIS, bold=True)
            for i, row in enumerate(rows):
                y += ROW if i else 10.0
                self._row_head(i, y)
                for at, number in enumerate(row):
                    if at % stride == 0:
                        self.drawing.text(self.x(ticks[at]), y, count(number), "middle", size=AXIS)
            y += 1.2
        return y + 4

    def _row_head(self, i: int, y: float) -> None:
        if self.named:
            self.drawing.text(MARGIN, y, self.curves[i].label, size=AXIS, colour=self.roles[i])
        else:
            dash = DASHES[self.roles[i]]
            self.drawing.line([(MARGIN, y), (MARGIN + SAMPLE, y)], self.roles[i], CURVE, dash=dash)


def _events(curve: SurvivalCurve) -> str:
    return f"{count(curve.events)}/{count(curve.n)} events"


def _cut(steps: Sequence[Point], at: float) -> tuple[list[Point], list[Point]]:
    """A step line before and after an x."""
    before = [p for p in steps if p[0] <= at]
    after = [p for p in steps if p[0] > at]
    if after and before:
        joint = (at, before[-1][1])
        return [*before, joint], [joint, *after]
    return before, after


def spread(wanted: Sequence[float], pitch: float, low: float, high: float) -> list[float]:
    """Sorted positions moved as little as needed to stand `pitch` apart inside [low, high] (from low when too many).

    >>> spread([10, 12, 40], 8, 0, 50)
    [7.0, 15.0, 40.0]
    """
    groups: list[list[float]] = []
    for value in wanted:
        groups.append([value])
        while len(groups) > 1 and _start(groups[-2], pitch) + pitch * len(groups[-2]) > _start(
            groups[-1], pitch
        ):
            groups[-2:] = [groups[-2] + groups[-1]]
    out = [_start(group, pitch) + pitch * i for group in groups for i in range(len(group))]
    for i in range(len(out) - 1, -1, -1):
        out[i] = min(out[i], (out[i + 1] - pitch) if i + 1 < len(out) else high)
    for i in range(len(out)):
        out[i] = max(out[i], (out[i - 1] + pitch) if i else low)
    return out


def _start(group: Sequence[float], pitch: float) -> float:
    """Where a group of touching labels begins so that they lie around their wishes."""
    return sum(value - pitch * i for i, value in enumerate(group)) / len(group)


def _alt(curves: Sequence[SurvivalCurve], outcome: str, said: Sequence[str]) -> str:
    arms = "; ".join(f"{curve.label} {_events(curve)}" for curve in curves)
    first = (
        f"Kaplan-Meier curves of {outcome[:1].lower()}{outcome[1:]}, {counted(len(curves), 'group')}: {arms}"
    )
    return sentences(first, "; ".join(said))


def _rows(curves: Sequence[SurvivalCurve]) -> list[Mapping[str, Any]]:
    return [
        {
            "group": curve.label,
            "time": float(curve.time[i]),
            "n_risk": int(curve.n_risk[i]),
            "n_event": int(curve.n_event[i]),
            "n_censored": int(curve.n_censored[i]),
            "survival": float(curve.survival[i]),
            "ci_low": float(curve.ci_low[i]),
            "ci_high": float(curve.ci_high[i]),
        }
        for curve in curves
        for i in range(len(curve.time))
    ]
