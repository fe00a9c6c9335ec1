"""The generalised linear mixed models of meta-analysis: which counts, which design, by measure and model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.methods.effects.columns import column, same_length
from kmeta.methods.effects.rates import PersonTime, person_time
from kmeta.methods.effects.two_by_two import MANY, Tables, tables
from kmeta.methods.meta.count_likelihoods import Counts, binomial, hypergeometric, poisson
from kmeta.methods.meta.mixed_counts import Design

MODELS = {
    "PLO": ("UM",),
    "IRLN": ("UM",),
    "OR": ("UM.FS", "UM.RS", "CM.EL", "CM.AL"),
    "IRR": ("UM.FS", "UM.RS", "CM.EL"),
}


@dataclass(frozen=True, kw_only=True)
class CountModel:
    """k studies as counts: `effect` (k, J) is what the pooled quantity is multiplied with in each group.

    `own`: a parameter of each study's level; `level`: a normal level instead. `columns`: the data by name, as given.
    """

    counts: Counts
    effect: Floats
    own_level: bool
    random_level: bool
    columns: dict[str, Floats]
    keep: NDArray[np.bool_]
    start_level: Floats
    saturated: float | None = None
    separate: tuple[Floats, Floats] | None = None

    def design(self, x: Floats, *, heterogeneity: bool) -> Design:
        """The model with moderators `x` (k, p) (ones alone: the pooled effect), with tau or without."""
        k, j = self.effect.shape
        columns = self.effect[:, :, None] * x[:, None, :]
        spread = [self.effect[:, :, None]] if heterogeneity else []
        if self.random_level:
            columns = np.concatenate([np.ones((k, j, 1)), columns], axis=2)
            spread = [np.ones((k, j, 1)), *spread]
        t = np.concatenate(spread, axis=2) if spread else np.zeros((k, j, 0))
        return Design(self.counts, columns, t, np.ones((k, j)) if self.own_level else None)

    def separate_design(self) -> Design:
        """Each study with an effect of its own; with normal levels it is put on the first group, as metafor does."""
        k, j = self.effect.shape
        level = int(self.random_level)
        own = np.tile([1.0, 0.0], (k, 1)) if level else self.effect
        return Design(self.counts, np.ones((k, j, level)), np.ones((k, j, level)), own)


def count_model(measure: str, model: str, coding: float, columns: dict[str, Any]) -> CountModel:
    """Checked data and the model asked for; InputError where they do not fit together."""
    if measure not in MODELS:
        raise InputError(f"no model of counts for {measure!r}", where="measure", hint=", ".join(MODELS))
    allowed = MODELS[measure]
    if model not in allowed and not (allowed == ("UM",) and model == "UM.FS"):
        raise InputError(f"{measure} has no model {model!r}", where="model", hint=", ".join(allowed))
    if coding not in (0.0, 0.5, 1.0):
        raise InputError(f"coding is {coding!r}", where="coding", hint="0.5, 1 or 0: of the first group")
    makers: dict[str, Callable[..., CountModel]] = {
        "PLO": _proportions,
        "IRLN": _rates,
        "OR": _odds_ratios,
        "IRR": _rate_ratios,
    }
    wanted = {
        "PLO": ("xi", "ni"),
        "IRLN": ("xi", "ti"),
        "OR": ("ai", "bi", "ci", "di", "n1i", "n2i"),
        "IRR": ("x1i", "t1i", "x2i", "t2i"),
    }[measure]
    for name in columns:
        if name not in wanted:
            raise InputError(f"{measure} has no column {name!r}", where="columns", hint=", ".join(wanted))
    if len(wanted) == 2 and not all(name in columns for name in wanted):
        raise InputError("needs " + " and ".join(wanted), where="columns")
    given = {name: columns.get(name) for name in wanted}
    return makers[measure](model, coding, **given)


def _refuse_none(events: Floats, what: str) -> None:
    if not events.sum() > 0:
        raise InputError(
            f"{what}: the pooled value is infinite",
            where="columns",
            hint="report the counts; nothing can be pooled",
        )


def _proportions(model: str, coding: float, *, xi: Any, ni: Any) -> CountModel:
    del model, coding
    x, n = column(xi, "xi", low=0, high=MANY), column(ni, "ni", low=1e-12, high=MANY)
    k = same_length(xi=x, ni=n)
    if (x > n).any():
        row = int(np.argmax(x > n))
        raise InputError(f"xi[{row}] is {x[row]:g} of {n[row]:g}", where="xi", hint="events are at most n")
    _refuse_none(x, "no events in any study")
    _refuse_none(n - x, "events in everyone")
    counts = binomial(x[:, None], n[:, None])
    inside = (x > 0) & (x < n)
    with np.errstate(divide="ignore", invalid="ignore"):
        y, w = np.log(x / (n - x)), x * (n - x) / n
    saturated = float(np.sum(_binomial_at(x, n) + counts.constant[:, 0]))
    return CountModel(
        counts=counts,
        effect=np.ones((k, 1)),
        own_level=False,
        random_level=False,
        columns={"xi": x, "ni": n},
        keep=np.ones(k, dtype=bool),
        start_level=np.zeros(k),
        saturated=saturated,
        separate=(np.where(inside, y, 0.0), np.where(inside, w, 0.0)),
    )


def _binomial_at(x: Floats, n: Floats) -> Floats:
    """Log-likelihood at x / n, without the coefficient."""
    from scipy.special import xlogy

    return np.asarray(xlogy(x, x / n) + xlogy(n - x, (n - x) / n))


def _poisson_at(x: Floats) -> Floats:
    """Log-likelihood at a mean of x."""
    from scipy.special import gammaln, xlogy

    return np.asarray(xlogy(x, x) - x - gammaln(x + 1))


def _rates(model: str, coding: float, *, xi: Any, ti: Any) -> CountModel:
    del model, coding
    x, t = column(xi, "xi", low=0, high=MANY), column(ti, "ti", low=1e-12, high=1e15)
    k = same_length(xi=x, ti=t)
    _refuse_none(x, "no events in any study")
    with np.errstate(divide="ignore"):
        y = np.where(x > 0, np.log(np.maximum(x, 1e-300) / t), 0.0)
    return CountModel(
        counts=poisson(x[:, None], t[:, None]),
        effect=np.ones((k, 1)),
        own_level=False,
        random_level=False,
        columns={"xi": x, "ti": t},
        keep=np.ones(k, dtype=bool),
        start_level=np.zeros(k),
        saturated=float(_poisson_at(x).sum()),
        separate=(y, x),
    )


def _codes(k: int, coding: float) -> Floats:
    return np.tile([coding, coding - 1.0], (k, 1))


def _odds_ratios(model: str, coding: float, **cells: Any) -> CountModel:
    given: Tables = tables(**cells)
    keep = ~given.one_sided
    t = given.where(keep)
    for events, what in (
        (t.a, "no events in the first group of any study"),
        (t.b, "events in everyone of the first group"),
        (t.c, "no events in the second group of any study"),
        (t.d, "events in everyone of the second group"),
    ):
        _refuse_none(events, what)
    k = len(t.a)
    columns = {"ai": t.a, "bi": t.b, "ci": t.c, "di": t.d}
    common: dict[str, Any] = {"columns": columns, "keep": keep}
    if model == "CM.EL":
        counts: Counts = hypergeometric(t.a, t.n1, t.a + t.c, t.n2)
        return _one_group(counts, k, common)
    if model == "CM.AL":
        offset = np.log(t.n1 / t.n2)[:, None]
        return _one_group(binomial(t.a[:, None], (t.a + t.c)[:, None], offset), k, common)
    x, n = np.column_stack([t.a, t.c]), np.column_stack([t.n1, t.n2])
    arms = binomial(x, n)
    level = np.log((t.a + t.c + 0.5) / (t.b + t.d + 0.5))
    with np.errstate(divide="ignore", invalid="ignore"):
        y, v = np.log(t.a * t.d / (t.b * t.c)), 1 / t.a + 1 / t.b + 1 / t.c + 1 / t.d
    return CountModel(
        counts=arms,
        effect=_codes(k, coding),
        own_level=model == "UM.FS",
        random_level=model == "UM.RS",
        start_level=level,
        saturated=float(np.sum(_binomial_at(x, n) + arms.constant)) if model == "UM.FS" else None,
        separate=(np.where(t.empty, 0.0, y), np.where(t.empty, 0.0, 1 / v)) if model == "UM.FS" else None,
        **common,
    )


def _rate_ratios(model: str, coding: float, **given: Any) -> CountModel:
    both: PersonTime = person_time(**given)
    keep = (both.x1 > 0) | (both.x2 > 0)
    x1, t1, x2, t2 = both.x1[keep], both.t1[keep], both.x2[keep], both.t2[keep]
    _refuse_none(x1, "no events in the first group of any study")
    _refuse_none(x2, "no events in the second group of any study")
    k = len(x1)
    common: dict[str, Any] = {"columns": {"x1i": x1, "t1i": t1, "x2i": x2, "t2i": t2}, "keep": keep}
    if model == "CM.EL":
        return _one_group(binomial(x1[:, None], (x1 + x2)[:, None], np.log(t1 / t2)[:, None]), k, common)
    x, t = np.column_stack([x1, x2]), np.column_stack([t1, t2])
    inside = (x1 > 0) & (x2 > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        y, w = np.log(x1 / t1) - np.log(x2 / t2), x1 * x2 / (x1 + x2)
    return CountModel(
        counts=poisson(x, t),
        effect=_codes(k, coding),
        own_level=model == "UM.FS",
        random_level=model == "UM.RS",
        start_level=np.log((x1 + x2) / (t1 + t2)),
        saturated=float(_poisson_at(x).sum()) if model == "UM.FS" else None,
        separate=(np.where(inside, y, 0.0), np.where(inside, w, 0.0)) if model == "UM.FS" else None,
        **common,
    )


def _one_group(counts: Counts, k: int, common: dict[str, Any]) -> CountModel:
    """A conditional model: the level of the study is gone, its effect is all there is."""
    return CountModel(
        counts=counts,
        effect=np.ones((k, 1)),
        own_level=False,
        random_level=False,
        start_level=np.zeros(k),
        **common,
    )
