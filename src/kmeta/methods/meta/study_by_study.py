"""A model without each study in turn, and of the studies as they came, where each part is a fit of its own."""

from __future__ import annotations

from collections.abc import Callable

from numpy.typing import ArrayLike

from kmeta.core.errors import InputError
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.inputs import numbers
from kmeta.methods.meta.one_by_one import Refits, gather, members


def refits_of_studies(
    fit: MetaFit, kind: str, order: ArrayLike | None, part: Callable[[list[int]], MetaFit]
) -> Refits:
    """`kind` "leave one out" or "cumulative", study by study, of a model that `part` fits to some rows."""
    parts = members(fit)
    names = list(parts)
    if kind == "leave one out":
        if len(names) < 2:
            raise InputError("one study: nothing remains when it is left out", where="leave_one_out")
        chosen = [[i for i in range(fit.k) if i not in set(parts[name])] for name in names]
        return gather(fit, kind, names, [part(rows) for rows in chosen])
    if order is not None:
        values = numbers(order, "order")
        if values.size != fit.k:
            raise InputError(
                f"{values.size} values for {fit.k} estimates", where="order", hint="one for each"
            )
        names.sort(key=lambda name: min(values[i] for i in parts[name]))
    taken: list[int] = []
    fits: list[MetaFit] = []
    for name in names:
        taken = [*taken, *parts[name]]
        fits.append(part(taken))
    return gather(fit, kind, names, fits)
