"""Forest plot of trials: hazard ratios on a log axis, by group, with subtotals and the whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from kmeta.core.numbers import MISSING, count, decimal
from kmeta.methods.meta.random_effects import MetaFit
from kmeta.methods.synthesis.result import Line, Pool, Synthesis
from kmeta.plots.columns import Cell, Column, Type
from kmeta.plots.data import synthesis_rows
from kmeta.plots.figure import Figure, blank
from kmeta.plots.forest_layout import Block, Forest, forest_figure
from kmeta.plots.forest_rows import (
    BandRow,
    Density,
    EntryRow,
    PooledRow,
    PredictionRow,
    RuleRow,
    SpaceRow,
    WordsRow,
)
from kmeta.plots.registry import PLOTS
from kmeta.plots.style import palette, points
from kmeta.plots.text import Runs, plain
from kmeta.plots.ticks import Axis, log_axis
from kmeta.plots.words import (
    RATIO_TITLES,
    by_year,
    capital,
    counted,
    event_words,
    explained,
    first_sentence,
    heterogeneity,
    italic_p,
    known,
    note,
    note_from_outside,
    overall_test,
    paragraph,
    ratio_interval,
    sentences,
    study_label,
    typographic,
    unmarked,
    without_value,
)

Key = tuple[str, str]
MANY, HALVES = 25, 40
HALVES_FROM_MM = 165.0
NARROW_MM = 100.0
# A longer name would not fit beside the null line: the general word stands instead.
LONGEST_FAVOURED = 14
SQUARE, LEAST_SQUARE, NOT_POOLED_SQUARE = 0.86, 1.4, 2.7


@PLOTS.register("forest_ratio")
def forest_ratio(
    synthesis: Synthesis,
    *,
    preset: str = "journal",
    width_mm: float = 174,
    favours: tuple[str, str] | None = None,
    order: str = "year",
) -> Figure:
    """Draw the trials of a synthesis of ratios: groups, subtotals, the whole with its prediction interval.

    A group of one or two trials has no diamond and says so; rows that are not pooled are hollow and have no weight;
    lines "apart" stand under the whole in a band of their own. `order` inside a group: "year", "weight", "effect" or
    "given". `favours`: words for (below 1, above 1), else from the treatments. More than 40 trials stand in two
    halves side by side.
    """
    palette(preset)
    page = points(width_mm)
    parts = _Parts(synthesis, width_mm, order)
    if not parts.lines:
        return blank(synthesis.name, synthesis.title, _nothing(synthesis), width=page, preset=preset)
    forest = parts.forest(favours)
    return forest_figure(
        forest,
        name=synthesis.name,
        title=synthesis.title,
        alt=_alt(synthesis, parts),
        page=page,
        preset=preset,
        rows=synthesis_rows(synthesis),
        halves=parts.halves,
    )


def _nothing(synthesis: Synthesis) -> str:
    remarks = [pool.remark for pool in synthesis.pools if pool.remark]
    return f"{synthesis.title}: no study can be shown. {' '.join(remarks)}".strip()


class _Parts:
    """The synthesis turned into rows; what is in the whole takes its weights from there."""

    def __init__(self, synthesis: Synthesis, width_mm: float, order: str) -> None:
        self.synthesis, self.order = synthesis, order
        self.whole = synthesis.overall
        self.total_weight = {
            (x.study_id, x.arm_id): x.weight for x in (self.whole.lines if self.whole else ())
        }
        pools = [pool for pool in synthesis.pools if pool.lines]
        if not pools and self.whole and self.whole.lines:
            pools = [self.whole]
        self.inside = [
            p for p in pools if not self.whole or any(self._key(x) in self.total_weight for x in p.lines)
        ]
        self.outside = [p for p in pools if p not in self.inside]
        self.apart = _apart(synthesis)
        self.lines = [x for p in [*self.inside, *self.outside] for x in p.lines] + [
            x for _, g in self.apart for x in g
        ]
        self.narrow = width_mm < NARROW_MM
        k = sum(len(pool.lines) for pool in self.inside)
        self.halves = k > HALVES and width_mm >= HALVES_FROM_MM
        if self.halves:
            self.type = Type(6.5, 6.0, 9.3, 5.0)
        elif k > MANY:
            self.type = Type(7.0, 6.5, 10.5)
        else:
            self.type = Type(7.0, 6.5, 11.5, 5.0) if self.narrow else Type(7.5, 6.5, 12.5)
        heaviest = max((w for x in self.lines if (w := self._weight(x)) is not None), default=1.0)
        self.square = min(SQUARE, (self.type.row / 2 - 0.6) / math.sqrt(max(heaviest, 1e-9)))

    @staticmethod
    def _key(line: Line) -> Key:
        return line.study_id, line.arm_id

    def _weight(self, line: Line) -> float | None:
        return self.total_weight.get(self._key(line)) or line.weight

    def _sorted(self, lines: Sequence[Line]) -> list[Line]:
        if self.order == "weight":
            return sorted(lines, key=lambda x: -(self._weight(x) or 0))
        if self.order == "effect":
            return sorted(lines, key=lambda x: x.estimate)
        return by_year(lines) if self.order == "year" else list(lines)

    def forest(self, favours: tuple[str, str] | None) -> Forest:
        groups = [self._group(pool, inside=True) for pool in self.inside]
        whole = self._whole() if self.whole and self.whole.fit else None
        tail = [self._group(pool, inside=False) for pool in self.outside]
        tail += [self._apart(title, lines) for title, lines in self.apart]
        remarks = {pool.remark for pool in self.inside}
        if whole is None and self.whole and self.whole.remark and self.whole.remark not in remarks:
            rows: list[Any] = [
                SpaceRow(2),
                WordsRow([self._remark(self.whole.remark)], indent=2.0),
                SpaceRow(4),
            ]
            whole = Block(rows)
        fit = self.whole.fit if self.whole else None
        left, right, drop = self._columns()
        return Forest(
            left=left,
            right=right,
            drop=drop,
            type=self.type,
            groups=groups,
            whole=whole,
            tail=tail,
            axis=self._axis(),
            null=1.0,
            pooled=fit.effect if fit else None,
            axis_title="" if self.narrow or self.halves else self._axis_title(),
            favours=favours or _favours(self.synthesis, self.lines),
            notes=self._notes(),
        )

    def _columns(self) -> tuple[list[Column], list[Column], tuple[str, ...]]:
        noun = "Trial" if self.synthesis.plan.randomised_only else "Study"
        measure = self.synthesis.measure
        left = [Column("study", noun, least=0 if self.narrow or self.halves else 74, most=130)]
        if not (self.narrow or self.halves):
            if any(x.treatment for x in self.lines):
                left.append(Column("treatment", "Treatment", most=110))
            if any(x.control for x in self.lines):
                left.append(Column("control", "Control", most=90))
            if any(x.n is not None or x.n_control is not None for x in self.lines):
                left.append(Column("n", "Treated", "right", span="Patients"))
                left.append(Column("n_control", "Control", "right", span="Patients"))
        right = [Column("effect", f"{measure} (95% CI)", "estimate")]
        if not self.narrow and any(self._weight(x) is not None for x in self.lines):
            right.append(Column("weight", "Wt, %", "right"))
        return left, right, ("control", "treatment", "n_control", "n", "weight")

    def _axis(self) -> Axis:
        fits = [p.fit for p in [*self.inside, *self.outside, *([self.whole] if self.whole else [])] if p.fit]
        limits = [v for x in self.lines for v in (x.ci_low, x.ci_high) if v is not None]
        pooled = [v for fit in fits for v in (fit.effect, *fit.effect_ci)]
        return log_axis([x.estimate for x in self.lines], limits, pooled)

    def _axis_title(self) -> str:
        name = RATIO_TITLES.get(self.synthesis.measure, self.synthesis.measure)
        return f"{name} for {event_words(self.synthesis.plan.outcomes)} (log scale)"

    def many(self, n: int) -> str:
        """`9 trials`; studies where some were not randomised."""
        return counted(n, "trial") if self.synthesis.plan.randomised_only else counted(n, "study", "studies")

    def _remark(self, text: str) -> Runs:
        return plain(capital(text), self.type.note, "italic", "secondary")

    def _entry(self, line: Line, *, hollow: bool = False) -> EntryRow:
        size, weight = self.type.body, None if hollow else self._weight(line)
        cells: dict[str, Cell] = {
            "study": study_label(line, size),
            "treatment": plain(typographic(line.treatment) or MISSING, size),
            "control": plain(typographic(line.control) or MISSING, size),
            "n": plain(count(line.n), size),
            "n_control": plain(count(line.n_control), size),
            "effect": ratio_interval(line.estimate, line.ci_low, line.ci_high, mark=",".join(line.marks)),
            "weight": plain(decimal(weight, 1), size),
        }
        half = NOT_POOLED_SQUARE if weight is None else max(LEAST_SQUARE, self.square * math.sqrt(weight))
        return EntryRow(cells, line.estimate, line.ci_low, line.ci_high, half, hollow=weight is None)

    def _group(self, pool: Pool, *, inside: bool) -> Block:
        block = Block([])
        if pool is not self.whole or len(self.inside) > 1:
            title = capital(pool.title or pool.name)
            if not inside and self.whole:
                title = title if "not pooled" in title else f"{title}: not pooled with the above"
            block.rows.append(BandRow(title, self.many(len(pool.lines)) if self.halves else ""))
        for line in self._sorted(pool.lines):
            block.rows.append(self._entry(line))
        if pool.fit and pool is not self.whole:
            label = f"Subtotal, {self.many(pool.k)}"
            block.rows += self._pooled(pool, pool.fit, label, sub=bool(self.whole))
        if pool.remark and pool is not self.whole:
            block.rows.append(WordsRow([self._remark(pool.remark)]))
        block.rows.append(SpaceRow(3.5))
        return block

    def _pooled(self, pool: Pool, fit: MetaFit, label: str, *, sub: bool) -> list[Any]:
        low, high = fit.effect_ci
        size = self.type.body
        label = "Subtotal" if self.narrow or self.halves else label
        cells: dict[str, Cell] = {
            "study": plain(label, size, "bold"),
            "effect": ratio_interval(fit.effect, low, high, bold=True),
        }
        weights = [w for x in pool.lines if (w := self._weight(x)) is not None]
        if weights:
            total = sum(weights)
            cells["weight"] = plain("100" if abs(total - 100) < 0.05 else decimal(total, 1), size, "bold")
        rows: list[Any] = [PooledRow(cells, fit.effect, low, high, 3.6, "subtotal" if sub else "pooled")]
        if known(fit.pi_low):
            rows.append(self._prediction(fit, "subtotal" if sub else "pooled", None, density=False))
        rows.append(WordsRow([note(heterogeneity(fit), self.type.note)]))
        return rows

    def _prediction(self, fit: MetaFit, colour: str, indent: float | None, *, density: bool) -> PredictionRow:
        low, high = fit.effect_pi
        size = self.type.body
        words = (
            "Prediction interval"
            if self.narrow or self.halves
            else f"{100 * fit.level:g}% prediction interval"
        )
        cells: dict[str, Cell] = {
            "study": plain(words, size),
            "effect": without_value(ratio_interval(fit.effect, low, high)),
        }
        return PredictionRow(cells, low, high, colour, predictive_density(fit) if density else None, indent)

    def _whole(self) -> Block:
        assert self.whole is not None and self.whole.fit is not None  # noqa: S101, PT018 - the caller asked
        fit, size = self.whole.fit, self.type.body
        low, high = fit.effect_ci
        many = self.many(fit.k)
        title = self.whole.title or "All"
        cells: dict[str, Cell] = {
            "study": plain(title if self.narrow or many in title else f"{title}, {many}", size, "bold"),
            "effect": ratio_interval(fit.effect, low, high, bold=True),
            "weight": plain("100", size, "bold"),
        }
        rows: list[Any] = [RuleRow(6), PooledRow(cells, fit.effect, low, high, 4.8, "pooled", 2.0, extra=2.0)]
        if known(fit.pi_low):
            rows.append(self._prediction(fit, "pooled", 2.0, density=not self.narrow))
        between = self.synthesis.subgroup_test
        test = overall_test(fit)
        if between:
            test += f". Subgroups: *Q* = {decimal(between.q, 2)}, df = {between.df}, {italic_p(between.p)}"
        lines = [heterogeneity(fit, full=True), test.removeprefix(". ")]
        rows.append(WordsRow([note(text, self.type.note) for text in lines if text], indent=2.0, before=1.0))
        if self.whole.remark:
            rows.append(WordsRow([self._remark(self.whole.remark)], indent=2.0))
        return Block([*rows, SpaceRow(3.5)])

    def _apart(self, title: str, lines: Sequence[Line]) -> Block:
        entries = [self._entry(line, hollow=True) for line in self._sorted(lines)]
        return Block([BandRow(title), *entries, SpaceRow(3.5)])

    def _notes(self) -> list[Runs]:
        size = self.type.note
        marks = {mark for x in self.lines for mark in x.marks}
        marked, out = [], []
        if marks:
            unmarked_rows = "no mark, as reported and unadjusted"
            marked.append(note("; ".join(filter(None, [explained(marks), unmarked_rows])) + ".", size))
        if any(self._weight(x) is None for x in self.lines):
            out.append(note("Hollow squares: not pooled.", size))
        if self.synthesis.model and self.synthesis.has_fit:  # nothing pooled: no model to name
            out.append(note_from_outside(first_sentence(self.synthesis.model), size))
        return [*marked, *paragraph(*out)]


def predictive_density(fit: MetaFit) -> Density | None:
    """The predictive distribution whose limits the fit gives: t with k - 1 degrees of freedom, or normal."""
    from scipy.special import ndtri, stdtrit

    df = float(fit.k - 1)
    if not known(fit.pi_low) or fit.pi_high <= fit.pi_low or df < 1:
        return None
    share = (1 + fit.level) / 2
    critical = float(ndtri(share)) if math.isinf(fit.df) else float(stdtrit(df, share))
    return Density(fit.mu, (fit.pi_high - fit.pi_low) / 2 / critical, math.inf if math.isinf(fit.df) else df)


def _apart(synthesis: Synthesis) -> list[tuple[str, list[Line]]]:
    """Lines kept apart, by the title of their band."""
    found: dict[str, list[Line]] = {}
    seen: set[Key] = set()
    for pool in [*([synthesis.overall] if synthesis.overall else []), *synthesis.pools]:
        for line in pool.apart:
            key = (line.study_id, line.arm_id)
            if key not in seen:
                seen.add(key)
                title = pool.apart_title or "Not pooled with the above"
                found.setdefault(title, []).append(line)
    return list(found.items())


def _favours(synthesis: Synthesis, lines: Sequence[Line]) -> tuple[str, str]:
    """A ratio below 1 means fewer events in the first-named arm; names are used when all trials share them."""
    first = {line.treatment for line in lines}
    second = {line.control for line in lines}
    left = first.pop() if len(first) == 1 else ""
    right = second.pop() if len(second) == 1 else ""
    del synthesis
    return (
        f"Favours {left if 0 < len(left) <= LONGEST_FAVOURED else 'treatment'}",
        f"Favours {right if 0 < len(right) <= LONGEST_FAVOURED else 'control'}",
    )


def _alt(synthesis: Synthesis, parts: _Parts) -> str:
    lines = [x for p in parts.inside for x in p.lines]
    fit = synthesis.overall.fit if synthesis.overall else None
    patients = sum((x.n or 0) + (x.n_control or 0) for x in lines)
    name = RATIO_TITLES.get(synthesis.measure, synthesis.measure).lower()
    many = parts.many(len(lines))
    first = f"Forest plot of {name}s for {event_words(synthesis.plan.outcomes)}, {many}"
    first += f", {counted(patients, 'patient')}" if patients else ""
    second = ""
    if fit:
        low, high = fit.effect_ci
        pooled = ratio_interval(fit.effect, low, high)
        second = f"The pooled {name} is {pooled.value} (95% CI {pooled.low} to {pooled.high}"
        if known(fit.pi_low):
            pi = ratio_interval(fit.effect, *fit.effect_pi)
            second += f"; prediction interval {pi.low} to {pi.high}"
        second += f"), {unmarked(heterogeneity(fit))}"
    shown = [x for x in lines if x.ci_low is not None and x.ci_high is not None]
    across = sum(x.ci_low <= 1 <= x.ci_high for x in shown if x.ci_low is not None and x.ci_high is not None)
    third = (
        f"{across} of {len(shown)} intervals {'includes' if across == 1 else 'include'} 1" if shown else ""
    )
    return sentences(first, second, third)
