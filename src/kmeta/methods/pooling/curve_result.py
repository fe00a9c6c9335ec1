"""What a pooled survival curve holds, and what can be asked of it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.core.views import PlotViews
from kmeta.methods.meta.distributions import chi2_tail, quantile, two_sided
from kmeta.methods.pooling.curve_inputs import GriddedCurves
from kmeta.methods.pooling.curve_model import CurveModel
from kmeta.methods.pooling.curve_summaries import (
    band,
    crossing,
    drawn,
    restricted_mean,
    simultaneous_crit,
)

MOST_DRAWS = 1_000_000


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ClassTest(Result):
    """Whether the curves of classes differ: Wald's statistic over `times` as F on `df` degrees of freedom."""

    classes: tuple[str, ...]
    times: tuple[float, ...]
    statistic: float
    df: tuple[float, float]
    p_value: float

    def rows(self) -> list[dict[str, Any]]:
        """One row."""
        shown = ", ".join(f"{t:g}" for t in self.times)
        return [
            {
                "classes": ", ".join(self.classes),
                "times": shown,
                "f": self.statistic,
                "df1": self.df[0],
                "df2": self.df[1],
                "p_value": self.p_value,
            }
        ]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class CurveHeterogeneity(Result):
    """Heterogeneity at each time: of the conditional survival in the interval that ends there (q, h2, i2, tau2 on
    the arcsine scale), and the standard deviation of ln S(t) between studies, which gathers all intervals before.
    """

    time: Floats
    studies: tuple[int, ...]
    q: Floats
    q_p: Floats
    h2: Floats
    i2: Floats
    tau2: Floats
    tau_log_survival: Floats

    def rows(self) -> list[dict[str, Any]]:
        """One row a time."""
        names = ("time", "studies", "q", "q_p", "h2", "i2", "tau2", "tau_log_survival")
        columns = [list(getattr(self, name)) for name in names]
        return [dict(zip(names, map(_plain, row), strict=True)) for row in zip(*columns, strict=True)]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class CurveRefits(Result):
    """The pooled curve without each study in turn; `change` is the largest |difference| of S from the whole."""

    omitted: tuple[str, ...]
    curves: tuple[PooledCurve, ...]
    change: Floats

    def rows(self) -> list[dict[str, Any]]:
        """One row a study left out."""
        return [
            {
                "omitted": name,
                "median": curve.median[0],
                "median_low": curve.median[1],
                "median_high": curve.median[2],
                "rmst": curve.rmst[0],
                "change": change,
            }
            for name, curve, change in zip(self.omitted, self.curves, self.change.tolist(), strict=True)
        ]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PooledCurve(Result):
    """Summary survival curve of k studies: arrays over the p times of its grid.

    `se` is that of ln S. ci: pointwise confidence band; pi: band for the curve of a new study (NaN with fewer than
    three studies, and for a common curve). `studies` and `n_risk` (patients in the interval that ends at the time,
    half of its censored left out) carry each time; `thin`: fewer than 3 studies, or than 10 % of the first patients.
    `study_survival` (k, p): the studies' own curves, NaN after their end. `median` and `rmst` are (estimate, low,
    high), NaN: not reached. `by_class`: the same for each class alone; their difference is an association.
    """

    time: Floats
    survival: Floats
    se: Floats
    ci_low: Floats
    ci_high: Floats
    pi_low: Floats
    pi_high: Floats
    studies: tuple[int, ...]
    n_risk: Floats
    thin: tuple[bool, ...]
    method: str
    test: str
    level: float
    interval: str
    correction: bool
    labels: tuple[str, ...]
    study_survival: Floats
    study_n_risk: Floats
    fitted: CurveModel
    q: float
    q_df: int
    q_p: float
    median: tuple[float, float, float]
    rmst_to: float
    rmst: tuple[float, float, float]
    rmst_se: float
    rmst_pi: tuple[float, float]
    name: str = ""
    by_class: tuple[PooledCurve, ...] = ()
    class_test: ClassTest | None = None
    warnings: tuple[str, ...] = ()

    plot = PlotViews(curve="kmeta.plots.pooled_curve:pooled_curve_figure")

    def __getitem__(self, name: str) -> PooledCurve:
        """The curve of one class; InputError when there is none."""
        for curve in self.by_class:
            if curve.name == name:
                return curve
        known = ", ".join(curve.name for curve in self.by_class) or "no classes were given"
        raise InputError(f"no class is named {name!r}", where="groups", hint=known)

    @property
    def k(self) -> int:
        """Number of studies."""
        return len(self.labels)

    @property
    def df(self) -> float:
        """Degrees of freedom of the confidence limits: studies less one, infinite where `test` is "z"."""
        return limits_df(self.k, self.test, self.method)

    @property
    def h2(self) -> float:
        """Q over its expectation without heterogeneity: the reported points less the times."""
        return self.q / self.q_df if self.q_df else math.nan

    @property
    def i2(self) -> float:
        """Share of the variation that is between studies, from `h2`, a fraction."""
        return max(0.0, 1 - 1 / self.h2) if self.h2 > 0 else 0.0

    @property
    def h2_published(self) -> float:
        """Q over the points less the STUDIES, as R's metaSurvival and RISCA divide it (undefined for one time)."""
        points = int(np.isfinite(self.study_survival).sum())
        return self.q / (points - self.k) if points > self.k else math.nan

    @property
    def i2_published(self) -> float:
        """I2 from `h2_published`, to compare with those packages."""
        return max(0.0, 1 - 1 / self.h2_published) if self.h2_published > 0 else 0.0

    def at(self, times: ArrayLike) -> list[dict[str, float]]:
        """Survival and its bands at any times within the curve, on straight lines between those of the grid."""
        wanted = np.atleast_1d(np.asarray(times, dtype=float))
        if not ((wanted >= 0) & (wanted <= self.time[-1])).all():
            raise InputError("outside the curve", where="times", hint=f"from 0 to {self.time[-1]:g}")
        grid = np.concatenate([[0.0], self.time])
        names = ("survival", "ci_low", "ci_high", "pi_low", "pi_high")
        columns = [np.interp(wanted, grid, np.concatenate([[1.0], getattr(self, name)])) for name in names]
        return [
            {"time": float(t), **dict(zip(names, map(float, row), strict=True))}
            for t, *row in zip(wanted, *columns, strict=True)
        ]

    def quantile(self, p: float) -> tuple[float, float, float]:
        """The time by which a share `p` had the event, with the limits that invert the band; NaN: not reached."""
        if not 0 < p < 1:
            raise InputError(f"p is {p!r}", where="p", hint="a share between 0 and 1: 0.5 for the median")
        value, low, high = (
            crossing(self.time, curve, 1 - p) for curve in (self.survival, self.ci_low, self.ci_high)
        )
        return value, low, high

    def rmst_at(self, to: float) -> tuple[float, float]:
        """(restricted mean to `to`, its standard error)."""
        value, se, _ = restricted_mean(self.fitted, self.time, float(to))
        return value, se

    def rmst_difference(self, first: str, second: str) -> dict[str, float]:
        """Difference of the restricted means of two classes to their common horizon: t on their degrees of freedom."""
        one, other = self[first], self[second]
        difference, se = one.rmst[0] - other.rmst[0], math.hypot(one.rmst_se, other.rmst_se)
        df = one.df + other.df
        half = quantile(self.level, df) * se
        return {
            "rmst_to": one.rmst_to,
            "difference": difference,
            "se": se,
            "ci_low": difference - half,
            "ci_high": difference + half,
            "p_value": two_sided(difference / se, df),
        }

    def simultaneous_band(self, *, draws: int = 20_000, seed: int = 0) -> tuple[Floats, Floats]:
        """A band that holds the whole curve with probability `level`: the quantile of max |Z| by simulation."""
        covariance = self.fitted.log_covariance()
        crit = simultaneous_crit(covariance, self.level, self.df, _draws(draws), seed)
        return band(self.survival, self.se, crit, self.interval)

    def monte_carlo(self, *, draws: int = 10_000, seed: int = 0) -> dict[str, tuple[float, float]]:
        """Intervals of the median and of the restricted mean from curves drawn from the sampling distribution.

        An end of the median is NaN where the drawn curves do not reach 0.5 that often.
        """
        curves = drawn(self.fitted, _draws(draws), seed)
        medians = np.array([crossing(self.time, curve) for curve in curves])
        medians = np.where(np.isnan(medians), math.inf, medians)
        tails = [(1 - self.level) / 2, (1 + self.level) / 2]
        ends = [float(np.quantile(medians, tail, method="higher")) for tail in tails]
        t = np.concatenate([[0.0], self.time])
        within = t <= self.rmst_to * (1 + 1e-12)
        if not math.isclose(t[within][-1], self.rmst_to, rel_tol=1e-9):
            raise InputError("the horizon lies between two times", where="rmst_to", hint="a time of the grid")
        values = np.concatenate([np.ones((len(curves), 1)), curves], axis=1)[:, within]
        areas = np.trapezoid(values, t[within], axis=1)
        low, high = np.quantile(areas, tails).tolist()
        return {
            "median": (_finite(ends[0]), _finite(ends[1])),
            "rmst": (low, high),
        }

    def heterogeneity(self) -> CurveHeterogeneity:
        """Q, I2 and tau2 at each time; see `CurveHeterogeneity`."""
        y, w = self.fitted.y, 1 / self.fitted.v
        seen = np.isfinite(y)
        w = np.where(seen, w, 0.0)
        value = np.where(seen, y, 0.0)
        mean = (w * value).sum(axis=0) / w.sum(axis=0)
        q = (w * (value - mean) ** 2).sum(axis=0)
        df = np.maximum(seen.sum(axis=0) - 1, 0)
        spread = np.diag(self.fitted.log_covariance(prediction=True)) - np.diag(self.fitted.log_covariance())
        with np.errstate(divide="ignore", invalid="ignore"):
            h2, i2 = np.where(df > 0, q / df, np.nan), np.where(q > df, 1 - df / q, 0.0)
        return CurveHeterogeneity(
            time=self.time,
            studies=self.studies,
            q=frozen(q),
            q_p=frozen([chi2_tail(a, int(b)) for a, b in zip(q.tolist(), df.tolist(), strict=True)]),
            h2=frozen(h2),
            i2=frozen(i2),
            tau2=frozen(np.diag(self.fitted.between)),
            tau_log_survival=frozen(np.sqrt(np.maximum(spread, 0.0))),
        )

    def leave_one_out(self) -> CurveRefits:
        """The curve without each study in turn, on the times that are left."""
        from kmeta.methods.pooling.pooled_curve import fit_gridded

        if self.k < 2:
            raise InputError("one study", where="curves", hint="two or more")
        curves = []
        for i in range(self.k):
            rest = [j for j in range(self.k) if j != i]
            survival, n_risk = self.study_survival[rest], self.study_n_risk[rest]
            used = np.isfinite(survival).any(axis=0)
            part = GriddedCurves(
                labels=tuple(self.labels[j] for j in rest),
                time=frozen(self.time[used]),
                survival=frozen(survival[:, used]),
                n_risk=frozen(n_risk[:, used]),
                dropped=(),
            )
            to = min(self.rmst_to, float(part.time[-1]))
            curves.append(fit_gridded(part, self._options() | {"rmst_to": to}))
        change = [
            float(np.max(np.abs(curve.survival - self.survival[: len(curve.survival)]))) for curve in curves
        ]
        return CurveRefits(omitted=self.labels, curves=tuple(curves), change=frozen(change))

    def _options(self) -> dict[str, Any]:
        names = ("method", "test", "level", "interval", "correction", "rmst_to")
        return {name: getattr(self, name) for name in names}

    def rows(self) -> list[dict[str, Any]]:
        """One row a time."""
        names = ("time", "survival", "ci_low", "ci_high", "pi_low", "pi_high", "studies", "n_risk", "thin")
        columns = [list(getattr(self, name)) for name in names]
        return [dict(zip(names, map(_plain, row), strict=True)) for row in zip(*columns, strict=True)]

    def summary(self) -> str:
        """Median, restricted mean, heterogeneity, what carries the tail, and the table of the curve."""
        from kmeta.methods.pooling.curve_text import summary

        return summary(self)

    def r_script(self) -> str:
        """R code with the gridded data inline: metaSurvival's msurv call."""
        from kmeta.methods.pooling.curve_text import r_script

        return r_script(self)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.nan


def _draws(draws: int) -> int:
    if isinstance(draws, bool) or not isinstance(draws, int) or not 100 <= draws <= MOST_DRAWS:
        raise InputError(f"draws is {draws!r}", where="draws", hint=f"from 100 to {MOST_DRAWS}")
    return draws


def limits_df(k: int, test: str, method: str) -> float:
    """Degrees of freedom of the confidence limits of k studies."""
    return float(k - 1) if test == "t" and method == "random" and k > 1 else math.inf
