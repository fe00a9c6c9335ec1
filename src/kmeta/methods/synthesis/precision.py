"""How precise a printed value is: yi, vi on the analysis scale, and the sample size that they stand for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kmeta.methods.selection.reported import has_interval, log_standard_error
from kmeta.review.estimate import Comparison, Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """yi, vi on the analysis scale; `n_effective` and `basis` for survival; `route` the mark of a derived ratio."""

    yi: float
    vi: float
    n_effective: float | None = None
    basis: str = ""
    route: str = ""


def of_survival(
    estimate: Estimate, n: int | None, *, sample: str = "effective", level: float = 0.95
) -> Precision:
    """Logit of a survival probability and its variance 1/(n p (1 - p)), n the effective sample.

    A probability of 0 or 1 is moved by half a patient: (n p + 0.5)/(n + 1).
    """
    p = estimate.value or 0.0
    size, basis = _sample(estimate, n, sample, level)
    if not 0 < p < 1:
        p, size = (size * p + 0.5) / (size + 1), size + 1
        basis += "; half a patient added, for 0% and 100% have no logit"
    return Precision(yi=math.log(p / (1 - p)), vi=1 / (size * p * (1 - p)), n_effective=size, basis=basis)


def _sample(estimate: Estimate, n: int | None, sample: str, level: float) -> tuple[float, str]:
    p, low, high = estimate.value or 0.0, estimate.ci_low, estimate.ci_high
    if sample == "effective" and low is not None and high is not None and 0 <= low < high <= 1 and 0 < p < 1:
        se = (high - low) / (2 * _z(level))
        return p * (1 - p) / se**2, "printed interval"
    if sample == "effective" and estimate.n_risk and p > 0:
        return estimate.n_risk / p, "number at risk (Peto)"
    return float(n or 0), "n of the arm: censoring is ignored"


def wilson(p: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion p of n. Source: Wilson 1927, doi:10.1080/01621459.1927.10502953."""
    z = _z(level)
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def of_ratio(comparison: Comparison) -> Precision:
    """Log of a printed ratio and its variance: from the interval at its level, else from an exact p and the events.

    NaN where neither gives one; see `log_standard_error`.
    """
    se = log_standard_error(comparison)
    yi = math.log(comparison.estimate) if comparison.estimate else math.nan
    if se is None:
        return Precision(yi=yi, vi=math.nan)
    if has_interval(comparison):
        return Precision(yi=yi, vi=se**2, basis=f"printed {100 * comparison.level:g}% interval")
    return Precision(yi=yi, vi=se**2, basis="exact p value and events", route="p")


def _z(level: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf((1 + level) / 2)
