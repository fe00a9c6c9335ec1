"""Mixture cure model: a share of the patients never has the event, the others follow a parametric distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.methods.survival.parametric.covariates import (
    Covariates,
    covariate_matrix,
    patterns_of,
    refuse_unidentified,
)
from kmeta.methods.survival.parametric.distribution import Choices, distribution_named
from kmeta.methods.survival.parametric.fit import (
    checked_choices,
    checked_level,
    fitted,
    lifetimes,
)
from kmeta.methods.survival.parametric.mixture import LINKS, MixtureCure
from kmeta.methods.survival.parametric.prediction import ParametricPrediction
from kmeta.methods.survival.parametric.result import ParametricSurvival
from kmeta.methods.survival.sample import SurvivalSample, survival_sample

FEW_BEYOND = 10  # patients followed beyond the last event, below which the plateau rests on few
SHORT_PLATEAU = 0.1  # share of follow-up beyond the last event
SUFFICIENT = 0.05  # Maller and Zhou's statistic must be below it
STOPPED_AT = 0.8  # of the longest follow-up, in the second refit


@dataclass(frozen=True, kw_only=True, eq=False)
class FollowUp:
    """Whether follow-up is long enough for a plateau to be seen.

    `maller_zhou` is (1 - N/n)^n, N being the events within the last event time less the length of the plateau:
    small when follow-up suffices.
    """

    last_event: float
    last_time: float
    n_beyond: int
    share_beyond: float
    late_events: int
    maller_zhou: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Refit:
    """The cured share when the data end otherwise."""

    change: str
    cure_fraction: float


@dataclass(frozen=True, kw_only=True, eq=False)
class CureModel(Result):
    """A mixture cure model. `fit` is its maximum likelihood; `without_cure` the same distribution without a cure.

    `refits` show how far the share hangs on the last follow-up times.
    """

    fit: ParametricSurvival
    without_cure: ParametricSurvival
    distribution: str
    link: str
    follow_up: FollowUp
    refits: tuple[Refit, ...]
    warnings: tuple[str, ...]

    @property
    def loglik(self) -> float:
        """Log-likelihood."""
        return self.fit.loglik

    @property
    def aic(self) -> float:
        """Akaike's criterion."""
        return self.fit.aic

    @property
    def delta_aic(self) -> float:
        """AIC with cure less AIC without: below 0 speaks for a cured share."""
        return self.fit.aic - self.without_cure.aic

    def cure_fraction(self, covariates: Covariates | None = None) -> list[dict[str, Any]]:
        """The cured share with its interval (on the link's scale), one row a pattern of covariates."""
        from scipy.special import ndtri

        fit, crit = self.fit, float(ndtri((1 + self.fit.level) / 2))
        matrix, labels = patterns_of(covariates, fit.names)
        p = len(fit.theta)
        rows = []
        for row, label in zip(matrix, labels, strict=True):
            direction = np.concatenate([[1.0], np.zeros(p - 1), row])
            eta = float(fit.theta[0] + row @ fit.coefficients)
            spread = math.sqrt(max(0.0, float(direction @ np.nan_to_num(fit.covariance) @ direction)))
            if np.isnan(fit.covariance[0, 0]):
                spread = math.nan
            value, low, high = (
                _share(self.link, end) for end in (eta, eta - crit * spread, eta + crit * spread)
            )
            se = spread * _slope(self.link, eta)
            rows.append({"pattern": label, "cure_fraction": value, "se": se, "ci_low": low, "ci_high": high})
        return rows

    def rows(self) -> list[dict[str, Any]]:
        """One row a parameter; the cured share first (at covariates 0 when there are some)."""
        zero = dict.fromkeys(self.fit.names, 0.0) or None
        share = self.cure_fraction(zero)[0]
        head = {
            "parameter": "cure_fraction",
            "estimate": share["cure_fraction"],
            "se": share["se"],
            "ci_low": share["ci_low"],
            "ci_high": share["ci_high"],
        }
        rest = [{key: row[key] for key in head} for row in self.fit.rows()[1:]]
        return [head, *rest]

    def survival(self, times: ArrayLike, covariates: Covariates | None = None) -> ParametricPrediction:
        """Survival of all patients, the cured among them."""
        return self.fit.survival(times, covariates)

    def quantile(self, p: ArrayLike, covariates: Covariates | None = None) -> ParametricPrediction:
        """The time by which a share `p` had the event; NaN: the plateau lies above."""
        return self.fit.quantile(p, covariates)

    def rmst(self, tau: ArrayLike, covariates: Covariates | None = None) -> ParametricPrediction:
        """Mean time lived up to each `tau`."""
        return self.fit.rmst(tau, covariates)

    def summary(self) -> str:
        """The model, its follow-up, its refits and its warnings."""
        f = self.follow_up
        lines = [
            f"mixture cure, {self.distribution}, link {self.link}: n {self.fit.n}, events {self.fit.events}",
            f"log-likelihood {self.loglik:.4f}, AIC {self.aic:.3f}; without cure {self.without_cure.aic:.3f}",
            super().summary(),
            f"last event {f.last_event:.4g}, longest follow-up {f.last_time:.4g}: {f.n_beyond} patients and "
            f"{f.share_beyond:.0%} of follow-up beyond the last event; Maller-Zhou {f.maller_zhou:.3g}",
            *(f"{refit.change}: cured share {refit.cure_fraction:.3f}" for refit in self.refits),
            *(f"warning: {w}" for w in self.warnings),
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The numbers of both fits, the follow-up, the refits and the warnings."""
        return {
            "distribution": self.distribution,
            "link": self.link,
            "parameters": self.rows(),
            "fit": self.fit.to_dict(),
            "without_cure": self.without_cure.to_dict(),
            "follow_up": {name: getattr(self.follow_up, name) for name in FollowUp.__dataclass_fields__},
            "refits": [{"change": r.change, "cure_fraction": r.cure_fraction} for r in self.refits],
            "warnings": list(self.warnings),
        }

    def r_script(self) -> str:
        """R code with the data inline: the flexsurvcure call that gives the same numbers."""
        from kmeta.methods.survival.parametric.r_call import r_cure_call

        return r_cure_call(self.fit, self.link)


def cure_model(
    time: ArrayLike,
    event: ArrayLike,
    *,
    distribution: str = "weibull",
    covariates: Covariates | None = None,
    link: str = "logit",
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    knots: Sequence[float] | None = None,
    n_knots: int | None = None,
    level: float = 0.95,
) -> CureModel:
    """Fit S(t) = pi + (1 - pi) S0(t) by maximum likelihood: `pi` is the share that never has the event.

    time : follow-up above 0, shape (n,). event : 1 event, 0 censored. distribution : of the times of those not cured,
    as in `parametric_survival`. covariates : act on the share, through `link` ("logit", "probit", "cloglog").

    A plateau that is not seen cannot be estimated: `warnings` tell when few patients, or little follow-up, lie beyond
    the last event, when Maller and Zhou's statistic says follow-up is short, when the AIC prefers no cure, and when
    the share moves by more than its standard error as the last patient or the last fifth of follow-up changes.
    Raises InputError for data that cannot be. Source: Boag 1949, doi:10.1111/j.2517-6161.1949.tb00020.x;
    Maller & Zhou 1996, Survival Analysis with Long-Term Survivors, ch. 4.

    >>> time = [1, 1.5, 2, 2, 2.5, 3, 3.5, 4, 5, 6, 20, 21, 22, 23, 24, 25]
    >>> model = cure_model(time, [1] * 10 + [0] * 6)
    >>> round(model.rows()[0]["estimate"], 2), model.delta_aic < 0
    (0.37, True)
    """
    level = checked_level(level)
    if link not in LINKS:
        raise InputError(f"no link is named {link!r}", where="link", hint=", ".join(LINKS))
    sample = survival_sample(time, event, entry=entry, weights=weights)
    x, labels = covariate_matrix(covariates, names, sample.n)
    refuse_unidentified(x, labels, sample.event)
    choices = checked_choices(knots, n_knots)
    fit = _with_cure(sample, x, labels, distribution, link, choices, level)
    lives = lifetimes(sample)
    plain = fitted(distribution_named(distribution, lives, choices), sample, lives, x, labels, level)
    follow = _follow_up(sample)
    refits = _refits(sample, x, labels, distribution, link, choices, level)
    return CureModel(
        fit=fit,
        without_cure=plain,
        distribution=plain.distribution,
        link=link,
        follow_up=follow,
        refits=refits,
        warnings=(*fit.warnings, *_doubts(fit, plain, follow, refits, link)),
    )


def _with_cure(
    sample: SurvivalSample,
    x: Floats,
    names: tuple[str, ...],
    distribution: str,
    link: str,
    choices: Choices,
    level: float,
) -> ParametricSurvival:
    lives = lifetimes(sample)
    model = MixtureCure(distribution_named(distribution, lives, choices), link)
    return fitted(model, sample, lives, x, names, level)


def _share(link: str, eta: float) -> float:
    if math.isnan(eta):
        return math.nan
    return float(np.exp(LINKS[link](np.array([eta]))[0][0]))


def _slope(link: str, eta: float) -> float:
    """d pi / d eta."""
    cured, _, in_cured, _ = LINKS[link](np.array([eta]))
    return float(np.exp(cured[0]) * in_cured[0])


def _mean_share(fit: ParametricSurvival, link: str) -> float:
    """The cured share averaged over the patients."""
    eta = fit.theta[0] + fit.x @ fit.coefficients
    return float(np.average(np.exp(LINKS[link](eta)[0]), weights=fit.sample.weights))


def _follow_up(sample: SurvivalSample) -> FollowUp:
    """How far follow-up goes beyond the last event. Source: Maller & Zhou 1994, doi:10.1080/01621459.1994.10476889."""
    died = sample.event == 1
    last_event, last = float(sample.time[died].max()), float(sample.time.max())
    late = int((died & (sample.time > 2 * last_event - last) & (sample.time <= last_event)).sum())
    late = late if last > last_event else 0
    return FollowUp(
        last_event=last_event,
        last_time=last,
        n_beyond=int((sample.time > last_event).sum()),
        share_beyond=(last - last_event) / last,
        late_events=late,
        maller_zhou=(1 - late / sample.n) ** sample.n,
    )


def _refits(
    sample: SurvivalSample,
    x: Floats,
    names: tuple[str, ...],
    distribution: str,
    link: str,
    choices: Choices,
    level: float,
) -> tuple[Refit, ...]:
    """The share when the last patient had the event, and when follow-up stops earlier."""
    last = int(np.argmax(np.where(sample.event == 0, sample.time, -np.inf)))
    changed = sample.event.copy()
    changed[last] = 1
    stop = STOPPED_AT * float(sample.time.max())
    early = np.where(sample.time > stop, 0.0, sample.event)
    kept = sample.entry < stop
    others = (
        ("the last censored patient taken as an event", sample.time, changed, np.ones(sample.n, bool)),
        (f"follow-up stopped at {stop:.4g}", np.minimum(sample.time, stop), early, kept),
    )
    found = []
    for words, time, event, rows in others:
        try:
            other = survival_sample(
                time[rows], event[rows], entry=sample.entry[rows], weights=sample.weights[rows]
            )
            fit = _with_cure(other, x[rows], names, distribution, link, choices, level)
        except InputError:
            continue
        found.append(Refit(change=words, cure_fraction=_mean_share(fit, link)))
    return tuple(found)


def _doubts(
    fit: ParametricSurvival,
    plain: ParametricSurvival,
    follow: FollowUp,
    refits: tuple[Refit, ...],
    link: str,
) -> list[str]:
    """Why the cured share may not be one."""
    said = []
    if follow.n_beyond < FEW_BEYOND:
        said.append(f"plateau: {follow.n_beyond} patients were followed beyond the last event")
    if follow.share_beyond < SHORT_PLATEAU:
        said.append(f"plateau: {follow.share_beyond:.1%} of follow-up lies beyond the last event")
    if follow.maller_zhou >= SUFFICIENT:
        said.append(
            f"follow-up: Maller and Zhou's statistic is {follow.maller_zhou:.3g}, "
            f"not below {SUFFICIENT:g}: too short to tell a cure from late events"
        )
    if fit.aic >= plain.aic:
        said.append(f"no gain: AIC {fit.aic:.1f} with a cured share, {plain.aic:.1f} without")
    here, se = _mean_share(fit, link), math.sqrt(fit.covariance[0, 0]) * _slope(link, float(fit.theta[0]))
    for refit in refits:
        moved = abs(refit.cure_fraction - here)
        if not math.isnan(se) and moved > max(se, 0.01):
            said.append(
                f"fragile: {refit.change}, the cured share is {refit.cure_fraction:.3f}, not {here:.3f}"
            )
    return said
