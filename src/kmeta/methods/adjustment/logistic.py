"""Logistic regression by Newton's method: an outcome 0 or 1 of individual patients on their covariates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import ConvergenceError, InputError

STEPS = 60
FINE = 1e-10
CERTAIN = 1e-8  # fitted probabilities nearer to 0 or 1 than this: the outcome is told apart


def logistic(design: Floats, outcome: Floats, terms: Sequence[str]) -> tuple[Floats, Floats]:
    """(coefficients, covariance) of the log odds of `outcome` on the columns of `design`, shape (n, p).

    Raises InputError for columns that follow from others, ConvergenceError where a covariate separates the outcomes.
    """
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise InputError(
            f"{', '.join(terms)} follow from each other", where="covariates", hint="fewer covariates"
        )
    scale = np.sqrt(np.mean(design**2, axis=0))
    x = design / scale
    b = np.zeros(x.shape[1])
    height = _height(x, outcome, b)
    for _ in range(STEPS):
        fitted = _fitted(x, b)
        slope = x.T @ (outcome - fitted)
        information = _information(x, fitted)
        if np.minimum(fitted, 1 - fitted).max() < CERTAIN or np.linalg.cond(information) > 1e14:
            break
        step = np.linalg.solve(information, slope)
        if float(step @ slope) < FINE:
            if np.abs(x @ b).max() > 25:  # a coefficient on its way to infinity
                break
            b = b + step
            return b / scale, np.linalg.inv(_information(x, _fitted(x, b))) / np.outer(scale, scale)
        size = 1.0
        while _height(x, outcome, b + size * step) < height and size > 1e-6:
            size /= 2
        b = b + size * step
        height = _height(x, outcome, b)
    raise ConvergenceError(
        "the log odds have no finite estimate: a covariate tells the outcomes apart",
        last=b / scale,
        where="outcome",
        hint="fewer covariates, or another time",
    )


def _height(x: Floats, outcome: Floats, b: Floats) -> float:
    eta = x @ b
    return float(outcome @ eta - np.logaddexp(0, eta).sum())


def _fitted(x: Floats, b: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(x @ b, -500, 500))))


def _information(x: Floats, fitted: Floats) -> Floats:
    return np.asarray(x.T @ (x * (fitted * (1 - fitted))[:, None]))
