"""Correlated estimates of each study (several times, several horizons) pooled together, some of them missing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.methods.meta.distributions import quantile
from kmeta.methods.meta.r_script import vector

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Multivariate:
    """`beta` (h,) with covariance `vcov`, `between` (h, h); q is Cochran's of all values, `q_df` values less h."""

    beta: Floats
    vcov: Floats
    between: Floats
    q: float
    q_df: int


def pool_multivariate(y: Floats, covariance: Floats, *, random: bool = True) -> Multivariate:
    """Pool values `y` (k, h), NaN where not reported, with known covariances (k, h, h) within the studies.

    The between-study covariance is the matrix-based method of moments, symmetrised, negative eigenvalues set to 0; a
    study's missing values count as reported with no weight.
    Source: Jackson, White & Riley 2013, doi:10.1002/bimj.201200152.
    """
    seen = np.isfinite(y)
    if not seen.any(axis=0).all():
        column = int(np.argmin(seen.any(axis=0)))
        raise InputError(f"no study reports value {column + 1}", where="y", hint="leave it out")
    weights = np.array([_inverse(own, mask) for own, mask in zip(covariance, seen, strict=True)])
    value = np.where(seen, y, 0.0)
    h = y.shape[1]
    common = _gls(value, weights)
    rest = np.where(seen, y - common[0], 0.0)
    q = float(np.einsum("ki,kij,kj->", rest, weights, rest))
    df = int(seen.sum()) - h
    between = np.zeros((h, h))
    if random and df > 0 and len(y) > 1:
        between = _moments(rest, weights, seen, common[1])
        inverses = [_inverse(own + between, mask) for own, mask in zip(covariance, seen, strict=True)]
        beta, vcov = _gls(value, np.array(inverses))
    else:
        beta, vcov = common
    return Multivariate(beta=frozen(beta), vcov=frozen(vcov), between=frozen(between), q=q, q_df=df)


def _inverse(covariance: Floats, seen: Mask) -> Floats:
    """The inverse of the seen part, 0 elsewhere."""
    out = np.zeros_like(covariance)
    rows = np.flatnonzero(seen)
    out[np.ix_(rows, rows)] = np.linalg.inv(covariance[np.ix_(rows, rows)])
    return out


def _gls(value: Floats, weights: Floats) -> tuple[Floats, Floats]:
    vcov = np.linalg.inv(weights.sum(axis=0))
    vcov = (vcov + vcov.T) / 2
    return vcov @ np.einsum("kij,kj->i", weights, value), vcov


def _moments(rest: Floats, weights: Floats, seen: Mask, vcov: Floats) -> Floats:
    """Solve E(sum W_i r_i r_i') = what was found, linear in the between-study covariance."""
    h = rest.shape[1]
    found = np.einsum("kij,kj,kl->il", weights, rest, rest)
    shown = np.array([np.diag(mask.astype(float)) for mask in seen])
    share = np.einsum("ij,kjl->kil", vcov, weights)  # d beta / d y_i
    # sampling error alone: W_i (V_i - X_i vcov X_i')
    base = np.einsum("kij->ij", weights @ (_known(weights, seen) - shown @ vcov @ shown))
    columns = []
    for a in range(h):
        for b in range(h):
            unit = np.zeros((h, h))
            unit[a, b] = 1.0
            own = shown @ unit @ shown
            spread = np.einsum("kij,kjl,kml->im", share, own, share)
            cross = share @ own
            change = own - shown @ cross - own @ share.transpose(0, 2, 1) @ shown + shown @ spread @ shown
            columns.append(np.einsum("kij,kjl->il", weights, change).ravel())
    solved = np.linalg.lstsq(np.array(columns).T, (found - base).ravel(), rcond=None)[0].reshape(h, h)
    values, vectors = np.linalg.eigh((solved + solved.T) / 2)
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T, dtype=np.float64)


def _known(weights: Floats, seen: Mask) -> Floats:
    return np.array([_inverse(w, mask) for w, mask in zip(weights, seen, strict=True)])


def falling(beta: Floats, vcov: Floats) -> tuple[Floats, tuple[tuple[int, ...], ...]]:
    """The values nearest to `beta` in the metric of `vcov` that do not rise, and the blocks that were joined.

    Few values are assumed: blocks that violate the order are joined, and the joint estimate solved again.
    """
    blocks = [[i] for i in range(len(beta))]
    precision = np.linalg.inv(vcov)
    while True:
        x = np.zeros((len(beta), len(blocks)))
        for j, block in enumerate(blocks):
            x[block, j] = 1.0
        fitted = np.linalg.solve(x.T @ precision @ x, x.T @ precision @ beta)
        rising = np.diff(fitted)
        if not (rising > 1e-12).any():
            return x @ fitted, tuple(tuple(block) for block in blocks if len(block) > 1)
        j = int(np.argmax(rising))
        blocks[j : j + 2] = [blocks[j] + blocks[j + 1]]


def critical(reach: Sequence[int] | NDArray[Any], level: float, test: str) -> Floats:
    """Critical values (h,) of the limits: t with one less than the studies that reach a value, z for one study or
    where test is "z".
    """
    dfs = [float(m - 1) if test != "z" and m > 1 else math.inf for m in np.asarray(reach).tolist()]
    return np.array([quantile(level, df) for df in dfs])


def cells(column: Floats) -> str:
    """A column as an R vector, NA where there is none."""
    return vector("NA" if np.isnan(value) else repr(value) for value in column.tolist())


def mvmeta_lines(y: Floats, covariance: Floats, told: Sequence[str]) -> list[str]:
    """R code: the values (each column told what it is), their covariances, and mvmeta's method of moments."""
    h = y.shape[1]
    pairs = [(a, b) for a in range(h) for b in range(a, h)]
    lines = ["library(mvmeta)"]
    lines += [f"y{j + 1} <- {cells(y[:, j])}  # {told[j]}" for j in range(h)]
    lines += [f"s{a + 1}{b + 1} <- {cells(covariance[:, a, b])}" for a, b in pairs]
    ys = ", ".join(f"y{j + 1}" for j in range(h))
    ss = ", ".join(f"s{a + 1}{b + 1}" for a, b in pairs)
    return [*lines, f'summary(mvmeta(cbind({ys}), cbind({ss}), method = "mm"))']
