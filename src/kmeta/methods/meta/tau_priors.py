"""Prior distributions of tau, the standard deviation of the true effects: weakly informative and empirical ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError


@dataclass(frozen=True)
class TauPrior:
    """A prior of tau >= 0.

    `log_density` of tau (array in, array out), `cdf` of a scalar, `scale` its typical size, `upper` its end. The
    density falls like tau**-`tail` (infinite: faster); `proper` says whether it integrates to 1. `r_density` is the
    density as R code, empty for a prior that has none.
    """

    name: str
    scale: float
    tail: float
    log_density: Callable[[Floats], Floats] = field(repr=False)
    cdf: Callable[[float], float] = field(repr=False)
    upper: float = math.inf
    proper: bool = True
    r_density: str = ""


def _positive(value: float, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise InputError(f"{where} is {value!r}", where=where, hint="a number above 0, on the analysis scale")
    return float(value)


def half_normal(scale: float) -> TauPrior:
    """|N(0, scale**2)|. For log odds and hazard ratios 0.5 or 1 (Roever et al. 2021, doi:10.1002/jrsm.1475).

    >>> round(half_normal(0.5).cdf(0.5), 4)
    0.6827
    """
    s = _positive(scale, "scale")
    constant = 0.5 * math.log(2 / math.pi) - math.log(s)
    return TauPrior(
        f"half-normal({s:g})",
        s,
        math.inf,
        lambda tau: constant - 0.5 * (tau / s) ** 2,
        lambda tau: math.erf(tau / s / math.sqrt(2)),
        r_density=f"function(t) 2 * dnorm(t, 0, {s!r})",
    )


def half_cauchy(scale: float) -> TauPrior:
    """|Cauchy(0, scale)| (Gelman 2006, doi:10.1214/06-BA117A).

    >>> round(half_cauchy(0.5).cdf(0.5), 4)
    0.5
    """
    s = _positive(scale, "scale")
    return TauPrior(
        f"half-Cauchy({s:g})",
        s,
        2.0,
        lambda tau: math.log(2 / (math.pi * s)) - np.log1p((tau / s) ** 2),
        lambda tau: 2 / math.pi * math.atan(tau / s),
        r_density=f"function(t) 2 * dcauchy(t, 0, {s!r})",
    )


def uniform(upper: float = math.inf) -> TauPrior:
    """Even from 0 to `upper`; without an end it is improper and needs three estimates or more.

    >>> uniform(2).cdf(0.5)
    0.25
    """
    if upper == math.inf:
        return TauPrior(
            "uniform", 1.0, 0.0, np.zeros_like, lambda tau: tau, proper=False, r_density="function(t) 1"
        )
    end = _positive(upper, "upper")
    return TauPrior(
        f"uniform(0, {end:g})",
        end,
        math.inf,
        lambda tau: np.full_like(tau, -math.log(end)),
        lambda tau: min(1.0, tau / end),
        upper=end,
        r_density=f"function(t) {1 / end!r}",
    )


def log_normal_tau2(location: float, scale: float, name: str = "") -> TauPrior:
    """log(tau**2) ~ N(location, scale**2).

    >>> round(log_normal_tau2(-2.56, 1.74).cdf(math.exp(-1.28)), 4)
    0.5
    """
    s = _positive(scale, "scale") / 2
    m = float(location) / 2

    def log_density(tau: Floats) -> Floats:
        z = (np.log(tau) - m) / s
        return np.asarray(-0.5 * z * z - np.log(tau) - math.log(s) - 0.5 * math.log(2 * math.pi))

    def cdf(tau: float) -> float:
        return 0.5 * math.erfc(-(math.log(tau) - m) / s / math.sqrt(2)) if tau > 0 else 0.0

    text = name or f"log-normal(tau2: {location:g}, {scale:g})"
    # the density of log tau, over tau; 0 at tau = 0
    r_density = f"function(t) if (t > 0) dnorm(log(t), {m!r}, {s!r}) / t else 0"
    return TauPrior(text, math.exp(m), math.inf, log_density, cdf, r_density=r_density)


def log_student_tau2(location: float, scale: float, df: float = 5.0, name: str = "") -> TauPrior:
    """log(tau**2) ~ location + scale * t with `df` degrees of freedom.

    >>> round(log_student_tau2(-3.44, 2.59).cdf(math.exp(-1.72)), 4)
    0.5
    """
    s = _positive(scale, "scale") / 2
    n = _positive(df, "df")
    m = float(location) / 2
    constant = math.lgamma((n + 1) / 2) - math.lgamma(n / 2) - 0.5 * math.log(n * math.pi) - math.log(s)

    def log_density(tau: Floats) -> Floats:
        z = (np.log(tau) - m) / s
        return np.asarray(constant - (n + 1) / 2 * np.log1p(z * z / n) - np.log(tau))

    def cdf(tau: float) -> float:
        from scipy.special import stdtr

        return float(stdtr(n, (math.log(tau) - m) / s)) if tau > 0 else 0.0

    text = name or f"log-t{n:g}(tau2: {location:g}, {scale:g})"
    r_density = f"function(t) if (t > 0) dt((log(t) - {m!r}) / {s!r}, {n!r}) / {s!r} / t else 0"
    return TauPrior(text, math.exp(m), 1.0, log_density, cdf, r_density=r_density)


# Turner et al. 2015, table IV: location and scale of log(tau2) for log odds ratios, by outcome; columns are
# pharmacological vs placebo, pharmacological vs pharmacological, non-pharmacological vs placebo,
# non-pharmacological vs pharmacological, non-pharmacological vs non-pharmacological.
COMPARISONS = ("drug-placebo", "drug-drug", "other-placebo", "other-drug", "other-other")
TURNER: dict[str, tuple[tuple[float, float], ...]] = {
    "all-cause mortality": ((-3.95, 1.34), (-4.18, 1.41), (-4.17, 1.55), (-2.92, 1.02), (-3.50, 1.26)),
    "obstetric": ((-3.52, 1.74), (-3.75, 1.79), (-3.74, 1.91), (-2.49, 1.50), (-3.08, 1.68)),
    "cause-specific mortality or major morbidity": (
        (-3.71, 1.74),
        (-3.95, 1.79),
        (-3.93, 1.91),
        (-2.68, 1.51),
        (-3.27, 1.68),
    ),
    "resource use": ((-2.34, 1.74), (-2.58, 1.79), (-2.56, 1.91), (-1.31, 1.50), (-1.90, 1.68)),
    "surgical or device success": ((-2.14, 1.74), (-2.37, 1.79), (-2.36, 1.91), (-1.11, 1.50), (-1.69, 1.68)),
    "withdrawals": ((-2.99, 1.74), (-3.23, 1.79), (-3.21, 1.91), (-1.96, 1.51), (-2.55, 1.68)),
    "structure-related": ((-2.71, 1.74), (-2.94, 1.79), (-2.93, 1.92), (-1.67, 1.51), (-2.26, 1.68)),
    "general physical health": ((-2.29, 1.53), (-2.53, 1.58), (-2.51, 1.72), (-1.26, 1.25), (-1.85, 1.46)),
    "adverse events": ((-1.87, 1.52), (-2.10, 1.58), (-2.10, 1.71), (-0.84, 1.24), (-1.43, 1.45)),
    "infection or new disease": ((-2.49, 1.52), (-2.73, 1.58), (-2.71, 1.71), (-1.46, 1.24), (-2.05, 1.45)),
    "signs or symptoms": ((-2.06, 1.51), (-2.29, 1.58), (-2.28, 1.71), (-1.03, 1.24), (-1.61, 1.45)),
    "pain": ((-1.83, 1.52), (-2.06, 1.58), (-2.05, 1.71), (-0.80, 1.25), (-1.38, 1.45)),
    "quality of life": ((-2.54, 1.54), (-2.78, 1.60), (-2.77, 1.73), (-1.51, 1.27), (-2.10, 1.47)),
    "mental health": ((-2.12, 1.53), (-2.35, 1.60), (-2.34, 1.72), (-1.09, 1.27), (-1.67, 1.47)),
    "biological markers": ((-1.77, 1.52), (-2.00, 1.58), (-1.99, 1.71), (-0.74, 1.24), (-1.33, 1.45)),
    "subjective": ((-2.70, 1.52), (-2.93, 1.58), (-2.92, 1.71), (-1.67, 1.25), (-2.26, 1.45)),
}

# Rhodes et al. 2015, table 3 (areas other than respiratory disease and cancer): location and scale of log(tau2),
# t with 5 df, for standardised mean differences; columns are pharmacological vs placebo, pharmacological vs
# pharmacological, any non-pharmacological. The location -3.85 (mental health, other) is printed so, and repeated so by
# the R packages bayesmeta and rnmamod; the rest of the table is additive and would have -2.85 there.
RHODES_COMPARISONS = ("drug-placebo", "drug-drug", "other")
RHODES: dict[str, tuple[tuple[float, float], ...]] = {
    "obstetric": ((-4.13, 2.34), (-4.40, 2.31), (-3.99, 2.11)),
    "resource use": ((-2.55, 2.73), (-2.83, 2.70), (-2.41, 2.57)),
    "structure-related": ((-2.43, 2.50), (-2.70, 2.46), (-2.29, 2.32)),
    "general physical health, adverse events, pain, quality of life": (
        (-3.16, 2.50),
        (-3.44, 2.44),
        (-3.02, 2.27),
    ),
    "signs, symptoms, infection, new disease": ((-3.00, 2.50), (-3.27, 2.47), (-2.86, 2.33)),
    "mental health": ((-2.99, 2.16), (-3.27, 2.14), (-3.85, 1.93)),
    "biological markers": ((-3.41, 2.83), (-3.68, 2.78), (-3.27, 2.66)),
    "subjective": ((-2.76, 2.58), (-3.03, 2.59), (-2.62, 2.41)),
}


def turner(outcome: str | None = None, comparison: str = "drug-placebo") -> TauPrior:
    """Log-normal prior for log odds ratios from the Cochrane Database; `outcome` None is that of any meta-analysis.

    Raises InputError for an outcome or comparison that is not in the table.
    Source: Turner et al. 2015, doi:10.1002/sim.6381, table IV.

    >>> turner("all-cause mortality", "drug-drug").name
    'Turner: all-cause mortality, drug-drug'
    """
    if outcome is None:
        return log_normal_tau2(-2.56, 1.74, "Turner: any outcome")
    location, scale = _cell(TURNER, COMPARISONS, outcome, comparison)
    return log_normal_tau2(location, scale, f"Turner: {outcome}, {comparison}")


def rhodes(outcome: str | None = None, comparison: str = "drug-placebo") -> TauPrior:
    """Log-t prior (5 df) for standardised mean differences; `outcome` None is that of any meta-analysis.

    For areas other than respiratory disease and cancer, which have tables of their own: `log_student_tau2`.
    The entry for mental health, "other", is -3.85 as printed; the pattern of all other entries would have it -2.85
    (perhaps a misprint): `log_student_tau2(-2.85, 1.93)` shows whether a conclusion depends on that.
    Raises InputError for an outcome or comparison that is not in the table.
    Source: Rhodes, Turner & Higgins 2015, doi:10.1016/j.jclinepi.2014.08.012, table 3.

    >>> rhodes("subjective", "other").name
    'Rhodes: subjective, other'
    """
    if outcome is None:
        return log_student_tau2(-3.44, 2.59, 5, "Rhodes: any outcome")
    location, scale = _cell(RHODES, RHODES_COMPARISONS, outcome, comparison)
    return log_student_tau2(location, scale, 5, f"Rhodes: {outcome}, {comparison}")


def _cell(
    table: dict[str, tuple[tuple[float, float], ...]],
    columns: tuple[str, ...],
    outcome: str,
    comparison: str,
) -> tuple[float, float]:
    if outcome not in table:
        raise InputError(f"no outcome is named {outcome!r}", where="outcome", hint="; ".join(table))
    if comparison not in columns:
        raise InputError(
            f"no comparison is named {comparison!r}", where="comparison", hint=", ".join(columns)
        )
    return table[outcome][columns.index(comparison)]
