"""What this version does not do yet, said wherever someone might look for it."""

from __future__ import annotations

# stage of the chain -> what is absent, in the words of a user
NOT_BUILT: dict[str, str] = {
    "search": "searching databases from kmeta",
    "de-duplicate": "finding duplicate records",
    "screen": "screening in the browser, active learning, agreement",
    "full text": "full texts and their exclusion reasons",
    "extract": "extraction forms; reading Kaplan-Meier figures into individual data",
    "appraise": "risk of bias",
    "synthesise": "pooled curves and networks; small-study bias and Bayesian models (in Python they are there)",
    "certainty": "rating the certainty of the evidence",
}


def not_built() -> tuple[str, ...]:
    """One sentence a stage, in the order of the chain."""
    return tuple(f"{stage}: {what}" for stage, what in NOT_BUILT.items())
