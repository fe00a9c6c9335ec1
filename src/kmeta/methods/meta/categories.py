"""Categorical moderators: a column of names, and the coding that turns it into columns of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.methods.meta.fit import MetaFit, Prediction

if TYPE_CHECKING:
    from kmeta.methods.meta.formulas import Formula


@dataclass(frozen=True, kw_only=True, eq=False)
class Category(Result):
    """A categorical column: `values` (k,), its `levels` with the reference first, and its `coding`."""

    values: tuple[str, ...]
    levels: tuple[str, ...]
    coding: str = "treatment"

    def rows(self) -> list[dict[str, Any]]:
        """One row a level: how often it occurs."""
        return [{"level": level, "n": self.values.count(level)} for level in self.levels]

    def matrix(self) -> Floats:
        """The coding: a row a level, a column a coefficient."""
        return CODINGS[self.coding](len(self.levels))

    def columns(self, name: str) -> dict[str, Floats]:
        """Numeric columns, named name[level] (of "helmert" and "sum": of the level that a column singles out)."""
        place = {level: i for i, level in enumerate(self.levels)}
        unknown = sorted(set(self.values) - set(place))
        if unknown:
            raise InputError(
                f"{name!r} has no level {unknown[0]!r}", where=name, hint="one of " + ", ".join(self.levels)
            )
        rows = self.matrix()[[place[value] for value in self.values]]
        return {f"{name}[{level}]": rows[:, j] for j, level in enumerate(self.levels[1:])}


def treatment(n: int) -> Floats:
    """Each level against the reference."""
    return np.eye(n)[:, 1:]


def deviation(n: int) -> Floats:
    """Each level but the reference against the mean of all levels."""
    return np.vstack([-np.ones(n - 1), np.eye(n - 1)])


def helmert(n: int) -> Floats:
    """Each level against the mean of those before it."""
    return np.column_stack(
        [np.r_[-np.ones(j) / (j + 1), j / (j + 1), np.zeros(n - 1 - j)] for j in range(1, n)]
    )


CODINGS = {"treatment": treatment, "sum": deviation, "helmert": helmert}


class Moderated(Protocol):
    """What predictions need to know of a model: its matrix (k, p), and what that was coded from."""

    @property
    def x(self) -> Floats | None:
        """Model matrix."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Of its rows."""
        ...

    @property
    def terms(self) -> tuple[str, ...]:
        """Of its columns."""
        ...

    @property
    def factors(self) -> Mapping[str, Category]:
        """Categorical columns by name."""
        ...

    @property
    def formula(self) -> Formula | None:
        """Where one was given."""
        ...


def category(values: Sequence[Any], *, coding: str = "treatment", reference: str | None = None) -> Category:
    """A column of names as a moderator, with a named coding.

    coding : "treatment" each level against the reference, "sum" against the mean of the levels, "helmert" against the
    mean of the levels before it. reference : the level that comes first; by default the first in alphabetical order.
    Raises InputError for fewer than two levels, missing values, an unknown coding or reference.
    Source: Venables & Ripley 2002, Modern Applied Statistics with S, ch. 6.

    >>> category(["a", "b", "a", "c"], reference="c").levels
    ('c', 'a', 'b')
    """
    if isinstance(values, str) or np.ndim(values) != 1:
        raise InputError("a category is a flat list of names", where="values", hint="one for each estimate")
    names = [_name(value) for value in values]
    levels = sorted(set(names))
    if coding not in CODINGS:
        raise InputError(
            f"no coding is named {coding!r}", where="coding", hint="one of " + ", ".join(CODINGS)
        )
    if len(levels) < 2:
        raise InputError("a category needs two levels", where="values", hint=f"all are {levels[:1]}")
    if reference is not None:
        if str(reference) not in levels:
            raise InputError(f"no level is named {reference!r}", where="reference", hint=", ".join(levels))
        levels.remove(str(reference))
        levels.insert(0, str(reference))
    return Category(values=tuple(names), levels=tuple(levels), coding=coding)


def _name(value: Any) -> str:
    missing = value is None or (isinstance(value, float) and np.isnan(value)) or str(value).strip() == ""
    if missing:
        raise InputError(
            "a category has a missing value", where="values", hint="name it, or leave the estimate out"
        )
    return str(value)


def is_names(values: Any) -> bool:
    """Whether a column holds names (or truth values) that are no numbers."""
    if isinstance(values, Category):
        return True
    array = np.asarray(values, dtype=object) if not isinstance(values, np.ndarray) else values
    return (
        array.ndim == 1
        and array.size > 0
        and all(isinstance(v, (str, bool, np.bool_)) for v in array.tolist())
    )


def categories_of(mods: Any) -> dict[str, Category]:
    """The categorical columns among named moderators; a plain list of names is one in treatment coding."""
    if not isinstance(mods, Mapping):
        return {}
    found = {}
    for name, values in mods.items():
        if isinstance(values, Category):
            found[str(name)] = values
        elif is_names(values):
            _refuse_digits(str(name), values)
            found[str(name)] = category(list(values))
    return found


def is_number(text: str) -> bool:
    """Whether a text reads as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _refuse_digits(name: str, values: Any) -> None:
    """Numbers written as text are neither a number nor, for certain, a name."""
    if not all(isinstance(value, str) and is_number(value) for value in values):
        return
    raise InputError(
        f"column {name!r} holds numbers as text",
        where="mods",
        hint="make them numbers, or say kmeta.category(values) when they are names",
    )


def coded(mods: Mapping[str, Any], known: Mapping[str, Category]) -> dict[str, Any]:
    """Moderators with each categorical one as its numeric columns."""
    columns: dict[str, Any] = {}
    for name, values in mods.items():
        if str(name) in known:
            columns |= known[str(name)].columns(str(name))
        else:
            columns[str(name)] = values
    return columns


def coded_as(fit: Moderated, new: Mapping[str, Any]) -> dict[str, Any]:
    """New rows of moderators, their names coded as the model's are."""
    known = {}
    for name, one in fit.factors.items():
        if name in new:
            values = new[name]
            given = [values] if isinstance(values, str) else list(values)
            known[name] = Category(values=tuple(map(_name, given)), levels=one.levels, coding=one.coding)
    return coded(new, known)


def marginal_means(fit: MetaFit, name: str, *, pi: str | None = None) -> Prediction:
    """The mean at each level of the category `name`, with confidence and prediction interval.

    The other moderators are held at their means, the other categories at the mean of their levels with equal weights.
    So are the columns of a formula; `name` is one that it takes for a factor ("b" of "~ a * C(b)").
    Raises InputError when the model has no such category.
    Source: Searle, Speed & Milliken 1980, doi:10.1080/00031305.1980.10483031.

    >>> from kmeta import random_effects
    >>> mods = {"arm": ["a", "b", "a", "b"]}
    >>> fit = random_effects([0.1, 0.5, 0.3, 0.9], [0.1] * 4, measure="MD", mods=mods, test="z")
    >>> marginal_means(fit, "arm").mu.round(2).tolist()
    [0.2, 0.7]
    """
    from kmeta.methods.meta.prediction import predict_rows

    return predict_rows(fit, *marginal_rows(fit, name), pi)


def marginal_rows(fit: Moderated, name: str) -> tuple[Floats, tuple[str, ...]]:
    """(rows of the model matrix, levels): where `marginal_means` predicts."""
    if fit.formula is not None:
        return fit.formula.marginal_rows(name)
    if name not in fit.factors or fit.x is None:
        raise InputError(
            f"no categorical moderator is named {name!r}",
            where="name",
            hint="one of " + (", ".join(fit.factors) or "none: give mods a column of names"),
        )
    one = fit.factors[name]
    base = fit.x.mean(axis=0)
    for other, kind in fit.factors.items():
        average = kind.matrix().mean(axis=0)
        for level, value in zip(kind.levels[1:], average.tolist(), strict=True):
            base[fit.terms.index(f"{other}[{level}]")] = value
    rows = np.tile(base, (len(one.levels), 1))
    own = [fit.terms.index(f"{name}[{level}]") for level in one.levels[1:]]
    rows[:, own] = one.matrix()
    return rows, one.levels


def columns_or_array(mods: Mapping[str, Any] | ArrayLike) -> Any:
    """Moderators ready for the design matrix: categories coded, anything else as it is."""
    known = categories_of(mods)
    return coded(mods, known) if isinstance(mods, Mapping) and known else mods
