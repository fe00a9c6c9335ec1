"""Cluster-robust variance of a fit's coefficients, with small-sample corrections and degrees of freedom.

Cluster by cluster: no k x k matrix is made, memory is the sum of the squared cluster sizes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.numbers import decimal, interval, p_phrase
from kmeta.core.result import Result
from kmeta.methods.meta.correlated import MultilevelFit, scaled
from kmeta.methods.meta.distributions import chi2_tail, quantile, two_sided
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.moderators import tested_terms
from kmeta.methods.meta.robust_tests import RobustTests, Sandwich
from kmeta.methods.meta.sampling_covariance import Ints, SamplingCovariance, codes_of

KINDS = ("CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3")
DF = ("satterthwaite", "m-p", "m-1", "z")
RANK = 1e-10  # an adjustment's eigenvalue below this share of the largest counts as 0


@dataclass(frozen=True, kw_only=True, eq=False)
class RobustFit(RobustTests, Result):
    """Coefficients of `fit` with cluster-robust standard errors, on the analysis scale.

    Arrays of p; `df` of each coefficient's t test (infinite for z). `qm`, `qm_df`, `qm_p`: test that the moderators
    (without any: the mean) are all 0. mu, se and ci are those of the first coefficient.
    """

    fit: MetaFit
    kind: str
    df_method: str
    clusters: int
    level: float
    terms: tuple[str, ...]
    beta: Floats
    se: Floats
    vcov: Floats
    df: Floats
    statistic: Floats
    p_value: Floats
    ci_low: Floats
    ci_high: Floats
    qm: float
    qm_df: tuple[float, float]
    qm_p: float
    cluster: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def mu(self) -> float:
        """The first coefficient: the mean of a model without moderators."""
        return float(self.beta[0])

    def rows(self) -> list[dict[str, Any]]:
        """One row a coefficient."""
        natural = self.fit.on_scale if self.fit.beta is None else lambda value: math.nan
        columns = (self.beta, self.se, self.statistic, self.df, self.p_value, self.ci_low, self.ci_high)
        names = ("estimate", "se", "statistic", "df", "p_value", "ci_low", "ci_high")
        found = []
        for term, *values in zip(self.terms, *(column.tolist() for column in columns), strict=True):
            row = {"term": term, **dict(zip(names, values, strict=True))}
            row["effect"], row["effect_low"], row["effect_high"] = (
                natural(row[name]) for name in ("estimate", "ci_low", "ci_high")
            )
            found.append(row)
        return found

    def summary(self) -> str:
        """The coefficients as a methodologist expects them printed."""
        level = f"{100 * self.level:g} % CI"
        lines = [
            f"Cluster-robust tests ({self.kind}): k = {self.fit.k} estimates in {self.clusters} clusters",
            f"analysed on the {self.fit.scale} scale; degrees of freedom: {self.df_method}",
            "",
        ]
        cells = [["", "estimate", "se", "df", level, "P"]]
        for row in self.rows():
            p = p_phrase(row["p_value"]).removeprefix("P ").removeprefix("= ")
            ci = interval(decimal(row["ci_low"], 4), decimal(row["ci_high"], 4))
            cells.append(
                [row["term"], decimal(row["estimate"], 4), decimal(row["se"], 4), f"{row['df']:.4g}", ci, p]
            )
        width = [max(len(row[j]) for row in cells) for j in range(len(cells[0]))]
        for row_ in cells:
            rest = [cell.rjust(w) for cell, w in zip(row_[1:], width[1:], strict=True)]
            lines.append("  ".join([row_[0].ljust(width[0]), *rest]))
        first, second = self.qm_df
        name = f"chi2({first:g})" if math.isnan(second) else f"F({first:g}, {second:.4g})"
        what = "moderators" if len(self.terms) > 1 else self.terms[0]
        lines += ["", f"Test of {what}: {name} = {decimal(self.qm, 3)}, {p_phrase(self.qm_p)}"]
        return "\n".join([*lines, *(f"Warning: {text}." for text in self.warnings)])

    def sandwich(self) -> Sandwich:
        """What the tests of combinations are worked out from."""
        needs = self.kind in ("CR2", "CR3") or self.df_method == "satterthwaite"
        clusters, bread, _ = _clusters(self.fit, codes_of(self.cluster, self.fit.k, "cluster")[0], needs)
        dfs = self.df_method, float(self.df[0])
        return Sandwich(clusters, _pieces(clusters, bread, self.kind, needs), bread, *dfs)

    @property
    def moderated(self) -> MetaFit:
        """The model that the coefficients are of."""
        return self.fit

    @property
    def between(self) -> float:
        """Variance of the true effects; NaN where levels differ in it."""
        return math.nan if self.fit.model == "location-scale" else self.fit.tau2

    def r_script(self) -> str:
        """R code: the fit, then its cluster-robust tests by metafor or clubSandwich."""
        from kmeta.methods.meta.r_multilevel import r_robust

        return r_robust(self)


class _Cluster(NamedTuple):
    """One cluster's rows (n,), design, residuals, W X of the whole model at its rows, and its working covariance."""

    rows: Ints
    x: Floats
    e: Floats
    wx: Floats
    phi: Floats | None


class _Pieces(NamedTuple):
    """What the variance and the degrees of freedom take from each of m clusters."""

    scores: Floats  # (m, p): bread E_i e_i
    q: list[Floats]  # (n_i, p): A_i W_i X_i bread, the columns for each coefficient
    h: Floats  # (m, p, p): X_i' q_i


def robust(
    fit: MetaFit,
    cluster: Sequence[object] | ArrayLike,
    *,
    kind: str = "CR2",
    df: str | None = None,
    level: float | None = None,
) -> RobustFit:
    """Cluster-robust (sandwich) variance of the coefficients of `fit`; `cluster` names each estimate's cluster (k,).

    kind: CR0, the plain sandwich; CR1 times m / (m - 1) for m clusters; CR1p times m / (m - p) (what metafor's robust()
    does); CR1S times m (k - 1) / ((m - 1) (k - p)); CR2, bias-reduced: unbiased where the model's covariance is right;
    CR3, close to the jackknife. df: "satterthwaite" (default of CR2 and CR3), "m-p" (default of the others), "m-1"
    or "z". With "satterthwaite" several coefficients are tested together by the approximate Hotelling test. The
    working covariance is the model's. CR2, CR3 and Satterthwaite's df ask that no random effect joins clusters.

    Raises InputError for an unknown option, too few clusters or clusters that do not hold whole studies.
    Source: Bell & McCaffrey 2002; Tipton & Pustejovsky 2015, doi:10.3102/1076998615606099; Pustejovsky & Tipton 2018,
    doi:10.1080/07350015.2016.1247004.
    """
    if kind not in KINDS:
        raise InputError(f"no kind is named {kind!r}", where="kind", hint="one of " + ", ".join(KINDS))
    chosen = df if df is not None else ("satterthwaite" if kind in ("CR2", "CR3") else "m-p")
    if chosen not in DF:
        raise InputError(f"no df is named {df!r}", where="df", hint="one of " + ", ".join(DF))
    if fit.user_weights is not None:
        raise InputError("the fit has weights of the user", where="weights", hint="fit without them")
    codes, names = codes_of(cluster, fit.k, "cluster")
    m, p = len(names), len(fit.terms)
    if m - p < 1:
        raise InputError(
            f"{m} clusters for {p} coefficients", where="cluster", hint="more clusters than coefficients"
        )
    needs = kind in ("CR2", "CR3") or chosen == "satterthwaite"
    clusters, bread, beta = _clusters(fit, codes, needs)
    pieces = _pieces(clusters, bread, kind, needs)
    factor = {"CR1": m / (m - 1), "CR1p": m / (m - p), "CR1S": m * (fit.k - 1) / ((m - 1) * (fit.k - p))}
    vcov = pieces.scores.T @ pieces.scores * factor.get(kind, 1.0)
    identity = np.eye(p)
    if chosen == "satterthwaite":
        dfs = [_satterthwaite(clusters, pieces, bread, row) for row in identity]
    else:
        dfs = [{"m-p": float(m - p), "m-1": float(m - 1), "z": math.inf}[chosen]] * p
    return _assembled(fit, kind, chosen, m, beta, vcov, dfs, clusters, pieces, bread, level, cluster)


def _assembled(
    fit: MetaFit,
    kind: str,
    chosen: str,
    m: int,
    beta: Floats,
    vcov: Floats,
    dfs: list[float],
    clusters: list[_Cluster],
    pieces: _Pieces,
    bread: Floats,
    level: float | None,
    cluster: Sequence[object] | ArrayLike,
) -> RobustFit:
    from kmeta.methods.meta.inputs import level_of

    wide = level_of(fit.level if level is None else level)
    se = np.sqrt(np.diag(vcov))
    if not (se > 0).all():
        raise InputError("every cluster fits exactly: there is no spread to estimate", where="cluster")
    crit = np.array([quantile(wide, df) for df in dfs])
    places = tested_terms(fit.terms)
    own = [dfs[j] for j in places]
    qm, qm_df, qm_p = joint_test(np.eye(len(beta))[places], beta, vcov, own, chosen, clusters, pieces, bread)
    warnings = [f"{m} clusters: robust tests of so few are hardly known"] if m < 5 else []
    if chosen == "satterthwaite":
        warnings += [
            f"{min(dfs):.1f} degrees of freedom for {fit.terms[int(np.argmin(dfs))]}: below 4 the t test is not trusted"
        ] * (min(dfs) < 4)
    return RobustFit(
        fit=fit,
        kind=kind,
        df_method=chosen,
        clusters=m,
        level=wide,
        terms=fit.terms,
        beta=frozen(beta),
        se=frozen(se),
        vcov=frozen(vcov),
        df=frozen(dfs),
        statistic=frozen(beta / se),
        p_value=frozen([two_sided(float(b / s), d) for b, s, d in zip(beta, se, dfs, strict=True)]),
        ci_low=frozen(beta - crit * se),
        ci_high=frozen(beta + crit * se),
        qm=qm,
        qm_df=qm_df,
        qm_p=qm_p,
        cluster=tuple(str(c) for c in (cluster.tolist() if isinstance(cluster, np.ndarray) else cluster)),  # type: ignore[union-attr]
        warnings=tuple(warnings),
    )


def _clusters(fit: MetaFit, codes: Ints, nested: bool) -> tuple[list[_Cluster], Floats, Floats]:
    """(clusters, (X'M^-1X)^-1, coefficients)."""
    general = fit if isinstance(fit, MultilevelFit) else as_correlated(fit)
    model = general.block_model()
    theta = scaled(model, np.array(general.theta))
    at = model.solve(theta)
    assert at is not None  # noqa: S101
    unit, back = model.unit, np.linalg.inv(model.r)
    x = general.design
    beta = back @ (at.beta + model.first) * unit
    bread = back @ at.vcov @ back.T * unit**2
    wx, e = np.empty_like(x), np.empty(model.k)
    # M^-1 X: B^-1 X less what the crossed effects share
    low = model.p
    part = at.a[:, :low] - at.a[:, low:-1] @ (at.wide @ (model.t[:, low:-1].T @ at.a[:, :low]))
    wx[model.order] = part @ model.r / unit**2
    e = general.yi - x @ beta
    phi = _working(model, theta, codes, nested)
    order = np.argsort(codes, kind="stable")
    edges = np.flatnonzero(np.diff(codes[order], prepend=-1))
    found = []
    for i, rows in enumerate(np.split(order, edges[1:])):
        found.append(_Cluster(rows, x[rows], e[rows], wx[rows], phi[i] if phi else None))
    return found, bread, beta


def _working(model: Any, theta: Floats, codes: Ints, nested: bool) -> list[Floats]:
    """M of each cluster; refused where `nested` is asked for and a random effect or an error joins clusters."""
    if not nested:
        return []
    crossing = [term.name for term in model.terms if not _within(term.outer, codes)]
    for rows in model.rows:
        if not crossing and (codes[rows] != codes[rows[:, :1]]).any():
            crossing = ["the sampling covariance"]
    if crossing:
        raise InputError(
            f"{' and '.join(crossing)} joins estimates of different clusters",
            where="cluster",
            hint='clusters that hold whole groups, or kind="CR1p" with df="m-p"',
        )
    size = np.bincount(codes)
    found = [np.zeros((n, n)) for n in size.tolist()]
    place = np.empty(len(codes), dtype=np.intp)
    order = np.argsort(codes, kind="stable")
    place[order] = np.arange(len(codes)) - np.repeat(np.cumsum(size) - size, size)
    for rows, blocks in zip(model.rows, model.blocks(theta), strict=True):
        for index, block in zip(rows, blocks, strict=True):
            here = place[index]
            found[int(codes[index[0]])][here[:, None], here] = block * model.unit**2
    for term, part in zip(model.terms, model.split(theta), strict=True):
        if term in model.columns:
            for code, rows in enumerate(np.split(order, np.cumsum(size)[:-1])):
                level = term.outer[rows]
                found[code] += float(part[0]) * model.unit**2 * (level[:, None] == level)
    return found


def _within(outer: Ints, codes: Ints) -> bool:
    """Whether every level of a factor lies in one cluster."""
    low = np.full(int(outer.max()) + 1, len(codes))
    high = np.full(int(outer.max()) + 1, -1)
    np.minimum.at(low, outer, codes)
    np.maximum.at(high, outer, codes)
    return bool((low >= high).all())


def as_correlated(fit: MetaFit) -> MultilevelFit:
    """Any fit in the general form: its estimates independent, its variances where they belong."""
    k = fit.k
    if fit.model == "multilevel" and fit.k_groups < k:
        random: tuple[str, ...] = ("1 | study/arm",) if len(fit.sigma2) == 2 else ("1 | study",)
        theta = fit.sigma2
        grouping: dict[str, tuple[object, ...]] = {"study": fit.groups, "arm": tuple(map(str, range(k)))}
    else:
        random, theta, grouping = ("1 | study",), (fit.tau2,), {"study": tuple(map(str, range(k)))}
    values = {name: getattr(fit, name) for name in MetaFit.__dataclass_fields__}
    return MultilevelFit(
        **values,
        covariance=SamplingCovariance(vi=fit.vi),
        random=random,
        grouping=grouping,
        theta=tuple(theta),
        dfs=(fit.df,) * len(fit.terms),
    )


def _pieces(clusters: list[_Cluster], bread: Floats, kind: str, needs: bool) -> _Pieces:
    scores, qs, hs = [], [], []
    for one in clusters:
        q = _adjusted(one, bread, kind)
        scores.append(q.T @ one.e)
        if needs:
            qs.append(q)
            hs.append(one.x.T @ q)
    return _Pieces(np.array(scores), qs, np.array(hs))


def _adjusted(one: _Cluster, bread: Floats, kind: str) -> Floats:
    """A_i' W_i X_i bread, (n, p)."""
    wxb: Floats = one.wx @ bread
    if kind == "CR3":
        leverage = one.x @ bread @ one.wx.T
        return np.linalg.pinv(np.eye(len(one.rows)) - leverage).T @ wxb
    if kind != "CR2":
        return wxb
    phi = one.phi
    assert phi is not None  # noqa: S101
    spread = phi - one.x @ bread @ one.x.T
    if len(phi) == 1:
        share = float(spread[0, 0] / phi[0, 0])
        return wxb / math.sqrt(share) if share > RANK else 0 * wxb
    root = np.linalg.cholesky(phi)  # phi = root root'
    values, vectors = np.linalg.eigh(root.T @ spread @ root)
    keep = values > RANK * values.max()
    inverse = (vectors[:, keep] / np.sqrt(values[keep])) @ vectors[:, keep].T
    adjusted: Floats = root @ (inverse @ (root.T @ wxb))
    return adjusted


def _satterthwaite(clusters: list[_Cluster], pieces: _Pieces, bread: Floats, contrast: Floats) -> float:
    """2 E(v)**2 / Var(v) of the contrast's variance estimate under the working covariance."""
    own, shared = _moments(clusters, pieces, bread, contrast[:, None])
    d, u = own[:, 0, 0], shared[:, :, 0]
    mean = float(np.sum(d) - np.sum(u * u))
    gram = u.T @ u
    square = float(np.sum(d * d) - 2 * np.sum(d * np.sum(u * u, axis=1)) + np.sum(gram * gram))
    return mean**2 / square


def _moments(
    clusters: list[_Cluster], pieces: _Pieces, bread: Floats, contrasts: Floats
) -> tuple[Floats, Floats]:
    """(own, shared) of contrasts (p, c): the working covariance of cluster i's score for s and cluster j's for t is

    own[i, s, t] where i = j, less shared[i, :, s] @ shared[j, :, t].
    """
    root = np.linalg.cholesky(bread)
    own = []
    for one, q in zip(clusters, pieces.q, strict=True):
        assert one.phi is not None  # noqa: S101
        g = q @ contrasts
        own.append(g.T @ one.phi @ g)
    shared = root.T @ (pieces.h @ contrasts)
    return np.array(own), shared


def joint_test(
    rows: Floats,
    beta: Floats,
    vcov: Floats,
    dfs: Sequence[float],
    chosen: str,
    clusters: list[_Cluster],
    pieces: _Pieces,
    bread: Floats,
) -> tuple[float, tuple[float, float], float]:
    """Wald test that the combinations `rows` (q, p) are all 0, each with its `dfs`.

    With Satterthwaite's df it is the approximate Hotelling T2 test (HTZ).
    """
    from scipy.special import fdtrc

    b, q = rows @ beta, len(rows)
    part = rows @ vcov @ rows.T
    if np.linalg.matrix_rank(part) < q:
        return math.nan, (float(q), math.nan), math.nan
    wald = float(b @ np.linalg.solve(part, b))
    if chosen == "z":
        return wald, (float(q), math.nan), chi2_tail(wald, q)
    if chosen != "satterthwaite" or q == 1:
        left = min(dfs)
        return wald / q, (float(q), left), float(fdtrc(q, left, wald / q))
    eta = _hotelling_df(clusters, pieces, bread, rows.T)
    left = eta - q + 1
    if left <= 0:
        return math.nan, (float(q), left), math.nan
    f = left / (eta * q) * wald
    return f, (float(q), left), float(fdtrc(q, left, f))


def _hotelling_df(clusters: list[_Cluster], pieces: _Pieces, bread: Floats, contrasts: Floats) -> float:
    """Degrees of freedom of the Wishart that has the variance estimate's total variance, standardised by its mean."""
    own, shared = _moments(clusters, pieces, bread, contrasts)
    mean = own.sum(axis=0) - np.einsum("ias,iat->st", shared, shared)
    turn = np.linalg.inv(np.linalg.cholesky(mean)).T
    own, shared = _moments(clusters, pieces, bread, contrasts @ turn)
    q = own.shape[1]
    total = 0.0
    for s in range(q):
        for t in range(q):
            us, ut, cross = shared[:, :, s], shared[:, :, t], own[:, s, t]
            total += float(own[:, s, s] @ own[:, t, t]) + float(cross @ cross)
            total -= float(own[:, s, s] @ (ut * ut).sum(axis=1) + own[:, t, t] @ (us * us).sum(axis=1))
            total -= 2 * float(cross @ (us * ut).sum(axis=1))
            gram = us.T @ ut
            total += float(np.sum(gram * gram) + np.sum(gram * gram.T))
    return float(q * (q + 1) / total)
