"""Intervals of survival against the number of patients."""

from __future__ import annotations

import math

from kmeta.methods.checks.comparisons import places_of
from kmeta.methods.checks.reading import matched
from kmeta.methods.checks.registry import CHECKS
from kmeta.methods.checks.wording import place, plain, said
from kmeta.methods.survival.log_hazard import normal_quantile
from kmeta.review.estimate import Estimate
from kmeta.review.evidence import Evidence
from kmeta.review.finding import Finding

_BEYOND = 1.25  # times the patients, from which an interval is too narrow


@CHECKS.register("more_precise_than_n")
def more_precise_than_n(evidence: Evidence) -> list[Finding]:
    """Survival whose interval is narrower than the arm's patients can give, on whichever scale it was made.

    With nobody censored the standard error is sqrt(S (1 - S) / n); an interval that stands for more than n is one of
    another level, of standard errors, or of more patients. The widest interval that rounding leaves is judged.
    """
    found = []
    for row in evidence.estimates:
        arm = evidence.arm.get(row.key)
        if arm is None or not arm.n or row.kind != "probability" or matched(evidence, row):
            continue
        size = _least_size(row)
        if size is None or size <= _BEYOND * arm.n:
            continue
        limits = f"{plain(row.ci_low or 0)} to {plain(row.ci_high or 0)}"
        found.append(
            Finding(
                check="more_precise_than_n",
                where=place(row.study_id, [row.arm_id]),
                message=f"{row.outcome}, {said(row)}: {limits} stands for at least {plain(round(size))} patients "
                f"followed to the end; the arm has {arm.n}.",
                hint="Perhaps one standard error, a 90 % interval, or more patients than the arm: look.",
                severity="warning",
                effect="Its effective sample is held at the number of patients.",
                study_ids=(row.study_id,),
            )
        )
    return found


def _least_size(row: Estimate) -> float | None:
    """The smallest effective sample size behind an interval, over scales and rounding."""
    s, low, high = row.value, row.ci_low, row.ci_high
    if s is None or low is None or high is None or not 0.02 < s < 0.98 or not low < s < high:
        return None
    half = 0.5 * 10.0 ** -max(2, *map(places_of, (s, low, high)))
    low, high = low - half, high + half
    if not 0 < low < high < 1:
        return None
    widest = max(
        high - low,
        s * math.log(high / low),
        s * (1 - s) * math.log(high * (1 - low) / (low * (1 - high))),
        s * abs(math.log(s)) * math.log(math.log(low) / math.log(high)),
    )
    return s * (1 - s) / (widest / (2 * normal_quantile(0.95))) ** 2
