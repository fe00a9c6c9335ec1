"""GOSH plot: the pooled value and the heterogeneity of very many subsets, as a cloud of cells."""

from __future__ import annotations

import math

import numpy as np

from kmeta.core.numbers import count
from kmeta.methods.meta.gosh import Gosh
from kmeta.methods.meta.scales import natural_name
from kmeta.plots.drawing import PATCH, Drawing
from kmeta.plots.figure import Figure, figure_of
from kmeta.plots.registry import PLOTS
from kmeta.plots.scatter import UNDER, Frame
from kmeta.plots.style import MARGIN, NOTE, POOLED_DASH, palette, points
from kmeta.plots.ticks import linear_axis, log_axis
from kmeta.plots.words import RATIO_TITLES, capital, sentences

HEIGHT, ACROSS, UP = 150.0, 64, 42
PALEST = 0.16


@PLOTS.register("gosh")
def gosh_figure(
    result: Gosh, *, title: str = "", preset: str = "journal", width_mm: float = 85, name: str = "gosh"
) -> Figure:
    """Draw pooled value against I2 of the subsets, darker where more of them fall; the data are the cells' counts.

    Two clouds tell of two kinds of studies. Subsets of one study, which have no heterogeneity, are left out.

    >>> from kmeta import random_effects
    >>> fit = random_effects([0.1, 0.2, 2.0], [0.04, 0.02, 0.05], measure="SMD", tau2="DL")
    >>> len(gosh_figure(fit.gosh()).rows)
    4
    """
    palette(preset)
    page, drawing, fit = points(width_mm), Drawing(), result.fit
    ratio = fit.measure in RATIO_TITLES
    some = np.asarray(result.k) > 1
    mu, i2 = result.mu[some], 100 * result.i2[some]
    at = np.exp(np.clip(mu, -700, 700)) if ratio else mu
    words = natural_name(fit.measure) if ratio else f"{fit.measure}, {fit.scale} scale"
    whole = fit.effect if ratio else fit.mu
    frame = Frame.alone(
        drawing,
        page,
        log_axis(at.tolist(), [], [whole]) if ratio else linear_axis([*at.tolist(), whole]),
        linear_axis([0.0, 100.0]),
        ("Pooled " + words + (" (log scale)" if ratio else ""), "I², %"),
        height=HEIGHT,
    )
    cells = _cells(np.array([frame.horizontal.share(float(v)) for v in at]), i2 / 100)
    most = max(cells.values(), default=1)
    wide, high = (frame.right - frame.left) / ACROSS, (frame.bottom - frame.top) / UP
    for (column, row), n in cells.items():
        x, y = frame.left + column * wide, frame.bottom - row * high
        depth = PALEST + (1 - PALEST) * (math.log1p(n) / math.log1p(most))
        drawing.box(x, y - high, x + wide, y, "pooled", opacity=round(depth, 3), layer=PATCH)
    frame.upright(whole, dash=POOLED_DASH, width=1.0)
    kind = "all subsets" if result.every else f"subsets drawn with seed {result.seed}"
    low = frame.bottom + UNDER + 6
    drawing.line([(MARGIN, low), (MARGIN + 12, low)], "ink", 1.0, dash=POOLED_DASH)
    drawing.text(MARGIN + 15, low, f"all studies; {count(int(some.sum()))} of two or more, {kind}", size=NOTE)
    first = f"GOSH plot of {title or natural_name(fit.measure)}, {count(int(some.sum()))} subsets of {fit.k} studies"
    middle = f"I² runs from {i2.min():.0f}% to {i2.max():.0f}%" if len(i2) else ""
    return figure_of(
        drawing,
        name=name,
        title=title or f"GOSH plot, {natural_name(fit.measure)}",
        alt=capital(sentences(first, middle)),
        width=page,
        height=low + 6 + MARGIN,
        preset=preset,
        rows=[{"column": column, "row": row, "subsets": n} for (column, row), n in cells.items()],
    )


def _cells(across: np.ndarray, up: np.ndarray) -> dict[tuple[int, int], int]:
    """How many subsets fall in each cell that has any, by column and row."""
    columns = np.clip((across * ACROSS).astype(int), 0, ACROSS - 1)
    rows = np.clip((up * UP).astype(int), 0, UP - 1)
    places, counts = np.unique(columns * UP + rows, return_counts=True)
    return {divmod(int(p), UP): int(n) for p, n in zip(places.tolist(), counts.tolist(), strict=True)}
