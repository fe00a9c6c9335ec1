"""Forest plot of refits: the pooled value without each study, or of the studies as they came."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kmeta.core.numbers import MISSING, decimal
from kmeta.methods.meta.one_by_one import Refits
from kmeta.methods.meta.scales import natural_name
from kmeta.plots.columns import Cell, Column, Interval, Type
from kmeta.plots.figure import Figure
from kmeta.plots.forest import DIFFERENCES, SHARES
from kmeta.plots.forest_layout import Block, Forest, forest_figure
from kmeta.plots.forest_rows import EntryRow, PooledRow, RuleRow, SpaceRow
from kmeta.plots.registry import PLOTS
from kmeta.plots.style import palette, points
from kmeta.plots.text import plain
from kmeta.plots.ticks import PERCENT, Axis, linear_axis, log_axis
from kmeta.plots.words import RATIO_TITLES, capital, counted, plain_interval, ratio_interval, sentences

MANY, MARK = 25, 2.3
KINDS = {"leave one out": ("Left out", "Leave-one-out"), "cumulative": ("Added", "Cumulative")}


@PLOTS.register("refits_forest")
def refits_forest(
    result: Refits,
    *,
    title: str = "",
    axis_title: str = "",
    preset: str = "journal",
    width_mm: float = 174,
    name: str = "refits",
) -> Figure:
    """Draw the pooled value of each refit with its interval, and below them that of all studies.

    I2 and tau2 of each refit stand beside it. Raises InputError for an unknown preset or width.

    >>> from kmeta import random_effects
    >>> fit = random_effects([-0.7, -0.4, -1.1], [0.04, 0.03, 0.09], measure="HR", labels=["A", "B", "C"])
    >>> refits_forest(fit.leave_one_out()).title
    'Leave-one-out forest plot, hazard ratio'
    """
    palette(preset)
    page = points(width_mm)
    view = _View(result, width_mm)
    kind = KINDS[result.kind][1]
    return forest_figure(
        view.forest(axis_title),
        name=name,
        title=title or f"{kind} forest plot, {natural_name(result.measure)}",
        alt=view.alt(title, kind),
        page=page,
        preset=preset,
        rows=view.rows(),
        halves=False,
    )


class _View:
    """The refits on the scale people read."""

    def __init__(self, result: Refits, width_mm: float) -> None:
        self.result, self.fit = result, result.fit
        self.share = natural_name(result.measure) in SHARES
        self.ratio = result.measure in RATIO_TITLES
        self.scale = 100.0 if self.share else 1.0
        low, high = result.effect_ci
        columns = (result.effect, low, high)
        self.values = [tuple(self.scale * v for v in row) for row in zip(*columns, strict=True)]
        self.narrow = width_mm < 100
        self.type = Type(7.0, 6.5, 10.5, 2.0) if len(self.values) > MANY else Type(7.5, 6.5, 12.5, 2.0)

    def _interval(self, value: float, low: float, high: float, *, bold: bool = False) -> Interval:
        if self.ratio:
            return ratio_interval(value, low, high, bold=bold)
        known = [abs(row[0]) for row in self.values if math.isfinite(row[0])]
        places = 1 if self.share or max(known, default=1.0) >= 10 else 2
        return plain_interval(value, low, high, places, bold=bold)

    def _null(self) -> float | None:
        if self.ratio:
            return 1.0
        return 0.0 if self.fit.measure in DIFFERENCES else None

    def _whole(self) -> tuple[float, float, float]:
        value, low, high = (self.scale * v for v in (self.fit.effect, *self.fit.effect_ci))
        return value, low, high

    def _axis(self) -> Axis:
        if self.share:
            return PERCENT
        known = [row for row in self.values if math.isfinite(row[0])]
        values, limits = [row[0] for row in known], [limit for row in known for limit in row[1:]]
        if self.ratio:
            return log_axis(values, limits, self._whole())
        return linear_axis([*values, *limits, *self._whole()], hold=[0.0] if self._null() == 0 else [])

    def forest(self, axis_title: str) -> Forest:
        first, _ = KINDS[self.result.kind]
        short = "%" if self.share else self.fit.measure if len(self.fit.measure) <= 5 else "Estimate"
        right = [Column("effect", f"{short} ({100 * self.fit.level:g}% CI)", "estimate")]
        if not self.narrow:
            right += [Column("i2", "I², %", "right"), Column("tau2", "τ²", "right")]
        words = axis_title or "Pooled " + natural_name(self.result.measure) + (", %" if self.share else "")
        value, low, high = self._whole()
        whole = self._cells("All studies", value, low, high, self.fit.i2, self.fit.tau2, bold=True)
        tail: list[Any] = [RuleRow(6), PooledRow(whole, value, low, high, 4.8, "pooled", 2.0), SpaceRow(3)]
        return Forest(
            left=[Column("study", first, most=170)],
            right=right,
            drop=("tau2", "i2"),
            type=self.type,
            groups=[Block([self._entry(i) for i in range(len(self.values))])],
            whole=Block(tail),
            axis=self._axis(),
            null=self._null(),
            pooled=value,
            axis_title=capital(words) + (" (log scale)" if self.ratio and not axis_title else ""),
        )

    def _cells(
        self, label: str, value: float, low: float, high: float, i2: float, tau2: float, *, bold: bool = False
    ) -> dict[str, Cell]:
        size = self.type.body
        return {
            "study": plain(label, size, "bold" if bold else "regular"),
            "effect": self._interval(value, low, high, bold=bold),
            "i2": plain(MISSING if math.isnan(i2) else decimal(100 * i2, 0), size),
            "tau2": plain(MISSING if math.isnan(tau2) else decimal(tau2, 2 if tau2 >= 0.05 else 3), size),
        }

    def _entry(self, i: int) -> EntryRow:
        value, low, high = self.values[i]
        i2, tau2 = float(self.result.i2[i]), float(self.result.tau2[i])
        sign = "+ " if self.result.kind == "cumulative" and i else ""
        cells = self._cells(sign + self.result.labels[i], value, low, high, i2, tau2)
        return EntryRow(cells, value, low, high, MARK)

    def alt(self, title: str, kind: str) -> str:
        known = [row[0] for row in self.values if math.isfinite(row[0])]
        what = title or natural_name(self.result.measure)
        first = f"{kind} forest plot of {what}, {counted(len(self.values), 'refit')}"
        whole = self._interval(*self._whole())
        if not known:
            return sentences(first)
        low, high = (self._interval(v, math.nan, math.nan).value for v in (min(known), max(known)))
        unit = "%" if self.share else ""
        second = f"The pooled value runs from {low}{unit} to {high}{unit}; of all studies it is {whole.value}{unit}"
        null = self._null()
        if null is None:
            return sentences(first, second)
        across = sum(bool(row[1] <= null <= row[2]) for row in self.values)
        verb = "includes" if across == 1 else "include"
        return sentences(first, second, f"{across} of {len(self.values)} intervals {verb} {null:g}")

    def rows(self) -> list[Mapping[str, Any]]:
        return [
            {
                "label": label,
                "k": k,
                "estimate": value,
                "ci_low": low,
                "ci_high": high,
                "i2": i2,
                "tau2": tau2,
            }
            for label, k, (value, low, high), i2, tau2 in zip(
                self.result.labels,
                self.result.k,
                self.values,
                self.result.i2.tolist(),
                self.result.tau2.tolist(),
                strict=True,
            )
        ]
