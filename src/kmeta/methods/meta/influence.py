"""What single estimates do to a model: residuals, leverage, and how the fit changes without each of them.

All deletions are one batch; no model is refitted in a loop, with or without moderators.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.methods.meta.batch import subsets
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.of_fit import OfFit
from kmeta.methods.meta.one_by_one import in_step
from kmeta.methods.meta.sample import orthonormal
from kmeta.methods.meta.stack import Stack, Stacked
from kmeta.methods.meta.stack_tau2 import Bools, estimate


def table(columns: dict[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Columns of one length as rows."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@dataclass(frozen=True, kw_only=True, eq=False)
class Influence(OfFit):
    """Diagnostics of k estimates, arrays of shape (k,); `dfbs` (k, p), a column a coefficient of `terms`.

    rstudent : residual from the model without the estimate, in its standard errors (externally studentised).
    dffits, cook_d, dfbs : move of the fitted value, of all coefficients, of each coefficient when it is left out.
    cov_r : generalised variance of the coefficients without it over that with it.
    tau2_del, qe_del : tau2 and residual Q without it. hat : leverage. weight : percent.
    influential : |dffits| > 3 sqrt(p / (k - p)), the chi2(p) tail area below cook_d > 1/2, hat > 3 p / k, or a
        |dfbs| > 1.
    NaN where a model without the estimate cannot be fitted (its moderators become collinear).
    """

    labels: tuple[str, ...]
    terms: tuple[str, ...]
    rstudent: Floats
    dffits: Floats
    cook_d: Floats
    cov_r: Floats
    tau2_del: Floats
    qe_del: Floats
    hat: Floats
    weight: Floats
    dfbs: Floats
    influential: Bools

    def rows(self) -> list[dict[str, Any]]:
        """One row an estimate."""
        names = ("rstudent", "dffits", "cook_d", "cov_r", "tau2_del", "qe_del", "hat", "weight")
        columns: dict[str, Sequence[Any]] = {"label": self.labels}
        columns |= {name: getattr(self, name).tolist() for name in names}
        columns |= {f"dfbs {term}": self.dfbs[:, j].tolist() for j, term in enumerate(self.terms)}
        return table(columns | {"influential": self.influential.tolist()})


@dataclass(frozen=True, kw_only=True, eq=False)
class Residuals(OfFit):
    """Residuals of k estimates from the fitted values, their standard errors and quotients, arrays of shape (k,)."""

    labels: tuple[str, ...]
    resid: Floats
    se: Floats
    z: Floats

    def rows(self) -> list[dict[str, Any]]:
        """One row an estimate."""
        columns = {name: getattr(self, name).tolist() for name in ("resid", "se", "z")}
        return table({"label": self.labels, **columns})


@dataclass(frozen=True, kw_only=True, eq=False)
class Baujat(OfFit):
    """Coordinates of k estimates: `x` share in the heterogeneity, `y` influence on the result; shape (k,)."""

    labels: tuple[str, ...]
    x: Floats
    y: Floats

    def rows(self) -> list[dict[str, Any]]:
        """One row an estimate."""
        return table({"label": self.labels, "x": self.x.tolist(), "y": self.y.tolist()})


@dataclass(frozen=True, eq=False)
class Deleted:
    """The models without each estimate, in the orthonormal basis of the moderators, on the scale of yi.

    gamma (p, k) coefficients, cov (p, p, k) their covariance by the model, factor (k,) Hartung and Knapp's, tau2 and
    qe (k,), all of them without estimate i in place i; fitted (k,) the value predicted for the one left out.
    """

    gamma: Floats
    cov: Floats
    factor: Floats
    tau2: Floats
    qe: Floats
    fitted: Floats
    spread: Floats


def basis(fit: MetaFit) -> tuple[Floats, Floats]:
    """Orthonormal basis (k, p) of the moderators' span and its triangle (p, p); ones without moderators."""
    return (np.ones((fit.k, 1)), np.ones((1, 1))) if fit.x is None else orthonormal(fit.x)


def need_steps(fit: MetaFit, what: str) -> None:
    """InputError where the refits `what` needs cannot be made at once."""
    if fit.model == "multilevel":
        raise InputError(f"{what} is given for models with one estimate a study", where="groups")
    if not in_step(fit):
        where = "tau2" if fit.user_weights is None else "weights"
        raise InputError(
            f"{what} is not given with weights of the user's own, tau2 by {fit.method} and test {fit.test}",
            where=where,
            hint="tau2 by REML and the test hksj, knha, t or z",
        )


def without_each(fit: MetaFit) -> Deleted:
    """Every deletion at once. Raises InputError when nothing remains, ConvergenceError when a tau2 does not settle."""
    q, _ = basis(fit)
    k, p = q.shape
    if k - 1 < p or k < 2:
        raise InputError(
            f"{k} estimates, {p} coefficients: nothing remains when one is left out", where="influence"
        )
    out = Deleted(*(np.empty(shape) for shape in ((p, k), (p, p, k), k, k, k, k, k)))
    each = np.arange(k)[:, None]
    method = fit.tau2 if fit.method == "fixed" else fit.method
    for rows, stack in subsets(
        fit.yi, fit.vi, k, lambda rows: each != each[rows].T, None if fit.x is None else q
    ):
        _fill(out, rows, stack, method, fit.test, q)
    return out


def _fill(out: Deleted, rows: slice, stack: Stack, method: str | float, test: str, q: Floats) -> None:
    tau2, settled = estimate(method, stack)
    if not settled.all():
        raise ConvergenceError("tau2 did not settle without one of the estimates", last=tau2)
    model, fixed = stack.at(tau2), Stacked(stack, 1 / stack.v)
    unit2, df = stack.unit**2, stack.df
    out.gamma[:, rows] = stack.origin + model.mu * stack.unit
    out.cov[:, :, rows] = model.inverse * unit2
    factor = np.where(df > 0, model.q / np.maximum(df, 1), 1.0)
    factor = np.maximum(1.0, factor) if test == "hksj" else factor
    out.factor[rows] = factor if test in ("knha", "hksj") else 1.0
    out.tau2[rows], out.qe[rows] = tau2 * unit2, np.where(df > 0, fixed.q, 0.0)
    own = q[rows].T
    out.fitted[rows] = np.einsum("im,im->m", own, out.gamma[:, rows])
    out.spread[rows] = np.einsum("im,ijm,jm->m", own, out.cov[:, :, rows], own) * out.factor[rows]


def _total(fit: MetaFit) -> Floats:
    return fit.vi + fit.tau2


def _bread(fit: MetaFit, q: Floats) -> Floats:
    """(Q'WQ)^-1 with the weights of the model, before any Hartung-Knapp factor."""
    w = 1 / _total(fit) if fit.user_weights is None else fit.user_weights
    return np.asarray(np.linalg.inv(q.T @ (q * w[:, None])))


def fitted_values(fit: MetaFit) -> Floats:
    """The model's value for each estimate, shape (k,)."""
    if fit.beta is None or fit.x is None:
        return np.full(fit.k, fit.mu)
    return np.asarray(fit.x @ fit.beta)


def hat_values(fit: MetaFit) -> Floats:
    """Leverages, the diagonal of the hat matrix, shape (k,); the matrix itself is not made."""
    q, _ = basis(fit)
    w = 1 / _total(fit) if fit.user_weights is None else fit.user_weights
    return np.asarray(w * np.einsum("ki,ij,kj->k", q, _bread(fit, q), q, optimize=True))


def rstandard(fit: MetaFit) -> Residuals:
    """Internally standardised residuals, with or without moderators and user weights.

        Their variance is that of (I - H) y under the model. Source: Viechtbauer & Cheung 2010, doi:10.1002/jrsm.11.
        Raises InputError for a multilevel model.

    >>> from kmeta import random_effects
    >>> fit = random_effects([-0.5, -0.2, -0.9], [0.04, 0.02, 0.09], measure="HR")
    >>> rstandard(fit).z.round(2).tolist()
    [-0.13, 1.21, -1.27]
    """
    if fit.model == "multilevel":
        raise InputError("rstandard is given for models with one estimate a study", where="groups")
    q, _ = basis(fit)
    total, hat = _total(fit), hat_values(fit)
    if fit.user_weights is None:
        variance = total * (1 - hat)
    else:
        bread, wq = _bread(fit, q), q * fit.user_weights[:, None]
        meat = bread @ (wq.T @ (wq * total[:, None])) @ bread
        variance = total * (1 - 2 * hat) + np.einsum("ki,ij,kj->k", q, meat, q, optimize=True)
    resid = fit.yi - fitted_values(fit)
    se = np.sqrt(np.maximum(variance, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(hat < 1 - 1e-12, resid / se, np.nan)
    return Residuals(fit=fit, labels=fit.labels, resid=frozen(resid), se=frozen(se), z=frozen(z))


def influence(fit: MetaFit) -> Influence:
    """Outlier and influence diagnostics of every estimate, by leaving each out and estimating tau2 anew.

        Raises InputError for multilevel models, user weights, or where nothing remains when one is left out.
        Source: Viechtbauer & Cheung 2010, doi:10.1002/jrsm.11.

    >>> from kmeta import random_effects
    >>> fit = random_effects([0.1, 0.2, 0.3, 2.0], [0.04, 0.02, 0.03, 0.05], measure="SMD", tau2="DL", test="z")
    >>> influence(fit).rstudent.round(2).tolist()
    [-0.7, -0.53, -0.41, 7.36]
    """
    from scipy.special import chdtr

    need_steps(fit, "influence")
    gone = without_each(fit)
    q, r = basis(fit)
    k, p = q.shape
    back = np.linalg.inv(r)
    fitted, hat = fitted_values(fit), hat_values(fit)
    full = _bread(fit, q) * _factor(fit)
    gamma = q.T @ fitted if fit.x is not None else np.array([fit.mu])
    move = gamma[:, None] - gone.gamma
    with np.errstate(divide="ignore", invalid="ignore"):
        studentised = (fit.yi - gone.fitted) / np.sqrt(gone.factor * (fit.vi + gone.tau2) + gone.spread)
        dffits = (fitted - gone.fitted) / np.sqrt(gone.factor * hat * (gone.tau2 + fit.vi))
    cook = np.einsum("im,ij,jm->m", move, np.linalg.inv(full), move)
    with np.errstate(invalid="ignore"):
        cov_r = np.linalg.det(np.moveaxis(gone.cov, 2, 0)) * gone.factor**p / np.linalg.det(full)
    w = 1 / (fit.vi[:, None] + gone.tau2)
    each = np.linalg.inv(np.einsum("ki,km,kj->mij", q, w, q, optimize=True))
    spread = np.einsum("ai,mij,aj->ma", back, each, back, optimize=True) * gone.factor[:, None]
    dfbs = (back @ move).T / np.sqrt(spread)
    limit = 3 * math.sqrt(p / (k - p)) if k > p else math.inf
    with np.errstate(invalid="ignore"):
        influential = np.abs(dffits) > limit
        influential |= chdtr(p, np.maximum(cook, 0.0)) > 0.5
        influential |= (hat > 3 * p / k) | (np.abs(dfbs) > 1).any(axis=1)
    influential.setflags(write=False)
    return Influence(
        fit=fit,
        labels=fit.labels,
        terms=fit.terms,
        rstudent=frozen(studentised),
        dffits=frozen(dffits),
        cook_d=frozen(cook),
        cov_r=frozen(cov_r),
        tau2_del=frozen(gone.tau2),
        qe_del=frozen(gone.qe),
        hat=frozen(hat),
        weight=fit.weights,
        dfbs=frozen(dfbs),
        influential=influential,
    )


def _factor(fit: MetaFit) -> float:
    """The factor on the covariance of the whole fit (Hartung & Knapp), 1 for z and t."""
    if fit.test not in ("knha", "hksj") or fit.q_df < 1:
        return 1.0
    value = float(np.sum((fit.yi - fitted_values(fit)) ** 2 / _total(fit))) / fit.q_df
    return max(1.0, value) if fit.test == "hksj" else value


def baujat(fit: MetaFit) -> Baujat:
    """x: squared Pearson residual; y: squared move of the fitted value without the estimate, over its variance.

    Raises InputError as `influence`. Source: Baujat, Mahe, Pignon & Hill 2002, doi:10.1002/sim.1221.

    >>> from kmeta import random_effects
    >>> fit = random_effects([0.1, 0.2, 0.3, 2.0], [0.04, 0.02, 0.03, 0.05], measure="SMD", tau2="DL", test="z")
    >>> baujat(fit).x.round(2).tolist()
    [0.48, 0.33, 0.19, 3.03]
    """
    need_steps(fit, "baujat")
    gone = without_each(fit)
    fitted = fitted_values(fit)
    return Baujat(
        fit=fit,
        labels=fit.labels,
        x=frozen((fit.yi - fitted) ** 2 / _total(fit)),
        y=frozen((fitted - gone.fitted) ** 2 / gone.spread),
    )
