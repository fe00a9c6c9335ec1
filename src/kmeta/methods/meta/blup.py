"""True effects of the single studies, shrunken towards the model (empirical Bayes), and radial coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.views import PlotViews
from kmeta.methods.meta.distributions import quantile
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.influence import fitted_values, table
from kmeta.methods.meta.of_fit import OfFit
from kmeta.methods.meta.scales import back_transform


@dataclass(frozen=True, kw_only=True, eq=False)
class Shrunken(OfFit):
    """Predicted values of k studies on the analysis scale, arrays of shape (k,), with their intervals.

    `kind` is "blup" (true effects) or "ranef" (their distances from the fitted values).
    """

    kind: str
    labels: tuple[str, ...]
    measure: str
    level: float
    pred: Floats
    se: Floats
    pi_low: Floats
    pi_high: Floats

    @property
    def effect(self) -> Floats:
        """True effects on the scale people read; NaN for distances, which have no such scale."""
        return (
            back_transform(self.measure)(self.pred)
            if self.kind == "blup"
            else np.full_like(self.pred, np.nan)
        )

    def rows(self) -> list[dict[str, Any]]:
        """One row a study."""
        columns: dict[str, Sequence[Any]] = {"label": self.labels}
        columns |= {name: getattr(self, name).tolist() for name in ("pred", "se", "pi_low", "pi_high")}
        return table(columns | {"effect": self.effect.tolist()})


@dataclass(frozen=True, kw_only=True, eq=False)
class Radial(OfFit):
    """Coordinates of k estimates in a radial plot: `x` precision, `y` standardised estimate; slope = effect."""

    labels: tuple[str, ...]
    slope: float
    x: Floats
    y: Floats

    plot = PlotViews(scatter="kmeta.plots.radial:radial_figure")

    def rows(self) -> list[dict[str, Any]]:
        """One row an estimate."""
        return table({"label": self.labels, "x": self.x.tolist(), "y": self.y.tolist()})


def blup(fit: MetaFit) -> Shrunken:
    """Best linear unbiased predictions of the studies' true effects, with the model's covariance in their errors.

        Raises InputError for multilevel models. Source: Raudenbush & Bryk 1985, doi:10.3102/10769986010002075.

    >>> from kmeta import random_effects
    >>> blup(random_effects([-0.5, -0.2, -0.9], [0.04, 0.02, 0.09], measure="HR")).pred.round(3).tolist()
    [-0.486, -0.264, -0.645]
    """
    share, fitted, spread = _parts(fit, "blup")
    pred = share * fit.yi + (1 - share) * fitted
    return _shrunken(fit, "blup", pred, share * fit.vi + (1 - share) ** 2 * spread)


def ranef(fit: MetaFit) -> Shrunken:
    """Predicted random effects: distances of the true effects from the fitted values.

        Raises InputError for multilevel models. Source: Raudenbush & Bryk 1985, doi:10.3102/10769986010002075.

    >>> from kmeta import random_effects
    >>> ranef(random_effects([-0.5, -0.2, -0.9], [0.04, 0.02, 0.09], measure="HR")).pred.round(3).tolist()
    [-0.022, 0.201, -0.18]
    """
    share, fitted, spread = _parts(fit, "ranef")
    return _shrunken(fit, "ranef", share * (fit.yi - fitted), share * fit.vi + share**2 * spread)


def _parts(fit: MetaFit, what: str) -> tuple[Floats, Floats, Floats]:
    """Share of each estimate's own value, the fitted value and the variance of the fitted value."""
    if fit.model == "multilevel":
        raise InputError(f"{what} is given for models with one estimate a study", where="groups")
    share = fit.tau2 / (fit.tau2 + fit.vi)
    if fit.x is None or fit.vcov is None:
        return share, fitted_values(fit), np.full(fit.k, fit.se**2)
    return share, fitted_values(fit), np.einsum("ki,ij,kj->k", fit.x, fit.vcov, fit.x, optimize=True)


def _shrunken(fit: MetaFit, kind: str, pred: Floats, variance: Floats) -> Shrunken:
    se = np.sqrt(variance)
    half = quantile(fit.level, fit.df) * se
    return Shrunken(
        fit=fit,
        kind=kind,
        labels=fit.labels,
        measure=fit.measure,
        level=fit.level,
        pred=frozen(pred),
        se=frozen(se),
        pi_low=frozen(pred - half),
        pi_high=frozen(pred + half),
    )


def radial(fit: MetaFit) -> Radial:
    """Coordinates of a radial (Galbraith) plot, tau2 included in each estimate's precision.

        Raises InputError for models with moderators or groups. Source: Galbraith 1988, doi:10.1002/sim.4780070807.

    >>> from kmeta import common_effect
    >>> radial(common_effect([-0.5, -0.2], [0.04, 0.01], measure="HR")).y.tolist()
    [-2.5, -2.0]
    """
    fit.need_no_moderators("radial")
    if fit.model == "multilevel":
        raise InputError("radial is given for models with one estimate a study", where="groups")
    x = 1 / np.sqrt(fit.vi + fit.tau2)
    return Radial(fit=fit, labels=fit.labels, slope=fit.mu, x=frozen(x), y=frozen(x * fit.yi))
