"""Contrasts and predictions with a cluster-robust variance: what its two results, of a fit and of moments, share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.methods.meta.categories import Moderated, marginal_rows
from kmeta.methods.meta.distributions import quantile
from kmeta.methods.meta.fit import Prediction

if TYPE_CHECKING:
    from kmeta.methods.meta.contrasts import ContrastTest


class Sandwich(NamedTuple):
    """Clusters, their scores and the bread; `chosen` names the df, `df` is it where all combinations have the same."""

    clusters: list[Any]
    pieces: Any
    bread: Floats
    chosen: str
    df: float


class RobustTests:
    """Tests and predictions of combinations of coefficients; Satterthwaite's df are worked out for each combination."""

    beta: Floats
    vcov: Floats
    terms: tuple[str, ...]
    level: float

    def r_script(self) -> str:
        """R code of the model."""
        raise NotImplementedError

    def sandwich(self) -> Sandwich:
        """What the tests are worked out from."""
        raise NotImplementedError

    @property
    def moderated(self) -> Moderated:
        """The model that the coefficients are of."""
        raise NotImplementedError

    @property
    def between(self) -> float:
        """Variance of the true effects, for prediction intervals; NaN: none are given."""
        raise NotImplementedError

    @property
    def scale_of(self) -> str:
        """The measure, for the scale people read."""
        return str(getattr(self.moderated, "measure", "GEN"))

    def df_of(self, rows: Floats) -> Floats:
        """Degrees of freedom of combinations of the coefficients, a row of weights each."""
        from kmeta.methods.meta.robust import _satterthwaite

        parts = self.sandwich()
        if parts.chosen != "satterthwaite":
            return np.full(len(rows), parts.df)
        return np.array([_satterthwaite(parts.clusters, parts.pieces, parts.bread, row) for row in rows])

    def contrast(self, combinations: ArrayLike, labels: Sequence[str] | None = None) -> ContrastTest:
        """Tests of linear combinations of the coefficients, a row of weights each, shape (p,) or (n, p).

        All together by the approximate Hotelling test where df are Satterthwaite's.
        Raises InputError for the wrong number of weights and for rows that depend on each other.
        Source: Pustejovsky & Tipton 2018, doi:10.1080/07350015.2016.1247004.
        """
        from kmeta.methods.meta.contrasts import tested, weights_of_contrasts
        from kmeta.methods.meta.robust import joint_test

        rows = weights_of_contrasts(combinations, self.terms)
        dfs = self.df_of(rows)
        parts = self.sandwich()
        joint = joint_test(
            rows, self.beta, self.vcov, dfs.tolist(), parts.chosen, parts.clusters, parts.pieces, parts.bread
        )
        return tested(self, rows, labels, self.beta, self.vcov, dfs, joint)

    def wald_test(self, terms: Sequence[str]) -> ContrastTest:
        """Test that the coefficients of `terms` are all 0; a moderator's name stands for all of its own."""
        from kmeta.methods.meta.contrasts import coefficients_named

        model = self.moderated
        names = coefficients_named(terms, self.terms, model.factors, model.formula)
        return self.contrast(np.eye(len(self.terms))[[self.terms.index(name) for name in names]], names)

    def predict(self, new: Mapping[str, ArrayLike] | ArrayLike | None = None) -> Prediction:
        """Estimate, confidence and prediction interval at rows of moderators `new` (default: the estimates' own)."""
        from kmeta.methods.meta.prediction import design_rows

        return self._at(*design_rows(self.moderated, new))

    def marginal_means(self, name: str) -> Prediction:
        """The mean at each level of the categorical moderator `name`."""
        return self._at(*marginal_rows(self.moderated, name))

    def _at(self, rows: Floats, labels: tuple[str, ...]) -> Prediction:
        mu, se = rows @ self.beta, np.sqrt(np.einsum("ij,jk,ik->i", rows, self.vcov, rows))
        dfs = self.df_of(rows)
        crit = np.array([quantile(self.level, df) for df in dfs.tolist()])
        half, spread = crit * se, crit * np.sqrt(se**2 + self.between)
        return Prediction(
            fit=self,
            x=frozen(rows),
            tau2=frozen(np.full(len(mu), self.between)),
            pi_df=frozen(dfs),
            labels=labels,
            measure=self.scale_of,
            level=self.level,
            pi="test",
            mu=frozen(mu),
            se=frozen(se),
            ci_low=frozen(mu - half),
            ci_high=frozen(mu + half),
            pi_low=frozen(mu - spread),
            pi_high=frozen(mu + spread),
        )
