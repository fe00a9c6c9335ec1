"""Survival analysis of individual data: times and events -> curves."""

from kmeta.methods.survival.cox import CoxFit, cox
from kmeta.methods.survival.kaplan_meier import KaplanMeier, SurvivalCurve, kaplan_meier

__all__ = ["CoxFit", "KaplanMeier", "SurvivalCurve", "cox", "kaplan_meier"]
