"""The random-effects and the common-effect model of k estimates, with or without moderators."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.methods.meta.categories import Category
from kmeta.methods.meta.distributions import chi2_tail, quantile, two_sided
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.inputs import (
    estimates,
    labels_of,
    level_of,
    variance_of,
    weights_of,
    within_precision,
)
from kmeta.methods.meta.moderators import design_of, omnibus, tested_terms
from kmeta.methods.meta.prediction import prediction_df
from kmeta.methods.meta.qprofile import q_profile
from kmeta.methods.meta.sample import Sample, Weighted, dot
from kmeta.methods.meta.tau2 import TAU2, tau2_standard_error

if TYPE_CHECKING:
    from kmeta.methods.meta.formulas import Formula

__all__ = ["MetaFit", "common_effect", "random_effects"]

TESTS = {"z": "z", "t": "t", "kr": "kr", "hksj": "hksj", "adhoc": "hksj", "knha": "knha"}
PREDICTION = ("test", "z", "t", "riley", "bootstrap")
Moderators = Mapping[str, ArrayLike | Category] | ArrayLike  # a text is a formula


def random_effects(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    measure: str,
    tau2: str | float = "REML",
    test: str = "hksj",
    mods: Moderators | None = None,
    data: Any = None,
    weights: ArrayLike | None = None,
    level: float = 0.95,
    pi: str = "test",
    seed: int = 0,
    n_bootstrap: int = 25_000,
    labels: Sequence[str] | None = None,
    scale: Moderators | None = None,
    link: str = "log",
) -> MetaFit:
    """Pool estimates `yi` with sampling variances `vi`, both of shape (k,), on the analysis scale (log HR).

    tau2 : an estimator in TAU2 (DL, DL2, DLIT, EB, GENQ, GENQM, HE, HE2, HS, HSk, ML, PM, PMM, REML, SJ, SJIT), or
        a number.
    test : "hksj" Hartung-Knapp-Sidik-Jonkman, t with k - p df, its variance factor at least 1 (so never narrower
        than z; metafor calls it "adhoc"); "knha" the same without that bound; "t"; "z"; "kr" Kenward-Roger (REML
        alone, without moderators): its prediction interval by "t" and "riley" then takes its own df, and one less;
        "wider" the wider of "knha" and "z".
    mods : columns by name, or an array (k, q); a column of names is categorical, each level against the first in
        alphabetical order (another coding: `kmeta.category`); an intercept is added unless a constant column is there.
        A text that begins with "~" is a formula of columns in `data` (dict or data frame), read by formulaic (extra
        `frames`): "~ ablat + C(alloc)"; it has an intercept unless it says "0 +".
    weights : any fixed weights of the estimates, shape (k,), instead of 1 / (vi + tau2); the standard error is then
        the sandwich that holds for them.
    pi : reference of the prediction interval: "test" that of the test, "z", "t" with k - p df,
        "riley" t with k - p - 1 df (k - 2 without moderators; one more when tau2 is given), "bootstrap" a parametric
        bootstrap with `seed` and `n_bootstrap` replicates that draws tau2 from its confidence distribution (without
        moderators; neither the estimator of tau2 nor the test changes it).
    scale : columns or a formula, given as `mods`, on which the variance of the true effects depends: a location-scale
        model (`LocationScaleFit`), by REML or ML. link : "log", log tau2_i is linear in them; "identity", tau2_i is.
    Raises InputError for data or options that cannot be used, ConvergenceError when tau2 does not settle.
    Sources: Viechtbauer 2010, doi:10.18637/jss.v036.i03; Knapp & Hartung 2003, doi:10.1002/sim.1482; Higgins,
    Thompson & Spiegelhalter 2009, doi:10.1111/j.1467-985X.2008.00552.x; Riley, Higgins & Deeks 2011,
    doi:10.1136/bmj.d549; Nagashima, Noma & Furukawa 2019, doi:10.1177/0962280218773520; Viechtbauer &
    Lopez-Lopez 2022, doi:10.1002/jrsm.1562 (scale).

    >>> fit = random_effects([-0.5, -0.2, -0.9], [0.04, 0.02, 0.09], measure="HR")
    >>> round(fit.effect, 3), [round(limit, 3) for limit in fit.effect_ci], fit.k
    (0.628, [0.274, 1.438], 3)
    """
    if scale is not None:
        from kmeta.methods.meta.location_scale import location_scale

        for where, given in {"weights": weights is not None, "pi": pi == "bootstrap"}.items():
            if given:
                hint = "no user weights and no bootstrap with a scale"
                raise InputError("is not for a location-scale model", where=where, hint=hint)
        reference = _option(pi, dict.fromkeys(PREDICTION, pi), "pi")
        rest: dict[str, Any] = {
            "mods": mods,
            "data": data,
            "level": level_of(level),
            "pi": reference,
            "labels": labels,
        }
        return location_scale(yi, vi, scale, link=link, measure=measure, method=tau2, test=test, **rest)
    if link != "log":
        raise InputError("a link is that of a scale", where="link", hint="give scale=, or leave link out")
    if test == "wider":
        options: dict[str, Any] = {
            "mods": mods,
            "data": data,
            "weights": weights,
            "level": level,
            "pi": pi,
            "seed": seed,
            "n_bootstrap": n_bootstrap,
            "labels": labels,
        }
        both = [random_effects(yi, vi, measure=measure, tau2=tau2, test=t, **options) for t in ("knha", "z")]
        return max(both, key=lambda fit: fit.ci_high - fit.ci_low)
    y, v = estimates(yi, vi)
    design = design_of(mods, data, len(y))
    kind = _option(pi, {name: name for name in PREDICTION}, "pi")
    fit = fit_model(
        y,
        v,
        design.x,
        design.terms,
        measure=measure,
        tau2=tau2,
        test=_option(test, TESTS, "test"),
        user=weights_of(weights, len(y)),
        level=level_of(level),
        pi="test" if kind == "bootstrap" else kind,
        labels=labels_of(labels, len(y)),
        factors=design.factors,
        formula=design.formula,
    )
    if kind == "bootstrap":
        from kmeta.methods.meta.bootstrap_prediction import with_bootstrap

        return with_bootstrap(fit, seed, n_bootstrap)
    return fit


def common_effect(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    measure: str,
    test: str = "z",
    mods: Moderators | None = None,
    data: Any = None,
    weights: ArrayLike | None = None,
    level: float = 0.95,
    labels: Sequence[str] | None = None,
) -> MetaFit:
    """The inverse-variance model with one true effect (tau2 held at 0); arguments as in `random_effects`.

    I2 and H2 are those of Cochran's Q, and there is no prediction interval.
    Source: Higgins & Thompson 2002, doi:10.1002/sim.1186.

    >>> round(common_effect([-0.5, -0.2, -0.9], [0.04, 0.02, 0.09], measure="HR").mu, 4)
    -0.3774
    """
    y, v = estimates(yi, vi)
    design = design_of(mods, data, len(y))
    return fit_model(
        y,
        v,
        design.x,
        design.terms,
        measure=measure,
        tau2="CE",
        test=_option(test, TESTS, "test"),
        user=weights_of(weights, len(y)),
        level=level_of(level),
        pi="test",
        labels=labels_of(labels, len(y)),
        factors=design.factors,
        formula=design.formula,
    )


def _option(given: str, allowed: Mapping[str, str], where: str) -> str:
    if given not in allowed:
        raise InputError(f"no {where} is named {given!r}", where=where, hint="one of " + ", ".join(allowed))
    return allowed[given]


def estimate_tau2(
    tau2: str | float, y: Floats, v: Floats, x: Floats | None, user: Floats | None
) -> tuple[str, float]:
    """(name of the method, tau2). "CE" and one estimate alone give 0."""
    if not isinstance(tau2, str):
        return "fixed", variance_of(tau2)
    if tau2 == "CE":
        return "CE", 0.0
    estimator = TAU2[tau2]
    if len(y) <= (1 if x is None else x.shape[1]):
        return tau2, 0.0
    if tau2 in ("GENQ", "GENQM"):
        return tau2, estimator(y, v, x, user)
    return tau2, float(estimator(y, v) if x is None else estimator(y, v, x))


@within_precision
def fit_model(
    y: Floats,
    v: Floats,
    x: Floats | None,
    terms: tuple[str, ...],
    *,
    measure: str,
    tau2: str | float,
    test: str,
    user: Floats | None,
    level: float,
    pi: str,
    labels: tuple[str, ...],
    factors: Mapping[str, Category] | None = None,
    formula: Formula | None = None,
) -> MetaFit:
    k, p = len(y), 1 if x is None else x.shape[1]
    method, between = estimate_tau2(tau2, y, v, x, user)
    beta, vcov, fixed, weights = _coefficients(y, v, x, between, user)
    df_resid = k - p
    warnings = _warnings(k, p, v, method, x)
    if df_resid < 1:
        test = "z"  # nothing is left to estimate a spread from
    factor = 1.0
    if test in ("hksj", "knha"):
        factor = knapp_hartung(y, v, x, beta, between, user) / df_resid
        factor = max(1.0, factor) if test == "hksj" else factor
        vcov = vcov * factor
    df = math.inf if test == "z" else float(df_resid)
    if test == "kr":
        if method != "REML" or x is not None or user is not None:
            raise InputError(
                "Kenward-Roger intervals are for REML without moderators and user weights", where="test"
            )
        adjusted, df = kenward_roger(v, between)
        vcov = np.array([[adjusted]])
        if df < 1:
            warnings += (f"Kenward-Roger: {df:.2g} degrees of freedom, no interval can be trusted",)
    mu, se = float(beta[0]), math.sqrt(float(vcov[0, 0]))
    crit = quantile(level, df)
    half = math.nan
    if x is None and method != "CE" and k >= 3:
        reference = prediction_df(df, df if test == "kr" else k - p, method, pi)
        half = quantile(level, reference) * math.sqrt(se * se + between)
    statistic = mu / se if se > 0 else math.copysign(math.inf, mu) if mu else math.nan
    return MetaFit(
        yi=y,
        vi=v,
        measure=measure,
        method=method,
        test=test,
        level=level,
        mu=mu,
        se=se,
        ci_low=mu - crit * se,
        ci_high=mu + crit * se,
        pi_low=mu - half,
        pi_high=mu + half,
        statistic=statistic,
        df=df,
        p_value=two_sided(statistic, df),
        tau2=between,
        weights=weights,
        labels=labels,
        model="common" if method == "CE" else "random",
        pi=pi,
        user_weights=user,
        terms=terms,
        x=x,
        beta=None if x is None else frozen(beta),
        vcov=None if x is None else frozen(vcov),
        sigma2=(between,),
        warnings=warnings,
        factors=factors or {},
        formula=formula,
        **_heterogeneity(y, v, x, fixed, between, method, user, level),
        **(
            _moderation(y, v, x, terms, beta, vcov, df, method, between, user, fixed) if x is not None else {}
        ),
    )


def knapp_hartung(
    y: Floats, v: Floats, x: Floats | None, beta: Floats, tau2: float | Floats, user: Floats | None
) -> float:
    """Weighted sum of squared residuals with the weights 1 / (v + tau2): with user weights, about its own minimum."""
    total = v + tau2
    if user is None:
        resid = y - (beta[0] if x is None else x @ beta)
        return float(np.sum(resid * resid / total))
    sample = Sample(y, v, x)
    return Weighted(sample, 1 / (sample.v + tau2 / sample.unit**2)).q


def kenward_roger(v: Floats, tau2: float) -> tuple[float, float]:
    """(variance of mu, df) with the error in tau2 by REML accounted for, from its expected information.

    The degrees of freedom are taken at the adjusted variance, as in R's meta.
    Sources: Kenward & Roger 1997, doi:10.2307/2533558; Partlett & Riley 2017, doi:10.1002/sim.7140.

    >>> [round(number, 4) for number in kenward_roger(np.array([0.04, 0.02, 0.09]), 0.05)]
    [0.0348, 1.3112]
    """
    w = 1 / (v + tau2)
    first, second, third = float(w.sum()), dot(w, w), dot(w * w, w)
    spread = 1 / (0.5 * second - third / first + 0.5 * (second / first) ** 2)
    adjusted = 1 / first + 2 * spread * (third - second**2 / first) / first**2
    return adjusted, 2 / (spread * (second * adjusted) ** 2)


def _coefficients(
    y: Floats, v: Floats, x: Floats | None, tau2: float, user: Floats | None
) -> tuple[Floats, Floats, Weighted, Floats]:
    """Coefficients, their model-based covariance, the common-effect fit and the weights in percent."""
    sample = Sample(y, v, x)
    fixed = Weighted(sample, 1 / sample.v)
    scaled = tau2 / sample.unit**2
    unit2 = sample.unit**2
    if x is None:
        w = 1 / (v + tau2) if user is None else user
        share = w / float(w.sum())
        shown = frozen(100 * share)
        origin = y[sample.first]
        mu = float(origin) + dot(share, y - origin)
        precision = float(np.sum(1 / (sample.v + scaled)))
        variance = unit2 / precision if user is None else dot(share * share, v + tau2)
        return np.array([mu]), np.array([[variance]]), fixed, shown
    assert sample.x is not None  # noqa: S101
    assert sample.r is not None  # noqa: S101
    fit = fixed if tau2 == 0 and user is None else Weighted(sample, 1 / (sample.v + scaled))
    covariance = np.asarray(fit.inverse)
    gamma = np.asarray(fit.mu)
    if user is not None:
        wx = sample.x * (user / user.max())[:, None]
        bread = np.linalg.inv(sample.x.T @ wx)
        gamma = bread @ (wx.T @ sample.y)
        covariance = bread @ (wx.T @ (wx * (sample.v + scaled)[:, None])) @ bread
    back = np.linalg.inv(sample.r)
    w = 1 / (v + tau2) if user is None else user
    return back @ gamma * sample.unit, back @ covariance @ back.T * unit2, fixed, frozen(100 * w / w.sum())


def _heterogeneity(
    y: Floats,
    v: Floats,
    x: Floats | None,
    fixed: Weighted,
    tau2: float,
    method: str,
    user: Floats | None,
    level: float,
) -> dict[str, Any]:
    """Cochran's Q, I2, H2 and what is known of tau2's precision."""
    k, p = fixed.sample.k, fixed.sample.p
    df = k - p
    if df < 1:
        blank = dict.fromkeys(("tau2_low", "tau2_high", "tau2_se", "vt", "i2", "h2"), math.nan)
        return {"q": 0.0, "q_df": 0, "q_p": 1.0, **blank}
    vt = df / fixed.trace() * fixed.sample.unit**2
    if method == "CE":
        h2 = fixed.q / df
        i2 = max(0.0, (fixed.q - df) / fixed.q) if fixed.q > 0 else 0.0
        low = high = tau2_se = math.nan
    else:
        h2, i2 = tau2 / vt + 1, tau2 / (tau2 + vt)
        low, high = q_profile(y, v, x, level)
        tau2_se = tau2_standard_error(method, tau2, y, v, x, user)
    return {
        "q": fixed.q,
        "q_df": df,
        "q_p": chi2_tail(fixed.q, df),
        "vt": vt,
        "i2": i2,
        "h2": h2,
        "tau2_low": low,
        "tau2_high": high,
        "tau2_se": tau2_se,
    }


def _moderation(
    y: Floats,
    v: Floats,
    x: Floats,
    terms: tuple[str, ...],
    beta: Floats,
    vcov: Floats,
    df: float,
    method: str,
    tau2: float,
    user: Floats | None,
    fixed: Weighted,
) -> dict[str, Any]:
    """Omnibus test of all coefficients but the intercept, and the share of heterogeneity explained."""
    qm, qm_df, qm_p = omnibus(beta, vcov, tested_terms(terms), df)
    r2 = math.nan
    if "intercept" in terms and len(terms) > 1:
        if method == "CE":
            null = Sample(y, v)
            h2 = Weighted(null, 1 / null.v).q / (len(y) - 1)
            rest = fixed.q / (len(y) - len(terms)) if len(y) > len(terms) else math.nan
            r2 = max(0.0, 1 - rest / h2) if h2 > 0 else 0.0
        elif method != "fixed":
            null_tau2 = estimate_tau2(method, y, v, None, user)[1]
            r2 = max(0.0, (null_tau2 - tau2) / null_tau2) if null_tau2 > 0 else 0.0
    return {"qm": qm, "qm_df": qm_df, "qm_p": qm_p, "r2": r2}


def _warnings(k: int, p: int, v: Floats, method: str, x: Floats | None) -> tuple[str, ...]:
    said = []
    if k == 1:
        said.append("one estimate: the study's own result with a z interval, nothing is pooled")
    elif k <= p:
        said.append("as many coefficients as estimates: heterogeneity cannot be estimated")
    elif k == 2 and x is None and method != "CE":
        said.append("two estimates: tau2 is hardly known and no prediction interval is given")
    if x is not None and v.max() / v.min() > 1e10:
        said.append("the variances differ by more than ten orders of magnitude: coefficients may lose digits")
    return tuple(said)
