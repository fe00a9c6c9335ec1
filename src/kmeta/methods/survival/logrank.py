"""The log-rank test and its weighted family: k groups, strata, left truncation, trend."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.numbers import p_phrase
from kmeta.core.result import Result
from kmeta.methods.survival.kaplan_meier import sample_columns
from kmeta.methods.survival.risk_sets import RiskSets, risk_sets
from kmeta.methods.survival.sample import SurvivalSample, groups_of, reference_first, survival_sample

Weights = Literal["logrank", "gehan", "tarone-ware", "peto-peto", "peto-prentice", "fleming-harrington"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LogRank(Result):
    """Observed and expected events of k groups and the test that their hazards are equal.

    `observed`, `expected` (k,) and `variance` (k, k) of their difference carry the weights of the test, as in R.
    `log_hr`, `se` (k - 1,): the one-step log hazard ratio of each further group against the first (Peto's for two
    groups) and its standard error, with `log_hr_covariance` (k - 1, k - 1). `trend_*`: the test of a trend over
    `scores`, NaN when none was asked for. `member`, `stratum` (n,): place of each patient's label.
    """

    groups: tuple[str, ...]
    n: Floats
    events: Floats
    observed: Floats
    expected: Floats
    variance: Floats
    chi2: float
    df: int
    p: float
    log_hr: Floats
    se: Floats
    log_hr_covariance: Floats
    weights: str
    rho: float
    gamma: float
    n_strata: int
    scores: tuple[float, ...] | None
    trend_z: float
    trend_chi2: float
    trend_p: float
    sample: SurvivalSample
    member: np.ndarray
    stratum: np.ndarray
    warnings: tuple[str, ...] = ()

    def rows(self) -> list[dict[str, Any]]:
        """One row a group: patients, events, expected, and the one-step hazard ratio against the first."""
        rows = []
        for i, label in enumerate(self.groups):
            row = {"group": label, "n": int(self.n[i]), "events": int(self.events[i])}
            row |= {"observed": float(self.observed[i]), "expected": float(self.expected[i])}
            against = (float(self.log_hr[i - 1]), float(self.se[i - 1])) if i else (math.nan, math.nan)
            rows.append(row | dict(zip(("log_hr", "se"), against, strict=True)))
        return rows

    def summary(self) -> str:
        """The table of groups, the test, the trend where asked for, and the warnings."""
        named = self.weights + (f"({self.rho:g}, {self.gamma:g})" if "harrington" in self.weights else "")
        by = f", stratified ({self.n_strata} strata)" if self.n_strata > 1 else ""
        lines = [super().summary(), f"{named}{by}: chi2({self.df}) = {self.chi2:.4g}, {p_phrase(self.p)}"]
        if self.scores is not None:
            lines.append(f"trend: chi2(1) = {self.trend_chi2:.4g}, {p_phrase(self.trend_p)}")
        return "\n".join([*lines, *(f"Warning: {text}" for text in self.warnings)])

    def r_script(self) -> str:
        """R code for survdiff, the patients inline; InputError for weights or truncation that survdiff has not."""
        from kmeta.methods.survival.r_code import data_frame

        rho = {"logrank": 0.0, "peto-peto": 1.0, "fleming-harrington": self.rho}.get(self.weights)
        if rho is None or self.gamma or self.sample.truncated:
            raise InputError(
                "survdiff has the G-rho family without truncation only",
                where="weights",
                hint="lifelines, coin",
            )
        labels = [self.groups[i] for i in self.member.tolist()]
        columns: dict[str, Any] = {**sample_columns([self.sample]), "group": labels}
        by = ""
        if self.n_strata > 1:
            columns["stratum"], by = self.stratum, " + strata(stratum)"
        lines = ["library(survival)", "", *data_frame(columns), ""]
        lines.append(f"fit <- survdiff(Surv(time, event) ~ group{by}, data = dat, rho = {rho!r})")
        lines += [
            "print(fit, digits = 8)",
            "fit$var",
            f"# kmeta: chi2 {self.chi2!r}, df {self.df}, p {self.p!r}",
        ]
        return "\n".join(lines) + "\n"


def logrank(
    time: ArrayLike,
    event: ArrayLike,
    group: Sequence[object] | np.ndarray,
    *,
    strata: Sequence[object] | np.ndarray | None = None,
    entry: ArrayLike | None = None,
    weights: Weights = "logrank",
    rho: float = 0.0,
    gamma: float = 0.0,
    trend: bool | Mapping[str, float] = False,
    reference: object = None,
) -> LogRank:
    """Log-rank test of two or more groups, with the hypergeometric variance.

    group, strata : a label each. entry : when each came under observation, before `time`.
    weights : "logrank" (1), "gehan" (numbers at risk), "tarone-ware" (their root), "peto-peto" (pooled survival just
        before, as R's rho = 1), "peto-prentice" (Peto's own estimate of it), "fleming-harrington" with `rho`, `gamma`
        (S^rho (1 - S)^gamma).
    trend : True takes labels that are numbers as scores; else a score for each label.
    reference : the label the log hazard ratios are against; None: the first to appear.
    Two groups: log_hr[0] = (O - E) / V of the second. More: the one-step estimates, V^-1 (O - E).
    Raises InputError for one group, or data that cannot be. O(n log n).
    Sources: Mantel 1966; Peto & Peto 1972, doi:10.2307/2344317; Tarone & Ware 1977, doi:10.1093/biomet/64.1.156;
    Harrington & Fleming 1982, doi:10.1093/biomet/69.3.553.

    >>> fit = logrank([6, 7, 10, 15, 1, 2, 3, 9], [1, 0, 1, 1, 1, 1, 1, 0], ["a"] * 4 + ["b"] * 4)
    >>> round(fit.chi2, 3), fit.df, fit.observed.tolist(), fit.expected.round(3).tolist()
    (2.697, 1, [3.0, 3.0], [4.538, 1.462])
    """
    sample = survival_sample(time, event, entry=entry)
    labels, member = reference_first(*groups_of(group, sample.n), reference)
    if len(labels) < 2:
        raise InputError("holds one group", where="group", hint="a comparison needs two")
    names, stratum = groups_of(strata, sample.n, "strata")
    weigh = _weight_of(weights, rho, gamma)
    scores = _scores(trend, labels)
    sets = risk_sets(sample, member=member, k=len(labels), strata=stratum)
    observed, expected, variance, information = _sums(sets, weigh)
    score = observed - expected
    chi2, df, warnings = _quadratic(score, variance, expected)
    log_hr, covariance = _one_step(score, variance, information)
    z = _trend(scores, score, variance)
    return LogRank(
        groups=labels,
        n=frozen(np.bincount(member, minlength=len(labels))),
        events=frozen(np.bincount(member, weights=sample.event, minlength=len(labels))),
        observed=frozen(observed),
        expected=frozen(expected),
        variance=frozen(variance),
        chi2=chi2,
        df=df,
        p=_tail(chi2, df),
        log_hr=frozen(log_hr),
        se=frozen(np.sqrt(np.diag(covariance))),
        log_hr_covariance=frozen(covariance),
        weights=weights,
        rho=rho,
        gamma=gamma,
        n_strata=len(names),
        scores=scores,
        trend_z=z,
        trend_chi2=z**2,
        trend_p=_tail(z**2, 1),
        sample=sample,
        member=member,
        stratum=stratum,
        warnings=warnings,
    )


Weigh = Callable[[Floats, Floats, Floats], Floats]


def _weight_of(weights: str, rho: float, gamma: float) -> Weigh:
    """(at risk, pooled survival just before, Peto's estimate of survival) -> the weight of each time."""
    if weights != "fleming-harrington" and (rho or gamma):
        raise InputError(
            f"{weights} has no rho or gamma", where="weights", hint='weights="fleming-harrington"'
        )
    if not (math.isfinite(rho) and math.isfinite(gamma) and rho >= 0 and gamma >= 0):
        raise InputError(f"rho {rho!r}, gamma {gamma!r}", where="rho", hint="0 or above")
    known: dict[str, Weigh] = {
        "logrank": lambda at_risk, before, peto: np.ones_like(at_risk),
        "gehan": lambda at_risk, before, peto: at_risk,
        "tarone-ware": lambda at_risk, before, peto: np.sqrt(at_risk),
        "peto-peto": lambda at_risk, before, peto: before,
        "peto-prentice": lambda at_risk, before, peto: peto,
        "fleming-harrington": lambda at_risk, before, peto: before**rho * (1 - before) ** gamma,
    }
    if weights not in known:
        raise InputError(f"no weights are named {weights!r}", where="weights", hint=", ".join(known))
    return known[weights]


def _scores(trend: bool | Mapping[str, float], labels: tuple[str, ...]) -> tuple[float, ...] | None:
    """The score of each group; labels that are numbers are their own."""
    if trend is False:
        return None
    given = {label: label for label in labels} if trend is True else {str(k): v for k, v in trend.items()}
    try:
        scores = tuple(float(given[label]) for label in labels)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            "not every group has a score", where="trend", hint='a number for each: {"low": 1, "high": 2}'
        ) from error
    if not all(map(math.isfinite, scores)) or len(set(scores)) < 2:
        raise InputError(f"scores {scores}", where="trend", hint="finite, at least two different ones")
    return scores


def _sums(sets: RiskSets, weigh: Weigh) -> tuple[Floats, Floats, Floats, Floats]:
    """(O, E, variance of O - E, information on the log hazard ratios), each with the weights of the test."""
    rows = sets.events.sum(axis=1) > 0
    at_risk, events = sets.at_risk[rows], sets.events[rows]
    y, d = at_risk.sum(axis=1), events.sum(axis=1)
    w = weigh(y, *_pooled_survival(sets, rows))
    share = at_risk / y[:, None]
    observed = w @ events
    expected = (w * d) @ share
    spread = d * np.where(y > 1, (y - d) / np.maximum(y - 1, 1), 0.0)
    return observed, expected, _covariance(share, w**2 * spread), _covariance(share, w * spread)


def _covariance(share: Floats, factor: Floats) -> Floats:
    """Sum over times of factor (diag(share) - share share')."""
    found: Floats = np.diag(factor @ share) - (share * factor[:, None]).T @ share
    return found


def _pooled_survival(sets: RiskSets, rows: np.ndarray) -> tuple[Floats, Floats]:
    """All groups of a stratum as one: (survival just before, Peto's estimate with one more at risk) at `rows`."""
    y, d = sets.at_risk.sum(axis=1), sets.events.sum(axis=1)
    found = []
    for factor in (np.divide(y - d, y, out=np.ones_like(y), where=y > 0), 1 - d / (y + 1)):
        found.append(_product_within(factor, sets))
    return sets.before(found[0], 1.0)[rows], found[1][rows]


def _product_within(factor: Floats, sets: RiskSets) -> Floats:
    """Running product that begins anew in each stratum."""
    out = np.empty_like(factor)
    firsts = np.append(sets.firsts, len(factor))
    for start, end in pairwise(firsts.tolist()):
        out[start:end] = np.cumprod(factor[start:end])
    return out


def _quadratic(score: Floats, variance: Floats, expected: Floats) -> tuple[float, int, tuple[str, ...]]:
    """(chi2, its degrees of freedom, warnings); groups never at risk at an event do not count."""
    alive = np.flatnonzero(expected > 0)
    if len(alive) < 2:
        return math.nan, 0, ("no event happened while two groups were at risk: there is no test",)
    rest = alive[1:]
    inner = variance[np.ix_(rest, rest)]
    rank = int(np.linalg.matrix_rank(inner, hermitian=True))
    if rank == 0:
        return math.nan, 0, ("no event happened while two groups were at risk: there is no test",)
    solved = np.linalg.pinv(inner, hermitian=True) if rank < len(rest) else np.linalg.inv(inner)
    told = ("some groups are never at risk together: fewer degrees of freedom",) if rank < len(rest) else ()
    return float(score[rest] @ solved @ score[rest]), rank, told


def _one_step(score: Floats, variance: Floats, information: Floats) -> tuple[Floats, Floats]:
    """(log hazard ratios of the later groups against the first, their covariance); NaN where not estimable."""
    k = len(score) - 1
    inner = information[1:, 1:]
    if np.linalg.matrix_rank(inner, hermitian=True) < k:
        return np.full(k, np.nan), np.full((k, k), np.nan)
    inverse = np.linalg.inv(inner)
    covariance: Floats = inverse @ variance[1:, 1:] @ inverse
    return inverse @ score[1:], covariance


def _trend(scores: tuple[float, ...] | None, score: Floats, variance: Floats) -> float:
    """z of the trend over the scores: above 0 when higher scores die sooner."""
    if scores is None:
        return math.nan
    c = np.array(scores) - np.mean(scores)
    spread = float(c @ variance @ c)
    return float(c @ score) / math.sqrt(spread) if spread > 0 else math.nan


def _tail(chi2: float, df: int) -> float:
    """P(chi2 with df degrees of freedom above it); NaN without a test."""
    from scipy.special import chdtrc

    return float(chdtrc(df, chi2)) if df > 0 and not math.isnan(chi2) else math.nan
