"""What stands beside a curve: numbers at risk, patients, events, median, survival at times. Checked here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.methods.ipd.patients import Table
from kmeta.methods.survival.sample import column, refuse_rows

MOST_PATIENTS = 200_000
UNITS = {12.0: "months and years", 30.4: "days and months", 52.2: "weeks and years", 365.25: "days and years"}


@dataclass(frozen=True, kw_only=True)
class Contradiction:
    """Two facts that cannot both hold: what was given, what the reconstruction gives instead, and why."""

    fact: str
    given: float
    implied: float
    message: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """n patients at time 0, the table with its time 0 left out, and what else is printed (None: not given)."""

    n: int
    table: Table
    events: int | None
    median: float | None
    survival_at: tuple[tuple[float, float], ...]
    warnings: tuple[str, ...]
    contradictions: tuple[Contradiction, ...]


def read_facts(
    points: tuple[Floats, Floats],
    n_risk_time: ArrayLike | None,
    n_risk: ArrayLike | None,
    n: int | None,
    events: int | None,
    median: float | None,
    survival_at: Mapping[float, float] | None,
) -> Facts:
    """Check all of them; `points` are the times and survivals of the curve. InputError names what cannot be."""
    time, at_risk = _table(n_risk_time, n_risk)
    warnings: list[str] = []
    contradictions: list[Contradiction] = []
    if n is not None:
        n = _count(n, "n", 1)
    given = n
    if len(time) and time[0] == 0:
        n = int(at_risk[0])
        time, at_risk = time[1:], at_risk[1:]
        if given is not None and given != n:
            contradictions.append(
                Contradiction(
                    fact="n",
                    given=float(given),
                    implied=float(n),
                    message=f"n is {given}, the numbers at risk start with {n}: they were taken",
                )
            )
    elif n is None and len(time):
        survival = float(np.interp(time[0], *points))
        n = round(float(at_risk[0]) / max(survival, 0.01))
        warnings.append(
            f"n was not given: {n} follows from the first number at risk without censoring before it"
        )
    if n is None:
        raise InputError(
            "is missing, and so are numbers at risk", where="n", hint="give n= or n_risk_time= and n_risk="
        )
    if not 1 <= n <= MOST_PATIENTS:
        raise InputError(f"is {n}", where="n", hint=f"1 to {MOST_PATIENTS} patients")
    if len(at_risk) and at_risk[0] > n:
        raise InputError(
            f"n_risk at {time[0]:g} is {at_risk[0]:g}, n is {n}", where="n_risk", hint="never more than n"
        )
    return Facts(
        n=n,
        table=Table(time=time, at_risk=at_risk.astype(np.intp)),
        events=None if events is None else _events(events, n),
        median=None if median is None else _positive(median, "median"),
        survival_at=_survivals(survival_at),
        warnings=tuple(warnings),
        contradictions=tuple(contradictions),
    )


def other_unit(table_end: float, curve_end: float) -> str:
    """A hint when two ends of follow-up look like one in two units, or ""."""
    ratio = max(table_end, curve_end) / max(min(table_end, curve_end), 1e-12)
    for factor, units in UNITS.items():
        if 0.7 < ratio / factor < 1.15:
            return f"{units} mixed?"
    return ""


def _table(n_risk_time: ArrayLike | None, n_risk: ArrayLike | None) -> tuple[Floats, Floats]:
    if (n_risk_time is None) != (n_risk is None):
        missing = "n_risk" if n_risk is None else "n_risk_time"
        raise InputError("is missing", where=missing, hint="give both n_risk_time and n_risk")
    if n_risk_time is None or n_risk is None:
        return np.zeros(0), np.zeros(0)
    time = column(n_risk_time, "n_risk_time", "finite, 0 or later", lambda a: np.isfinite(a) & (a >= 0))
    at_risk = column(n_risk, "n_risk", "a whole number, 0 or more", _is_count)
    if len(time) != len(at_risk):
        raise InputError(f"{len(at_risk)} numbers, {len(time)} times", where="n_risk", hint="one a time")
    order = np.argsort(time, kind="stable")
    time, at_risk = time[order], at_risk[order]
    refuse_rows(np.append(True, np.diff(time) > 0), time, "n_risk_time", "each time once")
    refuse_rows(np.append(True, np.diff(at_risk) <= 0), at_risk, "n_risk", "never rising with time")
    return time, at_risk


def _is_count(values: Floats) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        good: np.ndarray = np.isfinite(values) & (values >= 0) & (values == np.floor(values))
    return good


def _count(value: object, name: str, least: int) -> int:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise InputError(f"is {value!r}", where=name, hint="a whole number") from error
    if not np.isfinite(number) or number != int(number) or number < least:
        raise InputError(f"is {value!r}", where=name, hint=f"a whole number, {least} or more")
    return int(number)


def _events(events: object, n: int) -> int:
    found = _count(events, "events", 0)
    if found > n:
        raise InputError(f"{found} events, {n} patients", where="events", hint="at most one event a patient")
    return found


def _positive(value: object, name: str) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise InputError(f"is {value!r}", where=name, hint="a number above 0") from error
    if not np.isfinite(number) or number <= 0:
        raise InputError(f"is {value!r}", where=name, hint="a number above 0; None: not reached or not given")
    return number


def _survivals(given: Mapping[float, float] | None) -> tuple[tuple[float, float], ...]:
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        raise InputError("must map times to survivals", where="survival_at", hint="{12: 0.74, 24: 0.51}")
    time = column(list(given), "survival_at", "times, 0 or later", lambda a: np.isfinite(a) & (a >= 0))
    value = column(
        list(given.values()), "survival_at", "a fraction", lambda a: np.isfinite(a) & (a >= 0) & (a <= 1)
    )
    return tuple(sorted(zip(time.tolist(), value.tolist(), strict=True)))
