"""Moderators of a meta-regression: from columns to a design matrix, and the test of several coefficients."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.methods.meta.distributions import chi2_tail
from kmeta.methods.meta.inputs import numbers

if TYPE_CHECKING:
    from kmeta.methods.meta.categories import Category
    from kmeta.methods.meta.formulas import Formula

INTERCEPT = "intercept"


class Designed(NamedTuple):
    """The model matrix (None without moderators), the names of its columns, and what they were coded from."""

    x: Floats | None
    terms: tuple[str, ...]
    factors: dict[str, Category]
    formula: Formula | None


def design_of(mods: Any, data: Any, k: int, *, own_data: bool = True) -> Designed:
    """Moderators as every model here takes them: columns by name, an array (k, q), or a formula of columns in `data`.

    `own_data`: the data serve a formula alone, so that without one they are a mistake.
    Raises InputError for moderators that cannot be used.
    """
    if isinstance(mods, str):
        from kmeta.methods.meta.formulas import formula_design

        if not mods.lstrip().startswith("~"):
            raise InputError(f"mods is the text {mods!r}", where="mods", hint='a formula begins with "~"')
        x, terms, formula = formula_design(mods.strip(), data, k)
        return Designed(x, terms, {}, formula)
    if data is not None and own_data:
        raise InputError("is for a formula", where="data", hint='mods="~ a + C(b)", or the columns as mods')
    if mods is None:
        return Designed(None, ("mu",), {}, None)
    from kmeta.methods.meta.categories import categories_of

    return Designed(*design_matrix(mods, k), categories_of(mods), None)


def tested_terms(terms: Sequence[str]) -> list[int]:
    """Places of the coefficients that the omnibus test is about: all but the intercept, or it alone."""
    return [j for j, term in enumerate(terms) if term != INTERCEPT] or list(range(len(terms)))


def columns_of(mods: Mapping[str, ArrayLike] | ArrayLike, k: int | None = None) -> dict[str, Floats]:
    """Numeric columns by name; the columns of an array are called x1, x2, ..."""
    if not isinstance(mods, Mapping):
        try:
            array = np.asarray(mods, dtype=float)
        except (TypeError, ValueError) as error:
            raise InputError("hold something that is not a number", where="mods") from error
        if array.ndim == 1:
            array = array[:, None]
        if array.ndim != 2:
            raise InputError(
                f"have shape {array.shape}", where="mods", hint="an array (k, q) or named columns"
            )
        mods = {f"x{j + 1}": array[:, j] for j in range(array.shape[1])}
    columns = {str(name): numbers(values, f"mods[{name!r}]") for name, values in mods.items()}
    for name, column in columns.items():
        if k is not None and len(column) != k:
            raise InputError(
                f"column {name!r} has {len(column)} values for {k} estimates",
                where="mods",
                hint="one for each",
            )
    return columns


def design_matrix(
    mods: Mapping[str, Any] | ArrayLike | None, k: int
) -> tuple[Floats | None, tuple[str, ...]]:
    """(X, names of its columns), the intercept first; (None, ("mu",)) without moderators.

    InputError when there are not fewer coefficients than estimates or a second column is constant.
    """
    if mods is None:
        return None, ("mu",)
    from kmeta.methods.meta.categories import columns_or_array

    columns = columns_of(columns_or_array(mods), k)
    constant = [name for name, column in columns.items() if np.ptp(column) == 0 and column[0] != 0]
    if len(constant) > 1:
        raise InputError(f"columns {constant} are all constant", where="mods", hint="keep one or none")
    rest = [(name, column) for name, column in columns.items() if name not in constant]
    names = (INTERCEPT, *(name for name, _ in rest))
    x = frozen(np.column_stack([np.ones(k), *(column for _, column in rest)]))
    if x.shape[1] >= k:
        raise InputError(
            f"{x.shape[1]} coefficients for {k} estimates",
            where="mods",
            hint="fewer moderators or more studies",
        )
    return x, names


def without_intercept(mods: Any, k: int) -> Designed:
    """The columns as they are; InputError for a formula and for names, whose coding counts on an intercept."""
    if mods is None:
        raise InputError("nothing is left without an intercept", where="intercept", hint="give `mods`")
    from kmeta.methods.meta.categories import categories_of

    if isinstance(mods, str) or categories_of(mods):
        raise InputError(
            "a formula and categories have an intercept", where="intercept", hint='mods="~ 0 + a + C(b)"'
        )
    columns = columns_of(mods, k)
    if len(columns) >= k:
        raise InputError(
            f"{len(columns)} coefficients for {k} estimates", where="mods", hint="fewer moderators"
        )
    return Designed(frozen(np.column_stack(list(columns.values()))), tuple(columns), {}, None)


def omnibus(
    beta: Floats, vcov: Floats, tested: Sequence[int], df: float
) -> tuple[float, tuple[float, float], float]:
    """Wald test that the coefficients `tested` are all 0: (statistic, its df, p).

    chi2 when df is infinite (second df NaN), else F with `df` in the denominator.
    """
    from scipy.special import fdtrc

    part = list(tested)
    b = beta[part]
    wald = float(b @ np.linalg.solve(vcov[np.ix_(part, part)], b))
    m = len(part)
    if math.isinf(df):
        return wald, (float(m), math.nan), chi2_tail(wald, m)
    return wald / m, (float(m), df), float(fdtrc(m, df, wald / m))
