"""`fit.plot.forest()`: plots found by name at call time, so that methods import no plot."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any


class PlotViews:
    """Class attribute of a result: `plot = PlotViews(forest="kmeta.plots.forest:forest")`."""

    def __init__(self, **targets: str) -> None:
        self.targets = targets

    def __get__(self, result: object, owner: type | None = None) -> BoundPlots | PlotViews:
        return self if result is None else BoundPlots(result, self.targets)


class BoundPlots:
    """The plots of one result; each attribute is a function that draws it."""

    def __init__(self, result: object, targets: dict[str, str]) -> None:
        self._result, self._targets = result, targets

    def __dir__(self) -> list[str]:
        return sorted(self._targets)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_") or name not in self._targets:
            raise AttributeError(f"no plot named {name!r}; there are {', '.join(sorted(self._targets))}")
        module, _, function = self._targets[name].partition(":")
        return partial(getattr(import_module(module), function), self._result)
