"""Pooling of survival: curves, medians, restricted means, individual data of several studies -> one answer."""

from kmeta.methods.pooling.class_contrast import ClassContrast, class_contrast
from kmeta.methods.pooling.curve_result import PooledCurve
from kmeta.methods.pooling.joint_survival import JointSurvival, joint_survival
from kmeta.methods.pooling.non_proportional import NonProportional, non_proportional
from kmeta.methods.pooling.one_stage import OneStage, StudyHazardRatio, one_stage
from kmeta.methods.pooling.pooled_curve import pooled_curve
from kmeta.methods.pooling.pooled_median import PooledMedian, pooled_median, pooled_median_contrast
from kmeta.methods.pooling.pooled_rmst import PooledRmst, pooled_rmst
from kmeta.methods.pooling.rmst_inputs import StudyMeans, rmst_by_study
from kmeta.methods.pooling.survival_at import SurvivalAt, survival_at

__all__ = [
    "ClassContrast",
    "JointSurvival",
    "NonProportional",
    "OneStage",
    "PooledCurve",
    "PooledMedian",
    "PooledRmst",
    "StudyHazardRatio",
    "StudyMeans",
    "SurvivalAt",
    "class_contrast",
    "joint_survival",
    "non_proportional",
    "one_stage",
    "pooled_curve",
    "pooled_median",
    "pooled_median_contrast",
    "pooled_rmst",
    "rmst_by_study",
    "survival_at",
]
