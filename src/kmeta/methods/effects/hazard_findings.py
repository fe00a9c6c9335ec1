"""What does not fit together in the numbers printed of one hazard ratio."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from kmeta.core import numbers
from kmeta.methods.effects.hazard_reported import Reported
from kmeta.methods.effects.hazard_result import HazardRoute
from kmeta.methods.survival.log_hazard import normal_quantile
from kmeta.review.finding import Finding

# Beyond rounding: off-centre by more than this share of se where the digits are known, else by a quarter of se.
_OFF_CENTRE, _OFF_CENTRE_UNKNOWN = 0.04, 0.25
# Routes use the same patients, so they agree far better than independent estimates would: combined se's, and ratio of
# standard errors, from which a disagreement is told; the weak routes are allowed more.
_FAR = {"weak": 2.0, "approximate": 0.75}
_FAR_PRINTED = 0.35
_WIDER = {"weak": math.inf, "approximate": 1.5}
# A few times of a curve hold less of the follow-up than the model of all patients.
_CURVES = ("curve_n_risk", "curve_n")
_WIDER_PRINTED = 1.25


def findings_of(
    rep: Reported, best: HazardRoute, routes: Sequence[HazardRoute], where: str
) -> tuple[Finding, ...]:
    """Every contradiction, the plainest first."""
    return (
        *_direction(rep, where),
        *_asymmetric(rep, best, where),
        *(finding for route in routes if route is not best for finding in _disagreement(best, route, where)),
        *_only_bounds(best, where),
    )


def middle_of(rep: Reported) -> float:
    """Middle of the printed interval on the log scale, first arm against second; NaN without both limits."""
    if not (rep.ci_low and rep.ci_high):
        return math.nan
    return rep.turn * (math.log(rep.ci_low.value) + math.log(rep.ci_high.value)) / 2


def _finding(check: str, where: str, message: str, hint: str) -> Finding:
    return Finding(check=check, where=where, message=message, hint=hint, severity="warning")


def _direction(rep: Reported, where: str) -> Iterator[Finding]:
    for words in rep.contradicting:
        yield _finding(
            "direction",
            where,
            f"{words}.",
            "The printed ratio may be of the other arm (say reference=), or the hazards cross: look at the curves.",
        )


def _asymmetric(rep: Reported, best: HazardRoute, where: str) -> Iterator[Finding]:
    if not (rep.hr and rep.ci_low and rep.ci_high and best.se > 0):
        return
    known = any(each.half for each in (rep.hr, rep.ci_low, rep.ci_high))
    tiny = 1e-12
    y = [math.log(max(end, tiny)) for end in rep.hr.span()]
    lows, highs = ([math.log(max(end, tiny)) for end in each.span()] for each in (rep.ci_low, rep.ci_high))
    middle = ((lows[0] + highs[0]) / 2, (lows[1] + highs[1]) / 2)
    off = max(0.0, y[0] - middle[1], middle[0] - y[1]) / best.se
    if off > (_OFF_CENTRE if known else _OFF_CENTRE_UNKNOWN):
        yield _finding(
            "asymmetric_interval",
            where,
            f"HR {rep.hr.text} lies {numbers.decimal(off, 2)} standard errors off the middle of "
            f"{rep.ci_low.text} to {rep.ci_high.text} on the log scale"
            + (", more than rounding allows." if known else "."),
            "An exact or profile interval, a misprint or another model.",
        )


def _gap(a: tuple[float, float], b: tuple[float, float]) -> float:
    return max(0.0, b[0] - a[1], a[0] - b[1])


def _disagreement(best: HazardRoute, route: HazardRoute, where: str) -> Iterator[Finding]:
    if math.isnan(best.y) or math.isnan(best.se):
        return
    if route.bound:
        yield from _against_bound(best, route, where)
        return
    combined = math.hypot(best.se, route.se)
    apart = _gap((best.y_low, best.y_high), (route.y_low, route.y_high)) / combined
    wider = _gap(_logs(best), _logs(route))
    trust = "weak" if route.name in _CURVES else route.trust
    far, wide = _FAR.get(trust, _FAR_PRINTED), _WIDER.get(trust, _WIDER_PRINTED)
    if apart <= far and wider <= math.log(wide):
        return
    what = (
        f"log HR {numbers.decimal(route.y, 3)} against {numbers.decimal(best.y, 3)}, "
        f"{numbers.decimal(apart, 1)} combined se apart"
        if apart > far
        else f"se {numbers.decimal(route.se, 3)} against {numbers.decimal(best.se, 3)}"
    )
    by_p = route.name == "hr_p" and best.name in ("hr_ci", "hr_se")
    yield _finding(
        "p_against_interval" if by_p else "route_disagreement",
        where,
        f"{route.name} gives {what} by {best.name}.",
        _hint(best, route, by_p),
    )


def _logs(route: HazardRoute) -> tuple[float, float]:
    low = math.log(route.se_low) if route.se_low > 0 else -math.inf
    return low, math.log(route.se_high) if route.se_high > 0 else math.inf


def _hint(best: HazardRoute, route: HazardRoute, by_p: bool) -> str:
    """What the ratio of the standard errors looks like: an interval at another level, or a one-sided p."""
    for level in (0.90, 0.99):
        factor = normal_quantile(0.95) / normal_quantile(level)
        if best.name in ("hr_ci", "limits") and abs(route.se_ratio / factor - 1) < 0.04:
            return f"The interval may be a {100 * level:g} % one (say level=)."
    if by_p:
        return "Another test, a one-sided p (say sides=1), or another model: look."
    return "Adjusted and crude results, another model or follow-up, or a misprint: look."


def _against_bound(best: HazardRoute, route: HazardRoute, where: str) -> Iterator[Finding]:
    inside_y = _gap((best.y_low, best.y_high), (route.y_low, route.y_high)) <= 0.1 * best.se
    inside_se = best.se_low <= 1.05 * route.se_high and best.se_high >= route.se_low / 1.05
    if inside_y and inside_se:
        return
    if not route.bound.startswith("se") and route.trust == "approximate":
        far = _gap((best.y_low, best.y_high), (route.y_low, route.y_high)) / best.se
        if far <= _FAR["approximate"]:
            return
    yield _finding(
        "p_bound",
        where,
        f"p {route.inputs.get('p', '')} says {route.bound} what log HR {numbers.decimal(best.y, 3)}, "
        f"se {numbers.decimal(best.se, 3)} by {best.name} do not meet.",
        "Another test, a one-sided p, or another model: look.",
    )


def _only_bounds(best: HazardRoute, where: str) -> Iterator[Finding]:
    if best.bound:
        yield _finding(
            "only_bounds",
            where,
            f"The numbers bound the result ({best.bound}) and give no value of it.",
            "Look for the interval, the exact p value or the number of events.",
        )
