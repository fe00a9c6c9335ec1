"""Survival values against themselves: what cannot rise, cannot be above something else, cannot be both."""

from __future__ import annotations

from itertools import pairwise

from kmeta.methods.checks.reading import (
    ROUNDING,
    Curve,
    arm_codes,
    by,
    codes,
    curves,
    in_time,
    is_event_probability,
    matched,
    points,
)
from kmeta.methods.checks.registry import CHECKS
from kmeta.methods.checks.wording import place, plain, said, several, share
from kmeta.review.estimate import Estimate
from kmeta.review.evidence import Evidence
from kmeta.review.finding import Finding

# Being free of the event includes being alive, so these cannot be above overall survival.
_INCLUDE_DEATH = ("DFS", "RFS", "PFS", "graft_survival")
_NOT_ONE_COHORT = {"conditional", "immortal_time", "open_extension"}


@CHECKS.register("impossible_value")
def impossible_value(evidence: Evidence) -> list[Finding]:
    """Probabilities outside 0 to 1, negative times, intervals that are reversed or do not hold their value."""
    found = []
    for row in evidence.estimates:
        top = 1.0 if row.kind == "probability" else float("inf")
        numbers = [value for value in (row.value, row.ci_low, row.ci_high) if value is not None]
        limits = [value for value in (row.ci_low, row.value, row.ci_high) if value is not None]
        faults = []
        if any(not 0 <= value <= top for value in numbers):
            faults.append(f"{several(plain(value) for value in numbers)} outside 0 to {plain(top)}")
        if row.time_months is not None and row.time_months < 0:
            faults.append(f"time {plain(row.time_months)} months")
        if limits != sorted(limits):
            faults.append(f"interval {several(map(plain, limits))} out of order")
        if faults:
            words = "; ".join(faults)
            found.append(
                Finding(
                    check="impossible_value",
                    where=place(row.study_id, [row.arm_id]),
                    message=f"{row.outcome}, {row.kind}: {words}. No survival value can be that.",
                    hint="Look at the source and correct the value; a percentage is entered as a share, 0.74.",
                    severity="error",
                    study_ids=(row.study_id,),
                )
            )
    return found


@CHECKS.register("unknown_arm")
def unknown_arm(evidence: Evidence) -> list[Finding]:
    """Values and comparisons of arms that are not there."""
    used = {row.key for row in evidence.estimates}
    used |= {(row.study_id, arm) for row in evidence.comparisons for arm in (row.arm_a, row.arm_b)}
    return [
        Finding(
            check="unknown_arm",
            where=place(study, [arm]),
            message=f"Values are entered for the arm {arm}, which the study does not have.",
            hint="Add the arm, or correct the name on its values.",
            severity="error",
            effect="Its values enter no result.",
            study_ids=(study,),
        )
        for study, arm in sorted(used - set(evidence.arm))
    ]


@CHECKS.register("not_monotone")
def not_monotone(evidence: Evidence) -> list[Finding]:
    """Survival that rises with time, and event probabilities that fall; differences within rounding are let be."""
    found = []
    rising = {key: points(curve) for key, curve in curves(evidence).items()}
    falling = {
        key: [(time, -value, row) for time, value, row in points(sorted(rows, key=in_time))]
        for key, rows in by(
            (row for row in evidence.estimates if is_event_probability(row)),
            lambda row: (*row.key, row.outcome, row.time_origin),
        ).items()
    }
    for key, values in [*rising.items(), *falling.items()]:
        broken = [
            (early, late)
            for place_, early in enumerate(values)
            for late in values[place_ + 1 :]
            if late[0] > early[0] and late[1] > early[1] + ROUNDING
        ]
        if not broken:
            continue
        early, late = max(broken, key=lambda pair: (pair[1][1] - pair[0][1], -pair[0][0], -pair[1][0]))
        rises = early[1] >= 0 and late[1] >= 0
        law = "Survival cannot rise" if rises else "A cumulative incidence cannot fall"
        found.append(
            Finding(
                check="not_monotone",
                where=place(str(key[0]), [str(key[1])]),
                message=f"{key[2]} from {key[3]}: {said(early[2])}, then {said(late[2])}. {law}.",
                hint="Look at the source: one of the two is misprinted or belongs to another arm.",
                severity="error",
                effect="Left out of pooled results: survival that rises.",
                study_ids=(str(key[0]),),
            )
        )
    return found


@CHECKS.register("incidence_as_survival")
def incidence_as_survival(evidence: Evidence) -> list[Finding]:
    """Values entered as survival that only rise: a cumulative incidence, or 1 minus survival, under a wrong name."""
    found = []
    for key, rows in curves(evidence, kinds=("probability", "median")).items():
        values = points(rows)
        rises = [late[1] > early[1] + ROUNDING for early, late in pairwise(values) if late[0] > early[0]]
        if not rises or not all(rises) or (len(rises) < 2 and not _mirrored(values, rows)):
            continue
        shown = several((said(row) for _, _, row in values), limit=4)
        found.append(
            Finding(
                check="incidence_as_survival",
                where=place(key[0], [key[1]]),
                message=f"{key[2]} from {key[3]} only rises: {shown}. "
                f"Survival falls; the probability of an event rises.",
                hint="If the source prints a cumulative incidence, name the outcome so; never enter it as survival.",
                severity="error",
                effect="Left out of pooled results: survival that rises.",
                study_ids=(key[0],),
            )
        )
    return found


def _mirrored(values: list[tuple[float, float, Estimate]], rows: Curve) -> bool:
    """Whether 1 minus the values, and not they, are above one half before the median and below after it."""
    medians = [row.value for row in rows if row.kind == "median" and row.value is not None]
    sides = [
        (time < middle) == (value < 0.5) for middle in medians for time, value, _ in values if time != middle
    ]
    return bool(sides) and all(sides)


@CHECKS.register("median_against_curve")
def median_against_curve(evidence: Evidence) -> list[Finding]:
    """A median against the survival at times before and after it, which must be above and below one half."""
    found = []
    for key, rows in curves(evidence, kinds=("probability", "median")).items():
        for median in (row for row in rows if row.kind == "median"):
            worst = _worst_against(median, rows)
            if worst is None:
                continue
            excess, row = worst
            small = excess <= 0.02
            before = median.value is None or (row.time_months or 0) < median.value
            law = "before the median survival is above" if before else "after the median survival is below"
            found.append(
                Finding(
                    check="median_against_curve",
                    where=place(key[0], [key[1]]),
                    message=f"{key[2]}: {said(median)}, but {said(row)}; {law} {share(0.5)}.",
                    hint="Rounding or a smoothed reading of the curve may explain it."
                    if small
                    else "Both cannot be right: look at the figure or the tables of the paper.",
                    severity="note" if small else "error",
                    study_ids=(key[0],),
                )
            )
    return found


def _worst_against(median: Estimate, rows: Curve) -> tuple[float, Estimate] | None:
    """The value farthest on the wrong side of one half, and how far; None where none is."""
    reached = median.value is not None
    if not reached and "median_not_reached" not in codes(median):
        return None
    worst: tuple[float, Estimate] | None = None
    for time, value, row in points(rows):
        before = not reached or (median.value is not None and time < median.value)
        excess = (0.5 - value if before else value - 0.5) - ROUNDING / 5
        if time != median.value and excess > 0 and (worst is None or excess > worst[0]):
            worst = (excess, row)
    return worst


@CHECKS.register("event_free_above_survival")
def event_free_above_survival(evidence: Evidence) -> list[Finding]:
    """Event-free survival above overall survival at the same or an earlier time; overall above disease-specific."""
    found = []
    groups = by(
        (row for row in evidence.estimates if not is_event_probability(row) and not _selected(evidence, row)),
        lambda row: (*row.key, row.time_origin, "matched" if matched(evidence, row) else ""),
    )
    for key, rows in groups.items():
        overall = [row for row in rows if row.outcome == "OS"]
        for lower, upper in [
            (row, other) for row in rows if row.outcome in _INCLUDE_DEATH for other in overall
        ] + [(other, row) for row in rows if row.outcome == "DSS" for other in overall]:
            if _above(lower, upper):
                found.append(
                    Finding(
                        check="event_free_above_survival",
                        where=place(key[0], [key[1]]),
                        message=f"{lower.outcome} {said(lower)} is above {upper.outcome} {said(upper)}; "
                        f"{lower.outcome} counts every event that {upper.outcome} counts.",
                        hint="Look whether the two are exchanged, or one is of fewer patients.",
                        severity="error",
                        study_ids=(key[0],),
                    )
                )
    return found


def _selected(evidence: Evidence, row: Estimate) -> bool:
    return bool(_NOT_ONE_COHORT & (codes(row) | arm_codes(evidence, *row.key)))


def _above(lower: Estimate, upper: Estimate) -> bool:
    """Whether `lower`, which can only be at or below `upper`, is above it; survival cannot rise with time."""
    if lower.kind != upper.kind or lower.value is None or upper.value is None:
        return False
    if lower.kind == "probability":
        if lower.time_months is None or upper.time_months is None or upper.time_months > lower.time_months:
            return False
        return lower.value > upper.value + 2 * ROUNDING
    return lower.kind == "median" and lower.value > 1.02 * upper.value


@CHECKS.register("zero_survival")
def zero_survival(evidence: Evidence) -> list[Finding]:
    """Nobody alive: of how many? Without their number a 0 says little and has no variance."""
    found = []
    for row in evidence.estimates:
        arm = evidence.arm.get(row.key)
        if (
            row.kind != "probability"
            or row.value != 0
            or row.time_months is None
            or is_event_probability(row)
        ):
            continue
        n = arm.n if arm else None
        of = "an unknown number" if n is None else f"{n}"
        found.append(
            Finding(
                check="zero_survival",
                where=place(row.study_id, [row.arm_id]),
                message=f"{row.outcome}: {said(row)}, of {of}.",
                hint="Ask the paper how many were at risk: a curve may fall to 0 with its last patient.",
                severity="warning" if n is None else "note",
                effect="Left out of pooled results: no number of patients." if n is None else "",
                study_ids=(row.study_id,),
            )
        )
    return found


@CHECKS.register("mean_for_median")
def mean_for_median(evidence: Evidence) -> list[Finding]:
    """Unrestricted means of survival times: they depend on the longest follow-up and are no medians."""
    found = []
    means = [
        row
        for row in evidence.estimates
        if row.kind == "mean" or (row.kind == "median" and "mean_not_median" in codes(row))
    ]
    for (study,), rows in by(means, lambda row: (row.study_id,)).items():
        kinds = "A mean, not a median" if len(rows) == 1 else f"{len(rows)} means, not medians"
        values = several(
            f"{row.arm_id} {row.outcome} {plain(row.value)}" for row in rows if row.value is not None
        )
        found.append(
            Finding(
                check="mean_for_median",
                where=place(study, [row.arm_id for row in rows]),
                message=f"{kinds}, in months: {values}.",
                hint="Never list them among medians; a mean needs everybody's time of death or a limit of time.",
                severity="warning",
                effect="Left out of lists of medians and of pooled results.",
                study_ids=(study,),
            )
        )
    return found


@CHECKS.register("several_values")
def several_values(evidence: Evidence) -> list[Finding]:
    """One arm, outcome, time and origin with more than one value: which one counts?"""
    found = []
    groups = by(
        evidence.estimates,
        lambda row: (
            *row.key,
            row.outcome,
            row.kind,
            "" if row.time_months is None else plain(row.time_months),
            row.time_origin,
            "matched" if matched(evidence, row) else "",
        ),
    )
    for key, rows in groups.items():
        if len(rows) > 1:
            values = several(
                said(row) + (f" ({row.flag})" if row.flag and row.value is not None else "") for row in rows
            )
            same = len({row.value for row in rows}) == 1
            found.append(
                Finding(
                    check="several_values",
                    where=place(key[0], [key[1]]),
                    message=f"{key[2]} from {key[5]} is entered {len(rows)} times: {values}.",
                    hint="Keep the one with the longest follow-up, and say in the other's flag why it stays.",
                    severity="note" if same else "warning",
                    study_ids=(key[0],),
                )
            )
    return found


@CHECKS.register("interval_kind")
def interval_kind(evidence: Evidence) -> list[Finding]:
    """Bracketed figures that are a range or of no stated kind, and intervals of a median that begin at 0."""
    found = []
    for row in evidence.estimates:
        words = codes(row)
        if "range_not_interval" in words:
            text, hint = (
                "the printed figures are a range of values, not an interval",
                "Do not take a standard error from it.",
            )
        elif "interval_type_unknown" in words and row.ci_low is not None:
            limits = f"{plain(row.ci_low)} to {'–' if row.ci_high is None else plain(row.ci_high)}"
            text, hint = (
                f"{limits} is not called a confidence interval",
                "Read the methods before it is used as one.",
            )
        elif row.kind == "median" and row.ci_low is not None and row.ci_low <= 0:
            text = f"its interval begins at {plain(row.ci_low)}"
            hint = "A symmetric interval was put around the median; take none of its limits for a standard error."
        else:
            continue
        found.append(
            Finding(
                check="interval_kind",
                where=place(row.study_id, [row.arm_id]),
                message=f"{row.outcome}, {said(row)}: {text}.",
                hint=hint,
                severity="note",
                study_ids=(row.study_id,),
            )
        )
    return found
