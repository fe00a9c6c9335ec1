"""Begg and Mazumdar's rank correlation of standardised estimates with their variances."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.core.numbers import decimal, p_phrase
from kmeta.core.result import Result
from kmeta.methods.meta.distributions import two_sided
from kmeta.methods.meta.inputs import estimates
from kmeta.methods.meta.sample import Sample, Weighted
from kmeta.methods.meta.small_study import few, need_three

EXACT_UP_TO = 300  # the exact distribution costs k**3 / 6 additions
LARGEST = 20_000  # pairs are counted in k**2 steps


@dataclass(frozen=True, kw_only=True, eq=False)
class RankTest(Result):
    """Kendall's tau of estimates and variances; `exact` says where its p value comes from.

    `score` is concordant minus discordant pairs, `score_se` its standard error under no correlation.
    """

    k: int
    tau: float
    score: float
    score_se: float
    p_value: float
    exact: bool
    call: str = ""
    warnings: tuple[str, ...] = ()

    def summary(self) -> str:
        """The test in two lines."""
        how = "exact" if self.exact else "normal approximation"
        return (
            f"Rank correlation test for funnel plot asymmetry, k = {self.k}\n"
            f"Kendall's tau = {decimal(self.tau, 4)}, {p_phrase(self.p_value)} ({how})"
        )

    def rows(self) -> list[dict[str, Any]]:
        """One row: the test."""
        return [{name: getattr(self, name) for name in ("k", "tau", "score", "score_se", "p_value", "exact")}]

    def r_script(self) -> str:
        """R code with the data inline: the metafor call that gives the same numbers."""
        return self.call


def ranktest(yi: ArrayLike, vi: ArrayLike, *, exact: bool | None = None) -> RankTest:
    """Rank correlation test for funnel plot asymmetry of estimates `yi` with variances `vi`, shape (k,), k >= 3.

    exact : p value from the permutation distribution of tau (True), from the normal one (False), or the exact one
        where there are no ties and k <= 300 (None).
    Raises InputError for unusable data, for fewer than 3 estimates, and for exact=True where it cannot be had.
    Source: Begg & Mazumdar 1994, doi:10.2307/2533446.

    >>> found = ranktest([-0.5, -0.2, -0.9, -1.2], [0.04, 0.02, 0.09, 0.2])
    >>> found.tau, round(found.p_value, 4), found.exact
    (-1.0, 0.0833, True)
    """
    y, v = estimates(yi, vi)
    k = len(y)
    need_three(k, "ranktest")
    if k > LARGEST:
        raise InputError(f"{k} estimates; at most {LARGEST}", where="yi")
    sample = Sample(y, v)
    fixed = Weighted(sample, 1 / sample.v)
    spread = sample.v - float(fixed.inverse)
    if not (spread > 0).all():
        raise InputError(
            "one study has all the weight: the others cannot be compared with the mean", where="vi"
        )
    from kmeta.methods.meta.r_script import r_data

    call = r_data({"yi": y, "vi": v}, ["print(with(dat, ranktest(yi, vi)))"])
    return correlated(np.asarray(fixed.resid) / np.sqrt(spread), sample.v, exact=exact, call=call)


def correlated(
    a: Floats, b: Floats, *, exact: bool | None, call: str = "", warnings: tuple[str, ...] = ()
) -> RankTest:
    """The test of Kendall's correlation of `a` and `b`, shape (k,)."""
    k = len(a)
    tau, score, score_se, ties = kendall(a, b)
    possible = not ties and k <= EXACT_UP_TO
    if exact and not possible:
        raise InputError(f"an exact p needs no ties and k <= {EXACT_UP_TO}", where="exact", hint="None")
    use = possible if exact is None else exact
    p = exact_p(int(score), k) if use else two_sided(score / score_se, math.inf) if score_se else 1.0
    return RankTest(
        k=k,
        tau=tau,
        score=score,
        score_se=score_se,
        p_value=p,
        exact=bool(use),
        call=call,
        warnings=(
            *warnings,
            *few(k),
            *(("tied values: the normal approximation is corrected for them",) if ties else ()),
        ),
    )


def kendall(a: Floats, b: Floats) -> tuple[float, float, float, bool]:
    """(tau-b, concordant minus discordant pairs, its standard error corrected for ties, whether there are ties)."""
    k = len(a)
    score = 0
    for i in range(k - 1):
        score += int(np.sum(np.sign(a[i + 1 :] - a[i]) * np.sign(b[i + 1 :] - b[i])))
    tied = [np.unique(values, return_counts=True)[1].astype(float) for values in (a, b)]
    pairs = k * (k - 1) / 2
    free = [pairs - float(np.sum(t * (t - 1))) / 2 for t in tied]
    v0 = k * (k - 1) * (2 * k + 5)
    vt, vu = (float(np.sum(t * (t - 1) * (2 * t + 5))) for t in tied)
    one = [float(np.sum(t * (t - 1))) for t in tied]
    two = [float(np.sum(t * (t - 1) * (t - 2))) for t in tied]
    variance = (v0 - vt - vu) / 18 + one[0] * one[1] / (2 * k * (k - 1))
    variance += two[0] * two[1] / (9 * k * (k - 1) * (k - 2)) if k > 2 else 0.0
    scale = math.sqrt(free[0] * free[1])
    ties = any((t > 1).any() for t in tied)
    return (score / scale if scale else math.nan), float(score), math.sqrt(max(0.0, variance)), ties


def exact_p(score: int, k: int) -> float:
    """Two-sided p of Kendall's score among all k! orders: twice the smaller tail, at most 1.

    The share of orders with each number of inversions, by adding one item at a time (Kendall 1938,
    doi:10.1093/biomet/30.1-2.81).
    """
    share = np.ones(1)
    for n in range(2, k + 1):
        total = np.cumsum(np.concatenate([share, np.zeros(n - 1)]))
        shifted = np.concatenate([np.zeros(n), total[:-n]])
        share = np.maximum(total - shifted, 0.0) / n
    discordant = (k * (k - 1) // 2 - score) // 2
    tail = min(discordant, len(share) - 1 - discordant)
    return min(1.0, 2 * float(share[: tail + 1].sum()))
