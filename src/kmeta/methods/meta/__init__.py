"""Meta-analysis: estimates yi with sampling variances vi -> a model with its intervals."""

from kmeta.methods.meta import tau_priors
from kmeta.methods.meta.batch import BatchFit, random_effects_batch
from kmeta.methods.meta.bayes import BayesFit, bayes_random_effects
from kmeta.methods.meta.categories import Category, category
from kmeta.methods.meta.correlated import MultilevelFit
from kmeta.methods.meta.doi_plot import DoiPlot, doi_plot
from kmeta.methods.meta.excess_significance import ExcessSignificance, excess_significance
from kmeta.methods.meta.fail_safe import FailSafeN, fail_safe_n
from kmeta.methods.meta.fit import MetaFit, Prediction
from kmeta.methods.meta.funnel_contours import FunnelContours, funnel_contours
from kmeta.methods.meta.glmm import GlmmFit, glmm
from kmeta.methods.meta.henmi_copas import HenmiCopas, henmi_copas
from kmeta.methods.meta.limit_meta import LimitMeta, limit_meta
from kmeta.methods.meta.mantel_haenszel import TableFit, mantel_haenszel, peto
from kmeta.methods.meta.multilevel import multilevel
from kmeta.methods.meta.p_curve import PCurve, p_curve
from kmeta.methods.meta.random_effects import common_effect, random_effects
from kmeta.methods.meta.rank_test import RankTest, ranktest
from kmeta.methods.meta.rank_test_tables import ranktest_2x2
from kmeta.methods.meta.robust import RobustFit
from kmeta.methods.meta.robust_variance import RobustVariance, robust_variance
from kmeta.methods.meta.sampling_covariance import SamplingCovariance, impute_covariance
from kmeta.methods.meta.selection_model import SelectionModel, selection_model
from kmeta.methods.meta.small_study import PetPeese, RegTest, pet_peese, regtest
from kmeta.methods.meta.small_study_tables import regtest_2x2
from kmeta.methods.meta.subgroups import Subgroups, subgroups
from kmeta.methods.meta.tau2 import TAU2
from kmeta.methods.meta.trim_fill import TrimFill, trim_fill

__all__ = [
    "TAU2",
    "BatchFit",
    "BayesFit",
    "Category",
    "DoiPlot",
    "ExcessSignificance",
    "FailSafeN",
    "FunnelContours",
    "GlmmFit",
    "HenmiCopas",
    "LimitMeta",
    "MetaFit",
    "MultilevelFit",
    "PCurve",
    "PetPeese",
    "Prediction",
    "RankTest",
    "RegTest",
    "RobustFit",
    "RobustVariance",
    "SamplingCovariance",
    "SelectionModel",
    "Subgroups",
    "TableFit",
    "TrimFill",
    "bayes_random_effects",
    "category",
    "common_effect",
    "doi_plot",
    "excess_significance",
    "fail_safe_n",
    "funnel_contours",
    "glmm",
    "henmi_copas",
    "impute_covariance",
    "limit_meta",
    "mantel_haenszel",
    "multilevel",
    "p_curve",
    "pet_peese",
    "peto",
    "random_effects",
    "random_effects_batch",
    "ranktest",
    "ranktest_2x2",
    "regtest",
    "regtest_2x2",
    "robust_variance",
    "selection_model",
    "subgroups",
    "tau_priors",
    "trim_fill",
]
