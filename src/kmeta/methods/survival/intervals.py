"""Pointwise intervals of a survival probability on five scales.

Each takes the survival, the standard error of its cumulative hazard (se / survival) and the normal quantile, and
gives the limits. Source: Kalbfleisch & Prentice 2002, The Statistical Analysis of Failure Time Data, ch. 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kmeta.core.arrays import Floats

Limits = tuple[Floats, Floats]


def _plain(s: Floats, se: Floats, z: float) -> Limits:
    return np.maximum(s - z * s * se, 0), np.minimum(s + z * s * se, 1)


def _log(s: Floats, se: Floats, z: float) -> Limits:
    return _ends(s, se, s * np.exp(-z * se), np.minimum(s * np.exp(z * se), 1))


def _log_log(s: Floats, se: Floats, z: float) -> Limits:
    inner = np.where((s > 0) & (s < 1), s, 0.5)
    spread = z * se / np.abs(np.log(inner))
    low, high = np.exp(np.log(inner) * np.exp(spread)), np.exp(np.log(inner) * np.exp(-spread))
    return _ends(s, se, low, high)


def _logit(s: Floats, se: Floats, z: float) -> Limits:
    inner = np.where((s > 0) & (s < 1), s, 0.5)
    middle, spread = np.log(inner / (1 - inner)), z * se / (1 - inner)
    return _ends(s, se, 1 / (1 + np.exp(spread - middle)), 1 / (1 + np.exp(-spread - middle)))


def _arcsine(s: Floats, se: Floats, z: float) -> Limits:
    inner = np.where((s > 0) & (s < 1), s, 0.5)
    angle, spread = np.arcsin(np.sqrt(inner)), 0.5 * z * se * np.sqrt(inner / (1 - inner))
    low = np.sin(np.maximum(angle - spread, 0)) ** 2
    high = np.sin(np.minimum(angle + spread, np.pi / 2)) ** 2
    return _ends(s, se, low, high)


def _ends(s: Floats, se: Floats, low: Floats, high: Floats) -> Limits:
    """Before the first event both limits are 1; where nobody is left there is no interval."""
    known = np.isfinite(se)
    low, high = np.where(s == 1, 1.0, low), np.where(s == 1, 1.0, high)
    return np.where(known, low, np.nan), np.where(known, high, np.nan)


INTERVALS: dict[str, Callable[[Floats, Floats, float], Limits]] = {
    "log-log": _log_log,
    "log": _log,
    "plain": _plain,
    "logit": _logit,
    "arcsine": _arcsine,
}
