"""Predictions of a location-scale model: the effect, and the variance of the true effects."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.methods.meta.distributions import quantile
from kmeta.methods.meta.fit import Prediction
from kmeta.methods.meta.location_scale import LocationScaleFit
from kmeta.methods.meta.moderators import INTERCEPT
from kmeta.methods.meta.of_fit import OfFit
from kmeta.methods.meta.prediction import design_rows, predict_rows

New = Mapping[str, ArrayLike] | ArrayLike | None


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictedTau2(OfFit):
    """tau2 with its confidence interval at rows of scale columns; arrays of one length.

    `predictor` and its standard error `se` are log tau2 under the log link. Under the identity link limits below 0 are
    shown as 0.
    """

    labels: tuple[str, ...]
    link: str
    level: float
    predictor: Floats
    se: Floats
    tau2: Floats
    ci_low: Floats
    ci_high: Floats
    z: Floats

    def rows(self) -> list[dict[str, Any]]:
        """One row a predicted value."""
        columns = {
            name: getattr(self, name).tolist() for name in ("predictor", "se", "tau2", "ci_low", "ci_high")
        }
        return [
            {"label": label, **dict(zip(columns, row, strict=True))}
            for label, row in zip(self.labels, zip(*columns.values(), strict=True), strict=True)
        ]


def predict_both(fit: LocationScaleFit, new: New, newscale: New, *, pi: str | None) -> Prediction:
    """Effects at rows of moderators `new`, the variance of the true effects being that at `newscale`.

    Raises InputError when one part is given and the other, which has columns of its own, is not.
    """
    varies = fit.x is not None and fit.x.shape[1] > 1
    if new is None and newscale is None:
        rows = np.ones((fit.k, 1)) if fit.x is None else fit.x
        return predict_rows(fit, rows, fit.labels, pi, fit.tau2_i)
    if newscale is None and len(fit.alpha) > 1:
        raise InputError("rows of scale columns are needed as well", where="newscale")
    if new is None and varies:
        raise InputError("rows of moderators are needed as well", where="new")
    tau2 = None if newscale is None else _tau2(fit, scale_rows(fit, newscale)[0])
    if new is None:
        assert tau2 is not None  # noqa: S101
        rows = np.ones((len(tau2), 1))
        labels = tuple(str(i + 1) for i in range(len(tau2)))
    else:
        rows, labels = design_rows(fit, new)
    if tau2 is None:
        tau2 = np.full(len(rows), fit.tau2_i[0])
    if len(tau2) != len(rows):
        raise InputError(
            f"{len(rows)} rows of moderators, {len(tau2)} of scale columns", where="newscale", hint="as many"
        )
    return predict_rows(fit, rows, labels, pi, tau2)


def scale_rows(fit: LocationScaleFit, newscale: New) -> tuple[Floats, tuple[str, ...]]:
    """Rows of the scale's design matrix, with their labels; the studies' where None."""
    if newscale is None:
        return fit.z, fit.labels
    if tuple(fit.scale_terms) == (INTERCEPT,):
        raise InputError("the scale has only an intercept", where="newscale", hint="leave newscale out")
    as_location = dataclasses.replace(
        fit, x=fit.z, terms=fit.scale_terms, factors=fit.scale_factors, formula=fit.scale_formula
    )
    try:
        return design_rows(as_location, newscale)
    except InputError as error:
        message = error.message.replace("mods[", "newscale[")
        raise InputError(message, where="newscale", hint=error.hint.replace("mods", "scale")) from error


def exponential(values: Floats) -> Floats:
    """exp, infinite where it leaves the range of doubles."""
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(values))


def _tau2(fit: LocationScaleFit, rows: Floats) -> Floats:
    eta = rows @ fit.alpha
    if fit.link == "log":
        return exponential(eta)
    rounding = 1e-9 * np.abs(rows) @ np.abs(fit.alpha) + 1e-12 * fit.vi.max()
    if (eta < -rounding).any():
        raise InputError(
            f"tau2 would be {float(eta.min()):.4g} at a row of newscale",
            where="newscale",
            hint="an identity link holds within the range of the studies only",
        )
    return np.asarray(np.maximum(eta, 0.0))


def predict_tau2(fit: LocationScaleFit, newscale: New = None) -> PredictedTau2:
    """tau2 at rows of the scale's columns, with its confidence interval."""
    rows, labels = scale_rows(fit, newscale)
    eta = rows @ fit.alpha
    se = np.sqrt(np.einsum("ij,jk,ik->i", rows, fit.alpha_vcov, rows))
    half = quantile(fit.level, fit.alpha_df) * se
    low, high = eta - half, eta + half
    if fit.link == "log":
        low, high = exponential(low), exponential(high)
    else:
        low, high = np.maximum(low, 0.0), np.maximum(high, 0.0)
    return PredictedTau2(
        fit=fit,
        z=frozen(rows),
        labels=labels,
        link=fit.link,
        level=fit.level,
        predictor=frozen(eta),
        se=frozen(se),
        tau2=frozen(_tau2(fit, rows)),
        ci_low=frozen(low),
        ci_high=frozen(high),
    )
