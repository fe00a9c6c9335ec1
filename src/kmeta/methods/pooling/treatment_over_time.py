"""One study's treatment effect as it changes with time: coefficients of functions of time, with their covariance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.methods.survival.parametric.fit import fitted, lifetimes
from kmeta.methods.survival.parametric.splines import Spline
from kmeta.methods.survival.sample import SurvivalSample

Basis = Callable[[Floats], Floats]
STEPS = 50
SETTLED = 1e-12  # twice the rise in log-likelihood that a Newton step still promises
RUNAWAY = 15.0  # a log hazard ratio beyond it at an event: an arm without events there


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyEffect:
    """Coefficients (h,) with covariance (h, h); NaN where the study does not tell."""

    beta: Floats
    covariance: Floats
    note: str = ""


def unknown(h: int, note: str) -> StudyEffect:
    """A study that tells nothing, and why."""
    return StudyEffect(beta=np.full(h, np.nan), covariance=np.full((h, h), np.nan), note=note)


def partial_likelihood(time: Floats, event: Floats, treated: Floats, basis: Basis) -> StudyEffect:
    """Cox's partial likelihood of log HR(t) = beta' f(t), Efron's ties; the baseline hazard is left open.

    `basis` gives f at times: shape (h, m). A function that is 0 at all events of the study has no coefficient.
    Source: Cox 1972, doi:10.1111/j.2517-6161.1972.tb00899.x (time-dependent covariates). O(n log n) a step.
    """
    died, one, other = _deaths(time, event, treated)
    f = basis(died[0])
    used = (f != 0).any(axis=1)
    if not used.any():
        return unknown(len(f), "no event")
    f_used, arm = f[used], died[1]
    beta = np.zeros(int(used.sum()))
    for _ in range(STEPS):
        eta = beta @ f_used
        if np.abs(eta).max(initial=0) > RUNAWAY:
            return unknown(len(f), "an arm has no event in a part of the follow-up")
        share = one * np.exp(eta)
        share = share / (share + other)
        information = (f_used * (share * (1 - share))) @ f_used.T
        gradient = f_used @ (arm - share)
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            return unknown(len(f), "too few events to tell these functions of time apart")
        promise = float(gradient @ step)
        if not np.isfinite(promise):
            return unknown(len(f), "too few events to tell these functions of time apart")
        beta = beta + step * min(1.0, 2.0 / max(float(np.abs(step @ f_used).max()), 1e-300))
        if promise <= SETTLED:
            return _spread(beta, np.linalg.inv(information), used)
    return unknown(len(f), "the partial likelihood did not settle")


def by_period(time: Floats, event: Floats, treated: Floats, cuts: Sequence[float]) -> StudyEffect:
    """A constant log HR in each period; the periods' likelihoods are independent, so each is fitted alone."""
    ends = np.array([0.0, *cuts, np.inf])
    h = len(ends) - 1
    beta, covariance, notes = np.full(h, np.nan), np.full((h, h), np.nan), []
    for j in range(h):
        inside = event * (time > ends[j]) * (time <= ends[j + 1])
        found = partial_likelihood(time, inside, treated, lambda t: np.ones((1, len(t))))
        beta[j], covariance[j, j] = found.beta[0], found.covariance[0, 0]
        if found.note:
            notes.append(f"period {j + 1}: {found.note}")
    known = np.flatnonzero(np.isfinite(beta))
    covariance[np.ix_(known, known)] = np.diag(np.diag(covariance)[known])
    return StudyEffect(beta=beta, covariance=covariance, note="; ".join(notes))


def spline_difference(time: Floats, event: Floats, treated: Floats, knots: Floats) -> StudyEffect:
    """Royston-Parmar splines of log time fitted to each arm, with knots of all studies: their difference."""
    parts = []
    for arm in (0.0, 1.0):
        rows = treated == arm
        sample = SurvivalSample(
            time=time[rows],
            event=event[rows],
            entry=np.zeros(int(rows.sum())),
            weights=np.ones(int(rows.sum())),
        )
        try:
            fit = fitted(
                Spline(knots, "hazard"), sample, lifetimes(sample), np.zeros((sample.n, 0)), (), 0.95
            )
        except (InputError, ConvergenceError) as error:
            return unknown(len(knots), error.message)
        if not fit.converged or not np.isfinite(fit.covariance).all():
            return unknown(len(knots), "a spline of an arm did not settle")
        parts.append(fit)
    return StudyEffect(
        beta=parts[1].theta - parts[0].theta, covariance=parts[1].covariance + parts[0].covariance
    )


def _deaths(time: Floats, event: Floats, treated: Floats) -> tuple[tuple[Floats, Floats], Floats, Floats]:
    """((time, arm) of each death, the treated and the others at risk then, Efron's share of tied deaths removed)."""
    times, place = np.unique(time, return_inverse=True)
    size = len(times)
    deaths = np.bincount(place, weights=event, minlength=size)
    deaths1 = np.bincount(place, weights=event * treated, minlength=size)
    risk = np.cumsum(np.bincount(place, minlength=size)[::-1])[::-1].astype(float)
    risk1 = np.cumsum(np.bincount(place, weights=treated, minlength=size)[::-1])[::-1]
    many = deaths.astype(np.intp)
    row = np.repeat(np.arange(size), many)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(many) - many, many)
    part = nth / np.maximum(deaths[row], 1)
    arm = (nth < deaths1[row]).astype(float)
    one = risk1[row] - part * deaths1[row]
    other = (risk - risk1)[row] - part * (deaths - deaths1)[row]
    alone = (one <= 0) | (other <= 0)  # one arm is all that is left: the death tells nothing
    kept = ~alone
    return (
        (times[row][kept], arm[kept]),
        np.asarray(one[kept], dtype=float),
        np.asarray(other[kept], dtype=float),
    )


def _spread(beta: Floats, covariance: Floats, used: np.ndarray) -> StudyEffect:
    full, cover = np.full(len(used), np.nan), np.full((len(used), len(used)), np.nan)
    full[used] = beta
    cover[np.ix_(used, used)] = covariance
    return StudyEffect(beta=full, covariance=cover)
