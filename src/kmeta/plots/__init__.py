"""result -> layout (numbers) -> figure.

Each plot is a function that gives a `Figure`; `PLOTS` names them all. A figure is plain data in points until `.svg()`,
`.png()` or `.pdf()` is asked for.
"""

from __future__ import annotations

from kmeta.plots.baujat import baujat_figure
from kmeta.plots.doi import doi_figure
from kmeta.plots.figure import Figure, dark_variables
from kmeta.plots.forest import forest
from kmeta.plots.forest_ratio import forest_ratio
from kmeta.plots.forest_survival import forest_survival
from kmeta.plots.funnel import funnel
from kmeta.plots.gosh import gosh_figure
from kmeta.plots.influence import influence_figure
from kmeta.plots.kaplan_meier import kaplan_meier_figure
from kmeta.plots.median_figure import median_figure
from kmeta.plots.normal_quantiles import normal_quantile_figure
from kmeta.plots.p_curve import p_curve_figure
from kmeta.plots.pooled_curve import pooled_curve_figure
from kmeta.plots.prisma import prisma_flow
from kmeta.plots.profile import profile_figure
from kmeta.plots.radial import radial_figure
from kmeta.plots.refits_forest import refits_forest
from kmeta.plots.registry import PLOTS
from kmeta.plots.strategy_figure import strategy_figure

__all__ = [
    "PLOTS",
    "Figure",
    "baujat_figure",
    "dark_variables",
    "doi_figure",
    "forest",
    "forest_ratio",
    "forest_survival",
    "funnel",
    "gosh_figure",
    "influence_figure",
    "kaplan_meier_figure",
    "median_figure",
    "normal_quantile_figure",
    "p_curve_figure",
    "pooled_curve_figure",
    "prisma_flow",
    "profile_figure",
    "radial_figure",
    "refits_forest",
    "strategy_figure",
]
