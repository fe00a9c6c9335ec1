"""Funnel plot: estimates against their standard errors, with zones of P about no effect."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from kmeta.core.errors import InputError
from kmeta.core.numbers import decimal, ratio
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.scales import natural_name
from kmeta.plots.drawing import BEHIND, PATCH, Drawing
from kmeta.plots.figure import Figure, figure_of
from kmeta.plots.registry import PLOTS
from kmeta.plots.style import AXIS, LINE, MARGIN, NOTE, POOLED_DASH, palette, points
from kmeta.plots.text import measure, plain, wrap
from kmeta.plots.ticks import Axis, linear_axis, log_axis, nice_step, shortest
from kmeta.plots.words import RATIO_TITLES, capital, counted, note, sentences

HEIGHT, LEFT, TOP = 156.0, 30.0, 19.0
# Zones from the outside in: |z| of P = 0.01, 0.05, 0.10.
ZONES = ((2.5758, "contour-2"), (1.95996, "contour-1"), (1.64485, "contour-0"))
KEY = (("> 0.10", "contour-0"), ("0.10–0.05", "contour-1"), ("0.05–0.01", "contour-2"), ("< 0.01", "paper"))
FEW = 10


@PLOTS.register("funnel")
def funnel(
    fit: MetaFit,
    *,
    labels: Sequence[str] | None = None,
    title: str = "",
    preset: str = "journal",
    width_mm: float = 85,
    name: str = "funnel",
) -> Figure:
    """Draw estimates against their standard errors, 0 on top; the zones are about no effect, not about the pool.

    Ratios stand on a log axis, anything else on the analysis scale. With fewer than 10 estimates the figure says that
    no test of asymmetry belongs to it. Raises InputError where `labels` are not one an estimate.
    """
    palette(preset)
    fit.need_no_moderators("a funnel plot")
    named = list(labels if labels is not None else fit.labels or [f"Study {i + 1}" for i in range(fit.k)])
    if len(named) != fit.k:
        raise InputError(
            f"{len(named)} labels, {fit.k} estimates", where="labels", hint="one label an estimate"
        )
    page = points(width_mm)
    plot = _Plot(fit, page - 2 * MARGIN)
    height = plot.draw()
    return figure_of(
        plot.drawing,
        name=name,
        title=title or f"Funnel plot, {natural_name(fit.measure)}",
        alt=_alt(fit, title),
        width=page,
        height=height,
        preset=preset,
        rows=_rows(fit, named),
    )


class _Plot:
    def __init__(self, fit: MetaFit, content: float) -> None:
        self.fit, self.content, self.drawing = fit, content, Drawing()
        self.ratio = fit.measure in RATIO_TITLES
        self.se = [math.sqrt(float(v)) for v in fit.vi]
        self.values = [fit.on_scale(float(y)) if self.ratio else float(y) for y in fit.yi]
        deepest = max(self.se)
        step = nice_step(deepest, 4)
        self.deep = step * math.ceil(deepest / step - 1e-9)
        self.steps = [step * i for i in range(round(self.deep / step) + 1)]
        self.axis = self._axis()
        self.left, self.right = MARGIN + LEFT, MARGIN + content - 4
        self.top = MARGIN + TOP

    def _axis(self) -> Axis:
        reach = 1.96 * self.deep
        if self.ratio:
            far = [math.exp(-min(reach, 3.0)), math.exp(min(reach, 3.0))]
            return log_axis(self.values, far, [self.fit.effect])
        return linear_axis([*self.values, self.fit.mu, -reach, reach], hold=[0.0])

    def x(self, share: float) -> float:
        return self.left + min(1.0, max(0.0, share)) * (self.right - self.left)

    def y(self, se: float) -> float:
        return float(self.top + se / self.deep * HEIGHT)

    def _at(self, value: float) -> float:
        """Share of a value of the analysis scale."""
        return self.axis.share(math.exp(max(-700.0, min(700.0, value))) if self.ratio else value)

    def draw(self) -> float:
        d, bottom = self.drawing, self.top + HEIGHT
        self._key()
        for z, colour in ZONES:
            d.shape(self._zone(z), colour, layer=BEHIND)
        null, pooled = self.x(self._at(0.0)), self._at(self.fit.mu)
        d.line([(null, self.top), (null, bottom)], "ink", LINE, layer=PATCH)
        if 0 <= pooled <= 1:
            d.line(
                [(self.x(pooled), self.top), (self.x(pooled), bottom)],
                "pooled",
                1.0,
                dash=POOLED_DASH,
                layer=PATCH,
            )
        for value, se in zip(self.values, self.se, strict=True):
            if 0 <= self.axis.share(value) <= 1:
                d.disc(self.x(self.axis.share(value)), self.y(se), 2.0, "pooled", "paper", width=0.5)
            else:
                left = self.axis.share(value) < 0
                d.arrowhead(
                    self.left if left else self.right, self.y(se), "left" if left else "right", "pooled"
                )
        self._frame(bottom)
        return self._legend(bottom + 33)

    def _zone(self, z: float) -> list[tuple[float, float]]:
        """The triangle of |estimate / se| < z, cut at the ends of the axis."""
        edge = []
        for i in range(81):
            se = self.deep * i / 80
            edge.append((se, self._at(-z * se), self._at(z * se)))
        left = [(self.x(low), self.y(se)) for se, low, _ in edge]
        right = [(self.x(high), self.y(se)) for se, _, high in edge]
        return [*left, *reversed(right)]

    def _frame(self, bottom: float) -> None:
        d = self.drawing
        d.line([(self.left, self.top), (self.left, bottom), (self.right, bottom)], "ink", LINE)
        for se in self.steps:
            d.line([(self.left - 3, self.y(se)), (self.left, self.y(se))], "ink", LINE)
            text = decimal(se, 2 if any(round(s, 1) != round(s, 6) for s in self.steps) else 1)
            d.text(self.left - 5, self.y(se), text, "end", size=AXIS)
        taken = -1e9
        for tick in self.axis.ticks:
            x, half = self.x(self.axis.share(tick)), measure(shortest(tick), AXIS) / 2
            d.line([(x, bottom), (x, bottom + 3)], "ink", LINE)
            if x - half > taken + 2:
                d.text(x, bottom + 9, shortest(tick), "middle", size=AXIS)
                taken = x + half
        words = (
            natural_name(self.fit.measure) if self.ratio else f"{self.fit.measure}, {self.fit.scale} scale"
        )
        title = capital(words) + (" (log scale)" if self.ratio else "")
        line = wrap(plain(title), self.right - self.left, 1)[0]
        d.centred((self.left + self.right) / 2, bottom + 20, line, "middle")
        side = "Standard error of log " + self.fit.measure if self.ratio else "Standard error"
        d.runs(MARGIN + 7.5, self.top + HEIGHT / 2, wrap(plain(side), HEIGHT, 1)[0], "middle", turned=True)

    def _key(self) -> None:
        d, x, y = self.drawing, MARGIN + 2.0, MARGIN + 6.8
        d.text(x, y, "P", size=NOTE, italic=True)
        x += 9
        for words, colour in KEY:
            d.box(x, y - 3.6, x + 10, y + 3.6, colour, "rule", width=0.5)
            d.text(x + 12.5, y, words, size=NOTE)
            x += 12.5 + measure(words, NOTE) + 9

    def _legend(self, y: float) -> float:
        d = self.drawing
        d.line([(MARGIN, y), (MARGIN + 12, y)], "pooled", 1.0, dash=POOLED_DASH)
        value = ratio(self.fit.effect) if self.ratio else decimal(self.fit.mu, 2)
        d.text(MARGIN + 15, y, f"pooled {self.fit.measure} {value}", size=NOTE)
        if self.fit.k < FEW:
            d.centred(MARGIN + self.content, y, note("fewer than 10 studies: no test", NOTE), "end")
        return y + 6 + MARGIN


def _alt(fit: MetaFit, title: str) -> str:
    se = [float(v) ** 0.5 for v in fit.vi]
    first = f"Funnel plot of {title or natural_name(fit.measure)}, {counted(fit.k, 'estimate')}"
    second = f"Standard errors run from {min(se):.2f} to {max(se):.2f}"
    left = sum(float(y) < fit.mu for y in fit.yi)
    third = f"{left} of {fit.k} estimates lie below the pooled value"
    return sentences(first, second, third)


def _rows(fit: MetaFit, labels: Sequence[str]) -> list[Mapping[str, Any]]:
    return [
        {"label": label, "yi": float(y), "se": float(v) ** 0.5, "effect": fit.on_scale(float(y))}
        for label, y, v in zip(labels, fit.yi, fit.vi, strict=True)
    ]
