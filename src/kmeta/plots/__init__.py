"""result -> layout (numbers) -> figure.

Each plot is a function that gives a `Figure`; `PLOTS` names them all. A figure is plain data in points until `.svg()`,
`.png()` or `.pdf()` is asked for.
"""

from __future__ import annotations

from kmeta.plots.figure import Figure, dark_variables
from kmeta.plots.forest_ratio import forest_ratio
from kmeta.plots.forest_survival import forest_survival
from kmeta.plots.prisma import prisma_flow
from kmeta.plots.registry import PLOTS

__all__ = ["PLOTS", "Figure", "dark_variables", "forest_ratio", "forest_survival", "prisma_flow"]
