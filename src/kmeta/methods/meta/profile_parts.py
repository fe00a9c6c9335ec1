"""Profile-likelihood intervals of the variances and correlations of a multilevel model."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import ConvergenceError
from kmeta.methods.meta.block_likelihood import BlockModel
from kmeta.methods.meta.climb import highest
from kmeta.methods.meta.correlated import MultilevelFit, best_theta, bounds, scaled
from kmeta.methods.meta.inputs import level_of
from kmeta.methods.meta.random_terms import Term

DOUBLINGS = 60


def part_intervals(fit: MultilevelFit, level: float | None = None) -> tuple[tuple[float, float], ...]:
    """(low, high) of each of `fit.parts`: where the profile log-likelihood is chi2(1)/2 below its top.

    A variance's limit at the boundary is 0, a correlation's its bound. Source: Hardy & Thompson 1996.
    """
    from scipy.special import chdtri

    drop = 0.5 * float(chdtri(1, 1 - level_of(fit.level if level is None else level)))
    terms = fit.terms_of_random()
    found: list[tuple[float, float]] = []
    for j, term in enumerate(terms):
        if term.struct == "UN":
            found += [_of_root(fit, terms, j, i, drop) for i in range(len(term.levels))]
            found += [(math.nan, math.nan)] * (len(term.levels) * (len(term.levels) - 1) // 2)
        else:
            model = fit.block_model()
            theta = scaled(model, np.array(fit.theta))
            offset = sum(t.size for t in terms[:j])
            kinds = term.kinds
            found += [_interval(fit, model, theta, offset + i, kinds[i], drop) for i in range(term.size)]
    return tuple(found)


def _of_root(fit: MultilevelFit, terms: tuple[Term, ...], j: int, i: int, drop: float) -> tuple[float, float]:
    """The variance of level i of an unstructured term: put first, it is the square of one parameter."""
    term = terms[j]
    order = [i, *(other for other in range(len(term.levels)) if other != i)]
    rank = np.argsort(order)
    moved = dataclasses.replace(
        term, inner=rank[term.inner], levels=tuple(term.levels[other] for other in order)
    )
    model = BlockModel(fit.yi, fit.covariance, fit.design, [*terms[:j], moved, *terms[j + 1 :]])
    theta = best_theta(model, restricted=fit.method == "REML")
    return _interval(fit, model, theta, sum(t.size for t in terms[:j]), "sd", drop)


def _interval(
    fit: MultilevelFit, model: BlockModel, theta: Floats, j: int, kind: str, drop: float
) -> tuple[float, float]:
    """The interval of parameter j, on the scale of the data."""
    power = {"variance": 1, "sd": 2, "root": 2, "rho": 1}[kind]
    factor = model.unit**2 if kind != "rho" else 1.0
    below, beyond = bounds(model.terms)
    height = _profile(model, theta, j, restricted=fit.method == "REML")
    top, crest = float(theta[j]), height(float(theta[j]))

    def above(at: float) -> float:
        return height(at) - crest + drop

    low = _limit(above, top, float(below[j]))
    if kind == "rho":
        high = _limit(above, top, float(beyond[j]))
    else:
        reach = max(2 * top, 0.1 * math.sqrt(model.rss / model.k) ** (3 - power) + 0.1)
        for _ in range(DOUBLINGS):
            if above(reach) < 0:
                break
            reach *= 2
        else:
            return low**power * factor, math.inf
        high = _limit(above, top, reach)
    return low**power * factor, high**power * factor


def _limit(above: Callable[[float], float], inside: float, bound: float) -> float:
    """Where `above` turns negative between `inside` and `bound`; the bound where it does not."""
    from scipy.optimize import brentq

    if inside == bound or above(bound) >= 0:
        return bound
    return float(brentq(above, inside, bound, xtol=1e-12, rtol=1e-10))


def _profile(model: BlockModel, theta: Floats, j: int, *, restricted: bool) -> Callable[[float], float]:
    """The highest log-likelihood with parameter j held, each search beginning where the last ended."""
    last = [theta]

    def point(at: Floats) -> Any:
        return model.point(at, restricted=restricted)

    def height(value: float) -> float:
        low, high = bounds(model.terms)
        low[j] = high[j] = value
        begin = [last[0]]
        if (last[0] == 0).any():  # a deviation's slope vanishes at 0, though it may have turned
            begin.append(last[0] + np.where(last[0] == 0, 1e-2, 0.0))
        try:
            found, here = highest(point, begin, low, high)
        except ConvergenceError:
            return -math.inf
        last[0] = found
        return here.height

    return height
