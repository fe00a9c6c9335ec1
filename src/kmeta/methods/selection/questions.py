"""The questions that analyses ask, each as the rules it puts to the evidence, in order."""

from __future__ import annotations

# The modules that hold the rules are imported for what they register.
from kmeta.methods.selection import contrasts, estimates
from kmeta.methods.selection.policy import DEFAULT, Policy
from kmeta.methods.selection.registry import CONTRAST_RULES, RULES
from kmeta.methods.selection.rows import Asked, Contrast, Row, Selection, contrast_rows, estimate_rows, select
from kmeta.review.evidence import Evidence
from kmeta.review.protocol import Analysis, Protocol

__all__ = ["CONTRAST_RULES", "RULES", "contrasts", "estimates"]

_PATIENTS = (
    "immortal_time",
    "grouped_by_recurrence",
    "conditional",
    "responders",
    "completers_only",
)
SURVIVAL_RULES = (
    "another_outcome",
    "another_kind",
    "another_time",
    "another_class",
    "another_treatment",
    "no_value",
    "event_probability",
    "graft_survival",
    "subgroup",
    "time_origin",
    "publication_year",
    *_PATIENTS,
    "non_monotone",
    "suspect",
    "inconsistent",
    "derived",
    "placebo",
    "second_hand",
    "inferred_denominator",
    "n_missing",
    "small",
    "matched",
    "set_aside",
    "one_value_per_arm",
    "counted_twice",
    "overlap",
)
MEDIAN_RULES = (
    "another_outcome",
    "not_a_median",
    "another_class",
    "publication_year",
    "mean_not_median",
    "subgroup",
    "time_origin",
    *_PATIENTS,
    "suspect",
    "inconsistent",
    "matched",
)
TRIAL_RULES = (
    "another_outcome",
    "not_a_hazard_ratio",
    "other_treatments",
    "not_randomised",
    "subgroup",
    "prognostic",
    "conditional",
    "publication_year",
    "derived",
    "second_hand",
    "set_aside",
    "no_interval",
    "one_ratio_per_trial",
    "overlap",
)
COMPARISON_RULES = ("another_outcome", "same_class", "another_class", "subgroup", "prognostic", "conditional")


def select_survival(
    evidence: Evidence, protocol: Protocol, analysis: Analysis, policy: Policy = DEFAULT
) -> Selection[Row]:
    """Survival probabilities that answer `analysis`, each arm once; `kept` in the order of study and arm.

    Raises InputError where a value names an arm or study that is not there.
    """
    asked = Asked(evidence=evidence, protocol=protocol, analysis=analysis, policy=policy)
    return select(estimate_rows(evidence), asked, [RULES[name] for name in SURVIVAL_RULES])


def select_medians(
    evidence: Evidence, protocol: Protocol, analysis: Analysis, policy: Policy = DEFAULT
) -> Selection[Row]:
    """Median survival times of whole arms that answer `analysis`; what is excluded is still listed apart."""
    asked = Asked(evidence=evidence, protocol=protocol, analysis=analysis, policy=policy)
    return select(estimate_rows(evidence), asked, [RULES[name] for name in MEDIAN_RULES])


def select_trials(
    evidence: Evidence, protocol: Protocol, analysis: Analysis, policy: Policy = DEFAULT
) -> Selection[Contrast]:
    """Hazard ratios of trials of the experimental against the control treatments of `analysis`, one a trial."""
    asked = Asked(evidence=evidence, protocol=protocol, analysis=analysis, policy=policy)
    return select(contrast_rows(evidence), asked, [CONTRAST_RULES[name] for name in TRIAL_RULES])


def select_comparisons(
    evidence: Evidence, protocol: Protocol, analysis: Analysis, policy: Policy = DEFAULT
) -> Selection[Contrast]:
    """Comparisons of arms of two treatment classes, of the outcomes of `analysis`: to be listed, never pooled."""
    asked = Asked(evidence=evidence, protocol=protocol, analysis=analysis, policy=policy)
    return select(contrast_rows(evidence), asked, [CONTRAST_RULES[name] for name in COMPARISON_RULES])
