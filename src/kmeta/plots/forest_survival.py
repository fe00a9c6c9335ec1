"""Forest plot of survival at one time, by treatment class: each class with its own pool, none over all classes."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from kmeta.core.numbers import count, decimal, percent
from kmeta.methods.meta.random_effects import MetaFit
from kmeta.methods.synthesis.result import Line, Pool, Synthesis
from kmeta.plots.columns import Cell, Column, Interval, Slash, Type
from kmeta.plots.data import synthesis_rows
from kmeta.plots.figure import Figure, blank
from kmeta.plots.forest_layout import Block, Forest, forest_figure
from kmeta.plots.forest_rows import (
    BandRow,
    EntryRow,
    PooledRow,
    PredictionRow,
    PublishedRow,
    SpaceRow,
    WordsRow,
)
from kmeta.plots.registry import PLOTS
from kmeta.plots.style import class_role, palette, points
from kmeta.plots.text import Runs, plain
from kmeta.plots.ticks import PERCENT
from kmeta.plots.words import (
    at_time,
    by_year,
    capital,
    counted,
    explained,
    first_sentence,
    heterogeneity,
    known,
    note,
    note_from_outside,
    outcome_title,
    paragraph,
    plain_interval,
    sentences,
    study_label,
    typographic,
    without_value,
)
from kmeta.review.estimate import PublishedResult

# Squares are scaled inside a class; the heaviest of a common class is about as large as in a plot of trials.
SQUARE, LEAST_SQUARE, NOT_POOLED_SQUARE = 0.6, 1.3, 2.7
NARROW_MM = 100.0
PERCENT_MEASURES = ("percent", "%", "proportion", "probability")


@PLOTS.register("forest_survival")
def forest_survival(
    synthesis: Synthesis, *, preset: str = "journal", width_mm: float = 174, order: str = "year"
) -> Figure:
    """Draw survival at one time by class: arms, pooled value, prediction interval, earlier reviews' values.

    The axis is always 0 to 100 %. A class whose arms are not pooled shows hollow squares and its remark instead of a
    diamond. There is no diamond over all classes and no test between them. `order`: "year", "weight" or "given".
    """
    palette(preset)
    page = points(width_mm)
    parts = _Parts(synthesis, width_mm, order)
    if not any(pool.lines or pool.apart or pool.published for pool in synthesis.pools):
        words = " ".join(pool.remark for pool in synthesis.pools if pool.remark)
        remark = f"{synthesis.title}: no arm can be shown. {words}".strip()
        return blank(synthesis.name, synthesis.title, remark, width=page, preset=preset)
    return forest_figure(
        parts.forest(),
        name=synthesis.name,
        title=synthesis.title,
        alt=_alt(synthesis),
        page=page,
        preset=preset,
        rows=synthesis_rows(synthesis),
    )


class _Parts:
    """The synthesis turned into rows of a forest plot."""

    def __init__(self, synthesis: Synthesis, width_mm: float, order: str) -> None:
        self.synthesis, self.order = synthesis, order
        self.narrow = width_mm < NARROW_MM
        self.type = Type(7.0, 6.5, 11.5, 6.0) if self.narrow else Type(7.5, 6.5, 12.2, 6.0)
        self.lines = [x for pool in synthesis.pools for x in (*pool.lines, *pool.apart)]
        self.places = 0 if any(x.n is None or x.n < 100 for x in self.lines) else 1
        kinds = Counter(x.interval for x in self.lines if known(x.ci_low))
        self.rare = min(kinds, key=lambda kind: (kinds[kind], kind)) if len(kinds) > 1 else ""
        self.usual = max(kinds, key=lambda kind: (kinds[kind], kind)) if kinds else ""

    def forest(self) -> Forest:
        when = at_time(self.synthesis.plan.time_months)
        left = [Column("study", "Study", least=0 if self.narrow else 74, most=130)]
        right = [Column("effect", "% alive (95% CI)" if self._alive else "% (95% CI)", "estimate")]
        if not self.narrow:
            if any(x.treatment for x in self.lines):
                left.append(Column("treatment", "Treatment", most=118))
            if any(x.n is not None for x in self.lines):
                left.append(Column("n", self._count_head, "slash"))
            if any(x.weight is not None for x in self.lines):
                right.append(Column("weight", "Wt, %", "right"))
        return Forest(
            left=left,
            right=right,
            drop=("treatment", "n", "weight"),
            type=self.type,
            groups=[self._group(pool) for pool in self.synthesis.pools],
            axis=PERCENT,
            axis_title=f"{outcome_title(self.synthesis.plan.outcomes)} {when}, %".replace(" ,", ","),
            notes=self._notes(),
        )

    @property
    def _alive(self) -> bool:
        return set(self.synthesis.plan.outcomes) <= {"OS"}

    @property
    def _count_head(self) -> str:
        return "Alive / n" if self._alive else "Free / n"

    def _sorted(self, lines: Sequence[Line]) -> list[Line]:
        if self.order == "weight":
            return sorted(lines, key=lambda x: -(x.weight or 0))
        return by_year(lines) if self.order == "year" else list(lines)

    def _group(self, pool: Pool) -> Block:
        role = class_role(pool.treatment_class)
        shown = len(pool.lines)
        words = f"{counted(shown, 'arm')}, {counted(pool.n_patients, 'patient')}" if shown else "no arm"
        if self.narrow:
            words = counted(shown, "arm")
        block = Block([BandRow(pool.title or pool.name, words, role)])
        weights = [x.weight for x in pool.lines if x.weight]
        square = min(SQUARE, (self.type.row / 2 - 1) / math.sqrt(max(weights))) if weights else SQUARE
        block.rows += [self._entry(x, role, square) for x in self._sorted(pool.lines)]
        if pool.fit:
            block.rows += self._pooled(pool.fit, role)
        if pool.remark:
            block.rows.append(WordsRow([plain(capital(pool.remark), self.type.note, "italic", "secondary")]))
        block.rows += [self._published(earlier) for earlier in pool.published]
        if pool.fit and pool.fit.k > 1:
            block.rows.append(WordsRow([note(heterogeneity(pool.fit), self.type.note)]))
        if pool.apart:
            title = pool.apart_title or "Not pooled with the above"
            block.rows.append(WordsRow([plain(title, self.type.note, "italic", "secondary")], before=1.0))
            block.rows += [self._entry(x, role, square, hollow=True) for x in self._sorted(pool.apart)]
        block.rows.append(SpaceRow(5.0))
        return block

    def _interval(self, value: float, low: float | None, high: float | None, **look: Any) -> Interval:
        return plain_interval(value, low, high, self.places, scale=100, **look)

    def _entry(self, line: Line, role: str, square: float, *, hollow: bool = False) -> EntryRow:
        size = self.type.body
        weight = None if hollow else line.weight
        marks = [*line.marks]
        # Where both kinds of interval stand in one figure the rarer kind carries a letter.
        if line.interval == self.rare and known(line.ci_low):
            marks.append("w" if self.rare == "wilson" else "r")
        cells: dict[str, Cell] = {
            "study": study_label(line, size),
            "treatment": plain(typographic(line.treatment) or "–", size),
            "n": Slash(_alive(line), count(line.n)),
            "effect": self._interval(line.estimate, line.ci_low, line.ci_high, mark=",".join(marks)),
            "weight": plain(decimal(weight, 1), size),
        }
        half = NOT_POOLED_SQUARE if weight is None else max(LEAST_SQUARE, square * math.sqrt(weight))
        low, high = _times_100(line.ci_low), _times_100(line.ci_high)
        return EntryRow(cells, 100 * line.estimate, low, high, half, weight is None, role)

    def _pooled(self, fit: MetaFit, role: str) -> list[Any]:
        size = self.type.body
        low, high = fit.effect_ci
        cells: dict[str, Cell] = {
            "study": plain("Pooled (random effects)", size, "bold"),
            "effect": self._interval(fit.effect, low, high, bold=True),
            "weight": plain("100", size, "bold"),
        }
        rows: list[Any] = [PooledRow(cells, 100 * fit.effect, 100 * low, 100 * high, 4.6, role, extra=2.0)]
        if known(fit.pi_low):
            low, high = fit.effect_pi
            limits = without_value(self._interval(fit.effect, low, high))
            cells = {"study": plain(f"{100 * fit.level:g}% prediction interval", size), "effect": limits}
            rows.append(PredictionRow(cells, 100 * low, 100 * high, role))
        return rows

    def _published(self, earlier: PublishedResult) -> PublishedRow:
        value, low, high = published_percent(earlier)
        cells: dict[str, Cell] = {"study": plain(_earlier(earlier), self.type.body, colour="secondary")}
        if math.isnan(value):
            text = earlier.estimate or "–"
            cells["effect"] = Interval(text if len(text) < 12 else "–", colour="secondary")
        else:
            cells["effect"] = plain_interval(value, low, high, self.places, colour="secondary")
        return PublishedRow(cells, value, low, high)

    def _notes(self) -> list[Runs]:
        size, out = self.type.note, []
        earlier = list(dict.fromkeys(p.review for pool in self.synthesis.pools for p in pool.published))
        triangle = "Triangle: value of an earlier review" if earlier else ""
        hollow = "hollow squares: not pooled" if any(x.weight is None for x in self.lines) else ""
        marks = "; ".join(filter(None, [triangle, hollow]))
        if marks:
            out.append(note(marks[0].upper() + marks[1:] + ".", size))
        letters = {m for x in self.lines for m in x.marks}
        letters |= {"w" if self.rare == "wilson" else "r"} if self.rare else set()
        if explained(letters):
            out.append(note(explained(letters) + ".", size))
        if self.usual == "wilson":
            out.append(note("Study intervals: Wilson, on the effective sample.", size))
        if ignoring := sum("censoring" in x.basis for x in self.lines):
            text = f"For {ignoring} of {len(self.lines)} arms n is the effective sample, censoring ignored."
            out.append(note(text, size))
        if any(x.n is not None for x in self.lines) and not self.narrow:
            out.append(note(f"{self._count_head.split()[0]} = survival × n.", size))
        if self.synthesis.model and self.synthesis.has_fit:  # nothing pooled: no model to name
            out.append(note_from_outside(first_sentence(self.synthesis.model), size))
        if len([pool for pool in self.synthesis.pools if pool.lines]) > 1:
            text = (
                "Classes differ in who gets them: differences are associations, no test between them is made."
            )
            out.append(note(text, size))
        return paragraph(*out)


def _alive(line: Line) -> str:
    if line.n is None or not known(line.estimate):
        return "–"
    return count(math.floor(line.estimate * line.n + 0.5))


def _times_100(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _earlier(earlier: PublishedResult) -> str:
    """`Earlier review, 2022`, the year from the review's key."""
    year = re.search(r"(19|20)\d\d", earlier.review)
    return f"Earlier review, {year.group()}" if year else f"Earlier review: {earlier.review}"


def published_percent(earlier: PublishedResult) -> tuple[float, float | None, float | None]:
    """An earlier review's value and limits in percent; NaN where what was printed is not one number."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*", earlier.estimate)
    if not found:
        return math.nan, None, None
    value = float(found.group(1))
    share = not found.group(2) and earlier.measure.casefold() != "percent" and value <= 1
    if earlier.measure.casefold() not in PERCENT_MEASURES and not found.group(2):
        share = value <= 1
    scale = 100.0 if share else 1.0
    value *= scale
    if not 0 <= value <= 100:
        return math.nan, None, None
    low, high = earlier.ci_low, earlier.ci_high
    return value, None if low is None else low * scale, None if high is None else high * scale


def _alt(synthesis: Synthesis) -> str:
    pools = [pool for pool in synthesis.pools if pool.lines]
    arms, patients = sum(len(p.lines) for p in pools), sum(p.n_patients for p in pools)
    when = at_time(synthesis.plan.time_months)
    first = (
        f"Forest plot of {outcome_title(synthesis.plan.outcomes).lower()} {when} by treatment class, "
        f"{counted(arms, 'arm')}, {counted(patients, 'patient')}"
    )
    pooled = []
    for pool in pools:
        if pool.fit:
            low, high = pool.fit.effect_ci
            text = f"{pool.title} {percent(pool.fit.effect)}% (95% CI {percent(low)} to {percent(high)}"
            if known(pool.fit.pi_low):
                text += "; prediction interval {} to {}".format(*map(percent, pool.fit.effect_pi))
            pooled.append(f"{text}; k = {pool.k}, I² {decimal(100 * pool.fit.i2, 0)}%)")
    second = "Pooled: " + "; ".join(pooled) if pooled else "No class is pooled"
    ranges = [f"{pool.title} {_range(pool.lines)}%" for pool in pools if not pool.fit]
    third = "Not pooled: " + "; ".join(ranges) if ranges else ""
    return sentences(first, second, third)


def _range(lines: Sequence[Line]) -> str:
    low, high = (percent(pick(line.estimate for line in lines)) for pick in (min, max))
    return low if low == high else f"{low} to {high}"
