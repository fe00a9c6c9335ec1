"""Which estimates enter a synthesis, and why the others do not."""

from kmeta.methods.selection.policy import DEFAULT, ORIENTATION, Policy
from kmeta.methods.selection.questions import (
    CONTRAST_RULES,
    RULES,
    select_comparisons,
    select_medians,
    select_survival,
    select_trials,
)
from kmeta.methods.selection.rows import Contrast, Exclusion, Row, Rule, Selection

__all__ = [
    "CONTRAST_RULES",
    "DEFAULT",
    "ORIENTATION",
    "RULES",
    "Contrast",
    "Exclusion",
    "Policy",
    "Row",
    "Rule",
    "Selection",
    "select_comparisons",
    "select_medians",
    "select_survival",
    "select_trials",
]
