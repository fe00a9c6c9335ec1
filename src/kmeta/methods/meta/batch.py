"""Many random-effects meta-analyses at once: arrays (m, k) in, arrays (m,) out, no loop over the m."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.methods.meta.inputs import EXTREME, level_of, variance_of
from kmeta.methods.meta.stack import Ints, Stack, Stacked
from kmeta.methods.meta.stack_tau2 import STACK_TAU2, estimate

CHUNK = 1 << 14  # numbers in one array of a stack: some ten of them stay in the second-level cache
TESTS = {"z": "z", "t": "t", "hksj": "hksj", "adhoc": "hksj", "knha": "knha"}
PREDICTION = ("test", "z", "t", "riley")


@dataclass(frozen=True, kw_only=True, eq=False)
class BatchFit(Result):
    """m models side by side; every array has shape (m,), on the analysis scale; i2 a fraction.

    A problem without estimates is NaN throughout; one with a single estimate is that estimate with a z interval.
    `converged` is False where tau2 did not settle: its last iterate stands there and in all that follows from it.
    """

    method: str
    test: str
    level: float
    pi: str
    k: Ints
    mu: Floats
    se: Floats
    ci_low: Floats
    ci_high: Floats
    pi_low: Floats
    pi_high: Floats
    statistic: Floats
    df: Floats
    p_value: Floats
    tau2: Floats
    vt: Floats
    i2: Floats
    h2: Floats
    q: Floats
    q_df: Ints
    q_p: Floats
    converged: np.ndarray[Any, np.dtype[np.bool_]]
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.mu)

    def rows(self) -> list[dict[str, Any]]:
        """One row a problem."""
        names = (
            "k",
            "mu",
            "se",
            "ci_low",
            "ci_high",
            "pi_low",
            "pi_high",
            "p_value",
            "tau2",
            "i2",
            "q",
            "q_p",
        )
        columns = {name: getattr(self, name).tolist() for name in (*names, "converged")}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def summary(self) -> str:
        """How many models, how many settled, and the quartiles of what they found."""
        lines = [
            f"{len(self)} models, tau2 by {self.method}, test {self.test}, {100 * self.level:g} % intervals"
        ]
        lines.append(f"converged: {int(self.converged.sum())} of {len(self)}")
        for name in ("k", "mu", "se", "tau2", "i2"):
            known = np.asarray(getattr(self, name), dtype=float)
            known = known[~np.isnan(known)]
            if len(known):
                low, middle, high = np.quantile(known, (0.25, 0.5, 0.75))
                lines.append(f"{name:5} median {middle:.4g}, quartiles {low:.4g} and {high:.4g}")
        return "\n".join(lines + [f"Warning: {text}." for text in self.warnings])


def random_effects_batch(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    tau2: str | float = "REML",
    test: str = "hksj",
    mask: ArrayLike | None = None,
    level: float = 0.95,
    pi: str = "test",
) -> BatchFit:
    """Pool m sets of estimates `yi` with variances `vi`, each of shape (m, k), as `random_effects` pools one.

    mask : shape (m, k), True where there is an estimate; without it an estimate is missing where yi or vi is NaN.
    tau2, test, level, pi : as in `random_effects`; yi or vi of shape (k,) serve all problems. "GENQ" has weights
        1 / vi here, and is DL.
    Memory beyond the arguments is O(m). Nothing is drawn, and the numbers are those of the single fits.
    Raises InputError for shapes that do not fit, infinite values, variances not above 0, and unknown options; a
    problem whose tau2 does not settle is marked in `converged`, and named in `warnings`.
    Sources: as `random_effects`; Viechtbauer 2010, doi:10.18637/jss.v036.i03.

    >>> many = random_effects_batch([[-0.5, -0.2, -0.9], [0.1, 0.4, float("nan")]], [[0.04, 0.02, 0.09]] * 2)
    >>> many.mu.round(3).tolist(), many.k.tolist()
    ([-0.465, 0.283], [3, 2])
    """
    y, v = _sets(yi, vi, mask)
    for given, allowed, where in ((test, TESTS, "test"), (pi, PREDICTION, "pi")):
        if given not in allowed:
            raise InputError(
                f"no {where} is named {given!r}", where=where, hint="one of " + ", ".join(allowed)
            )
    if isinstance(tau2, str) and tau2 not in STACK_TAU2:
        raise InputError(
            f"no tau2 estimator of many sets is named {tau2!r}",
            where="tau2",
            hint="one of " + ", ".join(STACK_TAU2),
        )
    method = tau2 if isinstance(tau2, str) else variance_of(tau2)
    return fit_batch(stacks(y, v), len(y), method=method, test=TESTS[test], level=level_of(level), pi=pi)


def _sets(yi: ArrayLike, vi: ArrayLike, mask: ArrayLike | None) -> tuple[Floats, Floats]:
    """yi and vi of one shape (m, k), a missing estimate with yi 0 and an infinite variance."""
    try:
        y, v = np.broadcast_arrays(np.asarray(yi, dtype=float), np.asarray(vi, dtype=float))
    except (TypeError, ValueError) as error:
        raise InputError(
            "yi and vi are not numbers of one shape", where="yi", hint="two arrays of shape (m, k)"
        ) from error
    if y.ndim != 2 or not y.size:
        raise InputError(f"yi has shape {y.shape}", where="yi", hint="(m, k): a row for each meta-analysis")
    here = ~(np.isnan(y) | np.isnan(v))
    if mask is not None:
        given = np.asarray(mask)
        if given.dtype != bool or given.shape != y.shape:
            raise InputError(
                f"mask has shape {given.shape} and type {given.dtype}",
                where="mask",
                hint=f"{y.shape}, True where there is an estimate",
            )
        _refuse(given & ~here, y, v, "a value is missing where the mask has an estimate")
        here = given
    _refuse(here & ~(np.abs(y) < EXTREME), y, v, "yi is not finite")
    _refuse(here & ~((v > 1 / EXTREME) & (v < EXTREME)), y, v, "vi must be finite and above 0")
    return np.where(here, y, 0.0), np.where(here, v, np.inf)


def _refuse(bad: np.ndarray[Any, np.dtype[np.bool_]], y: Floats, v: Floats, why: str) -> None:
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"[{row}, {column}] yi is {y[row, column]:g}, vi is {v[row, column]:g}: {why}",
            where="yi, vi",
            hint="set mask to False, or both to NaN, where there is no estimate",
        )


def stacks(y: Floats, v: Floats) -> Iterator[tuple[slice, Stack]]:
    """Parts of (m, k) arrays as stacks that fit the cache."""
    m, k = y.shape
    for rows in chunks(m, k):
        yield rows, Stack(np.ascontiguousarray(y[rows].T), np.ascontiguousarray(v[rows].T))


def chunks(m: int, k: int) -> Iterator[slice]:
    """Parts of m problems of k estimates."""
    step = max(1, CHUNK // k)
    return (slice(start, min(m, start + step)) for start in range(0, m, step))


def subsets(
    y: Floats,
    v: Floats,
    m: int,
    include: Callable[[slice], np.ndarray[Any, np.dtype[np.bool_]]],
    x: Floats | None = None,
) -> Iterator[tuple[slice, Stack]]:
    """m subsets of the same k estimates as stacks; `include(rows)` says which, shape (k, number of rows).

    `x` of shape (k, p) is a basis of the moderators' span.
    """
    shared = None if x is None else np.ascontiguousarray(x.T[:, :, None])
    for rows in chunks(m, len(y)):
        here = include(rows)
        yield rows, Stack(np.where(here, y[:, None], 0.0), np.where(here, v[:, None], np.inf), shared)


def fit_batch(
    parts: Iterable[tuple[slice, Stack]], m: int, *, method: str | float, test: str, level: float, pi: str
) -> BatchFit:
    """The models of m checked problems without moderators, given in parts. `method` may be "CE"."""
    names = ("mu", "se", "tau2", "vt", "q", "factor")
    found = {name: np.full(m, np.nan) for name in names}
    k = np.zeros(m, dtype=np.int64)
    converged = np.ones(m, dtype=bool)
    for rows, stack in parts:
        part, converged[rows] = _pool(stack, method)
        k[rows] = stack.k
        for name, values in part.items():
            found[name][rows] = values
    return _result(found, k, converged, method, test, level, pi)


def _pool(stack: Stack, method: str | float) -> tuple[dict[str, Floats], np.ndarray[Any, np.dtype[np.bool_]]]:
    """tau2, the pooled estimate and what its interval needs, of one stack."""
    tau2, settled = estimate(method, stack)
    fit = stack.at(tau2)
    fixed = Stacked(stack, 1 / stack.v)
    unit2 = stack.unit**2
    some = stack.k > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        vt = np.where(stack.df > 0, stack.df / fixed.trace() * unit2, np.nan)
        factor = np.where(stack.df > 0, fit.q / stack.df, 1.0)
    part = {
        "mu": np.where(some, stack.origin + fit.mu * stack.unit, np.nan),
        "se": np.where(some, np.sqrt(fit.inverse * unit2), np.nan),
        "tau2": np.where(some, tau2 * unit2, np.nan),
        "vt": vt,
        "q": np.where(stack.df > 0, fixed.q, np.where(some, 0.0, np.nan)),
        "factor": factor,
    }
    return part, settled


def by_df(function: Any, df: Floats) -> Floats:
    """A costly function of the degrees of freedom, called once for each that occurs."""
    each, back = np.unique(df, return_inverse=True)
    return np.array([function(value) for value in each.tolist()])[back]


def tails(statistic: Floats, df: Floats) -> Floats:
    """Two-sided p values of z (df infinite) and t statistics."""
    from scipy.special import ndtr, stdtr

    with np.errstate(invalid="ignore"):
        normal = np.isinf(df)
        p = np.full(len(statistic), np.nan)
        p[normal] = 2 * ndtr(-np.abs(statistic[normal]))
        p[~normal] = 2 * stdtr(df[~normal], -np.abs(statistic[~normal]))
    return p


def _result(
    found: dict[str, Floats],
    k: Ints,
    converged: np.ndarray[Any, np.dtype[np.bool_]],
    method: str | float,
    test: str,
    level: float,
    pi: str,
) -> BatchFit:
    from scipy.special import chdtrc

    from kmeta.methods.meta.distributions import quantile

    mu, tau2, vt, q = (found[name] for name in ("mu", "tau2", "vt", "q"))
    left = k - 1
    factor = np.maximum(1.0, found["factor"]) if test == "hksj" else found["factor"]
    se = found["se"] * np.sqrt(factor) if test in ("hksj", "knha") else found["se"]
    df = np.where((left < 1) | (test == "z"), np.inf, left.astype(float))
    crit = by_df(lambda value: quantile(level, value), df)
    reference = {
        "test": df,
        "z": np.full(len(df), np.inf),
        "t": left.astype(float),
        "riley": left - float(isinstance(method, str)),
    }[pi]
    spread = by_df(lambda value: quantile(level, value), reference) * np.sqrt(se * se + tau2)
    spread[(k < 3) | (method == "CE")] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = mu / se
        common = method == "CE"
        h2 = np.where(left > 0, q / left if common else tau2 / vt + 1, np.nan)
        i2 = np.where(q > 0, np.maximum(0.0, (q - left) / q), 0.0) if common else tau2 / (tau2 + vt)
    i2 = np.where(left > 0, i2, np.nan)
    said = [
        (int((k == 0).sum()), "sets without an estimate: nothing is given for them"),
        (int((k == 1).sum()), "sets of one estimate: the study's own result with a z interval"),
        (
            int((~converged).sum()),
            "sets whose tau2 did not settle: the last iterate stands, converged is False",
        ),
    ]
    warnings = tuple(f"{n} {text}" for n, text in said if n)
    for array in (k, left, converged):
        array.setflags(write=False)
    return BatchFit(
        method=method if isinstance(method, str) else "fixed",
        test=test,
        level=level,
        pi=pi,
        k=k,
        mu=frozen(mu),
        se=frozen(se),
        ci_low=frozen(mu - crit * se),
        ci_high=frozen(mu + crit * se),
        pi_low=frozen(mu - spread),
        pi_high=frozen(mu + spread),
        statistic=frozen(statistic),
        df=frozen(df),
        p_value=frozen(tails(statistic, df)),
        tau2=frozen(tau2),
        vt=frozen(vt),
        i2=frozen(i2),
        h2=frozen(h2),
        q=frozen(q),
        q_df=np.maximum(left, 0),
        q_p=frozen(np.where(left > 0, chdtrc(np.maximum(left, 1), q), np.where(k > 0, 1.0, math.nan))),
        converged=converged,
        warnings=warnings,
    )
