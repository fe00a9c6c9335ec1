"""The result of a meta-analysis: one shape for random, common and multilevel models."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.core.views import PlotViews
from kmeta.methods.meta.of_fit import OfFit
from kmeta.methods.meta.scales import back_transform, scale_name

if TYPE_CHECKING:
    from kmeta.methods.meta.blup import Radial, Shrunken
    from kmeta.methods.meta.categories import Category
    from kmeta.methods.meta.contrasts import ContrastTest, ModelComparison
    from kmeta.methods.meta.formulas import Formula
    from kmeta.methods.meta.gosh import Gosh
    from kmeta.methods.meta.influence import Baujat, Influence, Residuals
    from kmeta.methods.meta.one_by_one import Refits
    from kmeta.methods.meta.permutation import PermutationTest
    from kmeta.methods.meta.profile_likelihood import Profile
    from kmeta.methods.meta.robust import RobustFit
    from kmeta.methods.meta.trim_fill import TrimFill


@dataclass(frozen=True, kw_only=True, eq=False)
class MetaFit(Result):
    """Model of k estimates; mu, se and the intervals are on the analysis scale (log, logit).

    `weights` in percent sum to 100. i2 is a fraction. `effect*` are the same numbers on the scale people read (HR,
    probability). `method` names the estimator of tau2 ("fixed": given by the user; "CE": common-effect model).
    The prediction interval is NaN when k < 3, for a common effect and with moderators (see `predict`).
    `tau2_low`, `tau2_high`: Q-profile interval. `vt`: typical sampling variance (Higgins & Thompson 2002).
    With moderators `beta`, `vcov` hold every coefficient of `terms`, and mu, se, ci are those of the first; `qm` is
    the omnibus test (chi2 with `qm_df[0]`, or F with both), `r2` the share of tau2 they explain.
    `sigma2`: variance components by level of `structure` (one: tau2 itself); tau2 is their sum.
    `factors`: the categorical moderators by name, with their coding; `formula`: the moderators' formula.
    `seed`, `n_bootstrap`: of a bootstrap prediction interval.
    `warnings` say what a reader must know before using the numbers.
    """

    yi: Floats
    vi: Floats
    measure: str
    method: str
    test: str
    level: float
    mu: float
    se: float
    ci_low: float
    ci_high: float
    pi_low: float
    pi_high: float
    statistic: float
    df: float
    p_value: float
    tau2: float
    tau2_low: float
    tau2_high: float
    i2: float
    h2: float
    q: float
    q_df: int
    q_p: float
    weights: Floats
    converged: bool = True
    labels: tuple[str, ...] = ()
    model: str = "random"
    pi: str = "test"
    tau2_se: float = math.nan
    vt: float = math.nan
    user_weights: Floats | None = None
    terms: tuple[str, ...] = ("mu",)
    x: Floats | None = None
    beta: Floats | None = None
    vcov: Floats | None = None
    qm: float = math.nan
    qm_df: tuple[float, float] = (math.nan, math.nan)
    qm_p: float = math.nan
    r2: float = math.nan
    structure: tuple[str, ...] = ("study",)
    sigma2: tuple[float, ...] = ()
    groups: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    factors: Mapping[str, Category] = field(default_factory=dict)
    formula: Formula | None = None
    seed: int | None = None
    n_bootstrap: int | None = None

    plot = PlotViews(forest="kmeta.plots.forest:forest", funnel="kmeta.plots.funnel:funnel")

    @property
    def k(self) -> int:
        """Number of estimates."""
        return len(self.yi)

    @property
    def k_groups(self) -> int:
        """Number of studies: of groups in a multilevel model, else of estimates."""
        return len(set(self.groups)) if self.groups else self.k

    @property
    def tau(self) -> float:
        """Standard deviation of the true effects, on the analysis scale."""
        return math.sqrt(self.tau2)

    @property
    def scale(self) -> str:
        """Name of the analysis scale: "log", "logit", ...; "as is" when nothing was transformed."""
        return scale_name(self.measure)

    def on_scale(self, value: float) -> float:
        """`value` of the analysis scale on the scale people read."""
        return float(back_transform(self.measure)(np.asarray(value, dtype=float)))

    @property
    def effect(self) -> float:
        """mu on the scale people read."""
        return self.on_scale(self.mu)

    @property
    def effect_ci(self) -> tuple[float, float]:
        """Confidence interval on the scale people read."""
        return self.on_scale(self.ci_low), self.on_scale(self.ci_high)

    @property
    def effect_pi(self) -> tuple[float, float]:
        """Prediction interval on the scale people read; NaN when k < 3."""
        return self.on_scale(self.pi_low), self.on_scale(self.pi_high)

    @property
    def i2_ci(self) -> tuple[float, float]:
        """Interval of I2, from `h2_ci`."""
        low, high = (max(0.0, 1 - 1 / h2) if h2 >= 1 else h2 * 0 for h2 in self.h2_ci)
        return low, high

    @property
    def h2_ci(self) -> tuple[float, float]:
        """Interval of H2: with the Q-profile interval of tau2; of a common effect the test-based one of Q."""
        if self.model == "common":
            from kmeta.methods.meta.fit_statistics import test_based_h2

            return test_based_h2(self.q, self.q_df, self.level)
        return self.tau2_low / self.vt + 1, self.tau2_high / self.vt + 1

    @property
    def rb(self) -> float:
        """Share of each estimate's variance that is between studies, on average (Crippa et al. 2016).

        Source: doi:10.1002/sim.6980.
        """
        return float(np.mean(self.tau2 / (self.tau2 + self.vi)))

    def variance_intervals(self, level: float | None = None) -> tuple[tuple[float, float], ...]:
        """Profile-likelihood interval of each component in `sigma2`; needs a fit by ML or REML."""
        from kmeta.methods.meta.profile_likelihood import variance_intervals

        return variance_intervals(self, level)

    def generalised_q_interval(
        self, weights: ArrayLike | None = None, *, level: float | None = None
    ) -> tuple[float, float]:
        """Interval of tau2 from the exact distribution of Q with fixed weights (default: GENQ's, else 1 / vi)."""
        from kmeta.methods.meta.generalised_q import generalised_q_interval

        return generalised_q_interval(self, weights, level=level)

    def predict(
        self, new: Mapping[str, ArrayLike] | ArrayLike | None = None, *, pi: str | None = None
    ) -> Prediction:
        """Estimate, confidence and prediction interval, for rows of moderators `new` where the model has them.

        `new` has the columns of `data` where the model was given a formula. `pi` as in `random_effects`.
        Given on request for any k where its reference distribution exists.
        """
        from kmeta.methods.meta.prediction import predict

        return predict(self, new, pi=pi)

    @property
    def common(self) -> MetaFit:
        """The common-effect model of the same estimates: to stand beside, never instead."""
        from kmeta.methods.meta.random_effects import common_effect

        return common_effect(
            self.yi, self.vi, measure=self.measure, level=self.level, labels=self.labels or None
        )

    def leave_one_out(self) -> Refits:
        """The model without each estimate in turn (without each study in a multilevel model)."""
        from kmeta.methods.meta.one_by_one import leave_one_out

        return leave_one_out(self)

    def cumulative(self, order: ArrayLike | None = None) -> Refits:
        """The model of the first 1, 2, ... k estimates; `order` are values to sort by (years), else as given."""
        from kmeta.methods.meta.one_by_one import cumulative

        return cumulative(self, order)

    def trim_fill(self, *, estimator: str = "L0", side: str | None = None) -> TrimFill:
        """Trim and fill of this model; see `kmeta.trim_fill`."""
        from kmeta.methods.meta.trim_fill import trim_fill

        return trim_fill(self, estimator=estimator, side=side)

    def contrast(self, combinations: ArrayLike, labels: Sequence[str] | None = None) -> ContrastTest:
        """Tests of linear combinations of the coefficients, a row of weights each."""
        from kmeta.methods.meta.contrasts import contrast

        return contrast(self, combinations, labels)

    def marginal_means(self, name: str, *, pi: str | None = None) -> Prediction:
        """The mean at each level of the categorical moderator `name`."""
        from kmeta.methods.meta.categories import marginal_means

        return marginal_means(self, name, pi=pi)

    def df_of(self, rows: Floats) -> Floats:
        """Degrees of freedom of combinations of the coefficients, a row of weights each; infinite for z tests."""
        return np.full(len(rows), self.df)

    def wald_test(self, terms: Sequence[str]) -> ContrastTest:
        """Test that the coefficients of `terms` are all 0; a moderator's name stands for all of its own."""
        from kmeta.methods.meta.contrasts import wald_test

        return wald_test(self, terms)

    def compare(self, reduced: MetaFit) -> ModelComparison:
        """Likelihood-ratio test against a model with fewer moderators, both by ML."""
        from kmeta.methods.meta.contrasts import compare

        return compare(self, reduced)

    def variance_inflation(self) -> dict[str, float]:
        """Variance inflation factor of each moderator."""
        from kmeta.methods.meta.contrasts import variance_inflation

        return variance_inflation(self)

    def influence(self) -> Influence:
        """Outlier and influence diagnostics: rstudent, dffits, Cook's distance, ... of each estimate."""
        from kmeta.methods.meta.influence import influence

        return influence(self)

    def rstandard(self) -> Residuals:
        """Internally standardised residuals."""
        from kmeta.methods.meta.influence import rstandard

        return rstandard(self)

    def baujat(self) -> Baujat:
        """Each estimate's share in the heterogeneity and its influence on the result."""
        from kmeta.methods.meta.influence import baujat

        return baujat(self)

    def gosh(self, *, n: int | None = None, seed: int = 0) -> Gosh:
        """The model on all subsets of the estimates, or on `n` drawn with `seed`."""
        from kmeta.methods.meta.gosh import gosh

        return gosh(self, n=n, seed=seed)

    def radial(self) -> Radial:
        """Coordinates of a radial (Galbraith) plot."""
        from kmeta.methods.meta.blup import radial

        return radial(self)

    def blup(self) -> Shrunken:
        """Predicted true effects of the studies."""
        from kmeta.methods.meta.blup import blup

        return blup(self)

    def ranef(self) -> Shrunken:
        """Predicted random effects: the true effects' distances from the fitted values."""
        from kmeta.methods.meta.blup import ranef

        return ranef(self)

    def permutation_test(self, *, n: int = 1000, exact: bool | None = None, seed: int = 0) -> PermutationTest:
        """Permutation tests of the coefficients; all permutations when they are no more than `n`."""
        from kmeta.methods.meta.permutation import permutation_test

        return permutation_test(self, n=n, exact=exact, seed=seed)

    def profile(self, at: ArrayLike | None = None) -> Profile:
        """The log-likelihood at values of tau2."""
        from kmeta.methods.meta.profile_likelihood import profile

        return profile(self, at)

    def robust(
        self,
        cluster: Sequence[object] | ArrayLike,
        *,
        kind: str = "CR2",
        df: str | None = None,
        level: float | None = None,
    ) -> RobustFit:
        """Cluster-robust tests of the coefficients; see `kmeta.methods.meta.robust.robust`."""
        from kmeta.methods.meta.robust import robust

        return robust(self, cluster, kind=kind, df=df, level=level)

    def fit_stats(self) -> dict[str, dict[str, float]]:
        """Log-likelihood, deviance, AIC, BIC, AICc under "ML" and "REML"."""
        from kmeta.methods.meta.fit_statistics import fit_statistics

        return fit_statistics(self)

    def r_script(self) -> str:
        """R code with the data inline: the metafor call that gives the same numbers."""
        from kmeta.methods.meta.r_script import r_script

        return r_script(self)

    def summary(self) -> str:
        """The model as a methodologist expects it printed."""
        from kmeta.methods.meta.summary import summary

        return summary(self)

    def rows(self) -> list[dict[str, Any]]:
        """One row a coefficient; the pooled estimate is the only one without moderators."""
        if self.beta is None:
            return [self._row("mu", self.mu, self.se, self.ci_low, self.ci_high, self.p_value)]
        from kmeta.methods.meta.distributions import quantile, two_sided

        crit = quantile(self.level, self.df)
        se = np.sqrt(np.diag(self.vcov)) if self.vcov is not None else np.full(len(self.beta), np.nan)
        return [
            self._row(term, b, s, b - crit * s, b + crit * s, two_sided(b / s, self.df))
            for term, b, s in zip(self.terms, self.beta.tolist(), se.tolist(), strict=True)
        ]

    def _row(self, term: str, b: float, se: float, low: float, high: float, p: float) -> dict[str, Any]:
        natural = self.on_scale if self.beta is None else lambda value: math.nan
        return {
            "term": term,
            "estimate": b,
            "se": se,
            "ci_low": low,
            "ci_high": high,
            "p_value": p,
            "effect": natural(b),
            "effect_low": natural(low),
            "effect_high": natural(high),
            "tau2": self.tau2,
            "i2": self.i2,
            "k": self.k,
        }

    def need_no_moderators(self, what: str) -> None:
        """InputError where `what` is not built for a meta-regression."""
        if self.beta is not None:
            raise InputError(f"{what} is given for models without moderators", where="mods")


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction(OfFit):
    """Predicted values on the analysis scale, arrays of one length; `effect*` on the scale people read.

    `x` are the rows of the design matrix they are at, `tau2` and `pi_df` the variance of the true effects and the
    degrees of freedom behind each prediction interval (NaN where there is none, or it was drawn).
    """

    labels: tuple[str, ...]
    measure: str
    level: float
    pi: str
    mu: Floats
    se: Floats
    ci_low: Floats
    ci_high: Floats
    pi_low: Floats
    pi_high: Floats
    x: Floats
    tau2: Floats
    pi_df: Floats

    @property
    def effect(self) -> Floats:
        """mu on the scale people read."""
        return back_transform(self.measure)(self.mu)

    @property
    def effect_ci(self) -> tuple[Floats, Floats]:
        """Confidence limits on the scale people read."""
        back = back_transform(self.measure)
        return back(self.ci_low), back(self.ci_high)

    @property
    def effect_pi(self) -> tuple[Floats, Floats]:
        """Prediction limits on the scale people read."""
        back = back_transform(self.measure)
        return back(self.pi_low), back(self.pi_high)

    def rows(self) -> list[dict[str, Any]]:
        """One row a predicted value, both scales."""
        low, high = self.effect_ci
        plow, phigh = self.effect_pi
        columns: dict[str, Sequence[Any]] = {
            "label": self.labels,
            "mu": self.mu.tolist(),
            "se": self.se.tolist(),
            "ci_low": self.ci_low.tolist(),
            "ci_high": self.ci_high.tolist(),
            "pi_low": self.pi_low.tolist(),
            "pi_high": self.pi_high.tolist(),
            "effect": self.effect.tolist(),
            "effect_low": low.tolist(),
            "effect_high": high.tolist(),
            "effect_pi_low": plow.tolist(),
            "effect_pi_high": phigh.tolist(),
        }
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
