"""Evidence and a planned analysis -> pools, each with what is in it, what is not, and why."""

from kmeta.methods.synthesis.result import Exclusion, Line, Pool, Sensitivity, Synthesis

__all__ = ["Exclusion", "Line", "Pool", "Sensitivity", "Synthesis"]
