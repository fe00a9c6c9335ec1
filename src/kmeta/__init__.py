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
    "bayes_random_effects": "kmeta.methods.meta",
    "category": "kmeta.methods.meta",
    "class_contrast": "kmeta.methods.pooling",
    "common_effect": "kmeta.methods.meta",
    "cumulative_incidence": "kmeta.methods.survival",
    "compare_distributions": "kmeta.methods.survival",
    "cure_model": "kmeta.methods.survival",
    "doi_plot": "kmeta.methods.meta",
    "cox": "kmeta.methods.survival",
    "cox_bootstrap": "kmeta.methods.survival",
    "cox_mixed": "kmeta.methods.survival",
    "e_value": "kmeta.methods.effects",
    "effect_sizes": "kmeta.methods.effects",
    "effective_sample_size": "kmeta.methods.effects",
    "impute_covariance": "kmeta.methods.meta",
    "joint_survival": "kmeta.methods.pooling",
    "excess_significance": "kmeta.methods.meta",
    "fail_safe_n": "kmeta.methods.meta",
    "find_duplicates": "kmeta.methods.dedup",
    "fine_gray": "kmeta.methods.survival",
    "funnel_contours": "kmeta.methods.meta",
    "gray_test": "kmeta.methods.survival",
    "hazard_ratio": "kmeta.methods.effects",
    "henmi_copas": "kmeta.methods.meta",
    "kaplan_meier": "kmeta.methods.survival",
    "landmark": "kmeta.methods.survival",
    "limit_meta": "kmeta.methods.meta",
    "maic": "kmeta.methods.adjustment",
    "multilevel": "kmeta.methods.meta",
    "non_proportional": "kmeta.methods.pooling",
    "one_stage": "kmeta.methods.pooling",
    "p_curve": "kmeta.methods.meta",
    "parametric_survival": "kmeta.methods.survival",
    "pet_peese": "kmeta.methods.meta",
    "pooled_curve": "kmeta.methods.pooling",
    "pooled_median": "kmeta.methods.pooling",
    "pooled_median_contrast": "kmeta.methods.pooling",
    "pooled_rmst": "kmeta.methods.pooling",
    "glmm": "kmeta.methods.meta",
    "logrank": "kmeta.methods.survival",
    "mantel_haenszel": "kmeta.methods.meta",
    "peto": "kmeta.methods.meta",
    "random_effects": "kmeta.methods.meta",
    "reconstruct_from_steps": "kmeta.methods.ipd",
    "reconstruct_ipd": "kmeta.methods.ipd",
    "reconstruct_trial": "kmeta.methods.ipd",
    "random_effects_batch": "kmeta.methods.meta",
    "ranktest": "kmeta.methods.meta",
    "ranktest_2x2": "kmeta.methods.meta",
    "regtest": "kmeta.methods.meta",
    "regtest_2x2": "kmeta.methods.meta",
    "rmst": "kmeta.methods.survival",
    "selection_model": "kmeta.methods.meta",
    "stc": "kmeta.methods.adjustment",
    "subgroups": "kmeta.methods.meta",
    "robust_variance": "kmeta.methods.meta",
    "rmst_by_study": "kmeta.methods.pooling",
    "survival_at": "kmeta.methods.pooling",
    "tau_priors": "kmeta.methods.meta",
    "tipping_point": "kmeta.methods.effects",
    "trim_fill": "kmeta.methods.meta",
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
