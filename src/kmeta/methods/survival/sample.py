"""Individual survival data as a caller gives them -> checked columns; every bad row is told at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError

SHOWN = 5  # rows named in an error before "and n more"


@dataclass(frozen=True, kw_only=True, eq=False)
class SurvivalSample:
    """Follow-up of n patients: arrays of one length. `entry` is 0 without left truncation, `weights` 1 without."""

    time: Floats
    event: Floats
    entry: Floats
    weights: Floats

    @property
    def n(self) -> int:
        """Number of patients (rows)."""
        return len(self.time)

    @property
    def truncated(self) -> bool:
        """Whether any patient came under observation after time 0."""
        return bool((self.entry > 0).any())

    def part(self, rows: np.ndarray) -> SurvivalSample:
        """The patients of `rows` (indices or a mask)."""
        names = ("time", "event", "entry", "weights")
        return SurvivalSample(**{name: frozen(getattr(self, name)[rows]) for name in names})


def survival_sample(
    time: ArrayLike,
    event: ArrayLike,
    *,
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> SurvivalSample:
    """Checked individual data.

    time : follow-up, 0 or later, shape (n,). event : 1 event, 0 censored. entry : when the patient came under
    observation, before `time`. weights : above 0. One unit of time for all.
    Raises InputError, naming the rows, for anything else.
    """
    t = column(time, "time", "finite, 0 or later", lambda a: np.isfinite(a) & (a >= 0))
    if not t.size:
        raise InputError("is empty", where="time", hint="one follow-up time a patient, at least one")
    d = column(event, "event", "1 event, 0 censored", lambda a: (a == 0) | (a == 1), n=len(t))
    start, w = np.zeros(len(t)), np.ones(len(t))
    if entry is not None:
        start = column(entry, "entry", "0 or later", lambda a: np.isfinite(a) & (a >= 0), n=len(t))
        refuse_rows(start < t, start, "entry", "before the patient's own time")
    if weights is not None:
        w = column(weights, "weights", "finite, above 0", lambda a: np.isfinite(a) & (a > 0), n=len(t))
    return SurvivalSample(time=frozen(t), event=frozen(d), entry=frozen(start), weights=frozen(w))


def column(
    values: ArrayLike,
    name: str,
    expected: str,
    good: Callable[[Floats], np.ndarray],
    *,
    n: int | None = None,
) -> Floats:
    """One column of numbers; InputError naming its bad rows, or where it has not `n` rows."""
    try:
        found = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"holds something that is not a number{_first_text(values)}", where=name, hint=expected
        ) from error
    if found.ndim != 1:
        raise InputError(f"has shape {found.shape}", where=name, hint="one value a patient")
    if n is not None and len(found) != n:
        raise InputError(f"{len(found)} values, {n} times", where=name, hint="one value a patient")
    refuse_rows(good(found), found, name, expected)
    return found


def refuse_rows(good: np.ndarray, values: Floats, name: str, expected: str) -> None:
    """InputError naming the rows that are not good."""
    bad = np.flatnonzero(~good)
    if bad.size:
        shown = ", ".join(f"{name}[{row}] is {values[row]:g}" for row in bad[:SHOWN].tolist())
        more = f" and {bad.size - SHOWN} more" if bad.size > SHOWN else ""
        raise InputError(shown + more, where=name, hint=expected)


def groups_of(
    group: Sequence[object] | np.ndarray | None, n: int, name: str = "group"
) -> tuple[tuple[str, ...], np.ndarray]:
    """(labels in order of first appearance, the place of each patient's label among them, shape (n,)).

    None: all are one group, named "all".
    """
    if group is None:
        return ("all",), np.zeros(n, dtype=np.intp)
    if isinstance(group, str) or len(group) != n:
        size = 1 if isinstance(group, str) else len(group)
        raise InputError(f"{size} labels, {n} times", where=name, hint="one label a patient")
    if isinstance(group, np.ndarray) and group.ndim == 1 and group.dtype.kind in "biuU":
        values, first, place = np.unique(group, return_index=True, return_inverse=True)
        order = np.argsort(first)
        return tuple(map(str, values[order].tolist())), np.argsort(order)[place]
    labels = [_label(value, row, name) for row, value in enumerate(group)]
    rank = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    return tuple(rank), np.array([rank[label] for label in labels], dtype=np.intp)


def reference_first(
    labels: tuple[str, ...], member: np.ndarray, reference: object
) -> tuple[tuple[str, ...], np.ndarray]:
    """Labels and places with the label `reference` moved to the front; None leaves them."""
    if reference is None:
        return labels, member
    if str(reference) not in labels:
        raise InputError(f"no group is named {str(reference)!r}", where="reference", hint=", ".join(labels))
    first = labels.index(str(reference))
    order = [first, *(i for i in range(len(labels)) if i != first)]
    place = np.argsort(np.array(order, dtype=np.intp))
    return tuple(labels[i] for i in order), place[member]


def _label(value: object, row: int, name: str) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        raise InputError(f"{name}[{row}] is missing", where=name, hint="a label a patient")
    return str(value)


def _first_text(values: ArrayLike) -> str:
    """Where the first value that is no number stands, when that can be told."""
    try:
        rows = list(values)  # type: ignore[arg-type]
    except TypeError:
        return ""
    for row, value in enumerate(rows):
        try:
            float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return f": row {row} is {value!r}"
    return ""
