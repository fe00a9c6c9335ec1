"""From the analysis scale back to the scale people read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kmeta.core.arrays import Floats

LOG_MEASURES = frozenset({"HR", "OR", "RR", "IRR", "ROM", "PLN", "IRLN", "MSR"})
LOGIT_MEASURES = frozenset({"PLO"})


def _expit(x: Floats) -> Floats:
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def back_transform(measure: str) -> Callable[[Floats], Floats]:
    """The function from the analysis scale of `measure` to the scale it is reported on."""
    if measure in LOG_MEASURES:
        return np.exp
    if measure in LOGIT_MEASURES:
        return _expit
    return lambda x: x
