"""Parametric survival: distributions, their maximum likelihood, and what follows beyond the data."""

from kmeta.methods.survival.parametric.compare import DistributionComparison, compare_distributions
from kmeta.methods.survival.parametric.distribution import DISTRIBUTIONS, Distribution
from kmeta.methods.survival.parametric.fit import parametric_survival
from kmeta.methods.survival.parametric.prediction import ParametricPrediction
from kmeta.methods.survival.parametric.result import ParametricSurvival

__all__ = [
    "DISTRIBUTIONS",
    "Distribution",
    "DistributionComparison",
    "ParametricPrediction",
    "ParametricSurvival",
    "compare_distributions",
    "parametric_survival",
]
