"""The answer of `hazard_ratio`: the most trusted route, every other beside it, and what does not fit together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kmeta.core import numbers
from kmeta.core.result import Result
from kmeta.methods.survival.log_hazard import normal_quantile, p_of_z
from kmeta.review.finding import Finding


@dataclass(frozen=True, kw_only=True)
class HazardRoute:
    """One way from the printed numbers to log HR `y` and its standard error `se`.

    `y_low` to `y_high` and `se_low` to `se_high`: what the rounding of the printed numbers leaves; where a p value is
    printed as a bound (`bound` says of what) the bounded one of y and se is NaN and its range is open to one side.
    `difference` is y minus that of the answer, `in_se` the same in combined standard errors, `se_ratio` se over the
    answer's; NaN for bounds. `inputs`: the numbers as printed, with where they were read.
    """

    name: str
    y: float
    se: float
    y_low: float
    y_high: float
    se_low: float
    se_high: float
    formula: str
    source: str
    inputs: Mapping[str, str]
    assumption: str
    trust: str
    bound: str = ""
    difference: float = math.nan
    in_se: float = math.nan
    se_ratio: float = math.nan
    script: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class HazardRatio(Result):
    """The hazard ratio of the first of `arms` against `reference`, the second; log_hr and se by the route `route`.

    `routes` holds every route that the numbers allow, in the order of trust; `not_taken` (route, what it lacks).
    `log_hr_low` to `log_hr_high`, `se_low` to `se_high`: left open by rounding. `asymmetry`: |log HR - middle of the
    printed interval| / se, NaN without an interval. log_hr or se is NaN where the numbers only bound it.
    """

    arms: tuple[str, str]
    reference: str
    route: str
    log_hr: float
    se: float
    level: float
    log_hr_low: float
    log_hr_high: float
    se_low: float
    se_high: float
    asymmetry: float
    ci_midpoint: float
    inverted: bool
    adjustment: str
    routes: tuple[HazardRoute, ...]
    not_taken: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]

    @property
    def hr(self) -> float:
        """The hazard ratio; below 1 it favours the first arm."""
        return math.exp(self.log_hr)

    @property
    def variance(self) -> float:
        """se squared: what a meta-analysis takes as vi."""
        return self.se**2

    @property
    def ci_low(self) -> float:
        """Lower limit of the `level` interval of the hazard ratio."""
        return math.exp(self.log_hr - normal_quantile(self.level) * self.se)

    @property
    def ci_high(self) -> float:
        """Upper limit of the `level` interval of the hazard ratio."""
        return math.exp(self.log_hr + normal_quantile(self.level) * self.se)

    @property
    def p(self) -> float:
        """Two-sided p value of HR 1 by log_hr / se."""
        return p_of_z(self.log_hr / self.se)

    @property
    def favours(self) -> str:
        """The arm with the lower hazard; "" at HR 1 or where it is not known."""
        if math.isnan(self.log_hr) or self.log_hr == 0:
            return ""
        return self.arms[0] if self.log_hr < 0 else self.arms[1]

    @property
    def of_route(self) -> dict[str, HazardRoute]:
        """Each route by its name."""
        return {route.name: route for route in self.routes}

    def rows(self) -> list[dict[str, Any]]:
        """One row a route, the answer first where it is no bound."""
        z = normal_quantile(self.level)
        return [
            {
                "route": route.name,
                "trust": route.trust,
                "bound": route.bound,
                "hr": math.exp(route.y),
                "ci_low": math.exp(route.y - z * route.se),
                "ci_high": math.exp(route.y + z * route.se),
                "log_hr": route.y,
                "se": route.se,
                "difference": route.difference,
                "in_se": route.in_se,
                "inputs": "; ".join(f"{name} {text}" for name, text in route.inputs.items()),
                "assumption": route.assumption,
            }
            for route in self.routes
        ]

    def summary(self) -> str:
        """The answer, how it was made and from what, the other routes, and the findings."""
        best = self.of_route[self.route]
        shown = numbers.estimate(*map(numbers.ratio, (self.hr, self.ci_low, self.ci_high)))
        inputs = ", ".join(f"{name} {text}" for name, text in best.inputs.items())
        lines = [
            f"HR {self.arms[0]} against {self.reference} {shown}, {100 * self.level:g} % interval"
            + (f"; {self.adjustment}" if self.adjustment else ""),
            f"log HR {_three(self.log_hr)} ({_three(self.log_hr_low)} to {_three(self.log_hr_high)} by rounding), "
            f"se {_three(self.se)} ({_three(self.se_low)} to {_three(self.se_high)})",
            f"by {self.route}: {best.formula} [{best.source}]",
            f"from {inputs}; assumes {best.assumption}",
        ]
        others = [route for route in self.routes if route is not best]
        for route in others:
            lines.append(f"  {route.name} ({route.trust}): {_said(route)}")
        lines += [f"! {finding.message} {finding.hint}" for finding in self.findings]
        return "\n".join(lines)

    def r_script(self) -> str:
        """Base R that computes log HR and se of every route with a value, from the same numbers."""
        parts = ["# log hazard ratio and its standard error, by each route; the first is the answer"]
        ordered = sorted((r for r in self.routes if not r.bound), key=lambda r: r.name != self.route)
        for route in ordered:
            parts += [f"# {route.name}: {route.source}", *route.script]
            parts.append(f'cat(sprintf("%s %.15g %.15g\\n", "{route.name}", y, se))')
        return "\n".join(parts) + "\n"


def _three(value: float) -> str:
    return numbers.decimal(value, 3)


def _said(route: HazardRoute) -> str:
    if not route.bound:
        return (
            f"HR {numbers.ratio(math.exp(route.y))}, se {_three(route.se)}; log HR differs by "
            f"{_three(route.difference)}, {numbers.decimal(route.in_se, 1)} combined se"
        )
    if route.bound.startswith("se"):
        limit = route.se_high if route.bound == "se at most" else route.se_low
        return f"{route.bound} {_three(limit)}"
    ends = [abs(end) for end in (route.y_low, route.y_high) if math.isfinite(end) and end]
    return f"{route.bound} {_three(max(ends, default=math.nan))}"
