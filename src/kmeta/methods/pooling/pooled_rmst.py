"""Pooled restricted mean survival, or its difference between arms: a horizon at a time, or several together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.numbers import p_phrase
from kmeta.core.result import Result
from kmeta.methods.meta.distributions import chi2_tail, quantile, two_sided
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.inputs import labels_of, level_of, within_precision
from kmeta.methods.meta.random_effects import random_effects
from kmeta.methods.pooling.multivariate import Multivariate, cells, critical, mvmeta_lines, pool_multivariate
from kmeta.methods.pooling.rmst_inputs import StudyMeans

MODELS = ("univariate", "multivariate")


@dataclass(frozen=True, kw_only=True, eq=False)
class PooledRmst(Result):
    """Pooled restricted means (or differences: `contrast`) over the horizons `tau`, in the unit of time.

    Arrays (h,). `k`: studies that reach each horizon. univariate: `fits` holds the model of each horizon;
    multivariate: `joint` holds the pooled values with their covariance, and studies that end early still tell of the
    later horizons through it. pi: of a new study; NaN where fewer than three studies reach the horizon.
    """

    tau: tuple[float, ...]
    model: str
    contrast: tuple[str, str] | None
    level: float
    studies: tuple[str, ...]
    k: tuple[int, ...]
    estimate: Floats
    se: Floats
    ci_low: Floats
    ci_high: Floats
    pi_low: Floats
    pi_high: Floats
    p_value: Floats
    tau2: Floats
    values: Floats
    covariance: Floats
    fits: tuple[MetaFit, ...] = ()
    joint: Multivariate | None = None
    warnings: tuple[str, ...] = ()

    def rows(self) -> list[dict[str, Any]]:
        """One row a horizon."""
        names = ("estimate", "se", "ci_low", "ci_high", "pi_low", "pi_high", "p_value", "tau2")
        columns = [getattr(self, name).tolist() for name in names]
        return [
            {"tau": t, "k": k, **dict(zip(names, row, strict=True))}
            for t, k, *row in zip(self.tau, self.k, *columns, strict=True)
        ]

    def summary(self) -> str:
        """What was pooled, the table of horizons, heterogeneity and warnings."""
        what = "restricted mean survival time"
        if self.contrast:
            what = f"difference in {what}, {self.contrast[0]} minus {self.contrast[1]}"
        lines = [f"Pooled {what}; {self.model} random-effects model, {len(self.studies)} studies", ""]
        lines.append(super().summary())
        if self.joint is not None:
            tail = p_phrase(chi2_tail(self.joint.q, self.joint.q_df))
            lines += [
                "",
                f"Heterogeneity over all horizons: Q({self.joint.q_df}) = {self.joint.q:.2f}, {tail}",
            ]
        lines += [f"Note: {text}" for text in self.warnings]
        return "\n".join(lines)

    def r_script(self) -> str:
        """R code with the studies' values inline: metafor's rma for each horizon, or mvmeta for all."""
        if self.joint is not None:
            lines = mvmeta_lines(self.values, self.covariance, [f"to {t:g}" for t in self.tau])
        else:
            lines = ["library(metafor)"]
            for j, fit in enumerate(self.fits):
                test = {"hksj": "adhoc"}.get(fit.test, fit.test)
                options = f'method = "{fit.method}", test = "{test}", level = {100 * self.level:g}'
                lines.append(f"y{j + 1} <- {cells(self.values[:, j])}  # to {self.tau[j]:g}")
                lines.append(f"v{j + 1} <- {cells(self.covariance[:, j, j])}")
                lines.append(f"rma(y{j + 1}, v{j + 1}, {options})")
        lines.append(f"# kmeta: {self.estimate.tolist()!r}, se {self.se.tolist()!r}")
        return "\n".join(lines) + "\n"


@within_precision
def pooled_rmst(
    estimate: StudyMeans | ArrayLike,
    se: ArrayLike | None = None,
    *,
    tau: float | Sequence[float] | None = None,
    covariance: ArrayLike | None = None,
    model: str = "univariate",
    tau2: str | float = "REML",
    test: str = "hksj",
    level: float = 0.95,
    labels: Sequence[str] | None = None,
) -> PooledRmst:
    """Pool restricted mean survival times, or their differences between two arms.

    estimate : `rmst_by_study` of individual data, or values of k studies, shape (k,) or (k, h) over h horizons, NaN
        where a study does not reach one. se : their standard errors, the same shape. covariance : (k, h, h) over the
        horizons, instead of se; the multivariate model needs it where there are several horizons.
    tau : the horizons of given values, in the unit of time.
    model : "univariate", each horizon on its own (`tau2`, `test` as in `random_effects`; one study is reported as it
        is), or "multivariate", all together by the matrix-based method of moments; its limits take t with one less than
        the studies that reach a horizon, or z where test is "z".
    Raises InputError for values that cannot be, and for a horizon that no study reaches.
    Source: Wei et al. 2015, doi:10.1002/sim.6556; Weir, Tian & Trinquart 2021, doi:10.1093/biostatistics/kxz018
    (several horizons).

    >>> found = pooled_rmst([1.2, 0.8, 2.0], [0.5, 0.4, 0.9], tau=24)
    >>> found.estimate.round(2).tolist(), found.k
    ([1.07], (3,))
    """
    level = level_of(level)
    if model not in MODELS:
        raise InputError(f"no model is named {model!r}", where="model", hint=" or ".join(MODELS))
    if isinstance(estimate, StudyMeans):
        if se is not None or tau is not None or labels is not None:
            raise InputError("comes with the studies", where="se, tau, labels", hint="leave them out")
        values, spread, horizons = estimate.estimate, estimate.covariance, estimate.tau
        names, contrast, said = estimate.studies, estimate.contrast, estimate.warnings
        if covariance is not None:
            spread = _given(values, None, covariance)
    else:
        values = _table(estimate, "estimate")
        spread = _given(values, se, covariance)
        if model == "multivariate" and covariance is None and values.shape[1] > 1:
            hint = "rmst_by_study gives it; as though independent, give diagonal matrices"
            raise InputError(
                "several horizons need the covariance of each study", where="covariance", hint=hint
            )
        horizons = _horizons(tau, values.shape[1])
        names, contrast, said = labels_of(labels, len(values)), None, ()
    seen = np.isfinite(values)
    if not seen.any(axis=0).all():
        j = int(np.argmin(seen.any(axis=0)))
        raise InputError(f"no study reaches {horizons[j]:g}", where="tau", hint="a shorter horizon")
    options: dict[str, Any] = {"tau2": tau2, "test": test, "level": level}
    found = (
        _univariate(values, spread, names, options)
        if model == "univariate"
        else _multivariate(values, spread, level, test)
    )
    k = tuple(int(n) for n in seen.sum(axis=0))
    few = [f"{t:g}" for t, n in zip(horizons, k, strict=True) if n < 3]
    if few:
        said = (*said, "fewer than three studies reach " + ", ".join(few))
    return PooledRmst(
        tau=horizons,
        model=model,
        contrast=contrast,
        level=level,
        studies=names,
        k=k,
        values=frozen(values),
        covariance=frozen(spread),
        warnings=said,
        **found,
    )


def _table(values: ArrayLike, name: str) -> Floats:
    try:
        table = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("holds something that is not a number", where=name, hint="(k,) or (k, h)") from error
    if table.ndim == 1:
        table = table[:, None]
    if table.ndim != 2 or not table.size:
        raise InputError(f"has shape {table.shape}", where=name, hint="(k,) or (k, h), at least one study")
    if np.isinf(table).any():
        raise InputError("holds an infinite value", where=name, hint="NaN where a study has none")
    return table


def _given(values: Floats, se: ArrayLike | None, covariance: ArrayLike | None) -> Floats:
    """Covariances (k, h, h) from either argument, checked where the study has values."""
    k, h = values.shape
    if (se is None) == (covariance is None):
        raise InputError("give se, or covariance", where="se", hint="one of them")
    if se is not None:
        table = _table(se, "se")
        if table.shape != values.shape:
            raise InputError(f"has shape {table.shape}, estimate {values.shape}", where="se")
        spread = table[:, :, None] ** 2 * np.eye(h)
    else:
        try:
            spread = np.array(covariance, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError("holds something that is not a number", where="covariance") from error
        if spread.shape != (k, h, h):
            raise InputError(f"has shape {spread.shape}", where="covariance", hint=f"({k}, {h}, {h})")
    for i, row in enumerate(np.isfinite(values)):
        part = spread[i][np.ix_(row, row)]
        if not np.isfinite(part).all() or (np.diag(part) <= 0).any():
            told = f"study {i} has a value without a standard error above 0"
            raise InputError(told, where="se" if se is not None else "covariance")
        scale = np.diag(part).max(initial=0.0)
        if not np.allclose(part, part.T, rtol=0, atol=1e-8 * scale):
            raise InputError(f"study {i}: not symmetric", where="covariance")
        if part.size and np.linalg.eigvalsh(part).min() <= 1e-12 * scale:
            raise InputError(f"study {i}: no covariance, an eigenvalue is not above 0", where="covariance")
    return spread


def _horizons(tau: float | Sequence[float] | None, h: int) -> tuple[float, ...]:
    if tau is None:
        raise InputError("not given", where="tau", hint="the horizon of the values, in the unit of time")
    given = np.atleast_1d(_table(np.atleast_1d(np.asarray(tau, dtype=object)).tolist(), "tau").ravel())
    if len(given) != h or not (given > 0).all():
        raise InputError(f"{len(given)} horizons for {h} columns", where="tau", hint="one a column, above 0")
    return tuple(given.tolist())


def _univariate(
    values: Floats, spread: Floats, names: Sequence[str], options: dict[str, Any]
) -> dict[str, Any]:
    fits = []
    for j in range(values.shape[1]):
        rows = np.flatnonzero(np.isfinite(values[:, j]))
        labels = [names[i] for i in rows.tolist()]
        fits.append(
            random_effects(values[rows, j], spread[rows, j, j], measure="MD", labels=labels, **options)
        )
    names_ = ("se", "ci_low", "ci_high", "pi_low", "pi_high", "p_value", "tau2")
    found = {name: frozen([getattr(fit, name) for fit in fits]) for name in names_}
    return {"estimate": frozen([fit.mu for fit in fits]), "fits": tuple(fits), **found}


def _multivariate(values: Floats, spread: Floats, level: float, test: str) -> dict[str, Any]:
    joint = pool_multivariate(values, spread)
    se = np.sqrt(np.diag(joint.vcov))
    z = critical(np.isfinite(values).sum(axis=0), level, test)
    tau2 = np.diag(joint.between)
    reach = np.isfinite(values).sum(axis=0)
    crit = np.array([quantile(level, n - 1.0) if n >= 3 else math.nan for n in reach.tolist()])
    wide = crit * np.sqrt(se**2 + tau2)
    return {
        "estimate": joint.beta,
        "se": frozen(se),
        "ci_low": frozen(joint.beta - z * se),
        "ci_high": frozen(joint.beta + z * se),
        "pi_low": frozen(joint.beta - wide),
        "pi_high": frozen(joint.beta + wide),
        "p_value": frozen(
            [
                two_sided(t, math.inf if test == "z" or m < 2 else m - 1.0)
                for t, m in zip((joint.beta / se).tolist(), reach.tolist(), strict=True)
            ]
        ),
        "tau2": frozen(tau2),
        "joint": joint,
    }
