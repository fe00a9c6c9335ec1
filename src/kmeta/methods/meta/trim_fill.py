"""Trim and fill: how many studies would make the funnel symmetric, and the model with them."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.core.numbers import decimal
from kmeta.core.result import Result
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.small_study import need_three

ESTIMATORS = ("L0", "R0", "Q0")
SIDES = ("left", "right")
ROUNDS = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class TrimFill(Result):
    """`fit` is the model with the `k0` filled-in estimates at the end of yi; `filled` marks them.

    `side` is where estimates are missing; `se_k0` the standard error of k0 (NaN where its formula has none),
    `p_k0` the test of k0 = 0 that R0 has (NaN for L0 and Q0).
    """

    fit: MetaFit
    k0: int
    se_k0: float
    p_k0: float
    side: str
    estimator: str
    filled: tuple[bool, ...]
    original: MetaFit

    @property
    def mu(self) -> float:
        """The pooled estimate with the filled-in ones."""
        return self.fit.mu

    def summary(self) -> str:
        """How many are missing, and the model with them."""
        se = "" if math.isnan(self.se_k0) else f" (SE = {decimal(self.se_k0, 2)})"
        return f"Estimated number of missing studies on the {self.side} side: {self.k0}{se}\n\n{self.fit.summary()}"

    def rows(self) -> list[dict[str, Any]]:
        """Two rows: the model as it was, and with the filled-in estimates."""
        return [
            {"model": name, "k0": k0, **fit.rows()[0]}
            for name, k0, fit in (("observed", 0, self.original), ("filled", self.k0, self.fit))
        ]

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values; the fits as theirs."""
        out: dict[str, Any] = {}
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            out[name] = value.to_dict() if isinstance(value, MetaFit) else value
        out["filled"] = list(self.filled)
        return out

    def r_script(self) -> str:
        """R code with the data inline: the metafor call that gives the same numbers."""
        call = (
            f'filled <- trimfill(res, estimator = "{self.estimator}", side = "{self.side}")\nprint(filled)\n'
        )
        return self.original.r_script() + call


def trim_fill(fit: MetaFit, *, estimator: str = "L0", side: str | None = None) -> TrimFill:
    """Trim and fill of a model without moderators (`random_effects` or `common_effect`), k >= 3.

    estimator : "L0", "R0" or "Q0" of the number of missing studies.
    side : "left" or "right", where they are missing; None: right where the slope of the estimates on their standard
        errors (by the same method) is negative, else left.
    Raises InputError for a model it does not hold for, ConvergenceError when trimming runs in a circle or the
    estimator has no value.
    Source: Duval & Tweedie 2000, doi:10.1111/j.0006-341X.2000.00455.x and doi:10.1080/01621459.2000.10473905.

    >>> from kmeta.methods.meta import common_effect
    >>> fit = common_effect([-0.1, -0.2, -0.6, -0.9, -1.2], [0.01, 0.02, 0.06, 0.09, 0.2], measure="HR")
    >>> found = trim_fill(fit)
    >>> found.k0, found.side, round(found.mu, 3)
    (2, 'right', -0.18)
    """
    if estimator not in ESTIMATORS:
        raise InputError(f"no estimator is named {estimator!r}", where="estimator", hint="L0, R0 or Q0")
    if side is not None and side not in SIDES:
        raise InputError(f"side is {side!r}", where="side", hint="left, right or None")
    fit.need_no_moderators("trim_fill")
    if fit.model == "multilevel":
        raise InputError("trim_fill is given for one estimate a study", where="fit")
    if fit.user_weights is not None:
        raise InputError("trim_fill is given for models with their own weights", where="weights")
    need_three(fit.k, "trim_fill")
    chosen = _side(fit) if side is None else side
    sign = -1.0 if chosen == "right" else 1.0
    order = np.argsort(sign * fit.yi, kind="stable")
    y, v = sign * fit.yi[order], fit.vi[order]
    k0, se_k0, centre = _trim(fit, y, v, estimator)
    p_k0 = 0.5 ** (k0 + 1) if estimator == "R0" else math.nan
    if k0:
        mirrored = sign * (2 * centre - y[fit.k - k0 :])
        labels = (*fit.labels, *(f"filled {i + 1}" for i in range(k0)))
        full = _again(
            fit, np.concatenate([fit.yi, mirrored]), np.concatenate([fit.vi, v[fit.k - k0 :]]), labels
        )
        full = dataclasses.replace(
            full,
            warnings=(*full.warnings, f"{k0} of the estimates are not observed: trim and fill made them"),
        )
    else:
        full = fit
    return TrimFill(
        fit=full,
        k0=k0,
        se_k0=se_k0,
        p_k0=p_k0,
        side=chosen,
        estimator=estimator,
        filled=tuple(i >= fit.k for i in range(full.k)),
        original=fit,
    )


def _again(fit: MetaFit, y: Floats, v: Floats, labels: tuple[str, ...], x: Floats | None = None) -> MetaFit:
    from kmeta.methods.meta.random_effects import fit_model

    again = fit_model(
        frozen(y),
        frozen(v),
        x,
        ("mu",) if x is None else ("intercept", "sei"),
        measure=fit.measure,
        tau2=fit.tau2 if fit.method == "fixed" else fit.method,
        test=fit.test,
        user=None,
        level=fit.level,
        pi="test" if fit.pi == "bootstrap" else fit.pi,
        labels=labels,
    )
    if fit.pi == "bootstrap" and x is None and fit.seed is not None and fit.n_bootstrap is not None:
        from kmeta.methods.meta.bootstrap_prediction import with_bootstrap

        return with_bootstrap(again, fit.seed, fit.n_bootstrap)
    return again


def _side(fit: MetaFit) -> str:
    """Right where smaller studies have smaller estimates."""
    sei = np.sqrt(fit.vi)
    if np.ptp(sei) <= 1e-12 * float(sei.max()):
        raise InputError("all variances are equal: the side cannot be seen", where="side", hint="give side=")
    x = frozen(np.column_stack([np.ones(fit.k), sei]))
    regression = _again(fit, fit.yi, fit.vi, fit.labels, x)
    assert regression.beta is not None  # noqa: S101
    return "right" if regression.beta[1] < 0 else "left"


def _trim(fit: MetaFit, y: Floats, v: Floats, estimator: str) -> tuple[int, float, float]:
    """(number missing on the left, its standard error, the centre) of estimates in increasing order."""
    k = len(y)
    k0, before = 0, -1
    seen: list[int] = []
    se, centre = math.nan, math.nan
    while k0 != before:
        before = k0
        if len(seen) > ROUNDS or k0 > k - 1:
            raise ConvergenceError(
                f"the number of missing studies does not settle: {seen[-4:]}",
                last=k0,
                where="trim_fill",
                hint="take another estimator",
            )
        seen.append(k0)
        centre = _again(fit, y[: k - k0], v[: k - k0], tuple(str(i) for i in range(k - k0))).mu
        k0, se = _missing(y - centre, estimator)
    return k0, se, centre


def _missing(centred: Floats, estimator: str) -> tuple[int, float]:
    """Number missing on the left by the ranks of the absolute deviations, and its standard error."""
    k = len(centred)
    ranks = np.empty(k)
    ranks[np.argsort(np.abs(centred), kind="stable")] = np.arange(1, k + 1)
    if estimator == "R0":
        below = ranks[centred < 0]
        raw = k - (float(below.max()) if len(below) else 0.0) - 1
        return max(0, round(raw)), math.sqrt(2 * max(0.0, raw) + 2)
    rank_sum = float(ranks[centred > 0].sum())
    if estimator == "L0":
        raw = (4 * rank_sum - k * (k + 1)) / (2 * k - 1)
    else:
        inside = 2 * k * k - 4 * rank_sum + 0.25
        if inside < 0:
            raise ConvergenceError(
                "Q0 has no value: nearly all estimates lie on one side",
                last=rank_sum,
                where="trim_fill",
                hint="take L0 or R0",
            )
        raw = k - 0.5 - math.sqrt(inside)
    variance = k * (k + 1) * (2 * k + 1) + 10 * raw**3 + 27 * raw**2 + 17 * raw
    variance = (variance - 18 * k * raw**2 - 18 * k * raw + 6 * k * k * raw) / 24
    if estimator == "L0":
        se = 4 * math.sqrt(variance) / (2 * k - 1) if variance >= 0 else math.nan
    else:
        lower = (k - 0.5) ** 2 - raw * (2 * k - raw - 1)
        se = 2 * math.sqrt(variance / lower) if variance >= 0 and lower > 0 else math.nan
    return max(0, round(raw)), se
