"""Causes of an event as a caller gives them -> codes; 0 is censored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.methods.survival.sample import SHOWN, SurvivalSample, column, groups_of, survival_sample

EXPECTED = "0 censored, 1.. the causes, or a label each"
MOST = 1e6  # a larger number is no code of a cause
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
    labels, code, numeric = _read(event)
    word = _word(labels, numeric, censored)
    ranked = sorted((label for label in labels if label != word), key=int if numeric else None)
    place = {word: 0} | {label: i + 1 for i, label in enumerate(ranked)}
    code = np.array([place[label] for label in labels], dtype=np.intp)[code]
    sample = survival_sample(time, (code > 0).astype(float))
    if not ranked:
        raise InputError("nobody had an event", where="event", hint="0 censored, 1.. the causes")
    return CausesSample(sample=sample, code=code, causes=tuple(ranked))


def _read(event: ArrayLike | Sequence[object]) -> tuple[tuple[str, ...], np.ndarray, bool]:
    """(the different values as text, the place of each patient's among them, whether they are numbers)."""
    try:
        cells = np.array(event)
        numeric = cells.dtype.kind in "biuf" or not any(isinstance(x, str) for x in cells.ravel().tolist())
    except ValueError as error:  # lists of unequal lengths
        raise InputError("is not a flat column", where="event", hint="one value a patient") from error
    if not numeric:
        return *groups_of(event, len(cells), "event"), False  # type: ignore[arg-type]
    codes = column(event, "event", EXPECTED, lambda a: (a >= 0) & (a == np.floor(a)) & (a < MOST))  # type: ignore[arg-type]
    if not codes.size:
        raise InputError("is empty", where="event", hint="one value a patient, at least one")
    values, place = np.unique(codes, return_inverse=True)
    return tuple(str(int(value)) for value in values.tolist()), place, True


def _word(labels: tuple[str, ...], numeric: bool, censored: object) -> str:
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
