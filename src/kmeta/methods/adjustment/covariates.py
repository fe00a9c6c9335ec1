"""Covariates of individual patients and the published means of the other study that they are to meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.methods.survival.sample import column


@dataclass(frozen=True, kw_only=True, eq=False)
class Centred:
    """Covariates less their targets: `x` (n, p), a name each; `values` (n, q) and `names` are the covariates as given.

    With a published standard deviation the square of a covariate is a column of its own, so p may exceed q.
    """

    terms: tuple[str, ...]
    x: Floats
    names: tuple[str, ...]
    values: Floats
    target: Floats
    target_sd: Floats

    @property
    def n(self) -> int:
        """Number of patients."""
        return len(self.x)


def centred(
    covariates: Mapping[str, ArrayLike],
    target: Mapping[str, float],
    target_sd: Mapping[str, float] | None = None,
) -> Centred:
    """Checked covariates, centred on the target.

    Raises InputError, naming it, for a covariate that has no target or is no number, a target without a covariate,
    columns of different lengths, and a target outside what any patient has.
    """
    if not isinstance(covariates, Mapping) or not covariates:
        raise InputError("no covariates", where="covariates", hint="a mapping: name -> one value a patient")
    for where, given_ in (("target", target), ("target_sd", target_sd or {})):
        if not isinstance(given_, Mapping):
            raise InputError(f"is {given_!r}", where=where, hint="a mapping: name -> published number")
    sd = dict(target_sd or {})
    for where, names in (("target", set(covariates) ^ set(target)), ("target_sd", set(sd) - set(covariates))):
        if names:
            raise InputError(
                f"{min(names)!r} is not in both", where=where, hint="each covariate has a target"
            )
    columns, terms, x, wanted, spreads = [], [], [], [], []
    size: int | None = None
    for name, given in covariates.items():
        values = column(given, name, "finite numbers", np.isfinite, n=size)
        size = len(values)
        mean = _number(target[name], name)
        spread = _number(sd[name], name) if name in sd else np.nan
        if not size or not values.min() <= mean <= values.max():
            seen = f"{values.min():g} to {values.max():g}" if size else "none"
            raise InputError(
                f"the target of {name} is {mean:g}, patients have {seen}",
                where="target",
                hint="no weights can reach it: the two studies have no such patients in common",
            )
        columns.append(values)
        wanted.append(mean)
        spreads.append(spread)
        terms.append(name)
        x.append(values - mean)
        if name in sd:
            if not spread > 0:
                raise InputError(f"target_sd of {name} is {spread:g}", where="target_sd", hint="above 0")
            terms.append(f"{name} squared")
            # about the target mean: the same weights as the raw square, without its loss of digits
            x.append((values - mean) ** 2 - spread**2)
    return Centred(
        terms=tuple(terms),
        x=np.column_stack(x),
        names=tuple(covariates),
        values=np.column_stack(columns),
        target=np.array(wanted),
        target_sd=np.array(spreads),
    )


def _number(value: object, name: str) -> float:
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is {value!r}", where="target", hint="the published mean") from error
    if not np.isfinite(found):
        raise InputError(f"{name} is {found:g}", where="target", hint="the published mean, or share")
    return found
