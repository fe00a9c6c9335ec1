"""Profile likelihood of the variance components of a fit by ML or REML: intervals, and the curve of tau2."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.views import PlotViews
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.inputs import level_of, numbers
from kmeta.methods.meta.likelihood import log_likelihood
from kmeta.methods.meta.multilevel import Nested
from kmeta.methods.meta.of_fit import OfFit
from kmeta.methods.meta.sample import Sample

DOUBLINGS = 200


def variance_intervals(fit: MetaFit, level: float | None = None) -> tuple[tuple[float, float], ...]:
    """(low, high) of each component in `fit.sigma2`: where the profile log-likelihood is chi2(1)/2 below its top.

    A limit at the boundary is 0. Raises InputError when tau2 was not estimated by ML or REML, or nothing can be
    profiled. Source: Hardy & Thompson 1996; Viechtbauer 2007, doi:10.1002/sim.2514.
    """
    from scipy.special import chdtri

    if fit.method not in ("ML", "REML"):
        raise InputError(f"tau2 is by {fit.method}, not by likelihood", where="tau2", hint='tau2="REML"')
    restricted = fit.method == "REML"
    drop = 0.5 * float(chdtri(1, 1 - level_of(fit.level if level is None else level)))
    if fit.q_df < 1:
        return ((math.nan, math.nan),) * len(fit.sigma2)
    if fit.model == "multilevel" and fit.k_groups < fit.k:
        return _nested(fit, drop, restricted)
    sample = Sample(fit.yi, fit.vi, fit.x)

    def height(tau2: float) -> float:
        return log_likelihood(sample, tau2, restricted=restricted)

    unit = sample.unit**2
    low, high = _interval(height, fit.tau2 / unit, float(sample.v.min()), drop)
    return ((low * unit, high * unit),)


def _nested(fit: MetaFit, drop: float, restricted: bool) -> tuple[tuple[float, float], ...]:
    nested = Nested(fit.yi, fit.vi, fit.groups)
    unit = nested.unit**2
    smallest = float(nested.v.min())
    study, arm = (value / unit for value in fit.sigma2)

    def over_study(at: float) -> float:
        best = nested.best_arm(at, restricted=restricted)
        return nested.log_likelihood(at, best, restricted=restricted)

    def over_arm(at: float) -> float:
        best = nested.best_study(at, restricted=restricted)
        return nested.log_likelihood(best, at, restricted=restricted)

    pairs = [(math.nan, math.nan), (math.nan, math.nan)]
    if nested.m > 1:
        pairs[0] = _interval(over_study, study, smallest, drop)
    if len(fit.structure) == 2:
        pairs[1] = _interval(over_arm, arm, smallest, drop)
    return tuple((low * unit, high * unit) for low, high in pairs[: len(fit.structure)])


def _interval(
    height: Callable[[float], float], top: float, smallest: float, drop: float
) -> tuple[float, float]:
    """Where a profile that is highest at `top` has fallen by `drop` on either side; 0 or infinity where it has not."""
    from scipy.optimize import brentq

    crest = height(top)

    def above(at: float) -> float:
        return height(at) - crest + drop

    low = (
        0.0
        if top == 0 or above(0.0) >= 0
        else float(brentq(above, 0.0, top, xtol=1e-14 * smallest, rtol=1e-12))
    )
    reach = max(2 * top, smallest)
    for _ in range(DOUBLINGS):
        if above(reach) < 0:
            return low, float(brentq(above, top, reach, xtol=1e-14 * smallest, rtol=1e-12))
        reach *= 2
    return low, math.inf


@dataclass(frozen=True, kw_only=True, eq=False)
class Profile(OfFit):
    """The (restricted) log-likelihood of a model, profiled over its coefficients, at values of tau2."""

    method: str
    tau2: Floats
    ll: Floats
    top: float
    highest: float

    plot = PlotViews(curve="kmeta.plots.profile:profile_figure")

    def rows(self) -> list[dict[str, Any]]:
        """One row a value of tau2."""
        pairs = zip(self.tau2.tolist(), self.ll.tolist(), strict=True)
        return [{"tau2": tau2, "ll": ll, "below": self.highest - ll} for tau2, ll in pairs]


def profile(fit: MetaFit, at: ArrayLike | None = None) -> Profile:
    """The log-likelihood at the values `at` of tau2; as given by default, 21 points from 0 to three times tau2.

    `top` is the estimate and `highest` the log-likelihood there: whether it is a maximum can be seen.
    Raises InputError when tau2 is not by ML or REML, for multilevel models, and for values below 0.
    Source: Hardy & Thompson 1996, doi:10.1002/(SICI)1097-0258(19960330)15:6<619::AID-SIM188>3.0.CO;2-A.

    >>> from kmeta import random_effects
    >>> fit = random_effects([0.1, 0.2, 2.0], [0.04, 0.02, 0.05], measure="SMD")
    >>> profile(fit, [0.0, 1.0, 2.0]).ll.round(3).tolist()
    [-25.121, -2.969, -3.109]
    """
    if fit.method not in ("ML", "REML") or fit.model == "multilevel":
        raise InputError(
            f"{fit.model} model with tau2 by {fit.method} has no profile", where="tau2", hint='tau2="REML"'
        )
    if at is None:
        points = np.linspace(0, 3 * fit.tau2 if fit.tau2 > 0 else float(fit.vi.max()), 21)
    else:
        points = numbers(at, "at")
    if (points < 0).any():
        raise InputError(f"at holds {points.min():g}", where="at", hint="tau2 is 0 or more")
    sample = Sample(fit.yi, fit.vi, fit.x)
    restricted = fit.method == "REML"
    unit2 = sample.unit**2
    shift = fit.fit_stats()[fit.method]["ll"] - log_likelihood(
        sample, fit.tau2 / unit2, restricted=restricted
    )
    ll = [log_likelihood(sample, t / unit2, restricted=restricted) + shift for t in points.tolist()]
    return Profile(
        fit=fit,
        method=fit.method,
        tau2=frozen(points),
        ll=frozen(ll),
        top=fit.tau2,
        highest=fit.fit_stats()[fit.method]["ll"],
    )
