"""Individual data from the exact steps of a curve, as a vector figure holds them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.errors import InputError
from kmeta.methods.ipd.atoms import at_points
from kmeta.methods.ipd.exact import recover
from kmeta.methods.ipd.facts import MOST_PATIENTS, Facts, read_facts
from kmeta.methods.ipd.patients import individual_data
from kmeta.methods.ipd.points import Points
from kmeta.methods.ipd.reconstruct import result_of
from kmeta.methods.ipd.result import ReconstructedIPD
from kmeta.methods.ipd.solve import Prepared, Problem, Solution
from kmeta.methods.survival.sample import column, refuse_rows

PRECISION = 1e-6  # half-width of a reading: coordinates of a vector figure have six digits or more
COARSEST = 0.01


def reconstruct_from_steps(
    time: ArrayLike,
    survival: ArrayLike,
    *,
    n: int | None = None,
    n_risk_time: ArrayLike | None = None,
    n_risk: ArrayLike | None = None,
    precision: float = PRECISION,
    time_unit: str = "",
    label: str = "arm",
) -> ReconstructedIPD:
    """The deaths and risk sets behind exact drops: each drop is S d / n with whole d and n.

    time, survival : every drop and S just after it, shape (k,), in order; a last row without a drop is the end of
    follow-up. n : patients at time 0, found from the drops where it is not given. n_risk_time, n_risk : numbers at
    risk (time >= t), which narrow the risk sets. precision : half-width of a reading of S.
    Of all whole numbers that fit every drop within the precision, those with the fewest deaths at one time and the
    fewest leaving at once are taken (dynamic programming, O(k c^2) for c candidates a drop); a warning says how many
    patients a risk set is open to. Where few are left, 1 death of 2 and 2 of 4 make one drop, and one of them is
    taken. Censorings lie between the drops, where a curve does not tell them.
    Raises InputError where no whole numbers fit, or too many: then `reconstruct_ipd` takes the points.
    Source: kmeta's own; the identity is the product-limit estimator's (Kaplan & Meier 1958,
    doi:10.1080/01621459.1958.10501452).

    >>> found = reconstruct_from_steps([1, 2, 4, 6], [7 / 8, 6 / 8, 6 / 8 * 4 / 5, 6 / 8 * 4 / 5], n=8)
    >>> found.n, found.events, found.time[found.event == 1].tolist()
    (8, 3, [1.0, 2.0, 4.0])
    """
    t, s = _steps(time, survival)
    if not COARSEST > precision > 0:
        raise InputError(f"precision is {precision!r}", where="precision", hint=f"above 0, below {COARSEST}")
    curve = (np.append(0.0, t), np.append(1.0, s))
    anyone = read_facts(curve, n_risk_time, n_risk, MOST_PATIENTS if n is None else n, None, None, None)
    known = n if n is not None else _at_start(n_risk_time, n_risk)
    found = recover(t, s, known, anyone.table, float(t[-1]), precision)
    if found is None:
        raise InputError(
            "no whole numbers of deaths and patients give these drops, or too many do",
            where="survival",
            hint="give n, numbers at risk or a coarser precision; reconstruct_ipd takes points that are not exact",
        )
    patients, walk, open_to = found
    warnings = [] if open_to == 0 else [f"a risk set is open to {open_to} patient(s): the drops fit several"]
    if s[-1] <= 2 * precision:
        warnings.append("the curve ends at 0: its last drop does not tell how many died in it")
    if walk.lacking:
        warnings.append(f"the numbers at risk want {walk.lacking} patient(s) more than the drops leave")
    points = Points(
        time=np.append(0.0, t), survival=np.append(1.0, s), read=np.append(1.0, s),
        noise=precision, column=float(t[-1]) * 1e-9, notes=(),
    )  # fmt: skip
    facts = Facts(
        n=patients,
        table=anyone.table,
        events=None,
        median=None,
        survival_at=(),
        warnings=(),
        contradictions=(),
    )
    problem = Problem(points=points, n=patients, table=facts.table, events=None, steps=True)
    atoms = at_points(points)
    times, events = individual_data(walk, atoms)
    solution = Solution(time=times, event=events, walk=walk, bend=0.0)
    return result_of(solution, Prepared(problem=problem, said=[]), facts, warnings, (), 0, label, time_unit)


def _steps(time: ArrayLike, survival: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Drops in order; InputError naming the rows that cannot be. A first row at time 0 with S of 1 is dropped."""
    t = column(time, "time", "finite, 0 or later", lambda a: np.isfinite(a) & (a >= 0))
    s = column(survival, "survival", "0 to 1", lambda a: np.isfinite(a) & (a >= 0) & (a <= 1), n=len(t))
    if len(t) and t[0] == 0 and s[0] == 1:
        t, s = t[1:], s[1:]
    if not len(t):
        raise InputError("is empty", where="time", hint="the drops of a curve")
    refuse_rows(np.append(True, np.diff(t) > 0), t, "time", "rising: one row a drop")
    refuse_rows(np.append(True, np.diff(s) <= 0), s, "survival", "never rising")
    return t, s


def _at_start(n_risk_time: ArrayLike | None, n_risk: ArrayLike | None) -> int | None:
    """The number at risk at time 0, where the table has it."""
    if n_risk_time is None or n_risk is None:
        return None
    first = np.asarray(n_risk_time, dtype=float)
    return int(np.asarray(n_risk, dtype=float)[first.argmin()]) if first.min() == 0 else None
