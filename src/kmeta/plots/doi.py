"""Doi plot: estimates against the size of their normal quantile, two limbs that are alike where nothing is missing."""

from __future__ import annotations

from kmeta.core.numbers import decimal
from kmeta.methods.meta.doi_plot import DoiPlot
from kmeta.plots.drawing import Drawing
from kmeta.plots.figure import Figure, figure_of
from kmeta.plots.registry import PLOTS
from kmeta.plots.scatter import UNDER, Frame
from kmeta.plots.style import MARGIN, NOTE, POOLED_DASH, palette, points
from kmeta.plots.ticks import linear_axis
from kmeta.plots.words import counted, sentences

HEIGHT = 150.0


@PLOTS.register("doi_plot")
def doi_figure(
    result: DoiPlot, *, title: str = "", preset: str = "journal", width_mm: float = 85, name: str = "doi"
) -> Figure:
    """Draw |z| downwards against the estimates, with the LFK index.

    >>> from kmeta import doi_plot
    >>> doi_figure(doi_plot([-4.27, -1.71, -0.58, -0.19, 0.0], [0.158, 0.076, 0.018, 0.022, 0.040])).alt.split(". ")[1]
    'LFK index −3.31, major asymmetry.'
    """
    palette(preset)
    page, drawing = points(width_mm), Drawing()
    at = [(y, abs(z)) for y, z in zip(result.yi.tolist(), result.z.tolist(), strict=True)]
    frame = Frame.alone(
        drawing,
        page,
        linear_axis([y for y, _ in at]),
        linear_axis([z for _, z in at], hold=[0.0]),
        ("Estimate, analysis scale", "|z| of its rank"),
        height=HEIGHT,
        down=True,
    )
    frame.upright(result.top, dash=POOLED_DASH, colour="pooled", width=1.0)
    frame.path(at, "secondary", 1.0)
    frame.dots(at)
    low = frame.bottom + UNDER + 6
    words = f"LFK index {decimal(result.lfk, 2)}: {result.asymmetry} asymmetry"
    drawing.text(MARGIN, low, words, size=NOTE)
    first = f"Doi plot{' of ' + title if title else ''}, {counted(len(at), 'estimate')}"
    return figure_of(
        drawing,
        name=name,
        title=title or "Doi plot",
        alt=sentences(first, words.replace(":", ",")),
        width=page,
        height=low + 6 + MARGIN,
        preset=preset,
        rows=result.rows(),
    )
