"""Effect sizes: reported numbers -> yi, vi and effective sample sizes."""

from kmeta.methods.effects import hazard as _hazard  # registers its measures
from kmeta.methods.effects.effect_sizes import MEASURES, EffectSizes, effect_sizes
from kmeta.methods.effects.proportions import EffectiveSize, effective_sample_size, wilson

del _hazard

__all__ = ["MEASURES", "EffectSizes", "EffectiveSize", "effect_sizes", "effective_sample_size", "wilson"]
