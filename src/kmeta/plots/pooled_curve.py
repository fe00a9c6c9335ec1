"""A pooled survival curve with its bands, the studies faint behind it, and what carries it beneath."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeta.core.errors import InputError
from kmeta.core.numbers import count, interval, months, percent
from kmeta.methods.pooling.curve_result import PooledCurve
from kmeta.plots.drawing import PATCH, Box, Drawing, Point
from kmeta.plots.figure import Figure, figure_of
from kmeta.plots.kaplan_meier import LONGEST_LEADER, SAMPLE, spread
from kmeta.plots.registry import PLOTS
from kmeta.plots.style import (
    AXIS,
    BODY,
    CLASS_ORDER,
    DASHES,
    MARGIN,
    NOTE,
    THIN,
    palette,
    points,
)
from kmeta.plots.survival_axes import HEIGHT, SurvivalAxes
from kmeta.plots.text import Runs, marked_up, measure, plain, width, wrap
from kmeta.plots.ticks import time_axis
from kmeta.plots.words import counted, note_from_outside, sentences

LEFT, TOP = 46.0, 8.0
CURVE, STUDY, EDGE = 1.6, 0.5, 0.6
STUDY_PALE, BAND, WIDE = 0.55, 0.35, 0.1
DOTTED, DASHED = (1.2, 1.2), (2.4, 1.4)
LABEL_ROOM, LABEL_GAP, LABEL_PITCH, LINE_PITCH = 52.0, 7.0, 20.0, 8.6
BLOCK, ROW = 9.9, 9.5


@dataclass(frozen=True)
class _Series:
    """One pooled curve as it is drawn."""

    curve: PooledCurve
    role: str
    label: str


@PLOTS.register("pooled_curve")
def pooled_curve_figure(
    curve: PooledCurve,
    *,
    outcome: str = "Survival",
    since: str = "Months",
    by_class: bool = False,
    source: str = "",
    until: float | None = None,
    preset: str = "journal",
    width_mm: float = 114,
    name: str = "pooled-curve",
) -> Figure:
    """Draw a pooled survival curve, or with `by_class` one a class (one to seven) without the single studies.

    `outcome` and `since` name the axes; medians are printed in the unit that `since` begins with. `until`: last time
    shown; by default the last that three studies reach. Under the axis: how many studies, and how many of their
    patients, carry each time.

    >>> from kmeta.methods.pooling import pooled_curve
    >>> rows = [("A", 6, 0.9, 40), ("A", 12, 0.7, 35), ("B", 6, 0.8, 60), ("B", 12, 0.5, 48)]
    >>> pooled_curve_figure(pooled_curve(rows), outcome="Overall survival").title
    'Overall survival'
    """
    palette(preset)
    page = points(width_mm)
    shown = [_Series(curve, "pooled", "Pooled curve")]
    if by_class:
        parts = curve.by_class
        if not 1 <= len(parts) <= len(CLASS_ORDER):
            raise InputError(f"{len(parts)} classes", where="by_class", hint="1 to 7 can be told apart")
        roles = _roles([part.name for part in parts])
        shown = [_Series(part, role, part.name) for part, role in zip(parts, roles, strict=True)]
    plot = _Plot(shown, page - 2 * MARGIN, until, studies=not by_class)
    said = _said(shown, since)
    height = plot.draw(outcome, since, said, source)
    return figure_of(
        plot.drawing,
        name=name,
        title=outcome,
        alt=_alt(shown, outcome, since),
        width=page,
        height=height,
        preset=preset,
        rows=[row for series in shown for row in _rows(series, by_class)],
    )


def _roles(names: Sequence[str]) -> list[str]:
    """A treatment class takes its own colour, another name the first that is left."""
    rest = iter([role for role in CLASS_ORDER if role not in names])
    return [name if name in CLASS_ORDER else next(rest) for name in names]


def _unit(since: str) -> str:
    """The unit as the axis names it: the first word of "Months since randomisation"."""
    first = since.split()[0] if since.split() else ""
    return f" {first.lower()}" if first.isalpha() and len(first) <= 10 else ""


def _median(curve: PooledCurve, since: str) -> str:
    value, low, high = ("n.r." if math.isnan(v) else months(v) for v in curve.median)
    if value == "n.r.":
        return "median not reached"
    return f"median {value}{_unit(since)} ({100 * curve.level:g}% CI {interval(low, high)})"


def _said(shown: Sequence[_Series], since: str) -> list[tuple[Runs, str]]:
    """The lines of the result block."""
    if len(shown) > 1:
        words = "Difference of classes: an association"
        return [(plain(words, BODY, colour="secondary"), words)]
    curve = shown[0].curve
    first = _median(curve, since)
    lines = [first[0].upper() + first[1:]]
    if shown[0].role == "pooled":
        lines += [f"{counted(curve.k, 'study', 'studies')}; *I*² = {percent(curve.i2)}%"]
    else:
        lines += [counted(curve.k, "study", "studies")]
    out = [(marked_up(text, BODY), text) for text in lines]
    if shown[0].role == "pooled" and curve.k > 1:
        out.append((plain("Grey lines: single studies", BODY, colour="secondary"), ""))
    return out


class _Plot(SurvivalAxes):
    """Where the axes stand, and everything drawn in and around them."""

    def __init__(
        self, shown: Sequence[_Series], content: float, until: float | None, *, studies: bool
    ) -> None:
        self.shown, self.content, self.studies = shown, content, studies
        self.drawing = Drawing()
        self.until = max(_last(series.curve) for series in shown) if until is None else until
        if not 0 < self.until < math.inf:
            raise InputError(f"until is {self.until:g}", where="until", hint="a time after 0")
        self.axis = time_axis(self.until)
        self.left = MARGIN + LEFT
        self.label_room = min(max(LABEL_ROOM, *(_label_width(s) for s in shown)), 0.3 * content)
        self.right = MARGIN + content - self.label_room - LABEL_GAP
        self.top = MARGIN + TOP

    def draw(self, outcome: str, since: str, said: Sequence[tuple[Runs, str]], source: str) -> float:
        above = self._crossed(said)
        if above:
            self.top += BLOCK * len(said) + 2
        self.axes(outcome, since)
        if self.studies:
            self._study_curves()
        for series in self.shown:
            self._bands(series)
        for series in self.shown:
            self.drawing.line(
                self._points(series.curve.time, series.curve.survival),
                series.role,
                CURVE,
                dash=self._dash(series),
            )
        self._medians()
        self._end_labels()
        self._block(said, above)
        bottom = self._table(self.top + HEIGHT + 24)
        return self._notes(source, bottom) + 5 + MARGIN

    def _dash(self, series: _Series) -> tuple[float, ...]:
        return DASHES.get(series.role, ()) if len(self.shown) > 1 else ()

    def _points(self, time: Any, values: Any, first: float = 1.0) -> list[Point]:
        """A line from time 0, cut at the last time shown and where the values end."""
        t = np.concatenate([[0.0], np.asarray(time, dtype=float)])
        v = np.concatenate([[first], np.asarray(values, dtype=float)])
        known = np.isfinite(v)
        if not known.all():
            t, v = t[: int(np.argmin(known))], v[: int(np.argmin(known))]
        if t[-1] > self.until:
            end = float(np.interp(self.until, t, v))
            inside = t < self.until
            t, v = np.append(t[inside], self.until), np.append(v[inside], end)
        return [(self.x(a), self.y(b)) for a, b in zip(t.tolist(), v.tolist(), strict=True)]

    def _study_curves(self) -> None:
        curve = self.shown[0].curve
        if curve.k > 1:
            for own in curve.study_survival:
                self.drawing.line(
                    self._points(curve.time, own), "rule", STUDY, opacity=STUDY_PALE, layer=PATCH
                )

    def _bands(self, series: _Series) -> None:
        curve = series.curve
        if self.studies:
            high = self._points(curve.time, curve.pi_high)
            low = self._points(curve.time, curve.pi_low)
            if len(high) > 1:
                self.drawing.shape([*high, *reversed(low)], series.role, opacity=WIDE, layer=PATCH)
                for edge in (high, low):
                    self.drawing.line(edge, series.role, EDGE, dash=DASHED, layer=PATCH)
        high, low = self._points(curve.time, curve.ci_high), self._points(curve.time, curve.ci_low)
        cut = min(len(high), len(low))
        pale = BAND if self.studies else BAND / 2
        if cut > 1:
            self.drawing.shape([*high[:cut], *reversed(low[:cut])], series.role, opacity=pale, layer=PATCH)

    def _medians(self) -> None:
        reached = [
            (series.curve.median[0], series.role)
            for series in self.shown
            if series.curve.median[0] <= self.until  # not reached (NaN) is not
        ]
        if reached:
            far = self.x(max(median for median, _ in reached))
            self.drawing.line(
                [(self.left, self.y(0.5)), (far, self.y(0.5))], "ink", THIN, dash=DOTTED, layer=PATCH
            )
        for median, role in reached:
            x = self.x(median)
            self.drawing.line([(x, self.y(0.5)), (x, self.y(0))], "ink", THIN, dash=DOTTED, layer=PATCH)
            self.drawing.disc(x, self.y(0.5), 1.9, "paper", role, width=0.9)

    def _labels(self) -> list[tuple[Point, str, str, str]]:
        """(end of the line, first line, second line, role), from the top down."""
        out = []
        for series in self.shown:
            end = self._points(series.curve.time, series.curve.survival)[-1]
            second = counted(series.curve.k, "study", "studies")
            out.append((end, series.label, second if len(self.shown) > 1 else "and 95% CI", series.role))
        curve = self.shown[0].curve
        if self.studies:
            level = f"{100 * curve.level:g}%"
            out[0] = (out[0][0], "Pooled curve", f"and {level} CI", "pooled")
            upper = self._points(curve.time, curve.pi_high)
            if len(upper) > 1:
                out.append((upper[-1], f"{level} prediction", "band", "pooled"))
        return sorted(out, key=lambda label: label[0][1])

    def _end_labels(self) -> None:
        labels = self._labels()
        low, high = self.top + 6, self.top + HEIGHT - 5
        placed = spread([min(max(end[1] - 4, low), high) for end, *_ in labels], LABEL_PITCH, low, high)
        x = self.right + LABEL_GAP
        for (end, first, second, role), y in zip(labels, placed, strict=True):
            bold = "regular" if second == "band" else "bold"
            name = wrap(plain(first, BODY, bold, role), self.label_room, 1)[0]  # type: ignore[arg-type]
            self.drawing.centred(x, y, name)
            colour = role if self.studies else "secondary"
            # A leader from far away would cross the other curves: a sample of the line stands for it.
            far = x - end[0] > LONGEST_LEADER
            indent = SAMPLE + 3 if far else 0.0
            words = wrap(plain(second, BODY, colour=colour), self.label_room - indent, 1)[0]
            self.drawing.centred(x + indent, y + LINE_PITCH, words)
            if far:
                dash = DASHES.get(role, ()) if len(self.shown) > 1 else ()
                self.drawing.line([(x, y + LINE_PITCH), (x + SAMPLE, y + LINE_PITCH)], role, CURVE, dash=dash)
            else:
                self.drawing.line([(min(end[0] + 1, self.right + 1), end[1]), (x - 1.8, y + 3.5)], role, 0.5)

    def _box(self, said: Sequence[tuple[Runs, str]]) -> Box:
        wide = max(width(runs) for runs, _ in said)
        return Box(self.right - wide - 3, self.top, self.right, self.top + BLOCK * len(said) + 2, "")

    def _crossed(self, said: Sequence[tuple[Runs, str]]) -> bool:
        """Whether a line would run behind the block at the top right."""
        box = self._box(said)
        lines = [(series.curve.time, series.curve.survival) for series in self.shown]
        for series in self.shown:
            lines += [(series.curve.time, band) for band in (series.curve.ci_high, series.curve.pi_high)]
            if self.studies:
                lines += [(series.curve.time, own) for own in series.curve.study_survival]
        for time, values in lines:
            line = self._points(time, values)
            xs, ys = [p[0] for p in line], [p[1] for p in line]
            for x in np.linspace(box.x0, min(box.x1, xs[-1]), 12) if xs[-1] > box.x0 else ():
                if float(np.interp(x, xs, ys)) < box.y1:
                    return True
        return box.x0 < self.left

    def _block(self, said: Sequence[tuple[Runs, str]], above: bool) -> None:
        first = self.top - BLOCK * len(said) - 3 if above else self.top
        room = self.right - (MARGIN if above else self.left)
        for i, (runs, _) in enumerate(said):
            self.drawing.centred(self.right, first + 5.4 + BLOCK * i, wrap(runs, room, 1)[0], "end")

    def _table(self, top: float) -> float:
        """Studies and patients at each tick, a row a curve."""
        ticks = self.axis.ticks
        carried = [_carried(series.curve, ticks) for series in self.shown]
        widest = max(measure(count(n), AXIS) for _, patients in carried for n in patients)
        stride, y = self.stride(widest + 4), top + 12.5
        titles = ["Contributing"] if len(self.shown) == 1 else ["Studies", "Patients at risk"]
        for at, title in enumerate(titles):
            self.drawing.text(MARGIN, y, title, size=AXIS, bold=True)
            for i, (series, rows) in enumerate(zip(self.shown, carried, strict=True)):
                wanted = rows if len(self.shown) == 1 else (rows[at],)
                for j, numbers in enumerate(wanted):
                    y += 10.0 if i + j == 0 else ROW
                    self._row_head(series, y, ("Studies", "At risk")[j] if len(wanted) == 2 else "")
                    for place, number in enumerate(numbers):
                        if place % stride == 0:
                            self.drawing.text(self.x(ticks[place]), y, count(number), "middle", size=AXIS)
            y += 13.0 if at + 1 < len(titles) else 4.0
        return y

    def _row_head(self, series: _Series, y: float, words: str) -> None:
        if words:
            self.drawing.text(MARGIN, y, words, size=AXIS)
        else:
            line = [(MARGIN, y), (MARGIN + SAMPLE, y)]
            self.drawing.line(line, series.role, CURVE, dash=self._dash(series))

    def _notes(self, source: str, bottom: float) -> float:
        curve = self.shown[0].curve
        model = "Random effects" if curve.method == "random" else "Common effect"
        words = [source.strip(), f"{model}, distribution-free pooling."]
        if self.studies and not np.isfinite(curve.pi_high).all() and np.isfinite(curve.pi_high).any():
            words.append("The prediction band ends where fewer than 3 studies remain.")
        if len(self.shown) > 1:
            words.append(f"Bands, {100 * curve.level:g}% CI.")
        for line in wrap(note_from_outside(" ".join(filter(None, words)), NOTE), self.content):
            self.drawing.centred(MARGIN, bottom + 10, line)
            bottom += 9.4
        return bottom


def _last(curve: PooledCurve) -> float:
    """The last time that three studies reach; where there are fewer, the end."""
    enough = [t for t, m in zip(curve.time.tolist(), curve.studies, strict=True) if m >= min(3, curve.k)]
    return float(enough[-1])


def _label_width(series: _Series) -> float:
    return max(measure(series.label, BODY, "bold"), measure("95% prediction", BODY)) + 0.5


def _carried(curve: PooledCurve, ticks: Sequence[float]) -> tuple[list[int], list[int]]:
    """(studies, patients at risk) at each tick: of the interval that holds it."""
    studies, patients = [], []
    for tick in ticks:
        i = int(np.searchsorted(curve.time, tick * (1 - 1e-9), side="left"))
        inside = i < len(curve.time)
        studies.append(curve.studies[i] if inside else 0)
        patients.append(round(float(curve.n_risk[i])) if inside else 0)
    return studies, patients


def _alt(shown: Sequence[_Series], outcome: str, since: str) -> str:
    parts = [
        f"{series.label}, {counted(series.curve.k, 'study', 'studies')}, {_median(series.curve, since)}"
        for series in shown
    ]
    return sentences(f"Pooled curve of {outcome[:1].lower()}{outcome[1:]}", "; ".join(parts))


def _rows(series: _Series, by_class: bool) -> list[Mapping[str, Any]]:
    first = {"class": series.label} if by_class else {}
    return [{**first, **row} for row in series.curve.rows()]
