"""Subgroups of a meta-analysis: a model in each, and the test that their effects are equal."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.methods.meta.categories import category
from kmeta.methods.meta.distributions import chi2_tail
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.influence import table
from kmeta.methods.meta.random_effects import common_effect, random_effects


@dataclass(frozen=True, kw_only=True, eq=False)
class Subgroups(Result):
    """A model in each subgroup, in order of `levels`, and Cochran's Q between them.

    q_between, q_df, q_p : of the random-effects models; q_between_common, q_p_common : of the common-effect models.
    `common_tau2` says whether one tau2 was estimated for all subgroups.
    """

    levels: tuple[str, ...]
    fits: tuple[MetaFit, ...]
    whole: MetaFit
    common_tau2: bool
    q_between: float
    q_df: int
    q_p: float
    q_between_common: float
    q_p_common: float
    groups: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def q_within_common(self) -> float:
        """Sum of Cochran's Q within the subgroups."""
        return sum(fit.q for fit in self.fits)

    def r_script(self) -> str:
        """R code with the data inline: the models, and the test between them."""
        from kmeta.methods.meta.r_groups import subgroups_script

        return subgroups_script(self)

    def rows(self) -> list[dict[str, Any]]:
        """One row a subgroup."""
        names = ("k", "mu", "se", "ci_low", "ci_high", "p_value", "effect", "tau2", "i2", "q")
        columns: dict[str, Sequence[Any]] = {"subgroup": self.levels}
        return table(columns | {name: [getattr(fit, name) for fit in self.fits] for name in names})

    def summary(self) -> str:
        """The subgroups and the test between them."""
        kind = "one tau2 for all" if self.common_tau2 else "a tau2 in each"
        between = (
            f"Test of equal effects: chi2({self.q_df}) = {self.q_between:.2f}, P = {self.q_p:.3g}; {kind}"
        )
        return "\n".join([super().summary(), between, *(f"Warning: {text}." for text in self.warnings)])


def subgroups(
    yi: ArrayLike,
    vi: ArrayLike,
    groups: Sequence[Any],
    *,
    measure: str,
    common_tau2: bool = False,
    tau2: str | float = "REML",
    test: str = "hksj",
    level: float = 0.95,
    labels: Sequence[str] | None = None,
) -> Subgroups:
    """Pool `yi` with variances `vi`, shape (k,), within each of the `groups` (k names), and test their difference.

    common_tau2 : one tau2 for all subgroups, estimated around their own means; else each has its own.
    tau2, test, level, measure : as in `random_effects`. The test between weighs the subgroups' estimates by their
    variances, chi2 with (subgroups - 1) df.
    Raises InputError for groups that do not fit or are fewer than two, and what `random_effects` refuses.
    Source: Borenstein & Higgins 2013, doi:10.1007/s11121-013-0377-7.

    >>> both = subgroups([0.1, 0.2, 0.8, 1.0], [0.04] * 4, ["a", "a", "b", "b"], measure="MD", test="z")
    >>> round(both.q_between, 2), both.q_df
    (14.06, 1)
    """
    options: dict[str, Any] = {"measure": measure, "level": level}
    whole = random_effects(yi, vi, tau2=tau2, test=test, labels=labels, **options)
    one = category(groups)
    if len(one.values) != whole.k:
        raise InputError(
            f"{len(one.values)} groups for {whole.k} estimates", where="groups", hint="one for each estimate"
        )
    names = np.array(one.values)
    rows = [names == name for name in one.levels]
    between: str | float = tau2
    if common_tau2 and isinstance(tau2, str):
        if len(one.levels) >= whole.k:
            raise InputError("every estimate is its own subgroup: no tau2 is left", where="groups")
        between = random_effects(
            whole.yi, whole.vi, mods={"group": one}, tau2=tau2, test="z", measure=measure
        ).tau2
    fits = tuple(_part(whole, part, between, tau2, test, options) for part in rows)
    fixed = [common_effect(whole.yi[part], whole.vi[part], **options) for part in rows]
    q, q_common = (_between([(fit.mu, fit.se) for fit in some]) for some in (fits, fixed))
    df = len(rows) - 1
    few = [name for name, part in zip(one.levels, rows, strict=True) if part.sum() < 3]
    warnings = (f"fewer than three estimates in {', '.join(few)}: its tau2 and interval are hardly known",)
    return Subgroups(
        levels=one.levels,
        fits=fits,
        whole=whole,
        groups=one.values,
        common_tau2=common_tau2,
        q_between=q,
        q_df=df,
        q_p=chi2_tail(q, df),
        q_between_common=q_common,
        q_p_common=chi2_tail(q_common, df),
        warnings=warnings if few and not common_tau2 else (),
    )


def _part(
    whole: MetaFit,
    part: np.ndarray[Any, np.dtype[np.bool_]],
    between: str | float,
    tau2: str | float,
    test: str,
    options: dict[str, Any],
) -> MetaFit:
    labels = [label for label, taken in zip(whole.labels, part.tolist(), strict=True) if taken]
    fit = random_effects(whole.yi[part], whole.vi[part], tau2=between, test=test, labels=labels, **options)
    return dataclasses.replace(fit, method=tau2) if isinstance(tau2, str) and between is not tau2 else fit


def _between(pairs: list[tuple[float, float]]) -> float:
    """Cochran's Q of estimates (mu, se)."""
    mu, w = np.array([pair[0] for pair in pairs]), np.array([1 / pair[1] ** 2 for pair in pairs])
    centre: Floats = np.asarray(w @ mu / w.sum())
    return float(w @ (mu - centre) ** 2)
