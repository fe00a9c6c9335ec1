"""The same pool under other rules: each a policy of its own, and the range when one study at a time is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from kmeta.methods.selection import ORIENTATION, Policy
from kmeta.methods.synthesis.models import fit_lines, is_nested, why_not_pooled
from kmeta.methods.synthesis.result import Line, Sensitivity
from kmeta.review.protocol import Analysis

LinesOf = Callable[[Policy], Sequence[Line]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """Another rule: its label, why one would ask, and the policy that it makes of the one in use."""

    label: str
    reason: str
    change: Callable[[Policy], Policy]


def _with(**changes: object) -> Callable[[Policy], Policy]:
    return lambda policy: replace(policy, **changes)  # type: ignore[arg-type]


OVERLAPS_KEPT = "overlapping cohorts left in"
FIRST_HAND = "only values read in the study's own report"
ALL_YEARS = "all years of publication"
COMPLETERS_KEPT = "completers kept"
SIMPLE_RULE = "simple rule: all of these left in, DerSimonian-Laird, z"
ROWS: tuple[Variation, ...] = (
    Variation(
        label=OVERLAPS_KEPT,
        reason="shows how much patients counted twice would matter",
        change=_with(overlaps="keep"),
    ),
    Variation(
        label="possible overlaps removed too",
        reason="some pairs of studies may share patients without anyone saying so",
        change=_with(overlaps="drop_possible"),
    ),
    Variation(
        label="without figures of matched patients",
        reason="matching selects patients",
        change=_with(matched="drop"),
    ),
    Variation(
        label=COMPLETERS_KEPT,
        reason="shows what leaving out those who completed treatment does",
        change=_with(completers="keep"),
    ),
    Variation(
        label="placebo arms kept",
        reason="the placebo arms of trials are filed under the class of the drug",
        change=_with(placebo="keep"),
    ),
    Variation(
        label=FIRST_HAND,
        reason="values in review tables were not checked against their paper",
        change=_with(second_hand="drop"),
    ),
    Variation(
        label="without values whose denominator was inferred",
        reason="their source does not say of whom they are",
        change=_with(inferred="drop"),
    ),
    Variation(
        label=ALL_YEARS,
        reason="the window of years is the protocol's choice",
        change=_with(years="all"),
    ),
    Variation(
        label="without arms of fewer than 20 patients",
        reason="small series report extremes",
        change=_with(least_n=20),
    ),
    Variation(
        label=SIMPLE_RULE,
        reason="how such figures are often pooled: overlaps, completers, placebo and derived values in, any year",
        change=lambda policy: replace(ORIENTATION, origins=policy.origins, only=policy.only),
    ),
)
TRIALS: tuple[Variation, ...] = tuple(v for v in ROWS if v.label in (OVERLAPS_KEPT, FIRST_HAND, ALL_YEARS))
PLAIN = Variation(
    label="plain model: every arm as a study of its own",
    reason="ignores that arms of one study are alike",
    change=_with(model="plain"),
)
NESTED = Variation(
    label="multilevel model: arms within studies",
    reason="heeds that arms of one study are alike",
    change=_with(model="multilevel"),
)
MOMENTS = Variation(
    label="DerSimonian-Laird with z interval",
    reason="the older standard, too narrow with few studies",
    change=_with(tau2="DL", test="z", model="plain"),
)


def sensitivity(
    lines: Sequence[Line],
    measure: str,
    plan: Analysis,
    policy: Policy,
    *,
    lines_of: LinesOf,
    variations: Sequence[Variation] = ROWS,
) -> tuple[Sensitivity, ...]:
    """Rows for every variation that changes the lines, the other models, and the extremes of leaving one out.

    `lines_of` gives the pool's lines under a policy. A variation that changes nothing makes no row.
    """
    mine = [_what(line) for line in lines]
    found = []
    for variation in variations:
        other = variation.change(policy)
        theirs = lines_of(other) if other != policy else lines
        if [_what(line) for line in theirs] != mine:
            found.append(_row(variation, theirs, measure, plan, other))
    if why_not_pooled(lines, str, "row"):
        return tuple(found)
    models = ([PLAIN if policy.model == "multilevel" else NESTED] if is_nested(lines) else []) + [MOMENTS]
    found += [_row(v, lines, measure, plan, v.change(policy)) for v in models if v.change(policy) != policy]
    return (*found, *_leave_one_out(lines, measure, plan, policy))


def _what(line: Line) -> tuple[str, str, float]:
    return line.study_id, line.arm_id, line.estimate


def _row(
    variation: Variation, lines: Sequence[Line], measure: str, plan: Analysis, policy: Policy
) -> Sensitivity:
    pooled = not why_not_pooled(lines, str, "row")
    return Sensitivity(
        label=variation.label,
        fit=fit_lines(lines, measure, plan, policy) if pooled else None,
        k=len(lines),
        n_patients=_patients(lines),
        reason=variation.reason,
    )


def _leave_one_out(
    lines: Sequence[Line], measure: str, plan: Analysis, policy: Policy
) -> Iterator[Sensitivity]:
    """The lowest and the highest result when each study in turn is left out."""
    rows = []
    for study_id in sorted({line.study_id for line in lines}):
        rest = [line for line in lines if line.study_id != study_id]
        if why_not_pooled(rest, str, "row"):
            continue
        label = next(line.label for line in lines if line.study_id == study_id)
        fit = fit_lines(rest, measure, plan, policy)
        rows.append(
            (fit.mu, study_id, Sensitivity(label=label, fit=fit, k=fit.k, n_patients=_patients(rest)))
        )
    if len(rows) > 1:
        for end, (_, _, row) in (("lowest", min(rows, key=_place)), ("highest", max(rows, key=_place))):
            yield replace(
                row,
                label=f"without {row.label} ({end} of leaving one study out)",
                reason="shows how far one study moves the result",
            )


def _place(row: tuple[float, str, Sensitivity]) -> tuple[float, str]:
    return row[:2]


def _patients(lines: Sequence[Line]) -> int:
    return sum((line.n or 0) + (line.n_control or 0) for line in lines)
