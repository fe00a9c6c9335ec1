"""Meta-analysis: estimates yi with sampling variances vi -> a model with its intervals."""

from kmeta.methods.meta.batch import BatchFit, random_effects_batch
from kmeta.methods.meta.categories import Category, category
from kmeta.methods.meta.correlated import MultilevelFit
from kmeta.methods.meta.fit import MetaFit, Prediction
from kmeta.methods.meta.multilevel import multilevel
from kmeta.methods.meta.random_effects import common_effect, random_effects
from kmeta.methods.meta.robust import RobustFit
from kmeta.methods.meta.robust_variance import RobustVariance, robust_variance
from kmeta.methods.meta.sampling_covariance import SamplingCovariance, impute_covariance
from kmeta.methods.meta.subgroups import Subgroups, subgroups
from kmeta.methods.meta.survival_at import SurvivalAt, survival_at
from kmeta.methods.meta.tau2 import TAU2

__all__ = [
    "TAU2",
    "BatchFit",
    "Category",
    "MetaFit",
    "MultilevelFit",
    "Prediction",
    "RobustFit",
    "RobustVariance",
    "SamplingCovariance",
    "Subgroups",
    "SurvivalAt",
    "category",
    "common_effect",
    "impute_covariance",
    "multilevel",
    "random_effects",
    "random_effects_batch",
    "robust_variance",
    "subgroups",
    "survival_at",
]
