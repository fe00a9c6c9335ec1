"""Fitting one distribution, or all that are registered, to individual data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.methods.survival.parametric import generalised, location_scale, proportional_hazards, splines
from kmeta.methods.survival.parametric.climb import Top, hessian
from kmeta.methods.survival.parametric.covariates import (
    Covariates,
    covariate_matrix,
    refuse_unidentified,
)
from kmeta.methods.survival.parametric.distribution import (
    ALIASES,
    DISTRIBUTIONS,
    Choices,
    Distribution,
    Lifetimes,
    distribution_named,
)
from kmeta.methods.survival.parametric.likelihood import Likelihood
from kmeta.methods.survival.parametric.result import ParametricSurvival
from kmeta.methods.survival.sample import SurvivalSample, refuse_rows, survival_sample

BUILT_IN = (generalised, location_scale, proportional_hazards, splines)  # each registers its distributions
FEW_EVENTS = 5  # a parameter, below which a warning is given
MOST_KNOTS = 20


def parametric_survival(
    time: ArrayLike,
    event: ArrayLike,
    covariates: Covariates | None = None,
    *,
    distribution: str,
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    knots: Sequence[float] | None = None,
    n_knots: int | None = None,
    level: float = 0.95,
) -> ParametricSurvival:
    """Fit a parametric distribution to survival times by maximum likelihood.

    time : follow-up above 0, shape (n,). event : 1 event, 0 censored. covariates : named columns, or a matrix (n, q)
    with `names`. entry : left truncation. weights : of cases. distribution : "exponential", "weibull" (accelerated
    failure time), "weibull-ph", "gompertz", "log-logistic", "log-normal", "gamma", "generalised-gamma",
    "generalised-f", "piecewise-exponential", "spline-hazard", "spline-odds", "spline-normal"; flexsurv's names are
    understood. knots : inner knots of a spline or cuts of the piecewise exponential, in the unit of time; without
    them `n_knots` (2 and 3) at quantiles of the event times, a spline's outer knots being the first and last event.

    Covariates act on the location parameter as in flexsurv; `effect` says what their coefficients are.
    Raises InputError for data that cannot be, and where a parameter has no finite estimate for want of events.
    A maximum on a boundary, few events and a search that did not settle are told in `warnings`.
    Source: Jackson 2016, doi:10.18637/jss.v070.i08; Royston & Parmar 2002, doi:10.1002/sim.1203.

    >>> fit = parametric_survival([1, 2, 3, 4, 6, 8], [1, 1, 0, 1, 1, 0], distribution="weibull")
    >>> fit.converged, round(fit.loglik, 3)
    (True, -10.868)
    >>> [row["extrapolated"] for row in fit.survival([5, 10]).rows()]
    [False, True]
    """
    level = checked_level(level)
    sample = survival_sample(time, event, entry=entry, weights=weights)
    x, labels = covariate_matrix(covariates, names, sample.n)
    lives = lifetimes(sample)
    refuse_unidentified(x, labels, sample.event)
    choices = checked_choices(knots, n_knots)
    model = distribution_named(distribution, lives, choices)
    return fitted(model, sample, lives, x, labels, level)


def checked_level(level: float) -> float:
    """A level between 0 and 1; InputError otherwise."""
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
        raise InputError(f"level is {level!r}", where="level", hint="a fraction: 0.95")
    return float(level)


def checked_choices(knots: Sequence[float] | None, n_knots: int | None) -> Choices:
    """Knots as numbers, or how many."""
    if knots is not None:
        try:
            return Choices(knots=tuple(float(knot) for knot in knots))
        except (TypeError, ValueError) as error:
            raise InputError("hold something that is not a number", where="knots") from error
    if n_knots is not None and (
        isinstance(n_knots, bool) or not isinstance(n_knots, int) or not 0 <= n_knots <= MOST_KNOTS
    ):
        raise InputError(f"n_knots is {n_knots!r}", where="n_knots", hint=f"a number from 0 to {MOST_KNOTS}")
    return Choices(n_knots=n_knots)


def lifetimes(sample: SurvivalSample) -> Lifetimes:
    """Log times; InputError without events and for an event at time 0, which has no log."""
    refuse_rows(
        (sample.time > 0) | (sample.event == 0),
        sample.time,
        "time",
        "an event later than time 0; half the smallest unit is a usual replacement",
    )
    if not sample.event.any():
        raise InputError("no event: nothing can be estimated", where="event", hint="1 event, 0 censored")
    with np.errstate(divide="ignore"):
        log_time, log_entry = np.log(sample.time), np.log(sample.entry)
    return Lifetimes(log_time=log_time, event=sample.event, weights=sample.weights, log_entry=log_entry)


def fitted(
    model: Distribution,
    sample: SurvivalSample,
    lives: Lifetimes,
    x: Floats,
    names: tuple[str, ...],
    level: float,
) -> ParametricSurvival:
    """The maximum on time scaled to the events' geometric mean, given in the data's unit."""
    died = sample.event == 1
    if len(model.parameters) > 1 and len(np.unique(sample.time[died])) < 2:
        raise InputError(
            f"{len(model.parameters)} parameters need events at two times at least",
            where="event",
            hint='one time allows the "exponential" alone',
        )
    log_unit = float(np.average(lives.log_time[died], weights=sample.weights[died]))
    middle = np.average(x, axis=0, weights=sample.weights) if len(names) else np.zeros(0)
    scale = np.std(x, axis=0) if len(names) else np.ones(0)
    likelihood = Likelihood(lives.shifted(log_unit), (x - middle) / scale)
    scaled = model.in_unit(log_unit)
    top = likelihood.top(scaled)
    theta, coefficients, covariance, told = _back(likelihood, scaled, top, log_unit, middle, scale)
    events = int(died.sum())
    warnings = [*told, *_few(events, len(top.theta)), *model.boundary(theta)]
    if not top.converged:
        warnings.insert(0, "not converged: the search stopped before the likelihood was highest")
    return ParametricSurvival(
        distribution=model.name,
        theta=frozen(theta),
        coefficients=frozen(coefficients),
        covariance=frozen(covariance),
        names=names,
        loglik=top.value - log_unit * float((sample.weights * sample.event).sum()),
        n=sample.n,
        events=events,
        last_time=float(sample.time.max()),
        level=level,
        converged=top.converged,
        warnings=tuple(warnings),
        model=model,
        sample=sample,
        x=frozen(x),
    )


def _back(
    likelihood: Likelihood, model: Distribution, top: Top, log_unit: float, middle: Floats, scale: Floats
) -> tuple[Floats, Floats, Floats, list[str]]:
    """(theta, coefficients, covariance, warnings) in the data's unit, of covariates as they were given."""
    p, q = len(model.parameters), len(middle)
    covariance, told = _covariance(likelihood, model, top)
    beta = top.theta[p:] / scale[:q]
    located = np.zeros(p)
    located[list(model.located)] = 1.0
    theta, slopes = model.rescaled(top.theta[:p] - located * float(middle @ beta), log_unit)
    jacobian = np.zeros((p + q, p + q))
    jacobian[:p, :p] = slopes
    jacobian[:p, p:] = -np.outer(slopes @ located, middle / scale[:q])
    jacobian[p:, p:] = np.diag(1 / scale[:q])
    with np.errstate(invalid="ignore"):
        full = _through(jacobian, covariance)
    return theta, beta, full, told


def _through(jacobian: Floats, covariance: Floats) -> Floats:
    """J V J', where NaN of V reaches only what depends on it."""
    unknown = np.isnan(np.diag(covariance))
    found = jacobian @ np.where(np.isnan(covariance), 0.0, covariance) @ jacobian.T
    touched = (jacobian[:, unknown] != 0).any(axis=1)
    found[touched, :] = np.nan
    found[:, touched] = np.nan
    return np.asarray(found)


def _covariance(likelihood: Likelihood, model: Distribution, top: Top) -> tuple[Floats, list[str]]:
    """The inverse of minus the Hessian over the parameters that are not at a limit."""
    size = len(top.theta)
    covariance = np.full((size, size), np.nan)
    free = np.flatnonzero(top.free)
    curvature = -hessian(lambda at: likelihood.height(model, at), top.theta)[np.ix_(free, free)]
    root = np.sqrt(np.abs(np.diag(curvature)))
    if not len(free) or not (root > 0).all():
        return covariance, ["no standard errors: the likelihood is flat"]
    values, vectors = np.linalg.eigh(curvature / np.outer(root, root))
    if values[0] <= 1e-9:
        return covariance, ["no standard errors: the likelihood is flat or has no highest point near"]
    inverse = (vectors / values) @ vectors.T / np.outer(root, root)
    covariance[np.ix_(free, free)] = inverse
    return covariance, []


def _few(events: int, parameters: int) -> list[str]:
    if events >= FEW_EVENTS * parameters:
        return []
    return [f"few events: {events} for {parameters} parameters, intervals are too narrow"]


def distribution_names(distributions: str | Sequence[str]) -> list[str]:
    """The names asked for; "all" is every registered one."""
    if distributions == "all":
        return list(DISTRIBUTIONS)
    given = [distributions] if isinstance(distributions, str) else list(distributions)
    if not given:
        raise InputError("none is named", where="distributions", hint='"all", or a list of names')
    for name in given:
        DISTRIBUTIONS[ALIASES.get(name, name)]
    return given
