"""Meta-analysis: estimates yi with sampling variances vi -> a model with its intervals."""

from kmeta.methods.meta.fit import MetaFit, Prediction
from kmeta.methods.meta.glmm import GlmmFit, glmm
from kmeta.methods.meta.mantel_haenszel import TableFit, mantel_haenszel, peto
from kmeta.methods.meta.multilevel import multilevel
from kmeta.methods.meta.random_effects import common_effect, random_effects
from kmeta.methods.meta.survival_at import SurvivalAt, survival_at
from kmeta.methods.meta.tau2 import TAU2

__all__ = [
    "TAU2",
    "GlmmFit",
    "MetaFit",
    "Prediction",
    "SurvivalAt",
    "TableFit",
    "common_effect",
    "glmm",
    "mantel_haenszel",
    "multilevel",
    "peto",
    "random_effects",
    "survival_at",
]
