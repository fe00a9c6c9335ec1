"""Covariates as a caller gives them -> a named matrix; what has no finite coefficient is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.methods.survival.sample import column

Covariates = Mapping[str, ArrayLike] | ArrayLike


def covariate_matrix(
    covariates: Covariates | None, names: Sequence[str] | None, n: int
) -> tuple[Floats, tuple[str, ...]]:
    """(matrix (n, q), q names). A mapping of columns, one column (n,), or a matrix (n, q)."""
    if covariates is None:
        return np.empty((n, 0)), ()
    if isinstance(covariates, Mapping):
        found = {str(name): _column(values, str(name), n) for name, values in covariates.items()}
        if not found:
            return np.empty((n, 0)), ()
        return np.column_stack(list(found.values())), tuple(found)
    try:
        matrix = np.array(covariates, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            "hold something that is not a number", where="covariates", hint="code a group as 0 and 1"
        ) from error
    matrix = matrix[:, None] if matrix.ndim == 1 else matrix
    if matrix.ndim != 2 or len(matrix) != n:
        raise InputError(
            f"have shape {matrix.shape}, {n} times", where="covariates", hint="one row a patient"
        )
    labels = tuple(f"x{j + 1}" for j in range(matrix.shape[1])) if names is None else tuple(map(str, names))
    if isinstance(names, str) or len(labels) != matrix.shape[1] or len(set(labels)) != len(labels):
        raise InputError(f"{labels} for {matrix.shape[1]} columns", where="names", hint="one name a column")
    return np.column_stack([_column(matrix[:, j], labels[j], n) for j in range(len(labels))]), labels


def _column(values: ArrayLike, name: str, n: int) -> Floats:
    return column(values, name, "a finite number; code a group as 0 and 1", np.isfinite, n=n)


def refuse_unidentified(x: Floats, names: tuple[str, ...], event: Floats) -> None:
    """InputError for columns that follow from others, and for a group without an event."""
    for j, name in enumerate(names):
        levels = np.unique(x[:, j])
        if len(levels) == 1:
            raise InputError("is the same for every patient", where=name, hint="leave it out")
        if len(levels) == 2:
            for level in levels.tolist():
                if not event[x[:, j] == level].any():
                    raise InputError(
                        f"no event where {name} is {level:g}: its coefficient has no finite estimate",
                        where=name,
                        hint="leave the covariate out, or describe that group by its follow-up alone",
                    )
    centred = np.column_stack([np.ones(len(x)), x])
    size = np.sqrt((centred**2).sum(axis=0))
    if np.linalg.matrix_rank(centred / size) < centred.shape[1]:
        raise InputError(
            f"{', '.join(names)} follow from each other", where="covariates", hint="leave one of them out"
        )


def patterns_of(covariates: Covariates | None, names: tuple[str, ...]) -> tuple[Floats, tuple[str, ...]]:
    """The covariates at which to predict: (matrix (m, q), a label each)."""
    if not names:
        if covariates is not None:
            raise InputError("the model has none", where="covariates", hint="leave them out")
        return np.empty((1, 0)), ("all",)
    if covariates is None:
        raise InputError(
            "are needed to predict", where="covariates", hint=f"a value of each of {', '.join(names)}"
        )
    if isinstance(covariates, Mapping):
        if set(map(str, covariates)) != set(names):
            raise InputError(
                f"are {sorted(map(str, covariates))}", where="covariates", hint=f"the model has {list(names)}"
            )
        columns = [np.atleast_1d(np.asarray(covariates[name], dtype=object)) for name in names]
        m = max(len(values) for values in columns)
        wide = [np.broadcast_to(values, (m,)) if len(values) == 1 else values for values in columns]
        matrix = np.column_stack([_column(v, name, m) for v, name in zip(wide, names, strict=True)])
    else:
        given = np.atleast_1d(np.asarray(covariates, dtype=object))
        given = given.reshape(-1, 1) if given.ndim == 1 and len(names) == 1 else np.atleast_2d(given)
        if given.shape[1] != len(names):
            raise InputError(
                f"have {given.shape[1]} columns", where="covariates", hint=f"the model has {list(names)}"
            )
        matrix = np.column_stack([_column(given[:, j], name, len(given)) for j, name in enumerate(names)])
    labels = tuple(
        ", ".join(f"{name}={value:g}" for name, value in zip(names, row, strict=True))
        for row in matrix.tolist()
    )
    return matrix, labels
