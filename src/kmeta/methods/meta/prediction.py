"""Predicted values: the pooled effect, or the effect at given values of the moderators."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.methods.meta.categories import Moderated, coded_as
from kmeta.methods.meta.distributions import quantile
from kmeta.methods.meta.fit import MetaFit, Prediction
from kmeta.methods.meta.moderators import INTERCEPT, columns_of


def prediction_df(df: float, left: float, method: str, pi: str) -> float:
    """Degrees of freedom of a prediction interval: `df` of the test, `left` after the coefficients.

    Riley's takes one more for tau2, unless that was given.
    """
    choices = {"test": df, "z": math.inf, "t": left, "riley": left - (method != "fixed")}
    if pi not in choices:
        raise InputError(f"no pi is named {pi!r}", where="pi", hint="one of " + ", ".join(choices))
    return choices[pi]


def predict(
    fit: MetaFit, new: Mapping[str, ArrayLike] | ArrayLike | None = None, *, pi: str | None = None
) -> Prediction:
    """Estimate with confidence and prediction interval; `new` are rows of moderators (default: the studies').

    With too few estimates for the reference distribution, t with 1 df is taken.
    Raises InputError when `new` does not have the model's moderators or `pi` is unknown.
    Source: Riley, Higgins & Deeks 2011, doi:10.1136/bmj.d549.
    """
    rows, labels = design_rows(fit, new)
    return predict_rows(fit, rows, labels, pi)


def predict_rows(
    fit: MetaFit,
    rows: Floats,
    labels: tuple[str, ...],
    pi: str | None,
    tau2: Floats | None = None,
) -> Prediction:
    """Predicted values at rows of the design matrix, shape (n, p); `tau2` of each row where it is not the fit's."""
    pi = fit.pi if pi is None else pi
    drawn = pi == "bootstrap"
    if drawn and fit.pi != "bootstrap":
        raise InputError(
            "the fit has no bootstrap interval",
            where="pi",
            hint='random_effects(..., pi="bootstrap", seed=...)',
        )
    p = rows.shape[1]
    if fit.beta is None or fit.vcov is None:
        beta, vcov = np.array([fit.mu]), np.array([[fit.se**2]])
    else:
        beta, vcov = fit.beta, fit.vcov
    left = float((fit.k_groups if fit.model == "multilevel" else fit.k) - p)
    if fit.model == "multilevel" and fit.df == fit.k - 1:
        left = fit.df
    if fit.test == "kr":
        left = fit.df
    reference = max(
        1.0 if fit.test != "kr" else 0.0, prediction_df(fit.df, left, fit.method, "test" if drawn else pi)
    )
    mu = rows @ beta
    se = np.sqrt(np.einsum("ij,jk,ik->i", rows, vcov, rows))
    half = quantile(fit.level, fit.df) * se
    spread = quantile(fit.level, reference) * np.sqrt(se**2 + (fit.tau2 if tau2 is None else tau2))
    if fit.model == "common":
        spread = np.full_like(se, math.nan)
    none = fit.model == "common" or drawn
    between = np.broadcast_to(fit.tau2 if tau2 is None else tau2, mu.shape)
    return Prediction(
        fit=fit,
        x=frozen(rows),
        tau2=frozen(np.where(none, math.nan, between)),
        pi_df=frozen(np.full(len(mu), math.nan if none else reference)),
        labels=labels,
        measure=fit.measure,
        level=fit.level,
        pi=pi,
        mu=frozen(mu),
        se=frozen(se),
        ci_low=frozen(mu - half),
        ci_high=frozen(mu + half),
        pi_low=frozen([fit.pi_low] if drawn else mu - spread),
        pi_high=frozen([fit.pi_high] if drawn else mu + spread),
    )


def design_rows(
    fit: Moderated, new: Mapping[str, ArrayLike] | ArrayLike | None
) -> tuple[Floats, tuple[str, ...]]:
    """Rows of the design matrix at values `new` of the moderators (the studies' where None), with their labels."""
    if fit.x is None:
        if new is not None:
            raise InputError("the model has no moderators", where="new", hint="call predict() without it")
        return np.ones((1, 1)), ("mu",)
    if new is None:
        return fit.x, fit.labels
    if fit.formula is not None:
        x = fit.formula.matrix(new)
        return x, tuple(str(i + 1) for i in range(len(x)))
    columns = columns_of(coded_as(fit, new) if isinstance(new, Mapping) else new)
    wanted = [term for term in fit.terms if term != INTERCEPT]
    if not isinstance(new, Mapping) and len(columns) == len(wanted):
        columns = dict(zip(wanted, columns.values(), strict=True))
    missing = [term for term in wanted if term not in columns]
    if missing or len(columns) != len(wanted):
        raise InputError(
            f"has columns {sorted(columns)}, the model {wanted}",
            where="new",
            hint="the same names as in mods",
        )
    n = {len(column) for column in columns.values()}
    if len(n) != 1:
        raise InputError("columns differ in length", where="new", hint="one value a row in each")
    ones = np.ones(n.pop())
    x = np.column_stack([ones if term == INTERCEPT else columns[term] for term in fit.terms])
    return x, tuple(str(i + 1) for i in range(len(ones)))
