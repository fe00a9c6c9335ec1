"""Moderators of a meta-regression: from columns to a design matrix, and the test of several coefficients."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.methods.meta.distributions import chi2_tail
from kmeta.methods.meta.inputs import numbers

INTERCEPT = "intercept"


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
