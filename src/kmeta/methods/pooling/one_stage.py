"""Individual data of several trials -> one hazard ratio, in one stage or in two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats
from kmeta.core.canonical import plain
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.core.numbers import decimal, interval, p_phrase, p_value
from kmeta.core.result import Result
from kmeta.methods.meta.distributions import chi2_tail, quantile
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.random_effects import random_effects
from kmeta.methods.survival.cox import CoxFit, cox
from kmeta.methods.survival.cox_coefficients import ratios
from kmeta.methods.survival.cox_data import Ties
from kmeta.methods.survival.cox_mixed import CoxMixedFit, cox_mixed
from kmeta.methods.survival.sample import groups_of

Model = Literal["stratified", "random", "two-stage"]
MODELS = {
    "stratified": "common effect, baseline hazards by study",
    "random": "random treatment effect, baseline hazards by study (Laplace)",
    "two-stage": "a Cox model in each study, then a random-effects meta-analysis",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyHazardRatio:
    """One study on its own: log HR and se are NaN where it has none, `note` says why."""

    study: str
    n: int
    events: int
    n_treated: int
    events_treated: int
    log_hr: float
    se: float
    note: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class OneStage(Result):
    """The pooled log hazard ratio of `contrast`; below 0 favours the first named.

    tau2 and its limits are NaN in the stratified model. `pi_low`, `pi_high`: the log HR of a new study. `q` tests
    whether the studies' own log HRs differ. `fit` is the model behind: of `cox`, `cox_mixed` or `random_effects`.
    """

    model: str
    contrast: str
    log_hr: float
    se: float
    ci_low: float
    ci_high: float
    statistic: float
    p: float
    tau2: float
    tau2_low: float
    tau2_high: float
    pi_low: float
    pi_high: float
    q: float
    q_df: int
    q_p: float
    n: int
    events: int
    studies: tuple[StudyHazardRatio, ...]
    level: float
    ties: str
    warnings: tuple[str, ...]
    fit: CoxFit | CoxMixedFit | MetaFit = field(repr=False)

    @property
    def hr(self) -> float:
        """The pooled hazard ratio."""
        return _ratio(self.log_hr)

    @property
    def k(self) -> int:
        """Number of studies."""
        return len(self.studies)

    def rows(self) -> list[dict[str, Any]]:
        """One row a study, then the pooled one; limits are of the hazard ratio."""
        half = quantile((1 + self.level) / 2, math.inf)
        found = [_row(s.study, s.n, s.events, s.log_hr, s.se, half * s.se) for s in self.studies]
        pooled = _row("pooled", self.n, self.events, self.log_hr, self.se, math.nan)
        pooled |= {"ci_low": _ratio(self.ci_low), "ci_high": _ratio(self.ci_high)}
        return [*found, pooled]

    def summary(self) -> str:
        """The pooled hazard ratio, heterogeneity, and the studies."""
        level = f"{100 * self.level:g} %"
        low, high = (decimal(_ratio(limit), 3) for limit in (self.ci_low, self.ci_high))
        lines = [
            f"Individual data of {self.k} studies, n = {self.n}, events = {self.events}",
            f"Model: {MODELS[self.model]}; ties: {self.ties}",
            f"{self.contrast}: HR {decimal(self.hr, 3)} ({level} CI {interval(low, high)}), "
            f"log HR {decimal(self.log_hr, 4)} (se {decimal(self.se, 4)}), {p_phrase(self.p)}",
        ]
        if not math.isnan(self.pi_low):
            limits = interval(decimal(_ratio(self.pi_low), 3), decimal(_ratio(self.pi_high), 3))
            lines.append(f"{level} prediction interval of a new study's HR {limits}")
        if not math.isnan(self.tau2):
            limits = interval(decimal(self.tau2_low, 4), decimal(self.tau2_high, 4))
            lines.append(f"tau2 = {decimal(self.tau2, 4)} ({level} CI {limits})")
        lines.append(f"Heterogeneity: Q({self.q_df}) = {decimal(self.q, 2)}, P {p_value(self.q_p)}")
        for s in self.studies:
            shown = (
                s.note
                or f"HR {decimal(_ratio(s.log_hr), 3)}, log HR {decimal(s.log_hr, 4)} (se {decimal(s.se, 4)})"
            )
            lines.append(f"  {s.study}: {s.events} events of {s.n}; {shown}")
        lines += [f"Warning: {text}." for text in self.warnings]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Every field but the patients and the model behind as plain values."""
        return {name: plain(value) for name, value in vars(self).items() if name != "fit"}

    def r_script(self) -> str:
        """R code that repeats the model: survival, coxme or metafor; patients inline, one-stage models only."""
        if isinstance(self.fit, CoxFit | MetaFit):
            return self.fit.r_script()
        return _coxme(self.fit)


def one_stage(
    time: ArrayLike,
    event: ArrayLike,
    treatment: Sequence[object] | np.ndarray,
    study: Sequence[object] | np.ndarray,
    *,
    model: Model = "stratified",
    reference: object = None,
    covariates: dict[str, ArrayLike] | None = None,
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    ties: Ties = "efron",
    tau2: str = "REML",
    test: str = "hksj",
    level: float = 0.95,
) -> OneStage:
    """One hazard ratio from individual (or reconstructed) data of several studies, each with its own baseline hazard.

    time, event, entry, weights, ties, covariates : as in `cox`. treatment : two labels, or 0 and 1; `reference` is
    the first label, or the smaller number. study : a label each.
    model : "stratified" (one common effect), "random" (the effect differs between studies; normal, by Laplace's
    approximation of the marginal likelihood; prediction interval by t with k - 2 df), "two-stage" (each study's own
    log HR, pooled by `random_effects` with `tau2` and `test`; studies without one are left out and named).

    Raises InputError for unusable data, fewer than two studies or not two treatments; ConvergenceError where the
    likelihood has no maximum.
    Source: Tudur Smith, Williamson & Marson 2005, doi:10.1002/sim.2050; Ripatti & Palmgren 2000,
    doi:10.1111/j.0006-341X.2000.01016.x; Riley, Higgins & Deeks 2011, doi:10.1136/bmj.d549.

    >>> time = [5, 8, 12, 3, 4, 9, 2, 7, 6, 10, 1, 11]
    >>> fit = one_stage(time, [1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1], list("BABAABABABAB"), [1] * 6 + [2] * 6)
    >>> fit.contrast, fit.k, round(fit.hr, 3)
    ('A vs B', 2, 10.857)
    """
    n = np.size(np.asarray(time))
    studies, place = groups_of(study, n, "study")
    if len(studies) < 2:
        raise InputError(f"all are {studies[0]!r}", where="study", hint="for one study: cox(..., group=...)")
    if model not in MODELS:
        raise InputError(f"no model is named {model!r}", where="model", hint=", ".join(MODELS))
    treated, contrast = two_arms(treatment, n, reference)
    columns: dict[str, Any] = {contrast: treated, **(covariates or {})}
    whole: dict[str, Any] = {"entry": entry, "weights": weights}
    common = cox(time, event, columns, strata=np.asarray(studies)[place], ties=ties, level=level, **whole)
    rows = _studies(common, studies, place, level)
    apart = [s for s in rows if not math.isnan(s.log_hr)]
    q = _q(apart)
    shared: dict[str, Any] = {
        "model": model,
        "contrast": contrast,
        "n": common.n,
        "events": common.events,
        "studies": rows,
        "level": level,
        "ties": ties,
        "q": q,
        "q_df": max(len(apart) - 1, 0),
        "q_p": chi2_tail(q, len(apart) - 1) if len(apart) > 1 else math.nan,
    }
    notes = tuple(f"{s.study}: {s.note}" for s in rows if s.note)
    if model == "stratified":
        return _one(common, shared, (*common.warnings, *notes))
    if model == "two-stage":
        return _two(apart, shared, notes, tau2, test, level)
    if ties == "exact":
        raise InputError(
            "a random effect needs Efron's or Breslow's likelihood", where="ties", hint='"efron"'
        )
    names = np.asarray(studies)[place]
    mixed = cox_mixed(
        time, event, columns, cluster=names, strata=names, random=contrast, ties=ties, level=level, **whole
    )
    return _one(mixed, shared, (*mixed.warnings, *notes))


def two_arms(treatment: Sequence[object] | np.ndarray, n: int, reference: object) -> tuple[Floats, str]:
    """(1 for those not in the reference arm, shape (n,); the name of the contrast)."""
    labels, place = groups_of(treatment, n, "treatment")
    if len(labels) != 2:
        raise InputError(
            f"{len(labels)} treatments: {', '.join(labels[:5])}",
            where="treatment",
            hint="two arms; for more, cox(..., group=treatment, strata=study)",
        )
    base = str(reference) if reference is not None else _first(labels)
    if base not in labels:
        raise InputError(f"no treatment is {base!r}", where="reference", hint=", ".join(labels))
    other = next(label for label in labels if label != base)
    return (place == labels.index(other)).astype(float), f"{other} vs {base}"


def _first(labels: tuple[str, ...]) -> str:
    """The smaller of two numbers, or the label that came first."""
    try:
        return min(labels, key=float)
    except ValueError:
        return labels[0]


def _studies(
    common: CoxFit, studies: tuple[str, ...], place: np.ndarray, level: float
) -> tuple[StudyHazardRatio, ...]:
    """Each study's own hazard ratio of the treatment, adjusted as the whole."""
    data, found = common.data, []
    treated = data.x[:, 0] == 1
    for i, name in enumerate(studies):
        here = place == i
        log_hr, se, note = math.nan, math.nan, ""
        try:
            own = cox(
                data.time[here],
                data.event[here],
                data.x[here],
                names=data.terms,
                entry=data.entry[here],
                weights=data.weights[here],
                ties=data.ties,  # type: ignore[arg-type]
                level=level,
            )
            log_hr, se = float(own.beta[0]), float(own.se[0])
        except (InputError, ConvergenceError) as error:
            note = f"no hazard ratio of its own ({error.message})"
        found.append(
            StudyHazardRatio(
                study=name,
                n=int(here.sum()),
                events=int(data.event[here].sum()),
                n_treated=int((here & treated).sum()),
                events_treated=int(data.event[here & treated].sum()),
                log_hr=log_hr,
                se=se,
                note=note,
            )
        )
    return tuple(found)


def _q(apart: Sequence[StudyHazardRatio]) -> float:
    """Cochran's Q of the studies' own log hazard ratios."""
    if len(apart) < 2:
        return math.nan
    y, w = np.array([s.log_hr for s in apart]), np.array([s.se**-2 for s in apart])
    return float(w @ (y - np.average(y, weights=w)) ** 2)


def _one(fit: CoxFit | CoxMixedFit, shared: dict[str, Any], warnings: tuple[str, ...]) -> OneStage:
    log_hr, se = float(fit.beta[0]), float(fit.se[0])
    half = quantile((1 + fit.level) / 2, math.inf) * se
    tau2 = low = high = pi = math.nan
    if isinstance(fit, CoxMixedFit):
        tau2, low, high = fit.tau2, fit.tau2_low, fit.tau2_high
        if len(fit.clusters) > 2:
            pi = quantile((1 + fit.level) / 2, len(fit.clusters) - 2) * math.sqrt(tau2 + se**2)
    return OneStage(
        **shared,
        log_hr=log_hr,
        se=se,
        ci_low=log_hr - half,
        ci_high=log_hr + half,
        statistic=log_hr / se,
        p=fit.rows()[0]["p_value"],
        tau2=tau2,
        tau2_low=low,
        tau2_high=high,
        pi_low=log_hr - pi,
        pi_high=log_hr + pi,
        warnings=warnings,
        fit=fit,
    )


def _two(
    apart: Sequence[StudyHazardRatio],
    shared: dict[str, Any],
    notes: tuple[str, ...],
    tau2: str,
    test: str,
    level: float,
) -> OneStage:
    if len(apart) < 2:
        raise InputError(
            f"{len(apart)} studies have a hazard ratio of their own", where="study", hint='model="stratified"'
        )
    fit = random_effects(
        [s.log_hr for s in apart],
        [s.se**2 for s in apart],
        measure="HR",
        tau2=tau2,
        test=test,
        level=level,
        labels=[s.study for s in apart],
    )
    return OneStage(
        **shared,
        log_hr=fit.mu,
        se=fit.se,
        ci_low=fit.ci_low,
        ci_high=fit.ci_high,
        statistic=fit.statistic,
        p=fit.p_value,
        tau2=fit.tau2,
        tau2_low=fit.tau2_low,
        tau2_high=fit.tau2_high,
        pi_low=fit.pi_low,
        pi_high=fit.pi_high,
        warnings=(*notes, *fit.warnings),
        fit=fit,
    )


def _ratio(log_hr: float) -> float:
    return float(ratios(np.asarray(log_hr)))


def _row(name: str, n: int, events: int, log_hr: float, se: float, half: float) -> dict[str, Any]:
    return {
        "study": name,
        "n": n,
        "events": events,
        "log_hr": log_hr,
        "se": se,
        "hr": _ratio(log_hr),
        "ci_low": _ratio(log_hr - half),
        "ci_high": _ratio(log_hr + half),
    }


def _coxme(fit: CoxMixedFit) -> str:
    """The mixed model in coxme; its optimiser stops within about 0.001 of the maximum."""
    from kmeta.methods.survival.cox_text import r_data

    lines, outcome, right, options = r_data(fit.data, fit.terms)
    return "\n".join(
        [
            "library(survival)",
            "library(coxme)",
            "",
            *lines,
            "",
            f"fit <- coxme({outcome} ~ {' + '.join(right)} + (x1 - 1 | stratum), data = dat, {', '.join(options)})",
            "fit",
            f"# kmeta: log HR {fit.beta.tolist()!r}, se {fit.se.tolist()!r}, tau2 {fit.tau2!r}",
            "",
        ]
    )
