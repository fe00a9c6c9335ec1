"""Single-arm proportions and survival probabilities at a time: yi, vi, effective sample sizes, intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.methods.effects.columns import column, same_length
from kmeta.methods.effects.effect_sizes import MEASURES, EffectSizes
from kmeta.methods.effects.zero_cells import amount_of, to_correct

MANY = 1e12  # patients: more is a mistake
Scale = Literal["log-log", "log", "plain", "logit"]
Transform = Callable[[Floats, Floats, str], tuple[Floats, Floats]]


def _share(x: Floats, n: Floats, vtype: str) -> Floats:
    """The share that the variance is made of: each study's own, or for "AV" that of all patients."""
    return np.full_like(n, x.sum() / n.sum()) if vtype == "AV" else x / n


def _raw(x: Floats, n: Floats, vtype: str) -> tuple[Floats, Floats]:
    p = _share(x, n, vtype)
    return x / n, p * (1 - p) / (n - 1 if vtype == "UB" else n)


def _log(x: Floats, n: Floats, vtype: str) -> tuple[Floats, Floats]:
    p = _share(x, n, vtype)
    return np.log(x / n), (1 / p - 1) / n if vtype == "AV" else 1 / x - 1 / n


def _logit(x: Floats, n: Floats, vtype: str) -> tuple[Floats, Floats]:
    p = _share(x, n, vtype)
    return np.log(x / (n - x)), 1 / (n * p * (1 - p)) if vtype == "AV" else 1 / x + 1 / (n - x)


def _arcsine(x: Floats, n: Floats, _: str) -> tuple[Floats, Floats]:
    return np.arcsin(np.sqrt(x / n)), 1 / (4 * n)


def _double_arcsine(x: Floats, n: Floats, _: str) -> tuple[Floats, Floats]:
    lower, upper = np.arcsin(np.sqrt(x / (n + 1))), np.arcsin(np.sqrt((x + 1) / (n + 1)))
    return (lower + upper) / 2, 1 / (4 * n + 2)


def _probit(x: Floats, n: Floats, _: str) -> tuple[Floats, Floats]:
    from scipy.special import ndtri

    p = x / n
    z = ndtri(p)
    return z, 2 * np.pi * p * (1 - p) * np.exp(z * z) / n


# measure -> (transform, what is added to an empty cell unless the caller says otherwise, kinds of variance)
TRANSFORMS: dict[str, tuple[Transform, float, tuple[str, ...]]] = {
    "PR": (_raw, 0.5, ("LS", "UB", "AV")),
    "PLN": (_log, 0.5, ("LS", "AV")),
    "PLO": (_logit, 0.5, ("LS", "AV")),
    "PRZ": (_probit, 0.5, ("LS",)),
    "PAS": (_arcsine, 0.0, ("LS",)),
    "PFT": (_double_arcsine, 0.0, ("LS",)),
}


def single_group(
    measure: str,
    *,
    xi: ArrayLike | None = None,
    ni: ArrayLike | None = None,
    events: ArrayLike | None = None,
    n: ArrayLike | None = None,
    probability: ArrayLike | None = None,
    n_effective: ArrayLike | None = None,
    add: float | None = None,
    to: Literal["only0", "if0all", "all", "none"] = "only0",
    vtype: str = "LS",
    rule: Literal["metafor", "meta"] = "metafor",
) -> EffectSizes:
    """A proportion of each study as PR (raw), PLN (log), PLO (logit), PRZ (probit), PAS (arcsine), PFT (Freeman-Tukey).

    xi, ni (or events, n) : events and sample sizes, or `probability` with `n_effective`; shape (k,).
    add : added to the events and to the non-events of the studies that `to` names: "only0" those with an empty cell,
        "if0all" all when any has one, "all", "none". Default 0.5 (PAS and PFT: 0, they need none).
    vtype : "LS" large sample; PR, PLN, PLO also "AV", with the share of all studies' patients in place of each
        study's own; PR also "UB" unbiased.
    rule : how R's packages differ where cells are corrected. "metafor": both cells. "meta": PLN in the events alone (n
        grows by as much), PR in its variance alone.
    Raises InputError, also when an empty cell is left where the measure has no finite value.
    Source: Viechtbauer 2010, doi:10.18637/jss.v036.i03 (escalc); PFT: Freeman & Tukey 1950,
    doi:10.1214/aoms/1177729756.
    """
    transform, usual, kinds = TRANSFORMS[measure]
    if vtype not in kinds:
        raise InputError(f"{measure} has no vtype {vtype!r}", where="vtype", hint=", ".join(kinds))
    basis = "counts"
    given_x, given_n = _either(xi, events, "xi", "events"), _either(ni, n, "ni", "n")
    if probability is not None or n_effective is not None:
        if given_x is not None or given_n is not None or probability is None or n_effective is None:
            raise InputError(
                "give events with sample sizes, or probability with n_effective", where="columns"
            )
        size = column(n_effective, "n_effective", low=1e-12, high=MANY)
        share = column(probability, "probability", low=0, high=1)
        same_length(probability=share, n_effective=size)
        x, basis = share * size, "probability"
    elif given_x is None or given_n is None:
        raise InputError("needs xi and ni, or probability and n_effective", where="columns")
    else:
        size = column(given_n, "ni", low=1e-12, high=MANY)
        x = column(given_x, "xi", low=0, high=MANY)
        same_length(xi=x, ni=size)
        if (x > size).any():
            row = int(np.argmax(x > size))
            raise InputError(
                f"xi[{row}] is {x[row]:g} of {size[row]:g}", where="xi", hint="events are at most n"
            )
    corrected = to_correct((x == 0) | (x == size), to)
    amount = amount_of(add, usual)
    if rule not in ("metafor", "meta"):
        raise InputError(f"no rule is named {rule!r}", where="rule", hint="metafor or meta")
    raw, rest = x / size, size - x
    by_events = rule == "meta" and measure == "PLN"
    size = size + (1 if by_events else 2) * amount * corrected
    x = x + amount * (corrected & (rest > 0) if by_events else corrected)
    if measure in ("PLN", "PLO", "PRZ"):
        bad = (x <= 0) | (x >= size) if measure != "PLN" else x <= 0
        if bad.any():
            raise InputError(
                f"study {int(np.argmax(bad))} has an empty cell, {measure} is infinite",
                where="xi",
                hint='add=0.5, to="only0" corrects it; PAS needs no correction',
            )
    yi, vi = transform(x, size, vtype)
    if rule == "meta" and measure == "PR":
        yi = raw
    elif by_events:
        yi = np.where(rest > 0, yi, 0.0)
    said = amount > 0
    notes = tuple(f"{amount:g} added to both cells" if said and hit else "" for hit in corrected)
    return EffectSizes(measure=measure, yi=frozen(yi), vi=frozen(vi), basis=(basis,) * len(x), notes=notes)


for _name in TRANSFORMS:
    MEASURES.register(_name)(partial(single_group, _name))


def _either(first: Any, second: Any, name: str, other: str) -> Any:
    if first is not None and second is not None:
        raise InputError(f"{name} and {other} are the same column", where="columns", hint="give one of them")
    return first if second is None else second


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveSize:
    """How many patients without censoring would give the precision of a survival probability.

    `basis`: "se", "ci", "n at risk" or "n". `implied` is the number before it was held at n; `flag` says in words what
    is doubtful, empty when nothing is. `se`: of the probability, implied by n_effective (0 at 0 and 1).
    """

    n_effective: float
    basis: str
    se: float
    implied: float
    flag: str = ""


def effective_sample_size(
    survival: float,
    *,
    se: float | None = None,
    ci: tuple[float | None, float | None] | None = None,
    ci_scale: Scale = "log-log",
    level: float = 0.95,
    n_risk: float | None = None,
    n: float | None = None,
) -> EffectiveSize:
    """The effective sample size of one survival probability at a time, by the best of what was reported.

    In this order: S(1-S)/se**2 with Greenwood's `se`, or with the se behind the interval `ci` on the scale it was made
    on (a limit at 0 or 1, or missing, leaves the other half); `n_risk` / S, Peto's bound from the number at risk; the
    sample size `n`, as though nobody had been censored. Precision cannot exceed that of n patients: a larger number
    is held at `n` and flagged, for it points at a wrong interval scale or level.
    S of 0 or 1 has no standard error: n_risk (for S = 1), else n.
    Raises InputError when nothing usable is given. Sources: Peto et al. 1977, doi:10.1038/bjc.1977.1; Greenwood 1926.

    >>> found = effective_sample_size(0.6, ci=(0.45, 0.72), n=60)
    >>> round(found.n_effective, 1), found.basis
    (49.8, 'ci')
    """
    s = float(column(survival, "survival", low=0, high=1)[0])
    size = None if n is None else float(column(n, "n", low=1e-12, high=MANY)[0])
    at_risk = None if n_risk is None else float(column(n_risk, "n_risk", low=0, high=MANY)[0])
    if not 0 < level < 1:
        raise InputError(f"level is {level!r}", where="level", hint="a fraction: 0.95")
    inside = 0 < s < 1
    error, basis = None, ""
    if inside and se is not None:
        error, basis = float(column(se, "se", low=0, high=10)[0]), "se"
    if inside and not error and ci is not None:
        error, basis = _error_of_interval(s, ci, ci_scale, level), "ci"
    if error:
        implied = s * (1 - s) / error**2
    elif at_risk and s > 0:
        implied, basis = at_risk / s, "n at risk"
    elif size is not None:
        implied, basis = size, "n"
    else:
        raise InputError(
            "no interval, standard error, number at risk or n", where="survival", hint="one is needed"
        )
    held = implied if size is None else min(implied, size)
    flag = ""
    if size is not None and implied > 1.02 * size:
        flag = f"{basis} implies {implied:.1f} patients of {size:g}: held at n; is the interval's scale or level wrong?"
    elif basis == "n":
        flag = "no censoring known: n patients counted as though all were followed"
    return EffectiveSize(
        n_effective=held, basis=basis, se=math.sqrt(s * (1 - s) / held), implied=implied, flag=flag
    )


def _error_of_interval(
    s: float, ci: tuple[float | None, float | None], scale: Scale, level: float
) -> float | None:
    """The standard error of S behind an interval; None when no limit can be used."""
    from scipy.special import ndtri

    scales: dict[str, tuple[Callable[[float], float], float]] = {
        "plain": (lambda p: p, 1.0),
        "log": (math.log, s),
        "log-log": (lambda p: math.log(-math.log(p)), s * abs(math.log(s))),
        "logit": (lambda p: math.log(p / (1 - p)), s * (1 - s)),
    }
    if scale not in scales:
        raise InputError(f"no interval scale is named {scale!r}", where="ci_scale", hint=", ".join(scales))
    low, high = (None if limit is None or math.isnan(limit) else float(limit) for limit in ci)
    if (low is not None and not 0 <= low <= s) or (high is not None and not s <= high <= 1):
        raise InputError(
            f"the interval {low} to {high} does not hold {s:g}", where="ci", hint="probabilities from 0 to 1"
        )
    change, slope = scales[scale]
    z = float(ndtri((1 + level) / 2))
    usable = [limit for limit in (low, high) if limit is not None and 0 < limit < 1]
    if len(usable) == 2:
        return abs(change(usable[1]) - change(usable[0])) / (2 * z) * slope or None
    return (abs(change(usable[0]) - change(s)) / z * slope or None) if usable else None


def wilson(probability: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a probability on `n` (effective) patients.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.

    >>> [round(limit, 3) for limit in wilson(0.6, 50)]
    [0.462, 0.724]
    """
    from scipy.special import ndtri

    p = float(column(probability, "probability", low=0, high=1)[0])
    size = float(column(n, "n", low=1e-12, high=MANY)[0])
    if not 0 < level < 1:
        raise InputError(f"level is {level!r}", where="level", hint="a fraction: 0.95")
    z2 = float(ndtri((1 + level) / 2)) ** 2 / size
    centre = (p + z2 / 2) / (1 + z2)
    half = math.sqrt(z2 * (p * (1 - p) + z2 / 4)) / (1 + z2)
    # rounding must not put the estimate outside its interval
    return min(p, max(0.0, centre - half)), max(p, min(1.0, centre + half))
