"""Cox models with random effects: shared frailties of clusters, and effects that differ between clusters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.canonical import plain
from kmeta.core.errors import InputError
from kmeta.core.numbers import decimal, interval, p_phrase, p_value
from kmeta.methods.survival.cox_coefficients import Coefficients, checked_level
from kmeta.methods.survival.cox_data import Covariates, CoxData, Ties, cox_data
from kmeta.methods.survival.cox_likelihood import Ints
from kmeta.methods.survival.cox_penalised import Penalised, best_variance, variance_interval
from kmeta.methods.survival.sample import groups_of

Distribution = Literal["normal", "gamma"]
LARGEST = 20_000_000  # clusters times patients: one matrix of this many numbers is held
INTERCEPT = "intercept"


@dataclass(frozen=True, kw_only=True, eq=False)
class CoxMixedFit(Coefficients):
    """A Cox model with one random effect for each of `clusters`.

    `random` is "intercept" or the term whose coefficient varies; `tau2` the variance of the effects (of a gamma
    frailty: of the frailty itself, whose mean is 1), with its profile-likelihood limits. `effects` are on the log
    hazard scale, the deviations of each cluster with their conditional standard errors. `loglik` is integrated over
    the effects, `loglik_fixed` that of the model without them.
    """

    random: str
    distribution: str
    tau2: float
    tau2_low: float
    tau2_high: float
    tau2_p: float
    clusters: tuple[str, ...]
    effects: Floats
    effects_se: Floats
    loglik: float
    loglik_fixed: float
    n: int
    events: int
    strata: tuple[str, ...]
    ties: str
    warnings: tuple[str, ...]
    data: CoxData = field(repr=False)

    @property
    def tau(self) -> float:
        """Standard deviation of the effects."""
        return math.sqrt(self.tau2)

    def cluster_rows(self) -> list[dict[str, Any]]:
        """One row a cluster: its effect and conditional se."""
        columns = zip(self.clusters, self.effects.tolist(), self.effects_se.tolist(), strict=True)
        return [{"cluster": name, "effect": effect, "se": se} for name, effect, se in columns]

    def summary(self) -> str:
        """Fixed effects, the variance with its interval and test."""
        strata = f", {len(self.strata)} strata" if len(self.strata) > 1 else ""
        what = "frailties (random intercepts)" if self.random == INTERCEPT else f"effects of {self.random}"
        lines = [
            f"Mixed Cox model: n = {self.n}, events = {self.events}{strata}, {len(self.clusters)} clusters",
            f"Random: {self.distribution} {what}",
            "",
        ]
        for row in self.rows():
            limits = interval(decimal(row["ci_low"], 3), decimal(row["ci_high"], 3))
            lines.append(
                f"{row['term']}: HR {decimal(row['hr'], 3)} ({limits}), log HR {decimal(row['log_hr'], 4)} "
                f"(se {decimal(row['se'], 4)}), P {p_value(row['p_value'])}"
            )
        limits = interval(decimal(self.tau2_low, 4), decimal(self.tau2_high, 4))
        lines += [
            "",
            f"tau2 = {decimal(self.tau2, 4)} ({100 * self.level:g} % profile CI {limits}), {p_phrase(self.tau2_p)}",
            f"Integrated log-likelihood = {decimal(self.loglik, 3)}, "
            f"without random effects {decimal(self.loglik_fixed, 3)}",
            *(f"Warning: {text}." for text in self.warnings),
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Every field but the patients as plain values."""
        return {name: plain(value) for name, value in vars(self).items() if name != "data"}


def cox_mixed(
    time: ArrayLike,
    event: ArrayLike,
    covariates: Covariates = None,
    *,
    cluster: Sequence[object] | np.ndarray,
    random: str = INTERCEPT,
    distribution: Distribution = "normal",
    group: Sequence[object] | np.ndarray | None = None,
    reference: object = None,
    names: Sequence[str] | None = None,
    strata: Sequence[object] | np.ndarray | None = None,
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    ties: Ties = "efron",
    level: float = 0.95,
) -> CoxMixedFit:
    """A Cox model with an effect of each cluster, drawn from a distribution; the other arguments as in `cox`.

    cluster : a label each, shape (n,). random : "intercept" (a frailty that the cluster shares) or the name of a term
    whose coefficient varies between clusters. distribution : "normal" (log-normal frailties; the variance maximises
    Laplace's approximation of the marginal likelihood, as coxme does) or "gamma" (intercepts; the exact marginal
    likelihood given the baseline hazard).
    Standard errors are those of the penalised likelihood at the estimated variance. The P value of the variance halves
    that of chi2(1), for 0 is at the boundary.
    Raises InputError for unusable data, ConvergenceError where a likelihood has no maximum.
    Source: Ripatti & Palmgren 2000, doi:10.1111/j.0006-341X.2000.01016.x; Nielsen et al. 1992 (gamma), Scand J Stat
    19:25; Therneau, Grambsch & Pankratz 2003, doi:10.1198/1061860031365.

    >>> time, event = [5, 8, 12, 3, 4, 9, 2, 7, 6, 10, 1, 11], [1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1]
    >>> fit = cox_mixed(time, event, group=list("BABAABBABAAB"), cluster=list("xxxxyyyyzzzz"))
    >>> fit.terms, len(fit.effects), fit.tau2 >= 0
    (('A vs B',), 3, True)
    """
    level = checked_level(level)
    if ties == "exact":
        raise InputError("random effects need Efron's or Breslow's likelihood", where="ties", hint='"efron"')
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
        ties=ties,
    )
    return fit_mixed(data, *groups_of(cluster, data.n, "cluster"), random, distribution, level)


def fit_mixed(
    data: CoxData, labels: tuple[str, ...], cluster: Ints, random: str, distribution: str, level: float
) -> CoxMixedFit:
    """The fit of checked data; `cluster` is the place of each patient's label among `labels`."""
    from scipy.special import chdtrc

    z, unit = _multiplier(data, labels, cluster, random, distribution)
    model = Penalised(data, cluster, z, gamma=distribution == "gamma")

    def likelihood(theta: float) -> float:
        return model.at(theta).loglik

    best = best_variance(likelihood, unit)
    low, high = variance_interval(likelihood, best, unit, level)
    top = model.at(best)
    units = np.outer(model.scale, model.scale)
    p = model.p
    effects_se = np.sqrt(np.diag(top.covariance)[p:]) if best > 0 else np.zeros(model.k)
    gain = 2 * (top.loglik - model.at_zero.loglik)
    return CoxMixedFit(
        terms=data.terms,
        beta=frozen(top.beta / model.scale),
        vcov=frozen(top.covariance[:p, :p] / units),
        random=random,
        distribution=distribution,
        tau2=best,
        tau2_low=low,
        tau2_high=high,
        tau2_p=0.5 * float(chdtrc(1, max(gain, 0.0))) if best > 0 else 1.0,
        clusters=labels,
        effects=frozen(top.effects),
        effects_se=frozen(effects_se),
        loglik=top.loglik,
        loglik_fixed=model.at_zero.loglik,
        n=data.n,
        events=data.events,
        strata=data.strata,
        ties=data.ties,
        level=level,
        warnings=_warnings(labels, best),
        data=data,
    )


def _multiplier(
    data: CoxData, labels: tuple[str, ...], cluster: Ints, random: str, distribution: str
) -> tuple[Floats, float]:
    """(what the effects multiply, shape (n,); the unit of their standard deviation)."""
    if distribution not in ("normal", "gamma"):
        raise InputError(
            f"no distribution is named {distribution!r}", where="distribution", hint="normal, gamma"
        )
    if distribution == "gamma" and (data.weights != 1).any():
        raise InputError("gamma frailties take no weights", where="weights", hint='distribution="normal"')
    if len(labels) < 2:
        raise InputError("there is one cluster", where="cluster", hint="a variance needs two or more")
    if len(labels) * data.n > LARGEST:
        raise InputError(
            f"{len(labels)} clusters of {data.n} patients are too many",
            where="cluster",
            hint="strata=..., or a robust variance: cox(cluster=...)",
        )
    if random == INTERCEPT:
        pairs = len(np.unique(cluster + len(labels) * data.stratum))
        if pairs == len(data.strata):
            raise InputError(
                "the strata are the clusters or finer: a frailty cannot be told from the baseline",
                where="strata",
                hint="leave strata out, or let an effect vary: random=" + repr(data.terms[0]),
            )
        return np.ones(data.n), 1.0
    if random not in data.terms:
        raise InputError(
            f"no term is named {random!r}", where="random", hint=", ".join((INTERCEPT, *data.terms))
        )
    if distribution == "gamma":
        raise InputError("a gamma frailty is an intercept", where="distribution", hint='"normal"')
    j = data.terms.index(random)
    return data.x[:, j], 1 / float(data.x[:, j].std())


def _warnings(labels: tuple[str, ...], best: float) -> tuple[str, ...]:
    found = []
    if len(labels) < 5:
        found.append(f"few clusters: a variance between {len(labels)} is hardly known, see its interval")
    if best == 0:
        found.append("no variance: the likelihood is highest without differences between clusters")
    return tuple(found)
