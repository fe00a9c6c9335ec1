"""Named checks of the evidence: nouns in, findings out.

A check is one function (Evidence) -> list[Finding], registered by its name in CHECKS; a new one is a function in the
module of its subject, or the entry point of another package in the group "kmeta.checks". It reads structure first
(kinds, times, sizes, whose subgroup an arm is) and then what the extractor's words mean (`review/vocabulary.py`).
"""

from kmeta.methods.checks import (  # noqa: F401 (importing them registers their checks)
    agreement,
    arms,
    comparisons,
    follow_up,
    intervals,
    overlaps,
    patients,
    proportionality,
    sources,
    survival_values,
    time_origins,
)
from kmeta.methods.checks.registry import CHECKS, Check, run_checks

__all__ = ["CHECKS", "Check", "run_checks"]
