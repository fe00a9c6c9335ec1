"""Routes to log HR from survival at times, numbers at risk, person-time and medians: the less trusted ones.

Sources: Parmar, Torri & Stewart 1998, doi:10.1002/(SICI)1097-0258(19981230)17:24<2815::AID-SIM110>3.0.CO;2-8;
Williamson et al. 2002, doi:10.1002/sim.1303; Tierney et al. 2007, doi:10.1186/1745-6215-8-16.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kmeta.methods.effects.hazard_reported import Pair, Reported, Series
from kmeta.methods.effects.hazard_routes import PARMAR, ROUTES, TIERNEY, Recipe, Values, given, r_numbers
from kmeta.methods.effects.printed import Number
from kmeta.methods.survival.log_hazard import interval_error, interval_ratios, survival_ratio

WILLIAMSON = "doi:10.1002/sim.1303"
_R_CURVE = """interval <- function(n, s) {
  n0 <- head(n, -1); n1 <- tail(n, -1); c <- tail(s, -1) / head(s, -1)
  d <- (n0 + n1) * (1 - c) / (1 + c); cens <- n0 - n1 - d
  none <- cens < 0
  list(d = ifelse(none, n0 * (1 - c), d), r = ifelse(none, n0, n0 - cens / 2))
}
a <- interval(n_1, s_1); b <- interval(n_0, s_0)
yi <- log((a$d / a$r) / (b$d / b$r))
wi <- 1 / (1 / a$d - 1 / a$r + 1 / b$d - 1 / b$r)
use <- is.finite(yi) & is.finite(wi)
y <- sum((wi * yi)[use]) / sum(wi[use])
se <- 1 / sqrt(sum(wi[use]))"""


def _pooled(s: tuple[Sequence[float], Sequence[float]], n: tuple[Sequence[float], Sequence[float]]) -> Values:
    """Inverse variance over the intervals in which both arms have events."""
    parts = [part for part in interval_ratios(s, n) if part is not None and part[1] > 0]
    weight = sum(1 / v for _, v in parts)
    if not weight:
        raise ValueError("no interval has events in both arms")
    return {"y": sum(y / v for y, v in parts) / weight, "se": weight**-0.5}


def _curve(
    rep: Reported, survival: Series, at_risk: Series, words: str, source: str, assumption: str, weak: bool
) -> Recipe | str:
    numbers = {
        f"s_{arm}[{i}]": each for arm, s in zip((1, 0), survival, strict=True) for i, each in enumerate(s)
    }
    size = len(survival[0])

    def column(x: Values, arm: int) -> list[float]:
        return [x[f"s_{arm}[{i}]"] for i in range(size)]

    risk = [[each.value for each in side] for side in at_risk]

    def formula(x: Values) -> tuple[float, float]:
        # undoing the rounding of one value may let it pass its neighbour: such an interval has no event
        found = _pooled((column(x, 1), column(x, 0)), (risk[0], risk[1]))
        return found["y"], found["se"]

    try:
        formula({name: each.value for name, each in numbers.items()})
    except ValueError as error:
        return str(error)
    return Recipe(
        numbers=numbers,
        formula=formula,
        words=words,
        source=source,
        assumption=assumption,
        trust="weak" if weak else "approximate",
        r=(
            *(
                f"{name} <- c({', '.join(repr(each) for each in values)})"
                for name, values in (
                    ("n_1", risk[0]),
                    ("n_0", risk[1]),
                    ("s_1", [each.value for each in survival[0]]),
                    ("s_0", [each.value for each in survival[1]]),
                )
            ),
            *_R_CURVE.split("\n"),
        ),
        limits=dict.fromkeys(numbers, (0.0, 1.0)),
    )


@ROUTES.register("curve_n_risk")
def curve_n_risk(rep: Reported) -> Recipe | str:
    """Survival at two or more times with the numbers at risk there."""
    if rep.survival is None or len(rep.times) < 3:
        return ""
    if rep.n_risk is None:
        return "no numbers at risk beside the survival at times"
    return _curve(
        rep,
        rep.survival,
        rep.n_risk,
        "ln of the ratio of actuarial event rates, inverse variance over intervals",
        WILLIAMSON,
        "censored evenly within intervals; proportional hazards; wide intervals draw the ratio towards 1",
        weak=False,
    )


@ROUTES.register("curve_n")
def curve_n(rep: Reported) -> Recipe | str:
    """Survival at two or more times with the sizes of the arms; censoring from the range of follow-up, or none."""
    if rep.survival is None or len(rep.times) < 3 or rep.n_risk is not None:
        return ""
    if rep.n is None:
        return "no sizes of the arms beside the survival at times"
    kept = [1.0] * len(rep.times)
    if rep.follow_up:
        least, most = rep.follow_up
        kept = [1.0 if t <= least else max(0.0, (most - t) / (most - least)) for t in rep.times]
    first, second = (
        tuple(
            Number(n.value * s.value * share, 0.0, f"{n.value * s.value * share:.4g}")
            for s, share in zip(column, kept, strict=True)
        )
        for n, column in zip(rep.n, rep.survival, strict=True)
    )
    censoring = "uniform censoring over the range of follow-up" if rep.follow_up else "no censoring"
    return _curve(
        rep,
        rep.survival,
        (first, second),
        "ln of the ratio of actuarial event rates, inverse variance over intervals; numbers at risk n S(t) G(t)",
        PARMAR,
        f"{censoring} before the last time; proportional hazards; wide intervals draw the ratio towards 1",
        weak=not rep.follow_up,
    )


@ROUTES.register("survival_at_time")
def survival_at_time(rep: Reported) -> Recipe | str:
    """Survival at one time: ln(ln S1 / ln S0)."""
    if rep.survival is None:
        return ""
    last = _last_usable(rep)
    if last is None:
        return "survival is 0 or 1 in an arm at every time"
    if rep.n_risk is not None:
        sizes = tuple(side[last].value for side in rep.n_risk)
        known = "the numbers at risk there"
    elif rep.n is not None:
        sizes = tuple(n.value * s[last].value for n, s in zip(rep.n, rep.survival, strict=True))
        known = "nobody censored before it"
    else:
        return "no sizes of the arms beside the survival"
    if min(sizes) <= 0:
        return "nobody at risk at that time"
    numbers = given(s_1=rep.survival[0][last], s_0=rep.survival[1][last])
    return Recipe(
        numbers=numbers,
        formula=lambda x: survival_ratio(x["s_1"], x["s_0"], sizes[0], sizes[1]),
        words=f"ln(ln S1 / ln S0) at {rep.times[last]:g}; var = sum (1 - S) / (n_risk (ln S)^2)",
        source=PARMAR,
        assumption=f"proportional hazards; {known}",
        trust="weak",
        r=(
            *r_numbers(numbers),
            f"n_1 <- {sizes[0]!r}",
            f"n_0 <- {sizes[1]!r}",
            "y <- log(log(s_1) / log(s_0))",
            "se <- sqrt((1 - s_1) / (n_1 * log(s_1)^2) + (1 - s_0) / (n_0 * log(s_0)^2))",
        ),
        limits={"s_1": (1e-9, 1 - 1e-9), "s_0": (1e-9, 1 - 1e-9)},
    )


def _last_usable(rep: Reported) -> int | None:
    """The last time at which both arms have survival inside 0 and 1."""
    if rep.survival is None:
        return None
    inside = [i for i in range(1, len(rep.times)) if all(0 < column[i].value < 1 for column in rep.survival)]
    return inside[-1] if inside else None


@ROUTES.register("person_time")
def person_time(rep: Reported) -> Recipe | str:
    """Events and person-time of both arms: the ratio of rates."""
    if rep.person_time is None:
        return ""
    if rep.by_arm is None:
        return "no events by arm beside the person-time"
    if min(each.value for each in rep.by_arm) == 0:
        return "no event in an arm"
    numbers = given(
        events_1=rep.by_arm[0],
        events_0=rep.by_arm[1],
        time_1=rep.person_time[0],
        time_0=rep.person_time[1],
    )
    return Recipe(
        numbers=numbers,
        formula=lambda x: (
            math.log(x["events_1"] / x["time_1"] / (x["events_0"] / x["time_0"])),
            math.sqrt(1 / x["events_1"] + 1 / x["events_0"]),
        ),
        words="ln of the ratio of rates, d / person-time; se = sqrt(1/d1 + 1/d0)",
        source="doi:10.1186/1745-6215-8-16",
        assumption="a rate ratio: the hazard ratio only where hazards are constant",
        trust="weak",
        r=(
            *r_numbers(numbers),
            "y <- log((events_1 / time_1) / (events_0 / time_0))",
            "se <- sqrt(1 / events_1 + 1 / events_0)",
        ),
    )


@ROUTES.register("medians")
def medians(rep: Reported) -> Recipe | str:
    """Medians of both arms under exponential survival: HR = m0 / m1."""
    if rep.median is None:
        return ""
    numbers = given(median_1=rep.median[0], median_0=rep.median[1])
    found = _median_error(rep)
    if isinstance(found, str):
        return found
    more, words, r = found
    numbers = {**numbers, **more}
    return Recipe(
        numbers=numbers,
        formula=lambda x: (math.log(x["median_0"] / x["median_1"]), _spread(x, rep.level)),
        words=f"ln(m0 / m1); {words}",
        source=TIERNEY,
        assumption="exponential survival in both arms: rarely so",
        trust="weak",
        r=(*r_numbers(numbers), "y <- log(median_0 / median_1)", r),
    )


def _median_error(rep: Reported) -> tuple[dict[str, Number], str, str] | str:
    """What gives the standard error of the ratio of medians: its numbers, words and R; or what is lacking."""
    if rep.by_arm and min(each.value for each in rep.by_arm) > 0:
        numbers = given(events_1=rep.by_arm[0], events_0=rep.by_arm[1])
        return numbers, "se = sqrt(1/d1 + 1/d0)", "se <- sqrt(1 / events_1 + 1 / events_0)"
    if rep.events:
        return given(events=rep.events), "se = sqrt(4/d)", "se <- sqrt(4 / events)"
    if rep.median_ci:
        ends = _ends(rep.median_ci)
        z = f"qnorm({(1 + rep.level) / 2!r})"
        r = f"se <- sqrt(log(high_1 / low_1)^2 + log(high_0 / low_0)^2) / (2 * {z})"
        return ends, "se from the interval of each median, on the log scale", r
    return "no events nor intervals beside the medians"


def _ends(limits: tuple[Pair, Pair]) -> dict[str, Number]:
    return given(low_1=limits[0][0], high_1=limits[0][1], low_0=limits[1][0], high_0=limits[1][1])


def _spread(x: Values, level: float) -> float:
    if "events_1" in x:
        return math.sqrt(1 / x["events_1"] + 1 / x["events_0"])
    if "events" in x:
        return math.sqrt(4 / x["events"])
    first, second = (interval_error(x[f"low_{arm}"], x[f"high_{arm}"], level) for arm in (1, 0))
    return math.hypot(first, second)
