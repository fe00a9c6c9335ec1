"""Newton's method on a partial likelihood, with the two ways it has no finite maximum told apart and named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.methods.survival.cox_likelihood import Derivatives

Climb = Callable[[Floats], Derivatives]
STEPS = 60
FINE = 1e-9  # half the squared length of the last Newton step, in log-likelihood
LONGEST = (
    5.0  # the first step may change a log hazard ratio over its covariate's range by this; later ones by more
)
RIDGE = 1e-6  # a step that gains less than this, where a log hazard ratio over its covariate's range has a
FLAT = 500.0  # standard error above this, climbs a ridge without end
ALIKE = 1e-9  # share of a covariate's information that the others leave


@dataclass(frozen=True, kw_only=True, eq=False)
class Summit:
    """The maximum, with what was found at the start."""

    beta: Floats
    top: Derivatives
    start: Derivatives
    iterations: int


def climb(ask: Climb, x: Floats, terms: Sequence[str], scale: Floats) -> Summit:
    """Maximise `ask` over the coefficients of the standard covariates x (p, n).

    Raises InputError for covariates that say the same, ConvergenceError (last: the coefficients in the covariates'
    own units) where the likelihood has no maximum or the iteration does not settle.
    """
    beta, width = np.zeros(len(terms)), np.ptp(x, axis=1)
    first = now = ask(beta)
    refuse_collinear(first.information, terms)
    for iteration in range(1, STEPS + 1):
        reach = LONGEST * 1.5 ** (iteration - 1)
        step = newton_step(now.information, now.score)
        gain = float(step @ now.score) / 2
        if gain < RIDGE:
            _refuse_monotone(beta / scale, now.information, width, terms)
        if gain < FINE:
            if gain > 0:  # the last quadratic step, to the end of double precision
                beta = beta + step
                now = ask(beta)
            return Summit(beta=beta, top=now, start=first, iterations=iteration)
        before = now
        beta, now = uphill(ask, beta, step, now, width / reach)
        if now is before:
            break
    raise ConvergenceError(
        f"the partial likelihood did not settle in {iteration} steps",
        where="cox",
        last=(beta / scale).tolist(),
        hint="look for a covariate with a few extreme values, or for too few events",
    )


def uphill(
    ask: Climb, beta: Floats, step: Floats, now: Derivatives, width: Floats
) -> tuple[Floats, Derivatives]:
    """The Newton step, no longer than 1 in units of `width`, halved until it gains."""
    size = 1 / max(float((np.abs(step) * width).max()), 1.0)
    for _ in range(40):
        tried = ask(beta + size * step)
        if np.isfinite(tried.loglik) and tried.loglik >= now.loglik - 1e-11 * abs(now.loglik):
            return beta + size * step, tried
        size /= 2
    return beta, now


def newton_step(information: Floats, score: Floats) -> Floats:
    """The Newton step; a ridge where the information is not positive in double precision."""
    size = float(np.trace(information)) or 1.0
    for ridge in (0.0, 1e-12, 1e-9, 1e-6, 1e-3, 1.0):
        try:
            root = np.linalg.cholesky(information + ridge * size * np.eye(len(score)))
        except np.linalg.LinAlgError:
            continue
        found: Floats = np.linalg.solve(root.T, np.linalg.solve(root, score))
        return found
    return np.zeros(len(score))


def _refuse_monotone(last: Floats, information: Floats, width: Floats, terms: Sequence[str]) -> None:
    """ConvergenceError naming the terms on which the likelihood has lost its curvature."""
    size = np.sqrt(np.clip(np.diag(information), 1e-300, None))
    values, vectors = np.linalg.eigh(information / np.outer(size, size))
    variance = (vectors**2 / np.maximum(values, 1e-14)).sum(axis=1)
    spread = np.sqrt(variance) / size * width
    if not (spread > FLAT).any():
        return
    moving = [t for t, s in zip(terms, (spread > FLAT).tolist(), strict=True) if s]
    raise ConvergenceError(
        f"monotone likelihood: the estimate of {', '.join(moving)} is infinite "
        "(at every event the one who has it lies at the same end of those at risk)",
        where="cox",
        last=last.tolist(),
        hint="is there no event in an arm? the log-rank test still holds; the hazard ratio is not estimable",
    )


def inverse(information: Floats) -> Floats:
    """The covariance of the coefficients; ConvergenceError where they have none."""
    try:
        found = np.asarray(np.linalg.inv(information), dtype=np.float64)
    except np.linalg.LinAlgError as error:
        raise ConvergenceError("the information is singular", where="cox", hint="too few events") from error
    return (found + found.T) / 2


def refuse_collinear(information: Floats, terms: Sequence[str]) -> None:
    """InputError naming the covariates whose information the earlier ones take away."""
    size = np.sqrt(np.clip(np.diag(information), 0, None))
    empty = size <= 1e-9 * max(1.0, float(size.max()))
    if empty.any():
        named = ", ".join(t for t, e in zip(terms, empty.tolist(), strict=True) if e)
        raise InputError(
            f"{named} does not vary among those at risk at any event",
            where="covariates",
            hint="leave it out: these data say nothing on it",
        )
    likeness = information / np.outer(size, size)
    kept: list[int] = []
    for j in range(len(terms)):
        shares = np.zeros(0)
        left = 1.0
        if kept:
            shares = np.linalg.solve(likeness[np.ix_(kept, kept)], likeness[kept, j])
            left = 1.0 - float(likeness[kept, j] @ shares)
        if left <= ALIKE:
            others = [terms[i] for i, share in zip(kept, shares.tolist(), strict=True) if abs(share) > 1e-6]
            raise InputError(
                f"{terms[j]} follows from {', '.join(others)}",
                where="covariates",
                hint="collinear covariates have no hazard ratio of their own: leave one out",
            )
        kept.append(j)
