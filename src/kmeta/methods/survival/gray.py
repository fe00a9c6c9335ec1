"""Gray's test: k groups have the same subdistribution hazard of a cause."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.methods.survival.causes import CausesSample, causes_sample
from kmeta.methods.survival.cumulative_incidence import incidence_data
from kmeta.methods.survival.r_code import Column
from kmeta.methods.survival.risk_sets import risk_sets
from kmeta.methods.survival.sample import groups_of


@dataclass(frozen=True, kw_only=True, eq=False)
class GrayTest(Result):
    """One test a cause. `score` (causes, k): observed less expected events, weighted; `variance` (causes, k - 1, k - 1)
    that of the first k - 1 of them; `chi2`, `p` (causes,); `df` k - 1. `member`, `stratum` (n,): place of each
    patient's label.
    """

    groups: tuple[str, ...]
    causes: tuple[str, ...]
    n: Floats
    score: Floats
    variance: Floats
    chi2: Floats
    df: int
    p: Floats
    rho: float
    n_strata: int
    data: CausesSample
    member: np.ndarray
    stratum: np.ndarray

    def rows(self) -> list[dict[str, Any]]:
        """One row a cause."""
        return [
            {"cause": cause, "chi2": float(self.chi2[i]), "df": self.df, "p": float(self.p[i])}
            for i, cause in enumerate(self.causes)
        ]

    def r_script(self) -> str:
        """R code that repeats the tests with the package cmprsk, the patients inline."""
        extra: dict[str, Column] = {"group": [self.groups[i] for i in self.member.tolist()]}
        if self.n_strata > 1:
            extra["stratum"] = self.stratum
        by = ", strata = dat$stratum" if self.n_strata > 1 else ""
        lines = incidence_data([self.data], extra)
        lines.append(f"cuminc(dat$time, dat$cause, dat$group{by}, rho = {self.rho!r})$Tests")
        return "\n".join(lines + [f"# kmeta: {row}" for row in self.rows()]) + "\n"


def gray_test(
    time: ArrayLike,
    event: ArrayLike | Sequence[object],
    group: Sequence[object] | np.ndarray,
    *,
    strata: Sequence[object] | np.ndarray | None = None,
    rho: float = 0.0,
    cause: object = None,
    censored: object = None,
) -> GrayTest:
    """Gray's k-sample test of the cumulative incidence of each cause.

    event : 0 censored, 1.. the causes; or a label each. group, strata : a label each. rho : power of (1 - F) as weight.
    cause : the one wanted; None: all. censored : the label that means censored where it is not 0 or "censored".
    Raises InputError for one group, or data that cannot be. O(n log n).
    Source: Gray 1988, doi:10.1214/aos/1176350951.

    >>> fit = gray_test([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 1, 0, 1, 2, 2, 1], ["a", "b"] * 4, cause=1)
    >>> round(float(fit.chi2[0]), 3), fit.df
    (3.602, 1)
    """
    data = causes_sample(time, event, censored)
    labels, member = groups_of(group, len(data.code))
    if len(labels) < 2:
        raise InputError("holds one group", where="group", hint="a comparison needs two")
    if not math.isfinite(rho):
        raise InputError(f"rho is {rho!r}", where="rho", hint="a finite number")
    names, stratum = groups_of(strata, len(data.code), "strata")
    codes = list(range(1, len(data.causes) + 1)) if cause is None else [data.number(cause)]
    k = len(labels)
    scores, variances = np.zeros((len(codes), k)), np.zeros((len(codes), k, k))
    for i, code in enumerate(codes):
        for s in range(len(names)):
            part = data.part(stratum == s)
            one = _score(part, member[stratum == s], k, code, rho)
            scores[i] += one[0]
            variances[i] += one[1]
    tests = [_test(score[:-1], variance[:-1, :-1]) for score, variance in zip(scores, variances, strict=True)]
    return GrayTest(
        groups=labels,
        causes=tuple(data.causes[code - 1] for code in codes),
        n=frozen(np.bincount(member, minlength=k)),
        score=frozen(scores),
        variance=frozen(variances[:, :-1, :-1]),
        chi2=frozen([test[0] for test in tests]),
        df=k - 1,
        p=frozen([test[1] for test in tests]),
        rho=float(rho),
        n_strata=len(names),
        data=data,
        member=member,
        stratum=stratum,
    )


def _test(score: Floats, variance: Floats) -> tuple[float, float]:
    from scipy.special import chdtrc

    if not np.isfinite(variance).all() or np.linalg.matrix_rank(variance, hermitian=True) < len(score):
        return math.nan, math.nan
    chi2 = float(score @ np.linalg.solve(variance, score))
    return chi2, float(chdtrc(len(score), chi2))


def _score(data: CausesSample, member: np.ndarray, k: int, code: int, rho: float) -> tuple[Floats, Floats]:
    """(score, its variance) of k groups in one stratum.

    R / S(t-) estimates how many would be at risk without the other causes' censoring; the score compares dN with its
    share of the pooled subdistribution hazard, weighted by (1 - F)^rho.
    """
    sets = risk_sets(data.sample, member=member, k=k)
    rows = sets.events.sum(axis=1) > 0
    if not rows.any():
        return np.zeros(k), np.zeros((k, k))
    at_risk = sets.at_risk[rows]
    mine = sets.counted((data.code == code).astype(float))[rows]
    others = sets.events[rows] - mine
    here = at_risk > 0
    step = np.divide(mine + others, at_risk, out=np.zeros_like(at_risk), where=here)
    after = np.cumprod(1 - step, axis=0)
    before = np.vstack([np.ones((1, k)), after[:-1]])
    own = np.cumsum(before * np.divide(mine, at_risk, out=np.zeros_like(at_risk), where=here), axis=0)
    own_before = np.vstack([np.zeros((1, k)), own[:-1]])
    adjusted = np.divide(at_risk, before, out=np.zeros_like(at_risk), where=here)
    total, d = adjusted.sum(axis=1), mine.sum(axis=1)
    pooled = np.cumsum(d / total)
    free = 1 - np.append(0.0, pooled[:-1])
    weight = np.power(np.maximum(free, 0), rho) if rho >= 0 else np.maximum(free, 1e-300) ** rho
    exposed = adjusted * (1 - own_before)
    whole = exposed.sum(axis=1)
    share = np.divide(exposed, whole[:, None], out=np.zeros_like(exposed), where=whole[:, None] > 0)
    score = (weight[:, None] * (mine - d[:, None] * share)).sum(axis=0)
    part = adjusted / total[:, None]
    spread = weight[:, None, None] * (
        adjusted[:, :, None] * np.eye(k) - adjusted[:, :, None] * part[:, None, :]
    )
    slope = np.divide(d, total * free, out=np.zeros_like(d), where=free > 0)
    drift = np.cumsum(spread * slope[:, None, None], axis=0)
    return score, _variance(spread, drift, at_risk, mine, others, before, after, total, pooled)


def _variance(
    spread: Floats,
    drift: Floats,
    at_risk: Floats,
    mine: Floats,
    others: Floats,
    before: Floats,
    after: Floats,
    total: Floats,
    pooled: Floats,
) -> Floats:
    """Variance of the score: increments of both kinds of events in each group, through `spread` now and `drift` later.

    An increment in group g at u reaches the score by spread(u) + (drift(end) - drift(u)) times what is left of it.
    """
    d = mine.sum(axis=1)[:, None]
    left = np.divide(
        1 - pooled[:, None], after, out=np.zeros_like(after), where=after > 0
    )  # (1 - F) / S of the group
    with np.errstate(divide="ignore", invalid="ignore"):
        ties = np.where(d > 1, 1 - (d - 1) / (total[:, None] * before - 1), 1.0)
        own = np.where((at_risk > 0) & (d > 0), ties * before * d / (total[:, None] * at_risk), 0.0)
        ties = np.where(others > 1, 1 - (others - 1) / (at_risk - 1), 1.0)
        other = np.where((after > 0) & (others > 0), ties * before**2 * others / at_risk**2, 0.0)
    by_own, by_other = np.where(after > 0, 1 - left, 1.0), -left
    ahead = drift[-1][None] - drift  # (m, i, g)
    found = np.zeros(spread.shape[1:])
    for factor, reach in (
        (own, spread + by_own[:, None, :] * ahead),
        (other, by_other[:, None, :] * ahead),
    ):
        found += np.einsum("mig,mjg,mg->ij", reach, reach, factor)
    return found
