"""p-curve: whether significant results alone hold evidential value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.numbers import decimal, p_phrase
from kmeta.core.result import Result
from kmeta.core.views import PlotViews
from kmeta.methods.meta.inputs import estimates

ALPHA = 0.05
LEAST = 1 / 3  # power at or below which a study is called uninformative


@dataclass(frozen=True, kw_only=True, eq=False)
class PCurve(Result):
    """Stouffer's z (and p) of the `significant` among k results, from the full curve (p < 0.05) and the half (0.025).

    `right_*`: is the curve right-skewed, as under a true effect; `flat_*`: is it flatter than under a power of a third.
    All z are below 0 where the answer tends to yes. `binomial_p`: are more than half of the p below 0.025;
    `flat_binomial_p`: are fewer than a power of a third would put there. `power` with its 90 % interval is the mean
    power corrected for selection. `shares`: of the p in five bins of 0.01. NaN where nothing is significant.
    """

    k: int
    significant: int
    half: int
    p_values: Floats
    shares: Floats
    binomial_p: float
    right_full_z: float
    right_full_p: float
    right_half_z: float
    right_half_p: float
    flat_full_z: float
    flat_full_p: float
    flat_half_z: float
    flat_half_p: float
    power: float
    power_low: float
    power_high: float
    evidential: bool
    flat_binomial_p: float = math.nan
    warnings: tuple[str, ...] = ()

    plot = PlotViews(curve="kmeta.plots.p_curve:p_curve_figure")

    def summary(self) -> str:
        """The two tests and the power."""
        return (
            f"p-curve: {self.significant} of {self.k} results significant, {self.half} below 0.025\n"
            f"right skew: full z = {decimal(self.right_full_z, 3)}, {p_phrase(self.right_full_p)}; "
            f"half z = {decimal(self.right_half_z, 3)}, {p_phrase(self.right_half_p)}\n"
            f"flatter than 33 % power: full z = {decimal(self.flat_full_z, 3)}, {p_phrase(self.flat_full_p)}\n"
            f"power {decimal(self.power, 2)} ({decimal(self.power_low, 2)} to {decimal(self.power_high, 2)}); "
            f"evidential value: {'yes' if self.evidential else 'not shown'}"
        )

    def r_script(self) -> str:
        """R code with the data inline: base R, as metafor has no p-curve."""
        from kmeta.methods.meta.r_small_study import small_study_script

        return small_study_script(self)

    def rows(self) -> list[dict[str, Any]]:
        """One row."""
        hidden = ("p_values", "shares", "warnings")
        return [{name: getattr(self, name) for name in self.__dataclass_fields__ if name not in hidden}]


def p_curve(yi: ArrayLike, vi: ArrayLike) -> PCurve:
    """p-curve of the two-sided z tests of estimates `yi` with variances `vi`, shape (k,).

    Evidential value is said to be shown when the half curve is right-skewed (p < 0.05), or both curves are at 0.1.
    The half curve's flatness is Stouffer's test of the p that are uniform below 0.025 under a power of a third; the web
    application of the authors divides by another share there, and its `flat_half_z` is larger.
    Signs are not looked at: give results of one hypothesis. Heterogeneous power biases the estimate of power.
    Raises InputError for data that cannot be used.
    Sources: Simonsohn, Nelson & Simmons 2014, doi:10.1037/a0033242 and doi:10.1177/1745691614553988; Simonsohn,
    Simmons & Nelson 2015, doi:10.1037/xge0000104.

    >>> found = p_curve([0.5, 0.6, 0.9, 0.1], [0.04, 0.02, 0.09, 0.04])
    >>> found.significant, round(found.right_full_z, 3), found.evidential
    (3, -3.24, True)
    """
    from scipy.special import bdtr, bdtrc, ndtr

    y, v = estimates(yi, vi)
    z = np.abs(y / np.sqrt(v))
    p = 2 * ndtr(-z)
    z = z[p < ALPHA]
    found = p[p < ALPHA]
    n, half = len(found), int(np.sum(found < ALPHA / 2))
    tests = {
        f"{kind}_{part}_{name}": value
        for part, limit in (("full", ALPHA), ("half", ALPHA / 2))
        for kind, power in (("right", ALPHA), ("flat", LEAST))
        for name, value in zip(("z", "p"), _test(z, limit, power, kind), strict=True)
    }
    power, low, high = (_power(z, level) for level in (0.5, 0.95, 0.05))
    half_p, full_p = tests["right_half_p"], tests["right_full_p"]
    few = (f"{n} significant results: a curve of few says little",) if n < 5 else ()
    return PCurve(
        k=len(y),
        significant=n,
        half=half,
        p_values=frozen(np.sort(found)),
        shares=frozen(np.histogram(found, bins=np.linspace(0, ALPHA, 6))[0] / n if n else np.full(5, np.nan)),
        binomial_p=(1.0 if half == 0 else float(bdtrc(half - 1, n, 0.5))) if n else math.nan,
        power=power,
        power_low=low,
        power_high=high,
        evidential=bool(half_p < 0.05 or (half_p < 0.1 and full_p < 0.1)),
        flat_binomial_p=float(bdtr(half, n, _below(ALPHA / 2) / LEAST)) if n else math.nan,
        warnings=few,
        **tests,
    )


def _shift(power: float) -> float:
    """The mean of z at which a two-sided 5 % test has this power; 0 for a power of 5 %."""
    from scipy.optimize import brentq
    from scipy.special import ndtr, ndtri

    critical = -float(ndtri(ALPHA / 2))
    if power <= ALPHA:
        return 0.0
    return float(brentq(lambda m: ndtr(m - critical) + ndtr(-m - critical) - power, 0, 40, xtol=1e-13))


def _below(limit: float) -> float:
    """P(p < limit) under a power of LEAST."""
    from scipy.special import ndtr, ndtri

    critical, shift = -float(ndtri(limit / 2)), _shift(LEAST)
    return float(ndtr(shift - critical) + ndtr(-shift - critical))


def _conditional(z: Floats, limit: float, shift: float) -> Floats:
    """P(|Z| >= z given p < limit) when Z ~ N(shift, 1): uniform under that shift."""
    from scipy.special import ndtr, ndtri

    critical = -float(ndtri(limit / 2))
    above = ndtr(shift - z) + ndtr(-shift - z)
    return np.asarray(above / (ndtr(shift - critical) + ndtr(-shift - critical)))


def _stouffer(pp: Floats) -> float:
    from scipy.special import ndtri

    return float(np.sum(ndtri(np.clip(pp, 1e-300, 1 - 1e-16)))) / math.sqrt(len(pp))


def _test(z: Floats, limit: float, power: float, kind: str) -> tuple[float, float]:
    """(Stouffer's z, its p): below 0 for more skew to the right than under this power, or ("flat") for less."""
    from scipy.special import ndtr, ndtri

    z = z[z > -float(ndtri(limit / 2))]
    if not len(z):
        return math.nan, math.nan
    value = _stouffer(_conditional(z, limit, _shift(power)))
    value = value if kind == "right" else -value
    return value, float(ndtr(value))


def _power(z: Floats, quantile: float) -> float:
    """The power under which Stouffer's z has this tail area; 5 % to 99 %."""
    from scipy.optimize import brentq
    from scipy.special import ndtri

    if not len(z):
        return math.nan
    target = float(ndtri(quantile))

    def excess(power: float) -> float:
        return _stouffer(_conditional(z, ALPHA, _shift(power))) - (-target if quantile != 0.5 else 0.0)

    if excess(ALPHA) >= 0:
        return ALPHA
    if excess(0.99) <= 0:
        return 0.99
    return float(brentq(excess, ALPHA, 0.99, xtol=1e-12))
