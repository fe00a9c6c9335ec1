"""The model with each estimate left out in turn, and of the estimates as they came."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.core.views import PlotViews
from kmeta.methods.meta.batch import BatchFit, by_df, chunks, fit_batch, subsets, tails
from kmeta.methods.meta.distributions import quantile
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.inputs import numbers
from kmeta.methods.meta.of_fit import OfFit
from kmeta.methods.meta.scales import back_transform
from kmeta.methods.meta.stack import Ints
from kmeta.methods.meta.stack_tau2 import STACK_TAU2, Bools


@dataclass(frozen=True, kw_only=True, eq=False)
class Refits(OfFit):
    """The same model on parts of its data, one a label; on the analysis scale, i2 a fraction.

    NaN, with k 0, where a part of a location-scale model has too few estimates for its columns.
    """

    kind: str
    measure: str
    labels: tuple[str, ...]
    k: tuple[int, ...]
    mu: Floats
    se: Floats
    ci_low: Floats
    ci_high: Floats
    p_value: Floats
    tau2: Floats
    i2: Floats
    q: Floats
    q_p: Floats
    statistic: Floats
    h2: Floats

    plot = PlotViews(forest="kmeta.plots.refits_forest:refits_forest")

    @property
    def effect(self) -> Floats:
        """mu on the scale people read."""
        return back_transform(self.measure)(self.mu)

    @property
    def effect_ci(self) -> tuple[Floats, Floats]:
        """Confidence limits on the scale people read."""
        back = back_transform(self.measure)
        return back(self.ci_low), back(self.ci_high)

    def rows(self) -> list[dict[str, Any]]:
        """One row a refit, both scales."""
        low, high = self.effect_ci
        columns: dict[str, Sequence[Any]] = {
            "label": self.labels,
            "k": self.k,
            "mu": self.mu.tolist(),
            "se": self.se.tolist(),
            "ci_low": self.ci_low.tolist(),
            "ci_high": self.ci_high.tolist(),
            "p_value": self.p_value.tolist(),
            "effect": self.effect.tolist(),
            "effect_low": low.tolist(),
            "effect_high": high.tolist(),
            "tau2": self.tau2.tolist(),
            "i2": self.i2.tolist(),
            "q": self.q.tolist(),
            "q_p": self.q_p.tolist(),
        }
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def refit(fit: MetaFit, rows: Sequence[int]) -> MetaFit:
    """The same model on the estimates `rows` (indices)."""
    again = getattr(fit, "again", None)  # models of counts go back to their counts
    if again is not None:
        return cast(MetaFit, again(rows))
    keep = np.asarray(rows, dtype=int)
    labels = [fit.labels[i] for i in rows]
    if fit.model == "multilevel":
        from kmeta.methods.meta.multilevel import multilevel

        return multilevel(
            fit.yi[keep],
            fit.vi[keep],
            groups=[fit.groups[i] for i in rows],
            measure=fit.measure,
            method=fit.method,
            structure="nested" if len(fit.structure) == 2 else "study",
            test=fit.test,
            df="containment" if fit.df != fit.k - 1 else "residual",
            level=fit.level,
            pi=fit.pi,
            labels=labels,
        )
    from kmeta.methods.meta.random_effects import fit_model

    if fit.user_weights is not None and not fit.user_weights[keep].any():
        raise InputError("the weights of the estimates that remain are all 0", where="weights")
    return fit_model(
        fit.yi[keep],
        fit.vi[keep],
        None if fit.x is None else fit.x[keep],
        fit.terms,
        measure=fit.measure,
        tau2=fit.tau2 if fit.method == "fixed" else fit.method,
        test=fit.test,
        user=None if fit.user_weights is None else fit.user_weights[keep],
        level=fit.level,
        pi=_closed(fit),
        labels=tuple(labels),
    )


def _where_possible(fit: MetaFit, rows: Sequence[int]) -> MetaFit | None:
    """The refit; None where these estimates are too few, or too alike, for the columns of a location-scale model."""
    try:
        return refit(fit, rows)
    except InputError:
        if fit.model == "location-scale":
            return None
        raise


def _closed(fit: MetaFit) -> str:
    """What a refit takes for `pi`: its prediction interval is not shown, so nothing is drawn for it."""
    return "test" if fit.pi == "bootstrap" else fit.pi


def leave_one_out(fit: MetaFit) -> Refits:
    """Refits without each estimate, or without each study of a multilevel model; needs two of them."""
    fit.need_no_moderators("leave_one_out")
    parts = members(fit)
    if len(parts) < 2:
        raise InputError("one study: nothing remains when it is left out", where="leave_one_out")
    if at_once(fit):
        each = np.arange(fit.k)[:, None]
        return _at_once("leave one out", list(parts), fit, each[:, 0], lambda rows: each != each[rows].T)
    fits = [
        _where_possible(fit, [i for i in range(fit.k) if i not in left_out])
        for left_out in (set(rows) for rows in parts.values())
    ]
    return gather(fit, "leave one out", list(parts), fits)


def cumulative(fit: MetaFit, order: ArrayLike | None = None) -> Refits:
    """Refits of the first estimate, the first two, ...; ties in `order` stay as they came."""
    fit.need_no_moderators("cumulative")
    parts = members(fit)
    names = list(parts)
    if order is not None:
        values = numbers(order, "order")
        if values.size != fit.k:
            raise InputError(
                f"{values.size} values for {fit.k} estimates", where="order", hint="one for each"
            )
        names.sort(key=lambda name: min(values[i] for i in parts[name]))
    if at_once(fit):
        rows = np.array([parts[name][0] for name in names])
        each = np.arange(fit.k)[:, None]
        return _at_once("cumulative", names, fit, rows, lambda part: each <= each[part].T)
    fits, taken = list[MetaFit | None](), list[int]()
    for name in names:
        taken += parts[name]
        fits.append(_where_possible(fit, sorted(taken) if order is None else taken))
    return gather(fit, "cumulative", names, fits)


def members(fit: MetaFit) -> dict[str, list[int]]:
    """Rows that are left out or added together, by name."""
    if fit.model != "multilevel":
        names = (
            fit.labels
            if len(set(fit.labels)) == fit.k
            else tuple(f"{label} [{i + 1}]" for i, label in enumerate(fit.labels))
        )
        return {name: [i] for i, name in enumerate(names)}
    members: dict[str, list[int]] = {}
    for i, group in enumerate(fit.groups):
        members.setdefault(group, []).append(i)
    return members


COLUMNS = ("mu", "se", "ci_low", "ci_high", "p_value", "tau2", "i2", "q", "q_p", "statistic", "h2")


def in_step(fit: MetaFit) -> bool:
    """Whether refits of subsets can be made all at once: no groups, no user weights, a known estimator and test."""
    known = fit.method in STACK_TAU2 or fit.method in ("CE", "fixed")
    single = fit.model not in ("multilevel", "location-scale")
    return single and fit.user_weights is None and known and fit.test != "kr"


def at_once(fit: MetaFit) -> bool:
    """Whether the pooled values of subsets can be had all at once: as `in_step`, or with user weights beside them."""
    plain = fit.model in ("random", "common") and type(fit) is MetaFit
    weighted = fit.user_weights is not None and fit.method not in ("GENQ", "GENQM") and fit.test != "kr"
    return in_step(fit) or (plain and weighted and fit.method in (*STACK_TAU2, "CE", "fixed"))


def _at_once(
    kind: str, labels: list[str], fit: MetaFit, order: Ints, include: Callable[[slice], Bools]
) -> Refits:
    """All refits as one batch; `include` says which of the estimates, taken in `order`, each refit has."""
    parts = subsets(fit.yi[order], fit.vi[order], fit.k, include)
    method = fit.tau2 if fit.method == "fixed" else fit.method
    many = fit_batch(parts, fit.k, method=method, test=fit.test, level=fit.level, pi=_closed(fit))
    if not many.converged.all():
        row = int(np.argmin(many.converged))
        raise ConvergenceError(
            f"tau2 did not settle in the refit {labels[row]!r}", last=float(many.tau2[row]), where=kind
        )
    columns = {name: getattr(many, name) for name in COLUMNS}
    if fit.user_weights is not None:
        columns |= _weighted(fit, many, order, include)
    return Refits(
        fit=fit, kind=kind, measure=fit.measure, labels=tuple(labels), k=tuple(many.k.tolist()), **columns
    )


def _weighted(
    fit: MetaFit, many: BatchFit, order: Ints, include: Callable[[slice], Bools]
) -> dict[str, Floats]:
    """The pooled values with the user's weights, whose tau2 and factor on the variance are those of the batch."""
    assert fit.user_weights is not None  # noqa: S101
    weights, y = fit.user_weights[order], fit.yi[order]
    mu, se = np.empty(fit.k), np.empty(fit.k)
    for part in chunks(fit.k, fit.k):
        here = include(part)
        total = fit.vi[order][:, None] + many.tau2[part]
        factor = many.se[part] ** 2 * np.where(here, 1 / total, 0.0).sum(axis=0)
        w = np.where(here, weights[:, None], 0.0)
        if not w.any(axis=0).all():
            raise InputError("the weights of the estimates that remain are all 0", where="weights")
        share = w / w.sum(axis=0)
        mu[part] = share.T @ y
        se[part] = np.sqrt(factor * np.einsum("km,km->m", share * share, total))
    half = by_df(lambda df: quantile(fit.level, df), many.df) * se
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = mu / se
    found = {"mu": mu, "se": se, "ci_low": mu - half, "ci_high": mu + half}
    found |= {"statistic": statistic, "p_value": tails(statistic, many.df)}
    return {name: frozen(values) for name, values in found.items()}


def gather(fit: MetaFit, kind: str, labels: list[str], fits: Sequence[MetaFit | None]) -> Refits:
    """Refits of `fit`, made one by one, as columns; NaN, with k 0, where there is none."""
    columns = {
        name: frozen([math.nan if one is None else getattr(one, name) for one in fits]) for name in COLUMNS
    }
    return Refits(
        fit=fit,
        kind=kind,
        measure=fit.measure,
        labels=tuple(labels),
        k=tuple(0 if one is None else one.k for one in fits),
        **columns,
    )
