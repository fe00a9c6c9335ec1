"""Likelihood-based fit statistics of a random- or common-effect model."""

from __future__ import annotations

import math

import numpy as np

from kmeta.core.errors import InputError
from kmeta.methods.meta.fit import MetaFit


def fit_statistics(fit: MetaFit) -> dict[str, dict[str, float]]:
    """{"ML": {...}, "REML": {...}} with ll, dev, AIC, BIC, AICc, as metafor defines them.

    The residuals are those of the fit, also when its weights are the user's. The deviance under ML is taken from
    the saturated model, under REML it is -2 ll. AICc: Hurvich & Tsai 1989, doi:10.1093/biomet/76.2.297.
    """
    if fit.model == "multilevel":
        raise InputError("fit_stats is given for models with one variance component", where="model")
    x = np.ones((fit.k, 1)) if fit.x is None else fit.x
    beta = np.array([fit.mu]) if fit.beta is None else fit.beta
    k, p = x.shape
    total = fit.vi + fit.tau2
    rss = float(np.sum((fit.yi - x @ beta) ** 2 / total))
    spread = float(np.log(total).sum())
    ml = -0.5 * (k * math.log(2 * math.pi) + spread + rss)
    saturated = -0.5 * (k * math.log(2 * math.pi) + float(np.log(fit.vi).sum()))
    gram, weighted = x.T @ x, x.T @ (x / total[:, None])
    dets = float(np.linalg.slogdet(gram)[1] - np.linalg.slogdet(weighted)[1])
    reml = -0.5 * ((k - p) * math.log(2 * math.pi) + spread + rss - dets)
    parameters = p + (fit.method not in ("CE", "fixed"))
    return {
        "ML": _criteria(ml, -2 * (ml - saturated), parameters, k),
        "REML": _criteria(reml, -2 * reml, parameters, k - p),
    }


def _criteria(ll: float, deviance: float, parameters: int, n: int) -> dict[str, float]:
    size = max(n, parameters + 2)
    return {
        "ll": ll,
        "dev": deviance,
        "AIC": -2 * ll + 2 * parameters,
        "BIC": -2 * ll + parameters * math.log(n) if n > 0 else math.nan,
        "AICc": -2 * ll + 2 * parameters * size / (size - parameters - 1),
    }
