"""Meta-analysis: estimates yi with sampling variances vi -> a model with its intervals."""

from kmeta.methods.meta.random_effects import MetaFit, random_effects
from kmeta.methods.meta.tau2 import TAU2

__all__ = ["TAU2", "MetaFit", "random_effects"]
