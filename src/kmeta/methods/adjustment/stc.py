"""Simulated treatment comparison: an outcome regression of individual patients, read at another study's averages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core import numbers
from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.methods.adjustment.covariates import Centred, centred
from kmeta.methods.adjustment.hazards import Contrast, Cox, cox_of, published_contrast, two_groups
from kmeta.methods.adjustment.logistic import logistic
from kmeta.methods.adjustment.maic import ASSUMES
from kmeta.methods.survival.sample import column, groups_of, survival_sample


@dataclass(frozen=True, kw_only=True, eq=False)
class Stc(Result):
    """The regression (`terms`, `beta`, `vcov`) on covariates centred at the target, and the `contrasts` read there.

    `measure` is "HR" or "OR"; ratios are conditional on the covariates. The adjusted comparison is the last contrast.
    """

    measure: Literal["HR", "OR"]
    terms: tuple[str, ...]
    beta: Floats
    vcov: Floats
    n: int
    contrasts: tuple[Contrast, ...]
    anchored: bool
    target: dict[str, float]

    @property
    def effect(self) -> Contrast:
        """The adjusted comparison."""
        return self.contrasts[-1]

    def rows(self) -> list[dict[str, Any]]:
        """One row a comparison."""
        return [contrast.row() for contrast in self.contrasts]

    def summary(self) -> str:
        """The comparison at the target, and what it assumes."""
        at = ", ".join(f"{name} {value:g}" for name, value in self.target.items())
        lines = [f"Outcome regression of {self.n} patients, read at {at}"]
        for row in self.contrasts:
            shown = numbers.estimate(*map(numbers.ratio, (row.ratio, row.ci_low, row.ci_high)))
            lines.append(f"{self.measure} {row.first} against {row.second} {shown} ({row.how})")
        lines.append(
            "The ratio is conditional on the covariates; a marginal one of the other study may differ."
        )
        return "\n".join([*lines, ASSUMES[self.anchored]])


def stc(
    covariates: Mapping[str, ArrayLike],
    target: Mapping[str, float],
    *,
    outcome: ArrayLike | None = None,
    time: ArrayLike | None = None,
    event: ArrayLike | None = None,
    group: Sequence[object] | None = None,
    reference: str | None = None,
    modifiers: Sequence[str] | None = None,
    published: Any = None,
    comparator: tuple[int, int] | None = None,
    labels: tuple[str, str] = ("this study", "the other study"),
    level: float = 0.95,
    cox: Cox | None = None,
) -> Stc:
    """Model the outcome of individual patients, and read it at the published averages of another study.

    covariates : name -> one number a patient, shape (n,). target : name -> published mean or share.
    outcome : 0/1 at a time that all were followed to (1 the event): log odds. time, event : log hazard by a Cox model.
    Anchored: `group` (n,) with two labels, `reference` the shared comparator; `modifiers` the covariates that change
    the treatment's effect (default all); `published` the other study's log ratio with se (or a HazardRatio) against it.
    Unanchored (outcome only): one arm, `comparator` = (events, n) of the other study at that time.
    Raises InputError for numbers that cannot be, ConvergenceError where the model has no finite estimate.
    Source: Caro & Ishak 2010, doi:10.2165/11537420-000000000-00000; Phillippo et al. 2018,
    doi:10.1177/0272989X17725740.

    >>> age = [50, 55, 60, 62, 65, 70, 71, 75, 78, 80]
    >>> found = stc({"age": age}, {"age": 60}, outcome=[0, 0, 1, 0, 0, 1, 0, 1, 0, 1], comparator=(20, 50))
    >>> found.effect.row()["comparison"], round(found.effect.ratio, 2)
    ('this study v the other study', 0.47)
    """
    x = centred(covariates, target)
    if (outcome is None) == (time is None and event is None):
        raise InputError("give outcome, or time and event", where="outcome", hint="one of the two")
    if not 0 < level < 1:
        raise InputError(f"level is {level!r}", where="level", hint="a fraction: 0.95")
    if group is None:
        if outcome is None:
            raise InputError(
                "a Cox model of one arm has no level to read at the target",
                where="group",
                hint="give outcome at a time, or weigh the patients with maic",
            )
        return _unanchored(x, _binary(outcome, x.n), comparator, labels, level)
    if comparator is not None:
        raise InputError("is for unanchored comparisons", where="comparator", hint="give published instead")
    names, place = groups_of(group, x.n)
    first, second = two_groups(names, reference)
    treated = (place == names.index(first)).astype(float)
    terms, design = _design(x, treated, first, modifiers)
    if outcome is not None:
        beta, vcov = logistic(
            np.column_stack([np.ones(x.n), design]), _binary(outcome, x.n), ("intercept", *terms)
        )
        terms, place_of = ("intercept", *terms), 1
    else:
        beta, vcov = _hazards(x.n, time, event, design, terms, cox)
        place_of = 0
    measure: Literal["HR", "OR"] = "HR" if outcome is None else "OR"
    model = "Cox model" if outcome is None else "logistic model"
    said = [
        Contrast(
            first=first,
            second=second,
            estimate=float(beta[place_of]),
            se=math.sqrt(vcov[place_of, place_of]),
            level=level,
            how=f"{model} at the target",
        )
    ]
    if published is not None:
        theirs, se = published_contrast(published)
        indirect = said[0].estimate - theirs, math.hypot(said[0].se, se)
        said.append(
            replace(
                said[0],
                second=labels[1],
                estimate=indirect[0],
                se=indirect[1],
                how=f"indirect, both against {second}",
            )
        )
    return _result(measure, terms, beta, vcov, x, said, anchored=True)


def _result(
    measure: Literal["HR", "OR"],
    terms: tuple[str, ...],
    beta: Floats,
    vcov: Floats,
    x: Centred,
    said: Sequence[Contrast],
    *,
    anchored: bool,
) -> Stc:
    return Stc(
        measure=measure,
        terms=terms,
        beta=frozen(beta),
        vcov=frozen(vcov),
        n=x.n,
        contrasts=tuple(said),
        anchored=anchored,
        target=dict(zip(x.names, x.target.tolist(), strict=True)),
    )


def _binary(outcome: ArrayLike, n: int) -> Floats:
    return column(outcome, "outcome", "1 event, 0 none", lambda a: (a == 0) | (a == 1), n=n)


def _design(
    x: Centred, treated: Floats, first: str, modifiers: Sequence[str] | None
) -> tuple[tuple[str, ...], Floats]:
    """Treatment, covariates, and treatment by each modifier; the first column is the effect at the target."""
    wanted = x.names if modifiers is None else tuple(modifiers)
    for name in wanted:
        if name not in x.names:
            raise InputError(f"no covariate is {name!r}", where="modifiers", hint=", ".join(x.names))
    crossed = [x.x[:, x.names.index(name)] * treated for name in wanted]
    terms = (first, *x.names, *(f"{first} by {name}" for name in wanted))
    return terms, np.column_stack([treated, x.x, *crossed])


def _hazards(
    n: int,
    time: ArrayLike | None,
    event: ArrayLike | None,
    design: Floats,
    terms: tuple[str, ...],
    cox: Cox | None,
) -> tuple[Floats, Floats]:
    if time is None or event is None:
        raise InputError("time without event, or event without time", where="time")
    sample = survival_sample(time, event)
    if sample.n != n:
        raise InputError(f"{sample.n} times, {n} patients with covariates", where="time")
    model = cox_of(cox)(
        sample.time,
        sample.event,
        dict(zip(terms, design.T, strict=True)),
        weights=np.ones(n),
        robust=False,
    )
    size = len(terms)
    return np.ravel(model.beta), np.reshape(np.asarray(model.vcov, dtype=float), (size, size))


def _unanchored(
    x: Centred, outcome: Floats, comparator: tuple[int, int] | None, labels: tuple[str, str], level: float
) -> Stc:
    terms = ("intercept", *x.names)
    beta, vcov = logistic(np.column_stack([np.ones(x.n), x.x]), outcome, terms)
    if comparator is None:
        raise InputError(
            "one arm and nothing to compare it with", where="comparator", hint="(events, n) at that time"
        )
    try:
        events, n = (float(value) for value in comparator)
    except (TypeError, ValueError) as error:
        raise InputError(f"is {comparator!r}", where="comparator", hint="(events, n) at that time") from error
    if not 0 < events < n:
        raise InputError(
            f"comparator has {events:g} events of {n:g}", where="comparator", hint="above 0 and below n"
        )
    odds, variance = math.log(events / (n - events)), 1 / events + 1 / (n - events)
    crude = float(outcome.mean())
    said = []
    if 0 < crude < 1:
        own = 1 / (crude * (1 - crude) * x.n)
        said.append((math.log(crude / (1 - crude)) - odds, own + variance, "unadjusted"))
    said.append((float(beta[0]) - odds, float(vcov[0, 0]) + variance, "logistic model at the target"))
    contrasts = [
        Contrast(first=labels[0], second=labels[1], estimate=y, se=math.sqrt(v), level=level, how=how)
        for y, v, how in said
    ]
    return _result("OR", terms, beta, vcov, x, contrasts, anchored=False)
