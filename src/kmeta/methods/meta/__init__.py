"""Meta-analysis: estimates yi with sampling variances vi -> a model with its intervals."""

from kmeta.methods.meta import tau_priors
from kmeta.methods.meta.batch import BatchFit, random_effects_batch
from kmeta.methods.meta.bayes import BayesFit, bayes_random_effects
from kmeta.methods.meta.excess_significance import ExcessSignificance, excess_significance
from kmeta.methods.meta.fail_safe import FailSafeN, fail_safe_n
from kmeta.methods.meta.fit import MetaFit, Prediction
from kmeta.methods.meta.henmi_copas import HenmiCopas, henmi_copas
from kmeta.methods.meta.multilevel import multilevel
from kmeta.methods.meta.random_effects import common_effect, random_effects
from kmeta.methods.meta.rank_test import RankTest, ranktest
from kmeta.methods.meta.selection_model import SelectionModel, selection_model
from kmeta.methods.meta.small_study import PetPeese, RegTest, pet_peese, regtest
from kmeta.methods.meta.survival_at import SurvivalAt, survival_at
from kmeta.methods.meta.tau2 import TAU2
from kmeta.methods.meta.trim_fill import TrimFill, trim_fill

__all__ = [
    "TAU2",
    "BatchFit",
    "BayesFit",
    "ExcessSignificance",
    "FailSafeN",
    "HenmiCopas",
    "MetaFit",
    "PetPeese",
    "Prediction",
    "RankTest",
    "RegTest",
    "SelectionModel",
    "SurvivalAt",
    "TrimFill",
    "bayes_random_effects",
    "common_effect",
    "excess_significance",
    "fail_safe_n",
    "henmi_copas",
    "multilevel",
    "pet_peese",
    "random_effects",
    "random_effects_batch",
    "ranktest",
    "regtest",
    "selection_model",
    "survival_at",
    "tau_priors",
    "trim_fill",
]
