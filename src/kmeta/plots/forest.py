"""Forest plot of any model: its estimates, the pooled value, the prediction interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from kmeta.core.errors import InputError
from kmeta.core.numbers import decimal
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.scales import natural_name
from kmeta.plots.columns import Cell, Column, Interval, Type
from kmeta.plots.figure import Figure
from kmeta.plots.forest_layout import Block, Forest, forest_figure
from kmeta.plots.forest_ratio import predictive_density
from kmeta.plots.forest_rows import EntryRow, PooledRow, PredictionRow, RuleRow, SpaceRow, WordsRow
from kmeta.plots.registry import PLOTS
from kmeta.plots.style import palette, points
from kmeta.plots.text import plain
from kmeta.plots.ticks import PERCENT, Axis, linear_axis, log_axis
from kmeta.plots.words import (
    RATIO_TITLES,
    capital,
    counted,
    heterogeneity,
    known,
    note,
    overall_test,
    plain_interval,
    ratio_interval,
    sentences,
    unmarked,
    without_value,
)

SHARES = ("probability",)
# Measures whose no-effect value is 0; others (rates, means of one group) have no line of no effect.
DIFFERENCES = ("MD", "SMD", "SMDH", "SMD1", "RD", "AS", "IRD", "IRSD", "COR", "ZCOR")
SQUARE, LEAST_SQUARE = 0.86, 1.4
MANY, HALVES = 25, 40


@PLOTS.register("forest")
def forest(
    fit: MetaFit,
    *,
    labels: Sequence[str] | None = None,
    title: str = "",
    axis_title: str = "",
    favours: tuple[str, str] = ("", ""),
    preset: str = "journal",
    width_mm: float = 174,
    name: str = "forest",
) -> Figure:
    """Draw the estimates of a model in their order, with what it pooled them to.

    `labels`: a name each, else those of the fit, else Study 1, 2, ... Ratios stand on a log axis, probabilities on 0
    to 100 %, anything else on a linear axis of the scale people read. Intervals of single estimates are of the
    model's level, from their sampling variances. Raises InputError for a model with moderators, which has no single
    pooled value, and where `labels` are not one an estimate.

    >>> import kmeta.methods.meta as meta
    >>> fit = meta.random_effects([-0.7, -0.4, -1.1], [0.04, 0.03, 0.09], measure="HR")
    >>> forest(fit, labels=["A 2011", "B 2014", "C 2020"]).title
    'Forest plot, hazard ratio'
    """
    palette(preset)
    fit.need_no_moderators("a forest plot")
    named = list(labels if labels is not None else fit.labels or [f"Study {i + 1}" for i in range(fit.k)])
    if len(named) != fit.k:
        raise InputError(
            f"{len(named)} labels, {fit.k} estimates", where="labels", hint="one label an estimate"
        )
    parts = _Parts(fit, named, width_mm)
    return forest_figure(
        parts.forest(axis_title, favours),
        name=name,
        title=title or f"Forest plot, {natural_name(fit.measure)}",
        alt=parts.alt(title),
        page=points(width_mm),
        preset=preset,
        rows=parts.rows(),
        halves=parts.halves,
    )


class _Parts:
    """The model on the scale people read."""

    def __init__(self, fit: MetaFit, labels: Sequence[str], width_mm: float) -> None:
        from scipy.special import ndtri

        self.fit, self.labels = fit, labels
        self.share = natural_name(fit.measure) in SHARES
        self.ratio = fit.measure in RATIO_TITLES
        self.scale = 100.0 if self.share else 1.0
        z = float(ndtri((1 + fit.level) / 2))
        self.values = [self._read(y) for y in fit.yi]
        self.limits = [
            (self._read(y - z * v**0.5), self._read(y + z * v**0.5))
            for y, v in zip(fit.yi, fit.vi, strict=True)
        ]
        self.halves = fit.k > HALVES and width_mm >= 165
        self.narrow = width_mm < 100
        if self.halves:
            self.type = Type(6.5, 6.0, 9.3, 2.0)
        else:
            self.type = Type(7.0, 6.5, 10.5, 2.0) if fit.k > MANY else Type(7.5, 6.5, 12.5, 2.0)

    def _read(self, value: float) -> float:
        return self.scale * self.fit.on_scale(float(value))

    def _interval(self, value: float, low: float, high: float, *, bold: bool = False) -> Interval:
        if self.ratio:
            return ratio_interval(value, low, high, bold=bold)
        span = max((abs(v) for v in self.values if math.isfinite(v)), default=1.0)
        places = 1 if self.share or span >= 10 else 2
        return plain_interval(value, low, high, places, bold=bold)

    def _axis(self) -> Axis:
        flat = [v for pair in self.limits for v in pair]
        pooled = [self.scale * v for v in (self.fit.effect, *self.fit.effect_ci)]
        if self.share:
            return PERCENT
        if self.ratio:
            return log_axis(self.values, flat, pooled)
        return linear_axis([*self.values, *flat, *pooled], hold=[0.0] if self._null() == 0 else [])

    def _null(self) -> float | None:
        if self.ratio:
            return 1.0
        return 0.0 if self.fit.measure in DIFFERENCES else None

    def forest(self, axis_title: str, favours: tuple[str, str]) -> Forest:
        words = f"{self._short()} ({100 * self.fit.level:g}% CI)"
        right = [Column("effect", words, "estimate")]
        if not self.narrow:
            right.append(Column("weight", "Wt, %", "right"))
        rows: list[Any] = [self._entry(i) for i in range(self.fit.k)]
        title = axis_title or capital(natural_name(self.fit.measure)) + (", %" if self.share else "")
        return Forest(
            left=[Column("study", "Study", most=170)],
            right=right,
            drop=("weight",),
            type=self.type,
            groups=[Block(rows)],
            whole=self._whole(),
            axis=self._axis(),
            null=self._null(),
            pooled=self.scale * self.fit.effect,
            axis_title=title + (" (log scale)" if self.ratio and not axis_title else ""),
            favours=favours,
        )

    def _short(self) -> str:
        return "%" if self.share else self.fit.measure if len(self.fit.measure) <= 5 else "Estimate"

    def _entry(self, i: int) -> EntryRow:
        size, weight = self.type.body, float(self.fit.weights[i])
        low, high = self.limits[i]
        cells: dict[str, Cell] = {
            "study": plain(self.labels[i], size),
            "effect": self._interval(self.values[i], low, high),
            "weight": plain(decimal(weight, 1), size),
        }
        factor = min(SQUARE, (self.type.row / 2 - 0.6) / max(float(self.fit.weights.max()), 1e-9) ** 0.5)
        return EntryRow(cells, self.values[i], low, high, max(LEAST_SQUARE, factor * max(weight, 0.0) ** 0.5))

    def _whole(self) -> Block:
        fit, size = self.fit, self.type.body
        value, low, high = (self.scale * v for v in (fit.effect, *fit.effect_ci))
        model = "common effect" if fit.model == "common" else "random effects"
        cells: dict[str, Cell] = {
            "study": plain(f"Pooled, {model}", size, "bold"),
            "effect": self._interval(value, low, high, bold=True),
            "weight": plain("100", size, "bold"),
        }
        rows: list[Any] = [RuleRow(6)]
        if fit.k > 1:
            rows.append(PooledRow(cells, value, low, high, 4.8, "pooled", 2.0, extra=2.0))
        if known(fit.pi_low):
            pi = [self.scale * v for v in fit.effect_pi]
            limits = without_value(self._interval(value, *pi))
            cells = {"study": plain(f"{100 * fit.level:g}% prediction interval", size), "effect": limits}
            # The density is drawn on the analysis scale, which the axis shows for ratios alone.
            density = predictive_density(fit) if self.ratio and not self.narrow else None
            rows.append(PredictionRow(cells, pi[0], pi[1], "pooled", density, 2.0))
        lines = [heterogeneity(fit, full=True), overall_test(fit) if self._null() is not None else ""]
        if fit.k > 1:
            shown = [note(text, self.type.note) for text in lines if text]
            rows.append(WordsRow(shown, indent=2.0, before=1.0))
        return Block([*rows, SpaceRow(3)])

    def alt(self, title: str) -> str:
        fit = self.fit
        first = f"Forest plot of {title or natural_name(fit.measure)}, {counted(fit.k, 'estimate')}"
        value, low, high = (self.scale * v for v in (fit.effect, *fit.effect_ci))
        pooled = self._interval(value, low, high)
        unit = "%" if self.share else ""
        second = f"Pooled {pooled.value}{unit} ({100 * fit.level:g}% CI {pooled.low} to {pooled.high}"
        if known(fit.pi_low):
            pi = self._interval(value, *(self.scale * v for v in fit.effect_pi))
            second += f"; prediction interval {pi.low} to {pi.high}"
        second += f"), {unmarked(heterogeneity(fit))}"
        null = self._null()
        if null is None:
            return sentences(first, second)
        across = sum(low <= null <= high for low, high in self.limits)
        verb = "includes" if across == 1 else "include"
        return sentences(first, second, f"{across} of {fit.k} intervals {verb} {null:g}")

    def rows(self) -> list[Mapping[str, Any]]:
        fit = self.fit
        out: list[Mapping[str, Any]] = [
            {
                "row": "study",
                "label": label,
                "estimate": v,
                "ci_low": low,
                "ci_high": high,
                "weight": float(w),
            }
            for label, v, (low, high), w in zip(
                self.labels, self.values, self.limits, fit.weights, strict=True
            )
        ]
        value, low, high = (self.scale * v for v in (fit.effect, *fit.effect_ci))
        out.append(
            {"row": "pooled", "label": "", "estimate": value, "ci_low": low, "ci_high": high, "weight": 100.0}
        )
        low, high = (self.scale * v for v in fit.effect_pi)
        pi = {
            "row": "prediction interval",
            "label": "",
            "estimate": None,
            "ci_low": low,
            "ci_high": high,
            "weight": None,
        }
        return [*out, pi]
