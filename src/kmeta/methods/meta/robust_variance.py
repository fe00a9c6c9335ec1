"""Robust variance estimation without a likelihood: dependent effects under a working model of their covariance."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.numbers import decimal, p_phrase, percent
from kmeta.core.result import Result
from kmeta.methods.meta.distributions import quantile, two_sided
from kmeta.methods.meta.inputs import estimates, level_of
from kmeta.methods.meta.moderators import INTERCEPT, design_of, tested_terms
from kmeta.methods.meta.r_script import text, vector
from kmeta.methods.meta.robust import _Cluster, _pieces, _satterthwaite, joint_test
from kmeta.methods.meta.robust_tests import RobustTests, Sandwich
from kmeta.methods.meta.sample import orthonormal
from kmeta.methods.meta.sampling_covariance import Ints, codes_of

if TYPE_CHECKING:
    from kmeta.methods.meta.categories import Category
    from kmeta.methods.meta.formulas import Formula
    from kmeta.methods.meta.random_effects import Moderators

WEIGHTS = ("correlated", "hierarchical")


@dataclass(frozen=True, kw_only=True, eq=False)
class RobustVariance(RobustTests, Result):
    """Coefficients (arrays of p, analysis scale) with cluster-robust tests; `df` of each.

    tau2: variance between clusters; omega2: within them (NaN with correlated weights). i2 a fraction, NaN with
    hierarchical weights. `weights`: shape (k,). `qm`, `qm_df`, `qm_p`: test that the moderators (without any: the mean)
    are all 0, with `small` the approximate Hotelling test. `factors`, `formula`: what the moderators were coded from.
    """

    yi: Floats
    vi: Floats
    cluster: tuple[str, ...]
    x: Floats | None
    working: str
    rho: float
    small: bool
    level: float
    terms: tuple[str, ...]
    beta: Floats
    se: Floats
    vcov: Floats
    df: Floats
    p_value: Floats
    ci_low: Floats
    ci_high: Floats
    tau2: float
    omega2: float
    i2: float
    q: float
    weights: Floats
    clusters: int
    qm: float = math.nan
    qm_df: tuple[float, float] = (math.nan, math.nan)
    qm_p: float = math.nan
    factors: Mapping[str, Category] = field(default_factory=dict)
    formula: Formula | None = None
    warnings: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the estimates: their places."""
        return tuple(str(i + 1) for i in range(len(self.yi)))

    @property
    def moderated(self) -> RobustVariance:
        """Itself."""
        return self

    @property
    def between(self) -> float:
        """tau2, and with hierarchical weights omega2."""
        return self.tau2 + (0.0 if math.isnan(self.omega2) else self.omega2)

    def sandwich(self) -> Sandwich:
        """What the tests of combinations are worked out from."""
        x = np.ones((len(self.yi), 1)) if self.x is None else self.x
        codes, names = codes_of(self.cluster, len(self.yi), "cluster")
        clusters, bread, _ = _clusters_of(self.yi, x, self.weights, codes)
        pieces = _pieces(clusters, bread, "CR2" if self.small else "CR0", needs=self.small)
        return Sandwich(
            clusters, pieces, bread, "satterthwaite" if self.small else "m-p", float(len(names) - x.shape[1])
        )

    def rows(self) -> list[dict[str, Any]]:
        """One row a coefficient."""
        columns = {
            "estimate": self.beta,
            "se": self.se,
            "statistic": self.beta / self.se,
            "df": self.df,
            "p_value": self.p_value,
            "ci_low": self.ci_low,
            "ci_high": self.ci_high,
        }
        values = zip(*(column.tolist() for column in columns.values()), strict=True)
        return [
            {"term": term, **dict(zip(columns, row, strict=True))}
            for term, row in zip(self.terms, values, strict=True)
        ]

    def summary(self) -> str:
        """The coefficients and the working model as aligned text."""
        how = "CR2, Satterthwaite's df" if self.small else "factor m / (m - p), m - p df"
        lines = [
            f"Robust variance estimation, {self.working} weights: {len(self.yi)} estimates in {self.clusters} clusters",
            f"small-sample correction: {how}",
            "",
            super().summary(),
            "",
        ]
        if self.working == "correlated":
            shown = f"rho = {self.rho:g}; tau2 = {decimal(self.tau2, 4)}, I2 = {percent(self.i2, 1)} %"
        else:
            shown = f"tau2 = {decimal(self.tau2, 4)}, omega2 = {decimal(self.omega2, 4)}"
        if self.x is not None:
            first, second = self.qm_df
            shown += f"\nTest of moderators: F({first:g}, {second:.4g}) = {decimal(self.qm, 3)}, {p_phrase(self.qm_p)}"
        return "\n".join([*lines, shown, *(f"Warning: {text}." for text in self.warnings)])

    def r_script(self) -> str:
        """R code: the call of robumeta that gives the same numbers."""
        lines = ["library(robumeta)", "", f"yi <- {vector(map(repr, self.yi.tolist()))}"]
        lines.append(f"vi <- {vector(map(repr, self.vi.tolist()))}")
        lines.append(f"cluster <- {vector(map(text, self.cluster))}")
        formula = "yi ~ 1"
        if self.x is not None:
            rest = [j for j, term in enumerate(self.terms) if term != INTERCEPT]
            lines += [f"x{j} <- {vector(map(repr, self.x[:, j].tolist()))}" for j in rest]
            formula = (
                "yi ~ " + ("" if INTERCEPT in self.terms else "0 + ") + " + ".join(f"x{j}" for j in rest)
            )
        kind = {"correlated": "CORR", "hierarchical": "HIER"}[self.working]
        small = "TRUE" if self.small else "FALSE"
        lines.append(
            f'robu({formula}, studynum = cluster, var.eff.size = vi, modelweights = "{kind}", '
            f"rho = {self.rho:g}, small = {small})"
        )
        return "\n".join(lines) + "\n"


def robust_variance(
    yi: ArrayLike,
    vi: ArrayLike,
    cluster: Sequence[object] | ArrayLike,
    *,
    mods: Moderators | None = None,
    data: Any = None,
    weights: str = "correlated",
    rho: float = 0.8,
    small: bool = True,
    level: float = 0.95,
) -> RobustVariance:
    """Mean or meta-regression of `yi` with variances `vi` (shape (k,)) that depend within `cluster` (k names).

    weights "correlated": the estimates of a cluster share patients; each weighs 1 / (n (mean variance + tau2)) in a
    cluster of n, tau2 by moments with sampling errors correlated by `rho`. "hierarchical": clusters hold separate
    studies; 1 / (v + tau2 + omega2) with both by moments. small: CR2 with Satterthwaite's df under the weights as
    working model; else the sandwich times m / (m - p) with m - p df for m clusters. `mods`,
    `data` as in `random_effects`.

    Raises InputError for unusable data or fewer clusters than coefficients.
    Source: Hedges, Tipton & Johnson 2010, doi:10.1002/jrsm.5; Tipton 2015, doi:10.1037/met0000011.

    >>> fit = robust_variance([0.2, 0.5, -0.1, 0.4], [0.02, 0.03, 0.02, 0.05], ["A", "A", "B", "C"])
    >>> fit.clusters, fit.beta.round(2).tolist()
    (3, [0.2])
    """
    y, v = estimates(yi, vi)
    k = len(y)
    wide = level_of(level)
    codes, names = codes_of(cluster, k, "cluster")
    if weights not in WEIGHTS:
        raise InputError(
            f"no weights are named {weights!r}", where="weights", hint="one of " + ", ".join(WEIGHTS)
        )
    if isinstance(rho, bool) or not isinstance(rho, (int, float)) or not 0 <= rho <= 1:
        raise InputError(f"is {rho!r}", where="rho", hint="a correlation from 0 to 1")
    given, terms, factors, formula = design_of(mods, data, k)
    x = np.ones((k, 1)) if given is None else given
    orthonormal(x)  # refuses collinear columns
    m, p = len(names), x.shape[1]
    if m <= p:
        raise InputError(f"{m} clusters for {p} coefficients", where="cluster", hint="more clusters")
    estimate = _correlated if weights == "correlated" else _hierarchical
    w, tau2, omega2, i2, q = estimate(y, v, x, codes, rho)
    clusters, bread, beta = _clusters_of(y, x, w, codes)
    pieces = _pieces(clusters, bread, "CR2" if small else "CR0", needs=small)
    vcov = pieces.scores.T @ pieces.scores * (1.0 if small else m / (m - p))
    se = np.sqrt(np.diag(vcov))
    if not (se > 0).all():
        raise InputError("every cluster fits exactly: there is no spread to estimate", where="cluster")
    dfs = [_satterthwaite(clusters, pieces, bread, row) if small else float(m - p) for row in np.eye(p)]
    half = np.array([quantile(wide, df) for df in dfs]) * se
    chosen, places = "satterthwaite" if small else "m-p", tested_terms(terms)
    own = [dfs[j] for j in places]
    qm, qm_df, qm_p = joint_test(np.eye(p)[places], beta, vcov, own, chosen, clusters, pieces, bread)
    few = [term for term, df in zip(terms, dfs, strict=True) if small and df < 4]
    return RobustVariance(
        yi=y,
        vi=v,
        cluster=tuple(names[c] for c in codes.tolist()),
        x=given,
        working=weights,
        rho=float(rho),
        small=small,
        level=wide,
        terms=terms,
        beta=frozen(beta),
        se=frozen(se),
        vcov=frozen(vcov),
        df=frozen(dfs),
        p_value=frozen([two_sided(float(b / s), df) for b, s, df in zip(beta, se, dfs, strict=True)]),
        ci_low=frozen(beta - half),
        ci_high=frozen(beta + half),
        tau2=tau2,
        omega2=omega2,
        i2=i2,
        q=q,
        weights=frozen(w),
        clusters=m,
        qm=qm,
        qm_df=qm_df,
        qm_p=qm_p,
        factors=factors,
        formula=formula,
        warnings=(f"fewer than 4 degrees of freedom for {', '.join(few)}: the t test is not trusted",)
        if few
        else (),
    )


def _clusters_of(y: Floats, x: Floats, w: Floats, codes: Ints) -> tuple[list[_Cluster], Floats, Floats]:
    """(clusters under the weights as working model, (X'WX)^-1, coefficients)."""
    bread: Floats = np.asarray(np.linalg.inv(x.T @ (x * w[:, None])), dtype=np.float64)
    beta = bread @ (x.T @ (w * y))
    order = np.argsort(codes, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
    e = y - x @ beta
    return [_Cluster(r, x[r], e[r], x[r] * w[r, None], np.diag(1 / w[r])) for r in groups], bread, beta


def _correlated(
    y: Floats, v: Floats, x: Floats, codes: Ints, rho: float
) -> tuple[Floats, float, float, float, float]:
    """(weights, tau2, NaN, I2, Q): the moments of Q when a cluster's errors have its mean variance and `rho`."""
    size = np.bincount(codes).astype(float)
    mean = np.bincount(codes, weights=v) / size
    w = (1 / (size * mean))[codes]
    bread = np.linalg.inv(x.T @ (x * w[:, None]))
    e = y - x @ (bread @ (x.T @ (w * y)))
    q = float(w @ (e * e))
    sums = _cluster_sums(x, codes)
    per = 1 / (size * mean)
    own = x.T @ (x * (per / size)[codes][:, None])
    shared = sums.T @ (sums * (per / size)[:, None])
    expected = len(size) - float(np.sum(bread * (own + rho * (shared - own))))
    slope = float(w.sum()) - float(np.sum(bread * (sums.T @ (sums * (per * per)[:, None]))))
    tau2 = max(0.0, (q - expected) / slope)
    i2 = max(0.0, (q - expected) / q) if q > 0 else 0.0
    return (1 / (size * (mean + tau2)))[codes], tau2, math.nan, i2, q


def _hierarchical(
    y: Floats, v: Floats, x: Floats, codes: Ints, rho: float
) -> tuple[Floats, float, float, float, float]:
    """(weights, tau2, omega2, NaN, Q): the moments of the weighted and of the cluster sums of squares."""
    del rho
    w = 1 / v
    bread = np.linalg.inv(x.T @ (x * w[:, None]))
    e = y - x @ (bread @ (x.T @ (w * y)))
    q, sums = float(w @ (e * e)), np.bincount(codes, weights=e)
    size = np.bincount(codes).astype(float)

    def together(a: Floats) -> Floats:
        return _cluster_sums(a, codes)[codes]

    def weigh(a: Floats) -> Floats:
        return a * w[:, None]

    def expected(form: Callable[[Floats], Floats], spread: Callable[[Floats], Floats], trace: float) -> float:
        wx = weigh(x)
        once = float(np.sum(bread * (wx.T @ spread(form(x)))))
        twice = np.trace(bread @ (wx.T @ spread(wx)) @ bread @ (x.T @ form(x)))
        return trace - 2 * once + float(twice)

    def same(a: Floats) -> Floats:
        return a

    total, k = float(w.sum()), float(len(y))
    a1 = expected(weigh, together, total)
    b1 = expected(weigh, same, total)
    c1 = expected(weigh, lambda a: a * v[:, None], k)
    a2 = expected(together, together, float(size @ size))
    b2 = expected(together, same, k)
    c2 = expected(together, lambda a: a * v[:, None], float(v.sum()))
    second = float(sums @ sums)
    determinant = a1 * b2 - a2 * b1
    omega2 = 0.0
    if abs(determinant) > 1e-12 * max(abs(a1 * b2), abs(a2 * b1)):
        omega2 = max(0.0, (a1 * (second - c2) - a2 * (q - c1)) / determinant)
    tau2 = max(0.0, (q - c1 - omega2 * b1) / a1)
    return 1 / (v + tau2 + omega2), tau2, omega2, math.nan, q


def _cluster_sums(a: Floats, codes: Ints) -> Floats:
    out = np.zeros((int(codes.max()) + 1, a.shape[1]))
    np.add.at(out, codes, a)
    return out
