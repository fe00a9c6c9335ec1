"""Permutation tests of a model's coefficients: exact when all permutations are few, else on drawn ones."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.methods.meta.batch import chunks
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.influence import basis, need_steps, table
from kmeta.methods.meta.of_fit import OfFit
from kmeta.methods.meta.stack import Stack
from kmeta.methods.meta.stack_tau2 import estimate

MOST = 1 << 22
CLOSE = math.sqrt(
    float(np.finfo(float).eps)
)  # statistics nearer than this, relative to their size, are equal


@dataclass(frozen=True, kw_only=True, eq=False)
class PermutationTest(OfFit):
    """Test statistics of the coefficients `terms` and their permutation p values; `qm_p` is the omnibus test's.

    `exact` says that every permutation was used, `permutations` how many, `seed` how the others were drawn (None when
    exact); the data as they are count as one of them. `null` holds the statistics, shape (permutations, p).
    """

    terms: tuple[str, ...]
    statistic: Floats
    p_value: Floats
    qm: float
    qm_p: float
    exact: bool
    permutations: int
    seed: int | None
    null: Floats

    def rows(self) -> list[dict[str, Any]]:
        """One row a coefficient."""
        return table(
            {"term": self.terms, "statistic": self.statistic.tolist(), "p_value": self.p_value.tolist()}
        )

    def summary(self) -> str:
        """The tests, and which permutations they rest on."""
        kind = "all" if self.exact else f"drawn with seed {self.seed}"
        head = f"Permutation test: {self.permutations} permutations ({kind}); omnibus P = {self.qm_p:.4g}"
        return head + "\n" + super().summary()


def permutation_test(
    fit: MetaFit, *, n: int = 1000, exact: bool | None = None, seed: int = 0
) -> PermutationTest:
    """Test coefficients against their distribution under permutation, tau2 estimated anew in each.

    Without moderators the signs of the estimates are flipped (valid when they are symmetric about 0 under the null
    hypothesis); with moderators their rows are permuted among the estimates.
    n : permutations to draw, the data as they are being one. exact : True for all of them (at most 2**22), None for
    all when they are no more than n. p values are two-sided, by the size of the statistic of the model's own test.
    Raises InputError for groups, user weights, or too many permutations; ConvergenceError when a tau2 does not settle.
    Source: Higgins & Thompson 2004, doi:10.1002/sim.1752; Follmann & Proschan 1999,
    doi:10.1111/j.0006-341X.1999.00732.x.

    >>> from kmeta import random_effects
    >>> fit = random_effects([0.5, 0.7, 0.3, 0.9, 0.4], [0.04, 0.02, 0.09, 0.05, 0.03], measure="MD", tau2="DL")
    >>> permutation_test(fit).p_value.tolist()
    [0.0625]
    """
    need_steps(fit, "permutation_test")
    if isinstance(n, bool) or not isinstance(n, int) or not 2 <= n <= MOST:
        raise InputError(f"n is {n!r}", where="n", hint=f"a whole number from 2 to {MOST:,}")
    if fit.q_df < 1:
        raise InputError(
            "as many coefficients as estimates: nothing is left to test", where="permutation_test"
        )
    whole = _count(fit)
    all_of_them = whole <= n if exact is None else exact
    if all_of_them and whole > MOST:
        raise InputError(
            f"{whole} permutations", where="exact", hint=f"draw some: exact=False, n up to {MOST:,}"
        )
    count = whole if all_of_them else n
    null, qm = np.empty((count, len(fit.terms))), np.empty(count)
    for rows, stack in _stacks(fit, count, all_of_them, seed):
        null[rows], qm[rows] = _statistics(fit, stack)
    size = np.abs(null)
    return PermutationTest(
        fit=fit,
        terms=fit.terms,
        statistic=frozen(null[0]),
        p_value=frozen((size >= size[0] - CLOSE * np.maximum(1.0, size[0])).mean(axis=0)),
        qm=float(qm[0]),
        qm_p=float((qm >= qm[0] - CLOSE * max(1.0, float(qm[0]))).mean()),
        exact=all_of_them,
        permutations=count,
        seed=None if all_of_them else seed,
        null=frozen(null),
    )


def _count(fit: MetaFit) -> int:
    """Number of distinct permutations: of signs, or of rows of moderators (equal rows are exchangeable)."""
    if fit.x is None:
        return 1 << fit.k
    alike = Counter(map(tuple, fit.x.tolist()))
    return math.factorial(fit.k) // math.prod(math.factorial(size) for size in alike.values())


def _stacks(fit: MetaFit, count: int, every: bool, seed: int) -> Iterator[tuple[slice, Stack]]:
    """The permuted data, the data as they are first."""
    k = fit.k
    rng = np.random.default_rng(seed)
    if fit.x is None:
        for rows in chunks(count, k):
            m = rows.stop - rows.start
            if every:
                flips = (np.arange(rows.start, rows.stop) >> np.arange(k)[:, None]) & 1
            else:
                flips = rng.integers(0, 2, (k, m))
                flips[:, : 1 if rows.start == 0 else 0] = 0
            yield rows, Stack(np.where(flips == 1, -fit.yi[:, None], fit.yi[:, None]), _wide(fit.vi, m))
        return
    q, _ = basis(fit)
    order = _orders(fit.x) if every else None
    for rows in chunks(count, k * q.shape[1]):
        m = rows.stop - rows.start
        if order is not None:
            places = np.array([next(order) for _ in range(m)]).T
        else:
            places = rng.random((m, k)).argsort(axis=1).T
            if rows.start == 0:
                places[:, 0] = np.arange(k)
        x = np.ascontiguousarray(q.T[:, places])
        yield rows, Stack(_wide(fit.yi, m), _wide(fit.vi, m), x)


def _wide(values: Floats, m: int) -> Floats:
    return np.repeat(values[:, None], m, axis=1)


def _orders(x: Floats) -> Iterator[list[int]]:
    """Every distinct order of the rows of x, the present one first, each as indices of rows."""
    first: dict[tuple[float, ...], int] = {}
    kinds = [first.setdefault(row, i) for i, row in enumerate(map(tuple, x.tolist()))]
    left = Counter(kinds)
    taken: list[int] = []

    def fill() -> Iterator[list[int]]:
        if len(taken) == len(kinds):
            yield list(taken)
            return
        own = kinds[len(taken)]
        for kind in sorted(left, key=lambda each: (each != own, each)):
            if left[kind]:
                left[kind] -= 1
                taken.append(kind)
                yield from fill()
                taken.pop()
                left[kind] += 1

    return fill()


def _statistics(fit: MetaFit, stack: Stack) -> tuple[Floats, Floats]:
    """Test statistics (m, p) and omnibus statistic (m,) of the model on each permuted data set."""
    tau2, settled = estimate(fit.tau2 if fit.method == "fixed" else fit.method, stack)
    if not settled.all():
        raise ConvergenceError("tau2 did not settle in a permutation", last=tau2)
    model = stack.at(tau2)
    factor = model.q / stack.df
    factor = np.maximum(1.0, factor) if fit.test == "hksj" else factor
    factor = factor if fit.test in ("hksj", "knha") else np.ones_like(factor)
    if fit.x is None:
        mu = stack.origin / stack.unit + model.mu
        z = mu / np.sqrt(model.inverse * factor)
        return z[:, None], z * z
    _, r = basis(fit)
    back = np.linalg.inv(r)
    beta = (back @ model.mu).T
    cov = np.einsum("ai,ijm,bj->mab", back, model.inverse * factor, back, optimize=True)
    tested = [i for i, term in enumerate(fit.terms) if term != "intercept"] or [0]
    part = cov[:, tested][:, :, tested]
    solved = np.linalg.solve(part, beta[:, tested, None])[:, :, 0]
    qm = np.einsum("mi,mi->m", beta[:, tested], solved)
    return beta / np.sqrt(np.einsum("mii->mi", cov)), qm
