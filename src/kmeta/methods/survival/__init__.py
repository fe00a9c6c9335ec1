"""Survival analysis of individual data: times and events -> curves, tests, means, regressions."""

from kmeta.methods.survival.cox import CoxFit, cox
from kmeta.methods.survival.cox_bootstrap import CoxBootstrap, cox_bootstrap
from kmeta.methods.survival.cox_mixed import CoxMixedFit, cox_mixed
from kmeta.methods.survival.cumulative_incidence import (
    CumulativeIncidence,
    IncidenceCurve,
    cumulative_incidence,
)
from kmeta.methods.survival.cure_model import CureModel, cure_model
from kmeta.methods.survival.curve import SurvivalCurve
from kmeta.methods.survival.fine_gray import FineGray, fine_gray
from kmeta.methods.survival.gray import GrayTest, gray_test
from kmeta.methods.survival.kaplan_meier import KaplanMeier, kaplan_meier
from kmeta.methods.survival.landmark import Landmark, landmark
from kmeta.methods.survival.logrank import LogRank, logrank
from kmeta.methods.survival.parametric import (
    DISTRIBUTIONS,
    DistributionComparison,
    ParametricPrediction,
    ParametricSurvival,
    compare_distributions,
    parametric_survival,
)
from kmeta.methods.survival.rmst import RestrictedMean, Rmst, RmstContrast, rmst, rmst_covariance

__all__ = [
    "DISTRIBUTIONS",
    "CoxBootstrap",
    "CoxFit",
    "CoxMixedFit",
    "CumulativeIncidence",
    "CureModel",
    "DistributionComparison",
    "FineGray",
    "GrayTest",
    "IncidenceCurve",
    "KaplanMeier",
    "Landmark",
    "LogRank",
    "ParametricPrediction",
    "ParametricSurvival",
    "RestrictedMean",
    "Rmst",
    "RmstContrast",
    "SurvivalCurve",
    "compare_distributions",
    "cox",
    "cox_bootstrap",
    "cox_mixed",
    "cumulative_incidence",
    "cure_model",
    "fine_gray",
    "gray_test",
    "kaplan_meier",
    "landmark",
    "logrank",
    "parametric_survival",
    "rmst",
    "rmst_covariance",
]
