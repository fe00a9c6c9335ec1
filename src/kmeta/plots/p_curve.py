"""The p-curve: which share of the significant results falls in each hundredth below 0.05."""

from __future__ import annotations

import math

from kmeta.methods.meta.p_curve import PCurve
from kmeta.plots.drawing import Drawing
from kmeta.plots.figure import Figure, blank, figure_of
from kmeta.plots.registry import PLOTS
from kmeta.plots.scatter import UNDER, Frame
from kmeta.plots.style import MARGIN, NOTE, palette, points
from kmeta.plots.ticks import PERCENT, Axis
from kmeta.plots.words import counted, italic_p, note, sentences

HEIGHT = 140.0
BINS = (0.01, 0.02, 0.03, 0.04, 0.05)


@PLOTS.register("p_curve")
def p_curve_figure(
    result: PCurve, *, title: str = "", preset: str = "journal", width_mm: float = 85, name: str = "p-curve"
) -> Figure:
    """Draw the shares of P in five bins; level is what no effect would give.

    >>> from kmeta import p_curve
    >>> p_curve_figure(p_curve([0.5, 0.6, 0.9, 0.1], [0.04, 0.02, 0.09, 0.04])).title
    'p-curve'
    """
    palette(preset)
    page = points(width_mm)
    if not result.significant:
        return blank(
            name, title or "p-curve", "No significant result: there is no p-curve.", width=page, preset=preset
        )
    drawing = Drawing()
    frame = Frame.alone(
        drawing,
        page,
        Axis(0.005, 0.055, BINS),
        PERCENT,
        ("P", "Significant results, %"),
        height=HEIGHT,
    )
    frame.across(20.0)
    at = [(p, 100 * float(share)) for p, share in zip(BINS, result.shares, strict=True)]
    frame.path(at, "pooled", 1.4)
    frame.dots(at, r=2.4)
    for i, (p, share) in enumerate(at):
        rises = i + 1 < len(at) and at[i + 1][1] > share
        x, y = (
            frame.x(p) + (-3 if rises else 3),
            frame.y(share) - 7,
        )  # on the side where the line does not rise
        drawing.text(x, y, f"{share:.0f}%", "end" if rises else "start", size=NOTE)
    low = frame.bottom + UNDER + 6
    counts = f"{result.significant} of {result.k} results have *P* < 0.05, {result.half} below 0.025"
    tests = f"right skew: full curve {_told(result.right_full_p)}, half curve {_told(result.right_half_p)}"
    for i, words in enumerate((counts, tests, "broken line: no effect")):
        drawing.centred(MARGIN, low + 9 * i, note(words, NOTE))
    shown = "is shown" if result.evidential else "is not shown"
    of = f" of {title}" if title else ""
    first = f"p-curve{of}, {counted(result.significant, 'significant result')} of {result.k}"
    second = f"{at[0][1]:.0f}% of them are below 0.01, {at[-1][1]:.0f}% between 0.04 and 0.05"
    return figure_of(
        drawing,
        name=name,
        title=title or "p-curve",
        alt=sentences(first, second, f"Evidential value {shown}"),
        width=page,
        height=low + 18 + 6 + MARGIN,
        preset=preset,
        rows=[{"p_up_to": p, "share": share / 100} for p, share in at],
    )


def _told(p: float) -> str:
    return "no value" if math.isnan(p) else italic_p(p)
