"""Selection models: the random-effects model of all studies, seen and unseen, when p values decide what is seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.core.numbers import decimal, interval, p_phrase
from kmeta.core.result import Result
from kmeta.methods.meta.distributions import chi2_tail, quantile, two_sided
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.likelihood import maximum_likelihood_tau2
from kmeta.methods.meta.sample import Sample, Weighted
from kmeta.methods.meta.scales import back_transform
from kmeta.methods.meta.selection_functions import FAMILIES, LARGEST, Family, step_family
from kmeta.methods.meta.selection_likelihood import Height, Selected, ascend

ALTERNATIVES = ("greater", "less", "two.sided")
KINDS = ("stepfun", *FAMILIES)


@dataclass(frozen=True, kw_only=True, eq=False)
class SelectionModel(Result):
    """`mu`, `tau2` of the studies before selection, by maximum likelihood, with `delta` of the weight function.

    With moderators `beta`, `vcov` hold all coefficients of `terms`. Standard errors come from the observed
    information; that of a variance of 0 or of a given delta is NaN. `lrt` tests the free deltas against no selection
    (`lrt_df` degrees of freedom). `steps` and `counts`: limits of the p value intervals and the studies in each
    (step functions only). `log_likelihood`, and `log_likelihood0` without selection.
    """

    kind: str
    alternative: str
    measure: str
    k: int
    level: float
    terms: tuple[str, ...]
    beta: Floats
    vcov: Floats
    mu: float
    se: float
    statistic: float
    p_value: float
    ci_low: float
    ci_high: float
    tau2: float
    tau2_se: float
    delta: Floats
    delta_se: Floats
    steps: tuple[float, ...]
    counts: tuple[int, ...]
    lrt: float
    lrt_df: int
    lrt_p: float
    log_likelihood: float
    log_likelihood0: float
    fixed: tuple[bool, ...]
    call: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def effect(self) -> float:
        """mu on the scale people read."""
        return float(back_transform(self.measure)(np.asarray(self.mu)))

    @property
    def effect_ci(self) -> tuple[float, float]:
        """Confidence interval on the scale people read."""
        back = back_transform(self.measure)
        return float(back(np.asarray(self.ci_low))), float(back(np.asarray(self.ci_high)))

    def summary(self) -> str:
        """The model as a methodologist expects it printed."""
        limits = interval(decimal(self.ci_low, 4), decimal(self.ci_high, 4))
        lines = [
            f"Selection model ({self.kind}, alternative {self.alternative}), k = {self.k}, maximum likelihood",
            f"{self.terms[0]} {decimal(self.mu, 4)}, se {decimal(self.se, 4)}, {100 * self.level:g} % CI {limits}, "
            f"{p_phrase(self.p_value)}; tau2 = {decimal(self.tau2, 4)}",
            "delta: " + ", ".join(_cell(d, s) for d, s in zip(self.delta, self.delta_se, strict=True)),
        ]
        if self.lrt_df:
            lines.append(
                f"Test of no selection: chi2({self.lrt_df}) = {decimal(self.lrt, 3)}, {p_phrase(self.lrt_p)}"
            )
        return "\n".join([*lines, *(f"Warning: {text}." for text in self.warnings)])

    def rows(self) -> list[dict[str, Any]]:
        """One row a parameter: coefficients, tau2, deltas."""
        z = quantile(self.level, math.inf)
        names = [*self.terms, "tau2", *(f"delta {j + 1}" for j in range(len(self.delta)))]
        values = [*self.beta.tolist(), self.tau2, *self.delta.tolist()]
        errors = [*np.sqrt(np.diag(self.vcov)).tolist(), self.tau2_se, *self.delta_se.tolist()]
        return [
            {"term": name, "estimate": b, "se": s, "ci_low": b - z * s, "ci_high": b + z * s}
            for name, b, s in zip(names, values, errors, strict=True)
        ]

    def r_script(self) -> str:
        """R code with the data inline: the metafor call that gives the same numbers."""
        return self.call


def _cell(value: float, se: float) -> str:
    return decimal(value, 4) + ("" if math.isnan(se) else f" (se {decimal(se, 4)})")


def selection_model(
    fit: MetaFit,
    *,
    kind: str = "stepfun",
    steps: Sequence[float] = (0.025,),
    alternative: str = "greater",
    delta: Sequence[float | None] | None = None,
) -> SelectionModel:
    """Refit a model (its estimates, moderators, and tau2 unless given or held at 0) by ML under selection.

    kind : "stepfun" weights constant between `steps` of p, the first 1 (one step at 0.025: the three-parameter
        model); "beta" p**(d1-1) (1-p)**(d2-1); "halfnorm" exp(-d p**2); "negexp" exp(-d p); "logistic"
        2 exp(-d p) / (1 + exp(-d p)); "power" (1-p)**d.
    alternative : whether p is one-sided for estimates above 0 ("greater"), below 0 ("less"), or two-sided.
    delta : fixed parameters, None where one is to be estimated; for step functions one for each interval, the
        first 1 (as Vevea & Woods, who give whole functions).
    Integrals by Gauss-Legendre panels (12 digits), Newton steps from several starts, the highest maximum wins.
    Raises InputError for options that cannot be used and intervals without a study, ConvergenceError where no start
    leads to a maximum.
    Sources: Vevea & Hedges 1995, doi:10.1007/BF02294384; Vevea & Woods 2005, doi:10.1037/1082-989X.10.4.428;
    Citkowicz & Vevea 2017, doi:10.1037/met0000119; Preston, Ashby & Smyth 2004, doi:10.1111/j.1365-2753.2003.00461.x.

    >>> from kmeta.methods.meta import random_effects
    >>> yi, vi = [0.5, 0.2, 0.9, 1.2, 0.1, -0.1], [0.04, 0.02, 0.09, 0.2, 0.05, 0.01]
    >>> found = selection_model(random_effects(yi, vi, measure="GEN", tau2="ML"))
    >>> round(found.mu, 3), [round(float(d), 3) for d in found.delta]
    (-0.035, [1.0, 0.016])
    """
    for value, allowed, where in ((kind, KINDS, "kind"), (alternative, ALTERNATIVES, "alternative")):
        if value not in allowed:
            raise InputError(
                f"no {where} is named {value!r}", where=where, hint="one of " + ", ".join(allowed)
            )
    if fit.model == "multilevel" or fit.user_weights is not None:
        raise InputError(
            "selection models are given for one estimate a study, weighted by the model", where="fit"
        )
    limits = _steps(steps) if kind == "stepfun" else ()
    sign = -1.0 if alternative == "less" else 1.0
    x = np.ones((fit.k, 1)) if fit.x is None else np.asarray(fit.x)
    family = step_family(np.array(limits)) if kind == "stepfun" else FAMILIES[kind]
    selected = Selected(
        sign * fit.yi, fit.vi, x, family, _edges(limits, alternative), two_sided=alternative == "two.sided"
    )
    held = _held(delta, family, kind)
    counts = _counts(selected.log_p, limits)
    if kind == "stepfun" and not all(counts[j] or not math.isnan(h) for j, h in enumerate([math.nan, *held])):
        raise InputError(
            f"no study in some interval of p: {dict(zip(limits, counts, strict=True))}",
            where="steps",
            hint="join intervals until each holds a study, or give delta",
        )
    return _fitted(fit, selected, family, kind, alternative, limits, counts, held, sign)


def _steps(steps: Sequence[float]) -> tuple[float, ...]:
    try:
        values = sorted({float(step) for step in steps})
    except TypeError as error:
        raise InputError(f"steps are {steps!r}", where="steps", hint="a list such as [0.025, 0.5]") from error
    if not values or not all(0 < step <= 1 for step in values) or values == [1.0]:
        raise InputError(f"steps are {list(steps)}", where="steps", hint="p values between 0 and 1")
    return tuple(values) if values[-1] == 1 else (*values, 1.0)


def _edges(limits: tuple[float, ...], alternative: str) -> Floats:
    """z at which the weight jumps."""
    from scipy.special import ndtri

    inner = np.array([limit for limit in limits if limit < 1])
    if alternative == "two.sided":
        z = -ndtri(inner / 2)
        return np.concatenate([z, -z])
    return np.asarray(-ndtri(inner)) if len(inner) else inner


def _counts(log_p: Floats, limits: tuple[float, ...]) -> tuple[int, ...]:
    if not limits:
        return ()
    interval_of = np.minimum(np.searchsorted(np.log(limits), log_p, side="left"), len(limits) - 1)
    return tuple(np.bincount(interval_of, minlength=len(limits)).tolist())


def _held(delta: Sequence[float | None] | None, family: Family, kind: str) -> Floats:
    """Fixed parameters on the scale they are estimated on; NaN where free."""
    if delta is None:
        return np.full(family.size, np.nan)
    given = [math.nan if value is None else float(value) for value in delta]
    wanted = family.size + (kind == "stepfun")
    if len(given) != wanted:
        raise InputError(
            f"{len(given)} values for {wanted} parameters", where="delta", hint="None leaves one free"
        )
    if kind == "stepfun":
        if not (math.isnan(given[0]) or given[0] == 1):
            raise InputError(
                f"the first delta is {given[0]:g}", where="delta", hint="it is 1: others are relative"
            )
        given = given[1:]
    low = 0.0 if kind == "stepfun" else family.low
    for value in given:
        if not math.isnan(value) and not (
            low <= value <= LARGEST and (value > 0 or kind not in ("stepfun", "beta"))
        ):
            raise InputError(f"delta holds {value:g}", where="delta", hint=f"above 0, at most {LARGEST:g}")
    values = np.array(given)
    return np.log(values) if kind == "stepfun" else values


def _null(fit: MetaFit, free: bool, given: float) -> tuple[Floats, float, float]:
    """(beta, tau2, log-likelihood) of the model without selection."""
    x = None if fit.x is None else np.asarray(fit.x)
    sample = Sample(fit.yi, fit.vi, x)
    tau2 = maximum_likelihood_tau2(sample, restricted=False) * sample.unit**2 if free else given
    design = np.ones((fit.k, 1)) if x is None else x
    total = fit.vi + tau2
    weighted = Weighted(sample, 1 / (sample.v + tau2 / sample.unit**2))
    if x is None:
        beta = np.array([float(fit.yi[sample.first]) + float(weighted.mu) * sample.unit])
    else:
        assert sample.r is not None  # noqa: S101
        beta = np.linalg.solve(sample.r, np.asarray(weighted.mu)) * sample.unit
    resid = fit.yi - design @ beta
    return beta, tau2, -0.5 * float(np.sum(np.log(2 * math.pi * total) + resid**2 / total))


def _fitted(
    fit: MetaFit,
    selected: Selected,
    family: Family,
    kind: str,
    alternative: str,
    limits: tuple[float, ...],
    counts: tuple[int, ...],
    held: Floats,
    sign: float,
) -> SelectionModel:
    free_tau2 = fit.method not in ("CE", "fixed")
    beta0, tau20, height0 = _null(fit, free_tau2, fit.tau2)
    theta, height, edge = _highest(selected, family, held, sign * beta0, tau20, free_tau2, kind)
    q = selected.q
    log_likelihood = height.value
    tau2 = float(theta[q])
    covariance = _covariance(height, q, tau2, free_tau2, np.isnan(held))
    errors = np.sqrt(np.diag(covariance))
    delta, delta_se = theta[q + 1 :], errors[q + 1 :]
    if kind == "stepfun":
        delta, delta_se = np.exp(delta), np.exp(delta) * delta_se
        delta, delta_se = np.concatenate([[1.0], delta]), np.concatenate([[math.nan], delta_se])
    beta = sign * theta[:q]
    lrt_df = int(np.isnan(held).sum())
    lrt = max(0.0, 2 * (log_likelihood - height0))
    mu, se = float(beta[0]), float(errors[0])
    half = quantile(fit.level, math.inf) * se
    statistic = mu / se if se > 0 else math.nan
    return SelectionModel(
        kind=kind,
        alternative=alternative,
        measure=fit.measure,
        k=fit.k,
        level=fit.level,
        terms=fit.terms,
        beta=frozen(beta),
        vcov=frozen(covariance[:q, :q]),
        mu=mu,
        se=se,
        statistic=statistic,
        p_value=two_sided(statistic, math.inf),
        ci_low=mu - half,
        ci_high=mu + half,
        tau2=tau2,
        tau2_se=float(errors[q]),
        delta=frozen(delta),
        delta_se=frozen(delta_se),
        steps=limits,
        counts=counts,
        lrt=lrt,
        lrt_df=lrt_df,
        lrt_p=chi2_tail(lrt, lrt_df) if lrt_df else math.nan,
        log_likelihood=log_likelihood,
        log_likelihood0=height0,
        fixed=tuple(bool(flag) for flag in ~np.isnan(held)),
        call=_call(fit, kind, alternative, limits, held),
        warnings=(*edge, *_warnings(theta, errors, family, held, q, kind, counts)),
    )


def _highest(
    selected: Selected, family: Family, held: Floats, beta: Floats, tau2: float, free_tau2: bool, kind: str
) -> tuple[Floats, Height, tuple[str, ...]]:
    """The highest of the maxima reached from several starts, and a warning where the end of tau2's range is higher."""
    q = selected.q
    free = np.isnan(held)
    widest = float(np.ptp(selected.y)) ** 2 + 10 * float(selected.v.max())
    low = np.concatenate(
        [np.full(q, -np.inf), [0.0 if free_tau2 else tau2], np.where(free, family.low, held)]
    )
    top = math.log(LARGEST) if kind == "stepfun" else LARGEST
    high = np.concatenate([np.full(q, np.inf), [widest if free_tau2 else tau2], np.where(free, top, held)])
    starts = family.starts if free.any() else family.starts[:1]
    spreads = (tau2, tau2 + 0.5 * float(np.median(selected.v))) if free_tau2 else (tau2,)
    found = list[tuple[Floats, Height]]()
    last: Any = None
    for start in starts:
        for spread in spreads:
            theta = np.concatenate([beta, [spread], np.where(free, start, held)])
            if math.isfinite(selected.height(theta).value):
                theta, height, settled = ascend(selected.height, theta, low, high)
                last = theta.tolist()
                found += [(theta, height)] if settled else []
    inside = [one for one in found if not free_tau2 or one[0][q] < widest]
    if not inside:
        raise ConvergenceError(
            f"the likelihood of the {kind} selection model has no maximum"
            + (": it rises with tau2 without end" if found else ", or none was reached"),
            last=last,
            where="selection_model",
            hint="fewer parameters, or fixed ones (delta)",
        )
    best = max(inside, key=lambda one: round(one[1].value, 9))
    beyond = any(one[1].value > best[1].value + 1e-9 for one in found)
    edge = (
        ("the likelihood is higher still where tau2 has no limit: this is a local maximum",) if beyond else ()
    )
    return (*best, edge)


def _covariance(height: Height, q: int, tau2: float, free_tau2: bool, free: Any) -> Floats:
    """Inverse observed information of what is free and not a variance at 0; NaN elsewhere or where it has none."""
    size = len(height.gradient)
    use = np.concatenate([np.ones(q, dtype=bool), [free_tau2 and tau2 > 0], free])
    out = np.full((size, size), np.nan)
    information = -height.hessian[np.ix_(use, use)]
    scale = 1 / np.sqrt(np.maximum(np.abs(np.diag(information)), 1e-300))
    scaled = information * scale[:, None] * scale
    if np.linalg.eigvalsh(scaled).min() > 1e-12:
        out[np.ix_(use, use)] = np.linalg.inv(scaled) * scale[:, None] * scale
    return out


def _warnings(
    theta: Floats, errors: Floats, family: Family, held: Floats, q: int, kind: str, counts: tuple[int, ...]
) -> tuple[str, ...]:
    said = []
    top = math.log(LARGEST) if kind == "stepfun" else LARGEST
    for j, value in enumerate(theta[q + 1 :]):
        if not math.isnan(held[j]):
            continue
        if value >= top or (value <= family.low and (family.low > 0 or kind == "stepfun")):
            said.append(f"delta {j + 1} lies at the end of its range")
        elif value <= family.low:
            said.append(f"delta {j + 1} is 0: no selection of this kind is seen")
    if math.isnan(errors[0]):
        said.append("the information is not positive definite: standard errors are not given")
    if counts and min(counts) < 4 and np.isnan(held).any():
        said.append("an interval of p holds fewer than 4 studies")
    return tuple(said)


def _call(fit: MetaFit, kind: str, alternative: str, limits: tuple[float, ...], held: Floats) -> str:
    from kmeta.methods.meta.r_script import r_data

    columns: dict[str, Any] = {"yi": fit.yi, "vi": fit.vi}
    mods = ""
    if fit.x is not None:
        columns |= {f"x{j}": fit.x[:, j] for j in range(fit.x.shape[1])}
        names = ", ".join(f"x{j}" for j in range(fit.x.shape[1]))
        mods = f", mods = cbind({names}), intercept = FALSE"
    method = "EE" if fit.method == "CE" else "ML"
    tau2 = f", tau2 = {fit.tau2!r}" if fit.method == "fixed" else ""
    options = [f'type = "{kind}"', f'alternative = "{alternative}"']
    options += [f"steps = c({', '.join(map(repr, limits))})"] if kind == "stepfun" else []
    if not np.isnan(held).all():
        values = (
            ["1", *map(repr, np.exp(held).tolist())] if kind == "stepfun" else [*map(repr, held.tolist())]
        )
        options.append(f"delta = c({', '.join('NA' if value == 'nan' else value for value in values)})")
    return r_data(
        columns,
        [
            f'res <- with(dat, rma(yi, vi, method = "{method}"{tau2}{mods}, level = {100 * fit.level:g}))',
            f"print(selmodel(res, {', '.join(options)}))",
        ],
    )
