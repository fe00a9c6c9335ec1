"""Random effects as written ("1 | study/arm", "outcome | study"), and the covariance each brings to a block."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.methods.meta.sampling_covariance import Ints, codes_of

STRUCTURES = ("CS", "HCS", "UN", "AR", "HAR", "CAR", "DIAG", "ID")
IN_TIME = ("AR", "HAR", "CAR")
MOST_LEVELS = 200  # of a structure with a variance for each


@dataclass(frozen=True)
class Part:
    """One number of a model of the random effects: "sigma2", "tau2" or "rho" of `term`, at `level` where it has one."""

    kind: str
    term: str
    level: str
    value: float


@dataclass(frozen=True)
class Pairs:
    """The pairs of rows of a stack (b, n, n): of the same outer level, of the same inner level too, how far apart."""

    together: Floats
    same: Floats
    inner: Ints
    apart: Floats | None


@dataclass(frozen=True, eq=False)
class Term:
    """One random effect: `outer` codes its groups (k,); for an intercept (struct "") there is nothing else.

    `inner` codes the level within the group, `levels` names them, `at` is where each level stands in time. `written`
    is the structure asked for: UN of two levels is HCS, the same model with each number bounded by itself.
    Parameters, in order: an intercept, ID: the variance; CS, AR, CAR: tau2, rho; HCS, HAR and UN of two levels: a
    standard deviation each, rho; DIAG: a variance each; UN: the rows of a lower triangular root.
    """

    name: str
    outer: Ints
    outer_levels: tuple[str, ...]
    struct: str = ""
    inner: Ints = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    levels: tuple[str, ...] = ()
    at: Floats | None = None
    written: str = ""

    @property
    def size(self) -> int:
        """How many parameters."""
        n = len(self.levels)
        sizes = {"": 1, "ID": 1, "CS": 2, "AR": 2, "CAR": 2, "DIAG": n, "HCS": n + 1, "HAR": n + 1}
        return sizes[self.struct] if self.struct in sizes else n * (n + 1) // 2

    @property
    def kinds(self) -> tuple[str, ...]:
        """What each parameter is: "variance", "sd", "root" (below the diagonal of a root: "free"), "rho"."""
        n = len(self.levels)
        if self.struct in ("", "ID"):
            return ("variance",)
        if self.struct in ("CS", "AR", "CAR"):
            return ("variance", "rho")
        if self.struct == "DIAG":
            return ("variance",) * n
        if self.struct in ("HCS", "HAR"):
            return (*("sd",) * n, "rho")
        return tuple("root" if i == j else "free" for i in range(n) for j in range(i + 1))

    @property
    def least_rho(self) -> float:
        """The lower bound of rho: where the covariance of all levels stops being positive."""
        if self.struct in ("CS", "HCS"):
            return -1.0 / max(1, len(self.levels) - 1)
        return 0.0 if self.struct == "CAR" else -1.0

    def pairs(self, rows: Ints) -> Pairs:
        """What the covariance of a stack's rows (b, n) depends on."""
        outer = self.outer[rows]
        together = outer[:, :, None] == outer[:, None, :]
        if not self.struct:
            one = together.astype(float)
            return Pairs(one, one, outer, None)
        inner = self.inner[rows]
        same = together & (inner[:, :, None] == inner[:, None, :])
        apart = None
        if self.at is not None:
            apart = np.abs(self.at[inner][:, :, None] - self.at[inner][:, None, :])
        return Pairs(together.astype(float), same.astype(float), inner, apart)

    def covariance(self, theta: Floats, pairs: Pairs) -> Floats:
        """The term's covariance of a stack, (b, n, n)."""
        if self.struct in ("", "ID"):
            return np.asarray(theta[0] * pairs.same)
        if self.struct == "DIAG":
            return np.asarray(theta[pairs.inner][:, :, None] * pairs.same)
        if self.struct == "UN":
            g = self._gram(theta)
            return np.asarray(g[pairs.inner[:, :, None], pairs.inner[:, None, :]] * pairs.together)
        r, _ = self._correlation(float(theta[-1]), pairs)
        if len(theta) == 2 and self.kinds[0] == "variance":
            return np.asarray(theta[0] * r)
        s = theta[:-1][pairs.inner]
        return np.asarray(s[:, :, None] * s[:, None, :] * r)

    def derivatives(self, theta: Floats, pairs: Pairs) -> list[Floats]:
        """Of `covariance`, by each parameter."""
        if self.struct in ("", "ID"):
            return [pairs.same]
        here = [(pairs.inner == i).astype(float) for i in range(len(theta))]
        if self.struct == "DIAG":
            return [h[:, :, None] * pairs.same for h in here]
        if self.struct == "UN":
            return self._root_derivatives(theta, pairs)
        r, dr = self._correlation(float(theta[-1]), pairs)
        if self.kinds[0] == "variance":
            return [r, theta[0] * dr]
        s = theta[:-1][pairs.inner]
        found = [(h[:, :, None] * s[:, None, :] + s[:, :, None] * h[:, None, :]) * r for h in here[:-1]]
        return [*found, s[:, :, None] * s[:, None, :] * dr]

    def curvature(self, theta: Floats, pairs: Pairs, rest: Floats) -> Floats | None:
        """Half the sum of `rest` (b, n, n) times the second derivatives of `covariance`; None where they vanish.

        Those between a parameter and rho are left out: the information then stays an approximation.
        """
        if self.struct not in ("UN", "HCS", "HAR"):
            return None
        n = len(self.levels)
        here = (pairs.inner[:, :, None] == np.arange(n)).astype(float)
        un = self.struct == "UN"
        weight = rest * (pairs.together if un else self._correlation(float(theta[-1]), pairs)[0])
        by_level = np.einsum("bnc,bnd->cd", here, weight @ here)
        if un:
            row, column = np.tril_indices(n)
            return np.where(column[:, None] == column, by_level[row[:, None], row], 0.0)
        found = np.zeros((n + 1, n + 1))
        found[:n, :n] = by_level
        return found

    def _correlation(self, rho: float, pairs: Pairs) -> tuple[Floats, Floats]:
        if self.struct in ("CS", "HCS"):
            differ = pairs.together - pairs.same
            return rho * differ + pairs.same, differ
        d = pairs.apart
        assert d is not None  # noqa: S101
        near = np.where(d > 0, d, 1.0)
        slope = np.where(d > 0, near * _power(rho, near - 1), 0.0) * pairs.together
        return np.where(d > 0, _power(rho, d), 1.0) * pairs.together, slope

    def _root(self, theta: Floats) -> Floats:
        n = len(self.levels)
        root = np.zeros((n, n))
        root[np.tril_indices(n)] = theta
        return root

    def _gram(self, theta: Floats) -> Floats:
        root = self._root(theta)
        g: Floats = root @ root.T
        return g

    def _root_derivatives(self, theta: Floats, pairs: Pairs) -> list[Floats]:
        root = self._root(theta)
        found = []
        for i, j in zip(*np.tril_indices(len(self.levels)), strict=True):
            g = np.zeros_like(root)
            g[i] += root[:, j]
            g[:, i] += root[:, j]
            found.append(g[pairs.inner[:, :, None], pairs.inner[:, None, :]] * pairs.together)
        return found

    def matrix(self, theta: Floats) -> Floats:
        """The covariance of the inner levels with each other (n, n)."""
        n = len(self.levels)
        codes = np.arange(n)
        one = np.ones((1, n, n))
        apart = None if self.at is None else np.abs(self.at[:, None] - self.at[None, :])[None]
        found: Floats = self.covariance(theta, Pairs(one, np.eye(n)[None], codes[None], apart))[0]
        return found

    def parts(self, theta: Floats) -> tuple[Part, ...]:
        """The variances and correlations, as they are reported; `theta` on the scale of the data."""
        if not self.struct:
            return (Part("sigma2", self.name, "", float(theta[0])),)
        if self.struct in ("ID", "CS", "AR", "CAR"):
            found = [Part("tau2", self.name, "", float(theta[0]))]
            return (*found, *(Part("rho", self.name, "", float(r)) for r in theta[1:]))
        if self.struct == "DIAG":
            variances, rhos = theta, []
        elif self.struct == "UN":
            g = self._gram(theta)
            variances = np.diag(g)
            rhos = [
                (f"{self.levels[j]}, {self.levels[i]}", _ratio(g[i, j], variances[i] * variances[j]))
                for j in range(len(g))
                for i in range(j + 1, len(g))
            ]
        else:
            variances, rhos = theta[:-1] ** 2, [("", float(theta[-1]))]
        found = [Part("tau2", self.name, n, float(v)) for n, v in zip(self.levels, variances, strict=True)]
        return (*found, *(Part("rho", self.name, level, r) for level, r in rhos))


def _power(rho: float, exponent: Floats) -> Floats:
    """rho to real powers; of a negative rho, whole ones."""
    if rho < 0:
        return np.asarray(np.where(exponent % 2 == 0, 1.0, -1.0) * np.power(-rho, exponent))
    return np.asarray(np.power(rho, exponent))


def _ratio(covariance: float, product: float) -> float:
    return float(covariance / np.sqrt(product)) if product > 0 else float("nan")


def terms_of(
    random: str | Sequence[str],
    data: Mapping[str, Sequence[object] | ArrayLike],
    k: int,
    struct: str | Sequence[str],
) -> tuple[Term, ...]:
    """The terms that `random` names, from the columns of `data`.

    "1 | a/b": intercepts of a and of b within a; "inner | outer": correlated levels, one `struct` for each such term.
    """
    formulas = [random] if isinstance(random, str) else list(random)
    parsed = [_parse(formula) for formula in formulas]
    structured = [inner for inner, _ in parsed if inner != "1"]
    wanted = [struct] * len(structured) if isinstance(struct, str) else list(struct)
    if len(wanted) != len(structured):
        raise InputError(
            f"{len(wanted)} structures for {len(structured)} terms inner | outer", where="struct"
        )
    for name in wanted:
        if name not in STRUCTURES:
            raise InputError(
                f"no structure is named {name!r}", where="struct", hint="one of " + ", ".join(STRUCTURES)
            )
    given = iter(wanted)
    terms: list[Term] = []
    for inner, outer in parsed:
        if inner == "1":
            terms += _intercepts(outer, data, k)
        else:
            terms.append(_structured(inner, outer, next(given), data, k))
    names = [term.name for term in terms]
    if len(set(names)) < len(names):
        raise InputError(f"a term stands twice in {names}", where="random")
    return tuple(terms)


def _parse(formula: str) -> tuple[str, tuple[str, ...]]:
    match = (
        re.fullmatch(r"\s*~?\s*([^|~/]+?)\s*\|\s*([^|~]+?)\s*", formula) if isinstance(formula, str) else None
    )
    if match is None:
        raise InputError(
            f"{formula!r} is not understood", where="random", hint='"1 | study/arm" or "outcome | study"'
        )
    outer = tuple(name.strip() for name in match[2].split("/"))
    if not all(outer) or (match[1] != "1" and len(outer) > 1):
        raise InputError(
            f"{formula!r} is not understood", where="random", hint='"1 | study/arm" or "outcome | study"'
        )
    return match[1], outer


def _factor(
    name: str, data: Mapping[str, Sequence[object] | ArrayLike], k: int
) -> tuple[Ints, tuple[str, ...]]:
    if name not in data:
        raise InputError(
            f"no column is named {name!r}", where="data", hint=f"columns: {', '.join(map(str, data))}"
        )
    return codes_of(data[name], k, f"data[{name!r}]")


def _intercepts(
    outer: tuple[str, ...], data: Mapping[str, Sequence[object] | ArrayLike], k: int
) -> list[Term]:
    terms = []
    codes, levels = np.zeros(k, dtype=np.intp), ("",)
    for depth, name in enumerate(outer):
        inner, names = _factor(name, data, k)
        pair = codes * len(names) + inner
        used, first, codes = np.unique(pair, return_index=True, return_inverse=True)
        order = np.argsort(np.argsort(first))  # levels in the order in which they appear
        shown = [f"{levels[p // len(names)]}/{names[p % len(names)]}".lstrip("/") for p in used.tolist()]
        levels = tuple(shown[i] for i in np.argsort(first))
        codes = order[codes]
        terms.append(Term("/".join(outer[: depth + 1]), codes, levels))
    return terms


def _structured(
    inner: str,
    outer: tuple[str, ...],
    struct: str,
    data: Mapping[str, Sequence[object] | ArrayLike],
    k: int,
) -> Term:
    groups, group_names = _factor(outer[0], data, k)
    codes, levels = _factor(inner, data, k)
    place = _times(inner, levels) if struct in IN_TIME else None
    order = np.argsort(place, kind="stable") if place is not None else _sorted(levels)
    rank = np.argsort(order)
    levels = tuple(levels[i] for i in order)
    if struct in ("UN", "HCS", "HAR", "DIAG") and len(levels) > MOST_LEVELS:
        raise InputError(
            f"{len(levels)} levels of {inner!r}, a variance for each with {struct}",
            where="struct",
            hint='"CS" gives them one variance',
        )
    written = struct
    if struct == "UN" and len(levels) == 1:
        struct = "DIAG"
    elif struct == "UN" and len(levels) == 2:
        struct = "HCS"
    at = None if place is None else place[order]
    if struct in ("AR", "HAR"):
        at = np.arange(len(levels), dtype=float)  # steps from time to time, however long
    return Term(f"{inner} | {outer[0]}", groups, group_names, struct, rank[codes], levels, at, written)


def _sorted(levels: tuple[str, ...]) -> Ints:
    """Numbers by value, else names by letter."""
    key: Callable[[int], tuple[float, str]] = lambda i: (0.0, levels[i])  # noqa: E731
    try:
        values = [float(level) for level in levels]
        key = lambda i: (values[i], "")  # noqa: E731
    except ValueError:
        pass
    return np.array(sorted(range(len(levels)), key=key), dtype=np.intp)


def _times(inner: str, levels: tuple[str, ...]) -> Floats:
    try:
        found = np.array([float(level) for level in levels])
    except ValueError as error:
        raise InputError(
            "a time is not a number", where=f"data[{inner!r}]", hint="numbers for AR, HAR, CAR"
        ) from error
    if not np.isfinite(found).all():
        raise InputError("a time is not finite", where=f"data[{inner!r}]")
    return found
