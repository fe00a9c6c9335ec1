"""Whether one hazard ratio describes two arms: against their survival and medians, and curves that cross."""

from __future__ import annotations

import math
from collections.abc import Iterable

from kmeta.methods.checks.agreement import errors_of
from kmeta.methods.checks.comparisons import contradictions
from kmeta.methods.checks.reading import ROUNDING, by, codes, hazard_ratios, matched, points, value_pairs
from kmeta.methods.checks.registry import CHECKS
from kmeta.methods.checks.wording import plain, ratio, said, several
from kmeta.methods.survival.log_hazard import survival_ratio
from kmeta.review.estimate import Comparison, Estimate
from kmeta.review.evidence import Evidence
from kmeta.review.finding import Finding

# log HR of the arms' own values against the printed one: combined standard errors, and factor, both needed.
_SE_APART = 2.0
_FACTOR = {"probability": 1.5, "median": 2.0}
_CROSSED = 0.05  # difference in survival, on both sides, that makes a crossing
_NOISE = 1.5  # and in its standard errors
_INNER = (0.03, 0.97)  # nearer to 0 and 1, a rounded survival says little of the hazard


@CHECKS.register("ratio_against_arms")
def ratio_against_arms(evidence: Evidence) -> list[Finding]:
    """A hazard ratio far from what survival or the medians of its two arms give, in the same direction.

    Survival at one time gives ln(ln S1 / ln S0) where hazards are proportional, medians ln(m0 / m1) where survival is
    exponential; the number of patients in each arm says how far chance may take them apart.
    """
    found = []
    for row in hazard_ratios(evidence):
        if "subgroup" in codes(row) or contradictions(evidence, row) or row.estimate is None:
            continue
        y, errors = math.log(row.estimate), errors_of(row)
        own = 0.0 if errors is None else errors[0]
        far = []
        for ours, theirs in value_pairs(evidence, row):
            given = _implied(evidence, ours, theirs)
            if given is None:
                continue
            low, high, se = given
            apart = max(low - y, y - high)
            if apart > math.log(_FACTOR[ours.kind]) and apart > _SE_APART * math.hypot(se, own):
                far.append(
                    f"{said(ours)} against {said(theirs)} gives {plain(round(math.exp((low + high) / 2), 2))}"
                )
        if far:
            found.append(
                Finding(
                    check="ratio_against_arms",
                    where=f"{row.study_id}/{row.arm_a} v {row.arm_b}",
                    message=f"{row.outcome}: {ratio(row)}, but {several(far, limit=3)}.",
                    hint="Hazards that are not proportional, an adjusted ratio, or other patients: look at the curves.",
                    severity="note" if row.adjustment else "warning",
                    study_ids=(row.study_id,),
                )
            )
    return found


def _implied(evidence: Evidence, ours: Estimate, theirs: Estimate) -> tuple[float, float, float] | None:
    """Log HR of two values, least and largest by rounding, and its standard error; None where they give none."""
    sizes = [getattr(evidence.arm.get(row.key), "n", None) for row in (ours, theirs)]
    a, b = ours.value, theirs.value
    if a is None or b is None or not all(sizes) or matched(evidence, ours):
        return None
    n, m = (float(size) for size in sizes if size)
    if ours.kind == "median" and a > 0 and b > 0:
        middle = math.log(b / a)
        return middle, middle, math.sqrt(1 / n + 1 / m)
    if ours.kind != "probability" or not all(_INNER[0] < value < _INNER[1] for value in (a, b)):
        return None
    risk = [row.n_risk or size * value for row, size, value in ((ours, n, a), (theirs, m, b))]
    half = 0.005
    se = survival_ratio(a, b, risk[0], risk[1])[1]
    low, high = (math.log(math.log(a + sign * half) / math.log(b - sign * half)) for sign in (1, -1))
    return low, high, se


@CHECKS.register("crossing_curves")
def crossing_curves(evidence: Evidence) -> list[Finding]:
    """Compared arms whose order changes with time, or a restricted mean that points the other way than the ratio."""
    found = []
    groups = by(evidence.comparisons, lambda row: (row.study_id, row.arm_a, row.arm_b, row.outcome))
    for (study, arm_a, arm_b, outcome), rows in groups.items():
        first = rows[0]
        if "subgroup" in codes(first):
            continue
        words = _crossing(evidence, first) or _means_against(rows)
        if words:
            found.append(
                Finding(
                    check="crossing_curves",
                    where=f"{study}/{arm_a} v {arm_b}",
                    message=f"{outcome}: {words}: the hazards cannot be proportional.",
                    hint="One hazard ratio does not describe them; report restricted means beside it.",
                    severity="warning",
                    study_ids=(study,),
                )
            )
    return found


def _crossing(evidence: Evidence, row: Comparison) -> str:
    """The values that show it: one arm ahead at one time, the other at another, each beyond chance and rounding."""
    ahead: dict[int, tuple[float, str]] = {}
    pairs = [pair for pair in value_pairs(evidence, row) if pair[0].kind == "probability"]
    if any(_rises(each[side] for each in pairs) for side in (0, 1)):
        return ""  # a misprint, told by not_monotone
    for ours, theirs in pairs:
        if ours.value is None or theirs.value is None:
            continue
        difference = ours.value - theirs.value
        sizes = [getattr(evidence.arm.get(each.key), "n", None) for each in (ours, theirs)]
        noise = 2 * _CROSSED
        if all(sizes):
            noise = _NOISE * math.sqrt(
                sum(v * (1 - v) / n for v, n in zip((ours.value, theirs.value), sizes, strict=True) if n)
            )
        if abs(difference) < max(_CROSSED, noise):
            continue
        side = 1 if difference > 0 else -1
        if abs(difference) > ahead.get(side, (0.0, ""))[0]:
            ahead[side] = abs(difference), f"{row.arm_a} {said(ours)}, {row.arm_b} {said(theirs)}"
    return "; ".join(words for _, (_, words) in sorted(ahead.items())) if len(ahead) == 2 else ""


def _rises(values: Iterable[Estimate]) -> bool:
    curve = sorted(points(values), key=lambda point: point[:2])
    return any(
        late[0] > early[0] and late[1] > early[1] + ROUNDING
        for place_, early in enumerate(curve)
        for late in curve[place_ + 1 :]
    )


def _means_against(rows: list[Comparison]) -> str:
    """A ratio and a difference of restricted means that favour different arms, both beyond chance."""
    for mean in rows:
        if not mean.measure.startswith("RMST_difference") or mean.estimate is None or mean.ci_low is None:
            continue
        sign = _beyond(mean.ci_low, mean.ci_high, 0.0)
        for row in rows:
            if (
                row.measure == "HR"
                and row.ci_low is not None
                and sign == _beyond(row.ci_low, row.ci_high, 1.0) != 0
            ):
                return f"{ratio(row)} and a restricted mean {plain(mean.estimate)} months longer in the other arm"
    return ""


def _beyond(low: float, high: float | None, middle: float) -> int:
    if low > middle:
        return 1
    return -1 if high is not None and high < middle else 0
