"""Radial (Galbraith) plot: standardised estimates against their precision; the slope is the pooled effect."""

from __future__ import annotations

from kmeta.core.numbers import decimal, ratio
from kmeta.methods.meta.blup import Radial
from kmeta.methods.meta.scales import natural_name
from kmeta.plots.drawing import BEHIND, Drawing
from kmeta.plots.figure import Figure, figure_of
from kmeta.plots.registry import PLOTS
from kmeta.plots.scatter import UNDER, Frame
from kmeta.plots.style import MARGIN, NOTE, palette, points
from kmeta.plots.ticks import linear_axis
from kmeta.plots.words import RATIO_TITLES, counted, sentences

HEIGHT, Z = 150.0, 1.959964


@PLOTS.register("radial")
def radial_figure(
    result: Radial, *, title: str = "", preset: str = "journal", width_mm: float = 85, name: str = "radial"
) -> Figure:
    """Draw standardised estimates against precision, the pooled line from the origin and 1.96 on either side of it.

    >>> from kmeta import random_effects
    >>> fit = random_effects([0.1, 0.2, 0.3, 2.0], [0.04, 0.02, 0.03, 0.05], measure="SMD", tau2="DL", test="z")
    >>> radial_figure(fit.radial()).alt.split(". ")[1]
    'All estimates lie within 1.96 of the pooled line.'
    """
    palette(preset)
    page, drawing, fit = points(width_mm), Drawing(), result.fit
    at = list(zip(result.x.tolist(), result.y.tolist(), strict=True))
    end = max(result.x.tolist()) * 1.06
    edge = [-Z, Z, result.slope * end - Z, result.slope * end + Z]
    between = " with τ²" if fit.tau2 > 0 else ""
    frame = Frame.alone(
        drawing,
        page,
        linear_axis([end], hold=[0.0]),
        linear_axis([*[y for _, y in at], *edge], hold=[0.0]),
        (f"Precision, 1 / standard error{between}", "Estimate × precision"),
        height=HEIGHT,
    )
    band = [(0.0, -Z), (end, edge[2]), (end, edge[3]), (0.0, Z)]
    drawing.shape([(frame.x(x), frame.y(y)) for x, y in band], "contour-2", layer=BEHIND)
    frame.across(0.0, dash=(), colour="ink")
    frame.path([(0.0, 0.0), (end, result.slope * end)], "pooled", 1.0)
    frame.dots(at)
    outside = [i for i, (x, y) in enumerate(at) if abs(y - result.slope * x) > Z]
    frame.name(at, result.labels, outside)
    value = ratio(fit.effect) if fit.measure in RATIO_TITLES else decimal(fit.mu, 2)
    low = frame.bottom + UNDER + 6
    drawing.line([(MARGIN, low), (MARGIN + 12, low)], "pooled", 1.0)
    drawing.text(MARGIN + 15, low, f"slope: pooled {fit.measure} {value}; band: ± 1.96", size=NOTE)
    measure = natural_name(fit.measure)
    first = f"Radial plot of {title or measure}, {counted(len(at), 'estimate')}"
    told = f"{len(outside)} of {len(at)} estimates lie" if outside else "All estimates lie"
    where = "further than 1.96 from" if outside else "within 1.96 of"
    return figure_of(
        drawing,
        name=name,
        title=title or f"Radial plot, {measure}",
        alt=sentences(first, f"{told} {where} the pooled line"),
        width=page,
        height=low + 6 + MARGIN,
        preset=preset,
        rows=result.rows(),
    )
