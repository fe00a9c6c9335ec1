"""The Kaplan-Meier estimator: individual data -> a curve a group, with pointwise intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.methods.survival.curve import SurvivalCurve
from kmeta.methods.survival.intervals import INTERVALS
from kmeta.methods.survival.product_limit import product_limit
from kmeta.methods.survival.sample import SurvivalSample, groups_of, survival_sample

Interval = Literal["log-log", "log", "plain", "logit", "arcsine"]
R_NAMES = {"arcsine": "arcsin"}


@dataclass(frozen=True, kw_only=True, eq=False)
class KaplanMeier(Result):
    """One curve a group, in order of first appearance. `warnings` tells where a curve should not be trusted."""

    curves: tuple[SurvivalCurve, ...]
    warnings: tuple[str, ...] = ()

    def __getitem__(self, label: str) -> SurvivalCurve:
        """The curve of one group; InputError when there is none."""
        for curve in self.curves:
            if curve.label == label:
                return curve
        raise InputError(
            f"no group is named {label!r}", where="group", hint=", ".join(c.label for c in self.curves)
        )

    def rows(self) -> list[dict[str, Any]]:
        """One row a group: patients, events, median with its interval."""
        rows = []
        for curve in self.curves:
            median, low, high = curve.median
            row = {"group": curve.label, "n": curve.n, "events": curve.events, "median": median}
            rows.append(row | {"ci_low": low, "ci_high": high})
        return rows

    def summary(self) -> str:
        """Patients, events and median of each group, and the warnings."""
        return "\n".join([super().summary(), *(f"Warning: {text}" for text in self.warnings)])

    def table(self) -> list[dict[str, Any]]:
        """The survival table: one row a group and distinct time."""
        return [row for curve in self.curves for row in curve.rows()]

    def risk_table(self, times: ArrayLike) -> list[dict[str, Any]]:
        """The table under a printed figure: one row a group and time, as in `SurvivalCurve.risk_table`."""
        return [row for curve in self.curves for row in curve.risk_table(times)]

    def r_script(self) -> str:
        """R code that repeats the curves with the package survival, the patients inline."""
        from kmeta.methods.survival.r_code import data_frame

        columns = sample_columns([curve.sample for curve in self.curves])
        labels = [curve.label for curve in self.curves for _ in range(curve.n)]
        first = self.curves[0]
        start = "entry, " if "entry" in columns else ""
        options = f'conf.type = "{R_NAMES.get(first.interval, first.interval)}", conf.int = {first.level!r}'
        if "weight" in columns:
            options += ", weights = weight"
        options += f", robust = {str(first.robust).upper()}"
        options += ", cluster = seq_len(nrow(dat))" if first.robust else ""
        lines = ["library(survival)", "", *data_frame({**columns, "group": labels}), ""]
        lines.append(f"fit <- survfit(Surv({start}time, event) ~ group, data = dat, {options})")
        lines += ["print(fit)", "summary(fit)", "quantile(fit)"]
        lines += [f"# kmeta: {row}" for row in self.rows()]
        return "\n".join(lines) + "\n"


def kaplan_meier(
    time: ArrayLike,
    event: ArrayLike,
    *,
    group: Sequence[object] | None = None,
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    robust: bool | None = None,
    level: float = 0.95,
    interval: Interval = "log-log",
) -> KaplanMeier:
    """Survival curves of individual data.

    time : follow-up, 0 or later, shape (n,). event : 1 event, 0 censored, shape (n,). group : a label each.
    entry : when each came under observation (left truncation), before `time`; the curve then is that of those who
        live to be observed. weights : above 0; a weight of 2 counts as two patients.
    robust : standard errors by the infinitesimal jackknife; None: where any weight is no whole number, as in R.
    interval : the scale of the pointwise interval: "log-log", "log" (R's default), "plain", "logit", "arcsine".
    Raises InputError, naming rows, for times or events that cannot be. O(n log n).
    Source: Kaplan & Meier 1958, doi:10.1080/01621459.1958.10501452; Kalbfleisch & Prentice 2002, ch. 1 (scales).

    >>> curve = kaplan_meier([1, 2, 2, 3, 5, 8], [1, 1, 0, 1, 0, 1]).curves[0]
    >>> curve.survival.round(3).tolist(), curve.median[0]
    ([0.833, 0.667, 0.444, 0.444, 0.0], 3.0)
    >>> [(row["n_risk"], row["events"], row["censored"]) for row in curve.risk_table([0, 3, 6])]
    [(6.0, 0.0, 0.0), (3.0, 2.0, 1.0), (1.0, 3.0, 2.0)]
    """
    sample = survival_sample(time, event, entry=entry, weights=weights)
    if interval not in INTERVALS:
        raise InputError(f"no interval is named {interval!r}", where="interval", hint=", ".join(INTERVALS))
    checked_level(level)
    if robust is None:
        robust = bool((sample.weights != np.floor(sample.weights)).any())
    labels, member = groups_of(group, sample.n)
    parts = [sample] if len(labels) == 1 else [sample.part(member == i) for i in range(len(labels))]
    curves = tuple(
        _curve(label, part, level, interval, robust) for label, part in zip(labels, parts, strict=True)
    )
    return KaplanMeier(curves=curves, warnings=tuple(text for curve in curves for text in _doubts(curve)))


def checked_level(level: float) -> None:
    """InputError for a level that is no fraction."""
    if not 0 < level < 1:
        raise InputError(f"level is {level!r}", where="level", hint="a fraction: 0.95")


def sample_columns(samples: Sequence[SurvivalSample]) -> dict[str, Floats]:
    """The columns of samples one under the other; `entry` and `weight` only where they say something."""
    columns = {
        name: np.concatenate([getattr(s, attribute) for s in samples])
        for name, attribute in (
            ("time", "time"),
            ("event", "event"),
            ("entry", "entry"),
            ("weight", "weights"),
        )
    }
    if not any(s.truncated for s in samples):
        del columns["entry"]
    if (columns["weight"] == 1).all():
        del columns["weight"]
    return columns


def _curve(label: str, sample: SurvivalSample, level: float, interval: str, robust: bool) -> SurvivalCurve:
    from scipy.special import ndtri

    fit = product_limit(sample, robust)
    with np.errstate(divide="ignore", invalid="ignore"):
        se = fit.survival * fit.log_se
        low, high = INTERVALS[interval](fit.survival, fit.log_se, float(ndtri((1 + level) / 2)))
    sets = fit.sets
    return SurvivalCurve(
        label=label,
        n=sample.n,
        time=frozen(sets.time),
        n_risk=frozen(sets.at_risk[:, 0]),
        n_event=frozen(sets.events[:, 0]),
        n_censored=frozen(sets.counted(sample.weights * (1 - sample.event))[:, 0]),
        survival=frozen(fit.survival),
        se=frozen(se),
        ci_low=frozen(low),
        ci_high=frozen(high),
        level=level,
        interval=interval,
        log_se=frozen(fit.log_se),
        hazard=frozen(fit.hazard),
        hazard_se=frozen(fit.hazard_se),
        robust=robust,
        sample=sample,
    )


def _doubts(curve: SurvivalCurve) -> list[str]:
    """A curve that falls to 0 while others are still to enter says nothing about them."""
    zero = np.flatnonzero(curve.survival == 0)
    if zero.size and zero[0] < len(curve.time) - 1:
        t = float(curve.time[zero[0]])
        return [
            f"{curve.label}: all under observation at {t:g} had the event then, while others entered later; "
            "the curve is 0 from there: begin later, or look at entry"
        ]
    return []
