"""Whole patients: deaths and censorings that follow a curve and a share not censored, the table's numbers kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.ipd.atoms import Atoms


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Numbers at risk (time >= t) at times after 0."""

    time: Floats
    at_risk: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Walk:
    """Deaths of each atom, and censorings as (after, before, how many)."""

    deaths: list[int]
    censored: list[tuple[float, float, int]]
    lacking: int  # patients the table wants at risk beyond those there are

    @property
    def events(self) -> int:
        """All deaths."""
        return sum(self.deaths)


def walk(n: int, atoms: Atoms, share: Floats, table: Table, end: float) -> Walk:
    """Go along the curve with whole patients.

    At each atom as many are censored as the share not censored asks, then as many die as bring the product-limit
    estimate nearest to the curve; so no rounding error is carried on. Nobody leaves whom the next number at risk needs.
    """
    left, survival, now, lacking = n, 1.0, 0.0, 0
    deaths: list[int] = []
    censored: list[tuple[float, float, int]] = []
    times, wanted = table.time.tolist(), table.at_risk.tolist()
    j, last = 0, len(times)
    stays = (
        1 if float(atoms.survival[-1]) > 0.4 / n else 0
    )  # somebody is followed to the end of a curve above 0
    for at, target, g in zip(atoms.at.tolist(), atoms.survival.tolist(), share.tolist(), strict=True):
        while j < last and times[j] <= at:
            left, now, lacking = _reach(left, wanted[j], now, times[j], lacking, censored)
            j += 1
        floor = wanted[j] if j < last else stays
        leave = min(round(left - n * survival * g), left - floor)
        if leave > 0:
            censored.append((now, at, leave))
            left -= leave
            now = at
        die = 0
        if target < survival and left > 0:
            die = max(min(round(left * (1 - target / survival)), left - floor), 0)
            survival *= 1 - die / left
            left -= die
        deaths.append(die)
    while j < last and times[j] <= end:
        left, now, lacking = _reach(left, wanted[j], now, times[j], lacking, censored)
        j += 1
    if left > 0:
        censored.append((end, end, left))
    return Walk(deaths=deaths, censored=censored, lacking=lacking)


def _reach(
    left: int, wanted: int, now: float, time: float, lacking: int, censored: list[tuple[float, float, int]]
) -> tuple[int, float, int]:
    """Censor down to the number at risk at a time of the table."""
    if left > wanted:
        censored.append((now, time, left - wanted))
    return min(left, wanted), time, lacking + max(wanted - left, 0)


def individual_data(found: Walk, atoms: Atoms) -> tuple[Floats, Floats]:
    """(time, event) of every patient, by time; deaths spread over their atom, censorings over their span."""
    counts = np.array(found.deaths, dtype=np.intp)
    which = np.flatnonzero(counts)
    times = [_spread(atoms.start[which], atoms.time[which], counts[which])]
    if found.censored:
        after, before, many = (np.array(column) for column in zip(*found.censored, strict=True))
        times.append(_spread(after, before, many.astype(np.intp)))
    time = np.concatenate(times)
    event = np.concatenate([np.ones(len(times[0])), np.zeros(len(time) - len(times[0]))])
    order = np.lexsort((-event, time))
    return time[order], event[order]


def _spread(after: Floats, before: Floats, many: np.ndarray) -> Floats:
    """`many` times inside each span, evenly."""
    row = np.repeat(np.arange(len(many)), many)
    place = np.arange(len(row)) - np.repeat(np.cumsum(many) - many, many)
    return np.asarray(after[row] + (before - after)[row] * (place + 0.5) / many[row])
