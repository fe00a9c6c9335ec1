"""Prediction interval by a parametric bootstrap that carries the uncertainty of tau2 along."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.methods.meta.sample import Sample

if TYPE_CHECKING:
    from kmeta.methods.meta.fit import MetaFit

NODES = 128  # of the table that the confidence distribution is inverted from
FEWEST, MOST = 1000, 10_000_000
BLOCK = 1 << 20  # numbers in memory at once


def bootstrap_options(seed: int, n_bootstrap: int) -> tuple[int, int]:
    """Both checked: a seed of 0 or more, 1,000 to 10,000,000 replicates."""
    for value, name in ((seed, "seed"), (n_bootstrap, "n_bootstrap")):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise InputError(f"{name} is {value!r}", where=name, hint="a whole number")
    if seed < 0:
        raise InputError(f"seed is {seed}", where="seed", hint="0 or more")
    if not FEWEST <= n_bootstrap <= MOST:
        raise InputError(
            f"n_bootstrap is {n_bootstrap}", where="n_bootstrap", hint=f"{FEWEST:,} to {MOST:,} replicates"
        )
    return int(seed), int(n_bootstrap)


def with_bootstrap(fit: MetaFit, seed: int, n_bootstrap: int) -> MetaFit:
    """`fit` with the bootstrap prediction interval in place of its own; NaN for fewer than 3 estimates.

    Raises InputError for models with moderators or user weights, a tau2 that was given, more than 2,000 estimates.
    Source: Nagashima, Noma & Furukawa 2019, doi:10.1177/0962280218773520.
    """
    seed, n_bootstrap = bootstrap_options(seed, n_bootstrap)
    if fit.x is not None or fit.user_weights is not None or fit.method == "fixed":
        raise InputError(
            "the bootstrap prediction interval is for models without moderators, user weights and a given tau2",
            where="pi",
            hint='pi="t"',
        )
    low = high = math.nan
    said = fit.warnings
    if fit.k >= 3:
        low, high = bootstrap_limits(fit.yi, fit.vi, fit.level, seed, n_bootstrap)
        if low == high:
            said += ("the estimates are equal: the bootstrap prediction interval has no width",)
    return replace(
        fit, pi="bootstrap", pi_low=low, pi_high=high, seed=seed, n_bootstrap=n_bootstrap, warnings=said
    )


def bootstrap_limits(y: Floats, v: Floats, level: float, seed: int, n: int) -> tuple[float, float]:
    """Quantiles of n effects of a new study, drawn with their mean, tau2 and its error from the data y, v (k,).

    A replicate draws tau2 from its confidence distribution, the mean about its estimate at that tau2 with Hartung's
    variance and t with k - 1 df, and the new effect about the mean. The estimator of tau2 plays no part.

    >>> y, v = np.array([0.1, 0.5, 0.9, 2.0]), np.array([0.04, 0.02, 0.05, 0.03])
    >>> low, high = bootstrap_limits(y, v, 0.95, seed=1, n=10_000)
    >>> low < 0.1, high > 2.0
    (True, True)
    """
    sample = Sample(y, v)
    random = np.random.default_rng(seed)
    tau2 = drawn_tau2(sample, random.random(n))
    new = np.sqrt(tau2) * random.standard_normal(n)
    t = random.standard_t(sample.k - 1, n)
    rows = max(1, BLOCK // sample.k)
    for start in range(0, n, rows):
        part = slice(start, start + rows)
        w = 1 / (sample.v + tau2[part, None])
        total = w.sum(axis=1)
        mean = w @ sample.y / total
        spread = np.sum(w * (sample.y - mean[:, None]) ** 2, axis=1)
        new[part] += mean - t[part] * np.sqrt(spread / ((sample.k - 1) * total))
    low, high = np.quantile(new, [(1 - level) / 2, (1 + level) / 2]).tolist()
    origin = float(y[sample.first])
    return origin + sample.unit * low, origin + sample.unit * high


def drawn_tau2(sample: Sample, uniform: Floats) -> Floats:
    """tau2 (on the sample's scale) at which P(Q <= the Q observed) equals each of `uniform`; 0 where none is.

    The ends are solved for, and what is between is read from a table of exact values through a spline.
    """
    from scipy.interpolate import CubicSpline
    from scipy.special import logit

    from kmeta.methods.meta.generalised_q import Inverted

    share = Inverted(sample, 1 / sample.v)
    out = np.zeros(len(uniform))
    above = (uniform < share(0.0)) & (uniform > 0) if share.q > 0 else np.zeros(len(uniform), dtype=bool)
    if not above.any():
        return out
    wanted = uniform[above]
    low, high = share.solve(float(wanted.max())), share.solve(float(wanted.min()))
    if high - low <= 1e-9 * high:
        out[above] = high
        return out
    unit = float(np.median(sample.v))
    at = np.linspace(math.log1p(low / unit), math.log1p(high / unit), NODES)
    odds = logit(np.array([share(unit * math.expm1(value)) for value in at.tolist()]))
    spline = CubicSpline(odds[::-1], at[::-1])
    out[above] = np.maximum(0.0, unit * np.expm1(np.clip(spline(logit(wanted)), at[0], at[-1])))
    return out
