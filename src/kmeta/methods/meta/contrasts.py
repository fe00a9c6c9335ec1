"""Tests of a meta-regression's coefficients: of several at once, of combinations of them, of one model in another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.methods.meta.distributions import chi2_tail, quantile, two_sided
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.influence import table
from kmeta.methods.meta.moderators import omnibus
from kmeta.methods.meta.of_fit import OfFit

if TYPE_CHECKING:
    from kmeta.methods.meta.categories import Category
    from kmeta.methods.meta.formulas import Formula
    from kmeta.methods.meta.robust_tests import RobustTests


@dataclass(frozen=True, kw_only=True, eq=False)
class ContrastTest(OfFit):
    """Combinations of coefficients, each with its test, and the test of all together (chi2, or F with two df).

    `df` of each combination is infinite for z. `fit` may be a cluster-robust one.
    """

    labels: tuple[str, ...]
    estimate: Floats
    se: Floats
    ci_low: Floats
    ci_high: Floats
    p_value: Floats
    df: Floats
    qm: float
    qm_df: tuple[float, float]
    qm_p: float
    combinations: Floats

    def rows(self) -> list[dict[str, Any]]:
        """One row a combination."""
        names = ("estimate", "se", "ci_low", "ci_high", "df", "p_value")
        return table({"contrast": self.labels, **{name: getattr(self, name).tolist() for name in names}})


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelComparison(OfFit):
    """Likelihood-ratio test of a model against one nested in it."""

    method: str
    statistic: float
    df: int
    p_value: float
    ll: float
    ll_reduced: float
    tau2: float
    tau2_reduced: float
    reduced_terms: tuple[str, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One row."""
        return [{name: value for name, value in self.to_dict().items() if name != "reduced_terms"}]


def contrast(fit: MetaFit, combinations: ArrayLike, labels: Sequence[str] | None = None) -> ContrastTest:
    """Test linear combinations of the coefficients, a row of weights each, shape (p,) or (n, p), in order of terms.

    Where coefficients differ in df (`multilevel` by containment), a combination has the least df of those in it, and
    the test of all together the least of theirs.
    Raises InputError without moderators, for the wrong number of weights, and for rows that depend on each other.
    Source: Viechtbauer 2010, doi:10.18637/jss.v036.i03.

    >>> from kmeta import random_effects
    >>> fit = random_effects([0.1, 0.3, 0.2, 0.8], [0.1] * 4, measure="MD", mods={"dose": [1, 2, 3, 4]}, test="z")
    >>> contrast(fit, [[1, 2.5]], ["at dose 2.5"]).estimate.round(3).tolist()
    [0.35]
    """
    if fit.beta is None or fit.vcov is None:
        raise InputError("the model has no moderators", where="contrast", hint="give mods to random_effects")
    rows = weights_of_contrasts(combinations, fit.terms)
    dfs = fit.df_of(rows)
    joint = omnibus(rows @ fit.beta, rows @ fit.vcov @ rows.T, range(len(rows)), float(dfs.min()))
    return tested(fit, rows, labels, fit.beta, fit.vcov, dfs, joint)


def weights_of_contrasts(combinations: ArrayLike, terms: Sequence[str]) -> Floats:
    """Weights of the coefficients `terms`, shape (n, p), checked."""
    try:
        rows = np.atleast_2d(np.asarray(combinations, dtype=float))
    except (TypeError, ValueError) as error:
        raise InputError("weights must be numbers", where="contrast") from error
    p = len(terms)
    if rows.ndim != 2 or rows.shape[1] != p or not np.isfinite(rows).all() or not rows.any(axis=1).all():
        raise InputError(
            f"weights of shape {rows.shape} for {p} coefficients",
            where="contrast",
            hint="a row for each contrast, a finite weight for each of " + ", ".join(terms),
        )
    if np.linalg.matrix_rank(rows) < len(rows):
        raise InputError("the contrasts depend on each other", where="contrast", hint="leave one out")
    return rows


def tested(
    fit: MetaFit | RobustTests,
    rows: Floats,
    labels: Sequence[str] | None,
    beta: Floats,
    vcov: Floats,
    dfs: Floats,
    joint: tuple[float, tuple[float, float], float],
) -> ContrastTest:
    """Combinations `rows` of the coefficients, each with `dfs` of its own; `joint` is the test of all together."""
    if labels is not None and len(labels) != len(rows):
        raise InputError(f"{len(labels)} labels for {len(rows)} contrasts", where="labels")
    value, se = rows @ beta, np.sqrt(np.einsum("ij,jk,ik->i", rows, vcov, rows))
    half = np.array([quantile(fit.level, df) for df in dfs.tolist()]) * se
    p_value = [
        two_sided(b / s, df) for b, s, df in zip(value.tolist(), se.tolist(), dfs.tolist(), strict=True)
    ]
    qm, qm_df, qm_p = joint
    return ContrastTest(
        fit=fit,
        labels=tuple(map(str, labels)) if labels is not None else tuple(str(i + 1) for i in range(len(rows))),
        estimate=frozen(value),
        se=frozen(se),
        ci_low=frozen(value - half),
        ci_high=frozen(value + half),
        p_value=frozen(p_value),
        df=frozen(dfs),
        qm=qm,
        qm_df=qm_df,
        qm_p=qm_p,
        combinations=frozen(rows),
    )


def wald_test(fit: MetaFit, terms: Sequence[str]) -> ContrastTest:
    """Test that the coefficients `terms`, by name, are all 0; a categorical moderator's name stands for all of its own,

    as does a term of a formula. Raises InputError for a name that the model does not have. Source as `contrast`.

    >>> from kmeta import random_effects
    >>> fit = random_effects([0.1, 0.3, 0.2, 0.8], [0.1] * 4, measure="MD", mods={"dose": [1, 2, 3, 4]}, test="z")
    >>> round(wald_test(fit, ["dose"]).qm_p, 3)
    0.157
    """
    names = coefficients_named(terms, fit.terms, fit.factors, fit.formula)
    return contrast(fit, np.eye(len(fit.terms))[[fit.terms.index(name) for name in names]], names)


def coefficients_named(
    wanted: Sequence[str], terms: Sequence[str], factors: Mapping[str, Category], formula: Formula | None
) -> list[str]:
    """Names of the coefficients `wanted`, each once; a category or a term of a formula stands for all of its own."""
    whole = {name: [f"{name}[{level}]" for level in one.levels[1:]] for name, one in factors.items()}
    if formula is not None:
        whole |= {name: list(own) for name, own in formula.terms.items()}
    known = {**whole, **{term: [term] for term in terms}}
    unknown = [term for term in wanted if term not in known]
    if isinstance(wanted, str) or not wanted or unknown:
        raise InputError(
            f"no coefficient is named {unknown or wanted!r}", where="terms", hint=", ".join(known)
        )
    return list(dict.fromkeys(name for term in wanted for name in known[term]))


def compare(fit: MetaFit, reduced: MetaFit) -> ModelComparison:
    """Likelihood-ratio test of `fit` against `reduced`, the same estimates with fewer moderators, both by ML.

    Raises InputError for other methods, other data, or a `reduced` whose moderators are not within those of `fit`.
    Source: Hardy & Thompson 1996, doi:10.1002/(SICI)1097-0258(19960330)15:6<619::AID-SIM188>3.0.CO;2-A.

    >>> from kmeta import random_effects
    >>> y, v = [0.1, 0.3, 0.2, 0.8], [0.1] * 4
    >>> full = random_effects(y, v, measure="MD", mods={"dose": [1, 2, 3, 4]}, tau2="ML")
    >>> compare(full, random_effects(y, v, measure="MD", tau2="ML")).df
    1
    """
    for one in (fit, reduced):
        if one.method not in ("ML", "CE") or one.model == "multilevel" or one.user_weights is not None:
            raise InputError(
                "likelihoods of different coefficients are compared by ML", where="method", hint='tau2="ML"'
            )
    same = fit.k == reduced.k and (fit.yi == reduced.yi).all() and (fit.vi == reduced.vi).all()
    x = np.ones((fit.k, 1)) if fit.x is None else fit.x
    inner = np.ones((reduced.k, 1)) if reduced.x is None else reduced.x
    if not same or fit.method != reduced.method:
        raise InputError("the models are of different estimates or methods", where="reduced")
    q, _ = np.linalg.qr(x)
    rest = inner - q @ (q.T @ inner)
    if x.shape[1] <= inner.shape[1] or np.abs(rest).max() > 1e-8 * np.abs(inner).max():
        raise InputError("its moderators are not within those of the larger model", where="reduced")
    ll, low = fit.fit_stats()["ML"]["ll"], reduced.fit_stats()["ML"]["ll"]
    statistic, df = max(0.0, 2 * (ll - low)), x.shape[1] - inner.shape[1]
    return ModelComparison(
        fit=fit,
        reduced_terms=reduced.terms,
        method=fit.method,
        statistic=statistic,
        df=df,
        p_value=chi2_tail(statistic, df),
        ll=ll,
        ll_reduced=low,
        tau2=fit.tau2,
        tau2_reduced=reduced.tau2,
    )


def variance_inflation(fit: MetaFit) -> dict[str, float]:
    """Variance inflation factor of each moderator: of its coefficient, against a model where it stands alone.

    Raises InputError without moderators. Source: Fox & Monette 1992, doi:10.1080/01621459.1992.10475190.

    >>> from kmeta import random_effects
    >>> mods = {"a": [1, 2, 3, 4, 5], "b": [1, 2, 2, 4, 4]}
    >>> round(variance_inflation(random_effects([1, 2, 3, 4, 6], [0.1] * 5, measure="MD", mods=mods))["a"], 2)
    9.0
    """
    if fit.vcov is None:
        raise InputError("the model has no moderators", where="mods")
    tested = [i for i, term in enumerate(fit.terms) if term != "intercept"]
    cov = fit.vcov[np.ix_(np.array(tested), np.array(tested))]
    scale = 1 / np.sqrt(np.diag(cov))
    factors = np.diag(np.linalg.inv(cov * np.outer(scale, scale)))
    return {fit.terms[i]: float(value) for i, value in zip(tested, factors, strict=True)}
