"""Predicted random effects of a multilevel model: how far each study, arm or outcome is from the mean."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeta.core.arrays import Floats, frozen
from kmeta.methods.meta.block_likelihood import BlockModel, Solved
from kmeta.methods.meta.correlated import MultilevelFit, containment, scaled
from kmeta.methods.meta.distributions import quantile
from kmeta.methods.meta.of_fit import OfFit
from kmeta.methods.meta.random_terms import Term


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictedEffects(OfFit):
    """Best linear unbiased predictions, arrays of one length: `term` and `level` say which effect.

    `effect` is the deviation from the fixed part on the analysis scale, `se` the standard error of its prediction,
    low and high its interval.
    """

    term: tuple[str, ...]
    level: tuple[str, ...]
    effect: Floats
    se: Floats
    low: Floats
    high: Floats

    def rows(self) -> list[dict[str, Any]]:
        """One row an effect."""
        columns = {
            "term": self.term,
            "level": self.level,
            "effect": self.effect.tolist(),
            "se": self.se.tolist(),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
        }
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def predicted_effects(fit: MultilevelFit) -> PredictedEffects:
    """Predictions of every random effect; intervals from t with the term's own df when the fit's tests are t.

    Source: Robinson 1991, doi:10.1214/ss/1177011926.
    """
    model = fit.block_model()
    theta = scaled(model, np.array(fit.theta))
    at = model.solve(theta)
    assert at is not None  # noqa: S101
    terms, levels, crit = [], [], []
    effects: list[Floats] = []
    variances: list[Floats] = []
    for term, part in zip(model.terms, model.split(theta), strict=True):
        if term in model.columns:
            names, effect, variance = _crossed(model, at, term, float(part[0]))
        else:
            names, effect, variance = _blocked(model, at, term, part)
        terms += [term.name] * len(names)
        levels += names
        effects.append(effect * model.unit)
        variances.append(variance * model.unit**2)
        df = math.inf
        if fit.test != "z":
            p = len(fit.terms)
            df = (
                containment([term], np.ones((fit.k, 1)))[0] + 1 - p
                if fit.df_method == "containment"
                else fit.df
            )
        crit += [quantile(fit.level, df)] * len(names)
    effect = np.concatenate(effects) if effects else np.empty(0)
    se = np.sqrt(np.maximum(np.concatenate(variances), 0)) if variances else np.empty(0)
    half = np.array(crit) * se
    return PredictedEffects(
        fit=fit,
        term=tuple(terms),
        level=tuple(levels),
        effect=frozen(effect),
        se=frozen(se),
        low=frozen(effect - half),
        high=frozen(effect + half),
    )


def _crossed(model: BlockModel, at: Solved, term: Term, variance: float) -> tuple[list[str], Floats, Floats]:
    columns = model.columns[term]
    u = model.t[:, columns]
    n = model.t[:, :-1].T @ at.a[:, columns]
    own = np.diag(n[columns]) - np.einsum("ij,ik,kj->j", n, at.core, n)
    return list(term.outer_levels), variance * (u.T @ at.py), variance - variance**2 * own


def _blocked(model: BlockModel, at: Solved, term: Term, part: Floats) -> tuple[list[str], Floats, Floats]:
    """Effects row by row, C P y with C the term's covariance; then one row for each level."""
    effect, variance = np.empty(model.k), np.empty(model.k)
    j = model.terms.index(term)
    a = at.a[:, :-1]
    f = a @ at.core
    for inverse, pairs, rows, index in zip(at.inverses, model.pairs, model.parts, model.rows, strict=True):
        b, n, _ = inverse.shape
        pair = pairs[j]
        assert pair is not None  # noqa: S101
        c = term.covariance(part, pair)
        projected = inverse - f[rows].reshape(b, n, -1) @ a[rows].reshape(b, n, -1).swapaxes(1, 2)
        effect[index] = (c @ at.py[rows].reshape(b, n, 1))[:, :, 0]
        variance[index] = np.einsum("bii->bi", c) - np.einsum("bij,bjk,bki->bi", c, projected, c)
    if not term.struct:
        cell, names = term.outer, list(term.outer_levels)
    else:
        cell = term.outer * len(term.levels) + term.inner
        names = []
    used, first = np.unique(cell, return_index=True)
    if term.struct:
        n = len(term.levels)
        names = [f"{term.outer_levels[c // n]}: {term.levels[c % n]}" for c in used.tolist()]
    return names, effect[first], variance[first]
