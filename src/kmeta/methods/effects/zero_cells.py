"""Which studies get something added to their cells, and how much."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.methods.effects.columns import column


def to_correct(empty: NDArray[np.bool_], to: str) -> NDArray[np.bool_]:
    """The studies that `to` names: "only0" those with an empty cell, "if0all" all when any has one, "all", "none"."""
    if to == "only0":
        return empty
    if to == "if0all":
        return np.full(len(empty), empty.any())
    if to in ("all", "none"):
        return np.full(len(empty), to == "all")
    raise InputError(f"no to is named {to!r}", where="to", hint="only0, if0all, all or none")


def amount_of(add: Any, usual: float) -> float:
    """What is added to a cell: `add`, or what the measure usually takes."""
    return usual if add is None else float(column(add, "add", low=0, high=1e6)[0])


def notes_of(
    yi: Floats, vi: Floats, corrected: NDArray[np.bool_], dropped: NDArray[np.bool_], amount: float
) -> tuple[str, ...]:
    """One text a study: what was added, or why it has no value."""
    found = []
    usable = np.isfinite(yi) & np.isfinite(vi)
    for good, hit, gone in zip(usable.tolist(), corrected.tolist(), dropped.tolist(), strict=True):
        if gone:
            found.append("no events, or events only, in both groups: left out")
        elif not good:
            found.append("no finite value: an empty cell, or too few patients")
        else:
            found.append(f"{amount:g} added to each cell" if hit and amount > 0 else "")
    return tuple(found)


def finite(yi: Floats, vi: Floats) -> tuple[Floats, Floats]:
    """Both NaN where either is not finite."""
    bad = ~(np.isfinite(yi) & np.isfinite(vi))
    return np.where(bad, np.nan, yi), np.where(bad, np.nan, vi)
