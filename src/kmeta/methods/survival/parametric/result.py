"""The fitted parametric model: parameters, likelihood, and what follows from them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats
from kmeta.core.result import Result
from kmeta.methods.survival.parametric import prediction as ask
from kmeta.methods.survival.parametric.covariates import Covariates, patterns_of
from kmeta.methods.survival.parametric.distribution import Distribution
from kmeta.methods.survival.parametric.prediction import ParametricPrediction, checked
from kmeta.methods.survival.sample import SurvivalSample


@dataclass(frozen=True, kw_only=True, eq=False)
class ParametricSurvival(Result):
    """A parametric model fitted by maximum likelihood.

    `theta` holds the parameters on the real line (the log of a positive one), `coefficients` those of the covariates,
    `covariance` that of both, in this order, NaN where a parameter lies on its boundary. `effect` says what a
    coefficient is. `last_time` is the longest follow-up: what lies beyond is marked as extrapolated.
    """

    distribution: str
    theta: Floats
    coefficients: Floats
    covariance: Floats
    names: tuple[str, ...]
    loglik: float
    n: int
    events: int
    last_time: float
    level: float
    converged: bool
    warnings: tuple[str, ...] = ()
    model: Distribution = field(repr=False)
    sample: SurvivalSample = field(repr=False)
    x: Floats = field(repr=False)

    @property
    def effect(self) -> str:
        """What a coefficient of a covariate is: "log hazard ratio", "log time ratio" ..."""
        return self.model.effect

    @property
    def npars(self) -> int:
        """Number of parameters."""
        return len(self.theta) + len(self.coefficients)

    @property
    def aic(self) -> float:
        """Akaike's criterion: -2 log-likelihood + 2 parameters."""
        return -2 * self.loglik + 2 * self.npars

    @property
    def bic(self) -> float:
        """Schwarz's criterion with the number of patients: -2 log-likelihood + log(n) parameters."""
        return -2 * self.loglik + math.log(self.n) * self.npars

    @property
    def parameters(self) -> dict[str, float]:
        """Every parameter on its natural scale, then the coefficients."""
        return {row["parameter"]: row["estimate"] for row in self.rows()}

    def rows(self) -> list[dict[str, Any]]:
        """One row a parameter: natural scale (estimate, se, interval) and the real line (estimate_real, se_real)."""
        from scipy.special import ndtri

        crit = float(ndtri((1 + self.level) / 2))
        positive = [parameter.positive for parameter in self.model.parameters]
        logs = positive + [False] * len(self.names)
        labels = [parameter.name for parameter in self.model.parameters] + list(self.names)
        with np.errstate(invalid="ignore"):
            ses = np.sqrt(np.diag(self.covariance)).tolist()
        rows = []
        for name, is_log, real, se in zip(
            labels, logs, np.append(self.theta, self.coefficients).tolist(), ses, strict=True
        ):
            ends = (real, real - crit * se, real + crit * se)
            value, low, high = (_exp(end) for end in ends) if is_log else ends
            rows.append(
                {
                    "parameter": name,
                    "estimate": value,
                    "se": value * se if is_log else se,
                    "ci_low": low,
                    "ci_high": high,
                    "scale": "log" if is_log else "identity",
                    "estimate_real": real,
                    "se_real": se,
                }
            )
        return rows

    def to_dict(self) -> dict[str, Any]:
        """The numbers of the fit; not the patients."""
        kept = ("distribution", "n", "events", "last_time", "level", "loglik", "converged")
        found = {name: getattr(self, name) for name in kept}
        return {
            **found,
            "effect": self.effect,
            "aic": self.aic,
            "bic": self.bic,
            "parameters": self.rows(),
            "covariance": self.covariance.tolist(),
            "warnings": list(self.warnings),
        }

    def summary(self) -> str:
        """The model as a methodologist expects it printed."""
        head = (
            f"{self.distribution}, maximum likelihood: n {self.n}, events {self.events}, "
            f"longest follow-up {self.last_time:.4g}"
        )
        fit = f"log-likelihood {self.loglik:.4f}, AIC {self.aic:.3f}, BIC {self.bic:.3f}"
        said = [f"coefficients: {self.effect}"] if self.names else []
        if not self.converged:
            said.append("NOT CONVERGED: the numbers are where the search stopped")
        return "\n".join([head, fit, super().summary(), *said, *(f"warning: {w}" for w in self.warnings)])

    def survival(self, times: ArrayLike, covariates: Covariates | None = None) -> ParametricPrediction:
        """Survival at `times` (0 or later), for each pattern of covariates."""
        at = checked(times, "times", least=0, most=math.inf, open_ends=False)
        return self._ask(ask.survival_values, at, covariates, "survival", "time")

    def hazard(self, times: ArrayLike, covariates: Covariates | None = None) -> ParametricPrediction:
        """Hazard at `times` (above 0), per unit of time."""
        at = checked(times, "times", least=0, most=math.inf, open_ends=True)
        return self._ask(ask.log_hazard_values, at, covariates, "hazard", "time")

    def quantile(self, p: ArrayLike, covariates: Covariates | None = None) -> ParametricPrediction:
        """The time by which a share `p` had the event; NaN: the curve never falls that low."""
        at = checked(p, "p", least=0, most=1, open_ends=True)
        return self._ask(ask.log_quantile_values, at, covariates, "quantile", "p")

    def median(self, covariates: Covariates | None = None) -> ParametricPrediction:
        """Median survival time."""
        return self.quantile(0.5, covariates)

    def rmst(self, tau: ArrayLike, covariates: Covariates | None = None) -> ParametricPrediction:
        """Mean time lived up to each `tau`."""
        at = checked(tau, "tau", least=0, most=math.inf, open_ends=True)
        return self._ask(ask.log_mean_values, at, covariates, "rmst", "tau")

    def mean(self, covariates: Covariates | None = None) -> ParametricPrediction:
        """Mean survival time, infinite where the distribution has none: always an extrapolation."""
        return self._ask(ask.log_mean_values, np.array([math.inf]), covariates, "mean", "tau")

    def _ask(
        self, how: Any, at: Floats, covariates: Covariates | None, quantity: str, axis: str
    ) -> ParametricPrediction:
        fitted = ask.Fitted(
            distribution=self.model,
            theta=self.theta,
            coefficients=self.coefficients,
            covariance=self.covariance,
            last_time=self.last_time,
            level=self.level,
        )
        patterns = patterns_of(covariates, self.names)
        return ask.predicted(fitted, patterns, at, ask=how, quantity=quantity, axis=axis)

    def r_script(self) -> str:
        """R code with the data inline: the flexsurv call that gives the same numbers."""
        from kmeta.methods.survival.parametric.r_call import r_call

        return r_call(self)


def _exp(value: float) -> float:
    return math.nan if math.isnan(value) else math.exp(min(value, 700.0))
