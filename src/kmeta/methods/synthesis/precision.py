"""How precise a printed value is: yi, vi on the analysis scale, and the sample size that they stand for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from kmeta.methods.effects import effect_sizes, effective_sample_size
from kmeta.methods.selection.reported import has_interval, has_size, log_standard_error, usable_limits
from kmeta.review.estimate import Comparison, Estimate

PRINTED_LEVEL = 0.95  # of intervals of survival in papers; the level of an analysis is another matter
Scale = Literal["plain", "log", "log-log", "logit"]
_BASIS = {
    "ci": "printed interval",
    "n at risk": "number at risk (Peto)",
    "n": "n of the arm: censoring is ignored",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """yi, vi on the analysis scale; `n_effective` and `basis` for survival; `route` the mark of a derived ratio."""

    yi: float
    vi: float
    n_effective: float | None = None
    basis: str = ""
    route: str = ""


def of_survival(estimate: Estimate, n: int | None, *, sample: str = "effective") -> Precision:
    """Logit of a survival probability and its variance 1/(n p (1 - p)), n the effective sample.

    `sample`: "effective" takes the size behind the printed interval or number at risk, never more than n; "n" takes n.
    A probability of 0 or 1 is moved by half a patient: (n p + 0.5)/(n + 1). NaN where there is no value or nothing says
    how precise it is.
    """
    p, heeded = estimate.value, sample == "effective"
    if p is None or not has_size(estimate, n, effective=heeded):
        return Precision(yi=math.nan, vi=math.nan)
    limits = usable_limits(estimate) if heeded else None
    found = effective_sample_size(
        p,
        ci=limits,
        ci_scale=interval_scale(p, *limits) if limits else "log-log",
        level=PRINTED_LEVEL,
        n_risk=estimate.n_risk if heeded else None,
        n=n or None,
    )
    size = effect_sizes("PLO", probability=[p], n_effective=[found.n_effective])
    basis = _BASIS[found.basis]
    if found.basis == "ci" and found.implied > found.n_effective:
        basis += ", held at n of the arm"
    if not 0 < p < 1:
        basis += "; half a patient added, for 0% and 100% have no logit"
    return Precision(yi=float(size.yi[0]), vi=float(size.vi[0]), n_effective=found.n_effective, basis=basis)


def interval_scale(p: float, low: float | None, high: float | None) -> Scale:
    """The scale on which a printed interval lies most evenly about the estimate; log-log where it cannot be told.

    >>> interval_scale(0.347, 0.277, 0.417), interval_scale(0.68, 0.56, 0.78)
    ('plain', 'logit')
    """
    if low is None or high is None or not (0 < low < p < high < 1):
        return "log-log"

    def uneven(change: list[float]) -> float:
        below, above = abs(change[1] - change[0]), abs(change[2] - change[1])
        return abs(math.log(above / below))

    points = (low, p, high)
    scales: dict[Scale, list[float]] = {
        "log-log": [math.log(-math.log(x)) for x in points],
        "plain": list(points),
        "logit": [math.log(x / (1 - x)) for x in points],
        "log": [math.log(x) for x in points],
    }
    return min(scales, key=lambda scale: round(uneven(scales[scale]), 9))


def of_ratio(comparison: Comparison, *, from_p: bool = False) -> Precision:
    """Log of a printed ratio and its variance: from the interval at its level, else from an exact p and the events.

    `from_p`: else from the exact p alone. NaN where none gives one; see `log_standard_error`. The route is "p" with
    the events, "d" without.
    """
    se = log_standard_error(comparison, from_p=from_p)
    yi = math.log(comparison.estimate) if comparison.estimate else math.nan
    if se is None:
        return Precision(yi=yi, vi=math.nan)
    if has_interval(comparison):
        return Precision(yi=yi, vi=se**2, basis=f"printed {100 * comparison.level:g}% interval")
    if log_standard_error(comparison) is None:
        return Precision(yi=yi, vi=se**2, basis="derived from its exact p value", route="d")
    return Precision(yi=yi, vi=se**2, basis="exact p value and events", route="p")
