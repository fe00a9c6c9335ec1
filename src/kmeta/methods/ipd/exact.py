"""From exact steps back to the deaths and risk sets that made them: each drop is S d / n with whole d and n."""

from __future__ import annotations

import math

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.ipd.patients import Table, Walk

MOST_DEATHS = 60  # at one time
FEWEST_KNOWN = 8  # the same where n is not known: more could not be told from a larger n
MOST_CANDIDATES = 400  # pairs (d, n) of one drop: more, and the heights do not tell
MOST_PATIENTS = 100_000  # when n is not known
EACH_DEATH = 1.2  # price of a second death at a time, against patients censored between two drops
EACH_JUMP = 1.0  # price of the logarithm of the number censored between two drops
Candidate = tuple[np.ndarray, np.ndarray, Floats]  # deaths, at risk, misfit


def recover(
    time: Floats, survival: Floats, n: int | None, table: Table, end: float, precision: float
) -> tuple[int, Walk, int] | None:
    """(patients, deaths and censorings, largest uncertainty of a risk set); None where no whole numbers fit.

    time, survival : each drop and S after it, falling; the last may be a time without drop. precision : half-width
    of a reading of S. Of all (d, n) that fit each drop, the path is taken on which fewest patients die together and
    leave in jumps (dynamic programming over the candidates, O(drops * candidates^2)).
    """
    before = np.append(1.0, survival[:-1])
    drops = np.flatnonzero(before - survival > 2 * precision)
    if not drops.size:
        return None
    steps = [_candidates(before[k], survival[k], *_bounds(time[k], n, table), precision) for k in drops]
    if any(len(step[0]) == 0 or len(step[0]) > MOST_CANDIDATES for step in steps):
        return None
    path = _cheapest(steps, n)
    if path is None:
        return None
    chosen = [(int(step[0][i]), int(step[1][i])) for step, i in zip(steps, path, strict=True)]
    patients = n if n is not None else chosen[0][1]
    deaths = np.zeros(len(time), dtype=np.intp)
    deaths[drops] = [d for d, _ in chosen]
    open_to = max(int(np.ptp(step[1][step[0] == d])) for step, (d, _) in zip(steps, chosen, strict=True))
    censored, lacking = _censored(time[drops], chosen, patients, table, end)
    return patients, Walk(deaths=deaths.tolist(), censored=censored, lacking=lacking), open_to


def _bounds(at: float, n: int | None, table: Table) -> tuple[int, int]:
    """Least left after the drop at `at`, most at risk before it."""
    most = MOST_PATIENTS if n is None else n
    past = table.at_risk[table.time <= at]
    later = table.at_risk[table.time > at]
    return (int(later[0]) if len(later) else 0), (min(most, int(past[-1])) if len(past) else most)


def _candidates(before: float, after: float, least: int, most: int, precision: float) -> Candidate:
    """All (d, n) with d / n within reading error of the fall of the curve."""
    fall = 1 - after / before
    slack = 2 * precision / before
    if after <= 2 * precision:  # the curve ends at 0: all die
        left = np.arange(max(least, 1), min(most, MOST_DEATHS) + 1)
        return left, left, np.zeros(len(left))
    deaths: list[int] = []
    at_risk: list[int] = []
    for d in range(1, (MOST_DEATHS if most < MOST_PATIENTS else FEWEST_KNOWN) + 1):
        low = math.ceil(d / (fall + slack))
        high = min(math.floor(d / max(fall - slack, 1e-12)), most)
        if low > most or len(at_risk) > MOST_CANDIDATES:
            break
        for n in range(max(low, d + least, d), high + 1):
            deaths.append(d)
            at_risk.append(n)
            if len(at_risk) > MOST_CANDIDATES:
                break
    d_all, n_all = np.array(deaths, dtype=np.intp), np.array(at_risk, dtype=np.intp)
    off = (d_all / np.maximum(n_all, 1) - fall) / slack
    return d_all, n_all, 0.5 * off**2


def _cheapest(steps: list[Candidate], n: int | None) -> list[int] | None:
    """The cheapest path through the candidates along which the risk set only falls."""
    deaths, at_risk, misfit = steps[0]
    jump = np.zeros(len(at_risk)) if n is None else EACH_JUMP * np.log1p(n - at_risk)
    cost = misfit + EACH_DEATH * (deaths - 1) + jump
    back: list[np.ndarray] = []
    for d, r, off in steps[1:]:
        left = at_risk - deaths
        gone = left[:, None] - r[None, :]
        with np.errstate(invalid="ignore", divide="ignore"):
            price = np.where(gone >= 0, EACH_JUMP * np.log1p(np.maximum(gone, 0)), np.inf)
        total = cost[:, None] + price
        best = total.argmin(axis=0)
        cost = total[best, np.arange(len(r))] + off + EACH_DEATH * (d - 1)
        back.append(best)
        deaths, at_risk = d, r
        if not np.isfinite(cost).any():
            return None
    place = int(cost.argmin())
    path = [place]
    for best in reversed(back):
        place = int(best[place])
        path.append(place)
    return path[::-1]


def _censored(
    time: Floats, chosen: list[tuple[int, int]], n: int, table: Table, end: float
) -> tuple[list[tuple[float, float, int]], int]:
    """Who left between the drops: (after, before, how many), the numbers at risk of the table kept."""
    marks = [(float(t), 1, int(r), 0) for t, r in zip(table.time, table.at_risk, strict=True) if t <= end]
    marks += [(float(t), 2, r, d) for t, (d, r) in zip(time, chosen, strict=True)]
    found, left, now, lacking = [], n, 0.0, 0
    for at, _, wanted, dead in sorted(marks, key=lambda mark: mark[:2]):
        if left > wanted:
            found.append((now, at, left - wanted))
        lacking += max(wanted - left, 0)
        left, now = min(left, wanted) - dead, at
    if left > 1:
        found.append((now, end, left - 1))
    if left > 0:
        found.append((end, end, 1))
    return found, lacking
