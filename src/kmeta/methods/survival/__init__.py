"""Survival analysis of individual data: times and events -> curves, hazard ratios."""

from kmeta.methods.survival.cox import CoxFit, cox
from kmeta.methods.survival.cox_bootstrap import CoxBootstrap, cox_bootstrap
from kmeta.methods.survival.cox_mixed import CoxMixedFit, cox_mixed
from kmeta.methods.survival.kaplan_meier import KaplanMeier, SurvivalCurve, kaplan_meier

__all__ = [
    "CoxBootstrap",
    "CoxFit",
    "CoxMixedFit",
    "KaplanMeier",
    "SurvivalCurve",
    "cox",
    "cox_bootstrap",
    "cox_mixed",
    "kaplan_meier",
]
