"""Estimates nested in studies: random effects of the study and of the arm within the study."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.methods.meta.correlated import MultilevelFit, fit_correlated
from kmeta.methods.meta.distributions import chi2_tail, quantile, two_sided
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.inputs import estimates, labels_of, level_of, numbers
from kmeta.methods.meta.likelihood import log_likelihood, maximum_likelihood_tau2
from kmeta.methods.meta.maximise import Slope, maximise
from kmeta.methods.meta.moderators import INTERCEPT, Designed, design_of, without_intercept
from kmeta.methods.meta.prediction import prediction_df
from kmeta.methods.meta.random_effects import Moderators, random_effects
from kmeta.methods.meta.sample import Sample, Weighted
from kmeta.methods.meta.sampling_covariance import SamplingCovariance, as_covariance, is_plain

LEVELS = ("study", "arm within study")


def multilevel(
    yi: ArrayLike,
    vi: ArrayLike | SamplingCovariance,
    *,
    groups: Sequence[object] | None = None,
    measure: str,
    random: str | Sequence[str] | None = None,
    struct: str | Sequence[str] = "CS",
    data: Any = None,
    mods: Moderators | None = None,
    intercept: bool = True,
    method: str = "REML",
    structure: str = "nested",
    test: str = "t",
    df: str = "containment",
    level: float = 0.95,
    pi: str = "test",
    labels: Sequence[str] | None = None,
) -> MetaFit:
    """Pool `yi`, shape (k,), of which several come from one study: `groups` names it.

    `vi` are sampling variances (k,), or the covariance of the sampling errors: a matrix (k, k), or its blocks from
    `impute_covariance`.

    yi = mu + study effect + arm-within-study effect + error; `sigma2` holds the two variances in that order, `tau2`
    their sum. structure "study" leaves the arm effect out (arms of a study then differ by sampling error alone).
    method "REML" or "ML"; test "t" or "z". df "containment": m - 1 for m studies, for the intercept
    varies between studies; "residual": k - 1, too many when one study gives many arms.
    pi as in `random_effects`, "t" and "riley" with df and df - 1.

    For a given arm variance s each study collapses to its weighted mean with variance 1 / sum 1/(vi + s), and what
    remains is the random-effects likelihood of those means: the study variance is profiled out exactly and one
    search over s is left, O(k) in time and memory a step. When every study has one arm the two variances cannot be
    told apart; the model IS `random_effects(..., test="t")`, and its tau2 is given as the study's.

    Other random effects are written in `random` with the columns of `data` (each k names): "1 | a/b" (intercepts of a,
    and of b within a), "1 | b" beside it (crossed), "outcome | study" (correlated outcomes of a study) with `struct`
    "CS" (one variance, one correlation), "HCS" (a variance each), "UN" (a correlation each, too), "DIAG", "ID", and in
    time "AR", "HAR" (steps in order), "CAR" (real distances); one `struct` for each such term. [] leaves every random
    effect out. `mods`: moderators as in `random_effects`, a formula and names among them, with an intercept unless
    `intercept` is False (in a formula "0 +"); a formula finds its columns in `data`, too (a dict or a data frame).
    The result is then a `MultilevelFit`: `parts` holds all variances and correlations, `variance_intervals()` their
    profile intervals, `predicted_effects()` the random effects. Containment counts, of each coefficient, the levels of
    the smallest factor within which it does not vary, less the coefficients; a contrast, a prediction or a test of
    several has the least df of the coefficients in it. The likelihood is climbed from several starts.

    Raises InputError for unusable data, ConvergenceError when a variance does not settle.
    Source: Konstantopoulos 2011, doi:10.1002/jrsm.35; Van den Noortgate et al. 2013, doi:10.3758/s13428-012-0261-6.

    >>> fit = multilevel([0.2, 0.5, -0.1, 0.4], [0.02, 0.03, 0.02, 0.05], groups=["A", "A", "B", "C"], measure="PLO")
    >>> fit.k, fit.k_groups, len(fit.sigma2)
    (4, 3, 2)
    """
    level = level_of(level)
    _check_options(method, structure, test, df, pi)
    k = len(numbers(yi, "yi"))
    columns = _columns_of(data)
    design = (
        design_of(mods, data, k, own_data=random is None and groups is not None)
        if intercept
        else without_intercept(mods, k)
    )
    if not is_plain(vi) or random is not None or design.x is not None:
        return _general(
            yi,
            vi,
            groups,
            random,
            struct,
            columns,
            design,
            labels=labels,
            structure=structure,
            measure=measure,
            method=method,
            test=test,
            df=df,
            level=level,
            pi=pi,
        )
    y, v = estimates(yi, vi)
    if groups is None:
        raise InputError(
            "no groups are given", where="groups", hint="the study of each estimate, or `random`"
        )
    names = _groups_of(groups, len(y))
    shown = labels_of(labels, len(y))
    if len(set(names)) == len(y):
        return _singletons(
            y, v, names, measure=measure, method=method, test=test, level=level, pi=pi, labels=shown
        )
    nested = Nested(y, v, names)
    restricted = method == "REML"
    if structure == "study":
        sigma2: tuple[float, ...] = (nested.best_study(0.0, restricted=restricted),)
    else:
        sigma2 = nested.maximum(restricted=restricted)
    return _result(
        nested,
        sigma2,
        y,
        v,
        names,
        shown,
        measure=measure,
        method=method,
        test=test,
        df=df,
        level=level,
        pi=pi,
    )


def _columns_of(data: Any) -> dict[str, Any]:
    """The columns of a dict or a data frame by name."""
    if data is None:
        return {}
    if not isinstance(data, Mapping) and not hasattr(data, "columns"):
        raise InputError("has no columns by name", where="data", hint="a dict or a data frame")
    names = data if isinstance(data, Mapping) else data.columns
    # a list stays one: its numbers are not turned into text beside names
    return {
        str(name): column if isinstance(column := data[name], Sequence) else np.asarray(column)
        for name in names
    }


def _general(
    yi: ArrayLike,
    vi: ArrayLike | SamplingCovariance,
    groups: Sequence[object] | None,
    random: str | Sequence[str] | None,
    struct: str | Sequence[str],
    columns: dict[str, Any],
    design: Designed,
    *,
    labels: Sequence[str] | None,
    structure: str,
    **options: Any,
) -> MultilevelFit:
    """What the sorted, collapsed studies of `Nested` do not cover."""
    y, covariance = numbers(yi, "yi"), as_covariance(vi)
    k = len(y)
    if covariance.k != k:
        raise InputError(
            f"yi has {k} values, vi {covariance.k}", where="vi", hint="one variance for each estimate"
        )
    names = None if groups is None else _groups_of(groups, k)
    if random is None:
        if names is None:
            raise InputError(
                "no groups are given", where="groups", hint="the study of each estimate, or `random`"
            )
        random = "1 | study/arm" if structure == "nested" else "1 | study"
        columns = {"study": names, "arm": [str(i + 1) for i in range(k)]}
    formulas = (random,) if isinstance(random, str) else tuple(random)
    if not any(not formula.replace("~", "").strip().startswith("1") for formula in formulas):
        struct = []
    if design.x is None and k < 2:
        raise InputError("one estimate", where="yi", hint="two or more")
    return fit_correlated(
        y,
        covariance,
        np.ones((k, 1)) if design.x is None else design.x,
        (INTERCEPT,) if design.x is None else design.terms,
        random=formulas,
        struct=struct,
        data=columns,
        groups=names,
        labels=labels_of(labels, k),
        factors=design.factors,
        formula=design.formula,
        **options,
    )


def _groups_of(groups: Sequence[object], k: int) -> tuple[str, ...]:
    if isinstance(groups, str) or len(groups) != k:
        raise InputError(
            f"{len(groups)} group names for {k} estimates", where="groups", hint="the study of each estimate"
        )
    if any(group is None or group != group for group in groups):
        raise InputError("a group name is missing", where="groups", hint="the study of each estimate")
    return tuple(str(group) for group in groups)


def _check_options(method: str, structure: str, test: str, df: str, pi: str) -> None:
    for given, allowed, where in (
        (method, ("REML", "ML"), "method"),
        (structure, ("nested", "study"), "structure"),
        (test, ("t", "z"), "test"),
        (df, ("containment", "residual"), "df"),
        (pi, ("test", "z", "t", "riley"), "pi"),
    ):
        if given not in allowed:
            raise InputError(
                f"no {where} is named {given!r}", where=where, hint="one of " + ", ".join(allowed)
            )


class _State(NamedTuple):
    """What the slopes and the estimate need at one pair of variances."""

    d: Floats  # 1 / (v + arm), shape (k,)
    sums: Floats  # of d in each study, shape (m,)
    shrink: Floats  # 1 / (1 + study * sums), shape (m,)
    total: float  # 1'S^-1 1
    mu: float


class Nested:
    """Estimates sorted by study, scaled; S = diag(v + arm) + study * (block of ones for each study)."""

    def __init__(self, y: Floats, v: Floats, names: Sequence[str]) -> None:
        first = {name: i for i, name in reversed(list(enumerate(names)))}
        rank = np.array([first[name] for name in names])
        self.order = np.argsort(rank, kind="stable")
        scaled = Sample(y, v)
        self.unit = scaled.unit
        origin = float(y[scaled.first])
        self.origin = origin
        self.y, self.v = (y[self.order] - origin) / self.unit, v[self.order] / self.unit**2
        self.start = np.flatnonzero(np.diff(rank[self.order], prepend=-1))
        self.counts = np.diff(np.append(self.start, len(y)))
        self.k, self.m = len(y), len(self.start)

    def per_study(self, values: Floats) -> Floats:
        """Sum of `values` (shape (k,)) in each study, shape (m,)."""
        return np.add.reduceat(values, self.start)

    def spread(self, values: Floats) -> Floats:
        """One value a study (shape (m,)) repeated for its estimates, shape (k,)."""
        return np.repeat(values, self.counts)

    def state(self, study: float, arm: float) -> _State:
        """S^-1 in its parts, and the generalised least squares mean."""
        d = 1 / (self.v + arm)
        sums = self.per_study(d)
        shrink = 1 / (1 + study * sums)
        total = float(sums @ shrink)
        mu = float(self.per_study(d * self.y) @ shrink) / total
        return _State(d, sums, shrink, total, mu)

    def solve(self, at: _State, study: float, a: Floats) -> Floats:
        """S^-1 a."""
        da = at.d * a
        return da - at.d * self.spread(study * at.shrink * self.per_study(da))

    def project(self, at: _State, study: float, a: Floats) -> Floats:
        """P a, with P = S^-1 - S^-1 1 (1'S^-1 1)^-1 1'S^-1."""
        one = at.d * self.spread(at.shrink)
        return self.solve(at, study, a) - one * (float(one @ a) / at.total)

    def means(self, arm: float) -> tuple[Sample, float]:
        """The studies' means as a sample of their own, and what the likelihood holds beside theirs."""
        d = 1 / (self.v + arm)
        sums = self.per_study(d)
        mean = self.per_study(d * self.y) / sums
        within = float(d @ (self.y - self.spread(mean)) ** 2)
        rest = -0.5 * (within - float(np.log(d).sum()) + float(np.log(sums).sum()))
        return Sample(mean, 1 / sums), rest

    def best_study(self, arm: float, *, restricted: bool) -> float:
        """The study variance that goes best with an arm variance; 0 with a single study."""
        if self.m < 2:
            return 0.0
        sample, _ = self.means(arm)
        return maximum_likelihood_tau2(sample, restricted=restricted) * sample.unit**2

    def best_arm(self, study: float, *, restricted: bool) -> float:
        """The arm variance that goes best with a study variance."""

        def slope(arm: float) -> Slope:
            return self.arm_slope(study, arm, restricted=restricted, profiled=False)

        return maximise(
            lambda points: np.array([slope(float(point)).first for point in points]),
            slope,
            lambda arm: self.log_likelihood(study, arm, restricted=restricted),
            smallest=float(self.v.min()),
            upper=self.upper_arm(),
        )

    def log_likelihood(self, study: float, arm: float, *, restricted: bool) -> float:
        """Up to a constant that depends on neither variance."""
        sample, rest = self.means(arm)
        height = log_likelihood(sample, study / sample.unit**2, restricted=restricted)
        # the sample of means is scaled by its own unit, which moves with arm
        return rest + height - (self.m - int(restricted)) * math.log(sample.unit)

    def arm_slope(self, study: float, arm: float, *, restricted: bool, profiled: bool) -> Slope:
        """Twice the derivative in the arm variance, its average-information derivative, and its size."""
        at = self.state(study, arm)
        u = self.project(at, study, self.y - at.mu)
        squares = self.per_study(at.d * at.d)
        trace = float(at.d.sum()) - float((study * at.shrink) @ squares)
        if restricted:
            trace -= float((at.shrink * at.shrink) @ squares) / at.total
        bend = float(u @ self.project(at, study, u))
        if profiled and study > 0:
            block = self.spread(self.per_study(u))
            moved = self.project(at, study, block)
            bend -= float(u @ moved) ** 2 / float(block @ moved)
        return Slope(float(u @ u) - trace, -bend, float(at.d.sum()))

    def upper_arm(self) -> float:
        """Beyond this arm variance the slope is negative whatever the study variance.

        y'PPy <= RSS / (arm + min v)**2, and the k - m contrasts within studies alone give the trace at least
        (k - m) / (arm + max v).
        """
        rss = float(np.sum((self.y - self.y.mean()) ** 2))
        low, high, n = float(self.v.min()), float(self.v.max()), self.k - self.m
        return (rss + math.sqrt(rss * rss + 4 * n * rss * (high - low))) / (2 * n) - low

    def maximum(self, *, restricted: bool) -> tuple[float, float]:
        """(study, arm) variances of the highest point of the likelihood, on the sample's scale."""

        def slope(arm: float) -> Slope:
            study = self.best_study(arm, restricted=restricted)
            return self.arm_slope(study, arm, restricted=restricted, profiled=True)

        def height(arm: float) -> float:
            study = self.best_study(arm, restricted=restricted)
            return self.log_likelihood(study, arm, restricted=restricted)

        arm = maximise(
            lambda points: np.array([slope(float(point)).first for point in points]),
            slope,
            height,
            smallest=float(self.v.min()),
            upper=self.upper_arm(),
        )
        return self.best_study(arm, restricted=restricted), arm


def _singletons(y: Floats, v: Floats, names: tuple[str, ...], *, method: str, **options: Any) -> MetaFit:
    import dataclasses

    fit = random_effects(y, v, tau2=method, **options)
    said = "every study gives one estimate: study and arm variance cannot be told apart, tau2 is their sum"
    return dataclasses.replace(
        fit,
        model="multilevel",
        groups=names,
        structure=LEVELS,
        sigma2=(fit.tau2, 0.0),
        warnings=(*fit.warnings, said),
    )


def _result(
    nested: Nested,
    scaled: tuple[float, ...],
    y: Floats,
    v: Floats,
    names: tuple[str, ...],
    labels: tuple[str, ...],
    *,
    measure: str,
    method: str,
    test: str,
    df: str,
    level: float,
    pi: str,
) -> MetaFit:
    k, m = nested.k, nested.m
    at = nested.state(scaled[0], sum(scaled[1:]))
    unit2 = nested.unit**2
    mu, se = at.mu * nested.unit + nested.origin, math.sqrt(unit2 / at.total)
    weights = np.empty(k)
    weights[nested.order] = 100 * at.d * nested.spread(at.shrink) / at.total
    warnings: tuple[str, ...] = ()
    if m == 1:
        test = "z"
        warnings = (
            "one study: how studies differ cannot be estimated, the interval holds for its arms alone",
        )
    elif m == 2:
        warnings = ("two studies: how studies differ is hardly known",)
    left = float(m - 1 if df == "containment" else k - 1)
    freedom = math.inf if test == "z" else left
    sigma2 = tuple(part * unit2 for part in scaled)
    tau2 = sum(sigma2)
    reference = prediction_df(freedom, left, method, pi)
    half = quantile(level, reference) * math.sqrt(se * se + tau2) if m >= 3 else math.nan
    crit = quantile(level, freedom)
    fixed = Weighted(Sample(y, v), 1 / Sample(y, v).v)
    vt = (k - 1) / fixed.trace() * unit2
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
        statistic=mu / se,
        df=freedom,
        p_value=two_sided(mu / se, freedom),
        tau2=tau2,
        tau2_low=math.nan,
        tau2_high=math.nan,
        i2=tau2 / (tau2 + vt),
        h2=tau2 / vt + 1,
        q=fixed.q,
        q_df=k - 1,
        q_p=chi2_tail(fixed.q, k - 1),
        weights=frozen(weights),
        labels=labels,
        model="multilevel",
        pi=pi,
        vt=vt,
        structure=LEVELS[: len(sigma2)],
        sigma2=sigma2,
        groups=names,
        warnings=warnings,
    )
