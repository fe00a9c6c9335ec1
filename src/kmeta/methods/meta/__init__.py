"""Meta-analysis: estimates yi with sampling variances vi -> a model with its intervals."""

from kmeta.methods.meta.batch import BatchFit, random_effects_batch
from kmeta.methods.meta.fit import MetaFit, Prediction
from kmeta.methods.meta.multilevel import multilevel
from kmeta.methods.meta.random_effects import common_effect, random_effects
from kmeta.methods.meta.survival_at import SurvivalAt, survival_at
from kmeta.methods.meta.tau2 import TAU2

__all__ = [
    "TAU2",
    "BatchFit",
    "MetaFit",
    "Prediction",
    "SurvivalAt",
    "common_effect",
    "multilevel",
    "random_effects",
    "random_effects_batch",
    "survival_at",
]
