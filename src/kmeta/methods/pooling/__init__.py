"""Pooling of survival: curves, medians, restricted means, individual data of several studies -> one answer."""

from kmeta.methods.pooling.one_stage import OneStage, StudyHazardRatio, one_stage

__all__ = ["OneStage", "StudyHazardRatio", "one_stage"]
