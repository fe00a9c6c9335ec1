"""Survival beyond what was followed up."""

from __future__ import annotations

from kmeta.methods.checks.reading import codes
from kmeta.methods.checks.registry import CHECKS
from kmeta.methods.checks.wording import place, plain, said
from kmeta.review.estimate import Estimate
from kmeta.review.evidence import Evidence
from kmeta.review.finding import Finding
from kmeta.review.vocabulary import follow_up_months

# How many times the study's median follow-up a value may lie before it rests on a handful of patients. A mean is held
# to less: it needs the times of everybody.
FAR = {"median": 3.0, "probability": 3.0, "mean": 2.0}


@CHECKS.register("beyond_follow_up")
def beyond_follow_up(evidence: Evidence) -> list[Finding]:
    """Medians, means and survival at times far beyond the follow-up that the study's note or the row's flag states."""
    found = []
    for row in evidence.estimates:
        study = evidence.study.get(row.study_id)
        stated = follow_up_months(row.flag) or (follow_up_months(study.note) if study else None)
        reach = row.time_months if row.kind == "probability" else row.value
        noted = "extrapolated" in codes(row)
        far = stated is not None and reach is not None and row.kind in FAR and reach >= FAR[row.kind] * stated
        if not noted and not far:
            continue
        found.append(_finding(row, stated, reach))
    return found


def _finding(row: Estimate, stated: float | None, reach: float | None) -> Finding:
    against = "beyond the follow-up of the study"
    if stated and reach is not None:
        against = f"with {plain(stated)} months of follow-up, {plain(round(reach / stated, 1))} times as long"
    return Finding(
        check="beyond_follow_up",
        where=place(row.study_id, [row.arm_id]),
        message=f"{row.outcome}: {said(row)} {against}.",
        hint="It rests on very few patients or is extrapolated: look for numbers at risk before it is cited.",
        severity="note" if row.kind == "probability" else "warning",
        study_ids=(row.study_id,),
    )
