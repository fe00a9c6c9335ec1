"""Estimators of the between-study variance tau2, each one function (yi, vi) -> tau2."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.registry import Registry

TAU2: Registry[Callable[[Floats, Floats], float]] = Registry("tau2 estimator", entry_point_group="kmeta.tau2")


@TAU2.register("DL")
def dersimonian_laird(yi: Floats, vi: Floats) -> float:
    """Method of moments, truncated at 0.

    yi, vi : shape (k,), estimates on the analysis scale (log HR) and their sampling variances.
    Source: DerSimonian & Laird 1986, doi:10.1016/0197-2456(86)90046-2.
    """
    wi = 1 / vi
    q = np.sum(wi * (yi - np.average(yi, weights=wi)) ** 2)
    c = np.sum(wi) - np.sum(wi**2) / np.sum(wi)
    return max(0.0, float((q - (len(yi) - 1)) / c))


@TAU2.register("REML")
def restricted_maximum_likelihood(yi: Floats, vi: Floats) -> float:
    """Restricted maximum likelihood by the sign of its score on a bracket; provisional, see the engine issue.

    Source: Viechtbauer 2005, doi:10.3102/10769986030003261.
    """
    from scipy.optimize import minimize_scalar

    def deviance(tau2: float) -> float:
        wi = 1 / (vi + tau2)
        mu = np.average(yi, weights=wi)
        return float(-np.sum(np.log(wi)) + np.log(wi.sum()) + np.sum(wi * (yi - mu) ** 2))

    top = max(10 * float(np.var(yi)), 10 * float(vi.max()))
    found = minimize_scalar(deviance, bounds=(0, top), method="bounded", options={"xatol": 1e-12})
    return 0.0 if deviance(0.0) <= found.fun else float(found.x)
