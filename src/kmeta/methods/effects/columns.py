"""Reported columns, checked once: one number a study, missing as NaN where a column may have gaps."""

from __future__ import annotations

from typing import Any

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError


def column(values: Any, name: str, *, low: float, high: float, gaps: bool = False) -> Floats:
    """`values` as floats in [low, high]; InputError naming the first that is not a number or out of range."""
    try:
        array = np.atleast_1d(np.array(values, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise InputError(
            "holds something that is not a number",
            where=name,
            hint='numbers only; "<0.001" is a bound, not a value',
        ) from error
    if array.ndim != 1 or not array.size:
        raise InputError(f"has shape {array.shape}", where=name, hint="one number a study, at least one")
    with np.errstate(invalid="ignore"):
        good = (array >= low) & (array <= high) & np.isfinite(array)
    if gaps:
        good |= np.isnan(array)
    if not good.all():
        row = int(np.argmin(good))
        raise InputError(
            f"{name}[{row}] is {array[row]:g}", where=name, hint=f"a number from {low:g} to {high:g}"
        )
    return array


def same_length(**columns: Floats) -> int:
    """The common length of the columns; InputError when they differ."""
    sizes = {name: len(values) for name, values in columns.items()}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} has {size}" for name, size in sizes.items())
        raise InputError(told, where="columns", hint="one value a study in each column")
    return next(iter(sizes.values()))
