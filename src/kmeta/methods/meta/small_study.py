"""Small-study effects: whether estimates change with their precision (funnel plot asymmetry)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.core.numbers import decimal, interval, p_phrase
from kmeta.core.result import Result
from kmeta.methods.meta.distributions import quantile, two_sided
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.inputs import estimates, level_of, numbers
from kmeta.methods.meta.moderators import INTERCEPT
from kmeta.methods.meta.random_effects import random_effects

PREDICTORS = ("sei", "vi", "ni", "ninv", "sqrtni", "sqrtninv")
VANISHING = (
    "sei",
    "vi",
    "ninv",
    "sqrtninv",
)  # 0 for a study of infinite size: there the intercept is a limit
MODELS = ("rma", "lm")
NAMED: dict[str, dict[str, str]] = {
    "Egger": {"model": "lm", "predictor": "sei"},
    "Macaskill": {"model": "lm", "predictor": "ni"},
    "Thompson-Sharp": {"model": "rma", "predictor": "sei", "tau2": "DL", "test": "t"},
}


@dataclass(frozen=True, kw_only=True, eq=False)
class RegTest(Result):
    """Regression of the estimates on a measure of their (im)precision; a slope other than 0 is asymmetry.

    `statistic` = `slope` / `se` is t with `df` (z where df is infinite). `limit` with `limit_low`, `limit_high` is
    the estimate at infinite precision (NaN where the predictor does not vanish there). `dispersion` is the
    multiplicative one of "lm" (NaN for "rma"), `tau2` the additive one of "rma" (NaN for "lm").
    """

    model: str
    predictor: str
    k: int
    slope: float
    se: float
    statistic: float
    df: float
    p_value: float
    limit: float
    limit_low: float
    limit_high: float
    level: float
    tau2: float
    dispersion: float
    call: str = ""
    warnings: tuple[str, ...] = ()

    def summary(self) -> str:
        """The test in a few lines."""
        spread = "multiplicative dispersion" if self.model == "lm" else "mixed-effects meta-regression"
        name = "z" if math.isinf(self.df) else f"t({self.df:g})"
        lines = [
            f"Regression test for funnel plot asymmetry: {spread}, predictor {self.predictor}, k = {self.k}",
            f"{name} = {decimal(self.statistic, 3)}, {p_phrase(self.p_value)}",
        ]
        if not math.isnan(self.limit):
            limits = interval(decimal(self.limit_low, 4), decimal(self.limit_high, 4))
            lines.append(
                f"Limit estimate (as {self.predictor} -> 0): {decimal(self.limit, 4)} "
                f"({100 * self.level:g} % CI {limits})"
            )
        return "\n".join([*lines, *(f"Warning: {text}." for text in self.warnings)])

    def rows(self) -> list[dict[str, Any]]:
        """One row: the test."""
        test = ("model", "predictor", "k", "slope", "se", "statistic", "df", "p_value")
        names = (*test, "limit", "limit_low", "limit_high", "tau2", "dispersion")
        return [{name: getattr(self, name) for name in names}]

    def r_script(self) -> str:
        """R code with the data inline: the metafor call that gives the same numbers."""
        return self.call


def regtest(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    predictor: str = "sei",
    model: str = "rma",
    ni: ArrayLike | None = None,
    method: str | None = None,
    tau2: str | float = "REML",
    test: str = "z",
    level: float = 0.95,
) -> RegTest:
    """Regression test for funnel plot asymmetry of estimates `yi` with variances `vi`, shape (k,), k >= 3.

    predictor : "sei", "vi", "ni", "ninv", "sqrtni", "sqrtninv": standard errors, variances, sample sizes `ni`
        (shape (k,), > 0), and powers of them.
    model : "rma" mixed-effects meta-regression with `tau2` and `test` as in `random_effects`, "lm" weighted
        regression with a multiplicative dispersion and t with k - 2 df.
    method : a test by name, which sets those four: "Egger" (lm, sei), "Macaskill" (lm, ni), "Thompson-Sharp" (rma
        by moments, sei, t). Those for 2x2 tables (Peters, Harbord, Deeks ...) are in `regtest_2x2`.
    Raises InputError for fewer than 3 estimates, a constant predictor or data that cannot be used.
    Sources: Egger et al. 1997, doi:10.1136/bmj.315.7109.629; Sterne & Egger 2005, doi:10.1002/0470870168.ch6;
    Thompson & Sharp 1999, doi:10.1002/(SICI)1097-0258(19991030)18:20<2693::AID-SIM235>3.0.CO;2-V; Macaskill et al.
    2001, doi:10.1002/sim.698; Moreno et al. 2009, doi:10.1186/1471-2288-9-2.

    >>> found = regtest([-0.5, -0.2, -0.9, -1.2], [0.04, 0.02, 0.09, 0.2], method="Egger")
    >>> round(found.statistic, 3), found.df, round(found.limit, 3)
    (-6.981, 2.0, 0.287)
    """
    y, v = estimates(yi, vi)
    if method is not None:
        chosen = _named(method)
        model, predictor = chosen["model"], chosen["predictor"]
        tau2, test = chosen.get("tau2", tau2), chosen.get("test", test)
    _known(model, MODELS, "model")
    level = level_of(level)
    x = _predictor(predictor, v, ni)
    need_three(len(y), "regtest")
    if np.ptp(x) <= 1e-12 * float(np.abs(x).max()):
        raise InputError(
            f"{predictor} is the same in all {len(x)} studies",
            where="predictor",
            hint="nothing to regress on",
        )
    dispersion, between = math.nan, math.nan
    if model == "lm":
        beta, vcov, dispersion = dispersed(y, v, np.column_stack([np.ones(len(y)), x]))
        df = float(len(y) - 2)
    else:
        fit = random_effects(y, v, measure="GEN", mods={predictor: x}, tau2=tau2, test=test, level=level)
        assert fit.beta is not None  # noqa: S101
        assert fit.vcov is not None  # noqa: S101
        beta, vcov, df, between = fit.beta, fit.vcov, fit.df, fit.tau2
    slope, se = float(beta[1]), math.sqrt(float(vcov[1, 1]))
    statistic = ratio(slope, se)
    limit = low = high = math.nan
    if predictor in VANISHING:
        half = quantile(level, df) * math.sqrt(float(vcov[0, 0]))
        limit, low, high = float(beta[0]), float(beta[0]) - half, float(beta[0]) + half
    return RegTest(
        model=model,
        predictor=predictor,
        k=len(y),
        slope=slope,
        se=se,
        statistic=statistic,
        df=df,
        p_value=two_sided(statistic, df),
        limit=limit,
        limit_low=low,
        limit_high=high,
        level=level,
        tau2=between,
        dispersion=dispersion,
        call=_regtest_call(y, v, ni, model, predictor, tau2, test, level),
        warnings=few(len(y)),
    )


def _named(method: str) -> dict[str, str]:
    if method not in NAMED:
        raise InputError(
            f"no method is named {method!r}", where="method", hint="one of " + ", ".join(sorted(NAMED))
        )
    return NAMED[method]


def _known(given: str, allowed: tuple[str, ...], where: str) -> None:
    if given not in allowed:
        raise InputError(f"no {where} is named {given!r}", where=where, hint="one of " + ", ".join(allowed))


def need_three(k: int, what: str) -> None:
    """InputError where `what` cannot be done with k estimates."""
    if k < 3:
        raise InputError(f"{what} needs 3 estimates or more, there are {k}", where="yi")


def few(k: int) -> tuple[str, ...]:
    """The warning that belongs to every asymmetry test of few studies (Sterne et al. 2011, doi:10.1136/bmj.d4002)."""
    return (f"{k} estimates: with fewer than 10 a test for asymmetry has little power",) if k < 10 else ()


def ratio(slope: float, se: float) -> float:
    """slope / se; infinite where the fit is perfect, NaN where both are 0."""
    if se > 0:
        return slope / se
    return math.copysign(math.inf, slope) if slope else math.nan


def _predictor(predictor: str, v: Floats, ni: ArrayLike | None) -> Floats:
    _known(predictor, PREDICTORS, "predictor")
    if predictor in ("sei", "vi"):
        return np.sqrt(v) if predictor == "sei" else v
    if ni is None:
        raise InputError(f"predictor {predictor!r} needs the sample sizes", where="ni", hint="give ni=[...]")
    n = sizes(ni, len(v), "ni")
    powers = {"ni": 1.0, "ninv": -1.0, "sqrtni": 0.5, "sqrtninv": -0.5}
    return np.asarray(n ** powers[predictor], dtype=float)


def sizes(values: ArrayLike, k: int, name: str) -> Floats:
    """k sample sizes above 0."""
    n = numbers(values, name)
    if len(n) != k:
        raise InputError(f"{len(n)} sizes for {k} estimates", where=name, hint="one for each estimate")
    if not (n > 0).all():
        row = int(np.argmin(n > 0))
        raise InputError(f"{name}[{row}] is {n[row]:g}, must be above 0", where=name)
    return n


def dispersed(y: Floats, v: Floats, x: Floats) -> tuple[Floats, Floats, float]:
    """Weighted least squares with variances `v` times an unknown factor: (coefficients, covariance, factor)."""
    scale = np.sqrt(v / v.min())
    q, r = np.linalg.qr(x / scale[:, None])
    size = np.abs(np.diag(r))
    if (size <= 1e-12 * np.sqrt(np.sum((x / scale[:, None]) ** 2, axis=0))).any():
        raise InputError("the regression's columns are collinear", where="predictor")
    gamma = q.T @ (y / scale)
    back = np.linalg.inv(r)
    rest = y / scale - q @ gamma
    factor = float(rest @ rest) / (len(y) - x.shape[1])
    return back @ gamma, back @ back.T * factor, factor / float(v.min())


def _regtest_call(
    y: Floats,
    v: Floats,
    ni: ArrayLike | None,
    model: str,
    predictor: str,
    tau2: str | float,
    test: str,
    level: float,
) -> str:
    from kmeta.methods.meta.r_script import TESTS, r_data

    columns: dict[str, Any] = {"yi": y, "vi": v}
    options = [f'model = "{model}"', f'predictor = "{predictor}"', f"level = {100 * level:g}"]
    if predictor not in ("sei", "vi") and ni is not None:
        columns["ni"] = np.asarray(ni, dtype=float)
        options.insert(0, "ni = ni")
    if model == "rma":
        options += [f'method = "{tau2}"' if isinstance(tau2, str) else f'method = "REML", tau2 = {tau2!r}']
        options.append(f'test = "{TESTS.get(test, test)}"')
    return r_data(columns, ["res <- with(dat, regtest(yi, vi, " + ", ".join(options) + "))", "print(res)"])


# --- PET-PEESE -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class PetPeese(Result):
    """Precision-effect test (on standard errors) and precision-effect estimate with standard error (on variances).

    `pet` and `peese` hold coefficients (intercept, slope), their standard errors, statistics and p values, each of
    shape (2,). `chosen` is the conditional estimator: "peese" where PET's intercept differs from 0 (one-sided
    `alpha`), else "pet". `mu`, `se`, `ci_low`, `ci_high` are the intercept of the chosen one.
    """

    model: str
    k: int
    level: float
    alpha: float
    df: float
    pet: Floats
    peese: Floats
    pet_fit: MetaFit | None
    peese_fit: MetaFit | None
    chosen: str
    mu: float
    se: float
    ci_low: float
    ci_high: float
    yi: Floats
    vi: Floats
    warnings: tuple[str, ...] = ()

    def rows(self) -> list[dict[str, Any]]:
        """Four rows: intercept and slope of each regression; columns of `pet`: estimate, se, statistic, p."""
        names = ("estimate", "se", "statistic", "p_value")
        return [
            {"model": name, "term": term, **dict(zip(names, row, strict=True)), "chosen": name == self.chosen}
            for name, table in (("pet", self.pet), ("peese", self.peese))
            for term, row in zip((INTERCEPT, "sei" if name == "pet" else "vi"), table.tolist(), strict=True)
        ]

    def r_script(self) -> str:
        """R code with the data inline: both regressions."""
        from kmeta.methods.meta.r_small_study import small_study_script

        return small_study_script(self)

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values; the fits as theirs."""
        out: dict[str, Any] = {}
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            out[name] = value.to_dict() if isinstance(value, MetaFit) else _plain(value)
        return out


def _plain(value: Any) -> Any:
    from kmeta.core.canonical import plain

    return plain(value)


def pet_peese(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    model: str = "lm",
    tau2: str | float = "REML",
    test: str = "z",
    alpha: float = 0.05,
    level: float = 0.95,
) -> PetPeese:
    """PET and PEESE of estimates `yi` with variances `vi`, shape (k,), k >= 3: the effect at infinite precision.

    model : "lm" weighted least squares with a multiplicative dispersion (as published), or "rma" mixed-effects
        meta-regression with `tau2` and `test` as in `random_effects`.
    alpha : level of the one-sided test of PET's intercept, in the direction of its sign, that decides for PEESE.
    Raises InputError as `regtest`.
    Source: Stanley & Doucouliagos 2014, doi:10.1002/jrsm.1095.

    >>> found = pet_peese([-0.5, -0.2, -0.9, -1.2], [0.04, 0.02, 0.09, 0.2])
    >>> found.chosen, round(found.mu, 3)
    ('pet', 0.287)
    """
    y, v = estimates(yi, vi)
    need_three(len(y), "pet_peese")
    _known(model, MODELS, "model")
    level = level_of(level)
    if not 0 < alpha < 0.5:
        raise InputError(f"alpha is {alpha!r}", where="alpha", hint="a one-sided level such as 0.05")
    if np.ptp(v) <= 1e-12 * float(v.max()):
        raise InputError("all variances are equal", where="vi", hint="nothing to regress on")
    tables, fits = [], list[MetaFit | None]()
    df = math.inf
    for x in (np.sqrt(v), v):
        if model == "lm":
            beta, vcov, _ = dispersed(y, v, np.column_stack([np.ones(len(y)), x]))
            df = float(len(y) - 2)
            fits.append(None)
        else:
            fit = random_effects(y, v, measure="GEN", mods={"x": x}, tau2=tau2, test=test, level=level)
            assert fit.beta is not None  # noqa: S101
            assert fit.vcov is not None  # noqa: S101
            beta, vcov, df = fit.beta, fit.vcov, fit.df
            fits.append(fit)
        se = np.sqrt(np.diag(vcov))
        stats = [ratio(float(b), float(s)) for b, s in zip(beta, se, strict=True)]
        tables.append(np.column_stack([beta, se, stats, [two_sided(value, df) for value in stats]]))
    for table in tables:
        table.setflags(write=False)
    chosen = int(float(tables[0][0, 3]) / 2 < alpha)
    mu, spread = (float(cell) for cell in tables[chosen][0, :2])
    half = quantile(level, df) * spread
    return PetPeese(
        model=model,
        k=len(y),
        level=level,
        alpha=alpha,
        df=df,
        pet=tables[0],
        peese=tables[1],
        pet_fit=fits[0],
        peese_fit=fits[1],
        chosen=("pet", "peese")[chosen],
        mu=mu,
        se=spread,
        ci_low=mu - half,
        ci_high=mu + half,
        yi=y,
        vi=v,
        warnings=few(len(y)),
    )
