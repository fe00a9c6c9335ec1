"""The penalised partial likelihood of a Cox model with random effects, and the likelihood of their variance.

For a variance theta the coefficients and the effects of the clusters are climbed together; the effects are then
integrated out: by Laplace's method for normal effects, exactly (given the baseline hazard) for gamma frailties.
Source: Ripatti & Palmgren 2000, doi:10.1111/j.0006-341X.2000.01016.x; Therneau, Grambsch & Pankratz 2003,
doi:10.1198/1061860031365.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import ConvergenceError
from kmeta.methods.survival.cox_data import CoxData
from kmeta.methods.survival.cox_fit import maximise
from kmeta.methods.survival.cox_likelihood import Derivatives, Ints
from kmeta.methods.survival.cox_newton import LONGEST, inverse, newton_step, uphill

STEPS = 100
FINE = 1e-11


@dataclass(frozen=True, kw_only=True, eq=False)
class Point:
    """The penalised maximum at one variance: standard coefficients, effects, and the integrated log-likelihood."""

    theta: float
    beta: Floats
    effects: Floats
    loglik: float
    covariance: Floats


class Penalised:
    """A Cox model whose effects of K clusters multiply `z`, shape (n,): 1 for intercepts, a covariate for slopes."""

    def __init__(self, data: CoxData, cluster: Ints, z: Floats, *, gamma: bool) -> None:
        self.data, self.gamma = data, gamma
        order = data.risk_sets.order
        self.k = int(cluster.max()) + 1
        standard, self.scale = data.standard
        self.p = len(standard)
        effects = np.zeros((self.k, data.n))
        effects[cluster[order], np.arange(data.n)] = z[order]
        self.x = np.concatenate([standard[:, order], effects])
        self.width = np.ptp(self.x, axis=1)
        events = data.event * data.weights
        self.events: Floats = np.bincount(cluster, weights=events, minlength=self.k).astype(float)
        self.at_zero = self._without()
        self._near = np.concatenate([self.at_zero.beta, np.zeros(self.k)])

    def _without(self) -> Point:
        """No random effects: the plain model."""
        summit = maximise(self.data)
        return Point(
            theta=0.0,
            beta=summit.beta,
            effects=np.zeros(self.k),
            loglik=summit.top.loglik,
            covariance=inverse(summit.top.information),
        )

    def at(self, theta: float) -> Point:
        """The penalised maximum at `theta`."""
        if theta <= 0:
            return self.at_zero
        found, top = self._climb(theta)
        self._near = found
        effects = found[self.p :]
        hessian = top.information
        if self.gamma:
            loglik = top.loglik - self._penalty(effects, theta) + self._gamma_part(effects, theta)
        else:
            inner = hessian[self.p :, self.p :] * theta
            loglik = top.loglik - 0.5 * float(np.linalg.slogdet(inner)[1])
        return Point(
            theta=theta,
            beta=found[: self.p],
            effects=effects,
            loglik=loglik,
            covariance=inverse(hessian),
        )

    def _penalty(self, effects: Floats, theta: float) -> float:
        if self.gamma:
            return float((effects - np.expm1(effects)).sum()) / theta
        return -float(effects @ effects) / (2 * theta)

    def _gamma_part(self, effects: Floats, theta: float) -> float:
        """What the marginal likelihood adds to the partial one at the posterior mode of gamma frailties."""
        nu, d = 1 / theta, self.events
        rising = np.append(0.0, np.cumsum(np.log1p(theta * np.arange(d.max()))))  # of the gamma function
        return float((nu * effects + rising[d.astype(np.intp)] - (nu + d) * np.log1p(d * theta) + d).sum())

    def _ask(self, at: Floats, theta: float) -> Derivatives:
        """The penalised log-likelihood, its score and information."""
        found = self.data.risk_sets.derivatives(self.x, at @ self.x)
        effects = at[self.p :]
        score, information = found.score.copy(), found.information.copy()
        curve = np.exp(effects) / theta if self.gamma else np.full(self.k, 1 / theta)
        score[self.p :] -= np.expm1(effects) / theta if self.gamma else effects / theta
        inner = np.arange(self.p, len(at))
        information[inner, inner] += curve
        return Derivatives(
            loglik=found.loglik + self._penalty(effects, theta), score=score, information=information
        )

    def _climb(self, theta: float) -> tuple[Floats, Derivatives]:
        at = self._near
        now = self._ask(at, theta)
        for _ in range(STEPS):
            step = newton_step(now.information, now.score)
            gain = float(step @ now.score) / 2
            if gain < FINE:
                at = at + step
                return at, self._ask(at, theta)
            at, now = uphill(lambda b: self._ask(b, theta), at, step, now, self.width / LONGEST)
        raise ConvergenceError(
            f"the penalised likelihood did not settle in {STEPS} steps at a variance of {theta:g}",
            where="cox_mixed",
            last=(at[: self.p] / self.scale).tolist(),
        )


def best_variance(likelihood: Callable[[float], float], unit: float) -> float:
    """The variance with the highest likelihood; 0 when no other is higher. `unit`: a standard deviation of 1."""
    from scipy.optimize import minimize_scalar

    grid = unit * np.array([0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.6, 1.0, 1.6, 2.5, 4.0])
    heights = [likelihood(float(sd) ** 2) for sd in grid]
    top = int(np.argmax(heights))
    low, high = grid[max(top - 1, 0)], grid[min(top + 1, len(grid) - 1)]
    found = minimize_scalar(
        lambda sd: -likelihood(float(sd) ** 2),
        bounds=(float(low), float(high)),
        method="bounded",
        options={"xatol": 1e-9 * unit, "maxiter": 200},
    )
    if -float(found.fun) <= heights[0] + 1e-7:
        return 0.0
    if high == grid[-1] and float(found.x) > 0.999 * high:
        raise ConvergenceError(
            f"the variance of the random effects runs beyond {high**2:g}",
            where="cox_mixed",
            last=float(found.x) ** 2,
            hint="clusters differ without bound: is there one without events, or a covariate that tells them apart?",
        )
    return float(found.x) ** 2


def variance_interval(
    likelihood: Callable[[float], float], best: float, unit: float, level: float
) -> tuple[float, float]:
    """Where the likelihood is chi2(1)/2 below its highest; 0 or infinity where it never is."""
    from scipy.optimize import brentq
    from scipy.special import chdtri

    crest, drop = likelihood(best), 0.5 * float(chdtri(1, 1 - level))

    def above(sd: float) -> float:
        return likelihood(sd**2) - crest + drop

    top = math.sqrt(best)
    low = 0.0 if best == 0 or above(0.0) >= 0 else float(brentq(above, 0.0, top, xtol=1e-10 * unit)) ** 2
    reach = max(2 * top, 0.05 * unit)
    while reach < 50 * unit:
        if above(reach) < 0:
            return low, float(brentq(above, top, reach, xtol=1e-10 * unit)) ** 2
        reach *= 1.7
    return low, math.inf
