"""Moderators by a formula ("~ ablat + C(alloc)"): read by formulaic, which comes with the extra `frames`."""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.methods.meta.categories import Category, is_number
from kmeta.methods.meta.inputs import EXTREME
from kmeta.methods.meta.moderators import INTERCEPT

# A formula is Python to formulaic: nothing but arithmetic and these calls may stand in one.
CALLS = frozenset(
    [
        "C",
        "I",
        "bs",
        "cc",
        "center",
        "cr",
        "cs",
        "exp",
        "exp10",
        "exp2",
        "log",
        "log10",
        "log2",
        "poly",
        "scale",
        "standardize",
        "Diff",
        "Helmert",
        "Poly",
        "Sum",
        "Treatment",
    ]
)
WITHIN = {
    "np": frozenset(["abs", "exp", "expm1", "log", "log10", "log1p", "log2", "sqrt"]),
    "contr": frozenset(["SAS", "custom", "diff", "helmert", "poly", "sum", "treatment"]),
}
GRID = 100_000  # combinations of levels that marginal means average over, at most
SYNTAX = (
    ast.Expression, ast.Call, ast.Name, ast.Load, ast.Constant, ast.BinOp, ast.operator, ast.UnaryOp, ast.unaryop,
    ast.keyword, ast.List, ast.Tuple, ast.Attribute, ast.Compare, ast.cmpop,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Formula(Result):
    """A formula with the columns it was fitted to, so that new rows are coded alike.

    `data`: the columns it uses; `levels`: of those that came with an order of levels; `coding`: of each
    categorical factor in words; `terms`: the coefficients of each term.
    """

    text: str
    data: Mapping[str, tuple[Any, ...]]
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    coding: Mapping[str, str] = field(default_factory=dict)
    terms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def rows(self) -> list[dict[str, Any]]:
        """One row an estimate: the columns the formula uses."""
        return [dict(zip(self.data, row, strict=True)) for row in zip(*self.data.values(), strict=True)]

    def factors(self) -> dict[str, tuple[Any, ...]]:
        """Levels of each column that the formula takes for a factor, in the order of its coding.

        Raises InputError where a factor is not one column as it is.
        """
        spec = _materialised(self.text, _frame(self.data, self.levels)).model_spec
        found: dict[str, tuple[Any, ...]] = {}
        for factor, state in sorted(spec.factor_contrasts.items(), key=lambda item: str(item[0])):
            names = sorted(_read(str(factor)) & self.data.keys())
            if len(names) != 1:
                raise InputError(
                    f"the factor {factor} is made of {len(names)} columns",
                    where="name",
                    hint="one column a factor",
                )
            if not set(state.levels) <= set(self.data[names[0]]):
                raise InputError(
                    f"the factor {factor} has other levels than its column", where="name", hint="C(column)"
                )
            found[names[0]] = tuple(state.levels)
        return found

    def marginal_rows(self, name: str) -> tuple[Floats, tuple[str, ...]]:
        """(design rows, levels) at each level of the factor `name`.

        Averages over a grid of the other factors' levels, each as heavy, with the numeric columns at their means.
        Source: Searle, Speed & Milliken 1980, doi:10.1080/00031305.1980.10483031.
        """
        factors = self.factors()
        if name not in factors:
            raise InputError(
                f"no categorical moderator is named {name!r}",
                where="name",
                hint="one of " + (", ".join(factors) or "none: C(column) makes one"),
            )
        others = [column for column in factors if column != name]
        size = math.prod(len(factors[column]) for column in others)
        if size * len(factors[name]) > GRID:
            raise InputError(f"{size} combinations of levels", where="name", hint="fewer factors or levels")
        grid = list(product(factors[name], *(factors[column] for column in others)))
        columns: dict[str, list[Any]] = dict(
            zip((name, *others), map(list, zip(*grid, strict=True)), strict=True)
        )
        for column, values in self.data.items():
            if column not in factors:
                columns[column] = [math.fsum(values) / len(values)] * len(grid)
        rows = self.matrix(columns).reshape(len(factors[name]), size, -1).mean(axis=1)
        return frozen(rows), tuple(map(str, factors[name]))

    def matrix(self, new: Any) -> Floats:
        """The design matrix of new rows, coded and scaled as the model's own.

        Raises InputError for a missing column, a missing value and a level that the model has not seen.
        """
        from formulaic.errors import DataMismatchWarning

        spec = _materialised(self.text, _frame(self.data, self.levels)).model_spec
        columns, _ = _columns(new, list(self.data), "new", None)
        with warnings.catch_warnings():
            warnings.simplefilter("error", DataMismatchWarning)
            try:
                matrix = spec.get_model_matrix(_frame(columns, {}), context={}, na_action="ignore")
            except DataMismatchWarning as error:
                raise InputError(
                    f"{_plain(error)}", where="new", hint="only levels that the model was fitted to"
                ) from error
            except Exception as error:
                raise InputError(f"the formula cannot be worked out: {_plain(error)}", where="new") from error
        return _finite(matrix, "new")


def formula_design(text: str, data: Any, k: int) -> tuple[Floats | None, tuple[str, ...], Formula | None]:
    """(X, names of its columns, the formula) for k estimates; (None, ("mu",), None) for "~ 1".

    The names are formulaic's, but for the intercept, which is called "intercept" in every model here.
    Raises InputError where formulaic is not installed, the formula cannot be read, or its columns are not in `data`.

    >>> data = {"dose": [1, 2, 3, 4], "arm": ["a", "b", "a", "b"]}
    >>> formula_design("~ dose + C(arm)", data, 4)[1]
    ('intercept', 'dose', 'C(arm)[T.b]')
    """
    wanted = _variables(text)
    columns, levels = _columns({} if data is None and not wanted else data, wanted, "data", k)
    frame = _frame(columns, levels) if wanted else None
    if frame is None:
        if text.replace(" ", "") in ("~1", "~"):
            return None, ("mu",), None
        raise InputError(f"{text!r} names no column", where="mods", hint="~ column + C(names)")
    _refuse_digits(text, columns)
    made = _materialised(text, frame)
    names = tuple(INTERCEPT if name == "Intercept" else str(name) for name in made.columns)
    x = _finite(made, "mods")
    if not names:
        raise InputError(f"{text!r} has no terms", where="mods", hint="~ column + C(names)")
    if len(names) >= k:
        raise InputError(
            f"{len(names)} coefficients for {k} estimates",
            where="mods",
            hint="fewer moderators or more studies",
        )
    return (
        x,
        names,
        Formula(
            text=text,
            data=columns,
            levels=levels,
            coding=_coding(made.model_spec),
            terms=_terms(made.model_spec, names),
        ),
    )


def _formulaic() -> Any:
    try:
        import formulaic
    except ImportError as error:
        raise InputError(
            "a formula needs formulaic, which is not installed",
            where="mods",
            hint="pip install 'kmeta[frames]', or give the columns by name",
        ) from error
    return formulaic


def _variables(text: str) -> list[str]:
    """Names of the columns a formula uses; InputError where it cannot be read or holds what is not allowed."""
    formulaic = _formulaic()
    try:
        formula = formulaic.Formula(text)
        terms = list(formula) if isinstance(formula, formulaic.SimpleFormula) else None
    except Exception as error:  # its parser raises more kinds than its own
        raise InputError(
            f"{text!r} cannot be read: {_plain(error)}", where="mods", hint="~ a + C(b)"
        ) from error
    if terms is None:
        raise InputError(f"{text!r} has more than one part", where="mods", hint="~ a + C(b)")
    names: set[str] = set()
    for factor in (factor for term in terms for factor in term.factors):
        if factor.eval_method.value == "lookup":
            names.add(factor.expr)
        elif factor.eval_method.value == "python":
            names |= _read(factor.expr)
    return sorted(names)


def _read(expression: str) -> set[str]:
    """Names of the columns in an expression; InputError where it is more than arithmetic, CALLS and WITHIN."""
    try:
        tree = ast.parse(expression, mode="eval")
    except (SyntaxError, ValueError, RecursionError) as error:
        raise InputError(f"{expression!r} cannot be read", where="mods", hint="~ a + C(b)") from error
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for node in ast.walk(tree):
        good = isinstance(node, SYNTAX)
        if isinstance(node, ast.Call):
            good = isinstance(node.func, ast.Attribute) or (
                isinstance(node.func, ast.Name) and node.func.id in CALLS
            )
        elif isinstance(node, ast.Attribute):
            home = node.value.id if isinstance(node.value, ast.Name) else ""
            good = node.attr in WITHIN.get(home, ())
        if not good:
            raise InputError(
                f"{expression!r} is not allowed in a formula",
                where="mods",
                hint="arithmetic and " + ", ".join(sorted(CALLS)),
            )
    return names - CALLS - WITHIN.keys()


def _columns(
    data: Any, wanted: list[str], where: str, k: int | None
) -> tuple[dict[str, tuple[Any, ...]], dict[str, tuple[str, ...]]]:
    """The columns `wanted` as plain values, and the levels of those that have an order of their own."""
    if not isinstance(data, Mapping) and not hasattr(data, "columns"):
        raise InputError(
            "a formula needs its columns by name",
            where=where,
            hint=f"a dict or a data frame: {where}={{...}}",
        )
    given = [str(name) for name in (data if isinstance(data, Mapping) else data.columns)]
    lost = [name for name in wanted if name not in given]
    if lost:
        raise InputError(
            f"has no column {', '.join(map(repr, lost))}", where=where, hint="columns: " + ", ".join(given)
        )
    columns: dict[str, tuple[Any, ...]] = {}
    levels: dict[str, tuple[str, ...]] = {}
    for name in wanted:
        values = data[name]
        order = _levels(name, values)
        if order is not None:
            levels[name] = order
        columns[name] = _values(name, values.values if isinstance(values, Category) else values, where)
    size = k if k is not None else len(next(iter(columns.values()), ()))
    for name, column in columns.items():
        if len(column) != size:
            raise InputError(
                f"column {name!r} has {len(column)} values for {size} {'rows' if k is None else 'estimates'}",
                where=where,
                hint="one for each",
            )
    return columns, levels


def _levels(name: str, values: Any) -> tuple[str, ...] | None:
    """The levels of a `kmeta.category` or a categorical column of pandas."""
    if isinstance(values, Category):
        if values.coding != "treatment":
            raise InputError(
                f"column {name!r} has {values.coding} coding",
                where="data",
                hint=f"write the coding in the formula: C({name}, contr.{values.coding})",
            )
        return values.levels
    categories = getattr(getattr(values, "dtype", None), "categories", None)
    return None if categories is None or not hasattr(values, "cat") else tuple(categories.tolist())


def _values(name: str, values: Any, where: str) -> tuple[Any, ...]:
    import pandas as pd

    flat = isinstance(values, np.ndarray) and values.ndim == 0
    single = flat or isinstance(values, str) or not hasattr(values, "__iter__")
    column = (
        [values.item() if flat else values]
        if single
        else [v.item() if isinstance(v, np.generic) else v for v in values]
    )
    if not column:
        raise InputError(f"column {name!r} is empty", where=where)
    for row, value in enumerate(column):
        if hasattr(value, "__iter__") and not isinstance(value, str):
            raise InputError(f"column {name!r} is not a flat list", where=where, hint="one value a row")
        blank = isinstance(value, str) and not value.strip()
        if blank or value is None or bool(pd.isna(value)):
            raise InputError(
                f"{name}[{row}] is missing",
                where=where,
                hint="leave the estimate out, or fill the value in; nothing is dropped silently",
            )
        if not isinstance(value, (str, bool, int, float)):
            raise InputError(
                f"{name}[{row}] is neither a number nor a name",
                where=where,
                hint="numbers, names, true or false",
            )
        if isinstance(value, (int, float)) and not abs(value) < EXTREME:
            raise InputError(f"{name}[{row}] is {value:g}", where=where, hint="a finite number")
    if len({isinstance(value, str) for value in column}) > 1:
        raise InputError(f"column {name!r} mixes names and numbers", where=where, hint="one kind in a column")
    return tuple(column)


def _refuse_digits(text: str, columns: Mapping[str, tuple[Any, ...]]) -> None:
    """Numbers written as text are names only where the formula says C()."""
    formula = _formulaic().Formula(text)
    plain = {f.expr for term in formula for f in term.factors if f.eval_method.value == "lookup"}
    for name, column in columns.items():
        if name in plain and all(isinstance(value, str) and is_number(value) for value in column):
            raise InputError(
                f"column {name!r} holds numbers as text",
                where="data",
                hint=f"make them numbers, or write C({name}) when they are names",
            )


def _frame(columns: Mapping[str, tuple[Any, ...]], levels: Mapping[str, tuple[str, ...]]) -> Any:
    import pandas as pd

    return pd.DataFrame(
        {
            name: pd.Categorical(list(values), categories=list(levels[name]))
            if name in levels
            else list(values)
            for name, values in columns.items()
        }
    )


def _materialised(text: str, frame: Any) -> Any:
    try:
        with np.errstate(all="ignore"):  # what is not finite is named afterwards
            return _formulaic().Formula(text).get_model_matrix(frame, context={}, na_action="ignore")
    except Exception as error:  # whatever a transformation raises for these values
        raise InputError(f"{text!r} cannot be worked out: {_plain(error)}", where="mods") from error


def _finite(matrix: Any, where: str) -> Floats:
    x = np.asarray(matrix, dtype=np.float64)
    good = np.abs(x) < EXTREME
    if not good.all():
        row, column = (int(i) for i in np.argwhere(~good)[0])
        value = x[row, column]
        raise InputError(
            f"{matrix.columns[column]} is {'not a number' if math.isnan(value) else f'{value:g}'} in row {row}",
            where=where,
            hint="a formula's terms must be finite for every estimate",
        )
    return frozen(x)


def _terms(spec: Any, names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The coefficients of each term, by its name in the formula; of `C(b)` by the column's name too."""
    found = {}
    for term, places in spec.term_indices.items():
        own = tuple(names[j] for j in places)
        if own and own != (INTERCEPT,):
            found[str(term)] = own
    return found


def _coding(spec: Any) -> dict[str, str]:
    """Each categorical factor's coding in words, with the level the others are held against."""
    said = {}
    for factor, state in sorted(spec.factor_contrasts.items(), key=lambda item: str(item[0])):
        kind = type(state.contrasts).__name__.removesuffix("Contrasts").lower()
        base = getattr(state.contrasts, "base", None)
        known = isinstance(base, str) or base in state.levels
        against = f", against {base if known else state.levels[0]}" if kind == "treatment" else ""
        said[str(factor)] = kind + against
    return said


def _plain(error: BaseException) -> str:
    """The first line of a message, without the marks that colour it."""
    lines = str(error).strip().split("\n")
    return "".join(letter for letter in lines[0] if letter.isprintable()).rstrip(".")
