"""From what studies report to yi and vi, by measure."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial
from types import MappingProxyType
from typing import Any

from kmeta.core.arrays import Floats
from kmeta.core.canonical import plain
from kmeta.core.errors import InputError
from kmeta.core.registry import Registry
from kmeta.core.result import Result


@dataclass(frozen=True, kw_only=True, eq=False)
class EffectSizes(Result):
    """Estimates `yi` on the analysis scale of `measure` with sampling variances `vi`; shape (k,) each.

    `basis`: what each was computed from ("counts", "ci", "se", "p", ...). `notes`: what was corrected or doubtful,
    one text a study, empty where nothing is to be said;
    a study without a finite value is NaN. `given`: the columns and options they were made of.
    Unpacks as `yi, vi = effect_sizes(...)`.
    """

    measure: str
    yi: Floats
    vi: Floats
    basis: tuple[str, ...]
    notes: tuple[str, ...]
    given: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __iter__(self) -> Iterator[Floats]:
        return iter((self.yi, self.vi))

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain values; `given` is left out."""
        return {name: plain(getattr(self, name)) for name in ("measure", "yi", "vi", "basis", "notes")}

    def r_script(self) -> str:
        """R code with the data inline: metafor's escalc call, or yi and vi where it has no such input."""
        from kmeta.methods.effects.escalc_call import escalc_call

        return escalc_call(self)

    def rows(self) -> list[dict[str, Any]]:
        """One row a study."""
        columns = (self.yi.tolist(), self.vi.tolist(), self.basis, self.notes)
        names = ("yi", "vi", "basis", "note")
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


MEASURES: Registry[Callable[..., EffectSizes]] = Registry("measure", entry_point_group="kmeta.measures")


def effect_sizes(measure: str, **columns: Any) -> EffectSizes:
    """yi and vi of `measure` from reported numbers, one value a study in each column; arguments as in metafor's escalc.

    OR RR RD AS PETO (also PHI YUQ YUY OR2DN OR2DL PBIT) : `ai`, `bi`, `ci`, `di`, or `ai`, `n1i`, `ci`, `n2i`.
    IRR IRD IRSD : events and person-time `x1i`, `t1i`, `x2i`, `t2i`. IR IRLN IRS IRFT : `xi`, `ti`.
    PR PLN PLO PAS PFT PRZ : `xi` events (or `events`) and `ni` (or `n`); or `probability` and `n_effective`.
        `add`, `to`, `drop00`: the correction of zero cells and what becomes of studies without events.
    MD SMD SMDH SMD1 ROM CVR VR : `m1i`, `sd1i`, `n1i`, `m2i`, `sd2i`, `n2i`. MN MNLN SMN CVLN SDLN : `mi`, `sdi`, `ni`.
    COR ZCOR : `ri`, `ni`. `vtype`: the kind of variance, where a measure has several.
    MSR (median survival ratio) : `m1i`, `m2i` with intervals or events of both groups.
    HR, and every other ratio or difference of two groups : `estimate` with `ci_low`, `ci_high` (`level`, default 0.95),
        or `se` (of the log of a ratio), or two-sided `p`.
    A study whose value is not finite has NaN and a note that says why.
    Raises InputError for an unknown measure or column and for numbers that cannot be.
    Source: Viechtbauer 2010, doi:10.18637/jss.v036.i03; each measure's function names its own.

    >>> yi, vi = effect_sizes("PLO", xi=[8, 5], ni=[12, 18])
    >>> yi.round(3).tolist(), vi.round(3).tolist()
    ([0.693, -0.956], [0.375, 0.277])
    >>> effect_sizes("OR", ai=[4, 0], n1i=[20, 15], ci=[8, 3], n2i=[21, 15]).notes
    ('', '0.5 added to each cell')
    """
    function = MEASURES[measure]
    if "estimate" in columns and measure != "HR":
        from kmeta.methods.effects.reported import reported

        function = partial(reported, measure)
    known = inspect.signature(function).parameters
    for name in columns:
        if name not in known:
            near = get_close_matches(name, known, n=1) or sorted(known)
            raise InputError(
                f"{measure} has no column {name!r}", where="columns", hint="perhaps " + ", ".join(near)
            )
    return replace(function(**columns), given=MappingProxyType(columns))
