"""Comparisons of two arms: intervals, direction, several of one, subgroups of one trial."""

from __future__ import annotations

import math
import re
from statistics import NormalDist

from kmeta.methods.checks.reading import by, codes, value_pairs
from kmeta.methods.checks.registry import CHECKS
from kmeta.methods.checks.wording import counted, place, plain, ratio, said, several
from kmeta.review.estimate import Comparison
from kmeta.review.evidence import Evidence
from kmeta.review.finding import Finding
from kmeta.review.vocabulary import meanings

RATIOS = ("HR", "OR", "RR")
# An HR nearer to 1 than this says nothing of direction; nor do survivals or medians nearer to each other.
_NEAR_1 = 1.10
_NEAR_SURVIVAL = 0.05
# How far off the middle of its interval, as a share of the half-width, a ratio may be beyond rounding.
_SLACK = 0.02
_PREFIX = re.compile(r"(?i)\bsubgroups?\b\s*:?\s*")


def _is_ratio(row: Comparison) -> bool:
    return row.measure in RATIOS and row.estimate is not None and row.estimate > 0


def _pair(row: Comparison) -> str:
    return f"{row.arm_a} v {row.arm_b}"


def _is_subgroup(row: Comparison) -> bool:
    return "subgroup" in codes(row)


@CHECKS.register("impossible_ratio")
def impossible_ratio(evidence: Evidence) -> list[Finding]:
    """Ratios that are not above 0, intervals out of order or not holding their estimate."""
    found = []
    for row in evidence.comparisons:
        limits = [value for value in (row.ci_low, row.estimate, row.ci_high) if value is not None]
        below = row.measure in RATIOS and any(value < 0 for value in limits)
        if below or (row.measure in RATIOS and row.estimate == 0) or limits != sorted(limits):
            found.append(
                Finding(
                    check="impossible_ratio",
                    where=f"{row.study_id}/{_pair(row)}",
                    message=f"{row.outcome}: {ratio(row)} cannot be: "
                    + (
                        "a ratio is above 0."
                        if below or row.estimate == 0
                        else "the interval does not hold it."
                    ),
                    hint="Look at the source: a log ratio may have been entered, or two numbers exchanged.",
                    severity="error",
                    study_ids=(row.study_id,),
                )
            )
    return found


@CHECKS.register("no_interval")
def no_interval(evidence: Evidence) -> list[Finding]:
    """Ratios printed without an interval; a p value that is a bound cannot stand in for it."""
    found = []
    for row in evidence.comparisons:
        if not _is_ratio(row) or (row.ci_low is not None and row.ci_high is not None):
            continue
        exact = re.fullmatch(r"\s*=?\s*0?\.\d+\s*", row.p_value)
        words = f", P {row.p_value.strip()}" if row.p_value.strip() else ""
        found.append(
            Finding(
                check="no_interval",
                where=f"{row.study_id}/{_pair(row)}",
                message=f"{row.outcome}: {ratio(row)}{words}, without an interval"
                + (f" ({row.adjustment})." if row.adjustment else "."),
                hint="Look for the interval in the full text; "
                + ("its width follows from the P value." if exact else "no exact P value gives its width."),
                severity="warning",
                study_ids=(row.study_id,),
            )
        )
    return found


@CHECKS.register("direction")
def direction(evidence: Evidence) -> list[Finding]:
    """A ratio against the survival of its own arms; and ratios of the control against the treatment."""
    found = []
    for row in evidence.comparisons:
        if row.measure != "HR" or row.estimate is None or row.estimate <= 0 or _is_subgroup(row):
            continue
        against = contradictions(evidence, row)
        if against:
            better = row.arm_a if row.estimate < 1 else row.arm_b
            found.append(
                Finding(
                    check="direction",
                    where=f"{row.study_id}/{_pair(row)}",
                    message=f"{row.outcome}: {ratio(row)} favours {better}, but {several(against)}.",
                    hint="The arms may be exchanged in one of the two, or the hazards cross: look at the curves.",
                    severity="warning",
                    study_ids=(row.study_id,),
                )
            )
        elif _control_first(evidence, row):
            turned = _turned(row)
            found.append(
                Finding(
                    check="direction",
                    where=f"{row.study_id}/{_pair(row)}",
                    message=f"{row.outcome}: {ratio(row)} is of {row.arm_a} against {row.arm_b}, the control first; "
                    f"{row.arm_b} against {row.arm_a} it is {turned}.",
                    hint="Read it the right way round before it is set beside others.",
                    severity="note",
                    study_ids=(row.study_id,),
                )
            )
    return found


def contradictions(evidence: Evidence, row: Comparison) -> list[str]:
    """Values of both arms that say the other arm lives longer; none where any pair of values agrees."""
    if row.estimate is None or 1 / _NEAR_1 < row.estimate < _NEAR_1:
        return []
    words, agrees = [], False
    for ours, theirs in value_pairs(evidence, row):
        if ours.value is None or theirs.value is None:
            continue
        near = _NEAR_SURVIVAL if ours.kind == "probability" else (_NEAR_1 - 1) * max(ours.value, theirs.value)
        difference = theirs.value - ours.value if row.estimate < 1 else ours.value - theirs.value
        agrees = agrees or difference < 0
        if difference > near:
            words.append(f"{said(ours)} in {row.arm_a} and {said(theirs)} in {row.arm_b}")
    return [] if agrees else words


def _control_first(evidence: Evidence, row: Comparison) -> bool:
    """arm_a is untreated or placebo and arm_b is not; or the words say the direction."""
    if "reversed_direction" in codes(row):
        return True
    arms = [evidence.arm.get((row.study_id, arm)) for arm in (row.arm_a, row.arm_b)]
    if arms[0] is None or arms[1] is None:
        return False
    control = [
        arm.treatment_class == "conservative" or arm.treatment.casefold().split(" ")[0] == "placebo"
        for arm in arms
        if arm is not None
    ]
    return control == [True, False]


def _turned(row: Comparison) -> str:
    values = [row.estimate, row.ci_high, row.ci_low]
    turned = ["–" if not value else plain(round(1 / value, 2)) for value in values]
    return (
        turned[0]
        if row.ci_low is None or row.ci_high is None
        else f"{turned[0]} ({turned[1]} to {turned[2]})"
    )


@CHECKS.register("several_estimates")
def several_estimates(evidence: Evidence) -> list[Finding]:
    """Several ratios of one comparison and outcome: cut-offs, adjustments, central or local review."""
    found = []
    rows = [row for row in evidence.comparisons if _is_ratio(row) and not _is_subgroup(row)]
    groups = by(rows, lambda row: (row.study_id, *sorted((row.arm_a, row.arm_b)), row.outcome, row.measure))
    for (study, *_, outcome, _measure), group in groups.items():
        if len(group) < 2:
            continue
        kinds = {
            name for name in ("central_review", "local_review") if any(name in codes(row) for row in group)
        }
        values = "; ".join(
            ratio(row)
            + (f", {words}" if (words := " ".join(filter(None, [row.adjustment, row.flag]))) else "")
            for row in group
        )
        found.append(
            Finding(
                check="several_estimates",
                where=f"{study}/{_pair(group[0])}",
                message=f"{outcome} of one comparison is printed {len(group)} times: {values}.",
                hint="Take central review, or say beforehand which; never both."
                if len(kinds) == 2
                else "Take the one the protocol names, else the latest with an interval; never both.",
                severity="warning",
                effect="At most one of them enters a pooled ratio.",
                study_ids=(study,),
            )
        )
    return found


@CHECKS.register("partitions")
def partitions(evidence: Evidence) -> list[Finding]:
    """Ratios of subgroups of one trial: partitions share the trial's patients."""
    found = []
    rows = [row for row in evidence.comparisons if _is_ratio(row) and _is_subgroup(row)]
    for (study, outcome), group in by(rows, lambda row: (row.study_id, row.outcome)).items():
        values = several(
            (f"{_PREFIX.sub('', row.adjustment or row.flag)} {ratio(row)}" for row in group), limit=8
        )
        found.append(
            Finding(
                check="partitions",
                where=study,
                message=f"{outcome}: {counted(len(group), 'ratio')} of subgroups of one trial: {values}.",
                hint="Set them beside the trial's own result as subgroups; each patient is in several of them.",
                severity="warning",
                effect="Left out of pooled ratios: subgroups.",
                study_ids=(study,),
            )
        )
    return found


@CHECKS.register("asymmetric_interval")
def asymmetric_interval(evidence: Evidence) -> list[Finding]:
    """A ratio that is not in the middle of its interval on the log scale, by more than rounding allows.

    Each printed number may be off by half of its last digit, and the geometric mean of the limits must then reach the
    estimate, but for 2 % of the half-width. A number that shows one decimal may have been printed with two (0.30):
    where only that reading is asymmetric it is a note, where the coarser one is as well it is a warning.
    """
    found = []
    for row in evidence.comparisons:
        if (
            not _is_ratio(row)
            or row.estimate is None
            or not row.ci_low
            or not row.ci_high
            or row.ci_low >= row.ci_high
        ):
            continue
        own = [places_of(value) for value in (row.estimate, row.ci_low, row.ci_high)]
        fine = [max(places, 2) for places in own]
        if _gap(row, fine) <= _SLACK:
            continue
        beyond = _gap(row, own) > _SLACK
        middle = math.sqrt(row.ci_low * row.ci_high)
        found.append(
            Finding(
                check="asymmetric_interval",
                where=f"{row.study_id}/{_pair(row)}",
                message=f"{row.outcome}: {ratio(row)} is off the middle of its interval, {plain(round(middle, 3))}, by "
                + (
                    "more than rounding allows."
                    if beyond
                    else "more than two decimals allow; one decimal would."
                ),
                hint="An exact interval, a misprint or another model: take no standard error from it unseen."
                if beyond
                else "Find the unrounded limits before a standard error is taken from them.",
                severity="warning" if beyond else "note",
                study_ids=(row.study_id,),
            )
        )
    return found


def places_of(value: float) -> int:
    """Decimals that a number shows."""
    text = repr(value)
    return 0 if "e" in text or text.endswith(".0") else len(text.partition(".")[2])


def _gap(row: Comparison, places: list[int]) -> float:
    """How far the estimate stays from the middle when each number may be off by half of its last place.

    On the log scale, as a share of the half-width of the interval; 0 or less where the two meet.
    """
    values = (row.estimate or 1.0, row.ci_low or 1.0, row.ci_high or 1.0)
    halves = [0.5 * 10.0**-digits for digits in places]
    lowest, highest = (
        [math.log(max(value + sign * half, 1e-9)) for value, half in zip(values, halves, strict=True)]
        for sign in (-1, 1)
    )
    middle = ((lowest[1] + lowest[2]) / 2, (highest[1] + highest[2]) / 2)
    half_width = math.log(values[2] / values[1]) / 2
    return max(lowest[0] - middle[1], middle[0] - highest[0]) / half_width


@CHECKS.register("p_against_interval")
def p_against_interval(evidence: Evidence) -> list[Finding]:
    """A printed P value on the other side of 0.05 than the interval says, by more than rounding."""
    found = []
    for row in evidence.comparisons:
        number = re.fullmatch(r"\s*([<>=]?)\s*(0?\.\d+(?:[eE]-?\d+)?|1(?:\.0*)?)\s*", row.p_value)
        if not number or not _is_ratio(row) or row.estimate is None or not row.ci_low or not row.ci_high:
            continue
        level = NormalDist().inv_cdf(0.5 + row.level / 2)
        half = 0.5 * 10.0 ** -max(map(places_of, (row.ci_low, row.ci_high)))
        widest = math.log((row.ci_high + half) / max(row.ci_low - half, 1e-9)) / (2 * level)
        narrowest = math.log(max(row.ci_high - half, row.ci_low + half) / (row.ci_low + half)) / (2 * level)
        expected = [
            2 * NormalDist().cdf(-abs(math.log(row.estimate)) / max(se, 1e-9)) for se in (narrowest, widest)
        ]
        printed = float(number[2])
        clear_no = number[1] in ("", "=", "<") and printed < 0.05 and expected[0] > 0.06
        clear_yes = number[1] in ("", "=", ">") and printed >= 0.05 and expected[1] < 0.04
        if clear_no or clear_yes:
            said_ = f"{number[1]} {plain(printed)}" if number[1] in ("<", ">") else f"= {plain(printed)}"
            one_sided = "one_sided" in codes(row)
            found.append(
                Finding(
                    check="p_against_interval",
                    where=f"{row.study_id}/{_pair(row)}",
                    message=f"{row.outcome}: {ratio(row)} gives P about "
                    f"{plain(round(expected[0], 3))}; printed is P {said_}.",
                    hint="The printed P is one-sided."
                    if one_sided
                    else "Another test, one-sided, or another model: look.",
                    severity="note" if one_sided else "warning",
                    study_ids=(row.study_id,),
                )
            )
    return found


@CHECKS.register("hazards_not_proportional")
def hazards_not_proportional(evidence: Evidence) -> list[Finding]:
    """Hazard ratios of trials where the hazards were not proportional."""
    return [
        Finding(
            check="hazards_not_proportional",
            where=f"{row.study_id}/{_pair(row)}",
            message=f"{row.outcome}: {ratio(row)}, but the hazards were not proportional.",
            hint="Report the difference of restricted means beside it.",
            severity="warning",
            study_ids=(row.study_id,),
        )
        for row in evidence.comparisons
        if row.measure == "HR" and "hazards_not_proportional" in codes(row)
    ]


@CHECKS.register("crossover")
def crossover(evidence: Evidence) -> list[Finding]:
    """Overall survival of trials whose control patients later got the treatment."""
    found = []
    rows = [
        row
        for row in evidence.comparisons
        if row.outcome == "OS" and _is_ratio(row) and not _is_subgroup(row)
    ]
    for (study,), group in by(rows, lambda row: (row.study_id,)).items():
        note = evidence.study[study].note if study in evidence.study else ""
        if any("crossover" in codes(row) for row in group) or "crossover" in meanings(note):
            found.append(
                Finding(
                    check="crossover",
                    where=study,
                    message=f"OS {several(ratio(row) for row in group)}: control patients later got the treatment.",
                    hint="Overall survival is then diluted towards no difference; say so beside it.",
                    severity="note",
                    study_ids=(study,),
                )
            )
    return found


@CHECKS.register("other_version")
def other_version(evidence: Evidence) -> list[Finding]:
    """Comparisons of which another version of the source prints something else."""
    found = []
    rows = [row for row in evidence.comparisons if "other_version" in codes(row)]
    for (study,), group in by(rows, lambda row: (row.study_id,)).items():
        values = "; ".join(f"{_pair(row)} {row.outcome} P {row.p_value} ({row.flag})" for row in group)
        found.append(
            Finding(
                check="other_version",
                where=study,
                message=f"Two versions of the source differ: {values}.",
                hint="Read the paper itself; until then cite both or neither.",
                severity="warning",
                study_ids=(study,),
            )
        )
    return found


@CHECKS.register("compares_patients")
def compares_patients(evidence: Evidence) -> list[Finding]:
    """Comparisons of subgroups with each other: they tell who lives longer, not which treatment works."""
    found = []
    rows = [
        row
        for row in evidence.comparisons
        if "prognostic" in codes(row)
        or all(
            getattr(evidence.arm.get((row.study_id, arm)), "subgroup_of", "")
            for arm in (row.arm_a, row.arm_b)
        )
    ]
    for (study,), group in by(rows, lambda row: (row.study_id,)).items():
        pairs = several((f"{_pair(row)} ({row.outcome})" for row in group), limit=4)
        found.append(
            Finding(
                check="compares_patients",
                where=place(study),
                message=f"{counted(len(group), 'comparison')} of groups of patients, not of treatments: {pairs}.",
                hint="Use them as prognosis; they answer no question about a treatment.",
                severity="note",
                effect="Left out of pooled ratios of treatments.",
                study_ids=(study,),
            )
        )
    return found


def _of_patients(evidence: Evidence, row: Comparison) -> bool:
    """Whether groups of patients are compared and not treatments: so its words, or both arms are subgroups."""
    arms = [evidence.arm.get((row.study_id, arm)) for arm in (row.arm_a, row.arm_b)]
    return "prognostic" in codes(row) or all(arm is not None and arm.subgroup_of for arm in arms)
