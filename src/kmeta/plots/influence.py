"""The influence panel: eight diagnostics of every estimate, one small plot each, and the limits that mark it."""

from __future__ import annotations

import math

import numpy as np

from kmeta.methods.meta.influence import Influence
from kmeta.methods.meta.scales import natural_name
from kmeta.plots.drawing import Drawing
from kmeta.plots.figure import Figure, figure_of
from kmeta.plots.registry import PLOTS
from kmeta.plots.scatter import Frame
from kmeta.plots.style import MARGIN, NOTE, palette, points
from kmeta.plots.text import plain, wrap
from kmeta.plots.ticks import Axis, linear_axis, nice_step
from kmeta.plots.words import counted, sentences

HEIGHT, PITCH, HEAD, GUTTER = 62.0, 96.0, 9.0, 14.0
PANELS = (
    ("rstudent", "Studentised residual"),
    ("dffits", "DFFITS"),
    ("cook_d", "Cook's distance"),
    ("cov_r", "Covariance ratio"),
    ("tau2_del", "τ² without it"),
    ("qe_del", "Q without it"),
    ("hat", "Leverage"),
    ("weight", "Weight, %"),
)


@PLOTS.register("influence")
def influence_figure(
    result: Influence,
    *,
    title: str = "",
    preset: str = "journal",
    width_mm: float = 174,
    name: str = "influence",
) -> Figure:
    """Draw the diagnostics in the estimates' order; those called influential are diamonds, and named below.

    Broken lines are the limits by which an estimate is called influential (of residuals 1.96).

    >>> from kmeta import random_effects
    >>> fit = random_effects([0.1, 0.2, 0.3, 2.0], [0.04, 0.02, 0.03, 0.05], measure="SMD", labels=list("ABCD"))
    >>> influence_figure(fit.influence()).alt.split(". ")[1]
    'Called influential: D.'
    """
    palette(preset)
    page, drawing = points(width_mm), Drawing()
    wide = (page - 2 * MARGIN - GUTTER) / 2
    marked = np.flatnonzero(result.influential).tolist()
    for i, (key, words) in enumerate(PANELS):
        row, column = divmod(i, 2)
        left, top = MARGIN + column * (wide + GUTTER), MARGIN + row * PITCH
        drawing.text(left, top + 4, words, bold=True)
        _panel(drawing, result, key, marked, left, top + HEAD + 3, left + wide - 4)
    bottom = MARGIN + len(PANELS) // 2 * PITCH
    named = "; ".join(f"{i + 1} {result.labels[i]}" for i in marked)
    below = f"Influential (diamonds): {named}" if named else "No estimate is called influential"
    below = f"{below}. From left to right the estimates in their order; broken lines: limits"
    for line in wrap(plain(below, NOTE), page - 2 * MARGIN, 4):
        drawing.centred(MARGIN, bottom + 4, line)
        bottom += 9
    measure = natural_name(result.fit.measure)
    first = f"Influence diagnostics of {title or measure}, {counted(len(result.labels), 'estimate')}"
    told = "No estimate is called influential"
    if marked:
        told = "Called influential: " + ", ".join(result.labels[i] for i in marked[:5])
    return figure_of(
        drawing,
        name=name,
        title=title or f"Influence diagnostics, {measure}",
        alt=sentences(first, told + (" and others" if len(marked) > 5 else "")),
        width=page,
        height=bottom + MARGIN + 2,
        preset=preset,
        rows=result.rows(),
    )


def _limits(result: Influence, key: str) -> tuple[float, ...]:
    """Beyond which an estimate is marked; none where no rule speaks of the diagnostic."""
    from scipy.special import chdtri

    k, p = len(result.labels), len(result.terms)
    if key == "rstudent":
        return (-1.959964, 1.959964)
    if key == "dffits" and k > p:
        return (-3 * math.sqrt(p / (k - p)), 3 * math.sqrt(p / (k - p)))
    if key == "cook_d":
        return (float(chdtri(p, 0.5)),)
    return (3 * p / k,) if key == "hat" else ()


def _middle(result: Influence, key: str) -> float:
    """What the diagnostic would be if no estimate mattered."""
    fit = result.fit
    whole = {
        "cov_r": 1.0,
        "tau2_del": fit.tau2,
        "qe_del": fit.q,
        "weight": 100 / fit.k,
        "hat": len(fit.terms) / fit.k,
    }
    return whole.get(key, 0.0)


def _order_axis(k: int) -> Axis:
    step = max(1, round(nice_step(k, 10))) if k > 12 else 1
    return Axis(0.0, k + 1.0, tuple(float(n) for n in range(step, k + 1, step)))


def _panel(
    drawing: Drawing, result: Influence, key: str, marked: list[int], left: float, top: float, right: float
) -> None:
    values = np.asarray(getattr(result, key), dtype=float)
    limits, middle = _limits(result, key), _middle(result, key)
    known = values[np.isfinite(values)].tolist()
    reach = max((abs(v) for v in known), default=1.0)
    near = [limit for limit in limits if abs(limit) <= 3 * max(reach, 1e-12)]
    hold = [0.0] if key in ("cook_d", "hat", "weight") else [middle] if math.isfinite(middle) else []
    frame = Frame(
        drawing,
        _order_axis(len(values)),
        linear_axis([*known, *near, *([-2.5, 2.5] if key == "rstudent" else [])], most=4, hold=hold),
        left=left,
        top=top,
        right=right,
        height=HEIGHT,
        titles=("", ""),
        gutter=18.0,
    )
    for limit in near:
        frame.across(limit)
    frame.across(middle, dash=(), colour="grid")
    at = [(i + 1.0, float(v)) for i, v in enumerate(values)]
    frame.path(at, "secondary", 0.6)
    plainly = set(range(len(at))) - set(marked)
    frame.dots([at[i] for i in sorted(plainly)], r=1.7)
    for i in marked:
        if math.isfinite(at[i][1]):
            drawing.mark("diamond", frame.x(at[i][0]), frame.y(at[i][1]), 2.4, "regression")
