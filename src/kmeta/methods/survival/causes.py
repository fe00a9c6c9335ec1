"""Causes of an event as a caller gives them -> codes; 0 is censored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.methods.survival.sample import SHOWN, SurvivalSample, survival_sample

WORDS = ("censored", "0")  # what text says where nobody told the word for censored


@dataclass(frozen=True, kw_only=True, eq=False)
class CausesSample:
    """Follow-up with causes: `code` 0 censored, 1.. the place of the cause in `causes` (sorted), plus one."""

    sample: SurvivalSample
    code: np.ndarray
    causes: tuple[str, ...]

    @property
    def time(self) -> Floats:
        """Follow-up of each patient."""
        return self.sample.time

    def part(self, rows: np.ndarray) -> CausesSample:
        """The patients of `rows`, the causes of all."""
        return CausesSample(sample=self.sample.part(rows), code=self.code[rows], causes=self.causes)

    def number(self, cause: object) -> int:
        """The code of a cause; InputError where there is none."""
        if str(cause) not in self.causes:
            raise InputError(f"no cause is {str(cause)!r}", where="cause", hint=", ".join(self.causes))
        return self.causes.index(str(cause)) + 1


def causes_sample(
    time: ArrayLike, event: ArrayLike | Sequence[object], censored: object = None
) -> CausesSample:
    """Checked follow-up with causes.

    event : whole numbers (0 censored), or labels. censored : the value that means censored; None: 0 for numbers, the
    word "censored" (or "0") for labels, which then must occur.
    Raises InputError, naming rows, for missing values or numbers that are no codes.
    """
    cells: np.ndarray = np.array(event, dtype=object)
    if cells.ndim != 1:
        raise InputError(f"has shape {cells.shape}", where="event", hint="one value a patient")
    values: list[Any] = [None if _missing(x) else x for x in cells.tolist()]
    _refuse([x is None for x in values], values, "is missing")
    numeric = all(isinstance(x, (bool, int, float, np.number, np.bool_)) for x in values)
    if numeric:
        _refuse([float(x) != int(x) or x < 0 for x in values], values, "is no code")
        values = [int(x) for x in values]
    labels = [str(x) for x in values]
    word = _word(labels, numeric, censored)
    ranked = sorted({x for x in labels if x != word}, key=int if numeric else None)
    place = {word: 0} | {label: i + 1 for i, label in enumerate(ranked)}
    code = np.array([place[label] for label in labels], dtype=np.intp)
    sample = survival_sample(time, (code > 0).astype(float))
    if not ranked:
        raise InputError("nobody had an event", where="event", hint="0 censored, 1.. the causes")
    return CausesSample(sample=sample, code=code, causes=tuple(ranked))


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, (float, np.floating)) and not np.isfinite(value))


def _refuse(bad: list[bool], values: list[object], why: str) -> None:
    rows = [row for row, wrong in enumerate(bad) if wrong]
    if rows:
        cells = [
            f"event[{row}] {why}" + ("" if values[row] is None else f": {values[row]!r}") for row in rows
        ]
        shown = ", ".join(cells[:SHOWN])
        more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
        raise InputError(shown + more, where="event", hint="0 censored, 1.. the causes, or a label each")


def _word(labels: list[str], numeric: bool, censored: object) -> str:
    """The label that means censored."""
    if censored is not None:
        return str(censored)
    if numeric:
        return "0"
    found = [word for word in WORDS if word in labels]
    if not found:
        raise InputError(
            f"no label says censored: {', '.join(sorted(set(labels))[:SHOWN])}",
            where="censored",
            hint='the label of those without event; one that nobody has, such as "censored?", where all had one',
        )
    return found[0]
