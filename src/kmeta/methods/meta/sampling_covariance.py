"""The known covariance of the sampling errors, block by block: given as a matrix, or imputed from correlations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.methods.meta.inputs import EXTREME, numbers

Ints = NDArray[np.intp]
SHARED_CONTROL = "the comparator that all share"
PRECISION = 1e-10  # a correlation matrix whose least eigenvalue is below this is singular to the solver


@dataclass(frozen=True, kw_only=True, eq=False)
class SamplingCovariance(Result):
    """Covariance of k sampling errors: `vi` its diagonal, shape (k,); `stacks` its blocks of more than one row.

    A stack holds the blocks of one size n: their row numbers (b, n) and their matrices (b, n, n). Rows outside every
    stack are independent of all others. Memory is the sum of the squared block sizes, never k x k.
    """

    vi: Floats
    stacks: tuple[tuple[Ints, Floats], ...] = ()

    @property
    def k(self) -> int:
        """Number of estimates."""
        return len(self.vi)

    def dense(self) -> Floats:
        """The k x k matrix: for small k and for other software."""
        full = np.diag(self.vi)
        for rows, blocks in self.stacks:
            full[rows[:, :, None], rows[:, None, :]] = blocks
        return full

    def r_script(self) -> str:
        """R code that builds the matrix V of metafor's rma.mv."""
        from kmeta.methods.meta.r_multilevel import r_covariance

        return "\n".join([*r_covariance(self), "V"]) + "\n"

    def subset(self, rows: Sequence[int]) -> SamplingCovariance:
        """The covariance of some rows, in their order."""
        place = np.full(self.k, -1)
        place[list(rows)] = np.arange(len(rows))
        stacks = []
        for index, blocks in self.stacks:
            kept = place[index]
            for pattern in np.unique(kept >= 0, axis=0):
                if pattern.sum() > 1:
                    these = ((kept >= 0) == pattern).all(axis=1)
                    part = blocks[these][:, pattern][:, :, pattern]
                    stacks.append((kept[these][:, pattern], part))
        return SamplingCovariance(vi=frozen(self.vi[list(rows)]), stacks=tuple(stacks))

    def block_codes(self) -> Ints:
        """The number of the block that each row is in, shape (k,)."""
        codes = np.arange(self.k)
        for rows, _ in self.stacks:
            codes[rows] = rows[:, :1]
        return codes

    def rows(self) -> list[dict[str, Any]]:
        """One row a pair of estimates that are correlated, and each estimate with itself; counted from 1."""
        found = [(i, i, float(v)) for i, v in enumerate(self.vi)]
        for rows, blocks in self.stacks:
            for index, block in zip(rows.tolist(), blocks, strict=True):
                found += [
                    (index[a], index[b], float(block[a, b]))
                    for a in range(len(index))
                    for b in range(a)
                    if block[a, b]
                ]
        sd = np.sqrt(self.vi)
        return [
            {"row": i + 1, "column": j + 1, "covariance": c, "correlation": c / float(sd[i] * sd[j])}
            for i, j, c in sorted(found)
        ]


def blocks_by_size(codes: Ints) -> list[Ints]:
    """Row numbers of each group in `codes`, stacked by group size: arrays (b, n), n ascending."""
    order = np.argsort(codes, kind="stable")
    start = np.flatnonzero(np.diff(codes[order], prepend=-1))
    size = np.diff(np.append(start, len(codes)))
    return [order[start[size == n][:, None] + np.arange(n)] for n in np.unique(size)]


def codes_of(values: Sequence[object] | ArrayLike, k: int, where: str) -> tuple[Ints, tuple[str, ...]]:
    """(number of each row's level in order of appearance, the levels' names); InputError for gaps or a wrong length."""
    given = values.tolist() if isinstance(values, np.ndarray) else values
    if isinstance(given, (str, Mapping)) or not isinstance(given, Sequence):
        raise InputError("is not a column", where=where, hint="one name for each estimate")
    if len(given) != k:
        raise InputError(f"{len(given)} values for {k} estimates", where=where, hint="one for each estimate")
    if any(value is None or value != value for value in given):
        raise InputError("a name is missing", where=where, hint="one name for each estimate")
    names = [str(value) for value in given]
    level = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return np.array([level[name] for name in names], dtype=np.intp), tuple(level)


def covariance_of(matrix: ArrayLike) -> SamplingCovariance:
    """A symmetric positive definite (k, k) matrix as its blocks.

    Raises InputError where it is not one.
    """
    try:
        full = np.array(matrix, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("holds something that is not a number", where="vi") from error
    if full.ndim != 2 or full.shape[0] != full.shape[1]:
        raise InputError(f"has shape {full.shape}", where="vi", hint="variances (k,) or a matrix (k, k)")
    if not (np.abs(full) < EXTREME).all():
        raise InputError("holds NaN, infinity or an extreme number", where="vi")
    if not np.allclose(full, full.T, rtol=1e-9, atol=0.0):
        raise InputError("is not symmetric", where="vi", hint="a covariance matrix equals its transpose")
    full = (full + full.T) / 2
    linked = np.argwhere(np.triu(full != 0, 1))
    codes = joined(full.shape[0], [(linked[:, 0], linked[:, 1])])
    vi = _variances(np.diag(full))
    stacks = [
        (rows, full[rows[:, :, None], rows[:, None, :]])
        for rows in blocks_by_size(codes)
        if rows.shape[1] > 1
    ]
    return assembled(vi, stacks)


def joined(k: int, links: Sequence[tuple[Ints, Ints]]) -> Ints:
    """Rows joined by the pairs of `links`, directly or through others: one number a group, shape (k,)."""
    codes = np.arange(k)
    while True:
        before = codes.copy()
        for a, b in links:
            least = np.minimum(codes[a], codes[b])
            np.minimum.at(codes, a, least)
            np.minimum.at(codes, b, least)
        codes = codes[codes]
        if (codes == before).all():
            return codes


def assembled(vi: Floats, stacks: Sequence[tuple[Ints, Floats]]) -> SamplingCovariance:
    """The covariance from its parts, refused where a block is not positive definite."""
    sd = np.sqrt(vi)
    for rows, blocks in stacks:
        least = np.linalg.eigvalsh(blocks / (sd[rows][:, :, None] * sd[rows][:, None, :])).min(axis=1)
        if least.min() < PRECISION:
            bad = rows[int(least.argmin())]
            raise InputError(
                f"the covariance of rows {', '.join(str(i + 1) for i in bad[:6])} is not positive definite",
                where="vi",
                hint="correlations that go together, and none of 1 between different estimates (give `obs`)",
            )
    for rows, blocks in stacks:
        rows.setflags(write=False)
        blocks.setflags(write=False)
    return SamplingCovariance(vi=frozen(vi), stacks=tuple(stacks))


def _variances(values: ArrayLike) -> Floats:
    vi = numbers(values, "vi")
    if not (vi > 1 / EXTREME).all():
        row = int(np.argmin(vi > 1 / EXTREME))
        raise InputError(f"vi[{row}] is {vi[row]:g}, must be above 0", where="vi", hint="vi is se**2")
    return vi


@dataclass(frozen=True)
class _Arms:
    """The two groups of each contrast with the time and the size of each."""

    group: tuple[Ints, Ints]
    time: tuple[Floats, Floats]
    weight: tuple[Floats, Floats]


def impute_covariance(
    vi: ArrayLike,
    cluster: Sequence[object] | ArrayLike,
    *,
    rho: float | Sequence[float] | Mapping[tuple[str, str], float] | None = None,
    obs: Sequence[object] | None = None,
    construct: Sequence[object] | None = None,
    time: ArrayLike | None = None,
    time2: ArrayLike | None = None,
    phi: float | None = None,
    group1: Sequence[object] | None = None,
    group2: Sequence[object] | None = None,
    n1: ArrayLike | None = None,
    n2: ArrayLike | None = None,
    subgroup: Sequence[object] | None = None,
    rvars: ArrayLike | None = None,
) -> SamplingCovariance:
    """Covariance of sampling errors `vi` (shape (k,)) that are correlated within `cluster` (k names of studies).

    The correlation of two estimates of a cluster is a product of what applies:
    `rho` when they differ in `obs` (which measurement) or in `construct` (what is measured): one number, or with both
    columns the pair (obs, construct), the second whenever constructs differ; or a mapping of pairs of names to
    correlations.
    Without `obs` and `construct` every row is a measurement of its own. `phi` to the power of the distance in `time`.
    `group1`, `group2`: the groups contrasted (the second is shared by all when left out), with sizes `n1`, `n2`
    (default equal): the correlation that sharing a group brings; time then applies to each group (`time2` of the
    second).
    Estimates of different `subgroup`s share no patients and are independent. `rvars`: (k, n), the covariances as
    reported: row by row of each cluster, as many columns as its largest has rows; `vi` is then not used.

    Raises InputError for unusable columns and for a block that is not positive definite.
    Source: Hedges, Tipton & Johnson 2010, doi:10.1002/jrsm.5; Gleser & Olkin 2009 (shared groups), in Cooper,
    Hedges & Valentine, The Handbook of Research Synthesis and Meta-Analysis, chapter 19.

    >>> V = impute_covariance([0.04, 0.09, 0.01], ["A", "A", "B"], rho=0.5)
    >>> V.dense().round(3).tolist()
    [[0.04, 0.03, 0.0], [0.03, 0.09, 0.0], [0.0, 0.0, 0.01]]
    """
    if rvars is not None:
        return _reported(rvars, cluster)
    v = _variances(vi)
    k = len(v)
    codes, _ = codes_of(cluster, k, "cluster")
    if subgroup is not None:
        part, names = codes_of(subgroup, k, "subgroup")
        codes = codes * len(names) + part
    like = [] if rho is None else _likeness(rho, obs, construct, k)
    if rho is None and (obs is not None or construct is not None):
        raise InputError("obs and construct need a correlation", where="rho", hint="rho=0.6")
    arms = _arms(k, group1, group2, n1, n2, time, time2)
    decay = _decay(phi, time)
    sd = np.sqrt(v)
    stacks = []
    for rows in blocks_by_size(codes):
        if rows.shape[1] == 1:
            continue
        r = np.ones((*rows.shape, rows.shape[1]))
        for one in like:
            r = one(rows, r)
        r = r * _shared(arms, rows, decay)
        r[:, np.arange(rows.shape[1]), np.arange(rows.shape[1])] = 1.0
        stacks.append((rows, r * (sd[rows][:, :, None] * sd[rows][:, None, :])))
    return assembled(v, stacks)


def _reported(rvars: ArrayLike, cluster: Sequence[object] | ArrayLike) -> SamplingCovariance:
    try:
        given = np.array(rvars, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("holds something that is not a number", where="rvars") from error
    if given.ndim != 2:
        raise InputError(f"has shape {given.shape}", where="rvars", hint="one row an estimate")
    codes, _ = codes_of(cluster, given.shape[0], "cluster")
    vi = np.empty(given.shape[0])
    stacks = []
    for rows in blocks_by_size(codes):
        n = rows.shape[1]
        if n > given.shape[1]:
            raise InputError(f"{given.shape[1]} columns for a cluster of {n} rows", where="rvars")
        blocks = given[rows][:, :, :n]
        if not np.isfinite(blocks).all():
            raise InputError("a covariance is missing", where="rvars", hint="as many as the cluster has rows")
        if not np.allclose(blocks, blocks.swapaxes(1, 2), rtol=1e-9, atol=0.0):
            raise InputError("a cluster's covariances are not symmetric", where="rvars")
        vi[rows] = blocks[:, np.arange(n), np.arange(n)]
        if n > 1:
            stacks.append((rows, blocks))
    return assembled(_variances(vi), stacks)


def _likeness(
    rho: Any, obs: Sequence[object] | None, construct: Sequence[object] | None, k: int
) -> list[Any]:
    """Functions (rows, correlations) -> correlations, for the measurement and for the construct."""
    columns = [
        (name, column) for name, column in (("obs", obs), ("construct", construct)) if column is not None
    ]
    if not columns:
        columns = [("obs", [str(i) for i in range(k)])]
    several = isinstance(rho, (Sequence, np.ndarray)) and not isinstance(rho, str)
    values = list(rho) if several else [rho]
    if len(values) != len(columns):
        raise InputError(
            f"{len(values)} correlations for {len(columns)} columns",
            where="rho",
            hint="one number, or with obs and construct the pair (obs, construct)",
        )
    found = []
    for (name, column), value in zip(columns, values, strict=True):
        codes, levels = codes_of(column, k, name)
        found.append(_by_level(codes, _level_table(value, levels)))
    return found


def _by_level(codes: Ints, table: Floats | float) -> Any:
    def apply(rows: Ints, r: Floats) -> Floats:
        a, b = codes[rows][:, :, None], codes[rows][:, None, :]
        value = table if isinstance(table, float) else table[a, b]
        # the construct, applied last, stands in place of the measurement's correlation
        return np.where(a == b, r, value)

    return apply


def _level_table(value: Any, levels: tuple[str, ...]) -> Floats | float:
    if not isinstance(value, Mapping):
        return _correlation(value, "rho")
    table = np.eye(len(levels))
    given = {frozenset((str(a), str(b))): _correlation(r, "rho") for (a, b), r in value.items()}
    for i, a in enumerate(levels):
        for j, b in enumerate(levels[:i]):
            if frozenset((a, b)) not in given:
                raise InputError(f"no correlation of {a!r} and {b!r}", where="rho", hint="one for each pair")
            table[i, j] = table[j, i] = given[frozenset((a, b))]
    return table


def _correlation(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating)) or not -1 <= value <= 1:
        raise InputError(f"is {value!r}", where=where, hint="a correlation from -1 to 1")
    return float(value)


def _decay(phi: float | None, time: ArrayLike | None) -> float:
    if (phi is None) != (time is None):
        raise InputError("time and phi go together", where="phi", hint="phi=0.8, time=[...]")
    if phi is None:
        return 1.0
    found = _correlation(phi, "phi")
    if found < 0:
        raise InputError(f"is {phi!r}", where="phi", hint="from 0 to 1")
    return found


def _arms(
    k: int,
    group1: Sequence[object] | None,
    group2: Sequence[object] | None,
    n1: ArrayLike | None,
    n2: ArrayLike | None,
    time: ArrayLike | None,
    time2: ArrayLike | None,
) -> _Arms | Floats | None:
    """The contrasts where groups are named; else the time alone, or nothing."""
    if group1 is None and any(x is not None for x in (group2, n1, n2, time2)):
        raise InputError("group2, n1, n2 and time2 need group1", where="group1")
    when = None if time is None else _column(time, "time", k)
    if group1 is None:
        return when
    if time2 is not None and group2 is None:
        raise InputError("time2 needs group2", where="time2")
    second = [SHARED_CONTROL] * k if group2 is None else group2
    both, _ = codes_of([*_names(group1, k, "group1"), *_names(second, k, "group2")], 2 * k, "group1")
    first = np.zeros(k) if when is None else when
    sizes = [np.ones(k) if n is None else _column(n, w, k) for n, w in ((n1, "n1"), (n2, "n2"))]
    for size, where in zip(sizes, ("n1", "n2"), strict=True):
        if (size <= 0).any():
            raise InputError("a group size is not above 0", where=where)
    return _Arms(
        (both[:k], both[k:]),
        (first, first if time2 is None else _column(time2, "time2", k)),
        (sizes[0], sizes[1]),
    )


def _names(values: Sequence[object], k: int, where: str) -> list[object]:
    codes_of(values, k, where)
    return list(values)


def _column(values: ArrayLike, where: str, k: int) -> Floats:
    column = numbers(values, where)
    if len(column) != k:
        raise InputError(f"{len(column)} values for {k} estimates", where=where, hint="one for each estimate")
    return column


def _shared(arms: _Arms | Floats | None, rows: Ints, decay: float) -> Floats | float:
    """What shared groups and nearness in time leave of the correlation, shape (b, n, n)."""
    if arms is None:
        return 1.0
    if not isinstance(arms, _Arms):
        return np.power(decay, np.abs(arms[rows][:, :, None] - arms[rows][:, None, :]))
    total: Any = 0.0
    for a in (0, 1):
        for b in (0, 1):
            same = arms.group[a][rows][:, :, None] == arms.group[b][rows][:, None, :]
            apart = np.abs(arms.time[a][rows][:, :, None] - arms.time[b][rows][:, None, :])
            size = np.sqrt(arms.weight[a][rows][:, :, None] * arms.weight[b][rows][:, None, :])
            total = total + (1 if a == b else -1) * same * np.power(decay, apart) / size
    spread = np.sqrt(1 / arms.weight[0] + 1 / arms.weight[1])[rows]
    found: Floats = total / (spread[:, :, None] * spread[:, None, :])
    return found


def as_covariance(vi: ArrayLike | SamplingCovariance) -> SamplingCovariance:
    """Variances, a full matrix or a covariance already in blocks, as the last."""
    if isinstance(vi, SamplingCovariance):
        return vi
    return SamplingCovariance(vi=_variances(vi)) if is_plain(vi) else covariance_of(vi)


def is_plain(vi: ArrayLike | SamplingCovariance) -> TypeGuard[ArrayLike]:
    """Whether `vi` holds variances alone, no covariances."""
    if isinstance(vi, SamplingCovariance):
        return False
    try:
        return np.ndim(vi) < 2
    except ValueError as error:
        raise InputError("is not a matrix: its rows differ in length", where="vi") from error


def log_determinant(covariance: SamplingCovariance) -> float:
    """log |V|."""
    alone = np.ones(covariance.k, dtype=bool)
    total = 0.0
    for rows, blocks in covariance.stacks:
        alone[rows] = False
        total += float(np.linalg.slogdet(blocks)[1].sum())
    return total + math.fsum(np.log(covariance.vi[alone]).tolist())
