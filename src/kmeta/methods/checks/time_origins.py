"""Time 0: where survival is counted from, and that one cohort counted twice is one cohort."""

from __future__ import annotations

import re

from kmeta.methods.checks.reading import by, codes
from kmeta.methods.checks.registry import CHECKS
from kmeta.methods.checks.wording import counted, place, said, several
from kmeta.review.evidence import Evidence
from kmeta.review.finding import Finding

_ELSEWHERE = re.compile(r"diagnos|recurren|relapse|progression|symptom|birth|metastas|listing|referral|enrol")
_UNKNOWN = {"", "not stated", "not printed", "unknown"}


@CHECKS.register("several_origins")
def several_origins(evidence: Evidence) -> list[Finding]:
    """One arm and outcome counted from several times: the same patients, never to be pooled with themselves."""
    arms = by(evidence.estimates, lambda row: (*row.key, row.outcome))
    several_ = {key: rows for key, rows in arms.items() if len({row.time_origin for row in rows}) > 1}
    found = []
    for (study, outcome), keys in by(several_, lambda key: (key[0], key[2])).items():
        rows = [row for key in keys for row in several_[key]]
        origins = by(rows, lambda row: (row.time_origin,))
        values = "; ".join(
            f"from {origin or 'an unnamed origin'} {several(f'{row.arm_id} {said(row)}' for row in group)}"
            for (origin,), group in origins.items()
        )
        found.append(
            Finding(
                check="several_origins",
                where=place(study, [key[1] for key in keys]),
                message=f"{outcome} of the same patients is counted from {len(origins)} times: {values}.",
                hint="Compare studies by one origin only; treatment is the usual one.",
                severity="warning",
                effect="Only values from an origin that the protocol names enter pooled results.",
                study_ids=(study,),
            )
        )
    return found


@CHECKS.register("origin_elsewhere")
def origin_elsewhere(evidence: Evidence) -> list[Finding]:
    """Survival counted from a diagnosis, a recurrence or another time that is not the start of treatment."""
    rows = [row for row in evidence.estimates if _ELSEWHERE.search(row.time_origin.casefold())]
    found = []
    for (study, origin), group in by(rows, lambda row: (row.study_id, row.time_origin)).items():
        later = re.search(r"recurren|relapse|progression", origin.casefold())
        why = (
            "patients who never got that far are not in it"
            if later
            else "the time before treatment cannot end in death"
        )
        found.append(
            Finding(
                check="origin_elsewhere",
                where=place(study, [row.arm_id for row in group]),
                message=f"{counted(len(group), 'value')} ({several(row.outcome for row in group)}) "
                f"counted from {origin}: {why}.",
                hint="Not comparable with survival from treatment; look whether the paper prints that as well.",
                severity="warning",
                effect="Left out of pooled results unless the protocol names this origin.",
                study_ids=(study,),
            )
        )
    return found


@CHECKS.register("origin_unknown")
def origin_unknown(evidence: Evidence) -> list[Finding]:
    """Survival whose time 0 is not printed, or was read between the lines."""
    found = []
    unclear = {"origin_not_printed", "origin_implied"}
    rows = [
        row for row in evidence.estimates if row.time_origin.casefold() in _UNKNOWN or codes(row) & unclear
    ]
    for (study,), group in by(rows, lambda row: (row.study_id,)).items():
        implied = all("origin_implied" in codes(row) for row in group)
        found.append(
            Finding(
                check="origin_unknown",
                where=place(study, [row.arm_id for row in group]),
                message=f"{counted(len(group), 'value')} with time 0 "
                + (
                    f"only implied ({several(row.time_origin for row in group)})."
                    if implied
                    else "not printed."
                ),
                hint="Read the methods of the paper; until then it is not known what is compared.",
                severity="warning",
                effect="" if implied else "Left out of pooled results: origin not stated.",
                study_ids=(study,),
            )
        )
    return found
