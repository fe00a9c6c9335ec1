"""Reconstruction: points of a published curve and what stands beside it -> individual data."""

from kmeta.methods.ipd.facts import Contradiction
from kmeta.methods.ipd.from_steps import reconstruct_from_steps
from kmeta.methods.ipd.reconstruct import reconstruct_ipd
from kmeta.methods.ipd.result import Draw, ReconstructedIPD
from kmeta.methods.ipd.trial import ReconstructedTrial, reconstruct_trial

__all__ = [
    "Contradiction",
    "Draw",
    "ReconstructedIPD",
    "ReconstructedTrial",
    "reconstruct_from_steps",
    "reconstruct_ipd",
    "reconstruct_trial",
]
