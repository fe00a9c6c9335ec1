"""Pooled survival probability at one time, by treatment class."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.numbers import percent
from kmeta.core.result import Result
from kmeta.methods.effects.effect_sizes import effect_sizes
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.glmm import glmm
from kmeta.methods.meta.inputs import labels_of, numbers
from kmeta.methods.meta.multilevel import multilevel
from kmeta.methods.meta.random_effects import random_effects
from kmeta.methods.pooling.class_contrast import ClassContrast, class_contrast
from kmeta.methods.pooling.survival_scales import Arms, listed, read_arms


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SurvivalAt(Result):
    """Pooled survival at `time` (the unit of the data), one fit a class; differences between classes of single arms
    are associations, never effects. Arrays by arm: `survival`, `n_effective` and the `basis` of each size.
    """

    time: float
    classes: tuple[str, ...]
    fits: tuple[MetaFit, ...]
    survival: Floats = dataclasses.field(default_factory=lambda: frozen([]))
    n_effective: Floats = dataclasses.field(default_factory=lambda: frozen([]))
    basis: tuple[str, ...] = ()
    arm_classes: tuple[str, ...] = ()
    studies: tuple[str, ...] | None = None
    labels: tuple[str, ...] = ()
    level: float = 0.95
    warnings: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> MetaFit:
        """The fit of one class; InputError when there is none."""
        if name not in self.classes:
            raise InputError(f"no class is named {name!r}", where="classes", hint=", ".join(self.classes))
        return self.fits[self.classes.index(name)]

    def rows(self) -> list[dict[str, Any]]:
        """One row a class, probabilities 0-1."""
        return [
            {
                "class": name,
                "time": self.time,
                "arms": fit.k,
                "studies": fit.k_groups,
                "survival": fit.effect,
                "ci_low": fit.effect_ci[0],
                "ci_high": fit.effect_ci[1],
                "pi_low": fit.effect_pi[0],
                "pi_high": fit.effect_pi[1],
                "tau2": fit.tau2,
                "i2": fit.i2,
            }
            for name, fit in zip(self.classes, self.fits, strict=True)
        ]

    def summary(self) -> str:
        """A line a class, then what is doubtful."""
        level = f"{100 * self.level:g}%"
        lines = [f"Survival at {self.time:g}, by class"]
        for row in self.rows():
            line = f"{row['class']}: {percent(row['survival'], 1)}% ({level} CI "
            line += f"{percent(row['ci_low'], 1)} to {percent(row['ci_high'], 1)}), {row['arms']} arms"
            if row["pi_low"] == row["pi_low"]:
                line += f"; prediction interval {percent(row['pi_low'], 1)} to {percent(row['pi_high'], 1)}"
            lines.append(line)
        if len(self.classes) > 1:
            lines.append("Classes of single arms: a difference between them is an association.")
        said = [*self.warnings, *(text for fit in self.fits for text in fit.warnings)]
        return "\n".join(lines + [f"Note: {text}" for text in said])

    def contrast(
        self, reference: str, mods: Mapping[str, Any] | None = None, *, link: str = "cloglog"
    ) -> ClassContrast:
        """The association of the other classes with survival, against `reference`, adjusted for the case mix `mods`
        (a column an arm each); see `class_contrast`.
        """
        return class_contrast(
            self.survival,
            self.n_effective,
            classes=self.arm_classes,
            reference=reference,
            time=self.time,
            groups=self.studies,
            mods=mods,
            link=link,
            level=self.level,
            labels=self.labels,
        )

    def r_script(self) -> str:
        """R code with the data inline, a script a class: metafor."""
        from kmeta.methods.meta.r_script import text

        parts = [
            f"# class {text(name)}, survival at {self.time:g}\n{fit.r_script()}"
            for name, fit in zip(self.classes, self.fits, strict=True)
        ]
        return "\n".join(parts)


def survival_at(
    survival: ArrayLike,
    n: ArrayLike | None = None,
    *,
    time: float,
    se: ArrayLike | None = None,
    ci_low: ArrayLike | None = None,
    ci_high: ArrayLike | None = None,
    n_risk: ArrayLike | None = None,
    ci_scale: str = "log-log",
    ci_level: float = 0.95,
    groups: Sequence[object] | None = None,
    classes: Sequence[str] | None = None,
    model: str = "logit-normal",
    tau2: str = "REML",
    test: str = "hksj",
    level: float = 0.95,
    pi: str = "test",
    labels: Sequence[str] | None = None,
) -> SurvivalAt:
    """Pool survival probabilities at `time` on the logit scale, within each class on its own.

    survival : probabilities 0-1, shape (k,). n : effective sample sizes, shape (k,).
    se, ci_low, ci_high, n_risk : what was printed of each arm at that time, NaN or None where it was not: the effective
        sizes are then computed from them (`effective_sample_size`), with `n` as the number of patients that bounds
        them. ci_scale, ci_level : how the intervals were made.
    groups : the study of each arm. Where a study gives several arms of a class, its class is fitted with
        `multilevel` (test "t" on m - 1 df for every test but "z"; tau2 "REML" or "ML"), else with `random_effects`.
    classes : the treatment class of each arm; None puts all in one class named "all". Order of first appearance.
    model : "logit-normal": logit(S) with variance 1 / (n S (1 - S)); 0.5 is added to both cells of an arm with S of
        0 or 1, and said in the fit's warnings. "glmm": binomial-normal, n S of n, by maximum likelihood with exact
        quadrature (`glmm`); nothing is corrected, tau2 is "ML", test "z" or, for every other, t with k - 1 df. Where a
        study gives several arms of a class the GLMM does not hold: InputError.
    Raises InputError for unusable numbers or options, ConvergenceError when a variance does not settle.
    Source: Schwarzer & Ruecker 2022, doi:10.1007/978-1-0716-1566-9_10 (proportions); Konstantopoulos 2011,
    doi:10.1002/jrsm.35 (several arms of a study).

    >>> found = survival_at([0.7, 0.8, 0.6, 0.4], [50, 30, 80, 60], time=60, classes=["A", "A", "A", "B"])
    >>> found.classes, round(found["A"].effect, 2), found["B"].k
    (('A', 'B'), 0.68, 1)
    """
    if model not in ("logit-normal", "glmm"):
        raise InputError(f"no model is named {model!r}", where="model", hint="logit-normal or glmm")
    arms = read_arms(
        survival,
        n,
        se=se,
        ci_low=ci_low,
        ci_high=ci_high,
        n_risk=n_risk,
        ci_scale=ci_scale,
        ci_level=ci_level,
    )
    s, size = arms.survival, arms.n_effective
    k = len(s)
    when = float(numbers([time], "time")[0])
    if when < 0:
        raise InputError(f"time is {when:g}", where="time", hint="0 or later")
    effects = effect_sizes("PLO", probability=s, n_effective=size)
    names = labels_of(classes, k) if classes is not None else ("all",) * k
    shown = labels_of(labels, k)
    studies = labels_of([str(group) for group in groups], k) if groups is not None else None
    order = tuple(dict.fromkeys(names))
    fits = []
    for name in order:
        rows = [i for i in range(k) if names[i] == name]
        own = None if studies is None else [studies[i] for i in rows]
        if model == "glmm":
            fits.append(_pool_counts(s[rows], size[rows], own, test, level, pi, [shown[i] for i in rows]))
            continue
        fit = _pool(
            effects.yi[rows],
            effects.vi[rows],
            own,
            tau2=tau2,
            test=test,
            level=level,
            pi=pi,
            labels=[shown[i] for i in rows],
        )
        hit = [shown[i] for i in rows if effects.notes[i]]
        if hit:
            said = "0.5 added to both cells where survival is 0 or 1: " + ", ".join(hit)
            fit = dataclasses.replace(fit, warnings=(*fit.warnings, said))
        fits.append(fit)
    return SurvivalAt(
        time=when,
        classes=order,
        fits=tuple(fits),
        survival=s,
        n_effective=size,
        basis=arms.basis,
        arm_classes=names,
        studies=studies,
        labels=shown,
        level=level,
        warnings=_doubts(arms, shown),
    )


def _doubts(arms: Arms, labels: tuple[str, ...]) -> tuple[str, ...]:
    """What the effective sizes leave doubtful, one sentence a kind."""
    kinds = dict.fromkeys(flag for flag in arms.flags if flag)
    return tuple(
        f"{kind}: {listed(labels, [i for i, flag in enumerate(arms.flags) if flag == kind])}"
        for kind in kinds
    )


def _pool_counts(
    survival: np.ndarray[Any, Any],
    n: np.ndarray[Any, Any],
    studies: list[str] | None,
    test: str,
    level: float,
    pi: str,
    labels: list[str],
) -> MetaFit:
    if studies is not None and len(set(studies)) < len(studies):
        raise InputError(
            "a study gives several arms of one class",
            where="groups",
            hint='model="logit-normal" has a variance for that, the GLMM has not',
        )
    kind = "z" if test == "z" else "t"
    return glmm("PLO", xi=survival * n, ni=n, test=kind, level=level, pi=pi, labels=labels)


def _pool(
    yi: np.ndarray[Any, Any],
    vi: np.ndarray[Any, Any],
    studies: list[str] | None,
    *,
    tau2: str,
    test: str,
    **options: Any,
) -> MetaFit:
    if studies is not None and len(set(studies)) < len(studies):
        kind = "z" if test == "z" else "t"
        return multilevel(yi, vi, groups=studies, measure="PLO", method=tau2, test=kind, **options)
    return random_effects(yi, vi, measure="PLO", tau2=tau2, test=test, **options)
