"""Models with correlated errors, moderators and any nesting or crossing of random effects: fitted and reported."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.core.numbers import decimal
from kmeta.methods.meta.block_likelihood import BlockModel
from kmeta.methods.meta.climb import highest
from kmeta.methods.meta.distributions import chi2_tail, quantile, two_sided
from kmeta.methods.meta.fit import MetaFit, Prediction
from kmeta.methods.meta.fit_statistics import _criteria
from kmeta.methods.meta.moderators import INTERCEPT, omnibus, tested_terms
from kmeta.methods.meta.random_terms import Part, Term, terms_of
from kmeta.methods.meta.sampling_covariance import SamplingCovariance, log_determinant

if TYPE_CHECKING:
    from kmeta.methods.meta.categories import Category
    from kmeta.methods.meta.formulas import Formula
    from kmeta.methods.meta.one_by_one import Refits
    from kmeta.methods.meta.predicted_effects import PredictedEffects

MANY_STARTS = 2000  # estimates up to which every start is tried
MANY_LEVELS = 8  # with a variance of their own, up to which each gets its starts


@dataclass(frozen=True, kw_only=True, eq=False)
class MultilevelFit(MetaFit):
    """A multilevel or multivariate model.

    `random` are its terms as written, `struct` the structure of each "inner | outer", `grouping` the columns they name;
    `parts` the variances and correlations ("sigma2" of an intercept, "tau2" and "rho" of a structure, by level),
    `theta` the numbers they follow from. `covariance` is that of the sampling errors. `dfs`: of each coefficient.
    tau2 is the total between-study variance where all estimates share one, else NaN (see `parts`).
    """

    covariance: SamplingCovariance
    random: tuple[str, ...] = ()
    struct: tuple[str, ...] = ()
    grouping: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    theta: tuple[float, ...] = ()
    dfs: tuple[float, ...] = ()
    df_method: str = "containment"

    @property
    def rho(self) -> tuple[float, ...]:
        """The correlations of the random effects."""
        return tuple(part.value for part in self.parts if part.kind == "rho")

    @property
    def tau2s(self) -> tuple[float, ...]:
        """The variances of the structures "inner | outer", by level."""
        return tuple(part.value for part in self.parts if part.kind == "tau2")

    @property
    def design(self) -> Floats:
        """The model matrix (k, p)."""
        return np.ones((self.k, 1)) if self.x is None else self.x

    def terms_of_random(self) -> tuple[Term, ...]:
        """The random effects with their codes."""
        return terms_of(self.random, dict(self.grouping), self.k, list(self.struct))

    def block_model(self) -> BlockModel:
        """The model's algebra, laid out again."""
        return BlockModel(self.yi, self.covariance, self.design, self.terms_of_random())

    def rows(self) -> list[dict[str, Any]]:
        """One row a coefficient, each with its own degrees of freedom."""
        beta = np.array([self.mu]) if self.beta is None else self.beta
        vcov = np.array([[self.se**2]]) if self.vcov is None else self.vcov
        found = []
        for term, b, s, df in zip(
            self.terms, beta.tolist(), np.sqrt(np.diag(vcov)).tolist(), self.dfs, strict=True
        ):
            half = quantile(self.level, df) * s
            row = self._row(term, b, s, b - half, b + half, two_sided(b / s, df))
            found.append({**row, "df": df})
        return found

    def predict(
        self,
        new: Mapping[str, ArrayLike] | ArrayLike | None = None,
        *,
        pi: str | None = None,
        inner: str | None = None,
    ) -> Prediction:
        """Predicted values with intervals; `inner` names the level whose variance a new effect has.

        Without `inner` the prediction interval is NaN where levels differ in variance.
        """
        from kmeta.methods.meta.prediction import design_rows

        return self.predict_rows(*design_rows(self, new), pi, inner=inner)

    def marginal_means(self, name: str, *, pi: str | None = None, inner: str | None = None) -> Prediction:
        """The mean at each level of the categorical moderator `name`; `inner` as in `predict`."""
        from kmeta.methods.meta.categories import marginal_rows

        return self.predict_rows(*marginal_rows(self, name), pi, inner=inner)

    def df_of(self, rows: Floats) -> Floats:
        """Of each combination of coefficients the least df of those in it."""
        return np.array(
            [min(self.dfs[j] for j in np.flatnonzero(row)) if row.any() else self.df for row in rows]
        )

    def predict_rows(
        self, rows: Floats, labels: tuple[str, ...], pi: str | None, *, inner: str | None = None
    ) -> Prediction:
        """Predicted values at rows of the model matrix, shape (n, p)."""
        from kmeta.methods.meta.prediction import prediction_df

        kind = self.pi if pi is None else pi
        beta = np.array([self.mu]) if self.beta is None else self.beta
        vcov = np.array([[self.se**2]]) if self.vcov is None else self.vcov
        total = self.tau2 if inner is None else self._variance_at(inner)
        left = min(self.dfs) if not math.isinf(self.dfs[0]) else float(self.k_groups - len(beta))
        mu, se = rows @ beta, np.sqrt(np.einsum("ij,jk,ik->i", rows, vcov, rows))
        used = self.df_of(rows)
        crit = np.array([quantile(self.level, df) for df in used.tolist()])
        reach = np.array([max(1.0, prediction_df(df, left, self.method, kind)) for df in used.tolist()])
        crit_new = np.array([quantile(self.level, df) for df in reach.tolist()])
        spread = crit_new * np.sqrt(se**2 + total)
        values = {
            "mu": mu,
            "se": se,
            "ci_low": mu - crit * se,
            "ci_high": mu + crit * se,
            "pi_low": mu - spread,
            "pi_high": mu + spread,
            "x": rows,
            "tau2": np.full(len(mu), total),
            "pi_df": reach,
        }
        arrays = {name: frozen(value) for name, value in values.items()}
        return Prediction(fit=self, labels=labels, measure=self.measure, level=self.level, pi=kind, **arrays)

    def _variance_at(self, inner: str) -> float:
        named = [part.value for part in self.parts if part.kind == "tau2" and part.level == inner]
        levels = [part.level for part in self.parts if part.kind == "tau2" and part.level]
        if levels and not named:
            raise InputError(f"no level is named {inner!r}", where="inner", hint=f"one of {levels}")
        shared = [p.value for p in self.parts if p.kind == "sigma2" or (p.kind == "tau2" and not p.level)]
        return math.fsum([*named, *shared])

    def fit_stats(self) -> dict[str, dict[str, float]]:
        """Log-likelihood, deviance, AIC, BIC, AICc under "ML" and "REML"."""
        model = self.block_model()
        theta, k, p = scaled(model, np.array(self.theta)), self.k, model.p
        found = {}
        for kind, lost in (("ML", 0), ("REML", p)):
            at = model.solve(theta)
            assert at is not None  # noqa: S101
            shift = (k - lost) * (math.log(model.unit) + 0.5 * math.log(2 * math.pi))
            ll = model.height(at, restricted=kind == "REML") - shift
            saturated = -0.5 * (k * math.log(2 * math.pi) + log_determinant(self.covariance))
            deviance = -2 * (ll - saturated) if kind == "ML" else -2 * ll
            found[kind] = _criteria(ll, deviance, p + len(self.theta), k - lost)
        return found

    def variance_intervals(self, level: float | None = None) -> tuple[tuple[float, float], ...]:
        """Profile-likelihood interval of each of `parts`; NaN for a correlation of UN with three levels or more."""
        from kmeta.methods.meta.profile_parts import part_intervals

        return part_intervals(self, level)

    def predicted_effects(self) -> PredictedEffects:
        """Predicted random effects of every term, with their standard errors."""
        from kmeta.methods.meta.predicted_effects import predicted_effects

        return predicted_effects(self)

    def leave_one_out(self) -> Refits:
        """The model without each study in turn."""
        self.need_no_moderators("leave_one_out")
        return self._refits("leave one out", None)

    def cumulative(self, order: ArrayLike | None = None) -> Refits:
        """The model of the first study, the first two, ..., in the order given or sorted by `order`."""
        self.need_no_moderators("cumulative")
        return self._refits("cumulative", order)

    def _refits(self, kind: str, order: ArrayLike | None) -> Refits:
        from kmeta.methods.meta.study_by_study import refits_of_studies

        return refits_of_studies(self, kind, order, self._part)

    def _part(self, rows: Sequence[int]) -> MetaFit:
        """The same model of some rows."""
        return fit_correlated(
            self.yi[list(rows)],
            self.covariance.subset(rows),
            np.ones((len(rows), 1)),
            (INTERCEPT,),
            random=self.random,
            struct=list(self.struct),
            data={name: [column[i] for i in rows] for name, column in self.grouping.items()},
            groups=tuple(self.groups[i] for i in rows),
            measure=self.measure,
            method=self.method,
            test=self.test,
            df=self.df_method,
            level=self.level,
            pi=self.pi,
            labels=tuple(self.labels[i] for i in rows),
        )

    def summary(self) -> str:
        """The model as a methodologist expects it printed."""
        from kmeta.methods.meta.summary import summary

        return summary(self)

    def heterogeneity_lines(self) -> list[str]:
        """The variances and correlations, one a line, for `summary`."""
        return [
            f"  {part.kind} {part.term}{f' [{part.level}]' if part.level else ''}: {decimal(part.value, 4)}"
            for part in self.parts
        ]

    def r_script(self) -> str:
        """R code with the data inline: the metafor call that gives the same numbers."""
        from kmeta.methods.meta.r_multilevel import r_multilevel

        return r_multilevel(self)


def scaled(model: BlockModel, theta: Floats, *, back: bool = False) -> Floats:
    """Parameters of the data's scale on the model's, or back: variances by unit**2, deviations and roots by unit."""
    powers = {"variance": 2, "sd": 1, "root": 1, "free": 1, "rho": 0}
    kinds = [kind for term in model.terms for kind in term.kinds]
    factor = np.array([model.unit ** powers[kind] for kind in kinds])
    return np.asarray(theta * factor if back else theta / factor)


def bounds(terms: Sequence[Term]) -> tuple[Floats, Floats]:
    """(lowest, highest) value of each parameter."""
    low, high = [], []
    for term in terms:
        for kind in term.kinds:
            low.append(term.least_rho if kind == "rho" else -math.inf if kind == "free" else 0.0)
            high.append(1.0 if kind == "rho" else math.inf)
    return np.array(low), np.array(high)


def starts(model: BlockModel) -> list[Floats]:
    """Where the search begins: the variance shared evenly, each term with most of it, and nearly none.

    Of a structure with a variance for each level, also each level with little and with most of it: those are the places
    of other modes.
    """
    middle = float(np.median(np.concatenate([np.einsum("bii->bi", v).ravel() for v in model.v])))
    excess = max(model.rss / max(1, model.k - model.p) - middle, 0.1 * middle)
    n = len(model.terms)
    even = [1 / n] * n
    found = [_start(model, excess, even, 0.5)]
    if model.k > MANY_STARTS:
        return found if model.size <= 2 else [*found, _start(model, excess, [0.02] * n, 0.9)]
    for i in range(n):
        rest = 0.05 if n > 1 else 0.0
        found.append(_start(model, excess, [0.9 if i == j else rest for j in range(n)], 0.0))
    found.append(_start(model, excess, [0.02] * n, 0.9))
    found.append(_start(model, excess, [3.0 / n] * n, -0.5))
    own = ("sd", "root")
    kinds = [kind for term in model.terms for kind in term.kinds]
    levels = [i for i, kind in enumerate(kinds) if kind in own]
    if 1 < len(levels) <= MANY_LEVELS:
        for i in levels:
            for scale, others in ((0.05, 1.0), (1.5, 0.1)):
                start = _start(model, excess, even, 0.9)
                factor = np.where(np.isin(np.arange(len(kinds)), levels), others, 1.0)
                factor[i] = scale
                found.append(start * factor)
    return found


def _start(model: BlockModel, excess: float, share: Sequence[float], rho: float) -> Floats:
    values = []
    for term, part in zip(model.terms, share, strict=True):
        variance = part * excess
        given = {
            "variance": variance,
            "sd": math.sqrt(variance),
            "root": math.sqrt(variance),
            "free": 0.5 * rho * math.sqrt(variance),
        }
        given["rho"] = max(rho, 0.5 * term.least_rho) if rho < 0 else rho
        values += [given[kind] for kind in term.kinds]
    return np.array(values)


def best_theta(model: BlockModel, *, restricted: bool) -> Floats:
    """The parameters of the highest likelihood found, on the model's scale."""
    if not model.size:
        return np.empty(0)
    low, high = bounds(model.terms)

    def point(theta: Floats) -> Any:
        return model.point(theta, restricted=restricted)

    theta, here = highest(point, starts(model), low, high)
    kinds = [kind for term in model.terms for kind in term.kinds]
    flat = [i for i, kind in enumerate(kinds) if kind in ("sd", "root") and theta[i] == 0]
    if flat:  # a deviation's slope vanishes at 0, so 0 is only believed after a start beside it
        beside = theta.copy()
        beside[flat] = 0.2 * math.sqrt(max(model.rss / model.k, 1.0))
        again, there = highest(point, [beside], low, high)
        if there.height > here.height + 1e-10:
            return again
    return theta


def containment(terms: Sequence[Term], x: Floats) -> tuple[float, ...]:
    """Degrees of freedom of each coefficient: the levels of the smallest factor in which it does not vary, less p."""
    k, p = x.shape
    found = []
    for j in range(p):
        column = x[:, j]
        left = k
        for term in terms:
            n = len(term.outer_levels)
            top = np.full(n, -math.inf)
            bottom = np.full(n, math.inf)
            np.maximum.at(top, term.outer, column)
            np.minimum.at(bottom, term.outer, column)
            if (top == bottom).all():
                left = min(left, n)
        found.append(float(left - p))
    return tuple(found)


def fit_correlated(
    y: Floats,
    covariance: SamplingCovariance,
    x: Floats,
    names: tuple[str, ...],
    *,
    random: tuple[str, ...],
    struct: str | Sequence[str],
    data: Mapping[str, Sequence[object] | ArrayLike],
    groups: tuple[str, ...] | None,
    measure: str,
    method: str,
    test: str,
    df: str,
    level: float,
    pi: str,
    labels: tuple[str, ...],
    factors: Mapping[str, Category] | None = None,
    formula: Formula | None = None,
) -> MultilevelFit:
    """The model of `y` with design `x` and its named columns; arguments are checked by `multilevel`."""
    k = len(x)
    terms = terms_of(random, data, k, struct)
    model = BlockModel(y, covariance, x, terms)
    theta = best_theta(model, restricted=method == "REML")
    at = model.solve(theta)
    if at is None:
        raise ConvergenceError("the covariance at the highest likelihood is singular", last=theta)
    back = np.linalg.inv(model.r)
    beta = back @ (at.beta + model.first) * model.unit
    vcov = back @ at.vcov @ back.T * model.unit**2
    se = np.sqrt(np.diag(vcov))
    dfs = _dfs(terms, x, test, df)
    natural = scaled(model, theta, back=True)
    parts = tuple(
        part for term, own in zip(terms, model.split(natural), strict=True) for part in term.parts(own)
    )
    numbers_ = _heterogeneity(model, parts)
    outer = terms[0].outer if terms else np.arange(k)
    group_names = terms[0].outer_levels if terms else labels
    used = {name for term in random for name in _columns(term)}
    plain = x.shape[1] == 1 and bool((x == 1).all())
    tested = tested_terms(names)
    qm, qm_df, qm_p = omnibus(beta, vcov, tested, min(dfs[j] for j in tested))
    mu, first, freedom = float(beta[0]), float(se[0]), dfs[0]
    crit = quantile(level, freedom)
    fit = MultilevelFit(
        yi=y,
        vi=covariance.vi,
        covariance=covariance,
        measure=measure,
        method=method,
        test=test,
        level=level,
        mu=mu,
        se=first,
        ci_low=mu - crit * first,
        ci_high=mu + crit * first,
        pi_low=math.nan,
        pi_high=math.nan,
        statistic=mu / first,
        df=freedom,
        p_value=two_sided(mu / first, freedom),
        tau2_low=math.nan,
        tau2_high=math.nan,
        weights=_weights(model, at, plain),
        labels=labels,
        model="multilevel",
        pi=pi,
        terms=("mu",) if plain else names,
        x=None if plain else frozen(x),
        beta=None if plain else frozen(beta),
        vcov=None if plain else frozen(vcov),
        qm=qm,
        qm_df=qm_df,
        qm_p=qm_p,
        structure=tuple(part.term for part in parts if part.kind == "sigma2"),
        sigma2=tuple(part.value for part in parts if part.kind == "sigma2"),
        groups=groups if groups is not None else tuple(group_names[i] for i in outer.tolist()),
        random=random,
        struct=tuple(term.written for term in terms if term.struct),
        grouping={name: tuple(map(str, _listed(data[name]))) for name in data if name in used},
        parts=parts,
        theta=tuple(natural.tolist()),
        dfs=dfs,
        df_method=df,
        factors=factors or {},
        formula=formula,
        warnings=_warnings(terms, model),
        **numbers_,
    )
    return _with_prediction(fit)


def _with_prediction(fit: MultilevelFit) -> MultilevelFit:
    """The fit with the prediction interval of a single coefficient filled in."""
    import dataclasses

    if fit.x is not None or fit.k_groups < 3:
        return fit
    row = fit.predict()
    return dataclasses.replace(fit, pi_low=float(row.pi_low[0]), pi_high=float(row.pi_high[0]))


def _columns(formula: str) -> list[str]:
    inner, _, outer = formula.replace("~", "").partition("|")
    return [name.strip() for name in (inner, *outer.split("/"))]


def _listed(values: Sequence[object] | ArrayLike) -> list[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else list(values)  # type: ignore[arg-type]


def _dfs(terms: Sequence[Term], x: Floats, test: str, df: str) -> tuple[float, ...]:
    k, p = len(x), len(x.T)
    if test == "z":
        return (math.inf,) * p
    if df == "residual":
        return (float(k - p),) * p
    found = containment(terms, x)
    if min(found) < 1:
        raise InputError(
            "no degrees of freedom are left by containment: a factor has no more levels than there are coefficients",
            where="df",
            hint='test="z" or df="residual"',
        )
    return found


def _weights(model: BlockModel, at: Any, plain: bool) -> Floats:
    """Percent: of the mean of a model without moderators, the diagonal of M^-1 otherwise."""
    out = np.empty(model.k)
    if plain:
        # the row of coefficients: (X'M^-1X)^-1 X'M^-1
        out[model.order] = at.a[:, :-1] @ at.core[:, 0]
    else:
        diagonal = np.concatenate([np.einsum("bii->bi", inverse).ravel() for inverse in at.inverses])
        u = at.a[:, model.p : -1]
        out[model.order] = diagonal - np.einsum("ij,jk,ik->i", u, at.wide, u)
    return frozen(100 * out / out.sum())


def _heterogeneity(model: BlockModel, parts: Sequence[Part]) -> dict[str, Any]:
    """Cochran's Q with the whole covariance of the errors, I2 and H2 from the typical variance."""
    fixed = model.solve(np.zeros(model.size))
    assert fixed is not None  # noqa: S101
    df = model.k - model.p
    a = fixed.a[:, :-1]
    trace = sum(float(np.einsum("bii->", inverse)) for inverse in fixed.inverses)
    trace -= float(np.sum(a * (a @ fixed.core)))
    vt = df / trace * model.unit**2
    single = not any(part.level for part in parts if part.kind == "tau2")
    tau2 = math.fsum(part.value for part in parts if part.kind != "rho") if single else math.nan
    return {
        "q": fixed.quadratic,
        "q_df": df,
        "q_p": chi2_tail(fixed.quadratic, df),
        "vt": vt,
        "tau2": tau2,
        "i2": tau2 / (tau2 + vt),
        "h2": tau2 / vt + 1,
    }


def _warnings(terms: Sequence[Term], model: BlockModel) -> tuple[str, ...]:
    said = [
        f"{term.name} has one level: its variance cannot be told from the mean"
        for term in terms
        if not term.struct and len(term.outer_levels) == 1
    ]
    alone = [term.name for term in terms if not term.struct and len(term.outer_levels) == model.k]
    if len(alone) > 1:
        said.append(f"{' and '.join(alone)} have one estimate a level each: only their sum is known")
    few = [term for term in terms if 1 < len(term.outer_levels) < 3]
    said += [f"{term.name} has two groups: how they differ is hardly known" for term in few]
    return tuple(said)
