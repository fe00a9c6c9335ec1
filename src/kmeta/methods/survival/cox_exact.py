"""The exact partial likelihood: the tied events are one draw, without order, from those at risk.

Its denominator is the sum over all sets of d patients of exp(sum of eta): the elementary symmetric polynomial e_d of
exp(eta). e_k of every prefix of the sorted patients is a running sum over e_(k-1), so that one pass per tie serves all
event times of a stratum, in logarithms. Its derivatives are the mean and the covariance of the drawn sum of covariates.
Source: Cox 1972, doi:10.1111/j.2517-6161.1972.tb00899.x; Gail, Lubin & Rubinstein 1981, doi:10.1093/biomet/68.3.703.
"""

from __future__ import annotations

from copy import copy
from typing import NamedTuple

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.survival.cox_likelihood import Derivatives, Ints, RiskSets

REACH = 300.0  # a running sum is started anew before it has grown by exp(300)


class Draw(NamedTuple):
    """log e_k, mean (p, N) and covariance (p, p, N) of the sum of k drawn covariates, for each prefix."""

    log: Floats
    mean: Floats
    spread: Floats


def exact_derivatives(sets: RiskSets, x: Floats, eta: Floats) -> Derivatives:
    """Log-likelihood, score and information; `x` (p, n) and `eta` (n,) sorted as `sets`.

    Event times with one event are as in Breslow's likelihood. With left truncation the risk sets are no prefixes,
    and each tied time is a recursion of its own.
    """
    single = copy(sets)
    single.row_weight = np.where(sets.size == 1, sets.row_weight, 0.0)
    found = single.derivatives(x, eta)
    loglik, score, information = found.loglik, found.score, found.information
    for rows, groups, at in _pieces(sets):
        for k, draw in _draws(x[:, rows], eta[rows], int(sets.size[groups].max())):
            reached = groups[sets.size[groups] == k]
            prefix = at[sets.size[groups] == k] - k
            if not reached.size:
                continue
            loglik -= float(draw.log[prefix].sum())
            score = score - draw.mean[:, prefix].sum(axis=1)
            information = information + draw.spread[:, :, prefix].sum(axis=2)
    return Derivatives(loglik=loglik, score=score, information=(information + information.T) / 2)


def _pieces(sets: RiskSets) -> list[tuple[Ints, Ints, Ints]]:
    """(rows in a nested order, the tied groups among them, how many rows each has at risk)."""
    tied = np.flatnonzero(sets.size > 1)
    if sets.truncated:
        found = []
        for group in tied:
            rows = np.arange(sets.start[group], sets.end[group])
            rows = rows[sets.entry[rows] < sets.group_time[group]]
            found.append((rows, np.array([group]), np.array([len(rows)])))
        return found
    pieces = []
    for start in np.unique(sets.start[tied]):
        groups = tied[sets.start[tied] == start]
        rows = np.arange(start, sets.end[groups].max())
        pieces.append((rows, groups, sets.end[groups] - start))
    return pieces


def _draws(x: Floats, eta: Floats, most: int) -> list[tuple[int, Draw]]:
    """The draws of k = 2 ... `most`; entry i of draw k is the prefix of k + i patients."""
    p, n = x.shape
    draw = Draw(np.zeros(n + 1), np.zeros((p, n + 1)), np.zeros((p, p, n + 1)))
    found = []
    for k in range(1, most + 1):
        term = eta[k - 1 :] + draw.log[:-1]
        log = np.logaddexp.accumulate(term)
        sums = draw.mean[:, :-1] + x[:, k - 1 :]
        second = draw.spread[..., :-1] + sums[:, None, :] * sums[None, :, :]
        means = _running_mean(term, log, np.concatenate([sums, second.reshape(p * p, -1)]))
        mean = means[:p]
        spread = means[p:].reshape(p, p, -1) - mean[:, None, :] * mean[None, :, :]
        draw = Draw(log, mean, spread)
        if k > 1:
            found.append((k, draw))
    return found


def _running_mean(term: Floats, log: Floats, values: Floats) -> Floats:
    """Means of `values` (q, N) over each prefix, weights exp(term), whose running log-sum is `log`."""
    if log[-1] - log[0] <= REACH:
        whole: Floats = np.cumsum(values * np.exp(term - log[0]), axis=1) * np.exp(log[0] - log)
        return whole
    out = np.empty_like(values)
    carried, before, first = np.zeros(len(values)), -np.inf, 0
    while first < len(log):
        last = int(np.searchsorted(log, log[first] + REACH, side="right"))
        part = slice(first, last)
        running = np.cumsum(values[:, part] * np.exp(term[part] - log[first]), axis=1)
        start = carried * np.exp(before - log[first])
        out[:, part] = (running + start[:, None]) * np.exp(log[first] - log[part])
        carried, before, first = out[:, last - 1], log[last - 1], last
    return out
