"""result -> layout (numbers) -> figure.

Each plot is a function that gives a `Figure`; `PLOTS` names them all. A figure is plain data in points until `.svg()`,
`.png()` or `.pdf()` is asked for.
"""

from __future__ import annotations

from kmeta.plots.figure import Figure, dark_variables
from kmeta.plots.forest import forest
from kmeta.plots.forest_ratio import forest_ratio
from kmeta.plots.forest_survival import forest_survival
from kmeta.plots.funnel import funnel
from kmeta.plots.kaplan_meier import kaplan_meier_figure
from kmeta.plots.median_figure import median_figure
from kmeta.plots.pooled_curve import pooled_curve_figure
from kmeta.plots.prisma import prisma_flow
from kmeta.plots.registry import PLOTS
from kmeta.plots.strategy_figure import strategy_figure

__all__ = [
    "PLOTS",
    "Figure",
    "dark_variables",
    "forest",
    "forest_ratio",
    "forest_survival",
    "funnel",
    "kaplan_meier_figure",
    "median_figure",
    "pooled_curve_figure",
    "prisma_flow",
    "strategy_figure",
]
