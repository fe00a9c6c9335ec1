"""What is read off a pooled curve: median, restricted mean, bands, the test between classes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.methods.pooling.curve_model import CurveModel
from kmeta.methods.survival.intervals import INTERVALS

# Times at which classes are tested: more cost power, and the test grows conservative (0 of 150 at 3 times, 14 studies)
MOST_TIMES, STUDIES_A_TIME = 3, 6


def crossing(time: Floats, curve: Floats, level: float = 0.5) -> float:
    """First time at which a curve joined by straight lines from (0, 1) is at or below `level`; NaN: never."""
    known = np.isfinite(curve)
    below = np.flatnonzero(known & (curve <= level))
    if not below.size:
        return math.nan
    i = int(below[0])
    t0, s0 = (0.0, 1.0) if i == 0 else (float(time[i - 1]), float(curve[i - 1]))
    t1, s1 = float(time[i]), float(curve[i])
    return t1 if not s0 > s1 else t1 - (t1 - t0) * (level - s1) / (s0 - s1)


def band(survival: Floats, se: Floats, crit: Floats | float, scale: str) -> tuple[Floats, Floats]:
    """Limits of a curve from the se of ln S, within 0 and 1; the lower one is 0 where the curve is."""
    with np.errstate(invalid="ignore", over="ignore"):
        low, high = INTERVALS[scale](survival, se, crit)  # type: ignore[arg-type]
    return np.where(survival == 0, 0.0, np.maximum(low, 0.0)), np.minimum(high, 1.0)


def area_weights(time: Floats, to: float) -> tuple[float, Floats]:
    """(constant, weights of S at each time) of the area from 0 to `to` under straight lines from (0, 1)."""
    weights = np.zeros(len(time) + 1)
    t = np.concatenate([[0.0], time])
    for i in range(1, len(t)):
        start, end = t[i - 1], min(t[i], to)
        if end <= start:
            break
        share = (end - start) / (t[i] - start)
        weights[i - 1] += (end - start) * (1 - share / 2)
        weights[i] += (end - start) * share / 2
    return float(weights[0]), weights[1:]


def restricted_mean(model: CurveModel, time: Floats, to: float) -> tuple[float, float, float]:
    """(area to `to`, its standard error, that of a new study's area), by the delta method."""
    if not 0 < to <= time[-1] * (1 + 1e-9):
        raise InputError(
            f"rmst_to is {to:g}, the curve ends at {time[-1]:g}",
            where="rmst_to",
            hint="a time within the curve",
        )
    constant, weights = area_weights(time, to)
    survival = model.survival
    slopes = np.where(np.isfinite(model.slopes), model.slopes, 0.0)
    gradient = (weights * survival) @ slopes
    own = float(gradient @ model.vcov @ gradient)
    new = float(gradient @ (model.vcov + model.between) @ gradient)
    return constant + float(weights @ survival), math.sqrt(own), math.sqrt(new)


def simultaneous_crit(covariance: Floats, level: float, df: float, draws: int, seed: int) -> float:
    """The quantile of max |Z| over the times, Z normal (t with df) with the correlation of ln S, by simulation."""
    known = np.flatnonzero(np.diag(covariance) > 0)
    if not known.size:
        return math.nan
    part = covariance[np.ix_(known, known)]
    sd = np.sqrt(np.diag(part))
    values, vectors = np.linalg.eigh(part / np.outer(sd, sd))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    random = np.random.default_rng(seed)
    largest = np.abs(random.standard_normal((draws, len(known))) @ root.T).max(axis=1)
    if math.isfinite(df):
        largest /= np.sqrt(random.chisquare(df, draws) / df)
    return float(np.quantile(largest, level))


def drawn(model: CurveModel, draws: int, seed: int) -> Floats:
    """Curves (draws, p) drawn from the sampling distribution of the pooled one."""
    values, vectors = np.linalg.eigh(model.vcov)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    z = np.random.default_rng(seed).standard_normal((draws, len(values)))
    return np.asarray(np.cumprod(np.sin(model.b + z @ root.T) ** 2, axis=1), dtype=np.float64)


def class_test(
    models: Sequence[CurveModel], studies: int, usable: Sequence[int]
) -> tuple[float, float, float, float, tuple[int, ...]]:
    """Whether curves of independent classes differ: (F, df, df of the denominator, p, places of the times used).

    Wald's statistic of the differences in ln(-ln S) at up to three of the `usable` places (one for six studies),
    referred to Hotelling's distribution with `studies` less the classes as degrees of freedom (exact for two classes of
    normal values, else an approximation). NaN where there are too few studies.
    """
    from scipy.special import fdtrc

    nu = studies - len(models)
    m = min(MOST_TIMES, len(usable), max(1, nu // STUDIES_A_TIME))
    if nu < 1 or m < 1:
        return math.nan, math.nan, math.nan, math.nan, ()
    picked = sorted({usable[round((i + 1) * len(usable) / m) - 1] for i in range(m)})
    m = len(picked)
    values, blocks = [], []
    for model in models:
        log_s = np.log(model.survival[picked])
        values.append(np.log(-log_s))
        blocks.append(model.log_covariance()[np.ix_(picked, picked)] / np.outer(log_s, log_s))
    difference = np.concatenate([value - values[0] for value in values[1:]])
    g = len(models) - 1
    covariance = np.kron(np.ones((g, g)), blocks[0])
    for i, block in enumerate(blocks[1:]):
        covariance[i * m : (i + 1) * m, i * m : (i + 1) * m] += block
    wald = float(difference @ np.linalg.solve(covariance, difference))
    df, rest = float(m * g), float(nu - m + 1)
    f = wald * rest / (nu * df)
    return f, df, rest, float(fdtrc(df, rest, f)), tuple(picked)
