"""Survival analysis of individual data: times and events -> curves."""

from kmeta.methods.survival.cure_model import CureModel, cure_model
from kmeta.methods.survival.kaplan_meier import KaplanMeier, SurvivalCurve, kaplan_meier
from kmeta.methods.survival.parametric import (
    DISTRIBUTIONS,
    DistributionComparison,
    ParametricPrediction,
    ParametricSurvival,
    compare_distributions,
    parametric_survival,
)

__all__ = [
    "DISTRIBUTIONS",
    "CureModel",
    "DistributionComparison",
    "KaplanMeier",
    "ParametricPrediction",
    "ParametricSurvival",
    "SurvivalCurve",
    "compare_distributions",
    "cure_model",
    "kaplan_meier",
    "parametric_survival",
]
