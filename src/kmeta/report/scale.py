"""How the numbers of one analysis are printed: percent alive, a ratio, or months; one rule for a whole column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from kmeta.core.numbers import MISSING, decimal, months, percent, ratio
from kmeta.methods.synthesis.result import Synthesis
from kmeta.report import words
from kmeta.report.document import Run
from kmeta.report.values import Values

Form = Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Scale:
    """`head` names the number in a table, `unit` follows it in a sentence, `form` prints it."""

    head: str
    unit: str
    form: Form
    line_form: Form
    short: str


def percent_places(sizes: list[int]) -> int:
    """Whole percent when any denominator of the column is under 100, else one decimal."""
    return 0 if not sizes or min(sizes) < 100 else 1


def scale_of(synthesis: Synthesis) -> Scale:
    """How this analysis speaks."""
    plan = synthesis.plan
    if plan.kind == "hazard_ratio":
        return Scale("Hazard ratio", "", ratio, ratio, "HR")
    if plan.kind == "median":
        return Scale("Median, months", " months", months, months, "median")
    pooled = [pool.n_patients for pool in synthesis.pools if pool.lines]
    every = [line.n for pool in synthesis.pools for line in (*pool.lines, *pool.apart) if line.n is not None]
    alive = plan.outcomes == ("OS",)
    return Scale(
        "Alive, %" if alive else "Free of event, %",
        "%",
        partial(percent, places=percent_places(pooled)),
        partial(percent, places=percent_places(every)),
        "OS" if alive else " or ".join(plan.outcomes),
    )


def level(values: Values, at: str) -> Run:
    """`95%`, from the plan of the analysis whose prefix is `at`."""
    return values.run(f"{at}/plan/level", percent, unit="%")


def at_time(values: Values, at: str) -> Run:
    """`5 years`, from the plan."""
    return values.run(f"{at}/plan/time_months", words.time)


def variance(value: float | None) -> str:
    """tau2: 2 decimals, 3 below 0.05 unless it is 0.

    >>> variance(0.163), variance(0.0312), variance(0.0)
    ('0.16', '0.031', '0.00')
    """
    if value is None or value != value:
        return MISSING
    return decimal(value, 3 if 0 < abs(value) < 0.05 else 2)
