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


def inverse_freeman_tukey(y: Floats, n: float) -> Floats:
    """Proportion behind a Freeman-Tukey double arcsine (the mean of its two angles), for sample size `n`.

    For a pooled value n is a convention (the harmonic mean), and the result can mislead when sizes differ:
    doi:10.1002/jrsm.1348. Source: Miller 1978, doi:10.1080/00031305.1978.10479283.
    """
    low = 0.5 * np.arcsin(np.sqrt(1 / (n + 1)))
    high = 0.5 * (np.arcsin(np.sqrt(n / (n + 1))) + np.pi / 2)
    inner = np.clip(y, low, high)
    sine = np.sin(2 * inner)
    root = np.sqrt(np.maximum(0, 1 - (sine + (sine - 1 / sine) / n) ** 2))
    p = 0.5 * (1 - np.sign(np.cos(2 * inner)) * root)
    return np.where(y <= low, 0.0, np.where(y >= high, 1.0, p))


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
