"""Cox's proportional hazards model: the call and its result."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.canonical import plain
from kmeta.core.errors import InputError
from kmeta.methods.survival.cox_baseline import CoxCurves, baseline
from kmeta.methods.survival.cox_coefficients import Coefficients, checked_level
from kmeta.methods.survival.cox_concordance import Concordance, concordance
from kmeta.methods.survival.cox_data import Covariates, CoxData, Ties, cox_data
from kmeta.methods.survival.cox_fit import maximise
from kmeta.methods.survival.cox_newton import inverse
from kmeta.methods.survival.cox_periods import CoxPeriods, by_period
from kmeta.methods.survival.cox_proportional import (
    ProportionalHazardsTest,
    Transform,
    proportional_hazards_test,
)
from kmeta.methods.survival.cox_residuals import dfbeta, residuals
from kmeta.methods.survival.cox_text import r_script, summary

FEW_EVENTS = 5  # a covariate
FEW_CLUSTERS = 20
SHOWN = 5  # strata named in a warning


@dataclass(frozen=True, kw_only=True, eq=False)
class WaldTest:
    """A chi2 test: of all coefficients at once."""

    chi2: float
    df: int
    p: float


@dataclass(frozen=True, kw_only=True, eq=False)
class CoxFit(Coefficients):
    """A Cox model. `beta` are log hazard ratios a unit of each term, arrays of length p.

    `vcov` is what se, z, p and intervals are of: the robust one where `robust`; `naive_vcov` is the inverse of the
    information. `loglik` is at 0 and at `beta`. `data` holds the patients; it does not enter `to_dict()`.
    """

    naive_vcov: Floats
    loglik: tuple[float, float]
    likelihood_ratio: WaldTest
    wald: WaldTest
    score: WaldTest
    robust_score: WaldTest | None
    n: int
    events: int
    strata: tuple[str, ...]
    clusters: int | None
    ties: str
    robust: bool
    iterations: int
    warnings: tuple[str, ...]
    data: CoxData = field(repr=False)

    @property
    def aic(self) -> float:
        """Akaike's criterion: twice the number of terms less twice the log partial likelihood."""
        return 2 * len(self.terms) - 2 * self.loglik[1]

    @property
    def bic(self) -> float:
        """Schwarz's criterion with the number of events (Volinsky & Raftery 2000, Biometrics 56:256)."""
        return len(self.terms) * math.log(self.events) - 2 * self.loglik[1]

    @property
    def linear_predictor(self) -> Floats:
        """Log hazard ratio of each patient against the mean patient, shape (n,)."""
        return (self.data.x - self.data.mean) @ self.beta

    def concordance(self) -> Concordance:
        """Harrell's C of the linear predictor, with its se by the infinitesimal jackknife; see `concordance`."""
        return concordance(self.data, self.linear_predictor)

    def baseline(
        self,
        at: Covariates = None,
        *,
        interval: str = "log-log",
        level: float | None = None,
    ) -> CoxCurves:
        """Cumulative hazard and survival by stratum: where all covariates are 0, at their means, or at rows `at`.

        at : None (all 0), "mean", a mapping term -> value(s), or an array (p,) or (m, p).
        interval : scale of the interval, as in `kaplan_meier`. Breslow's or Efron's estimator, as the ties.
        """
        return baseline(self, at, interval=interval, level=self.level if level is None else level)

    def residuals(self, kind: str = "martingale") -> Floats:
        """Residuals in the order of the patients; of the events, in the order of time within strata, for Schoenfeld's.

        kind : "martingale" or "deviance" (n,); "score", "dfbeta", "dfbetas" (n, p); "schoenfeld",
        "scaled_schoenfeld" (events, p).
        """
        return residuals(self.data, self.beta, self.naive_vcov, kind)

    def proportional_hazards_test(
        self, transform: Transform | Callable[[Floats], ArrayLike] = "km"
    ) -> ProportionalHazardsTest:
        """Score tests of a slope of each coefficient in g(time), and of all; see `proportional_hazards_test`."""
        return proportional_hazards_test(self.data, self.beta, self.naive_vcov, self.level, transform)

    def by_period(self, cuts: ArrayLike) -> CoxPeriods:
        """Hazard ratios between 0, each of `cuts` and the end of follow-up, and the test that they are the same."""
        return by_period(self.data, self.loglik[1], cuts, self.level)

    def summary(self) -> str:
        """The model as R prints it."""
        return summary(self)

    def r_script(self) -> str:
        """R code (package survival) that repeats the fit, with the data inline."""
        return r_script(self)

    def to_dict(self) -> dict[str, Any]:
        """Every field but the patients as plain values, and the concordance."""
        named = [f.name for f in fields(self) if f.name != "data"]
        return {name: plain(getattr(self, name)) for name in named} | {
            "concordance": plain(self.concordance())
        }


def cox(
    time: ArrayLike,
    event: ArrayLike,
    covariates: Covariates = None,
    *,
    group: Sequence[object] | np.ndarray | None = None,
    reference: object = None,
    names: Sequence[str] | None = None,
    strata: Sequence[object] | np.ndarray | None = None,
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    ties: Ties = "efron",
    robust: bool = False,
    cluster: Sequence[object] | np.ndarray | None = None,
    level: float = 0.95,
) -> CoxFit:
    """Cox's proportional hazards model of n patients.

    time : follow-up, 0 or later, shape (n,), one unit for all. event : 1 event, 0 censored.
    covariates : (n,), (n, p) with `names`, or a mapping name -> column; numbers. group : a label each, compared with
    the first label or with `reference` ("B vs A": a hazard ratio below 1 favours B). strata : a baseline hazard for
    each label. entry : when each patient came under observation (left truncation). weights : above 0.
    ties : "efron", "breslow" or "exact" (the ties are one draw without order; no weights).
    robust : Lin and Wei's variance; with `cluster` its contributions are summed over the cluster first.

    Raises InputError for unusable data and for covariates that follow from others, naming them; ConvergenceError
    where the likelihood has no maximum (no event in an arm), with the last iterate. O(n p^2) an iteration.
    Source: Cox 1972, doi:10.1111/j.2517-6161.1972.tb00899.x; Efron 1977, doi:10.2307/2286217;
    Lin & Wei 1989, doi:10.1080/01621459.1989.10478874.

    >>> fit = cox([5, 8, 12, 3, 4, 9, 2, 7], [1, 1, 0, 1, 1, 1, 1, 0], group=list("BABAABBA"))
    >>> fit.terms, fit.hr.round(3).tolist(), fit.se.round(3).tolist()
    (('A vs B',), [1.783], [0.926])
    """
    level = checked_level(level)
    data = cox_data(
        time,
        event,
        covariates,
        group=group,
        reference=reference,
        names=names,
        strata=strata,
        entry=entry,
        weights=weights,
        cluster=cluster,
        ties=ties,
    )
    return fit_data(data, robust=robust or cluster is not None, level=level)


def fit_data(data: CoxData, *, robust: bool = False, level: float = 0.95) -> CoxFit:
    """The fit of checked data."""
    if robust and data.ties == "exact":
        raise InputError("the exact likelihood has no robust variance", where="robust", hint='ties="efron"')
    summit, scale = maximise(data), data.standard[1]
    units = np.outer(scale, scale)
    naive = inverse(summit.top.information) / units
    beta = summit.beta / scale
    vcov, clusters, robust_score = naive, None, None
    if robust:
        influence = _by_cluster(dfbeta(data, beta, naive), data.cluster)
        vcov, clusters = influence.T @ influence, len(influence)
        robust_score = _robust_score(data)
    return CoxFit(
        terms=data.terms,
        beta=frozen(beta),
        vcov=frozen(vcov),
        naive_vcov=frozen(naive),
        loglik=(summit.start.loglik, summit.top.loglik),
        likelihood_ratio=_chi2(2 * (summit.top.loglik - summit.start.loglik), len(beta)),
        wald=_chi2(_quadratic(vcov, beta), len(beta)),
        score=_chi2(_quadratic(summit.start.information, summit.start.score), len(beta)),
        robust_score=robust_score,
        n=data.n,
        events=data.events,
        strata=data.strata,
        clusters=clusters,
        ties=data.ties,
        robust=robust,
        level=level,
        iterations=summit.iterations,
        warnings=_warnings(data, clusters),
        data=data,
    )


def _robust_score(data: CoxData) -> WaldTest:
    """The score test at 0 with the empirical variance of its contributions."""
    zero = np.zeros(len(data.terms))
    parts = residuals(data, zero, np.eye(len(zero)), "score") * data.weights[:, None]
    parts = _by_cluster(parts, data.cluster)
    return _chi2(_quadratic(parts.T @ parts, parts.sum(axis=0)), len(zero))


def _by_cluster(rows: Floats, cluster: np.ndarray | None) -> Floats:
    if cluster is None:
        return rows
    out = np.zeros((int(cluster.max()) + 1, rows.shape[1]))
    np.add.at(out, cluster, rows)
    return out


def _quadratic(matrix: Floats, vector: Floats) -> float:
    try:
        return float(vector @ np.linalg.solve(matrix, vector))
    except np.linalg.LinAlgError:
        return math.nan


def _chi2(value: float, df: int) -> WaldTest:
    from scipy.special import chdtrc

    return WaldTest(
        chi2=value, df=df, p=math.nan if math.isnan(value) else float(chdtrc(df, max(value, 0.0)))
    )


def _warnings(data: CoxData, clusters: int | None) -> tuple[str, ...]:
    found = []
    p = len(data.terms)
    if data.events < FEW_EVENTS * p:
        found.append(
            f"few events: {data.events} for {p} covariate{'s' if p > 1 else ''}, estimates are biased"
        )
    if clusters is not None and clusters < FEW_CLUSTERS:
        found.append(f"few clusters: the robust variance rests on {clusters}, and is too small on average")
    with_events = np.bincount(data.stratum, weights=data.event, minlength=len(data.strata))
    silent = [label for label, d in zip(data.strata, with_events.tolist(), strict=True) if not d]
    if silent:
        more = f" and {len(silent) - SHOWN} more" if len(silent) > SHOWN else ""
        found.append(f"no event in a stratum: {', '.join(silent[:SHOWN])}{more} say nothing")
    return tuple(found)
