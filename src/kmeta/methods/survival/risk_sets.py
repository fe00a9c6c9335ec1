"""Who is at risk at each distinct time, by stratum and group, without a loop over times."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.survival.sample import SurvivalSample


@dataclass(frozen=True, kw_only=True, eq=False)
class RiskSets:
    """The distinct times of each stratum as m rows, sorted by stratum and time; k groups as columns.

    A patient is at risk at t when entry < t <= time (without truncation: when t <= time). `at_risk`, `events`, `left`
    are sums of weights, shape (m, k); `row` is the row of each patient's own time, shape (n,). `firsts`: the
    first row of each stratum.
    """

    time: Floats
    firsts: np.ndarray
    at_risk: Floats
    events: Floats
    left: Floats
    row: np.ndarray
    entry_row: np.ndarray | None
    member: np.ndarray

    def summed(self, values: Floats) -> Floats:
        """Sum of `values` (n,) over those at risk, shape (m, k)."""
        total = self._from_here(self.counted(values))
        if self.entry_row is None:
            return total
        late = self.entry_row >= 0
        return total - self._from_here(self._binned(self.entry_row[late], self.member[late], values[late]))

    def counted(self, values: Floats) -> Floats:
        """Sum of `values` (n,) over those whose time is that of the row, shape (m, k)."""
        return self._binned(self.row, self.member, values)

    def before(self, running: Floats, start: float) -> Floats:
        """A running quantity (m, ...) just before each row: `start` at the first row of a stratum."""
        moved = np.roll(running, 1, axis=0)
        moved[self.firsts] = start
        return moved

    def _binned(self, rows: np.ndarray, member: np.ndarray, values: Floats) -> Floats:
        m, k = len(self.time), self.left.shape[1]
        counts = np.bincount(rows * k + member, weights=values, minlength=m * k)
        table: Floats = counts.astype(np.float64).reshape(m, k)
        return table

    def _from_here(self, values: Floats) -> Floats:
        """Sum over the rows of the same stratum from each row on."""
        total = np.cumsum(values[::-1], axis=0)[::-1].astype(np.float64)
        if len(self.firsts) == 1:
            return total
        later = np.vstack([total[self.firsts[1:]], np.zeros((1, values.shape[1]))])
        found: Floats = total - np.repeat(later, np.diff(np.append(self.firsts, len(values))), axis=0)
        return found


def risk_sets(
    sample: SurvivalSample,
    *,
    member: np.ndarray | None = None,
    k: int = 1,
    strata: np.ndarray | None = None,
) -> RiskSets:
    """The risk sets of a sample, with its weights; `member` (n,) is each patient's group of k, `strata` their stratum.

    O(n log n).
    """
    n = sample.n
    member = np.zeros(n, dtype=np.intp) if member is None else member
    stratum = np.zeros(n, dtype=np.intp) if strata is None else strata
    values, rank = np.unique(sample.time, return_inverse=True)
    keys, row = np.unique(stratum * len(values) + rank, return_inverse=True)
    of_stratum = keys // len(values)
    firsts = np.flatnonzero(np.diff(of_stratum, prepend=-1))
    entry_row = None
    if sample.truncated:
        # the last row of the stratum not after entry: there and before, the patient is not yet observed
        reached = stratum * len(values) + np.searchsorted(values, sample.entry, side="right") - 1
        entry_row = np.searchsorted(keys, reached, side="right") - 1
        entry_row = np.where(entry_row >= firsts[stratum], entry_row, -1)
    empty = np.zeros((len(keys), k))
    shape = RiskSets(
        time=values[keys % len(values)],
        firsts=firsts,
        at_risk=empty,
        events=empty,
        left=empty,
        row=row,
        entry_row=entry_row,
        member=member,
    )
    left, events = shape.counted(sample.weights), shape.counted(sample.weights * sample.event)
    at_risk = _settled(shape, sample, shape.summed(sample.weights), left, events)
    return replace(shape, at_risk=at_risk, events=events, left=left)


def _settled(
    shape: RiskSets, sample: SurvivalSample, at_risk: Floats, left: Floats, events: Floats
) -> Floats:
    """Sums of unequal weights round: where nobody, or only those who leave, are at risk, say so exactly."""
    if bool((sample.weights == np.floor(sample.weights)).all()):
        return at_risk
    count = shape.summed(np.ones(sample.n))
    leaving = shape.counted(np.ones(sample.n))
    failing = shape.counted(sample.event)
    at_risk = np.where(count == 0, 0.0, np.where(count == leaving, left, at_risk))
    return np.where((count == failing) & (count > 0), events, at_risk)
