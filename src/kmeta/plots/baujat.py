"""Baujat plot: what each estimate adds to the heterogeneity, and what it does to the result."""

from __future__ import annotations

from kmeta.methods.meta.influence import Baujat
from kmeta.methods.meta.scales import natural_name
from kmeta.plots.drawing import Drawing
from kmeta.plots.figure import Figure, figure_of
from kmeta.plots.registry import PLOTS
from kmeta.plots.scatter import UNDER, Frame, farthest
from kmeta.plots.style import MARGIN, palette, points
from kmeta.plots.ticks import linear_axis
from kmeta.plots.words import counted, sentences

HEIGHT = 150.0


@PLOTS.register("baujat")
def baujat_figure(
    result: Baujat, *, title: str = "", preset: str = "journal", width_mm: float = 85, name: str = "baujat"
) -> Figure:
    """Draw squared Pearson residuals against the squared move of the fitted value, names where there is room.

    >>> from kmeta import random_effects
    >>> fit = random_effects([0.1, 0.2, 0.3, 2.0], [0.04, 0.02, 0.03, 0.05], measure="SMD", labels=list("ABCD"))
    >>> baujat_figure(fit.baujat()).alt.split(". ")[1]
    'Farthest out stands D.'
    """
    palette(preset)
    page, drawing = points(width_mm), Drawing()
    at = list(zip(result.x.tolist(), result.y.tolist(), strict=True))
    frame = Frame.alone(
        drawing,
        page,
        linear_axis([x for x, _ in at], hold=[0.0]),
        linear_axis([y for _, y in at], hold=[0.0]),
        ("Share in the heterogeneity", "Influence on the result"),
        height=HEIGHT,
    )
    frame.dots(at)
    order = farthest(at)
    frame.name(at, result.labels, order)
    measure = natural_name(result.fit.measure)
    first = f"Baujat plot of {title or measure}, {counted(len(at), 'estimate')}"
    return figure_of(
        drawing,
        name=name,
        title=title or f"Baujat plot, {measure}",
        alt=sentences(first, f"Farthest out stands {result.labels[order[0]]}" if order else ""),
        width=page,
        height=frame.bottom + UNDER + MARGIN,
        preset=preset,
        rows=result.rows(),
    )
