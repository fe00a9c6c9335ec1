"""Location-scale models: the mean and the variance of the true effects both depend on columns of the studies."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.methods.meta.categories import Category
from kmeta.methods.meta.distributions import chi2_tail, quantile, two_sided
from kmeta.methods.meta.fit import MetaFit, Prediction
from kmeta.methods.meta.fit_statistics import at_variances
from kmeta.methods.meta.inputs import estimates, labels_of
from kmeta.methods.meta.likelihood import maximum_likelihood_tau2
from kmeta.methods.meta.moderators import INTERCEPT, Designed, design_of, omnibus
from kmeta.methods.meta.sample import Sample, Weighted, orthonormal
from kmeta.methods.meta.scale_likelihood import (
    AT_BOUND,
    Climb,
    ScaleLikelihood,
    highest,
    identity_starts,
    log_starts,
)

if TYPE_CHECKING:
    from kmeta.methods.meta.formulas import Formula
    from kmeta.methods.meta.scale_prediction import PredictedTau2

TESTS = {"z": "z", "t": "t", "hksj": "hksj", "adhoc": "hksj", "knha": "knha"}
LINKS = ("log", "identity")
METHODS = ("REML", "ML")


def _refused(what: str) -> Callable[..., NoReturn]:
    def refuse(self: object, *args: object, **options: object) -> NoReturn:
        """InputError: not built for location-scale models."""
        raise InputError(f"{what} is not built for location-scale models", where="scale")

    return refuse


@dataclass(frozen=True, kw_only=True, eq=False)
class LocationScaleFit(MetaFit):
    """A `MetaFit` whose true effects have the variance `tau2_i`, shape (k,), linear in the columns `z` under `link`.

    `alpha`, `alpha_vcov`: coefficients of `scale_terms` and their covariance, from the observed information; z tests
    where `test` is "z", else t with k - q df. `qs`: omnibus test of all scale coefficients but the intercept, as `qm`.
    With the identity link a variance may be held at 0: then no standard errors exist, and `warnings` say so.
    tau2, i2 and h2, which would be one for all estimates, are NaN: see `tau2_i`, `i2_i`, `h2_i`.
    """

    link: str
    z: Floats
    scale_terms: tuple[str, ...]
    alpha: Floats
    alpha_vcov: Floats
    tau2_i: Floats
    qs: float
    qs_df: tuple[float, float]
    qs_p: float
    scale_factors: Mapping[str, Category] = field(default_factory=dict)
    scale_formula: Formula | None = None

    @property
    def alpha_df(self) -> float:
        """Degrees of freedom of the tests of alpha; infinite for z tests."""
        return math.inf if self.test == "z" else float(self.k - len(self.alpha))

    @property
    def alpha_se(self) -> Floats:
        """Standard errors of alpha."""
        return np.sqrt(np.diag(self.alpha_vcov))

    @property
    def i2_i(self) -> Floats:
        """I2 at each estimate's tau2, a fraction."""
        return self.tau2_i / (self.tau2_i + self.vt)

    @property
    def h2_i(self) -> Floats:
        """H2 at each estimate's tau2."""
        return self.tau2_i / self.vt + 1

    def predict(
        self,
        new: Mapping[str, ArrayLike] | ArrayLike | None = None,
        newscale: Mapping[str, ArrayLike] | ArrayLike | None = None,
        *,
        pi: str | None = None,
    ) -> Prediction:
        """Estimate, confidence and prediction interval at rows of moderators `new` and of scale columns `newscale`.

        Without either the studies' own. Where a part has only its intercept, its rows are left out.
        """
        from kmeta.methods.meta.scale_prediction import predict_both

        return predict_both(self, new, newscale, pi=pi)

    def predict_tau2(self, newscale: Mapping[str, ArrayLike] | ArrayLike | None = None) -> PredictedTau2:
        """tau2 with its confidence interval at rows of scale columns (default: the studies')."""
        from kmeta.methods.meta.scale_prediction import predict_tau2

        return predict_tau2(self, newscale)

    def fit_stats(self) -> dict[str, dict[str, float]]:
        """Log-likelihood, deviance, AIC, BIC, AICc under "ML" and "REML"."""
        return at_variances(self, self.tau2_i, len(self.alpha))

    def scale_rows(self) -> list[dict[str, Any]]:
        """One row a coefficient of the scale."""
        crit = quantile(self.level, self.alpha_df)
        return [
            {
                "term": term,
                "estimate": a,
                "se": se,
                "statistic": a / se if se else math.nan,
                "p_value": two_sided(a / se if se else math.nan, self.alpha_df),
                "ci_low": a - crit * se,
                "ci_high": a + crit * se,
            }
            for term, a, se in zip(self.scale_terms, self.alpha.tolist(), self.alpha_se.tolist(), strict=True)
        ]

    def rows(self) -> list[dict[str, Any]]:
        """One row a coefficient: those of the location, then those of the scale; `part` tells which."""
        keys = ("term", "estimate", "se", "ci_low", "ci_high", "p_value")
        location = [{"part": "location", **{key: row[key] for key in keys}} for row in super().rows()]
        return location + [{"part": "scale", **{key: row[key] for key in keys}} for row in self.scale_rows()]

    def again(self, rows: Sequence[int]) -> LocationScaleFit:
        """The same model on the estimates `rows` (indices)."""
        keep = np.asarray(rows, dtype=int)
        location = None if self.x is None else _named(self.x[keep], self.terms)
        return location_scale(
            self.yi[keep],
            self.vi[keep],
            _named(self.z[keep], self.scale_terms) or np.ones((len(keep), 1)),
            mods=location or None,
            data=None,
            link=self.link,
            measure=self.measure,
            method=self.method,
            test=self.test,
            level=self.level,
            pi=self.pi,
            labels=[self.labels[i] for i in keep.tolist()],
        )

    def tau2_at(self, rows: Floats) -> Floats:
        """tau2 at rows of the scale's design matrix."""
        with np.errstate(over="ignore"):
            return np.asarray(
                np.exp(rows @ self.alpha) if self.link == "log" else np.maximum(rows @ self.alpha, 0.0)
            )

    gosh = _refused("gosh")
    radial = _refused("radial")
    blup = _refused("blup")
    ranef = _refused("ranef")
    permutation_test = _refused("a permutation test")
    profile = _refused("a profile")
    compare = _refused("a model comparison")
    variance_intervals = _refused("a profile-likelihood interval")
    generalised_q_interval = _refused("the generalised Q interval")


def _named(columns: Floats, terms: Sequence[str]) -> dict[str, Floats]:
    """The columns but the intercept by name."""
    return {term: columns[:, j] for j, term in enumerate(terms) if term not in (INTERCEPT, "mu")}


def scale_design(scale: Any, data: Any, k: int) -> Designed:
    """The scale's columns, the intercept first; InputError that names the scale."""
    try:
        found = design_of(scale, data if isinstance(scale, str) else None, k)
        if found.x is None:
            return found._replace(x=np.ones((k, 1)), terms=(INTERCEPT,))
        orthonormal(found.x)
    except InputError as error:
        message = error.message.replace("mods[", "scale[").replace("moderator column", "scale column")
        hint = error.hint.replace("moderators", "scale columns").replace("mods=", "scale=")
        raise InputError(message, where="scale", hint=hint) from error
    return found


def location_scale(
    yi: ArrayLike,
    vi: ArrayLike,
    scale: Any,
    *,
    mods: Any,
    data: Any,
    link: str,
    measure: str,
    method: str | float,
    test: str,
    level: float,
    pi: str,
    labels: Sequence[str] | None,
) -> LocationScaleFit:
    """The model behind `random_effects(..., scale=...)`.

    Raises InputError for data or options that cannot be used, ConvergenceError when the likelihood has no maximum.
    """
    y, v = estimates(yi, vi)
    _check(method, test, link)
    try:
        return _fit(
            y, v, scale, mods, data, link, measure, str(method), test, level, pi, labels_of(labels, len(y))
        )
    except (np.linalg.LinAlgError, ArithmeticError) as error:
        raise ConvergenceError(
            "the likelihood cannot be computed: its terms leave the range or precision of doubles",
            hint="see whether an estimate or a variance is an error",
        ) from error


def _fit(
    y: Floats,
    v: Floats,
    scale: Any,
    mods: Any,
    data: Any,
    link: str,
    measure: str,
    method: str,
    test: str,
    level: float,
    pi: str,
    labels: tuple[str, ...],
) -> LocationScaleFit:
    k = len(y)
    x, terms, factors, formula = design_of(mods, data, k, own_data=not isinstance(scale, str))
    z, scale_terms, scale_factors, scale_formula = scale_design(scale, data, k)
    assert z is not None  # noqa: S101
    location = np.ones((k, 1)) if x is None else x
    p, q = location.shape[1], z.shape[1]
    if p + q > k:
        raise InputError(
            f"{p} coefficients of the location and {q} of the scale for {k} estimates",
            where="scale",
            hint="fewer columns or more studies",
        )
    sample = Sample(y, v, location)
    end, back = _maximum(sample, z, link, method == "REML")
    basis, unit2 = _basis(z), sample.unit**2
    model = _likelihood(sample, basis, link, method == "REML")
    tau2 = model.tau2(end.alpha)
    if link == "identity":
        tau2 = np.where(end.held | (tau2 <= AT_BOUND * sample.v.max()), 0.0, tau2)
    alpha = _in_units(back @ end.alpha, link, unit2) if tau2.any() else np.zeros(q)
    cover = _alpha_covariance(model, end, back) * (1.0 if link == "log" else unit2**2)
    beta, vcov = _location(sample, tau2, TESTS[test], p)
    df = math.inf if test == "z" or k <= p else float(k - p)
    alpha_df = math.inf if test == "z" else float(k - q)
    fixed = Weighted(sample, 1 / sample.v)
    tested = [i for i, term in enumerate(terms) if term not in ("intercept", "mu")] or [0]
    qm, qm_df, qm_p = math.nan, (float(len(tested)), math.nan), math.nan
    if vcov[0, 0] > 0:
        qm, qm_df, qm_p = omnibus(beta, vcov, tested, df)
    scaled = [i for i, term in enumerate(scale_terms) if term != INTERCEPT] or [0]
    qs, qs_df, qs_p = math.nan, (float(len(scaled)), math.nan), math.nan
    if np.isfinite(cover).all() and alpha_df > 0:
        qs, qs_df, qs_p = omnibus(alpha, cover, scaled, alpha_df)
    mu, se = float(beta[0]), math.sqrt(float(vcov[0, 0]))
    half = quantile(level, df) * se
    weights = 1 / (sample.v + tau2)
    return LocationScaleFit(
        yi=y,
        vi=v,
        measure=measure,
        method=method,
        test=TESTS[test],
        level=level,
        mu=mu,
        se=se,
        ci_low=mu - half,
        ci_high=mu + half,
        pi_low=math.nan,
        pi_high=math.nan,
        statistic=mu / se if se > 0 else math.nan,
        df=df,
        p_value=two_sided(mu / se if se > 0 else math.nan, df),
        tau2=math.nan,
        tau2_low=math.nan,
        tau2_high=math.nan,
        i2=math.nan,
        h2=math.nan,
        q=fixed.q,
        q_df=k - p,
        q_p=chi2_tail(fixed.q, k - p),
        weights=frozen(100 * weights / weights.sum()),
        labels=labels,
        model="location-scale",
        pi=pi,
        vt=(k - p) / fixed.trace() * unit2,
        terms=terms,
        x=x,
        beta=None if x is None else frozen(beta),
        vcov=None if x is None else frozen(vcov),
        qm=math.nan if x is None else qm,
        qm_df=(math.nan, math.nan) if x is None else qm_df,
        qm_p=math.nan if x is None else qm_p,
        warnings=_warnings(k, p, q, end, bool(np.isfinite(cover).all())),
        factors=factors,
        link=link,
        z=z,
        scale_terms=scale_terms,
        alpha=frozen(alpha),
        alpha_vcov=frozen(cover),
        tau2_i=frozen(tau2 * unit2),
        qs=qs,
        qs_df=qs_df,
        qs_p=qs_p,
        formula=formula,
        scale_factors=scale_factors,
        scale_formula=scale_formula,
    )


def _check(method: str | float, test: str, link: str) -> None:
    if method not in METHODS:
        raise InputError(
            f"a location-scale model is not fitted by {method!r}", where="tau2", hint="REML or ML"
        )
    if test not in TESTS:
        raise InputError(
            f"no test of a location-scale model is named {test!r}",
            where="test",
            hint="one of " + ", ".join(TESTS),
        )
    if link not in LINKS:
        raise InputError(f"no link is named {link!r}", where="link", hint="log or identity")


def _basis(z: Floats) -> Floats:
    """An orthogonal basis of the scale's columns, with mean squares of 1."""
    return orthonormal(z)[0] * math.sqrt(len(z))


def _likelihood(sample: Sample, basis: Floats, link: str, restricted: bool) -> ScaleLikelihood:
    assert sample.x is not None  # noqa: S101
    return ScaleLikelihood(sample.y, sample.v, sample.x, basis, link=link, restricted=restricted)


def _maximum(sample: Sample, z: Floats, link: str, restricted: bool) -> tuple[Climb, Floats]:
    """The maximum in the coefficients of the orthogonal basis, and the matrix that brings them to those of `z`."""
    model = _likelihood(sample, _basis(z), link, restricted)
    level = maximum_likelihood_tau2(sample, restricted=restricted) if sample.k > sample.p else 0.0
    level = max(level, 0.05 * float(np.median(sample.v)))
    starts = log_starts(model, level) if link == "log" else identity_starts(model, level)
    back = np.asarray(np.linalg.inv(orthonormal(z)[1]) * math.sqrt(len(z)))
    end = highest(model, starts, lambda alpha: _in_units(back @ alpha, link, sample.unit**2))
    return end, back


def _in_units(alpha: Floats, link: str, unit2: float) -> Floats:
    """Coefficients for variances in units of `unit2` as those for variances in units of 1."""
    if link == "identity":
        return alpha * unit2
    return np.concatenate([alpha[:1] + math.log(unit2), alpha[1:]])


def _alpha_covariance(model: ScaleLikelihood, end: Climb, back: Floats) -> Floats:
    """Inverse of the observed information; NaN where a variance is held at 0."""
    q = len(back)
    if end.held.any():
        return np.full((q, q), math.nan)
    observed = -model.slopes(end.alpha).hessian
    value, vector = np.linalg.eigh(observed)
    if not value[0] > 1e-12 * value[-1]:
        return np.full((q, q), math.nan)
    root = back @ (vector / np.sqrt(value))
    return np.asarray(root @ root.T)


def _location(sample: Sample, tau2: Floats, test: str, p: int) -> tuple[Floats, Floats]:
    """Coefficients of the location and their covariance, in the columns as given."""
    assert sample.r is not None  # noqa: S101
    fit = Weighted(sample, 1 / (sample.v + tau2))
    factor = 1.0
    if test in ("hksj", "knha") and sample.k > p:
        factor = fit.q / (sample.k - p)
        factor = max(1.0, factor) if test == "hksj" else factor
    back = np.linalg.inv(sample.r)
    return back @ fit.mu * sample.unit, back @ fit.inverse @ back.T * (factor * sample.unit**2)


def _warnings(k: int, p: int, q: int, end: Climb, known: bool) -> tuple[str, ...]:
    said = []
    if end.held.any():
        said.append(
            f"tau2 is held at its bound 0 at {int(end.held.sum())} of {k} estimates: the scale coefficients have no "
            "standard errors"
        )
    elif not known:
        said.append("the likelihood is flat at its maximum: the scale coefficients have no standard errors")
    if k < 5 * (p + q):
        said.append(f"{p + q} coefficients for {k} estimates: tests and intervals of the scale are rough")
    return tuple(said)
