"""Survival at a time of one treatment class against another, from single arms: an association, with its doubts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.numbers import p_phrase, percent, ratio
from kmeta.core.result import Result
from kmeta.methods.effects.unmeasured import RatioMeasure, e_value
from kmeta.methods.meta.distributions import quantile, two_sided
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.inputs import labels_of, level_of, numbers, within_precision
from kmeta.methods.meta.moderators import INTERCEPT, omnibus
from kmeta.methods.meta.multilevel import multilevel
from kmeta.methods.meta.r_script import text, vector
from kmeta.methods.meta.random_effects import random_effects
from kmeta.methods.pooling.survival_scales import corrected, link_of, listed, log_variance

KINDS: dict[str, tuple[RatioMeasure, str]] = {
    "cloglog": ("HR", "hazard ratio (scale of cloglog)"),
    "logit": ("OR", "odds ratio of death"),
}
COMMON = 0.15  # share with the event from which a hazard or odds ratio is no risk ratio
_RATIO = ("ratio", "ratio_low", "ratio_high")
FEW = 5  # arms a coefficient


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassContrast(Result):
    """Association of `classes` with survival at `time`, against `reference`: arrays (g,), one value a class.

    `ratio` with its limits is a hazard-like ratio (cloglog) or the odds ratio (logit) of death: above 1 is worse
    survival. `survival` and `reference_survival`: predicted at the mean of the case mix. `e_value`, `e_value_limit`:
    the risk ratio an unmeasured confounder needs with class and death to explain the estimate, or to bring its
    interval to 1. `tipping_ratio`: the bias, as a ratio, that brings the interval to 1 (1: it is there);
    `tipping_survival`: by how much the class's survival would have to be wrong for it. `positivity`: arms of each
    class at each level of a covariate. `fit`: the regression behind it, on the scale of survival (its coefficients are
    minus log ratios).
    """

    time: float
    link: str
    reference: str
    classes: tuple[str, ...]
    level: float
    ratio: Floats
    ratio_low: Floats
    ratio_high: Floats
    p_value: Floats
    survival: Floats
    reference_survival: float
    e_value: Floats
    e_value_limit: Floats
    tipping_ratio: Floats
    tipping_survival: Floats
    common_outcome: bool
    adjusted_for: tuple[str, ...]
    test_p: float
    positivity: tuple[Mapping[str, Any], ...]
    fit: MetaFit
    warnings: tuple[str, ...] = ()

    def rows(self) -> list[dict[str, Any]]:
        """One row a class."""
        names = (
            "ratio",
            "ratio_low",
            "ratio_high",
            "p_value",
            "survival",
            "e_value",
            "e_value_limit",
            "tipping_ratio",
            "tipping_survival",
        )
        columns = [getattr(self, name).tolist() for name in names]
        return [
            {"class": name, "reference": self.reference, **dict(zip(names, row, strict=True))}
            for name, *row in zip(self.classes, *columns, strict=True)
        ]

    def summary(self) -> str:
        """Each class against the reference, what would explain it away, and where the classes can be compared."""
        level = f"{100 * self.level:g}%"
        adjusted = ", adjusted for " + ", ".join(self.adjusted_for) if self.adjusted_for else ", not adjusted"
        lines = [
            f"Association of the treatment class with survival at {self.time:g}: {KINDS[self.link][1]}{adjusted}",
            f"Reference {self.reference}: survival {percent(self.reference_survival, 1)}%",
        ]
        for row in self.rows():
            limits = f"{level} CI {ratio(row['ratio_low'])} to {ratio(row['ratio_high'])}"
            lines.append(
                f"{row['class']}: {ratio(row['ratio'])} ({limits}; {p_phrase(row['p_value'])}), "
                f"survival {percent(row['survival'], 1)}%; E-value {row['e_value']:.2f}, "
                f"of the limit {row['e_value_limit']:.2f}; {self._tipping(row)}"
            )
        lines.append(f"All classes together: {p_phrase(self.test_p)}")
        lines.append("Arms were not randomised to classes: this is an association.")
        thin = [row for row in self.positivity if row["flag"]]
        lines += [f"Positivity: {row['covariate']} {row['level']}: {row['flag']}" for row in thin]
        lines += [f"Note: {said}" for said in self.warnings]
        return "\n".join(lines)

    @staticmethod
    def _tipping(row: Mapping[str, Any]) -> str:
        if row["tipping_ratio"] == 1:
            return "the interval holds 1"
        points = percent(abs(row["tipping_survival"]), 1)
        return f"a bias of {ratio(row['tipping_ratio'])} ({points} points of its survival) brings the interval to 1"

    def r_script(self) -> str:
        """R code with the data inline: metafor's rma.mv (arms in studies) or rma with the same design."""
        fit, studies = self.fit, self.fit.groups or self.fit.labels
        assert fit.x is not None  # noqa: S101
        lines = ["library(metafor)", f"yi <- {vector(map(repr, fit.yi.tolist()))}"]
        lines.append(f"vi <- {vector(map(repr, fit.vi.tolist()))}")
        lines.append(f"study <- {vector(map(text, studies))}")
        for j in range(1, len(fit.terms)):
            lines.append(f"x{j} <- {vector(map(repr, fit.x[:, j].tolist()))}  # {text(fit.terms[j])}")
        mods = " + ".join(f"x{j}" for j in range(1, len(fit.terms)))
        if fit.groups:
            lines.append("arm <- seq_along(yi)")
            random = f'random = ~ 1 | study/arm, test = "{fit.test}", dfs = "contain"'
            lines.append(f"rma.mv(yi, vi, mods = ~ {mods}, {random})")
        else:
            test = {"hksj": "adhoc"}.get(fit.test, fit.test)
            lines.append(f'rma(yi, vi, mods = ~ {mods}, test = "{test}")')
        lines.append(
            f"# kmeta: log ratios of death {np.log(self.ratio).tolist()!r} are minus its coefficients"
        )
        return "\n".join(lines) + "\n"


@within_precision
def class_contrast(
    survival: ArrayLike,
    n: ArrayLike,
    *,
    classes: Sequence[str],
    reference: str,
    time: float,
    groups: Sequence[object] | None = None,
    mods: Mapping[str, Any] | None = None,
    link: str = "cloglog",
    level: float = 0.95,
    labels: Sequence[str] | None = None,
) -> ClassContrast:
    """The association of the treatment class of an arm with its survival at a time, adjusted for the case mix.

    survival : of k arms at `time`, 0-1. n : effective sample sizes. classes : the treatment class of each arm;
    `reference` the one the others are held against. groups : the study of each arm; where a study gives several, arms
    are nested in studies. mods : case mix by name, a number or a name an arm (grade, share resected, year).
    link : "cloglog", whose differences are log hazard ratios if hazards are proportional, or "logit".
    E-values take the conversion for common outcomes when more than 15 % die. t tests; 0.5 is added to both cells of
    arms with survival 0 or 1.
    Raises InputError where a class cannot be told from the case mix, or columns do not fit.
    Source: Konstantopoulos 2011, doi:10.1002/jrsm.35 (arms in studies); VanderWeele & Ding 2017,
    doi:10.7326/M16-2607 (E-value).

    >>> s, n = [0.7, 0.75, 0.66, 0.4, 0.5, 0.45], [60, 80, 45, 50, 90, 70]
    >>> found = class_contrast(s, n, classes=["resection"] * 3 + ["systemic"] * 3, reference="resection", time=60)
    >>> found.ratio.round(2).tolist(), found.e_value.round(2).tolist()
    ([2.28], [2.92])
    """
    scale = link_of(link)
    level = level_of(level)
    s, size, changed = corrected(numbers(survival, "survival"), numbers(n, "n"))
    k = len(s)
    names = labels_of(classes, k)
    order = tuple(dict.fromkeys(names))
    if reference not in order:
        raise InputError(f"no arm is of class {reference!r}", where="reference", hint=", ".join(order))
    others = tuple(name for name in order if name != reference)
    if not others:
        raise InputError("all arms are of one class", where="classes", hint="two or more")
    columns = {f"class[{name}]": np.array([float(own == name) for own in names]) for name in others}
    case_mix = _case_mix(mods or {}, k)
    design = {**columns, **{name: column for name, column in case_mix.items() if np.ptp(column) > 0}}
    _separable(design, k)
    yi, vi = scale.forward(s), log_variance(s, size) * scale.slope(s) ** 2
    shown = labels_of(labels, k)
    fit = _regression(yi, vi, design, groups, shown, level)
    found = _ratios(fit, others, scale.back, names, s)
    common = bool(np.average(1 - s, weights=size) > COMMON)
    kind = KINDS[link][0]
    explained = [_explained(row, kind, common) for row in np.column_stack([found[name] for name in _RATIO])]
    assert fit.beta is not None  # noqa: S101
    assert fit.vcov is not None  # noqa: S101
    places = [fit.terms.index(f"class[{name}]") for name in others]
    dfs = _dfs(fit)
    _, _, test_p = omnibus(fit.beta, fit.vcov, places, min(dfs[j] for j in places))
    return ClassContrast(
        time=float(numbers([time], "time")[0]),
        link=link,
        reference=reference,
        classes=others,
        level=level,
        e_value=frozen([one for one, _ in explained]),
        e_value_limit=frozen([limit for _, limit in explained]),
        common_outcome=common,
        adjusted_for=tuple(mods or ()),
        test_p=test_p,
        positivity=_positivity(mods or {}, names, order),
        fit=fit,
        warnings=_warnings(fit, changed, shown, k, len(design) + 1),
        **found,
    )


def _explained(row: Floats, kind: RatioMeasure, common: bool) -> tuple[float, float]:
    """E-values of a ratio and of its nearer limit; what no confounder explains counts as at the ends of the scale."""
    least, low, high = np.clip(row, 2e-6, 5e5).tolist()
    found = e_value(least, low, high, measure=kind, rare=not common)
    return found.e_value, found.e_value_limit or 1.0


def _case_mix(mods: Mapping[str, Any], k: int) -> dict[str, Floats]:
    """Numeric columns: numbers centred on their mean, names as one indicator for each level after the first."""
    found: dict[str, Floats] = {}
    for name, values in mods.items():
        column = _column(values, name, k)
        if not _is_text(column):
            x = numbers(column, f"mods[{name!r}]")
            found[name] = x - x.mean()
            continue
        labels = [str(value) for value in column]
        for level in sorted(set(labels))[1:]:
            x = np.array([float(own == level) for own in labels])
            found[f"{name}[{level}]"] = x - x.mean()
    return found


def _column(values: Any, name: str, k: int) -> list[Any]:
    if isinstance(values, str) or len(values) != k:
        raise InputError(f"{len(values)} values for {k} arms", where=f"mods[{name!r}]", hint="one an arm")
    column = list(values)
    for row, value in enumerate(column):
        if value is None or value != value:
            hint = "leave the arm out, or the covariate"
            raise InputError(f"row {row} is missing", where=f"mods[{name!r}]", hint=hint)
    return column


def _is_text(column: list[Any]) -> bool:
    return any(isinstance(value, str) for value in column)


def _separable(design: Mapping[str, Floats], k: int) -> None:
    """Refuse a design in which the class or a covariate is a function of the others."""
    if len(design) + 1 >= k:
        told = f"{len(design) + 1} coefficients for {k} arms"
        raise InputError(told, where="mods", hint="fewer covariates, or more arms")
    x = np.column_stack([np.ones(k), *design.values()])
    scaled = x / np.linalg.norm(x, axis=0)
    if np.linalg.svd(scaled, compute_uv=False)[-1] < 1e-9:
        hint = "a covariate that goes with the class leaves no arms to compare (positivity)"
        raise InputError("classes and case mix cannot be told apart", where="mods", hint=hint)


def _regression(
    yi: Floats,
    vi: Floats,
    design: Mapping[str, Floats],
    groups: Sequence[object] | None,
    labels: tuple[str, ...],
    level: float,
) -> MetaFit:
    options: dict[str, Any] = {"measure": "GEN", "mods": dict(design), "level": level, "labels": labels}
    if groups is None or len({str(group) for group in groups}) == len(yi):
        return random_effects(yi, vi, test="hksj", **options)
    return multilevel(yi, vi, groups=groups, test="t", **options)


def _ratios(
    fit: MetaFit, others: Sequence[str], back: Any, names: Sequence[str], survival: Floats
) -> dict[str, Any]:
    """Ratios of death and predicted survival of each class, at the mean of the covariates."""
    assert fit.beta is not None  # noqa: S101
    assert fit.vcov is not None  # noqa: S101
    dfs = _dfs(fit)
    base = float(fit.beta[fit.terms.index(INTERCEPT)])
    out: dict[str, list[float]] = {name: [] for name in _RATIO_FIELDS}
    for name in others:
        j = fit.terms.index(f"class[{name}]")
        b, se = float(fit.beta[j]), math.sqrt(float(fit.vcov[j, j]))
        half = quantile(fit.level, dfs[j]) * se
        nearest = 0.0 if abs(b) <= half else b - math.copysign(half, b)
        own = float(back(np.array(base + b)))
        out["ratio"].append(math.exp(-b))
        out["ratio_low"].append(math.exp(-b - half))
        out["ratio_high"].append(math.exp(-b + half))
        out["p_value"].append(two_sided(b / se, dfs[j]))
        out["survival"].append(own)
        out["tipping_ratio"].append(math.exp(abs(nearest)))
        out["tipping_survival"].append(float(back(np.array(base + b - nearest))) - own)
    found: dict[str, Any] = {name: frozen(values) for name, values in out.items()}
    return {**found, "reference_survival": float(back(np.array(base)))}


def _dfs(fit: MetaFit) -> tuple[float, ...]:
    """Degrees of freedom of each coefficient."""
    found: tuple[float, ...] = getattr(fit, "dfs", (fit.df,) * len(fit.terms))
    return found


_RATIO_FIELDS = (
    "ratio",
    "ratio_low",
    "ratio_high",
    "p_value",
    "survival",
    "tipping_ratio",
    "tipping_survival",
)


def _positivity(
    mods: Mapping[str, Any], names: Sequence[str], order: Sequence[str]
) -> tuple[Mapping[str, Any], ...]:
    """Arms by class at each level; numbers are cut at their median."""
    rows: list[dict[str, Any]] = []
    for covariate, values in mods.items():
        column = list(values)
        if not _is_text(column) and len(set(column)) > 2:
            middle = float(np.median(np.array(column, dtype=float)))
            levels = [f"above {middle:g}" if float(x) > middle else f"up to {middle:g}" for x in column]
        else:
            levels = [str(x) for x in column]
        for level in sorted(set(levels)):
            counts = {
                name: sum(own == name and at == level for own, at in zip(names, levels, strict=True))
                for name in order
            }
            absent = [name for name, count in counts.items() if not count]
            flag = "no arm of " + ", ".join(absent) if absent else ""
            rows.append({"covariate": covariate, "level": level, **counts, "flag": flag})
    return tuple(rows)


def _warnings(fit: MetaFit, changed: Sequence[int], labels: Sequence[str], k: int, p: int) -> tuple[str, ...]:
    said = list(fit.warnings)
    if changed:
        said.append("0.5 added to both cells where survival is 0 or 1: " + listed(labels, changed))
    if k < FEW * p:
        said.append(f"{k} arms for {p} coefficients: adjustment is hardly possible")
    return tuple(said)
