"""What single estimates do to a model: residuals, leverage, and how the fit changes without each of them.

All deletions are one batch, with or without moderators; only what a batch cannot fit (user weights, Kenward-Roger,
location-scale models) is refitted one by one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.core.views import PlotViews
from kmeta.methods.meta.batch import subsets
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.of_fit import OfFit
from kmeta.methods.meta.one_by_one import in_step, refit
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

    plot = PlotViews(
        panel="kmeta.plots.influence:influence_figure",
        normal_quantiles="kmeta.plots.normal_quantiles:normal_quantile_figure",
    )

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

    plot = PlotViews(normal_quantiles="kmeta.plots.normal_quantiles:normal_quantile_figure")

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

    plot = PlotViews(scatter="kmeta.plots.baujat:baujat_figure")

    def rows(self) -> list[dict[str, Any]]:
        """One row an estimate."""
        return table({"label": self.labels, "x": self.x.tolist(), "y": self.y.tolist()})


@dataclass(frozen=True, eq=False)
class Deleted:
    """The models without each estimate, in the orthonormal basis of the moderators, on the scale of yi.

    gamma (p, k) coefficients, cov (p, p, k) their covariance by the model, factor (k,) Hartung and Knapp's, tau2 and
    qe (k,), all of them without estimate i in place i; fitted (k,) the value predicted for the one left out. `between`
    (k, k), where tau2 differs by estimate: that of each estimate (rows) by each of these models.
    """

    gamma: Floats
    cov: Floats
    factor: Floats
    tau2: Floats
    qe: Floats
    fitted: Floats
    spread: Floats
    between: Floats | None = None


def basis(fit: MetaFit) -> tuple[Floats, Floats]:
    """Orthonormal basis (k, p) of the moderators' span and its triangle (p, p); ones without moderators."""
    return (np.ones((fit.k, 1)), np.ones((1, 1))) if fit.x is None else orthonormal(fit.x)


def need_steps(fit: MetaFit, what: str, *, singly: bool = False) -> None:
    """InputError where the refits `what` needs cannot be made at once, or (`singly`) one by one either."""
    if fit.model == "multilevel":
        raise InputError(f"{what} is given for models with one estimate a study", where="groups")
    if in_step(fit) or (singly and (type(fit) is MetaFit or fit.model == "location-scale")):
        return
    where = "tau2" if fit.user_weights is None else "weights"
    raise InputError(
        f"{what} is not given with weights of the user's own, tau2 by {fit.method} and test {fit.test}",
        where=where,
        hint="tau2 by REML and the test hksj, knha, t or z",
    )


def without_each(fit: MetaFit) -> Deleted:
    """Every deletion, at once where that can be done.

    Raises InputError when nothing remains, ConvergenceError when a tau2 does not settle.
    """
    q, _ = basis(fit)
    k, p = q.shape
    if k - 1 < p or k < 2:
        raise InputError(
            f"{k} estimates, {p} coefficients: nothing remains when one is left out", where="influence"
        )
    if not in_step(fit):
        return _one_by_one(fit)
    out = Deleted(*(np.empty(shape) for shape in ((p, k), (p, p, k), k, k, k, k, k)))
    each = np.arange(k)[:, None]
    method = fit.tau2 if fit.method == "fixed" else fit.method
    for rows, stack in subsets(
        fit.yi, fit.vi, k, lambda rows: each != each[rows].T, None if fit.x is None else q
    ):
        _fill(out, rows, stack, method, fit.test, q)
    return out


def _one_by_one(fit: MetaFit) -> Deleted:
    """Every deletion by a refit; NaN where its moderators or scale columns become collinear."""
    q, r = basis(fit)
    k, p = q.shape
    between = np.full((k, k), math.nan)
    shapes = {"gamma": (p, k), "cov": (p, p, k), "factor": k, "tau2": k, "qe": k, "fitted": k, "spread": k}
    out = Deleted(**{name: np.full(shape, math.nan) for name, shape in shapes.items()}, between=between)
    for i in range(k):
        try:
            part = refit(fit, [row for row in range(k) if row != i])
        except InputError:
            continue
        beta, vcov = coefficients(part)
        out.factor[i] = _factor(part)
        out.gamma[:, i] = r @ beta
        out.cov[:, :, i] = r @ vcov @ r.T / out.factor[i]
        between[:, i] = _tau2_at(part, fit)
        out.tau2[i], out.qe[i] = between[i, i], part.q
        out.fitted[i] = float(q[i] @ out.gamma[:, i])
        out.spread[i] = float(q[i] @ out.cov[:, :, i] @ q[i]) * out.factor[i]
    return out


def _tau2_at(part: MetaFit, whole: MetaFit) -> Floats:
    """The variances that the model of a part has for the estimates of the whole."""
    from kmeta.methods.meta.location_scale import LocationScaleFit

    if isinstance(part, LocationScaleFit) and isinstance(whole, LocationScaleFit):
        return part.tau2_at(whole.z)
    return np.full(whole.k, part.tau2)


def coefficients(fit: MetaFit) -> tuple[Floats, Floats]:
    """Coefficients (p,) and their covariance (p, p), mu alone without moderators."""
    if fit.beta is None or fit.vcov is None:
        return np.array([fit.mu]), np.array([[fit.se**2]])
    return fit.beta, fit.vcov


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
    own: Floats | None = getattr(fit, "tau2_i", None)  # a location-scale model has one for each estimate
    return fit.vi + (fit.tau2 if own is None else own)


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

        With user weights, a location-scale model or the test kr each deletion is a refit of its own.
        Raises InputError for multilevel models and models of counts, or where nothing remains when one is left out.
        Source: Viechtbauer & Cheung 2010, doi:10.1002/jrsm.11.

    >>> from kmeta import random_effects
    >>> fit = random_effects([0.1, 0.2, 0.3, 2.0], [0.04, 0.02, 0.03, 0.05], measure="SMD", tau2="DL", test="z")
    >>> influence(fit).rstudent.round(2).tolist()
    [-0.7, -0.53, -0.41, 7.36]
    """
    from scipy.special import chdtr

    need_steps(fit, "influence", singly=True)
    gone = without_each(fit)
    q, r = basis(fit)
    k, p = q.shape
    back = np.linalg.inv(r)
    fitted, hat = fitted_values(fit), hat_values(fit)
    full = _bread(fit, q) * _factor(fit) if in_step(fit) else r @ coefficients(fit)[1] @ r.T
    gamma = q.T @ fitted if fit.x is not None else np.array([fit.mu])
    move = gamma[:, None] - gone.gamma
    each = _model_spread(fit, gone, q)
    with np.errstate(divide="ignore", invalid="ignore"):
        studentised = (fit.yi - gone.fitted) / np.sqrt(gone.factor * (fit.vi + gone.tau2) + gone.spread)
        own = hat * (gone.tau2 + fit.vi)
        if fit.user_weights is not None:
            own = np.einsum("ki,kij,kj->k", q, each, q, optimize=True)
        dffits = (fitted - gone.fitted) / np.sqrt(gone.factor * own)
    cook = np.einsum("im,ij,jm->m", move, np.linalg.inv(full), move)
    with np.errstate(invalid="ignore"):
        cov_r = np.linalg.det(np.moveaxis(gone.cov, 2, 0)) * gone.factor**p / np.linalg.det(full)
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


def _model_spread(fit: MetaFit, gone: Deleted, q: Floats) -> Floats:
    """Covariance of the coefficients of all estimates at each deletion's tau2, shape (k, p, p)."""
    total = fit.vi[:, None] + (gone.tau2 if gone.between is None else gone.between)
    if fit.user_weights is None:
        gram = np.einsum("ki,km,kj->mij", q, 1 / total, q, optimize=True)
        known = np.isfinite(gram).all(axis=(1, 2))
        gram[~known] = np.eye(q.shape[1])
        return np.where(known[:, None, None], np.linalg.inv(gram), math.nan)
    bread, wq = _bread(fit, q), q * fit.user_weights[:, None]
    return np.asarray(np.einsum("ab,kb,km,kc,cd->mad", bread, wq, total, wq, bread, optimize=True))


def _factor(fit: MetaFit) -> float:
    """The factor on the covariance of the whole fit (Hartung & Knapp), 1 for z and t."""
    if fit.test not in ("knha", "hksj") or fit.q_df < 1:
        return 1.0
    from kmeta.methods.meta.random_effects import knapp_hartung

    own = getattr(fit, "tau2_i", fit.tau2)
    beta = coefficients(fit)[0]
    value = knapp_hartung(fit.yi, fit.vi, fit.x, beta, own, fit.user_weights) / fit.q_df
    return max(1.0, value) if fit.test == "hksj" else value


def baujat(fit: MetaFit) -> Baujat:
    """x: squared Pearson residual; y: squared move of the fitted value without the estimate, over its variance.

    Raises InputError as `influence`. Source: Baujat, Mahe, Pignon & Hill 2002, doi:10.1002/sim.1221.

    >>> from kmeta import random_effects
    >>> fit = random_effects([0.1, 0.2, 0.3, 2.0], [0.04, 0.02, 0.03, 0.05], measure="SMD", tau2="DL", test="z")
    >>> baujat(fit).x.round(2).tolist()
    [0.48, 0.33, 0.19, 3.03]
    """
    need_steps(fit, "baujat", singly=True)
    gone = without_each(fit)
    fitted = fitted_values(fit)
    return Baujat(
        fit=fit,
        labels=fit.labels,
        x=frozen((fit.yi - fitted) ** 2 / _total(fit)),
        y=frozen((fitted - gone.fitted) ** 2 / gone.spread),
    )
