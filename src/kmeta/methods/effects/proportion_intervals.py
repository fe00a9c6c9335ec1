"""Confidence intervals of one proportion, by name."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.methods.effects.columns import column, same_length
from kmeta.methods.effects.two_by_two import MANY

METHODS = ("CP", "WS", "WSCC", "AC", "SA", "SACC", "logit")


def proportion_intervals(
    xi: ArrayLike, ni: ArrayLike, *, method: str = "CP", level: float = 0.95
) -> tuple[Floats, Floats]:
    """(low, high) of each proportion xi / ni, shape (k,), held in [0, 1].

    method : "CP" Clopper-Pearson (exact), "WS" Wilson's score, "WSCC" with continuity correction, "AC" Agresti-Coull,
        "SA" simple approximation (Wald), "SACC" with continuity correction, "logit" normal on the logit scale (0.5
        added to both cells of studies with an empty one). "WSCC" and "logit" do not reach 0 and 1.
    Raises InputError. Source: Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E;
    Agresti & Coull 1998, doi:10.1080/00031305.1998.10480550.

    >>> low, high = proportion_intervals([8], [10])
    >>> round(float(low[0]), 3), round(float(high[0]), 3)
    (0.444, 0.975)
    """
    from scipy.special import betaincinv, expit, ndtri

    if method not in METHODS:
        raise InputError(f"no method is named {method!r}", where="method", hint=", ".join(METHODS))
    if not 0 < level < 1:
        raise InputError(f"level is {level!r}", where="level", hint="a fraction: 0.95")
    x, n = column(xi, "xi", low=0, high=MANY), column(ni, "ni", low=1e-12, high=MANY)
    same_length(xi=x, ni=n)
    if (x > n).any():
        raise InputError("more events than patients", where="xi", hint="events are at most n")
    z, p = float(ndtri((1 + level) / 2)), x / n
    alpha = (1 - level) / 2
    if method == "CP":
        low = np.where(x > 0, betaincinv(np.maximum(x, 1e-9), n - x + 1, alpha), 0.0)
        high = np.where(x < n, betaincinv(x + 1, np.maximum(n - x, 1e-9), 1 - alpha), 1.0)
        return low, high
    if method == "logit":
        add = np.where((x == 0) | (x == n), 0.5, 0.0)
        a, b = x + add, n - x + add
        middle, half = np.log(a / b), z * np.sqrt(1 / a + 1 / b)
        return np.asarray(expit(middle - half)), np.asarray(expit(middle + half))
    if method == "WSCC":
        return _wilson_corrected(x, n, z)
    centre, half = p, z * np.sqrt(p * (1 - p) / n)
    if method == "SACC":
        half = half + 1 / (2 * n)
    elif method == "WS":
        centre = (x + z * z / 2) / (n + z * z)
        half = z / (n + z * z) * np.sqrt(n * p * (1 - p) + z * z / 4)
    elif method == "AC":
        size = n + z * z
        centre = (x + z * z / 2) / size
        half = z * np.sqrt(centre * (1 - centre) / size)
    return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)


def _wilson_corrected(x: Floats, n: Floats, z: float) -> tuple[Floats, Floats]:
    p, size = x / n, 2 * (n + z * z)
    low_root = np.sqrt(np.maximum(0.0, z * z - 2 - 1 / n + 4 * p * (n * (1 - p) + 1)))
    high_root = np.sqrt(np.maximum(0.0, z * z + 2 - 1 / n + 4 * p * (n * (1 - p) - 1)))
    low = (2 * x + z * z - 1 - z * low_root) / size
    high = (2 * x + z * z + 1 + z * high_root) / size
    return np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)
