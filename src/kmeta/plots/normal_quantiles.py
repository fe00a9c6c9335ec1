"""Normal quantile plot of residuals: a straight line where the estimates scatter as the model says."""

from __future__ import annotations

import numpy as np

from kmeta.methods.meta.influence import Influence, Residuals
from kmeta.methods.meta.scales import natural_name
from kmeta.plots.drawing import BEHIND, Drawing
from kmeta.plots.figure import Figure, figure_of
from kmeta.plots.registry import PLOTS
from kmeta.plots.scatter import UNDER, Frame
from kmeta.plots.style import MARGIN, NOTE, palette, points
from kmeta.plots.ticks import linear_axis
from kmeta.plots.words import counted, sentences

HEIGHT, LEVEL = 150.0, 0.95


@PLOTS.register("normal_quantiles")
def normal_quantile_figure(
    result: Residuals | Influence,
    *,
    title: str = "",
    preset: str = "journal",
    width_mm: float = 85,
    name: str = "normal-quantiles",
) -> Figure:
    """Draw standardised residuals (studentised ones of `Influence`) against normal quantiles.

    The band holds each ordered residual in 95 % of samples: quantiles of beta distributions, carried to the normal
    scale. Source: Stirling 1982, doi:10.2307/2348099 (pointwise bands).

    >>> from kmeta import random_effects
    >>> fit = random_effects([0.1, 0.2, 0.3, 2.0], [0.04, 0.02, 0.03, 0.05], measure="SMD", labels=list("ABCD"))
    >>> normal_quantile_figure(fit.rstandard()).alt.split(". ")[1]
    'All residuals lie within the band.'
    """
    from scipy.special import betaincinv, ndtri

    palette(preset)
    page, drawing = points(width_mm), Drawing()
    all_z = result.rstudent if isinstance(result, Influence) else result.z
    known = np.flatnonzero(np.isfinite(all_z))
    order = known[np.argsort(all_z[known], kind="stable")]
    z, n = all_z[order], len(order)
    rank = np.arange(1, n + 1)
    at = ndtri((rank - 0.5) / n)
    low, high = (ndtri(betaincinv(rank, n + 1 - rank, share)) for share in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    places = list(zip(at.tolist(), z.tolist(), strict=True))
    kind = "Studentised" if isinstance(result, Influence) else "Standardised"
    frame = Frame.alone(
        drawing,
        page,
        linear_axis(at.tolist(), hold=[-1.0, 1.0]),
        linear_axis([*z.tolist(), *low.tolist(), *high.tolist()], hold=[-1.0, 1.0]),
        ("Normal quantile", f"{kind} residual"),
        height=HEIGHT,
    )
    edge = [*zip(at, low, strict=True), *reversed(list(zip(at, high, strict=True)))]
    if n > 1:
        drawing.shape([(frame.x(float(x)), frame.y(float(y))) for x, y in edge], "contour-2", layer=BEHIND)
    ends = (max(frame.horizontal.low, frame.vertical.low), min(frame.horizontal.high, frame.vertical.high))
    frame.path([(ends[0], ends[0]), (ends[1], ends[1])], "ink", 0.75)
    frame.dots(places)
    outside = [i for i in range(n) if not low[i] <= z[i] <= high[i]]
    frame.name(places, [result.labels[i] for i in order], outside)
    below = frame.bottom + UNDER + 6
    drawing.text(MARGIN, below, "band: 95% of samples at each quantile", size=NOTE)
    measure = natural_name(result.fit.measure)
    first = f"Normal quantile plot of {title or measure}, {counted(n, 'residual')}"
    told = (
        f"{len(outside)} of {n} residuals lie outside the band"
        if outside
        else "All residuals lie within the band"
    )
    return figure_of(
        drawing,
        name=name,
        title=title or f"Normal quantile plot, {measure}",
        alt=sentences(first, told),
        width=page,
        height=below + 6 + MARGIN,
        preset=preset,
        rows=[
            {
                "label": result.labels[i],
                "quantile": float(q),
                "residual": float(v),
                "low": float(a),
                "high": float(b),
            }
            for i, q, v, a, b in zip(order.tolist(), at, z, low, high, strict=True)
        ],
    )
