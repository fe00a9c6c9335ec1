"""From what studies report to yi and vi, by measure."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.core.registry import Registry
from kmeta.core.result import Result


@dataclass(frozen=True, kw_only=True, eq=False)
class EffectSizes(Result):
    """Estimates `yi` on the analysis scale of `measure` with sampling variances `vi`; shape (k,) each.

    `basis`: what each was computed from ("counts", "ci", "se", "p", ...). `notes`: what was corrected or doubtful,
    one text a study, empty where nothing is to be said. Unpacks as `yi, vi = effect_sizes(...)`.
    """

    measure: str
    yi: Floats
    vi: Floats
    basis: tuple[str, ...]
    notes: tuple[str, ...]

    def __iter__(self) -> Iterator[Floats]:
        return iter((self.yi, self.vi))

    def rows(self) -> list[dict[str, Any]]:
        """One row a study."""
        columns = (self.yi.tolist(), self.vi.tolist(), self.basis, self.notes)
        names = ("yi", "vi", "basis", "note")
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


MEASURES: Registry[Callable[..., EffectSizes]] = Registry("measure", entry_point_group="kmeta.measures")


def effect_sizes(measure: str, **columns: Any) -> EffectSizes:
    """yi and vi of `measure` from reported numbers, one value a study in each column.

    PR PLN PLO PAS PFT PRZ : `xi` events (or `events`) and `ni` (or `n`); or `probability` and `n_effective`.
        `add`, `to`: the correction of zero cells, as in `proportions.single_group`.
    HR : `estimate` with `ci_low`, `ci_high` (`level`, default 0.95), or `se` of log HR, or two-sided `p`.
    Raises InputError for an unknown measure or column and for numbers that cannot be.

    >>> yi, vi = effect_sizes("PLO", xi=[8, 5], ni=[12, 18])
    >>> yi.round(3).tolist(), vi.round(3).tolist()
    ([0.693, -0.956], [0.375, 0.277])
    """
    function = MEASURES[measure]
    known = inspect.signature(function).parameters
    for name in columns:
        if name not in known:
            near = get_close_matches(name, known, n=1) or sorted(known)
            raise InputError(
                f"{measure} has no column {name!r}", where="columns", hint="perhaps " + ", ".join(near)
            )
    return function(**columns)
