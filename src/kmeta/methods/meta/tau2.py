"""Estimators of the between-study variance tau2, each one function (yi, vi) -> tau2.

yi, vi : shape (k,), estimates on the analysis scale (log HR) and their sampling variances, vi > 0.
x : shape (k, p), the design matrix of a meta-regression with its intercept; None means an intercept alone.

A plugin may take yi and vi only; it then serves models without moderators.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.registry import Registry
from kmeta.methods.meta.likelihood import maximum_likelihood_tau2
from kmeta.methods.meta.qprofile import solve_q
from kmeta.methods.meta.sample import Sample, Weighted, dot

TWO_STEP = {"DL2": "DL", "HE2": "HE"}  # estimator -> the one whose tau2 is in its weights

TAU2: Registry[Callable[..., float]] = Registry("tau2 estimator", entry_point_group="kmeta.tau2")


def _back(sample: Sample, scaled: float) -> float:
    return max(0.0, scaled) * sample.unit**2


@TAU2.register("DL")
def dersimonian_laird(yi: Floats, vi: Floats, x: Floats | None = None) -> float:
    """Method of moments with inverse-variance weights, truncated at 0.

    Source: DerSimonian & Laird 1986, doi:10.1016/0197-2456(86)90046-2.

    >>> round(dersimonian_laird(np.array([0.1, 0.5, 0.9]), np.array([0.02, 0.03, 0.05])), 4)
    0.121
    """
    sample = Sample(yi, vi, x)
    fit = Weighted(sample, 1 / sample.v)
    return _back(sample, (fit.q - (sample.k - sample.p)) / fit.trace())


@TAU2.register("HE")
def hedges(yi: Floats, vi: Floats, x: Floats | None = None) -> float:
    """Method of moments with equal weights (variance component, Cochran), truncated at 0.

    Source: Hedges & Olkin 1985, Statistical Methods for Meta-Analysis, ch. 9.
    """
    sample = Sample(yi, vi, x)
    fit = Weighted(sample, np.ones(sample.k))
    return _back(sample, (fit.q - fit.trace(sample.v)) / (sample.k - sample.p))


@TAU2.register("HS")
def hunter_schmidt(yi: Floats, vi: Floats, x: Floats | None = None) -> float:
    """(Q - k) / sum of weights, truncated at 0; biased downwards.

    Source: Schmidt & Hunter 2015, Methods of Meta-Analysis; Viechtbauer 2005, doi:10.3102/10769986030003261.
    """
    sample = Sample(yi, vi, x)
    fit = Weighted(sample, 1 / sample.v)
    return _back(sample, (fit.q - sample.k) / float(fit.w.sum()))


@TAU2.register("HSk")
def hunter_schmidt_k(yi: Floats, vi: Floats, x: Floats | None = None) -> float:
    """Hunter-Schmidt with the small-sample factor k / (k - p) on Q.

    Source: Brannick, Potter, Benitez & Morris 2019, doi:10.1177/1094428117736643.
    """
    sample = Sample(yi, vi, x)
    fit = Weighted(sample, 1 / sample.v)
    k = sample.k
    return _back(sample, (fit.q * k / (k - sample.p) - k) / float(fit.w.sum()))


@TAU2.register("SJ")
def sidik_jonkman(yi: Floats, vi: Floats, x: Floats | None = None) -> float:
    """Model error variance, from the variance of the estimates as first guess; 0 only when all yi are equal.

    Source: Sidik & Jonkman 2005, doi:10.1111/j.1467-9876.2005.00489.x.
    """
    sample = Sample(yi, vi, x)
    guess = float(np.mean((sample.y - sample.y.mean()) ** 2))
    if guess == 0:
        return 0.0
    fit = Weighted(sample, 1 / (sample.v + guess))
    return _back(sample, guess * fit.q / (sample.k - sample.p))


@TAU2.register("ML")
def maximum_likelihood(yi: Floats, vi: Floats, x: Floats | None = None) -> float:
    """Maximum likelihood; the highest mode of the profile, 0 included.

    Source: Hardy & Thompson 1996, doi:10.1002/(SICI)1097-0258(19960330)15:6<619::AID-SIM188>3.0.CO;2-A.
    Raises ConvergenceError when the search does not settle.
    """
    sample = Sample(yi, vi, x)
    return _back(sample, maximum_likelihood_tau2(sample, restricted=False))


@TAU2.register("REML")
def restricted_maximum_likelihood(yi: Floats, vi: Floats, x: Floats | None = None) -> float:
    """Restricted maximum likelihood; the highest mode of the profile, 0 included.

    Source: Viechtbauer 2005, doi:10.3102/10769986030003261.
    Raises ConvergenceError when the search does not settle.
    """
    sample = Sample(yi, vi, x)
    return _back(sample, maximum_likelihood_tau2(sample, restricted=True))


@TAU2.register("PM")
def paule_mandel(yi: Floats, vi: Floats, x: Floats | None = None) -> float:
    """The tau2 at which the generalised Q equals its expectation k - p.

    Source: Paule & Mandel 1982, doi:10.6028/jres.087.022; DerSimonian & Kacker 2007, doi:10.1016/j.cct.2006.04.004.
    """
    sample = Sample(yi, vi, x)
    return _back(sample, solve_q(sample, sample.k - sample.p))


@TAU2.register("EB")
def empirical_bayes(yi: Floats, vi: Floats, x: Floats | None = None) -> float:
    """Morris' empirical Bayes estimator: its equation is Paule and Mandel's, so it has the same root.

    Source: Morris 1983, doi:10.1080/01621459.1983.10477920; Viechtbauer et al. 2015, doi:10.1037/met0000014.
    """
    return paule_mandel(yi, vi, x)


@TAU2.register("DLIT")
def iterated_dersimonian_laird(yi: Floats, vi: Floats, x: Floats | None = None) -> float:
    """DerSimonian-Laird repeated with its own weights until it settles: the fixed point is Paule and Mandel's.

    Source: DerSimonian & Kacker 2007, doi:10.1016/j.cct.2006.04.004.
    """
    return paule_mandel(yi, vi, x)


@TAU2.register("SJIT")
def iterated_sidik_jonkman(yi: Floats, vi: Floats, x: Floats | None = None) -> float:
    """Sidik-Jonkman repeated with its own weights until it settles: the fixed point is Paule and Mandel's.

    Source: Sidik & Jonkman 2007, doi:10.1002/sim.2688.
    """
    return paule_mandel(yi, vi, x)


@TAU2.register("PMM")
def median_unbiased_paule_mandel(yi: Floats, vi: Floats, x: Floats | None = None) -> float:
    """The tau2 at which the generalised Q equals the median of its distribution, chi2 with k - p df.

    Source: Viechtbauer 2021, doi:10.4324/9781315119984-11 (median-unbiased estimation).
    """
    from scipy.special import chdtri

    sample = Sample(yi, vi, x)
    return _back(sample, solve_q(sample, float(chdtri(sample.k - sample.p, 0.5))))


@TAU2.register("GENQ")
def generalised_q(yi: Floats, vi: Floats, x: Floats | None = None, weights: Floats | None = None) -> float:
    """Method of moments with any fixed weights (shape (k,), default 1 / vi, which is DL), truncated at 0.

    Source: DerSimonian & Kacker 2007, doi:10.1016/j.cct.2006.04.004; Jackson 2013, doi:10.1002/jrsm.1081.
    """
    sample = Sample(yi, vi, x)
    fit = Weighted(sample, 1 / sample.v if weights is None else _aligned(sample, weights))
    return _back(sample, (fit.q - fit.trace(sample.v)) / fit.trace())


@TAU2.register("DL2")
def two_step_dersimonian_laird(yi: Floats, vi: Floats, x: Floats | None = None) -> float:
    """Method of moments with the weights 1 / (vi + tau2 by DL), truncated at 0.

    Source: DerSimonian & Kacker 2007, doi:10.1016/j.cct.2006.04.004.

    >>> round(two_step_dersimonian_laird(np.array([0.1, 0.5, 0.9]), np.array([0.02, 0.03, 0.05])), 4)
    0.1254
    """
    return _two_step(dersimonian_laird, yi, vi, x)


@TAU2.register("HE2")
def two_step_hedges(yi: Floats, vi: Floats, x: Floats | None = None) -> float:
    """Two-step Cochran analysis of variance (CA2): moments with the weights 1 / (vi + tau2 by HE), truncated at 0.

    Source: DerSimonian & Kacker 2007, doi:10.1016/j.cct.2006.04.004.
    """
    return _two_step(hedges, yi, vi, x)


def _two_step(first: Callable[..., float], yi: Floats, vi: Floats, x: Floats | None) -> float:
    sample = Sample(yi, vi, x)
    fit = Weighted(sample, 1 / (sample.v + first(yi, vi, x) / sample.unit**2))
    return _back(sample, (fit.q - fit.trace(sample.v)) / fit.trace())


@TAU2.register("GENQM")
def median_unbiased_generalised_q(
    yi: Floats, vi: Floats, x: Floats | None = None, weights: Floats | None = None
) -> float:
    """The tau2 at which the generalised Q with fixed weights (shape (k,), default 1 / vi) is at its median.

    Source: Jackson 2013, doi:10.1002/jrsm.1081 (the distribution); Viechtbauer 2021, doi:10.4324/9781315119984-11.
    """
    from kmeta.methods.meta.generalised_q import Inverted

    sample = Sample(yi, vi, x)
    return _back(
        sample, Inverted(sample, 1 / sample.v if weights is None else _aligned(sample, weights)).solve(0.5)
    )


def tau2_standard_error(
    method: str, tau2: float, yi: Floats, vi: Floats, x: Floats | None = None, weights: Floats | None = None
) -> float:
    """Large-sample standard error of an estimator of tau2; NaN for an estimator without a known one.

    Of DL2 and HE2 that of the generalised Q at their second step's weights, taken as fixed.

    Source: Viechtbauer, Lopez-Lopez, Sanchez-Meca & Marin-Martinez 2015, doi:10.1037/met0000014, appendix.
    """
    sample = Sample(yi, vi, x)
    k, p, t = sample.k, sample.p, tau2 / sample.unit**2
    if k <= p:
        return math.nan
    v = sample.v
    if method in ("ML", "REML", "fixed", "PM", "EB", "PMM", "DLIT", "SJIT"):
        fit = Weighted(sample, 1 / (v + t))
        if method == "ML":
            variance = 2 / dot(fit.w, fit.w)
        elif method in ("REML", "fixed"):
            variance = 2 / fit.trace2()
        else:
            variance = 2 * k**2 / (k - p) / float(fit.w.sum()) ** 2
        return math.sqrt(variance) * sample.unit**2
    if method == "SJ":
        guess = float(np.mean((sample.y - sample.y.mean()) ** 2))
        fit = Weighted(sample, 1 / (v + guess))
        factor = guess / (k - p)
    elif method in ("DL", "HS", "HSk"):
        fit = Weighted(sample, 1 / v)
        factor = 1 / (fit.trace() if method == "DL" else float(fit.w.sum()))
        factor *= k / (k - p) if method == "HSk" else 1
    elif method == "HE":
        fit = Weighted(sample, np.ones(k))
        factor = 1 / (k - p)
    elif method in TWO_STEP:
        fit = Weighted(sample, 1 / (v + TAU2[TWO_STEP[method]](yi, vi, x) / sample.unit**2))
        factor = 1 / fit.trace()
    elif method in ("GENQ", "GENQM"):
        w = 1 / v if weights is None else _aligned(sample, weights)
        fit = Weighted(sample, w)
        factor = 1 / fit.trace()
    else:
        return math.nan
    spread = fit.trace2(v, v) + 2 * t * fit.trace2(v) + t * t * fit.trace2()
    return math.sqrt(2 * spread) * factor * sample.unit**2


def _aligned(sample: Sample, weights: Floats) -> Floats:
    w = np.array(weights, dtype=float)
    if sample.x is None:
        w[0], w[sample.first] = w[sample.first], w[0]
    w /= w.max()
    return w
