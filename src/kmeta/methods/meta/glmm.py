"""Generalised linear mixed models: the counts themselves are modelled, no zero cell is corrected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.core.numbers import decimal, p_phrase
from kmeta.methods.effects.effect_sizes import effect_sizes
from kmeta.methods.meta.count_models import CountModel, count_model
from kmeta.methods.meta.distributions import chi2_tail, quantile, two_sided
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.inputs import labels_of, level_of
from kmeta.methods.meta.mixed_counts import (
    Boundless,
    Maximum,
    Point,
    Stalled,
    by_differences,
    derivatives,
    log_likelihoods,
    maximise,
)
from kmeta.methods.meta.moderators import INTERCEPT, Designed, design_of, omnibus, tested_terms
from kmeta.methods.meta.prediction import prediction_df
from kmeta.methods.meta.random_effects import PREDICTION, Moderators
from kmeta.methods.meta.sample import Sample, Weighted, orthonormal
from kmeta.methods.meta.separation import (
    Signs,
    best_far_away,
    boundless,
    effect_ends,
    group_ends,
    refuse_separated,
)
from kmeta.methods.meta.tau2 import TAU2

UNTESTED = "heterogeneity is not tested: the model with an effect of each study's own did not settle"


@dataclass(frozen=True, kw_only=True, eq=False)
class GlmmFit(MetaFit):
    """A `MetaFit` by maximum likelihood of the counts. q is Wald's test of heterogeneity, `lrt` that of likelihoods.

    `yi`, `vi` are each study's own estimates (zero cells corrected), for display and for the typical variance behind
    i2; the model does not use them. `points`: of the quadrature, 0 where none is needed; `level_variance`: of the
    studies' levels (UM.RS). `log_likelihood` is that of the counts, constants included.
    """

    glmm_model: str
    points: int
    log_likelihood: float
    lrt: float
    lrt_p: float
    level_variance: float = math.nan
    counts: dict[str, Floats] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def common(self) -> MetaFit:
        """The same counts with one true effect."""
        return _fit(
            count_model(self.measure, self.options["model"], self.options["coding"], dict(self.counts)),
            Designed(self.x, self.terms, dict(self.factors), self.formula),
            measure=self.measure,
            method="EE",
            names=self.labels,
            dropped=(),
            options=self.options | {"method": "EE"},
        )

    def again(self, rows: Sequence[int]) -> MetaFit:
        """The same model of the studies `rows`."""
        self.need_no_moderators("refits of a model of counts")
        keep = np.asarray(rows, dtype=int)
        columns: dict[str, Any] = {name: values[keep] for name, values in self.counts.items()}
        return glmm(self.measure, labels=[self.labels[i] for i in rows], **columns, **self.options)

    def fit_stats(self) -> dict[str, dict[str, float]]:
        """Log-likelihood, deviance (-2 ll), AIC, BIC and AICc of the counts under "ML"."""
        from kmeta.methods.meta.fit_statistics import _criteria

        parameters = len(self.terms) + (self.model == "random") + 2 * (not math.isnan(self.level_variance))
        parameters += self.k * (self.glmm_model == "UM.FS" and self.measure in ("OR", "IRR"))
        groups = 2 if self.measure in ("OR", "IRR") and self.glmm_model.startswith("UM") else 1
        ll = self.log_likelihood
        return {"ML": _criteria(ll, -2 * ll, parameters, groups * self.k)}

    def variance_intervals(self, level: float | None = None) -> tuple[tuple[float, float], ...]:
        """Not given for models of counts."""
        raise InputError("variance intervals are given for models of estimates", where="glmm")

    def r_script(self) -> str:
        """R code with the counts inline: metafor's rma.glmm call (its quadrature is coarser: see `points`)."""
        from kmeta.methods.meta.r_script import text, vector

        lines = ["library(metafor)", "", "dat <- data.frame("]
        lines += [f"  {name} = {vector(map(repr, values.tolist()))}," for name, values in self.counts.items()]
        lines += [f"  label = {vector(map(text, self.labels))})"]
        names = ", ".join(f"{name} = {name}" for name in self.counts)
        options = [
            f'measure = "{self.measure}"',
            f'method = "{self.method if self.method == "ML" else "EE"}"',
        ]
        if self.measure in ("OR", "IRR"):
            options.append(f'model = "{self.glmm_model}"')
        if self.x is not None:
            for j in range(len(self.terms)):
                lines.append(f"x{j} <- {vector(map(repr, self.x[:, j].tolist()))}")
            options.append("mods = cbind(" + ", ".join(f"x{j}" for j in range(len(self.terms))) + ")")
            options.append("intercept = FALSE")
        options += [f'test = "{self.test}"', f"level = {100 * self.level:g}", "slab = label"]
        lines += ["", f"res <- rma.glmm({names}, data = dat,", "  " + ", ".join(options) + ")", "print(res)"]
        lines.append(f"# kmeta: mu {self.mu!r}, se {self.se!r}, tau2 {self.tau2!r}")
        return "\n".join(lines) + "\n"

    def summary(self) -> str:
        """As a `MetaFit`, with the model, its quadrature and the likelihood-ratio test of heterogeneity."""
        how = f"Model of the counts: {self.glmm_model}" + (
            f", adaptive Gauss-Hermite quadrature with {self.points} points" if self.points else ""
        )
        shown = super().summary().replace("Cochran's Q", "Wald's Q")
        test = f"chi2({self.q_df}) = {decimal(self.lrt, 2)}, {p_phrase(self.lrt_p)}"
        more = f"Likelihood-ratio test of heterogeneity: {test}"
        return f"{shown}\n{how}\n{more}\nLog-likelihood: {self.log_likelihood:.4f}"


def glmm(
    measure: str,
    *,
    model: str = "UM.FS",
    method: str = "ML",
    test: str = "z",
    mods: Moderators | None = None,
    data: Any = None,
    level: float = 0.95,
    pi: str = "test",
    coding: float = 0.5,
    points: int | None = None,
    labels: Sequence[str] | None = None,
    **columns: ArrayLike,
) -> GlmmFit:
    """Pool counts by a generalised linear mixed model, by maximum likelihood.

    measure : "PLO" (`xi` of `ni`; effective numbers need not be whole), "IRLN" (`xi` in `ti`), "OR" (`ai`, `bi`, `ci`,
        `di`, or `ai`, `n1i`, `ci`, `n2i`), "IRR" (`x1i`, `t1i`, `x2i`, `t2i`); shape (k,) each.
    model : of OR and IRR: "UM.FS" a level of each study's own, "UM.RS" normal levels, "CM.EL" conditional on the
        study's events (OR: noncentral hypergeometric), "CM.AL" its binomial approximation (OR, rare events).
    method : "ML", or "EE" with tau2 held at 0. test : "z", or "t" with k - p df.
    mods, data, level, pi, labels : as in `random_effects`; `data` is for a formula alone.
    coding : of the first group (the second has one less) in UM models: 0.5, 1 or 0.
    points : of the adaptive Gauss-Hermite quadrature; None takes as many as leave the estimates unchanged (exact), 1 is
        Laplace's approximation, 7 what metafor takes.
    Studies of two groups without any event (or with events only) tell nothing and are left out, said in `warnings`.
    Raises InputError for unusable data, ConvergenceError when the likelihood has no maximum.
    Sources: Stijnen, Hamza & Oezdemir 2010, doi:10.1002/sim.4040; Turner et al. 2000,
    doi:10.1002/1097-0258(20001230)19:24<3417::AID-SIM614>3.0.CO;2-L; Jackson et al. 2018, doi:10.1002/sim.7588.

    >>> fit = glmm("PLO", xi=[0, 2, 5, 7], ni=[10, 20, 25, 22])
    >>> round(fit.effect, 3), fit.points > 7
    (0.168, True)
    """
    if method not in ("ML", "EE"):
        raise InputError(f"no method is named {method!r}", where="method", hint="ML or EE")
    if test not in ("z", "t"):
        raise InputError(f"no test is named {test!r}", where="test", hint="z or t")
    if pi not in PREDICTION:
        raise InputError(f"no pi is named {pi!r}", where="pi", hint="one of " + ", ".join(PREDICTION))
    if points is not None and (
        isinstance(points, bool) or not isinstance(points, int) or not 1 <= points <= 500
    ):
        raise InputError(
            f"points is {points!r}", where="points", hint="a whole number from 1 to 500, or None"
        )
    level = level_of(level)
    counts = count_model(measure, model, coding, columns)
    given = len(counts.keep)
    names = labels_of(labels, given)
    design = design_of(mods, data, given)
    rows = np.flatnonzero(counts.keep)
    if design.x is not None:
        kept = frozen(design.x[rows])
        if kept.shape[1] >= len(rows):
            raise InputError(
                f"{kept.shape[1]} coefficients for {len(rows)} studies that tell something",
                where="mods",
                hint="fewer moderators or more studies",
            )
        orthonormal(kept)  # refuses collinear columns
        design = design._replace(x=kept)
    options = {"model": model, "test": test, "level": level, "pi": pi, "coding": coding, "points": points}
    return _fit(
        counts,
        design,
        measure=measure,
        method=method,
        names=tuple(names[i] for i in rows),
        dropped=tuple(names[i] for i in np.flatnonzero(~counts.keep)),
        options=options | {"method": method},
    )


def _fit(
    data: CountModel,
    given: Designed,
    *,
    measure: str,
    method: str,
    names: tuple[str, ...],
    dropped: tuple[str, ...],
    options: dict[str, Any],
) -> GlmmFit:
    k, x, terms = len(names), given.x, given.terms
    rows = np.ones((k, 1)) if x is None else x
    p = rows.shape[1]
    effects = effect_sizes(measure, **data.columns)
    held = method == "EE" or k <= p
    ends = _refuse_separated(data, rows, given, measure, options["model"], names)
    none = _maximise(data, rows, effects.yi, effects.vi, heterogeneity=False, points=options["points"])
    best = none
    if not held:
        if _unbounded(data, given, ends, none):
            raise boundless(ends, names, math.inf)
        try:
            best = _maximise(
                data, rows, effects.yi, effects.vi, heterogeneity=True, points=options["points"], near=none
            )
        except Boundless as error:
            raise boundless(ends, names, error.deviation) from error
    first = int(data.random_level)
    beta, vcov = best.at.shared[first : first + p], best.covariance[first : first + p, first : first + p]
    tau = 0.0 if held else float(best.at.shared[-1])
    tau2_se = math.nan if held else 2 * tau * math.sqrt(max(0.0, float(best.covariance[-1, -1])))
    statistics = _pooled(beta, vcov, given, tau, k, options, held)
    fixed = Weighted(sample := Sample(effects.yi, effects.vi, x), 1 / sample.v)
    vt = (k - p) / fixed.trace() * sample.unit**2 if k > p else math.nan
    weights = 1 / (effects.vi + tau * tau)
    heterogeneity = _heterogeneity(data, rows, none, options["points"])
    return GlmmFit(
        yi=effects.yi,
        vi=effects.vi,
        measure=measure,
        method="EE" if held else "ML",
        level=options["level"],
        tau2=tau * tau,
        tau2_low=math.nan,
        tau2_high=math.nan,
        tau2_se=tau2_se,
        i2=tau * tau / (vt + tau * tau),
        h2=tau * tau / vt + 1,
        vt=vt,
        weights=frozen(100 * weights / weights.sum()),
        labels=names,
        model="common" if method == "EE" else "random",
        pi=options["pi"],
        terms=terms,
        x=x,
        beta=None if x is None else frozen(beta),
        vcov=None if x is None else frozen(vcov),
        sigma2=(tau * tau,),
        factors=given.factors,
        formula=given.formula,
        warnings=(*_warnings(k, p, dropped, best, method), *(UNTESTED,) * math.isnan(heterogeneity["q"])),
        glmm_model=options["model"] if measure in ("OR", "IRR") else "UM",
        points=best.points,
        log_likelihood=best.log_likelihood,
        level_variance=float(best.at.shared[first + p]) ** 2 if data.random_level else math.nan,
        counts={name: frozen(values) for name, values in data.columns.items()},
        options=options,
        **heterogeneity,
        **statistics,
    )


def _refuse_separated(
    data: CountModel, rows: Floats, given: Designed, measure: str, model: str, names: tuple[str, ...]
) -> Signs:
    """Where each study's effect lies in its counts' range; ConvergenceError for a coefficient without estimate."""
    groups = group_ends(measure, data.columns)
    ends = effect_ends(groups, events_alone=model == "CM.AL")
    if data.random_level:
        k, j = groups.shape
        wide = np.concatenate([np.ones((k, j, 1)), data.effect[:, :, None] * rows[:, None, :]], axis=2)
        labels = [name for name in names for _ in range(j)]
        refuse_separated(wide.reshape(k * j, -1), groups.ravel(), ("the level", *given.terms), labels)
    else:
        refuse_separated(rows, ends, given.terms, names)
    return ends


def _unbounded(data: CountModel, given: Designed, ends: Signs, none: Maximum) -> bool:
    """Whether every study is at an end and the likelihood is at its highest where tau is infinite.

    Asked of models with one group, whose mean is free; looked at along the path on which the mean moves with tau.
    """
    if data.effect.shape[1] > 1 or not ends.all() or (given.x is not None and INTERCEPT not in given.terms):
        return False
    far = best_far_away(ends)
    if none.log_likelihood > far + 1e-9:
        return False
    design = data.design(np.ones((len(ends), 1)) if given.x is None else given.x, heterogeneity=True)
    heights = []
    for tau in (0.5, 1.0, 2.0, 4.0):
        at = Point(np.append(none.at.shared * math.sqrt(1 + 0.346 * tau * tau), tau), none.at.own)
        heights.append(float(log_likelihoods(design, at, 61).sum()))
    return max(heights) <= far + 1e-9


def _pooled(
    beta: Floats,
    vcov: Floats,
    given: Designed,
    tau: float,
    k: int,
    options: dict[str, Any],
    held: bool,
) -> dict[str, Any]:
    """The first coefficient with its intervals and test, and the moderators' test."""
    p = len(beta)
    test = options["test"] if k > p else "z"
    df = math.inf if test == "z" else float(k - p)
    mu, se = float(beta[0]), math.sqrt(float(vcov[0, 0]))
    crit = quantile(options["level"], df)
    half = math.nan
    if given.x is None and not held and k >= 3:
        reference = prediction_df(df, k - p, "ML", options["pi"])
        half = quantile(options["level"], reference) * math.sqrt(se * se + tau * tau)
    found: dict[str, Any] = {
        "mu": mu,
        "se": se,
        "ci_low": mu - crit * se,
        "ci_high": mu + crit * se,
        "pi_low": mu - half,
        "pi_high": mu + half,
        "test": test,
        "df": df,
        "statistic": mu / se,
        "p_value": two_sided(mu / se, df),
    }
    if given.x is not None:
        qm, qm_df, qm_p = omnibus(beta, vcov, tested_terms(given.terms), df)
        found |= {"qm": qm, "qm_df": qm_df, "qm_p": qm_p}
    return found


def _maximise(
    data: CountModel,
    rows: Floats,
    yi: Floats,
    vi: Floats,
    *,
    heterogeneity: bool,
    points: int | None,
    near: Maximum | None = None,
) -> Maximum:
    """The model with tau or without, from the inverse-variance estimates or from the maximum `near` without tau."""
    design = data.design(rows, heterogeneity=heterogeneity)
    own = data.start_level if data.own_level else None
    if near is not None:
        first = math.sqrt(min(max(float(TAU2["DL"](yi, vi)), 0.05), 4.0))
        for start in (first, 4 * first, 0.25 * first):
            try:
                return maximise(design, Point(np.append(near.at.shared, start), near.at.own), points)
            except Stalled as error:
                stalled = error
        raise stalled
    weights: Floats = np.sqrt(1 / vi)
    found = np.linalg.lstsq(rows * weights[:, None], yi * weights, rcond=None)[0]
    beta = np.asarray(found, dtype=np.float64)
    if data.random_level:
        middle, spread = float(data.start_level.mean()), max(0.2, float(data.start_level.std()))
        beta = np.array([middle, *beta.tolist(), spread])
    return maximise(design, Point(beta, own), points)


def _heterogeneity(data: CountModel, rows: Floats, none: Maximum, points: int | None) -> dict[str, Any]:
    """Wald's and the likelihood-ratio test against a model in which each study has an effect of its own."""
    k, p = rows.shape
    df = k - p
    if df < 1:
        return {"q": 0.0, "q_df": 0, "q_p": 1.0, "lrt": 0.0, "lrt_p": 1.0}
    if data.saturated is not None and data.separate is not None:
        height = data.saturated
        y, w = data.separate
        q = _residual(y, w, rows, None)
    else:
        try:
            height, q = _separate(data, rows, none, points)
        except ConvergenceError:
            return {"q": math.nan, "q_df": df, "q_p": math.nan, "lrt": math.nan, "lrt_p": math.nan}
    lrt = max(0.0, 2 * (height - none.log_likelihood))
    return {"q": q, "q_df": df, "q_p": chi2_tail(q, df), "lrt": lrt, "lrt_p": chi2_tail(lrt, df)}


def _separate(data: CountModel, rows: Floats, none: Maximum, points: int | None) -> tuple[float, float]:
    """Log-likelihood and Wald's Q of the model with an effect of each study's own."""
    design = data.separate_design()
    first = int(data.random_level)
    beta = none.at.shared[first : first + rows.shape[1]]
    shared = none.at.shared[[0, -1]] if data.random_level else np.zeros(0)
    best = maximise(design, Point(shared, rows @ beta), points)
    slopes = derivatives if points is None or design.r == 0 else by_differences
    _, _, hessian = slopes(design, best.at, best.points)
    assert best.at.own is not None  # noqa: S101
    borders = None
    if data.random_level:
        borders = (-hessian[:, 0, 1:], -hessian[:, 1:, 1:].sum(axis=0))
    return best.log_likelihood, _residual(best.at.own, -hessian[:, 0, 0], rows, borders)


def _residual(y: Floats, w: Floats, x: Floats, borders: tuple[Floats, Floats] | None) -> float:
    """Weighted residual sum of squares; `borders` (B, A) when the inverse covariance is diag(w) - B A^-1 B'."""

    def times(values: Floats) -> Floats:
        product = (w * values.T).T
        if borders is not None:
            b, a = borders
            product = product - b @ np.linalg.solve(a, b.T @ values)
        return product

    gram = x.T @ times(x)
    beta = np.linalg.lstsq(gram, x.T @ times(y), rcond=None)[0]
    rest = y - x @ beta
    return float(rest @ times(rest))


def _warnings(k: int, p: int, dropped: tuple[str, ...], best: Maximum, method: str) -> tuple[str, ...]:
    said = []
    if dropped:
        said.append("no events, or events only, in both groups; left out: " + ", ".join(dropped))
    if k == 1:
        said.append("one study: its own result with a z interval, nothing is pooled")
    elif k <= p:
        said.append("as many coefficients as studies: heterogeneity cannot be estimated")
    elif k == 2 and method != "EE":
        said.append("two studies: tau2 is hardly known and no prediction interval is given")
    if not best.settled:
        said.append(f"the estimates still move with more than {best.points} points of quadrature")
    return tuple(said)
