"""From the analysis scale back to the scale people read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kmeta.core.arrays import Floats

LOG_MEASURES = frozenset({"HR", "OR", "PETO", "RR", "IRR", "ROM", "CVR", "VR", "PLN", "IRLN", "MSR"})
LOGIT_MEASURES = frozenset({"PLO"})
NAMES = {"PAS": "arcsine square root", "PFT": "Freeman-Tukey double arcsine", "ZCOR": "Fisher z"}
NATURAL = {
    "HR": "hazard ratio",
    "OR": "odds ratio",
    "PETO": "odds ratio",
    "RR": "risk ratio",
    "IRR": "incidence rate ratio",
    "ROM": "ratio of means",
    "MSR": "median survival ratio",
    "PLO": "probability",
    "PLN": "probability",
    "PR": "probability",
    "PAS": "probability",
    "IRLN": "incidence rate",
    "ZCOR": "correlation",
}


def _expit(x: Floats) -> Floats:
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def _square_sine(x: Floats) -> Floats:
    return np.sin(np.clip(x, 0, np.pi / 2)) ** 2


def _exp(x: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return np.exp(x)


def back_transform(measure: str) -> Callable[[Floats], Floats]:
    """The function from the analysis scale of `measure` to the scale it is reported on.

    The Freeman-Tukey transform has none without a sample size (doi:10.1002/jrsm.1348): it stays as it is.
    """
    if measure in LOG_MEASURES:
        return _exp
    if measure in LOGIT_MEASURES:
        return _expit
    if measure == "PAS":
        return _square_sine
    if measure == "ZCOR":
        return np.tanh
    return lambda x: x


def scale_name(measure: str) -> str:
    """The analysis scale in words."""
    if measure in LOG_MEASURES:
        return "log"
    if measure in LOGIT_MEASURES:
        return "logit"
    return NAMES.get(measure, "as is")


def natural_name(measure: str) -> str:
    """What the back-transformed number is."""
    return NATURAL.get(measure, measure)
