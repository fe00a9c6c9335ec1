"""Harrell's C and its standard error: every comparable pair counted in O(n log n), without a loop over patients."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.survival.cox_data import CoxData
from kmeta.methods.survival.cox_likelihood import Ints

SAME = 1e-10  # predictors nearer than this share of the largest are one value


@dataclass(frozen=True, kw_only=True, eq=False)
class Concordance:
    """The share of comparable pairs in which the earlier event has the higher predicted hazard; ties count half."""

    c: float
    se: float
    concordant: float
    discordant: float
    tied: float


def concordance(data: CoxData, predictor: Floats) -> Concordance:
    """C of `predictor` (a log hazard, shape (n,)) for the patients of `data`, by strata, weighted.

    A pair is comparable when one has an event while the other is at risk and has not had it. The se is the
    infinitesimal jackknife's, by cluster where there are clusters.
    Source: Harrell, Lee & Mark 1996, doi:10.1002/(SICI)1097-0258(19960229)15:4<361::AID-SIM168>3.0.CO;2-4.
    """
    sets = data.risk_sets
    rank = _ranks(predictor)[sets.order]
    # Censored before events within a time: who is censored at the time of an event outlived it.
    order = np.lexsort((sets.event, -sets.time, sets.stratum))
    weights = sets.weights
    of_event = rank[sets.events]
    here = np.empty(len(order), dtype=np.intp)
    here[order] = np.arange(len(order))
    upto = np.minimum.reduceat(here[sets.events], sets.first)[sets.group]
    start = sets.start[sets.group]
    less, equal, whole = _below(rank[order], weights[order], start, upto, of_event)
    if sets.truncated:
        late = sets.entry_order
        away = _below(rank[late], weights[late], start, sets.entry_end[sets.group], of_event)
        less, equal, whole = less - away[0], equal - away[1], whole - away[2]
    signed, pairs = np.zeros(len(rank)), np.zeros(len(rank))
    signed[sets.events] = 2 * less + equal - whole
    pairs[sets.events] = whole
    w = weights[sets.events]
    total, ties = float(w @ whole), float(w @ equal)
    if not total > 0:
        return Concordance(c=math.nan, se=math.nan, concordant=0.0, discordant=0.0, tied=0.0)
    net = float(w @ signed[sets.events])
    edges = np.append(sets.first, len(sets.events))
    own = np.zeros(len(rank), dtype=np.intp)
    own[sets.events] = 1
    after, before = edges[sets.first_group + own], edges[sets.last_group]
    less, equal, whole = _below(of_event, w, after, before, rank)
    signed += whole - 2 * less - equal
    pairs += whole
    influence = weights * (signed - net / total * pairs) / (2 * total)
    if data.cluster is not None:
        sums = np.zeros(int(data.cluster.max()) + 1)
        np.add.at(sums, data.cluster[sets.order], influence)
        influence = sums
    return Concordance(
        c=(net / total + 1) / 2,
        se=float(np.sqrt(influence @ influence)),
        concordant=(total - ties + net) / 2,
        discordant=(total - ties - net) / 2,
        tied=ties,
    )


def _ranks(values: Floats) -> Ints:
    distinct, place = np.unique(values, return_inverse=True)
    step = np.diff(distinct) > SAME * np.abs(distinct).max()
    found: Ints = np.concatenate([[0], np.cumsum(step)])[place]
    return found


def _below(rank: Ints, weights: Floats, low: Ints, high: Ints, asked: Ints) -> tuple[Floats, Floats, Floats]:
    """Of the places low to high - 1: sums of the weights of ranks below and equal to `asked`, and of all.

    The ranks are split by their bits from the highest, zeros before ones: a wavelet matrix, walked by all queries.
    """
    low, high = low.copy(), np.maximum(high, low)
    total = np.concatenate([[0.0], np.cumsum(weights)])
    whole = total[high] - total[low]
    less = np.zeros(len(asked))
    for bit in reversed(range(int(max(rank.max(), asked.max())).bit_length())):
        zero = (rank >> bit & 1) == 0
        count = np.concatenate([[0], np.cumsum(zero)])
        sums = np.concatenate([[0.0], np.cumsum(np.where(zero, weights, 0.0))])
        up = (asked >> bit & 1) == 1
        less += np.where(up, sums[high] - sums[low], 0.0)
        low = np.where(up, count[-1] + low - count[low], count[low])
        high = np.where(up, count[-1] + high - count[high], count[high])
        split = np.concatenate([np.flatnonzero(zero), np.flatnonzero(~zero)])
        rank, weights = rank[split], weights[split]
    total = np.concatenate([[0.0], np.cumsum(weights)])
    return less, total[high] - total[low], whole
