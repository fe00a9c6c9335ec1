"""Test of excess significance: more significant studies than their power lets expect."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.numbers import decimal, p_phrase
from kmeta.core.result import Result
from kmeta.methods.meta.distributions import chi2_tail
from kmeta.methods.meta.inputs import estimates, variance_of
from kmeta.methods.meta.random_effects import common_effect

TESTS = ("exact", "chi2", "binomial")
ALTERNATIVES = ("two.sided", "greater", "less")


@dataclass(frozen=True, kw_only=True, eq=False)
class ExcessSignificance(Result):
    """`observed` significant studies against the `expected` sum of the studies' `power` at the true effect `theta`.

    `p_value` is of "more than expected". `theta_limit` is the true effect at which that p equals `limit_alpha`
    (NaN where there is none): effects further from 0 would explain what was observed.
    """

    k: int
    observed: int
    expected: float
    ratio: float
    power: Floats
    theta: float
    tau2: float
    alpha: float
    alternative: str
    test: str
    chi2: float
    p_value: float
    theta_limit: float
    limit_alpha: float
    call: str = ""

    def summary(self) -> str:
        """The counts and the test."""
        return (
            f"Test of excess significance ({self.test}), k = {self.k}, true effect {decimal(self.theta, 4)}\n"
            f"Significant: {self.observed} observed, {decimal(self.expected, 2)} expected "
            f"(ratio {decimal(self.ratio, 2)}), {p_phrase(self.p_value)}"
        )

    def rows(self) -> list[dict[str, Any]]:
        """One row."""
        hidden = ("power", "call")
        return [{name: getattr(self, name) for name in self.__dataclass_fields__ if name not in hidden}]

    def r_script(self) -> str:
        """R code with the data inline: the metafor call that gives the same numbers."""
        return self.call


def excess_significance(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    theta: float | None = None,
    tau2: float = 0.0,
    alpha: float = 0.05,
    alternative: str = "two.sided",
    test: str = "exact",
    limit_alpha: float = 0.10,
) -> ExcessSignificance:
    """Compare the number of significant estimates with the sum of their power; `yi`, `vi` of shape (k,).

    theta, tau2 : the true effects are normal about theta (default: the common-effect estimate) with this variance.
    alpha, alternative : level and side of the studies' own tests of no effect.
    test : "exact" (the number is Poisson-binomial), "chi2" (Pearson's, one-sided) or "binomial" (at the mean power).
    Raises InputError for data or options that cannot be used.
    Sources: Ioannidis & Trikalinos 2007, doi:10.1177/1740774507079441; Francis 2013,
    doi:10.1016/j.jmp.2013.02.003.

    >>> found = excess_significance([-0.5, -0.2, -0.9, -1.2], [0.04, 0.02, 0.09, 0.2])
    >>> found.observed, round(found.expected, 3), round(found.p_value, 3)
    (3, 1.857, 0.212)
    """
    y, v = estimates(yi, vi)
    for value, allowed, where in ((alternative, ALTERNATIVES, "alternative"), (test, TESTS, "test")):
        if value not in allowed:
            raise InputError(
                f"no {where} is named {value!r}", where=where, hint="one of " + ", ".join(allowed)
            )
    for name, level in (("alpha", alpha), ("limit_alpha", limit_alpha)):
        if not 0 < level < 1:
            raise InputError(f"{name} is {level!r}", where=name, hint="a level between 0 and 1")
    tau2 = variance_of(tau2)
    centre = common_effect(y, v, measure="GEN").mu if theta is None else float(theta)
    if not math.isfinite(centre):
        raise InputError(f"theta is {theta!r}", where="theta", hint="a number on the analysis scale")
    sei = np.sqrt(v)
    observed = int(np.sum(_significant(y / sei, alpha, alternative)))
    power = power_of(centre, sei, tau2, alpha, alternative)
    expected = float(power.sum())
    chi2, p = _p_value(observed, power, test)

    def above(value: float) -> float:
        return _p_value(observed, power_of(value, sei, tau2, alpha, alternative), test)[1] - limit_alpha

    from kmeta.methods.meta.r_script import r_data

    r_test = "binom" if test == "binomial" else test
    options = f"theta = {centre!r}, tau2 = {tau2!r}, alpha = {alpha!r}, "
    options += f'alternative = "{alternative}", test = "{r_test}"'
    return ExcessSignificance(
        k=len(y),
        observed=observed,
        expected=expected,
        ratio=observed / expected,
        power=frozen(power),
        theta=centre,
        tau2=tau2,
        alpha=alpha,
        alternative=alternative,
        test=test,
        chi2=chi2,
        p_value=p,
        theta_limit=_crossing(above, centre, float(np.max(np.abs(y)) + 10 * sei.max())),
        limit_alpha=limit_alpha,
        call=r_data({"yi": y, "vi": v}, [f"print(with(dat, tes(yi, vi, {options})))"]),
    )


def _significant(z: Floats, alpha: float, alternative: str) -> Any:
    from scipy.special import ndtr

    if alternative == "two.sided":
        return 2 * ndtr(-np.abs(z)) <= alpha
    return ndtr(-z if alternative == "greater" else z) <= alpha


def power_of(theta: float, sei: Floats, tau2: float, alpha: float, alternative: str) -> Floats:
    """Chance of each study to be significant when true effects are N(theta, tau2); shape of `sei`."""
    from scipy.special import ndtr, ndtri

    spread = np.sqrt(sei**2 + tau2)
    if alternative == "two.sided":
        critical = -float(ndtri(alpha / 2)) * sei
        return np.asarray(ndtr((theta - critical) / spread) + ndtr((-theta - critical) / spread))
    critical = -float(ndtri(alpha)) * sei
    return np.asarray(ndtr(((theta if alternative == "greater" else -theta) - critical) / spread))


def _p_value(observed: int, power: Floats, test: str) -> tuple[float, float]:
    """(chi2 or NaN, p of as many significant studies or more)."""
    k, expected = len(power), float(power.sum())
    if test == "exact":
        return math.nan, float(counts(power)[observed:].sum())
    if test == "binomial":
        from scipy.special import bdtrc

        return math.nan, 1.0 if observed == 0 else float(bdtrc(observed - 1, k, expected / k))
    against = expected * (k - expected)
    if against <= 0:
        return math.nan, 1.0
    chi2 = (observed - expected) ** 2 * k / against
    half = chi2_tail(chi2, 1) / 2
    return chi2, half if observed > expected else 1 - half


def counts(power: Floats) -> Floats:
    """Distribution of the number of successes of independent trials, shape (k + 1,)."""
    share = np.zeros(len(power) + 1)
    share[0] = 1.0
    for i, p in enumerate(power.tolist()):
        share[1 : i + 2] = share[1 : i + 2] * (1 - p) + share[: i + 1] * p
        share[0] *= 1 - p
    return share


def _crossing(above: Any, theta: float, far: float) -> float:
    """Where the p value passes its level as the true effect moves away from 0 on the side of `theta`."""
    from scipy.optimize import brentq

    side = math.copysign(1.0, theta)
    if not above(0.0) < 0:
        return math.nan
    if not above(side * far) > 0:
        return math.nan
    return float(brentq(above, 0.0, side * far, xtol=1e-14, rtol=1e-14, maxiter=500))
