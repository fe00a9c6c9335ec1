"""Profile likelihood of tau2: the curve, its top, and the drop that bounds a 95 % interval."""

from __future__ import annotations

from kmeta.core.numbers import decimal
from kmeta.methods.meta.profile_likelihood import Profile
from kmeta.plots.drawing import Drawing
from kmeta.plots.figure import Figure, figure_of
from kmeta.plots.registry import PLOTS
from kmeta.plots.scatter import UNDER, Frame
from kmeta.plots.style import MARGIN, NOTE, POOLED_DASH, palette, points
from kmeta.plots.ticks import linear_axis
from kmeta.plots.words import counted, sentences

HEIGHT, DROP, DEEPEST = 140.0, 1.920729, 6.0


@PLOTS.register("profile")
def profile_figure(
    result: Profile, *, title: str = "", preset: str = "journal", width_mm: float = 85, name: str = "profile"
) -> Figure:
    """Draw the log-likelihood below its top against tau2; points far below the top are left out.

    >>> from kmeta import random_effects
    >>> fit = random_effects([0.1, 0.2, 2.0], [0.04, 0.02, 0.05], measure="SMD")
    >>> profile_figure(fit.profile()).title
    'Profile likelihood of the between-study variance'
    """
    palette(preset)
    page, drawing = points(width_mm), Drawing()
    below = [(t, ll - result.highest) for t, ll in zip(result.tau2.tolist(), result.ll.tolist(), strict=True)]
    shown = sorted((t, ll) for t, ll in below if ll >= -DEEPEST)
    frame = Frame.alone(
        drawing,
        page,
        linear_axis([t for t, _ in below], hold=[0.0, result.top]),
        linear_axis([*[ll for _, ll in shown], -DROP * 1.1], hold=[0.0]),
        ("Between-study variance τ²", "Log-likelihood below its top"),
        height=HEIGHT,
    )
    frame.across(-DROP)
    frame.upright(result.top, dash=POOLED_DASH, colour="pooled", width=1.0)
    frame.path(shown, "ink", 1.2)
    frame.dots(shown, r=1.6)
    low = frame.bottom + UNDER + 6
    drawing.line([(MARGIN, low), (MARGIN + 12, low)], "pooled", 1.0, dash=POOLED_DASH)
    words = f"τ² {decimal(result.top, 3)} by {result.method}; level line: 1.92 below, a 95% interval"
    drawing.text(MARGIN + 15, low, words, size=NOTE)
    kind = "restricted log-likelihood" if result.method == "REML" else "log-likelihood"
    first = f"Profile of the {kind} of the between-study variance"
    higher = sum(ll > 1e-6 for _, ll in below)
    told = (
        f"{counted(higher, 'point')} lie above the estimate" if higher else "No point lies above the estimate"
    )
    return figure_of(
        drawing,
        name=name,
        title=title or "Profile likelihood of the between-study variance",
        alt=sentences(
            f"{first}, {counted(len(below), 'point')}", f"Its top is at {decimal(result.top, 3)}", told
        ),
        width=page,
        height=low + 6 + MARGIN,
        preset=preset,
        rows=result.rows(),
    )
