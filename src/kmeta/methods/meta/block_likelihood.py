"""The likelihood of correlated random effects, its slopes and its curvature, block by block.

Rows that no random effect and no sampling error joins are independent: the covariance of y is block-diagonal and only
its blocks are made, in stacks of equal size. A random intercept that would join too much (a crossed factor) is kept
out of the blocks as q columns U of indicators: M = B + U D U', and P = M^-1 - M^-1 X (X'M^-1X)^-1 X'M^-1 equals
B^-1 - A S A' with A = B^-1 [X, U D^1/2] and S the inverse of [X, U D^1/2]' A + diag(0, I). Memory is O(k (n + q)).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.methods.meta.random_terms import Pairs, Term
from kmeta.methods.meta.sample import orthonormal
from kmeta.methods.meta.sampling_covariance import Ints, SamplingCovariance, blocks_by_size, joined

WIDEST = 64  # rows of a block that a random intercept may make; beyond, its levels become columns
MOST_ROWS = 5000  # of one block
MOST_COLUMNS = 4000  # of crossed levels


class Point(NamedTuple):
    """Log-likelihood (up to a constant) with slopes and average information at one set of parameters."""

    height: float
    slope: Floats
    information: Floats


@dataclass(frozen=True)
class Solved:
    """What stands at one set of parameters; rows are in the order of the model."""

    log_det: float  # log |B|
    inverses: list[Floats]  # of the blocks, one (b, n, n) a stack
    a: Floats  # B^-1 [X U y], (k, p + q + 1)
    core: Floats  # c S c, (p + q, p + q)
    wide: Floats  # the same for the columns U alone, (q, q)
    log_core: float  # log |S^-1|
    log_wide: float
    py: Floats  # P y
    quadratic: float  # y'P y
    beta: Floats  # in the orthonormal basis
    vcov: Floats


class BlockModel:
    """y, X, V and random terms laid out by block, scaled by a power of two; y is less its least squares fit."""

    def __init__(self, y: Floats, v: SamplingCovariance, x: Floats, terms: Sequence[Term]) -> None:
        self.k, self.p = x.shape
        self.terms = tuple(terms)
        self.unit = 2.0 ** ((math.frexp(float(v.vi.min()))[1] - 1) // 2)
        q, self.r = orthonormal(x)
        self.first: Floats = q.T @ (y / self.unit)
        codes, self.crossed = _partition(self.k, v.block_codes(), self.terms)
        stacks = blocks_by_size(codes)
        if stacks[-1].shape[1] > MOST_ROWS:
            raise InputError(
                f"one block of {stacks[-1].shape[1]} correlated estimates, more than {MOST_ROWS}",
                where="random",
                hint="an outer factor with more levels",
            )
        self.order = np.concatenate([rows.ravel() for rows in stacks])
        self.rows = stacks
        self.parts = [slice(0, 0)] * len(stacks)
        start = 0
        for i, rows in enumerate(stacks):
            self.parts[i] = slice(start, start + rows.size)
            start += rows.size
        self.v = self._sampling(v)
        self.pairs: list[list[Pairs | None]] = [
            [None if term in self.crossed else term.pairs(rows) for term in self.terms] for rows in stacks
        ]
        self.x = q[self.order]
        rest = y / self.unit - q @ self.first
        self.rss = float(rest @ rest)
        u, self.columns = self._columns()
        self.t = np.concatenate([self.x, u, rest[self.order][:, None]], axis=1)
        self.size = sum(term.size for term in self.terms)

    def _sampling(self, v: SamplingCovariance) -> list[Floats]:
        """V of each stack, (b, n, n)."""
        place = np.empty((2, self.k), dtype=np.intp)  # block within the stack, row within the block
        made = []
        of = np.empty(self.k, dtype=np.intp)
        for i, rows in enumerate(self.rows):
            b, n = rows.shape
            place[0, rows], place[1, rows], of[rows] = np.arange(b)[:, None], np.arange(n), i
            full = np.zeros((b, n, n))
            full[:, np.arange(n), np.arange(n)] = v.vi[rows]
            made.append(full)
        for rows, blocks in v.stacks:
            for i in np.unique(of[rows[:, 0]]):
                here = of[rows[:, 0]] == i
                some = rows[here]
                b, n = place[0, some], place[1, some]
                made[i][b[:, :, None], n[:, :, None], n[:, None, :]] = blocks[here]
        return [full / self.unit**2 for full in made]

    def _columns(self) -> tuple[Floats, dict[Term, slice]]:
        """The indicator columns of the crossed terms, and which are whose."""
        found, columns, start = [np.empty((self.k, 0))], {}, self.p
        for term in self.crossed:
            n = len(term.outer_levels)
            found.append((term.outer[self.order][:, None] == np.arange(n)).astype(float))
            columns[term] = slice(start, start + n)
            start += n
        return np.concatenate(found, axis=1), columns

    def split(self, theta: Floats) -> list[Floats]:
        """The parameters of each term."""
        ends = np.cumsum([term.size for term in self.terms])
        return np.split(theta, ends[:-1]) if len(self.terms) else []

    def blocks(self, theta: Floats) -> list[Floats]:
        """B of each stack."""
        each = self.split(theta)
        made = []
        for v, pairs in zip(self.v, self.pairs, strict=True):
            total = v.copy()
            for term, part, pair in zip(self.terms, each, pairs, strict=True):
                if pair is not None:
                    total += term.covariance(part, pair)
            made.append(total)
        return made

    def solve(self, theta: Floats) -> Solved | None:
        """The algebra at `theta`; None where the covariance is not positive definite."""
        inverses, log_det = [], 0.0
        a = np.empty_like(self.t)
        for full, part in zip(self.blocks(theta), self.parts, strict=True):
            b, n, _ = full.shape
            if n == 1:
                if not full.min() > 0:
                    return None
                log_det += float(np.log(full).sum())
                inverse: Floats = 1 / full
                a[part] = inverse[:, 0] * self.t[part]
            else:
                try:
                    root = np.linalg.cholesky(full)
                    inverse = np.asarray(np.linalg.inv(full), dtype=np.float64)
                except np.linalg.LinAlgError:
                    return None
                log_det += 2 * float(np.log(np.einsum("bii->bi", root)).sum())
                a[part] = (inverse @ self.t[part].reshape(b, n, -1)).reshape(b * n, -1)
            inverses.append(inverse)
        return self._finish(theta, inverses, log_det, a)

    def _finish(self, theta: Floats, inverses: list[Floats], log_det: float, a: Floats) -> Solved | None:
        p, n = self.p, self.t.T @ a
        scale = np.ones(len(n) - 1)
        for term, part in zip(self.terms, self.split(theta), strict=True):
            if term in self.columns:
                scale[self.columns[term]] = math.sqrt(max(float(part[0]), 0.0))
        h = scale[:, None] * n[:-1, :-1] * scale
        h[np.arange(p, len(h)), np.arange(p, len(h))] += 1
        try:
            s = np.linalg.inv(h)
            w = np.linalg.inv(h[p:, p:])
        except np.linalg.LinAlgError:
            return None
        core = scale[:, None] * s * scale
        wide = scale[p:, None] * w * scale[p:]
        log_core, log_wide = float(np.linalg.slogdet(h)[1]), float(np.linalg.slogdet(h[p:, p:])[1])
        ty = core @ n[:-1, -1]
        return Solved(
            log_det,
            inverses,
            a,
            core,
            wide,
            log_core,
            log_wide,
            a[:, -1] - a[:, :-1] @ ty,
            float(n[-1, -1] - n[-1, :-1] @ ty),
            ty[:p],
            core[:p, :p],
        )

    def height(self, at: Solved, *, restricted: bool) -> float:
        """Log-likelihood up to its constant in 2 pi, of the scaled data."""
        return -0.5 * (at.log_det + (at.log_core if restricted else at.log_wide) + at.quadratic)

    def point(self, theta: Floats, *, restricted: bool) -> Point | None:
        """Height, slopes and information; None outside the positive definite."""
        at = self.solve(theta)
        if at is None or not math.isfinite(at.quadratic + at.log_det + at.log_core):
            return None
        low = 0 if restricted else self.p
        core = at.core if restricted else at.wide
        a = at.a[:, low:-1]
        f = a @ core
        traces, moved = np.empty(self.size), np.zeros((self.k, self.size))
        bend = np.zeros((self.size, self.size))
        start = 0
        for j, (term, part) in enumerate(zip(self.terms, self.split(theta), strict=True)):
            stop = start + term.size
            if term in self.columns:
                traces[start], moved[:, start] = self._crossed(at, self.columns[term], low, core)
            else:
                traces[start:stop] = self._blocked(
                    at, j, term, part, a, f, moved[:, start:stop], bend[start:stop, start:stop]
                )
            start = stop
        slope = 0.5 * (at.py @ moved - traces)
        information = 0.5 * moved.T @ self.project(at, moved) + bend
        return Point(self.height(at, restricted=restricted), slope, information)

    def _crossed(self, at: Solved, columns: slice, low: int, core: Floats) -> tuple[float, Floats]:
        """tr(P UU') (of M^-1 UU' under ML) and UU'P y."""
        u = self.t[:, columns]
        n = self.t[:, low:-1].T @ at.a[:, columns]
        inner = n[columns.start - low : columns.stop - low]
        trace = float(np.trace(inner) - np.sum(n * (core @ n)))
        return trace, u @ (u.T @ at.py)

    def _blocked(
        self,
        at: Solved,
        j: int,
        term: Term,
        part: Floats,
        a: Floats,
        f: Floats,
        moved: Floats,
        bend: Floats,
    ) -> Floats:
        """tr(P dM) for each parameter of term j; dM P y goes into `moved`, what bends the covariance into `bend`."""
        traces = np.zeros(term.size)
        for inverse, pairs, rows in zip(at.inverses, self.pairs, self.parts, strict=True):
            b, n, _ = inverse.shape
            pair = pairs[j]
            assert pair is not None  # noqa: S101
            fb, ab = f[rows].reshape(b, n, -1), a[rows].reshape(b, n, -1)
            # the block of A S A' with itself, so that each trace is one elementwise product
            less = inverse - fb @ ab.swapaxes(1, 2) if a.shape[1] else inverse
            y = at.py[rows].reshape(b, n, 1)
            for i, d in enumerate(term.derivatives(part, pair)):
                traces[i] += float(np.vdot(less, d))
                moved[rows, i] = (d @ y).reshape(-1)
            bent = term.curvature(part, pair, less - y * y.swapaxes(1, 2)) if term.struct else None
            if bent is not None:
                bend += bent
        return traces

    def project(self, at: Solved, values: Floats) -> Floats:
        """P times columns (k, c)."""
        out = np.empty_like(values)
        for inverse, rows in zip(at.inverses, self.parts, strict=True):
            b, n, _ = inverse.shape
            out[rows] = (inverse @ values[rows].reshape(b, n, -1)).reshape(b * n, -1)
        a = at.a[:, :-1]
        return out - a @ (at.core @ (a.T @ values))


def _partition(k: int, sampling: Ints, terms: Sequence[Term]) -> tuple[Ints, tuple[Term, ...]]:
    """(the block of each row, the intercepts kept out of the blocks)."""
    rows = np.arange(k)

    def links(codes: Ints) -> tuple[Ints, Ints]:
        _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
        return rows, first[inverse]

    pairs = [links(sampling), *(links(term.outer) for term in terms if term.struct)]
    codes = joined(k, pairs)
    crossed: list[Term] = []
    for term in sorted((t for t in terms if not t.struct), key=lambda t: -len(t.outer_levels)):
        wider = joined(k, [links(codes), links(term.outer)])
        largest, before = int(np.bincount(wider).max()), int(np.bincount(codes).max())
        if largest <= max(WIDEST, before) or len(term.outer_levels) > k / 2:
            codes = wider
        else:
            crossed.append(term)
    if sum(len(term.outer_levels) for term in crossed) > MOST_COLUMNS:
        raise InputError(
            f"crossed random effects with more than {MOST_COLUMNS} levels",
            where="random",
            hint="cross the factor with fewer levels",
        )
    return codes, tuple(crossed)
