"""Restricted mean survival time: by arm, contrasts between arms, and the covariance over several horizons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.methods.survival.curve import SurvivalCurve
from kmeta.methods.survival.kaplan_meier import KaplanMeier, kaplan_meier, sample_columns


@dataclass(frozen=True, kw_only=True, eq=False)
class RestrictedMean(Result):
    """Mean time lived to `tau` by one arm (area under its curve), and time lost `rmtl` (area over it), with one `se`.

    `follow_up`: largest time of the arm. Past it, unless the curve is 0, the area takes the curve's last value.
    """

    label: str
    n: int
    tau: float
    rmst: float
    rmtl: float
    se: float
    ci_low: float
    ci_high: float
    follow_up: float
    beyond: bool
    level: float

    @property
    def rmtl_ci(self) -> tuple[float, float]:
        """Limits of the restricted mean time lost."""
        return self.tau - self.ci_high, self.tau - self.ci_low

    def rows(self) -> list[dict[str, Any]]:
        """One row each for the time lived and the time lost."""
        start = {"group": self.label, "n": self.n, "tau": self.tau}
        lived = {"measure": "RMST", "estimate": self.rmst, "se": self.se}
        lost = {"measure": "RMTL", "estimate": self.rmtl, "se": self.se}
        low, high = self.rmtl_ci
        return [
            start | lived | {"ci_low": self.ci_low, "ci_high": self.ci_high},
            start | lost | {"ci_low": low, "ci_high": high},
        ]


@dataclass(frozen=True, kw_only=True, eq=False)
class RmstContrast(Result):
    """One arm against the reference: "difference", "ratio" or "rmtl-ratio"; `se` of a ratio is that of its log."""

    measure: str
    label: str
    reference: str
    estimate: float
    se: float
    ci_low: float
    ci_high: float
    p: float

    def rows(self) -> list[dict[str, Any]]:
        """The contrast as one row."""
        row = {"measure": self.measure, "group": self.label, "reference": self.reference}
        return [row | {name: getattr(self, name) for name in ("estimate", "se", "ci_low", "ci_high", "p")}]


@dataclass(frozen=True, kw_only=True, eq=False)
class Rmst(Result):
    """Restricted means of all arms to one `tau`, and three contrasts of each later arm against the first."""

    tau: float
    arms: tuple[RestrictedMean, ...]
    contrasts: tuple[RmstContrast, ...]
    level: float
    curves: KaplanMeier
    warnings: tuple[str, ...] = ()

    def __getitem__(self, label: str) -> RestrictedMean:
        """The restricted mean of one arm; InputError when there is none."""
        for arm in self.arms:
            if arm.label == label:
                return arm
        raise InputError(
            f"no group is named {label!r}", where="group", hint=", ".join(a.label for a in self.arms)
        )

    def contrast(self, measure: str, label: str | None = None) -> RmstContrast:
        """The contrast "difference", "ratio" or "rmtl-ratio" of `label` (None: the second arm)."""
        for each in self.contrasts:
            if each.measure == measure and label in (None, each.label):
                return each
        raise InputError(
            f"no contrast {measure!r} of {label!r}", where="measure", hint="difference, ratio, rmtl-ratio"
        )

    def rows(self) -> list[dict[str, Any]]:
        """Time lived and time lost by arm."""
        return [row for arm in self.arms for row in arm.rows()]

    def summary(self) -> str:
        """Arms, contrasts, warnings."""
        lines = [super().summary()]
        if self.contrasts:
            lines += ["", _Table(held=tuple(row for each in self.contrasts for row in each.rows())).summary()]
        return "\n".join([*lines, *(f"Warning: {text}" for text in self.warnings)])

    def r_script(self) -> str:
        """R code for survRM2 (contrasts) or survival (one arm), the patients inline."""
        from kmeta.methods.survival.r_code import data_frame

        samples = [curve.sample for curve in self.curves.curves]
        columns = sample_columns(samples)
        if "weight" in columns or "entry" in columns:
            raise InputError("survRM2 has neither weights nor truncation", where="rmst")
        columns["arm"] = np.repeat(np.arange(len(samples), dtype=float), [s.n for s in samples])
        lines = [*data_frame(columns), ""]
        if len(samples) == 1:
            lines = ["library(survival)", "", *lines, "fit <- survfit(Surv(time, event) ~ 1, data = dat)"]
            lines.append(f"print(fit, rmean = {self.tau!r})")
        else:
            lines = ["library(survRM2)", "", *lines]
        for i in range(1, len(samples)):
            lines.append(f"two <- subset(dat, arm %in% c(0, {i}))  # {self.arms[i].label!a}")
            lines.append(f"rmst2(two$time, two$event, as.numeric(two$arm == {i}), tau = {self.tau!r},")
            lines.append(f"  alpha = {1 - self.level:.12g})")
        lines += [f"# kmeta: {arm.label!a}: RMST {arm.rmst!r}, se {arm.se!r}" for arm in self.arms]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Table(Result):
    held: tuple[dict[str, Any], ...]

    def rows(self) -> list[dict[str, Any]]:
        return list(self.held)


def rmst(
    time: ArrayLike,
    event: ArrayLike,
    *,
    group: Sequence[object] | None = None,
    tau: float | None = None,
    reference: object = None,
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    level: float = 0.95,
) -> Rmst:
    """Restricted mean survival time to `tau` of each group, and contrasts against the first.

    tau : horizon, above 0; None: the smallest of the groups' largest times, as in survRM2. A tau past the follow-up
        of a group whose curve is not 0 by then is answered with a warning: the area takes the curve's last value.
    reference : the label contrasts are against; None: the first to appear. entry, weights : as in `kaplan_meier`.
    Contrasts: difference, ratio and ratio of the time lost; intervals of ratios on the log scale (delta method).
    Raises InputError for data that cannot be. O(n log n).
    Sources: Royston & Parmar 2013, doi:10.1186/1471-2288-13-152; Uno et al. 2014, doi:10.1200/JCO.2014.55.2208.

    >>> fit = rmst([2, 4, 6, 8, 1, 3, 5, 7], [1, 0, 1, 1, 1, 1, 0, 1], group=["a"] * 4 + ["b"] * 4, tau=6)
    >>> [round(arm.rmst, 3) for arm in fit.arms], round(fit.contrast("difference").estimate, 3)
    ([5.0, 4.0], -1.0)
    """
    fitted = kaplan_meier(time, event, group=group, entry=entry, weights=weights, level=level)
    curves = list(fitted.curves)
    if reference is not None:
        first = fitted[str(reference)]
        curves = [first, *(curve for curve in curves if curve is not first)]
    if tau is None:
        tau = min(float(curve.time[-1]) for curve in curves)
    arms = tuple(restricted_mean(curve, tau) for curve in curves)
    return Rmst(
        tau=float(tau),
        arms=arms,
        contrasts=tuple(each for arm in arms[1:] for each in _contrasts(arm, arms[0], level)),
        level=level,
        curves=KaplanMeier(curves=tuple(curves), warnings=fitted.warnings),
        warnings=(*fitted.warnings, *(text for arm in arms for text in _doubts(arm))),
    )


def restricted_mean(curve: SurvivalCurve, tau: float) -> RestrictedMean:
    """Area under a curve to `tau`; Greenwood's variance, or the robust one where the curve's is.

    The variance is the sum over event times t of A(t)^2 d / (n (n - d)), A(t) the area from t to tau.
    """
    from scipy.special import ndtri

    horizon = _checked_taus([tau])[0]
    total, lost, after = _areas(curve, horizon)
    se = _robust_se(curve, after) if curve.robust else math.sqrt(float(after**2 @ _greenwood(curve)))
    z = float(ndtri((1 + curve.level) / 2))
    return RestrictedMean(
        label=curve.label,
        n=curve.n,
        tau=horizon,
        rmst=total,
        rmtl=lost,
        se=se,
        ci_low=total - z * se,
        ci_high=total + z * se,
        follow_up=float(curve.time[-1]),
        beyond=bool(horizon > curve.time[-1] and curve.survival[-1] > 0),
        level=curve.level,
    )


def rmst_covariance(
    time: ArrayLike,
    event: ArrayLike,
    taus: ArrayLike,
    *,
    entry: ArrayLike | None = None,
) -> Floats:
    """Covariance matrix of one arm's restricted means at several horizons `taus`, shape (len(taus), len(taus)).

    Entry (a, b) is the sum over event times of A_a(t) A_b(t) d / (n (n - d)), A_a(t) the area under the curve from t
    to taus[a] (0 past it); its diagonal holds the squared standard errors of `rmst`.
    Raises InputError for data that cannot be. Source: Zhao et al. 2016, doi:10.1111/biom.12384.

    >>> rmst_covariance([2, 4, 6, 8], [1, 0, 1, 1], [4, 6]).round(4).tolist()
    [[0.1875, 0.375], [0.375, 0.75]]
    """
    curve = kaplan_meier(time, event, entry=entry).curves[0]
    after = np.array([_areas(curve, tau)[2] for tau in _checked_taus(taus)])
    return frozen((after * _greenwood(curve)) @ after.T)


def _checked_taus(taus: ArrayLike) -> list[float]:
    try:
        found = np.array(taus, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("holds something that is not a number", where="tau", hint="above 0") from error
    if found.ndim != 1 or not found.size or not (np.isfinite(found) & (found > 0)).all():
        raise InputError(f"is {taus!r}", where="tau", hint="a time above 0, in the unit of the data")
    return [float(tau) for tau in found]


def _areas(curve: SurvivalCurve, tau: float) -> tuple[float, float, Floats]:
    """(area under the curve to tau, area over it, area from each distinct time to tau; 0 past tau)."""
    edges = np.minimum(np.append(curve.time, tau), tau)
    edges[-1] = tau
    spans = np.diff(edges)
    pieces = curve.survival * spans
    # summed by itself, for a difference of areas would not be 0 where nobody had the event
    lost = float(((1 - curve.survival) * spans).sum())
    return float(edges[0] + pieces.sum()), lost, np.cumsum(pieces[::-1])[::-1]


def _greenwood(curve: SurvivalCurve) -> Floats:
    """d / (n (n - d)) at each time; 0 where the curve ends at 0, for no area is left there."""
    left = curve.n_risk - curve.n_event
    product = curve.n_risk * left
    return np.divide(curve.n_event, product, out=np.zeros_like(product), where=product > 0)


def _robust_se(curve: SurvivalCurve, after: Floats) -> float:
    """Infinitesimal jackknife: how the area moves with each patient's weight, squared and summed."""
    sample = curve.sample
    staying = after * _greenwood(curve)
    left = curve.n_risk - curve.n_event
    failing = np.divide(after, left, out=np.zeros_like(after), where=left > 0)
    base = np.append(np.cumsum(staying), 0.0)
    row = np.searchsorted(curve.time, sample.time)
    start = np.searchsorted(curve.time, sample.entry, side="right") - 1 if sample.truncated else -1
    moved = base[row] - base[start] - np.where(sample.event == 1, failing[row], 0.0)
    return float(np.sqrt(((sample.weights * moved) ** 2).sum()))


def _contrasts(arm: RestrictedMean, first: RestrictedMean, level: float) -> list[RmstContrast]:
    """Difference, ratio, ratio of the time lost; NaN where a ratio has a part that is 0."""
    spread = math.hypot(arm.se, first.se)
    found = [("difference", arm.rmst - first.rmst, spread)]
    for name, a, b in (("ratio", arm.rmst, first.rmst), ("rmtl-ratio", arm.rmtl, first.rmtl)):
        if a > 0 and b > 0:
            found.append((name, math.log(a / b), math.hypot(arm.se / a, first.se / b)))
        else:
            found.append((name, math.nan, math.nan))
    return [_contrast(*each, arm.label, first.label, level) for each in found]


def _contrast(name: str, value: float, se: float, label: str, first: str, level: float) -> RmstContrast:
    from scipy.special import ndtr, ndtri

    z = float(ndtri((1 + level) / 2))
    limits = (value, value - z * se, value + z * se)
    middle, low, high = limits if name == "difference" else map(math.exp, limits)
    return RmstContrast(
        measure=name,
        label=label,
        reference=first,
        estimate=middle,
        se=se,
        ci_low=low,
        ci_high=high,
        p=2 * float(ndtr(-abs(value / se))) if se > 0 else math.nan,
    )


def _doubts(arm: RestrictedMean) -> list[str]:
    """What the reader must know of one arm."""
    found = []
    if arm.beyond:
        found.append(
            f"{arm.label}: tau {arm.tau:g} is beyond its follow-up ({arm.follow_up:g}): "
            "the area takes the curve's last value there"
        )
    if arm.se == 0:
        found.append(f"{arm.label}: no event before tau {arm.tau:g}: its standard error of 0 is no certainty")
    return found
