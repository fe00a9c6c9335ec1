"""Effect sizes: reported numbers -> yi, vi and effective sample sizes."""

# each of these registers its measures
from kmeta.methods.effects import correlations, hazard, means, medians, rates, two_by_two
from kmeta.methods.effects.effect_sizes import MEASURES, EffectSizes, effect_sizes
from kmeta.methods.effects.hazard_ratio import hazard_ratio
from kmeta.methods.effects.hazard_result import HazardRatio, HazardRoute
from kmeta.methods.effects.hazard_routes import ROUTES
from kmeta.methods.effects.proportions import EffectiveSize, effective_sample_size, wilson
from kmeta.methods.effects.unmeasured import EValue, TippingPoint, e_value, tipping_point

del correlations, hazard, means, medians, rates, two_by_two

__all__ = [
    "MEASURES",
    "ROUTES",
    "EValue",
    "EffectSizes",
    "EffectiveSize",
    "HazardRatio",
    "HazardRoute",
    "TippingPoint",
    "e_value",
    "effect_sizes",
    "effective_sample_size",
    "hazard_ratio",
    "tipping_point",
    "wilson",
]
