"""Evidence and a planned analysis -> pools, each with what is in it, what is not, and why."""

from kmeta.methods.synthesis.comparisons import direct_pools, synthesise_comparisons
from kmeta.methods.synthesis.hazard_ratios import synthesise_hazard_ratios
from kmeta.methods.synthesis.medians import synthesise_medians
from kmeta.methods.synthesis.plan import SYNTHESES, synthesise
from kmeta.methods.synthesis.published import BesidePublished, beside_published
from kmeta.methods.synthesis.result import Exclusion, Line, Pool, Sensitivity, SubgroupTest, Synthesis
from kmeta.methods.synthesis.survival import synthesise_survival

__all__ = [
    "SYNTHESES",
    "BesidePublished",
    "Exclusion",
    "Line",
    "Pool",
    "Sensitivity",
    "SubgroupTest",
    "Synthesis",
    "beside_published",
    "direct_pools",
    "synthesise",
    "synthesise_comparisons",
    "synthesise_hazard_ratios",
    "synthesise_medians",
    "synthesise_survival",
]
