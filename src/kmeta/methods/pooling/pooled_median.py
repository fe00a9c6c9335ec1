"""Pooled median survival of a group, or ratios and differences of two; medians that were not reached are kept."""

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
from kmeta.methods.meta.distributions import quantile
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.inputs import labels_of, level_of, within_precision
from kmeta.methods.meta.r_script import text, vector
from kmeta.methods.meta.random_effects import random_effects
from kmeta.methods.pooling.censored_normal import ABOVE, BELOW, fit_censored
from kmeta.methods.pooling.median_inputs import Medians, names_of, read_medians

WORDS = {
    "log": "median survival, log scale",
    "identity": "median survival",
    "ratio": "ratio of median survival",
    "difference": "difference in median survival",
}
MEASURES = {"log": "MSR", "identity": "MD", "ratio": "MSR", "difference": "MD"}


@dataclass(frozen=True, kw_only=True, eq=False)
class PooledMedian(Result):
    """Pooled medians of k studies, of which `bounds` are known only to lie above (or a ratio below) a value.

    mu, se, limits and `yi`, `vi` are on the analysis scale (logs for "log" and "ratio"); `effect`, `effect_ci`,
    `effect_pi` are times, or the ratio. `side`: 0 a value, 1 "above yi", -1 "below yi". `reached`: the usual model of
    the studies with a value alone, always beside; without bounds it is the result itself.
    """

    kind: str
    level: float
    labels: tuple[str, ...]
    yi: Floats
    vi: Floats
    side: tuple[int, ...]
    basis: tuple[str, ...]
    mu: float
    se: float
    ci_low: float
    ci_high: float
    pi_low: float
    pi_high: float
    tau2: float
    method: str
    reached: MetaFit
    warnings: tuple[str, ...] = ()

    @property
    def k(self) -> int:
        """Number of studies, bounds counted."""
        return len(self.yi)

    @property
    def bounds(self) -> int:
        """Number of studies that give a bound only."""
        return sum(side != 0 for side in self.side)

    def _back(self, value: float) -> float:
        return math.exp(value) if MEASURES[self.kind] == "MSR" else value

    @property
    def effect(self) -> float:
        """The pooled median (or ratio, or difference) as people read it."""
        return self._back(self.mu)

    @property
    def effect_ci(self) -> tuple[float, float]:
        """Its confidence interval."""
        return self._back(self.ci_low), self._back(self.ci_high)

    @property
    def effect_pi(self) -> tuple[float, float]:
        """Its prediction interval; NaN where fewer than three studies give a value."""
        return self._back(self.pi_low), self._back(self.pi_high)

    def influence(self) -> list[dict[str, Any]]:
        """What each bound does: the pooled value without it, and without all of them. No row without bounds."""
        y, v, side = self.yi, self.vi, np.array(self.side)
        rows = []
        for i in np.flatnonzero(side != 0).tolist():
            rest = np.arange(self.k) != i
            mu = fit_censored(y[rest], v[rest], side[rest]).mu if self.bounds > 1 else self.reached.mu
            rows.append(
                {"left_out": self.labels[i], "effect": self._back(mu), "change": self._back(mu) - self.effect}
            )
        if self.bounds > 1:
            value = self._back(self.reached.mu)
            rows.append({"left_out": "all bounds", "effect": value, "change": value - self.effect})
        return rows

    def rows(self) -> list[dict[str, Any]]:
        """One row: the pooled value with its intervals."""
        return [
            {
                "what": WORDS[self.kind],
                "k": self.k,
                "bounds": self.bounds,
                "effect": self.effect,
                "ci_low": self.effect_ci[0],
                "ci_high": self.effect_ci[1],
                "pi_low": self.effect_pi[0],
                "pi_high": self.effect_pi[1],
                "tau2": self.tau2,
                "without_bounds": self._back(self.reached.mu),
            }
        ]

    def summary(self) -> str:
        """The pooled value, what the bounds change, and notes."""
        percent = f"{100 * self.level:g}%"
        low, high = self.effect_ci
        lines = [
            f"Pooled {WORDS[self.kind]}: {self.effect:.2f} ({percent} CI {low:.2f} to {high:.2f}), k = {self.k}, "
            f"tau2 = {self.tau2:.4g} ({self.method})"
        ]
        if not math.isnan(self.pi_low):
            lines.append(f"{percent} prediction interval: {self.effect_pi[0]:.2f} to {self.effect_pi[1]:.2f}")
        if self.bounds:
            kept = names_of([i for i, side in enumerate(self.side) if side], self.labels)
            lines.append(f"Not reached, kept as bounds: {self.bounds} ({kept})")
            lines.append(f"Without them: {self._back(self.reached.mu):.2f}")
        lines += [f"Note: {said}" for said in self.warnings]
        return "\n".join(lines)

    def r_script(self) -> str:
        """R code with the data inline: metafor's rma (metamedian's pooling step), survival's survreg with bounds."""
        if not self.bounds:
            return self.reached.r_script()
        data = [
            f"label <- {vector(map(text, self.labels))}",
            f"yi <- {vector(map(repr, self.yi.tolist()))}",
            f"vi <- {vector(map(repr, self.vi.tolist()))}",
            f"side <- {vector(map(str, self.side))}  # 1 above yi, -1 below yi",
            "minus_ll <- function(p) { total <- sqrt(p[2]^2 + vi); z <- (yi - p[1]) / total",
            "  -sum(ifelse(side == 0, dnorm(z, log = TRUE) - log(total), pnorm(-side * z, log.p = TRUE))) }",
            'res <- optim(c(mean(yi), sd(yi)), minus_ll, method = "BFGS", hessian = TRUE)',
            "c(mu = res$par[1], tau2 = res$par[2]^2)",
            f"# kmeta: mu {self.mu!r}, tau2 {self.tau2!r}",
        ]
        return "\n".join(data) + "\n"


@within_precision
def pooled_median(
    median: ArrayLike,
    ci_low: ArrayLike | None = None,
    ci_high: ArrayLike | None = None,
    *,
    n: ArrayLike | None = None,
    events: ArrayLike | None = None,
    follow_up: ArrayLike | None = None,
    not_reached: str = "bound",
    scale: str = "log",
    se: str = "scale",
    ci_level: ArrayLike = 0.95,
    tau2: str | float = "REML",
    test: str = "hksj",
    level: float = 0.95,
    labels: Sequence[str] | None = None,
) -> PooledMedian:
    """Pool the median survival times of one group.

    median : shape (k,), None or NaN where not reached. ci_low, ci_high : its interval at `ci_level` (one for all, or
        one a study); None where not reached or not printed. n, events : where there is no interval, exponential
        survival gives the precision.
    follow_up : of a median that was not reached, the time it is above (the last time of its curve); without it the
        lower limit.
    not_reached : "bound" keeps such studies: the model is then maximum likelihood of values and bounds together
        (an estimate above the bound), with t on k - 1 df. "leave out" drops them, which pulls the median down.
    scale : "log" or "identity" (as R's metamedian). se : "scale", half the interval on that scale, or "wald", half of
        it in time, divided by the median for logs. An upper limit that is not reached leaves the lower half.
    tau2, test : as in `random_effects`, where there is no bound.
    Raises InputError naming the row, and where no median was reached.
    Source: McGrath et al. 2026, Stat Med 45:e70533 (medians with intervals); Brookmeyer & Crowley 1982,
    doi:10.2307/2530286 (their interval, which is not symmetric).

    >>> found = pooled_median([20, 31, None], [15, 22, 40], [28, None, None], follow_up=[None, None, 48])
    >>> found.k, found.bounds, round(found.effect, 1), round(found.reached.effect, 1)
    (3, 1, 34.3, 24.8)
    """
    if scale not in ("log", "identity"):
        raise InputError(f"no scale is named {scale!r}", where="scale", hint="log or identity")
    _check(se, not_reached)
    read = read_medians(median, ci_low, ci_high, n, events, follow_up, scale=scale, se=se, level=ci_level)
    names = labels_of(labels, len(read.value))
    bounded = np.isnan(read.value)
    y = np.where(bounded, read.bound, read.value)
    spread, said = _filled(read.se, names, read.basis)
    said += _uneven(read, names)
    side = np.where(bounded, ABOVE, 0)
    options = {"tau2": tau2, "test": test, "level": level_of(level)}
    return _pooled(scale, y, spread**2, side, read.basis, names, not_reached, said, options)


@within_precision
def pooled_median_contrast(
    median1: ArrayLike,
    ci1: tuple[ArrayLike | None, ArrayLike | None],
    median2: ArrayLike,
    ci2: tuple[ArrayLike | None, ArrayLike | None],
    *,
    n: tuple[ArrayLike | None, ArrayLike | None] = (None, None),
    events: tuple[ArrayLike | None, ArrayLike | None] = (None, None),
    follow_up: tuple[ArrayLike | None, ArrayLike | None] = (None, None),
    not_reached: str = "bound",
    scale: str = "ratio",
    se: str = "scale",
    ci_level: ArrayLike | tuple[ArrayLike, ArrayLike] = 0.95,
    tau2: str | float = "REML",
    test: str = "hksj",
    level: float = 0.95,
    labels: Sequence[str] | None = None,
) -> PooledMedian:
    """Pool the ratio, or the difference, of the medians of two groups (the first over, or minus, the second).

    median1, median2 : shape (k,). ci1, ci2 : (lower, upper) limits of each; `n`, `events`, `follow_up` : a pair, of
    the first and of the second group; `ci_level` : one for all, or a pair. The rest as in `pooled_median`: a first
    median that was not reached is a bound from below, a second one from above, both together say nothing and are left
    out, told in `warnings`.
    A ratio of medians equals 1 / HR under exponential survival alone.

    >>> found = pooled_median_contrast([20, 30], ([15, 24], [28, 39]), [10, 21], ([8, 15], [13, 30]), test="z")
    >>> round(found.effect, 2), found.kind
    (1.71, 'ratio')
    """
    if scale not in ("ratio", "difference"):
        raise InputError(f"no scale is named {scale!r}", where="scale", hint="ratio or difference")
    _check(se, not_reached)
    inner = {"scale": "log" if scale == "ratio" else "identity", "se": se}
    levels = ci_level if isinstance(ci_level, tuple) else (ci_level, ci_level)
    first, second = (
        read_medians(m, *ci, n[i], events[i], follow_up[i], group=str(i + 1), level=levels[i], **inner)
        for i, (m, ci) in enumerate(((median1, ci1), (median2, ci2)))
    )
    if len(first.value) != len(second.value):
        words = f"{len(first.value)} first medians, {len(second.value)} second"
        raise InputError(words, where="median2", hint="one of each a study")
    names = labels_of(labels, len(first.value))
    open1, open2 = np.isnan(first.value), np.isnan(second.value)
    parts: list[Floats] = []
    said: tuple[str, ...] = ()
    for read in (first, second):
        spread, told = _filled(read.se, names, read.basis)
        parts.append(spread)
        said += told + _uneven(read, names)
    keep = np.flatnonzero(~(open1 & open2))
    if len(keep) < len(names):
        lost = names_of(np.flatnonzero(open1 & open2).tolist(), names)
        said = (*said, f"reached in neither group, left out: {lost}")
    if not keep.size:
        raise InputError("no study reached a median", where="median1", hint="nothing can be pooled")
    y = np.where(open1, first.bound, first.value) - np.where(open2, second.bound, second.value)
    side = np.where(open1, ABOVE, np.where(open2, BELOW, 0))
    basis = [f"{a}; {b}" if a != b else a for a, b in zip(first.basis, second.basis, strict=True)]
    v = parts[0] ** 2 + parts[1] ** 2
    return _pooled(
        scale,
        y[keep],
        v[keep],
        side[keep],
        tuple(basis[i] for i in keep),
        tuple(names[i] for i in keep),
        not_reached,
        said,
        {"tau2": tau2, "test": test, "level": level_of(level)},
    )


def _check(se: str, not_reached: str) -> None:
    if se not in ("scale", "wald"):
        raise InputError(f"se is {se!r}", where="se", hint="scale or wald")
    if not_reached not in ("bound", "leave out"):
        raise InputError(f"not_reached is {not_reached!r}", where="not_reached", hint="bound or leave out")


def _filled(se: Floats, labels: Sequence[str], basis: Sequence[str]) -> tuple[Floats, tuple[str, ...]]:
    """Bounds of unknown precision take the median se of the others."""
    unknown = np.isnan(se)
    if unknown.all():
        raise InputError("no study tells its precision", where="median", hint="an interval, events or n")
    said = []
    if unknown.any():
        names = names_of(np.flatnonzero(unknown).tolist(), labels)
        said.append(f"not reached, precision not known, the others' median taken: {names}")
    weak = [i for i, words in enumerate(basis) if "exponential" in words]
    if weak:
        said.append("precision from exponential survival: " + names_of(weak, labels))
    return np.where(unknown, np.median(se[~unknown]), se), tuple(said)


def _uneven(read: Medians, labels: Sequence[str]) -> tuple[str, ...]:
    return ("interval uneven on this scale: " + names_of(read.uneven, labels),) if read.uneven else ()


def _pooled(
    kind: str,
    y: Floats,
    v: Floats,
    side: Floats,
    basis: tuple[str, ...],
    names: tuple[str, ...],
    not_reached: str,
    said: tuple[str, ...],
    options: dict[str, Any],
) -> PooledMedian:
    known = np.flatnonzero(side == 0)
    if not known.size:
        raise InputError("no study reached a median", where="median", hint="nothing can be pooled")
    reached = random_effects(
        y[known], v[known], measure=MEASURES[kind], labels=[names[i] for i in known], **options
    )
    if len(known) < len(y) and not_reached == "leave out":
        lost = names_of(np.flatnonzero(side != 0).tolist(), names)
        said = (*said, f"not reached, left out, which pulls the result towards the others: {lost}")
        y, v, side = y[known], v[known], side[known]
        names, basis = reached.labels, tuple(basis[i] for i in known)
    if (side == 0).all():
        limits = {name: getattr(reached, name) for name in ("mu", "se", "ci_low", "ci_high", "tau2")}
        found = {**limits, "pi_low": reached.pi_low, "pi_high": reached.pi_high, "method": reached.method}
    else:
        found = _with_bounds(y, v, side, len(known), options)
    return PooledMedian(
        kind=kind,
        level=options["level"],
        labels=names,
        yi=frozen(y),
        vi=frozen(v),
        side=tuple(int(s) for s in side),
        basis=basis,
        reached=reached,
        warnings=(*said, *reached.warnings),
        **found,
    )


def _with_bounds(y: Floats, v: Floats, side: Floats, reached: int, options: dict[str, Any]) -> dict[str, Any]:
    fit = fit_censored(y, v, side)
    level = options["level"]
    df = math.inf if options["test"] == "z" else float(len(y) - 1)
    half = quantile(level, df) * fit.se
    # maximum likelihood finds tau2 too small, the more so the fewer values there are
    spread = quantile(level, reached - 1.0) if reached >= 3 else math.nan
    wide = spread * math.hypot(fit.se, math.sqrt(fit.tau2))
    return {
        "mu": fit.mu,
        "se": fit.se,
        "ci_low": fit.mu - half,
        "ci_high": fit.mu + half,
        "pi_low": fit.mu - wide,
        "pi_high": fit.mu + wide,
        "tau2": fit.tau2,
        "method": "ML",
    }
