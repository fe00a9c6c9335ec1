"""Fail-safe N: how many studies without effect would have to lie in file drawers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.core.numbers import decimal
from kmeta.core.result import Result
from kmeta.methods.meta.distributions import two_sided
from kmeta.methods.meta.inputs import estimates
from kmeta.methods.meta.random_effects import common_effect, random_effects

KINDS = ("Rosenthal", "Orwin", "Rosenberg", "General")
MOST = 10**7


@dataclass(frozen=True, kw_only=True, eq=False)
class FailSafeN(Result):
    """`n` studies of no effect bring the p value to `alpha`, or the mean to `target`; NaN where one has no part.

    `mu`, `tau2`, `p_value` are of the studies at hand, `mu_with`, `tau2_with`, `p_with` with the n added ones
    ("General" only). `n` is infinite where a target of 0 is asked for.
    """

    kind: str
    k: int
    n: float
    alpha: float
    target: float
    mu: float
    tau2: float
    p_value: float
    mu_with: float
    tau2_with: float
    p_with: float
    call: str = ""
    warnings: tuple[str, ...] = ()

    def summary(self) -> str:
        """The number and what it means."""
        mean = f"a mean of {decimal(self.target, 4)}"
        to = f"a p value of {self.alpha:g}" if math.isnan(self.target) else mean
        lines = [
            f"Fail-safe N ({self.kind}): {self.n:g} studies without effect would lead to {to}; k = {self.k}"
        ]
        return "\n".join([*lines, *(f"Warning: {text}." for text in self.warnings)])

    def rows(self) -> list[dict[str, Any]]:
        """One row."""
        hidden = ("call", "warnings")
        return [{name: getattr(self, name) for name in self.__dataclass_fields__ if name not in hidden}]

    def r_script(self) -> str:
        """R code with the data inline: the metafor call that gives the same numbers."""
        return self.call


def fail_safe_n(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    kind: str = "Rosenthal",
    alpha: float = 0.05,
    target: float | None = None,
    tau2: str = "REML",
) -> FailSafeN:
    """Fail-safe N of estimates `yi` with variances `vi`, shape (k,).

    kind : "Rosenthal" (Stouffer's sum of z, one-sided `alpha`), "Orwin" (the common-effect mean down to `target`,
        default half of it), "Rosenberg" (the common-effect test, two-sided `alpha`), "General" (the random-effects
        model by `tau2`, to `alpha` or, where given, `target`). "General" adds studies with mean 0, the harmonic mean
        of the variances and the heterogeneity of those at hand; the tau2 of all is the pooled variance of the two
        groups about their mean, so no model is refitted.
    The number grows with the significance of what was found; it does not say whether anything is missing.
    Raises InputError for data or options that cannot be used.
    Sources: Rosenthal 1979, doi:10.1037/0033-2909.86.3.638; Orwin 1983, doi:10.3102/10769986008002157; Rosenberg
    2005, doi:10.1111/j.0014-3820.2005.tb01004.x; Viechtbauer 2024, a fail-safe N based on the random-effects model
    (meeting of the Society for Research Synthesis Methodology).

    >>> fail_safe_n([-0.5, -0.2, -0.9], [0.04, 0.02, 0.09]).n
    15
    """
    y, v = estimates(yi, vi)
    if kind not in KINDS:
        raise InputError(f"no kind is named {kind!r}", where="kind", hint="one of " + ", ".join(KINDS))
    if not 0 < alpha < 1:
        raise InputError(f"alpha is {alpha!r}", where="alpha", hint="a level between 0 and 1, such as 0.05")
    if target is not None and (kind in ("Rosenthal", "Rosenberg") or not math.isfinite(target)):
        raise InputError(
            f"target is {target!r} for {kind}", where="target", hint="a number, for Orwin or General"
        )
    found = {"Rosenthal": _rosenthal, "Orwin": _orwin, "Rosenberg": _rosenberg, "General": _general}
    values: dict[str, Any] = dict.fromkeys(
        ("mu", "tau2", "p_value", "mu_with", "tau2_with", "p_with", "target"), math.nan
    )
    values |= found[kind](y, v, alpha, target, tau2)
    from kmeta.methods.meta.r_script import r_data

    options = [
        f'type = "{kind}"',
        f"alpha = {alpha!r}",
        *([] if target is None else [f"target = {target!r}"]),
    ]
    options += [f'method = "{tau2}"'] if kind == "General" else []
    options += ["weighted = TRUE"] if kind == "Orwin" else []
    warnings = () if values["n"] < MOST else (f"the number is {MOST} or more",)
    return FailSafeN(
        kind=kind,
        k=len(y),
        alpha=alpha,
        call=r_data({"yi": y, "vi": v}, [f"print(with(dat, fsn(yi, vi, {', '.join(options)})))"]),
        warnings=warnings,
        **values,
    )


def _up(number: float) -> int:
    """The next whole number, where a number is not whole but for rounding."""
    near = round(number)
    return max(0, near if abs(number - near) <= 1e-9 * max(1.0, abs(number)) else math.ceil(number))


def _rosenthal(y: Floats, v: Floats, alpha: float, target: float | None, tau2: str) -> dict[str, Any]:
    from scipy.special import ndtr, ndtri

    k = len(y)
    z = abs(float(np.sum(y / np.sqrt(v)))) / math.sqrt(k)
    need = float(ndtri(alpha))
    count = k * (z / need) ** 2 - k if need < 0 else math.inf
    return {"n": min(MOST, _up(min(count, MOST))), "p_value": float(ndtr(-z))}


def _orwin(y: Floats, v: Floats, alpha: float, target: float | None, tau2: str) -> dict[str, Any]:
    mu = common_effect(y, v, measure="GEN").mu
    aim = mu / 2 if target is None else math.copysign(target, mu)
    if aim == 0:
        return {"n": math.inf if mu else 0, "mu": mu, "target": aim}
    return {"n": _up(len(y) * (mu - aim) / aim), "mu": mu, "target": aim}


def _rosenberg(y: Floats, v: Floats, alpha: float, target: float | None, tau2: str) -> dict[str, Any]:
    from scipy.special import ndtri

    fit = common_effect(y, v, measure="GEN")
    count = len(y) * ((fit.statistic / float(ndtri(alpha / 2))) ** 2 - 1)
    return {"n": min(MOST, _up(min(count, MOST))), "mu": fit.mu, "p_value": fit.p_value}


def _general(y: Floats, v: Floats, alpha: float, target: float | None, tau2: str) -> dict[str, Any]:
    if tau2 in ("CE", "EE", "FE"):
        fit = common_effect(y, v, measure="GEN")
    else:
        fit = random_effects(y, v, measure="GEN", tau2=tau2, test="z")
    out: dict[str, Any] = {"mu": fit.mu, "tau2": fit.tau2, "p_value": fit.p_value}
    aim = math.nan if target is None else math.copysign(target, fit.mu)
    out["target"] = aim
    reached = fit.p_value >= alpha if target is None else abs(aim) >= abs(fit.mu)
    if reached:
        return out | {"n": 0, "mu_with": fit.mu, "tau2_with": fit.tau2, "p_with": fit.p_value}
    if target == 0:
        return out | {"n": math.inf}
    typical = len(v) / float(np.sum(1 / v))

    def enough(n: int) -> bool:
        mu, _, p = _with(n, y, v, fit.mu, fit.tau2, typical, fit.method == "CE")
        return p >= alpha if target is None else abs(mu) <= abs(aim)

    n = _smallest(enough)
    mu, between, p = _with(n, y, v, fit.mu, fit.tau2, typical, fit.method == "CE")
    return out | {"n": n, "mu_with": mu, "tau2_with": between, "p_with": p}


def _smallest(enough: Any) -> int:
    """The first n, doubled until it is enough and then halved back."""
    high = 1
    while not enough(high):
        high *= 2
        if high > MOST:
            return MOST
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _with(
    n: int, y: Floats, v: Floats, mu: float, tau2: float, typical: float, common: bool
) -> tuple[float, float, float]:
    """(mean, tau2, p) of the studies together with n of mean 0."""
    k = len(y)
    between = 0.0
    if not common:
        shared = k * mu / (k + n)
        spread = (k - 1 + max(0, n - 1)) * tau2 + k * (mu - shared) ** 2 + n * shared**2
        between = spread / (k + n - 1)
    w = 1 / (v + between)
    total = float(w.sum()) + n / (typical + between)
    mean = float(w @ y) / total
    return mean, between, two_sided(mean * math.sqrt(total), math.inf)
