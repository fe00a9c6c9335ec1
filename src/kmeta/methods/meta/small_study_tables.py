"""Small-study effects in 2x2 tables: tests that do not mistake a large odds ratio for a small study."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.methods.meta.distributions import two_sided
from kmeta.methods.meta.inputs import numbers
from kmeta.methods.meta.small_study import RegTest, dispersed, few, need_three, ratio


def regtest_2x2(
    ai: ArrayLike, n1i: ArrayLike, ci: ArrayLike, n2i: ArrayLike, *, method: str = "Peters"
) -> RegTest:
    """Test of small-study effects for `ai` events of `n1i` against `ci` of `n2i`, arrays of shape (k,), k >= 3.

    method : "Peters" log odds ratio on 1 / N, weights of the pooled events; "Harbord" score on its standard error;
        "Deeks" log odds ratio on 1 / sqrt(effective sample size), for diagnostic odds ratios; "Macaskill" on N;
        "Egger" on its standard error. Weighted least squares with a dispersion, t with k - 2 df. 1/2 is added to all
        cells of a table with an empty one for log odds ratios; Harbord's score needs none. A table with no events, or
        only events, tells nothing and is left out with a warning.
    The limit is the intercept where the predictor vanishes with growing size.
    Raises InputError for counts that are none, and for fewer than 3 tables that tell something.
    Sources: Peters et al. 2006, doi:10.1001/jama.295.6.676; Harbord, Egger & Sterne 2006, doi:10.1002/sim.2380;
    Deeks, Macaskill & Irwig 2005, doi:10.1016/j.jclinepi.2005.01.016; Macaskill, Walter & Irwig 2001,
    doi:10.1002/sim.698; Egger et al. 1997, doi:10.1136/bmj.315.7109.629.

    >>> found = regtest_2x2([4, 6, 3, 62], [123, 306, 231, 13598], [11, 29, 11, 248], [139, 303, 220, 12867])
    >>> round(found.statistic, 3), found.df
    (0.721, 2.0)
    """
    if method not in TESTS:
        raise InputError(f"no method is named {method!r}", where="method", hint="one of " + ", ".join(TESTS))
    a, n1, c, n2 = checked_tables(ai, n1i, ci, n2i)
    tells = (a + c > 0) & (a + c < n1 + n2)
    a, n1, c, n2 = a[tells], n1[tells], c[tells], n2[tells]
    need_three(len(a), "regtest_2x2")
    y, v, x = TESTS[method](a, n1, c, n2)
    if np.ptp(x) <= 1e-12 * float(np.abs(x).max()):
        raise InputError("the studies do not differ in size", where="n1i", hint="nothing to regress on")
    beta, vcov, dispersion = dispersed(y, v, np.column_stack([np.ones(len(y)), x]))
    slope, se, df = float(beta[1]), math.sqrt(float(vcov[1, 1])), float(len(y) - 2)
    statistic = ratio(slope, se)
    from kmeta.methods.meta.distributions import quantile

    limit = math.nan if method == "Macaskill" else float(beta[0])
    half = quantile(0.95, df) * math.sqrt(float(vcov[0, 0]))
    return RegTest(
        model="lm",
        predictor=method,
        k=len(y),
        slope=slope,
        se=se,
        statistic=statistic,
        df=df,
        p_value=two_sided(statistic, df),
        limit=limit,
        limit_low=limit - half,
        limit_high=limit + half,
        level=0.95,
        tau2=math.nan,
        dispersion=dispersion,
        warnings=(*left_out(tells), *few(len(y))),
    )


def left_out(tells: NDArray[np.bool_]) -> tuple[str, ...]:
    """The warning that names the tables that tell nothing, if any."""
    rows = [str(i + 1) for i in np.flatnonzero(~tells)]
    return (f"no events, or only events, in both groups: left out study {', '.join(rows)}",) if rows else ()


def checked_tables(*columns: ArrayLike) -> tuple[Floats, ...]:
    """Events and sizes of two groups as arrays of one length; InputError where they cannot be."""
    names = ("ai", "n1i", "ci", "n2i")
    values = [numbers(column, name) for column, name in zip(columns, names, strict=True)]
    for name, value in zip(names, values, strict=True):
        if len(value) != len(values[0]):
            raise InputError(f"{len(value)} values, ai has {len(values[0])}", where=name, hint="one a study")
        if (value < 0).any():
            raise InputError("holds a count below 0", where=name)
    for events, size, name in ((values[0], values[1], "ai"), (values[2], values[3], "ci")):
        if (events > size).any() or not (size > 0).all():
            raise InputError("more events than people, or nobody", where=name, hint="events and group sizes")
    return tuple(values)


def log_odds_ratio(a: Floats, n1: Floats, c: Floats, n2: Floats) -> tuple[Floats, Floats]:
    """(yi, vi), with 1/2 in all cells of a table that has an empty one."""
    cells = np.stack([a, n1 - a, c, n2 - c])
    cells = cells + np.where((cells == 0).any(axis=0), 0.5, 0.0)
    logs = np.log(cells)
    return logs[0] - logs[1] - logs[2] + logs[3], np.sum(1 / cells, axis=0)


Regression = tuple[Floats, Floats, Floats]


def _egger(a: Floats, n1: Floats, c: Floats, n2: Floats) -> Regression:
    y, v = log_odds_ratio(a, n1, c, n2)
    return y, v, np.sqrt(v)


def _peters(a: Floats, n1: Floats, c: Floats, n2: Floats) -> Regression:
    pooled = 1 / (a + c) + 1 / (n1 - a + n2 - c)
    return log_odds_ratio(a, n1, c, n2)[0], pooled, 1 / (n1 + n2)


def _macaskill(a: Floats, n1: Floats, c: Floats, n2: Floats) -> Regression:
    y, v = log_odds_ratio(a, n1, c, n2)
    return y, v, n1 + n2


def _harbord(a: Floats, n1: Floats, c: Floats, n2: Floats) -> Regression:
    n, events = n1 + n2, a + c
    score = a - events * n1 / n
    information = n1 * n2 * events * (n - events) / (n * n * (n - 1))
    return score / information, 1 / information, 1 / np.sqrt(information)


def _deeks(a: Floats, n1: Floats, c: Floats, n2: Floats) -> Regression:
    size = 4 * n1 * n2 / (n1 + n2)
    return log_odds_ratio(a, n1, c, n2)[0], 1 / size, 1 / np.sqrt(size)


TESTS: dict[str, Callable[[Floats, Floats, Floats, Floats], Regression]] = {
    "Peters": _peters,
    "Harbord": _harbord,
    "Deeks": _deeks,
    "Macaskill": _macaskill,
    "Egger": _egger,
}
