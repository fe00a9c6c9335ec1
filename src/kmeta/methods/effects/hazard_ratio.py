"""From whatever a paper prints of two arms to the log hazard ratio and its standard error, by every route."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Literal

from kmeta.core.errors import InputError
from kmeta.methods.effects import hazard_curves as _  # noqa: F401 (importing it registers its routes)
from kmeta.methods.effects.hazard_findings import findings_of, middle_of
from kmeta.methods.effects.hazard_reported import (
    Reported,
    arms_of,
    counts,
    curve_of,
    events_of,
    intervals,
    pair,
    positives,
    ratios,
)
from kmeta.methods.effects.hazard_result import HazardRatio, HazardRoute
from kmeta.methods.effects.hazard_routes import ROUTES, Recipe
from kmeta.methods.effects.printed import Number, Printed, number, over_rounding

Two = Sequence[Any]


def hazard_ratio(
    *,
    hr: Printed | None = None,
    ci_low: Printed | None = None,
    ci_high: Printed | None = None,
    level: float = 0.95,
    se: Printed | None = None,
    p: Printed | None = None,
    sides: Literal[1, 2] = 2,
    chi2: Printed | None = None,
    z: Printed | None = None,
    o_minus_e: Printed | None = None,
    v: Printed | None = None,
    events: int | str | Two | None = None,
    n: Two | None = None,
    times: float | Sequence[Printed] | None = None,
    survival: Two | None = None,
    n_risk: Two | None = None,
    median: Two | None = None,
    median_ci: Two | None = None,
    person_time: Two | None = None,
    follow_up: tuple[float, float] | None = None,
    arms: Sequence[str] = ("experimental", "control"),
    reference: str | None = None,
    favours: str | None = None,
    digits: int | Mapping[str, int] | None = None,
    adjustment: str = "",
    quotes: Mapping[str, str] | None = None,
    result_level: float = 0.95,
) -> HazardRatio:
    """log HR and its standard error by every route that the printed numbers allow; the most trusted is the answer.

    Ratios are of the first of `arms` against the second; pairs are (first, second).
    hr, ci_low, ci_high, level : printed ratio and interval (one limit is enough with hr). se : of the log ratio.
    p, sides : p value, two-sided unless sides=1; "<0.001" is a bound. chi2, z : of a log-rank test with 1 df.
    o_minus_e, v : observed minus expected events of the first arm, and their variance.
    events : a pair, or the total of both arms. n : patients, a pair.
    times, survival, n_risk : survival (0-1) of both arms at a time or times, a pair (of lists), numbers at risk there.
    median, median_ci, person_time : pairs, one unit of time for all. follow_up : shortest and longest follow-up.
    reference : the arm a printed ratio is against (default the second); with the first arm it is turned round.
    favours : the arm that fares better, for tests that have no sign. adjustment : as printed, carried along.
    digits : decimals printed of numbers given as floats (all, or by name); text ("0.48", "74 %") carries its own.
    quotes : by argument, where each number was read.
    Raises InputError, naming the argument, for numbers that cannot be, and where no route has what it needs.
    Sources: Parmar, Torri & Stewart 1998, doi:10.1002/(SICI)1097-0258(19981230)17:24<2815::AID-SIM110>3.0.CO;2-8;
    Williamson et al. 2002, doi:10.1002/sim.1303; Tierney et al. 2007, doi:10.1186/1745-6215-8-16.

    >>> found = hazard_ratio(hr="0.48", ci_low="0.35", ci_high="0.67", p="<0.001", events=(113, 65))
    >>> found.route, round(found.log_hr, 3), round(found.se, 3)
    ('hr_ci', -0.734, 0.166)
    >>> [route.name for route in found.routes]
    ['hr_ci', 'limits', 'hr_p', 'p_events_by_arm', 'hr_events_by_arm']
    """
    labels, turn = arms_of(arms, reference, favours)
    for name, fraction in (("level", level), ("result_level", result_level)):
        if isinstance(fraction, bool) or not (isinstance(fraction, (int, float)) and 0 < fraction < 1):
            raise InputError(f"{name} is {fraction!r}", where=name, hint="0.95 for a 95 % interval")
    for name, names in (("digits", digits), ("quotes", quotes)):
        if not (names is None or isinstance(names, Mapping) or (name == "digits" and isinstance(names, int))):
            raise InputError(f"{name} is {names!r}", where=name, hint="a mapping from arguments")
    if sides not in (1, 2):
        raise InputError(f"sides is {sides!r}", where="sides", hint="2, or 1 for a one-sided p value")
    single = ratios(
        {
            "hr": hr,
            "ci_low": ci_low,
            "ci_high": ci_high,
            "se": se,
            "p": p,
            "chi2": chi2,
            "z": z,
            "o_minus_e": o_minus_e,
            "v": v,
        },
        digits,
    )
    if sides == 1 and single["p"] and single["p"].value > 0.5:
        raise InputError(
            f"one-sided p is {single['p'].text}", where="p", hint="give 1 - p, favouring the other"
        )
    patients = counts(n, "n", least=1)
    total, by_arm = events_of(events, patients)
    curve = curve_of(times, survival, n_risk, patients, digits)
    plain = Reported(
        arms=labels,
        level=float(level),
        sides=sides,
        turn=turn,
        sign=0,
        hr=single["hr"],
        ci_low=single["ci_low"],
        ci_high=single["ci_high"],
        se=single["se"],
        p=single["p"],
        chi2=single["chi2"],
        z=single["z"],
        o_minus_e=single["o_minus_e"],
        v=single["v"],
        events=total,
        by_arm=by_arm,
        n=patients,
        times=curve.times,
        survival=curve.survival,
        n_risk=curve.n_risk,
        median=positives(median, "median", digits),
        median_ci=intervals(median_ci, "median_ci", digits),
        person_time=positives(person_time, "person_time", digits),
        follow_up=_range(follow_up),
    )
    rep = _directed(plain, favours)
    return _answer(rep, adjustment, quotes or {}, float(result_level))


def _range(follow_up: tuple[float, float] | None) -> tuple[float, float] | None:
    both = pair(follow_up, "follow_up")
    if both is None:
        return None
    least, most = (number(value, "follow_up") for value in both)
    if least is None or most is None or not 0 <= least.value < most.value:
        raise InputError(f"follow_up is {follow_up!r}", where="follow_up", hint="shortest, longest")
    return least.value, most.value


@cache
def _routes() -> tuple[str, ...]:
    """The routes in the order of trust; those of other packages come last."""
    others = {point.name for point in entry_points(group=ROUTES.group)}
    return (*ROUTES, *sorted(others - set(ROUTES)))


def _directed(rep: Reported, favours: str | None) -> Reported:
    """With the sign of log HR: from the words, else the ratio, O - E, survival or medians; and who contradicts it."""
    says: list[tuple[str, int]] = []
    if favours is not None:
        says.append(("the words", -1 if favours == rep.arms[0] else 1))
    if rep.hr and rep.hr.value != 1:
        says.append((f"HR {rep.hr.text}", rep.turn * (1 if rep.hr.value > 1 else -1)))
    if rep.o_minus_e and rep.o_minus_e.value:
        says.append((f"O - E {rep.o_minus_e.text}", 1 if rep.o_minus_e.value > 0 else -1))
    # values of the arms are told against a direction only where they, and a printed ratio, differ by a tenth and more
    near = rep.hr is not None and 1 / 1.1 < rep.hr.value < 1.1
    if rep.survival and not near:
        first, second = rep.survival[0][-1].value, rep.survival[1][-1].value
        if abs(first - second) >= 0.05:
            says.append((f"survival {first:g} and {second:g}", -1 if first > second else 1))
    if rep.median and not near:
        first, second = rep.median[0].value, rep.median[1].value
        if max(first, second) >= 1.1 * min(first, second):
            says.append((f"medians {first:g} and {second:g}", -1 if first > second else 1))
    if not says:
        return rep
    source, sign = says[0]
    against = tuple(
        f"{other} says that {rep.arms[0 if theirs < 0 else 1]} fares better, "
        f"{source} that {rep.arms[0 if sign < 0 else 1]} does"
        for other, theirs in says[1:]
        if theirs != sign
    )
    return replace(rep, sign=sign, direction_from=source, contradicting=against)


def _answer(rep: Reported, adjustment: str, quotes: Mapping[str, str], level: float) -> HazardRatio:
    taken: list[HazardRoute] = []
    lacking: list[tuple[str, str]] = []
    for name in _routes():
        recipe = ROUTES[name](rep)
        if isinstance(recipe, Recipe):
            taken.append(_worked_out(name, recipe, quotes))
        elif recipe:
            lacking.append((name, recipe))
    if not taken:
        told = "; ".join(f"{name}: {why}" for name, why in lacking) or "nothing was given"
        raise InputError(
            f"no route to a hazard ratio ({told})",
            where="hazard_ratio",
            hint="a ratio with its interval, se, p or events; a test with events; survival or medians",
        )
    best = next((route for route in taken if not route.bound), taken[0])
    routes = tuple(_beside(best, route) for route in taken)
    best = next(route for route in routes if route.name == best.name)
    middle = middle_of(rep)
    return HazardRatio(
        arms=rep.arms,
        reference=rep.arms[1],
        route=best.name,
        log_hr=best.y,
        se=best.se,
        level=level,
        log_hr_low=best.y_low,
        log_hr_high=best.y_high,
        se_low=best.se_low,
        se_high=best.se_high,
        asymmetry=abs(best.y - middle) / best.se,
        ci_midpoint=middle,
        inverted=rep.turn < 0,
        adjustment=adjustment,
        routes=routes,
        not_taken=tuple(lacking),
        findings=findings_of(rep, best, routes, f"{rep.arms[0]} v {rep.arms[1]}"),
    )


def _worked_out(name: str, recipe: Recipe, quotes: Mapping[str, str]) -> HazardRoute:
    y, se = recipe.formula({key: each.value for key, each in recipe.numbers.items()})
    ys, ses = over_rounding(recipe.formula, recipe.numbers, recipe.limits)
    plain = HazardRoute(
        name=name,
        y=y,
        se=se,
        y_low=ys[0],
        y_high=ys[1],
        se_low=ses[0],
        se_high=ses[1],
        formula=recipe.words,
        source=recipe.source,
        inputs={key: _quoted(key, each, quotes) for key, each in recipe.numbers.items()},
        assumption=recipe.assumption,
        trust=recipe.trust,
        bound=recipe.bound,
        script=recipe.r,
    )
    if recipe.bound == "se at most":
        return replace(plain, se=math.nan, se_low=0.0)
    if recipe.bound == "se at least":
        return replace(plain, se=math.nan, se_high=math.inf)
    if recipe.bound == "|log HR| at least":
        low, high = (-math.inf, y) if y < 0 else (y, math.inf)
        return replace(plain, y=math.nan, y_low=low, y_high=high)
    if recipe.bound:  # |log HR| at most: either side of 0
        return replace(plain, y=math.nan, y_low=-abs(y), y_high=abs(y))
    return plain


_ARGUMENT = {
    **dict.fromkeys(("events_1", "events_0"), "events"),
    **dict.fromkeys(("n_1", "n_0"), "n"),
    **dict.fromkeys(("median_1", "median_0"), "median"),
    **dict.fromkeys(("time_1", "time_0"), "person_time"),
    "se_printed": "se",
}


def _quoted(key: str, each: Number, quotes: Mapping[str, str]) -> str:
    argument = _ARGUMENT.get(key, "survival" if key.startswith("s_") else key)
    where = quotes.get(argument, "")
    return f"{each.text} ({where})" if where else each.text


def _beside(best: HazardRoute, route: HazardRoute) -> HazardRoute:
    if best.bound or route.bound:
        return route
    difference = route.y - best.y
    return replace(
        route,
        difference=difference,
        in_se=difference / math.hypot(best.se, route.se),
        se_ratio=route.se / best.se,
    )
