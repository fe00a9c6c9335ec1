"""Profile-likelihood intervals of the variance components of a fit by ML or REML."""

from __future__ import annotations

import math
from collections.abc import Callable

from kmeta.core.errors import InputError
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.inputs import level_of
from kmeta.methods.meta.likelihood import log_likelihood
from kmeta.methods.meta.multilevel import Nested
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
