"""The partial likelihood by cumulative sums: one sort, then every risk set is a difference of two running totals.

Patients are sorted by stratum and falling time. An event time is a group j; the likelihood is a sum over rows r, one
for each group (Breslow) or for each event of it (Efron, who removes the share `f` of the tied events).
Source: Therneau & Grambsch 2000, Modeling Survival Data, ch. 3; Efron 1977, doi:10.2307/2286217;
Breslow 1974, doi:10.2307/2529620.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kmeta.core.arrays import Floats

Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Hazard:
    """The hazard at one value of the linear predictor: sums over risk sets, sorted as the risk sets are.

    `row` W/S0 of each row r; `jump` and `removed` its sums over a group, plain and times f; `expected` the events
    expected of each patient before the factor exp(eta).
    """

    theta: Floats
    s0: Floats
    row: Floats
    jump: Floats
    removed: Floats
    expected: Floats
    loglik: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Derivatives:
    """Log-likelihood, score (p,), information (p, p)."""

    loglik: float
    score: Floats
    information: Floats


class RiskSets:
    """Who is at risk at each event time; all index arrays the sums need, made once."""

    def __init__(
        self, time: Floats, event: Floats, entry: Floats, weights: Floats, stratum: Ints, *, ties: str
    ) -> None:
        self.ties = ties
        self.order: Ints = np.lexsort((-time, stratum))
        self.time, self.event = time[self.order], event[self.order]
        self.weights, self.stratum = weights[self.order], stratum[self.order]
        n = len(time)
        new_stratum: Bools = np.append(True, np.diff(self.stratum) != 0)
        new_block: Bools = new_stratum | np.append(True, np.diff(self.time) != 0)
        starts = np.flatnonzero(new_block)
        block = np.cumsum(new_block) - 1
        ends = np.append(starts[1:], n)
        self.events: Ints = np.flatnonzero(self.event)
        touched, self.first, self.group = np.unique(
            block[self.events], return_index=True, return_inverse=True
        )
        self.size: Ints = np.bincount(self.group, minlength=len(touched))
        self.end: Ints = ends[touched]
        stratum_start = np.flatnonzero(new_stratum)
        self.group_stratum: Ints = self.stratum[starts[touched]]
        place = np.cumsum(new_stratum) - 1
        self.start: Ints = stratum_start[place[starts[touched]]]
        self.group_time: Floats = self.time[starts[touched]]
        before = np.searchsorted(touched, np.arange(len(starts)))
        self.first_group: Ints = before[block]
        last = np.append(before[block[stratum_start[1:]]], len(touched))
        self.last_group: Ints = last[place]
        self.truncated = bool((entry > 0).any())
        self.entry = entry[self.order]
        if self.truncated:
            self._truncate(place)
        self._rows()

    def _truncate(self, place: Ints) -> None:
        """Who enters at or after an event time is not at risk at it."""
        n = len(self.time)
        values = np.concatenate([self.entry, self.group_time])
        strata = np.concatenate([self.stratum, self.group_stratum])
        is_group = np.arange(len(values)) >= n
        merged = np.lexsort((is_group, -values, strata))
        entries: Ints = np.cumsum(~is_group[merged], dtype=np.intp)
        groups: Ints = np.cumsum(is_group[merged], dtype=np.intp)
        where = np.empty(len(values), dtype=np.intp)
        where[merged] = np.arange(len(values))
        self.entry_order: Ints = merged[~is_group[merged]]
        self.entry_end: Ints = entries[where[n:]]
        self.last_group = groups[where[:n]]

    def _rows(self) -> None:
        """The rows of the likelihood: group, share of the tied events removed, weight."""
        total: Floats = np.add.reduceat(self.weights[self.events], self.first)
        self.weight_of_group = total
        self.tied = bool((self.size > 1).any())
        if self.ties == "efron" and self.tied:
            self.row_group: Ints = self.group
            rank = np.arange(len(self.events)) - self.first[self.group]
            self.share: Floats = rank / self.size[self.group]
            self.row_weight: Floats = (total / self.size)[self.group]
        else:
            self.row_group = np.arange(len(self.size))
            self.share = np.zeros(len(self.size))
            self.row_weight = total
        self.shared = bool(self.share.any())

    def at_risk(self, values: Floats) -> Floats:
        """Sums of `values`, shape (..., n) in sorted order, over the risk set of each group, shape (..., J)."""
        running = np.cumsum(values, axis=-1)
        sums: Floats = running[..., self.end - 1]
        if self.start.any():
            sums = sums - np.where(self.start > 0, running[..., np.maximum(self.start, 1) - 1], 0.0)
        if self.truncated:
            late = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
            np.cumsum(values[..., self.entry_order], axis=-1, out=late[..., 1:])
            sums = sums - (late[..., self.entry_end] - late[..., self.start])
        return sums

    def of_events(self, values: Floats) -> Floats:
        """Sums of `values`, shape (..., n) in sorted order, over the events of each group."""
        return np.add.reduceat(values[..., self.events], self.first, axis=-1)

    def rows_at_risk(self, values: Floats) -> Floats:
        """Sums over the risk set of each row, the share of tied events removed."""
        sums = self.at_risk(values)
        if not self.shared:
            return sums
        tied = self.of_events(values)
        return sums[..., self.row_group] - self.share * tied[..., self.row_group]

    def over_groups(self, rows: Floats) -> Floats:
        """Sums of row values, shape (..., R), over each group."""
        return np.add.reduceat(rows, self.first, axis=-1) if self.shared else rows

    def while_at_risk(self, rows: Floats) -> Floats:
        """Sums of row values, shape (..., R), over the rows in whose risk set a patient is, shape (..., n)."""
        jump = self.over_groups(rows)
        total = np.zeros((*jump.shape[:-1], jump.shape[-1] + 1))
        np.cumsum(jump, axis=-1, out=total[..., 1:])
        sums: Floats = total[..., self.last_group] - total[..., self.first_group]
        if self.shared:
            sums[..., self.events] -= self.over_groups(rows * self.share)[..., self.group]
        return sums

    def hazard(self, eta: Floats) -> Hazard:
        """The hazard at the linear predictor `eta`, shape (n,) in sorted order."""
        theta = self.weights * np.exp(eta)
        s0 = self.rows_at_risk(theta)
        row = self.row_weight / s0
        jump = self.over_groups(row)
        removed = self.over_groups(row * self.share) if self.shared else np.zeros(len(jump))
        loglik = float((self.weights * self.event) @ eta - self.row_weight @ np.log(s0))
        return Hazard(
            theta=theta,
            s0=s0,
            row=row,
            jump=jump,
            removed=removed,
            expected=self.while_at_risk(row),
            loglik=loglik,
        )

    def means(self, x: Floats, hazard: Hazard) -> Floats:
        """Mean of each covariate, x (p, n) sorted, over the risk set of each row, shape (p, R)."""
        return self.rows_at_risk(hazard.theta * x) / hazard.s0

    def derivatives(self, x: Floats, eta: Floats) -> Derivatives:
        """Log-likelihood, score and information for covariates x (p, n), all in sorted order; O(n p^2).

        The second moments need no sums over risk sets: each patient enters with the events expected of it.
        """
        at = self.hazard(eta)
        expected = at.theta * at.expected
        means = self.means(x, at)
        score = x @ (self.weights * self.event - expected)
        information = (x * expected) @ x.T - (means * self.row_weight) @ means.T
        return Derivatives(loglik=at.loglik, score=score, information=(information + information.T) / 2)
