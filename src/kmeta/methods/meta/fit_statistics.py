"""Likelihood-based fit statistics of a random- or common-effect model."""

from __future__ import annotations

import math

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.meta.fit import MetaFit


def fit_statistics(fit: MetaFit) -> dict[str, dict[str, float]]:
    """{"ML": {...}, "REML": {...}} with ll, dev, AIC, BIC, AICc, as metafor defines them.

    The residuals are those of the fit, also when its weights are the user's. The deviance under ML is taken from
    the saturated model, under REML it is -2 ll. AICc: Hurvich & Tsai 1989, doi:10.1093/biomet/76.2.297.
    """
    if fit.model == "multilevel" and fit.k_groups < fit.k:
        return _nested(fit)
    return at_variances(fit, fit.tau2, fit.method not in ("CE", "fixed"))


def at_variances(fit: MetaFit, tau2: float | Floats, parameters: int) -> dict[str, dict[str, float]]:
    """The same with true effects of variance `tau2`, one for all or one for each, by so many `parameters`."""
    x = np.ones((fit.k, 1)) if fit.x is None else fit.x
    beta = np.array([fit.mu]) if fit.beta is None else fit.beta
    k, p = x.shape
    total = fit.vi + tau2
    rss = float(np.sum((fit.yi - x @ beta) ** 2 / total))
    spread = float(np.log(total).sum())
    ml = -0.5 * (k * math.log(2 * math.pi) + spread + rss)
    saturated = -0.5 * (k * math.log(2 * math.pi) + float(np.log(fit.vi).sum()))
    gram, weighted = x.T @ x, x.T @ (x / total[:, None])
    dets = float(np.linalg.slogdet(gram)[1] - np.linalg.slogdet(weighted)[1])
    reml = -0.5 * ((k - p) * math.log(2 * math.pi) + spread + rss - dets)
    parameters += p
    return {
        "ML": _criteria(ml, -2 * (ml - saturated), parameters, k),
        "REML": _criteria(reml, -2 * reml, parameters, k - p),
    }


def _nested(fit: MetaFit) -> dict[str, dict[str, float]]:
    from kmeta.methods.meta.multilevel import Nested

    nested = Nested(fit.yi, fit.vi, fit.groups)
    unit, k, parameters = nested.unit, fit.k, 1 + len(fit.sigma2)
    study, arm = fit.sigma2[0] / unit**2, sum(fit.sigma2[1:]) / unit**2
    # from the scaled, constant-free heights to densities of yi; log |X'X| is log k
    ml, reml = (
        nested.log_likelihood(study, arm, restricted=lost == 1)
        - (k - lost) * (math.log(unit) + 0.5 * math.log(2 * math.pi))
        for lost in (0, 1)
    )
    reml += 0.5 * math.log(k)
    saturated = -0.5 * (k * math.log(2 * math.pi) + float(np.log(fit.vi).sum()))
    return {
        "ML": _criteria(ml, -2 * (ml - saturated), parameters, k),
        "REML": _criteria(reml, -2 * reml, parameters, k - 1),
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


def test_based_h2(q: float, df: int, level: float) -> tuple[float, float]:
    """Interval of H2 from Cochran's Q, the limits held at 1 or above; NaN for one estimate.

    The spread of log H is taken from the size of Q against its df.
    Source: Higgins & Thompson 2002, doi:10.1002/sim.1186.
    """
    from kmeta.methods.meta.distributions import quantile

    if df < 1:
        return math.nan, math.nan
    k = df + 1
    if q > k:
        spread = 0.5 * (math.log(q) - math.log(df)) / (math.sqrt(2 * q) - math.sqrt(2 * k - 3))
    elif k > 2:
        spread = math.sqrt(1 / (2 * (k - 2)) * (1 - 1 / (3 * (k - 2) ** 2)))
    else:
        return math.nan, math.nan
    z = quantile(level, math.inf)
    log_h = 0.5 * math.log(max(1.0, q / df))
    return max(1.0, math.exp(2 * (log_h - z * spread))), max(1.0, math.exp(2 * (log_h + z * spread)))
