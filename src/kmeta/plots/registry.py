"""All plots by name, so that tests, pages and reports find each one."""

from __future__ import annotations

from collections.abc import Callable

from kmeta.core.registry import Registry
from kmeta.plots.figure import Figure

PLOTS: Registry[Callable[..., Figure]] = Registry("plot", entry_point_group="kmeta.plots")
