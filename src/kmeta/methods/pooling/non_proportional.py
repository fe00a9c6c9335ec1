"""Meta-analysis of individual data where hazards are not proportional: the hazard ratio as a function of time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.numbers import p_phrase
from kmeta.core.result import Result
from kmeta.methods.meta.inputs import level_of
from kmeta.methods.meta.moderators import omnibus
from kmeta.methods.pooling import treatment_over_time as effects
from kmeta.methods.pooling.multivariate import critical, mvmeta_lines, pool_multivariate
from kmeta.methods.pooling.one_stage import two_arms
from kmeta.methods.survival.kaplan_meier import kaplan_meier
from kmeta.methods.survival.parametric.splines import Spline
from kmeta.methods.survival.sample import column, groups_of, survival_sample

Model = Literal["piecewise", "fractional-polynomial", "royston-parmar"]
POWERS = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0)
GRID = 400  # steps of a survival curve under the pooled ratio
STEP = 1e-5  # of a coefficient, for the slope of a restricted mean


@dataclass(frozen=True, kw_only=True, eq=False)
class NonProportional(Result):
    """The log ratio of hazards (of cumulative hazards for "royston-parmar") is beta' f(time).

    `beta` (h,), `vcov` and `between` (h, h); `study_beta` (k, h), NaN where a study does not tell. `proportional_p`:
    Wald test that the ratio does not change with time. `last_time`: the longest follow-up in which both arms are
    observed; later times are marked as extrapolated. `baseline_time`, `baseline`: S of the reference arm.
    """

    model: str
    contrast: str
    terms: tuple[str, ...]
    beta: Floats
    vcov: Floats
    between: Floats
    studies: tuple[str, ...]
    study_beta: Floats
    study_covariance: Floats
    q: float
    q_df: int
    proportional_p: float
    cuts: Floats
    powers: tuple[float, ...]
    unit: float
    last_time: float
    baseline_time: Floats
    baseline: Floats
    level: float
    test: str
    warnings: tuple[str, ...]

    @property
    def k(self) -> int:
        """Studies with at least one coefficient."""
        return int(np.isfinite(self.study_beta).any(axis=1).sum())

    def ratio(self, times: ArrayLike) -> list[dict[str, Any]]:
        """The ratio at `times` (above 0) with its interval; `extrapolated` after the follow-up of both arms."""
        t = column(times, "times", "above 0", lambda a: np.isfinite(a) & (a > 0))
        f = self._functions(t)
        value, se = self.beta @ f, np.sqrt(np.maximum(np.einsum("it,ij,jt->t", f, self.vcov, f), 0.0))
        half = self._critical() * se
        return [
            {
                "time": float(at),
                "ratio": math.exp(b),
                "ci_low": math.exp(b - w),
                "ci_high": math.exp(b + w),
                "extrapolated": bool(at > self.last_time),
            }
            for at, b, w in zip(t, value, half, strict=True)
        ]

    def survival(self, times: ArrayLike) -> list[dict[str, Any]]:
        """S of the reference arm and, under the pooled ratio, of the other, at `times`; NaN where the first ends."""
        t = column(times, "times", "0 or later", lambda a: np.isfinite(a) & (a >= 0))
        known = t <= self.baseline_time[-1]
        reference = np.where(known, self._reference(t), np.nan)
        grid, treated = self._treated(self.beta)
        place = np.searchsorted(grid, t, side="right") - 1
        other = np.where(known, np.append(treated, treated[-1:])[np.maximum(place, -1)], np.nan)
        other = np.where(place < 0, 1.0, other)
        return [
            {
                "time": float(at),
                "reference": float(a),
                "treated": float(b),
                "extrapolated": bool(at > self.last_time),
            }
            for at, a, b in zip(t, reference, other, strict=True)
        ]

    def rmst_difference(self, to: float | None = None) -> dict[str, Any]:
        """Difference of restricted means to `to` (default: `last_time`), treated less reference.

        The interval carries the uncertainty of the ratio by the delta method; the reference curve is taken as known.
        """
        end = self.last_time if to is None else float(to)
        if not 0 < end <= self.baseline_time[-1]:
            hint = f"above 0, at most {self.baseline_time[-1]:g}, where the reference arm ends"
            raise InputError(f"is {end:g}", where="to", hint=hint)
        middle = self._gain(self.beta, end)
        size = STEP * np.maximum(np.sqrt(np.diag(self.vcov)), 1e-8)
        slope = np.array(
            [
                (self._gain(self.beta + d, end) - self._gain(self.beta - d, end)) / (2 * d.sum())
                for d in np.diag(size)
            ]
        )
        se = math.sqrt(max(float(slope @ self.vcov @ slope), 0.0))
        half = self._critical() * se
        return {
            "to": end, "difference": middle, "se": se, "ci_low": middle - half, "ci_high": middle + half,
            "extrapolated": end > self.last_time,
        }  # fmt: skip

    def rows(self) -> list[dict[str, Any]]:
        """One row a coefficient."""
        se = np.sqrt(np.diag(self.vcov))
        tau = np.sqrt(np.maximum(np.diag(self.between), 0.0))
        reports = np.isfinite(self.study_beta).sum(axis=0)
        half = self._critical() * se
        columns = (self.terms, self.beta, se, self.beta - half, self.beta + half, tau, reports)
        names = ("term", "estimate", "se", "ci_low", "ci_high", "tau", "studies")
        return [
            {name: v if isinstance(v, str) else v.item() for name, v in zip(names, row, strict=True)}
            for row in zip(*columns, strict=True)
        ]

    def summary(self) -> str:
        """The model, its coefficients, and the ratio at four times."""
        scale = "cumulative hazards" if self.model == "royston-parmar" else "hazards"
        ends = self.last_time * np.array([0.25, 0.5, 0.75, 1.0])
        shown = [
            f"  at {row['time']:.4g}: {row['ratio']:.3f} ({row['ci_low']:.3f} to {row['ci_high']:.3f})"
            for row in self.ratio(ends)
        ]
        return "\n".join(
            [
                f"{self.contrast}, {self.model}: log ratio of {scale} over time, {self.k} studies",
                super().summary(),
                f"Q {self.q:.2f} on {self.q_df} df; no change with time: {p_phrase(self.proportional_p)}",
                f"ratio of {scale}:",
                *shown,
                *self.warnings,
            ]
        )

    def r_script(self) -> str:
        """R (mvmeta): the multivariate model of the studies' coefficients."""
        told = [f"# kmeta: {row['term']} {row['estimate']!r} ({row['se']!r})" for row in self.rows()]
        return "\n".join(mvmeta_lines(self.study_beta, self.study_covariance, told)) + "\n"

    def _critical(self) -> float:
        return float(critical([self.k], self.level, self.test)[0])

    def _functions(self, t: Floats) -> Floats:
        return functions(self.model, t, self.cuts, self.powers, self.unit)

    def _reference(self, t: Floats) -> Floats:
        place = np.searchsorted(self.baseline_time, t, side="right") - 1
        return np.where(place < 0, 1.0, self.baseline[np.maximum(place, 0)])

    def _treated(self, beta: Floats) -> tuple[Floats, Floats]:
        """(times, S of the treated arm) where the reference curve steps."""
        t = self.baseline_time[self.baseline_time > 0]
        hazard = -np.log(np.maximum(self._reference(t), 1e-12))
        ratio = np.exp(np.clip(beta @ self._functions(t), -50, 50))
        if self.model == "royston-parmar":
            grown = np.maximum.accumulate(hazard * ratio)
        else:
            grown = np.cumsum(np.diff(hazard, prepend=0.0) * ratio)
        return t, np.exp(-grown)

    def _gain(self, beta: Floats, end: float) -> float:
        t, treated = self._treated(beta)
        inside = t < end
        edges = np.concatenate([[0.0], t[inside], [end]])
        width = np.diff(edges)
        own = np.append(1.0, treated[inside]) @ width
        reference = np.append(1.0, self._reference(t[inside])) @ width
        return float(own - reference)


def non_proportional(
    time: ArrayLike,
    event: ArrayLike,
    treatment: Sequence[object] | np.ndarray,
    study: Sequence[object] | np.ndarray,
    *,
    model: Model = "piecewise",
    cuts: Sequence[float] | None = None,
    powers: Sequence[float] = (0.0,),
    n_knots: int = 1,
    reference: object = None,
    method: Literal["random", "common"] = "random",
    test: Literal["t", "z"] = "t",
    level: float = 0.95,
) -> NonProportional:
    """Pool a treatment effect that changes with time, in two stages: within each study, then over the studies.

    time, event, treatment (two arms), study : one value a patient. reference : the arm compared with.
    model : "piecewise", a hazard ratio in each period between `cuts` (default: thirds of the events);
    "fractional-polynomial", log HR(t) = b0 + sum b_j t^p_j with `powers` of (-2, -1, -0.5, 0, 0.5, 1, 2, 3), 0 the
    logarithm and a repeated power times the logarithm; both by partial likelihood, so that each study keeps a baseline
    hazard of its own of any shape. "royston-parmar", natural splines of log time on the log cumulative hazard of each
    arm with `n_knots` inner knots, the same for all studies; the ratio is then of cumulative hazards.
    method, test : the between-study covariance by the method of moments, limits by t with one less than the studies,
    or z. A study that cannot tell a coefficient is named in the warnings and counts for the others.
    Raises InputError for data that cannot be, or where no study tells a coefficient.
    Source: Jansen 2011, doi:10.1186/1471-2288-11-61 (fractional polynomials); Royston & Parmar 2002,
    doi:10.1002/sim.1203; Jackson, White & Riley 2013, doi:10.1002/bimj.201200152 (pooling).

    >>> draw = np.random.default_rng(1)
    >>> arm, study = np.tile([0, 1], 300), np.repeat(["a", "b", "c"], 200)
    >>> time = draw.exponential(np.where(arm == 1, 20.0, 10.0))
    >>> found = non_proportional(time, np.ones(600), arm, study, cuts=[5, 10])
    >>> [round(row["ratio"], 1) for row in found.ratio([2, 7, 15])]
    [0.5, 0.5, 0.5]
    """
    data = survival_sample(time, event)
    treated, contrast = two_arms(treatment, data.n, reference)
    names, place = groups_of(study, data.n, "study")
    level = level_of(level)
    if not data.event.any():
        raise InputError("nobody had the event", where="event", hint="1 event, 0 censored")
    at = data.time[data.event == 1]
    unit = float(np.median(at[at > 0])) if (at > 0).any() else 1.0
    edges, chosen = _shape(model, at, cuts, powers, n_knots, unit)
    found = [
        _study(model, data.time[place == i], data.event[place == i], treated[place == i], edges, chosen, unit)
        for i in range(len(names))
    ]
    beta = np.array([one.beta for one in found])
    covariance = np.array([one.covariance for one in found])
    pooled = pool_multivariate(beta, covariance, random=method == "random")
    both = min(float(data.time[treated == arm].max()) for arm in (0.0, 1.0))
    control = kaplan_meier(data.time[treated == 0], data.event[treated == 0]).curves[0]
    return NonProportional(
        model=model,
        contrast=contrast,
        terms=_terms(model, edges, chosen),
        beta=pooled.beta,
        vcov=pooled.vcov,
        between=pooled.between,
        studies=names,
        study_beta=frozen(beta),
        study_covariance=frozen(covariance),
        q=pooled.q,
        q_df=pooled.q_df,
        proportional_p=_changes(model, pooled.beta, pooled.vcov),
        cuts=frozen(edges),
        powers=chosen,
        unit=unit,
        last_time=both,
        baseline_time=control.time,
        baseline=control.survival,
        level=level,
        test=test,
        warnings=tuple(f"{name}: {one.note}" for name, one in zip(names, found, strict=True) if one.note),
    )


def functions(model: str, t: Floats, cuts: Floats, powers: Sequence[float], unit: float) -> Floats:
    """The functions of time of a model at `t` (above 0), shape (h, len(t))."""
    if model == "piecewise":
        period = np.searchsorted(cuts, t, side="left")
        return np.asarray(period[None, :] == np.arange(len(cuts) + 1)[:, None], dtype=float)
    if model == "royston-parmar":
        return Spline(cuts, "hazard").basis(np.log(t / unit))[0]
    x = np.maximum(t / unit, 1e-9)
    rows, before = [np.ones_like(x)], math.nan
    for power in powers:
        own = np.log(x) if power == 0 else x**power
        rows.append(rows[-1] * np.log(x) if power == before else own)
        before = power
    return np.vstack(rows)


def _shape(
    model: str, at: Floats, cuts: Sequence[float] | None, powers: Sequence[float], n_knots: int, unit: float
) -> tuple[Floats, tuple[float, ...]]:
    """(cuts, or knots in the log of time over `unit`; powers), checked."""
    if model == "piecewise":
        given = np.quantile(at, [1 / 3, 2 / 3]) if cuts is None else cuts
        edges = column(given, "cuts", "above 0", lambda a: np.isfinite(a) & (a > 0))
        if (np.diff(edges) <= 0).any():
            raise InputError("do not rise", where="cuts", hint="the ends of the periods, in order")
        return edges, ()
    if model == "fractional-polynomial":
        chosen = tuple(sorted(float(p) for p in powers))
        if not 1 <= len(chosen) <= 2 or any(p not in POWERS for p in chosen):
            raise InputError(f"are {list(powers)}", where="powers", hint=f"one or two of {POWERS}")
        return np.zeros(0), chosen
    if model == "royston-parmar":
        if isinstance(n_knots, bool) or not isinstance(n_knots, int) or not 0 <= n_knots <= 4:
            raise InputError(f"is {n_knots!r}", where="n_knots", hint="0 to 4 inner knots")
        log_t = np.log(at[at > 0] / unit)
        if len(np.unique(log_t)) < n_knots + 2:
            raise InputError("events at too few times", where="event", hint="fewer knots, or another model")
        return np.quantile(log_t, np.linspace(0, 1, n_knots + 2)), ()
    raise InputError(
        f"no model is named {model!r}", where="model", hint="piecewise, fractional-polynomial, royston-parmar"
    )


def _study(
    model: str,
    time: Floats,
    event: Floats,
    treated: Floats,
    edges: Floats,
    powers: tuple[float, ...],
    unit: float,
) -> effects.StudyEffect:
    h = len(edges) + 1 if model == "piecewise" else len(edges) or len(powers) + 1
    if not 0 < treated.sum() < len(treated):
        return effects.unknown(h, "one arm only")
    if model == "piecewise":
        return effects.by_period(time, event, treated, edges.tolist())
    if model == "royston-parmar":
        return effects.spline_difference(time / unit, event, treated, edges)
    return effects.partial_likelihood(
        time, event, treated, lambda t: functions(model, np.maximum(t, 1e-9 * unit), edges, powers, unit)
    )


def _terms(model: str, edges: Floats, powers: tuple[float, ...]) -> tuple[str, ...]:
    if model == "piecewise":
        ends = [0.0, *edges.tolist(), math.inf]
        return tuple(f"{a:.4g} to {b:.4g}" for a, b in pairwise(ends))
    if model == "royston-parmar":
        return tuple(f"gamma{j}" for j in range(len(edges)))
    again = ["", *(" x log t" if p == q else "" for p, q in pairwise(powers))]
    shown = ("log t" if p == 0 else f"t^{p:g}" for p in powers)
    return ("constant", *(f"{name}{more}" for name, more in zip(shown, again, strict=True)))


def _changes(model: str, beta: Floats, vcov: Floats) -> float:
    """Wald test that the ratio is the same at all times."""
    h = len(beta)
    if h < 2:
        return math.nan
    rows = np.eye(h)[1:]
    if model == "piecewise":
        rows = rows - np.eye(h)[0]
    value, cov = rows @ beta, rows @ vcov @ rows.T
    return omnibus(value, cov, range(len(value)), math.inf)[2]
