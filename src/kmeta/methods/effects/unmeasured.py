"""How strong an unmeasured confounder would have to be: E-values and tipping points of a ratio."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from kmeta.core import numbers
from kmeta.core.errors import InputError
from kmeta.core.result import Result

RatioMeasure = Literal["HR", "RR", "OR"]
# Shares of patients with the confounder (first arm, second arm) that a table shows unless others are asked.
PREVALENCES = ((0.4, 0.2), (0.6, 0.2), (0.8, 0.2), (0.2, 0.4), (0.2, 0.6), (0.2, 0.8))


@dataclass(frozen=True, kw_only=True)
class EValue(Result):
    """E-values of a ratio and of the limit of its interval nearer to `true`; 1 where that is inside the interval.

    `risk_ratio`, `risk_ratio_limit`: what the ratio and that limit stand for on the scale of risk ratios.
    """

    measure: str
    rare: bool
    estimate: float
    ci_low: float | None
    ci_high: float | None
    true: float
    risk_ratio: float
    risk_ratio_limit: float | None
    e_value: float
    e_value_limit: float | None

    def rows(self) -> list[dict[str, Any]]:
        """Estimate and limit, a row each."""
        return [
            {"of": "estimate", "risk_ratio": self.risk_ratio, "e_value": self.e_value},
            {"of": "nearer limit", "risk_ratio": self.risk_ratio_limit, "e_value": self.e_value_limit},
        ]

    def summary(self) -> str:
        """What the E-values say, in words."""
        scale = "" if self.measure == "RR" else f" ({'rare' if self.rare else 'common'} outcome)"
        lines = [
            f"{self.measure} {numbers.ratio(self.estimate)}{scale}: a confounder associated with both the treatment "
            f"and the outcome by risk ratios of {numbers.ratio(self.e_value)} each could explain it away, "
            "a weaker one could not."
        ]
        if self.e_value_limit is not None:
            lines.append(
                f"To move the interval to {numbers.ratio(self.true)}: {numbers.ratio(self.e_value_limit)}."
                if self.e_value_limit > 1
                else f"The interval holds {numbers.ratio(self.true)} already."
            )
        return "\n".join(lines)

    def r_script(self) -> str:
        """Base R that computes both E-values."""
        limits = ", ".join("NA" if x is None else repr(x) for x in (self.ci_low, self.ci_high))
        convert = {
            "RR": "x",
            "OR": "x" if self.rare else "sqrt(x)",
            "HR": "x" if self.rare else "(1 - 0.5^sqrt(x)) / (1 - 0.5^sqrt(1 / x))",
        }[self.measure]
        return f"""rr <- function(x) {convert}
x <- rr(c({self.estimate!r}, {limits})) / rr({self.true!r})
e <- function(r) {{ r <- pmax(r, 1 / r); r + sqrt(r * (r - 1)) }}
limit <- if (x[1] < 1) x[3] else x[2]
held <- !is.na(limit) && (limit - 1) * (x[1] - 1) <= 0
cat(e(x[1]), if (held) 1 else e(limit), "\\n")
"""


def e_value(
    estimate: float,
    ci_low: float | None = None,
    ci_high: float | None = None,
    *,
    measure: RatioMeasure = "HR",
    rare: bool = False,
    true: float = 1.0,
) -> EValue:
    """The least strength, as a risk ratio, of a confounder's links to treatment and outcome that explains a ratio away.

    estimate, ci_low, ci_high : the ratio, above 0; one limit is enough where it is the nearer one.
    measure, rare : with an outcome that is not rare (above 15 % at the end of follow-up) an HR stands for the risk
    ratio (1 - 0.5^sqrt(HR)) / (1 - 0.5^sqrt(1/HR)), an OR for sqrt(OR). true : the ratio to which it is moved.
    Raises InputError for numbers that cannot be. Source: VanderWeele & Ding 2017, doi:10.7326/M16-2607.

    >>> found = e_value(0.80, 0.71, 0.91, measure="RR")
    >>> round(found.e_value, 2), round(found.e_value_limit, 2)
    (1.81, 1.43)
    """
    _refuse(estimate, ci_low, ci_high, measure)
    _positive(true, "true")
    goal = _risk_ratio(true, measure, rare)
    ratio = _risk_ratio(estimate, measure, rare) / goal
    near = ci_high if ratio < 1 else ci_low
    limit = None if near is None else _risk_ratio(near, measure, rare) / goal
    of_limit = None
    if limit is not None:
        of_limit = 1.0 if ratio == 1 or (limit - 1) * (ratio - 1) <= 0 else _strength(limit)
    return EValue(
        measure=measure,
        rare=rare,
        estimate=float(estimate),
        ci_low=ci_low,
        ci_high=ci_high,
        true=float(true),
        risk_ratio=ratio * goal,
        risk_ratio_limit=None if limit is None else limit * goal,
        e_value=_strength(ratio),
        e_value_limit=of_limit,
    )


def _strength(ratio: float) -> float:
    r = max(ratio, 1 / ratio)
    return r + math.sqrt(r * (r - 1))


def _risk_ratio(ratio: float, measure: str, rare: bool) -> float:
    if rare or measure == "RR":
        return float(ratio)
    if measure == "OR":
        return math.sqrt(ratio)
    # (1 - 0.5^a) / (1 - 0.5^(1/a)) without loss of digits for small and large a
    root = math.sqrt(ratio)
    return math.expm1(-math.log(2) * root) / math.expm1(-math.log(2) / root)


def _positive(value: float, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1e-6 < value < 1e6:
        raise InputError(f"{name} is {value!r}", where=name, hint="a ratio above 0, not its logarithm")


def _refuse(estimate: float, ci_low: float | None, ci_high: float | None, measure: str) -> None:
    if measure not in ("HR", "RR", "OR"):
        raise InputError(f"no measure is {measure!r}", where="measure", hint="HR, RR or OR")
    _positive(estimate, "estimate")
    for name, value in (("ci_low", ci_low), ("ci_high", ci_high)):
        if value is not None:
            _positive(value, name)
    if (ci_low is not None and ci_low > estimate) or (ci_high is not None and ci_high < estimate):
        raise InputError(f"the interval leaves out {estimate:g}", where="ci_low", hint="low, estimate, high")


@dataclass(frozen=True, kw_only=True)
class TippingPoint(Result):
    """What would turn the conclusion that a ratio differs from `threshold`.

    `limit`: the end of the interval nearer to the threshold; None where the threshold is inside the interval, and
    nothing has to be turned. `shift_estimate`, `shift_limit`: factors by which the ratio would have to be multiplied.
    `confounders`: for pairs of prevalences the hazard ratio of a binary confounder that does it; None: none can.
    """

    measure: str
    estimate: float
    threshold: float
    limit: float | None
    shift_estimate: float
    shift_limit: float | None
    confounders: tuple[dict[str, float | None], ...]

    def rows(self) -> list[dict[str, Any]]:
        """One row a pair of prevalences."""
        return [dict(row) for row in self.confounders]

    def summary(self) -> str:
        """The shift, and the table of confounders."""
        to = numbers.ratio(self.threshold)
        lines = [
            f"{self.measure} {numbers.ratio(self.estimate)} would have to be multiplied by "
            f"{numbers.ratio(self.shift_estimate)} to be {to}."
        ]
        if self.shift_limit is None:
            lines.append(f"The interval holds {to} already: there is no conclusion to turn.")
        else:
            lines.append(
                f"A factor of {numbers.ratio(self.shift_limit)} brings the nearer limit, {numbers.ratio(self.limit)}, "
                f"to {to}."
            )
        return "\n".join([*lines, super().summary()])

    def r_script(self) -> str:
        """Base R that computes the confounders' ratios; NA where none can."""
        aims = [self.estimate / self.threshold]
        aims += [] if self.limit is None else [self.limit / self.threshold]
        first, second = (
            ", ".join(repr(row[name]) for row in self.confounders)
            for name in ("prevalence_first", "prevalence_second")
        )
        return f"""p1 <- c({first})
p0 <- c({second})
tips <- function(bias) {{
  g <- (bias * (1 - p0) - (1 - p1)) / (p1 - bias * p0)
  ifelse(is.finite(g) & g > 0, g, NA)
}}
print(cbind(p1, p0, sapply(c({", ".join(map(repr, aims))}), tips)), digits = 10)
"""


def tipping_point(
    estimate: float,
    ci_low: float,
    ci_high: float,
    *,
    measure: RatioMeasure = "HR",
    threshold: float = 1.0,
    prevalences: Sequence[tuple[float, float]] = PREVALENCES,
) -> TippingPoint:
    """How strong an unmeasured binary confounder, or how large a shift, turns the conclusion of a comparison.

    estimate, ci_low, ci_high : the ratio of the first arm against the second. threshold : the ratio to be reached.
    prevalences : (first arm, second arm), the shares of patients who have the confounder. Its ratio g for the outcome
    satisfies (g p1 + 1 - p1) / (g p0 + 1 - p0) = ratio / threshold; for hazard and odds ratios this holds
    approximately, best where events are few. Raises InputError for numbers that cannot be.
    Source: Lin, Psaty & Kronmal 1998, doi:10.2307/2533848.

    >>> found = tipping_point(0.5, 0.35, 0.71, prevalences=[(0.2, 0.6)])
    >>> round(found.shift_limit, 3), round(found.confounders[0]["tips_limit"], 2)
    (1.408, 2.28)
    """
    _refuse(estimate, ci_low, ci_high, measure)
    _positive(threshold, "threshold")
    for pair in prevalences:
        if not hasattr(pair, "__len__") or len(pair) != 2 or not all(0 <= share <= 1 for share in pair):
            raise InputError(
                f"{pair!r}", where="prevalences", hint="pairs of shares: (first arm, second arm)"
            )
    limit = ci_high if estimate < threshold else ci_low
    held = ci_low <= threshold <= ci_high
    rows: list[dict[str, float | None]] = [
        {
            "prevalence_first": float(first),
            "prevalence_second": float(second),
            "tips_estimate": _confounder(estimate / threshold, first, second),
            "tips_limit": None if held else _confounder(limit / threshold, first, second),
        }
        for first, second in prevalences
    ]
    return TippingPoint(
        measure=measure,
        estimate=float(estimate),
        threshold=float(threshold),
        limit=None if held else float(limit),
        shift_estimate=threshold / estimate,
        shift_limit=None if held else threshold / limit,
        confounders=tuple(rows),
    )


def _confounder(bias: float, first: float, second: float) -> float | None:
    """The ratio g above 0 that makes the bias, or None."""
    below = first - bias * second
    if below == 0:
        return None
    found = (bias * (1 - second) - (1 - first)) / below
    return found if found > 0 and math.isfinite(found) else None
