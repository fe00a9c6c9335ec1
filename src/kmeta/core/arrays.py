"""Read-only arrays: what goes into a result cannot be changed behind its back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def frozen(values: ArrayLike | Sequence[float]) -> Floats:
    """`values` as a read-only float array of their own; None becomes NaN."""
    array = np.array(values, dtype=np.float64, copy=True)
    array.setflags(write=False)
    return array
