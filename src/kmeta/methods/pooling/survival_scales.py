"""Survival probabilities on the scales they are modelled on, with the variance that an effective sample size gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.methods.effects.proportions import effective_sample_size
from kmeta.methods.meta.inputs import numbers

REPORTED = ("se", "ci_low", "ci_high", "n_risk")


@dataclass(frozen=True, kw_only=True, eq=False)
class Arms:
    """Survival of k arms with effective sample sizes; `basis`: where each size is from, `flags`: what is doubtful."""

    survival: Floats
    n_effective: Floats
    basis: tuple[str, ...]
    flags: tuple[str, ...]


def read_arms(
    survival: ArrayLike,
    n: ArrayLike | None,
    *,
    se: ArrayLike | None = None,
    ci_low: ArrayLike | None = None,
    ci_high: ArrayLike | None = None,
    n_risk: ArrayLike | None = None,
    ci_scale: str = "log-log",
    ci_level: float = 0.95,
) -> Arms:
    """Effective sizes: `n` as given, or, where an interval, a se or numbers at risk are, those they imply (n at most).

    A value missing in one arm is NaN or None. Raises InputError naming the arm.
    """
    s = numbers(survival, "survival")
    given = {"se": se, "ci_low": ci_low, "ci_high": ci_high, "n_risk": n_risk}
    if all(values is None for values in given.values()):
        if n is None:
            hint = "effective sample sizes, or an interval, a standard error or numbers at risk"
            raise InputError("nothing tells the precision", where="n", hint=hint)
        return Arms(survival=s, n_effective=numbers(n, "n"), basis=("n",) * len(s), flags=("",) * len(s))
    columns = {name: _gaps(values, name, len(s)) for name, values in {**given, "n": n}.items()}
    sizes, basis, flags = [], [], []
    for i, value in enumerate(s.tolist()):
        own = {name: column[i] for name, column in columns.items()}
        interval = (own["ci_low"], own["ci_high"])
        try:
            found = effective_sample_size(
                value,
                se=own["se"],
                ci=None if interval == (None, None) else interval,
                ci_scale=ci_scale,  # type: ignore[arg-type]
                level=ci_level,
                n_risk=own["n_risk"],
                n=own["n"],
            )
        except InputError as error:
            raise InputError(error.message, where=f"arm {i}: {error.where}", hint=error.hint) from error
        sizes.append(found.n_effective)
        basis.append(found.basis)
        flags.append(found.flag)
    return Arms(survival=s, n_effective=frozen(sizes), basis=tuple(basis), flags=tuple(flags))


def _gaps(values: ArrayLike | None, name: str, k: int) -> list[float | None]:
    if values is None:
        return [None] * k
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            "holds something that is not a number", where=name, hint="None where it is missing"
        ) from error
    if array.shape != (k,):
        raise InputError(f"has shape {array.shape} for {k} arms", where=name, hint="one value an arm")
    return [None if np.isnan(value) else float(value) for value in array]


def corrected(survival: Floats, n: Floats) -> tuple[Floats, Floats, list[int]]:
    """(survival, n, arms changed): 0.5 added to the living and the dead where there is none of one kind."""
    from kmeta.methods.effects.effect_sizes import effect_sizes

    effect_sizes("PLO", probability=survival, n_effective=n)  # refuses what cannot be
    empty = (survival == 0) | (survival == 1)
    s = np.where(empty, (survival * n + 0.5) / (n + 1), survival)
    return s, np.where(empty, n + 1, n), np.flatnonzero(empty).tolist()


@dataclass(frozen=True)
class Link:
    """A scale on which survival is modelled: a rising function of S, its slope by ln S, and the way back."""

    forward: Callable[[Floats], Floats]
    slope: Callable[[Floats], Floats]
    back: Callable[[Floats], Floats]


def _expit(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -700, 700))), dtype=np.float64)


LINKS: dict[str, Link] = {
    "logit": Link(lambda s: np.log(s / (1 - s)), lambda s: 1 / (1 - s), _expit),
    # -ln(-ln S) rises with S; its differences are minus log hazard ratios under proportional hazards
    "cloglog": Link(
        lambda s: -np.log(-np.log(s)),
        lambda s: -1 / np.log(s),
        lambda x: np.exp(-np.exp(np.clip(-x, -700, 700))),
    ),
}


def link_of(name: str) -> Link:
    """A link by its name."""
    if name not in LINKS:
        raise InputError(f"no link is named {name!r}", where="link", hint=" or ".join(LINKS))
    return LINKS[name]


def log_variance(survival: Floats, n: Floats) -> Floats:
    """Variance of ln S, Greenwood's on an effective sample size."""
    return (1 - survival) / (n * survival)


def listed(names: Sequence[str], rows: Sequence[int]) -> str:
    """Some of the names, in words."""
    return ", ".join(names[i] for i in rows)
