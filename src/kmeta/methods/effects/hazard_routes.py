"""Routes from a printed ratio or test to log HR and its standard error, in the order of trust.

A route is one function (Reported) -> Recipe, or a text: what it lacks ("" where nothing of it was given). The order in
which routes are registered is the order of trust; `hazard_curves` adds those from survival, medians and person-time.
Sources: Parmar, Torri & Stewart 1998, doi:10.1002/(SICI)1097-0258(19981230)17:24<2815::AID-SIM110>3.0.CO;2-8;
Tierney et al. 2007, doi:10.1186/1745-6215-8-16. One- and two-sided p values: doi:10.1186/1745-6215-14-391.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from kmeta.core.registry import Registry
from kmeta.methods.effects.hazard_reported import Reported
from kmeta.methods.effects.printed import Number
from kmeta.methods.survival.log_hazard import (
    interval_error,
    normal_quantile,
    p_of_z,
    variance_by_allocation,
    variance_by_arm,
    z_of_p,
)

PARMAR = "doi:10.1002/(SICI)1097-0258(19981230)17:24<2815::AID-SIM110>3.0.CO;2-8"
TIERNEY = "doi:10.1186/1745-6215-8-16"
Values = Mapping[str, float]
Trust = Literal["printed", "derived", "approximate", "weak"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a route makes (log HR, se) of the first arm against the second: from which numbers, by which formula.

    `bound` says what a p value printed as a bound leaves of the result; "" where it is a value. `r` are lines of R
    that leave `y` and `se`. `limits` hold the numbers inside what they can be when rounding is undone.
    """

    numbers: Mapping[str, Number]
    formula: Callable[[Values], tuple[float, float]]
    words: str
    source: str
    assumption: str
    trust: Trust
    r: tuple[str, ...]
    bound: Literal["", "se at most", "se at least", "|log HR| at least", "|log HR| at most"] = ""
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)


Route = Callable[[Reported], Recipe | str]
ROUTES: Registry[Route] = Registry("route to a hazard ratio", entry_point_group="kmeta.hazard_routes")
_NO_SIGN = "no direction: say favours=, or give a ratio"


def given(**numbers: Number | None) -> dict[str, Number]:
    """The numbers that are there, by name."""
    return {name: each for name, each in numbers.items() if each is not None}


def r_numbers(numbers: Mapping[str, Number]) -> tuple[str, ...]:
    """R lines that set each number."""
    return tuple(f"{name} <- {each.value!r}" for name, each in numbers.items())


def _ratio(
    rep: Reported,
    numbers: dict[str, Number],
    formula: Callable[[Values], tuple[float, float]],
    words: str,
    assumption: str,
    trust: Trust,
    r: str,
    bound: Literal["", "se at most", "se at least"] = "",
) -> Recipe:
    """A route whose estimate is a printed ratio: turned round where it is printed the other way."""

    def turned(at: Values) -> tuple[float, float]:
        y, se = formula(at)
        return rep.turn * y, se

    turn = ("y <- -y  # printed the other way round",) if rep.turn < 0 else ()
    return Recipe(
        numbers=numbers,
        formula=turned,
        words=words + ("; turned round" if rep.turn < 0 else ""),
        source=TIERNEY,
        assumption=assumption,
        trust=trust,
        r=(*r_numbers(numbers), *r.split("; "), *turn),
        bound=bound,
        limits={"p": (1e-300, 1.0)},
    )


@ROUTES.register("hr_ci")
def hr_ci(rep: Reported) -> Recipe | str:
    """The printed ratio with both limits of its interval."""
    if not (rep.hr and rep.ci_low and rep.ci_high):
        return ""
    level = rep.level
    return _ratio(
        rep,
        given(hr=rep.hr, ci_low=rep.ci_low, ci_high=rep.ci_high),
        lambda x: (math.log(x["hr"]), interval_error(x["ci_low"], x["ci_high"], level)),
        f"ln HR; se = (ln high - ln low) / (2 z), {100 * level:g} % interval",
        "the interval is symmetric on the log scale",
        "printed",
        f"y <- log(hr); se <- (log(ci_high) - log(ci_low)) / (2 * qnorm({(1 + level) / 2!r}))",
    )


@ROUTES.register("hr_se")
def hr_se(rep: Reported) -> Recipe | str:
    """The printed ratio with the standard error of its logarithm."""
    if not rep.se:
        return ""
    if not rep.hr:
        return "no hazard ratio beside the standard error"
    return _ratio(
        rep,
        given(hr=rep.hr, se_printed=rep.se),
        lambda x: (math.log(x["hr"]), x["se_printed"]),
        "ln HR; se as printed",
        "the standard error is that of the log hazard ratio",
        "printed",
        "y <- log(hr); se <- se_printed",
    )


@ROUTES.register("oe_v")
def oe_v(rep: Reported) -> Recipe | str:
    """Observed minus expected events of the first arm, and their variance."""
    if not (rep.o_minus_e and rep.v):
        return "" if not rep.o_minus_e else "no variance V beside O - E"
    numbers = given(o_minus_e=rep.o_minus_e, v=rep.v)
    return Recipe(
        numbers=numbers,
        formula=lambda x: (x["o_minus_e"] / x["v"], x["v"] ** -0.5),
        words="(O - E) / V; se = 1 / sqrt(V)",
        source=PARMAR,
        assumption="one step from HR 1: too near 1 where the ratio is far from it",
        trust="printed",
        r=(*r_numbers(numbers), "y <- o_minus_e / v", "se <- 1 / sqrt(v)"),
        limits={"v": (1e-12, math.inf)},
    )


@ROUTES.register("limits")
def limits(rep: Reported) -> Recipe | str:
    """Both limits without the ratio: their middle on the log scale."""
    if not (rep.ci_low and rep.ci_high):
        return ""
    level = rep.level
    return _ratio(
        rep,
        given(ci_low=rep.ci_low, ci_high=rep.ci_high),
        lambda x: (
            (math.log(x["ci_low"]) + math.log(x["ci_high"])) / 2,
            interval_error(x["ci_low"], x["ci_high"], level),
        ),
        f"(ln low + ln high) / 2; se = (ln high - ln low) / (2 z), {100 * level:g} % interval",
        "the interval is symmetric on the log scale",
        "derived",
        "y <- (log(ci_low) + log(ci_high)) / 2; "
        f"se <- (log(ci_high) - log(ci_low)) / (2 * qnorm({(1 + level) / 2!r}))",
    )


@ROUTES.register("hr_limit")
def hr_limit(rep: Reported) -> Recipe | str:
    """The printed ratio with one limit."""
    one = rep.ci_low or rep.ci_high
    if one is None or (rep.ci_low and rep.ci_high):
        return ""
    if not rep.hr:
        return "one limit without the hazard ratio"
    if one.value == rep.hr.value:
        return "the limit equals the hazard ratio"
    level = rep.level
    name = "ci_low" if rep.ci_low else "ci_high"
    return _ratio(
        rep,
        given(hr=rep.hr, **{name: one}),
        lambda x: (math.log(x["hr"]), abs(math.log(x[name] / x["hr"])) / normal_quantile(level)),
        f"ln HR; se = |ln limit - ln HR| / z, {100 * level:g} % interval",
        "the interval is symmetric on the log scale, and two-sided",
        "derived",
        f"y <- log(hr); se <- abs(log({name} / hr)) / qnorm({(1 + level) / 2!r})",
    )


@ROUTES.register("hr_v")
def hr_v(rep: Reported) -> Recipe | str:
    """The printed ratio with the variance V of O - E."""
    if not (rep.hr and rep.v):
        return ""
    return _ratio(
        rep,
        given(hr=rep.hr, v=rep.v),
        lambda x: (math.log(x["hr"]), x["v"] ** -0.5),
        "ln HR; se = 1 / sqrt(V)",
        "V of the log-rank test is the information on the log hazard ratio",
        "derived",
        "y <- log(hr); se <- 1 / sqrt(v)",
    )


@ROUTES.register("hr_p")
def hr_p(rep: Reported) -> Recipe | str:
    """The printed ratio with its p value."""
    if not rep.p:
        return ""
    if not rep.hr:
        return ""
    z = z_of_p(rep.p.value, rep.sides)
    if rep.hr.value == 1 or not z > 0:
        return f"p {rep.p.text} of HR {rep.hr.text} tells no standard error"
    sides = rep.sides
    bound: Literal["", "se at most", "se at least"] = "se at least" if rep.p.relation == ">" else "se at most"
    return _ratio(
        rep,
        given(hr=rep.hr, p=rep.p),
        lambda x: (math.log(x["hr"]), abs(math.log(x["hr"])) / z_of_p(x["p"], sides)),
        f"ln HR; se = |ln HR| / z, z = z(1 - p{'/2' if sides == 2 else ''})",
        f"the p value is {'two' if sides == 2 else 'one'}-sided and of this ratio (Wald or log-rank)",
        "derived",
        f"y <- log(hr); se <- abs(y) / qnorm(p / {sides}, lower.tail = FALSE)",
        bound if rep.p.relation else "",
    )


# ---- a test statistic with the information that the events carry


@dataclass(frozen=True, slots=True)
class _Information:
    """Where V comes from: its numbers, formula of them, words, R, and how far it is trusted; or what is lacking."""

    numbers: Callable[[Reported], dict[str, Number] | str]
    formula: Callable[[Values], float]
    words: str
    r: str
    trust: Trust
    assumption: str


def _v(rep: Reported) -> dict[str, Number] | str:
    return given(v=rep.v) or "no V"


def _arm_events(rep: Reported) -> dict[str, Number] | str:
    if rep.by_arm is None:
        return "no events by arm"
    if min(each.value for each in rep.by_arm) == 0:
        return "no event in an arm"
    return given(events_1=rep.by_arm[0], events_0=rep.by_arm[1])


def _allocated(rep: Reported) -> dict[str, Number] | str:
    if rep.events is None or rep.n is None:
        return "no total of events with the sizes of the arms"
    return given(events=rep.events, n_1=rep.n[0], n_0=rep.n[1])


def _balanced(rep: Reported) -> dict[str, Number] | str:
    return given(events=rep.events) or "no total of events"


_INFORMATION = {
    "v": _Information(_v, lambda x: x["v"], "V", "v", "derived", "the test is the log-rank test of this V"),
    "events_by_arm": _Information(
        _arm_events,
        lambda x: variance_by_arm(x["events_1"], x["events_0"]),
        "V = d1 d0 / (d1 + d0)",
        "events_1 * events_0 / (events_1 + events_0)",
        "approximate",
        "arms of similar size and follow-up; an unstratified log-rank test",
    ),
    "allocation": _Information(
        _allocated,
        lambda x: variance_by_allocation(x["events"], x["n_1"], x["n_0"]),
        "V = d n1 n0 / (n1 + n0)^2",
        "events * n_1 * n_0 / (n_1 + n_0)^2",
        "approximate",
        "events divide as the patients do; an unstratified log-rank test",
    ),
    "balanced": _Information(
        _balanced,
        lambda x: variance_by_allocation(x["events"]),
        "V = d / 4",
        "events / 4",
        "approximate",
        "as many patients in both arms (1:1); an unstratified log-rank test",
    ),
}


@dataclass(frozen=True, slots=True)
class _Statistic:
    """A printed test: its number, |z| of it, words and R."""

    number: Callable[[Reported], Number | None]
    size: Callable[[float, Reported], float]
    words: str
    r: str


_STATISTICS = {
    "z": _Statistic(lambda rep: rep.z, lambda x, rep: abs(x), "|z|", "abs(z)"),
    "chi2": _Statistic(
        lambda rep: rep.chi2, lambda x, rep: math.sqrt(max(x, 0.0)), "sqrt(chi2)", "sqrt(chi2)"
    ),
    "p": _Statistic(
        lambda rep: rep.p,
        lambda x, rep: z_of_p(x, rep.sides),
        "z(1 - p/sides)",
        "qnorm(p / sides, lower.tail = FALSE)",
    ),
}


def _test_route(name: str, kind: str) -> Route:
    statistic, information = _STATISTICS[name], _INFORMATION[kind]

    def route(rep: Reported) -> Recipe | str:
        printed, v = statistic.number(rep), information.numbers(rep)
        if printed is None:
            return ""
        if isinstance(v, str):
            return f"{name} {printed.text}: {v}"
        if rep.sign == 0:
            return _NO_SIGN
        numbers = {name: printed, **v}

        def formula(x: Values) -> tuple[float, float]:
            of = information.formula(x)
            return rep.sign * statistic.size(x[name], rep) / math.sqrt(of), of**-0.5

        return Recipe(
            numbers=numbers,
            formula=formula,
            words=f"{statistic.words} / sqrt(V); se = 1 / sqrt(V); {information.words}",
            source=PARMAR if name == "chi2" else TIERNEY,
            assumption=f"{information.assumption}; direction from {rep.direction_from}",
            trust=information.trust,
            r=(
                *r_numbers(numbers),
                *((f"sides <- {rep.sides}",) if name == "p" else ()),
                f"V <- {information.r}",
                f"y <- {rep.sign} * {statistic.r} / sqrt(V)",
                "se <- 1 / sqrt(V)",
            ),
            bound="|log HR| at most"
            if printed.relation == ">"
            else "|log HR| at least"
            if printed.relation
            else "",
            limits={"p": (1e-300, 1.0), "chi2": (0.0, math.inf)},
        )

    route.__doc__ = f"The {name} of a log-rank test with {information.words}."
    route.__name__ = f"{name}_{kind}"
    return route


for _kind in _INFORMATION:
    for _name in _STATISTICS:
        ROUTES.register(f"{_name}_{_kind}")(_test_route(_name, _kind))
    if _kind == "v":
        continue

    def _with_ratio(rep: Reported, kind: str = _kind) -> Recipe | str:
        """The printed ratio with the information that its events carry."""
        v = _INFORMATION[kind].numbers(rep)
        if not rep.hr or isinstance(v, str):
            return ""
        of = _INFORMATION[kind]
        return _ratio(
            rep,
            {"hr": rep.hr, **v},
            lambda x: (math.log(x["hr"]), of.formula(x) ** -0.5),
            f"ln HR; se = 1 / sqrt(V); {of.words}",
            of.assumption,
            "approximate",
            f"y <- log(hr); se <- 1 / sqrt({of.r})",
        )

    ROUTES.register(f"hr_{_kind}")(_with_ratio)


def wald_p(y: float, se: float) -> float:
    """Two-sided p value of log HR = 0."""
    return p_of_z(y / se)
