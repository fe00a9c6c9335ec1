"""kmeta: systematic reviews of survival outcomes, from the protocol to the strategy table.

The methods are used without a project: `import kmeta as km; km.random_effects(yi, vi, measure="HR")`.
Each public name is loaded when it is first asked for, so that `import kmeta` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# name -> where it lives; the contract of what `import kmeta` gives. It may grow, not shrink.
_PUBLIC: dict[str, str] = {
    "common_effect": "kmeta.methods.meta",
    "effect_sizes": "kmeta.methods.effects",
    "effective_sample_size": "kmeta.methods.effects",
    "glmm": "kmeta.methods.meta",
    "kaplan_meier": "kmeta.methods.survival",
    "mantel_haenszel": "kmeta.methods.meta",
    "multilevel": "kmeta.methods.meta",
    "peto": "kmeta.methods.meta",
    "random_effects": "kmeta.methods.meta",
    "survival_at": "kmeta.methods.meta",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'kmeta' has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
