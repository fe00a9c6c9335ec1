"""The tables every pooled analysis has: results by pool, the same under other rules, and the rows behind them."""

from __future__ import annotations

from kmeta.core.numbers import MISSING, count, decimal, percent
from kmeta.methods.synthesis.result import Line, Pool, Synthesis
from kmeta.report import words
from kmeta.report.document import Column, Row, RowKind, Run, Runs, Table, quote, runs
from kmeta.report.draft import Draft
from kmeta.report.scale import Scale, at_time, level, scale_of, variance
from kmeta.report.values import line_ids, pool_id, slug

SECOND_HAND = "‡"


def all_pools(synthesis: Synthesis) -> tuple[Pool, ...]:
    """The pools and, where the plan pools them all and there are several, the pool of all."""
    several = sum(bool(pool.lines) for pool in synthesis.pools) > 1
    return (*synthesis.pools, *((synthesis.overall,) if synthesis.overall and several else ()))


def rows_word(synthesis: Synthesis) -> str:
    """What a row of this analysis is: an arm or a trial."""
    if synthesis.plan.kind != "hazard_ratio":
        return "arm"
    return "trial" if synthesis.plan.randomised_only else "study"


def many(word: str) -> str:
    """The plural of what `rows_word` gives."""
    return "studies" if word == "study" else f"{word}s"


def asked(draft: Draft, synthesis: Synthesis) -> Runs:
    """`Overall survival at 5 years`: what the analysis is about, from its plan."""
    names = " or ".join(words.outcome(code) for code in synthesis.plan.outcomes)
    if synthesis.plan.kind == "survival_at":
        return runs(words.capital(names), " at ", at_time(draft.values, slug(synthesis.name)))
    kind = {"hazard_ratio": "Hazard ratio, ", "median": "Median "}.get(synthesis.plan.kind, "")
    return runs(kind + names)


def titled(synthesis: Synthesis) -> Runs:
    """The analysis by its own title, so that no two tables are called the same."""
    return runs(quote(words.capital(synthesis.title or synthesis.name)))


def effect(draft: Draft, synthesis: Synthesis, pool: Pool, *, with_level: bool = True) -> Runs:
    """`74.6% (95% CI 69.6–78.9)`."""
    scale, at = scale_of(synthesis), pool_id(synthesis, pool)
    lead = runs(level(draft.values, slug(synthesis.name)), " CI ") if with_level else ()
    return runs(
        draft.values.run(f"{at}/effect", scale.form, unit=scale.unit),
        " (",
        lead,
        draft.values.interval(at, scale.form),
        ")",
    )


def results_table(draft: Draft, synthesis: Synthesis) -> Table:
    """One row a pool: how much is in it, the estimate, both intervals, heterogeneity."""
    scale, what = scale_of(synthesis), rows_word(synthesis)
    alpha = level(draft.values, slug(synthesis.name)).text
    columns = (
        Column("Treatment class" if what == "arm" else "Comparison", 44),
        Column(words.capital(many(what)), 13, "right"),
        Column("Patients", 16, "right"),
        Column(scale.head, 20, "right"),
        Column(f"{alpha} CI", 22, "right"),
        Column(f"{alpha} prediction interval", 24, "right"),
        Column("τ²", 13, "right"),
        Column("I², %", 12, "right"),
    )
    rows: list[Row] = []
    for pool in all_pools(synthesis):
        rows += _pool_rows(draft, synthesis, pool, scale)
    return Table(
        f"results-{synthesis.name}",
        runs(titled(synthesis), "; pooled estimates."),
        columns,
        tuple(rows),
        notes=(
            runs(
                "CI, confidence interval of the mean. The prediction interval is where the true value of a new, "
                "similar study may lie; it needs at least three rows. A dash: not to be had."
            ),
        ),
        csv="pooled.csv",
    )


def _pool_rows(draft: Draft, synthesis: Synthesis, pool: Pool, scale: Scale) -> list[Row]:
    values, at = draft.values, pool_id(synthesis, pool)
    head = runs(quote(words.capital(pool.title or pool.name)))
    size = (runs(values.run(f"{at}/k")), runs(values.run(f"{at}/n_patients")))
    kind: RowKind = "total" if pool is synthesis.overall else "data"
    if pool.fit is None:
        nothing = (runs(MISSING),) * 5
        row = Row((head, *size, *nothing), kind)
        return [row, Row((runs(quote(sentence(words.capital(pool.remark)))),), "remark")]
    cells = (
        head,
        *size,
        runs(values.run(f"{at}/effect", scale.form)),
        runs(values.interval(at, scale.form)),
        runs(values.interval(at, scale.form, kind="pi")),
        runs(values.run(f"{at}/tau2", variance)) if pool.k > 1 else runs(MISSING),
        runs(values.run(f"{at}/i2", percent)) if pool.k > 1 else runs(MISSING),
    )
    remark = [Row((runs(quote(pool.remark)),), "remark")] if pool.remark else []
    return [Row(cells, kind), *remark]


def sensitivity_table(draft: Draft, synthesis: Synthesis) -> Table | None:
    """The same pools under other rules; None where no other rule was tried."""
    scale, values = scale_of(synthesis), draft.values
    alpha = level(values, slug(synthesis.name)).text
    rows: list[Row] = []
    for pool in all_pools(synthesis):
        if not any(fit is not None for fit in (pool.fit, *(other.fit for other in pool.sensitivity))):
            continue
        if not pool.sensitivity:
            continue
        at = pool_id(synthesis, pool)
        rows.append(Row((runs(quote(words.capital(pool.title or pool.name))),), "band"))
        rows.append(_sensitivity_row(draft, scale, at, "As planned", "", pool.fit is not None))
        for i, other in enumerate(pool.sensitivity, start=1):
            here = f"{at}/sensitivity/{i}"
            rows.append(
                _sensitivity_row(draft, scale, here, other.label, other.reason, other.fit is not None)
            )
    if not rows:
        return None
    columns = (
        Column("Rule", 42),
        Column(words.capital(many(rows_word(synthesis))), 12, "right"),
        Column("Patients", 15, "right"),
        Column(scale.head, 18, "right"),
        Column(f"{alpha} CI", 21, "right"),
        Column("Why one would ask", 56),
    )
    caption = runs(titled(synthesis), "; the same pools under other rules.")
    return Table(f"sensitivity-{synthesis.name}", caption, columns, tuple(rows), csv="sensitivity.csv")


def _sensitivity_row(draft: Draft, scale: Scale, at: str, label: str, reason: str, fitted: bool) -> Row:
    values = draft.values
    number = runs(values.run(f"{at}/effect", scale.form)) if fitted else runs(MISSING)
    limits = runs(values.interval(at, scale.form)) if fitted else runs(MISSING)
    size = (runs(values.run(f"{at}/k")), runs(values.run(f"{at}/n_patients")))
    told = (runs(quote(words.capital(label))), *size, number, limits, runs(quote(words.capital(reason))))
    return Row(told)


def rows_table(draft: Draft, synthesis: Synthesis) -> Table | None:
    """Every row behind the pools, with its interval, where that is from, and its weight."""
    if synthesis.plan.kind == "hazard_ratio":
        return _trials_table(draft, synthesis)
    scale = scale_of(synthesis)
    alpha = level(draft.values, slug(synthesis.name)).text
    columns = (
        Column("Study", 32),
        Column("Treatment", 46),
        Column("Patients", 15, "right"),
        Column(scale.head, 18, "right"),
        Column(f"{alpha} CI", 20, "right"),
        Column("Interval", 22),
        Column("Weight, %", 15, "right"),
    )

    def cells(key: str, line: Line) -> tuple[Runs, ...]:
        return (
            study_cell(line),
            runs(quote(line.treatment)),
            runs(count(line.n)),
            runs(draft.values.run(f"{key}/estimate", scale.line_form)),
            runs(draft.values.interval(key, scale.line_form)),
            runs(words.INTERVALS.get(line.interval, line.interval)),
            runs(decimal(line.weight, 1)),
        )

    return _rows(draft, synthesis, columns, cells)


def _trials_table(draft: Draft, synthesis: Synthesis) -> Table | None:
    scale = scale_of(synthesis)
    alpha = level(draft.values, slug(synthesis.name)).text
    columns = (
        Column(words.capital(rows_word(synthesis)), 32),
        Column("Treatment", 38),
        Column("Control", 38),
        Column("Patients", 20, "right"),
        Column("HR", 12, "right"),
        Column(f"{alpha} CI", 20, "right"),
        Column("Weight, %", 14, "right"),
    )

    def cells(key: str, line: Line) -> tuple[Runs, ...]:
        known = line.n is not None and line.n_control is not None
        return (
            study_cell(line),
            runs(quote(line.treatment)),
            runs(quote(line.control)),
            runs(f"{count(line.n)} v {count(line.n_control)}" if known else MISSING),
            runs(draft.values.run(f"{key}/estimate", scale.line_form)),
            runs(draft.values.interval(key, scale.line_form)),
            runs(decimal(line.weight, 1)),
        )

    return _rows(draft, synthesis, columns, cells)


def _rows(draft: Draft, synthesis: Synthesis, columns: tuple[Column, ...], cells) -> Table | None:  # type: ignore[no-untyped-def]
    rows: list[Row] = []
    for pool in synthesis.pools:
        listed = line_ids(pool_id(synthesis, pool), pool)
        if not listed:
            continue
        rows.append(Row((runs(quote(words.capital(pool.title or pool.name))),), "band"))
        rows += [_line_row(cells(key, line), line) for key, line in listed[: len(pool.lines)]]
        if pool.apart:
            rows.append(Row((runs(quote(pool.apart_title or "Not pooled with the above")),), "remark"))
            rows += [_line_row(cells(key, line), line) for key, line in listed[len(pool.lines) :]]
    if not rows:
        return None
    caption = runs(titled(synthesis), "; the values behind the estimates.")
    lines = [line for pool in synthesis.pools for line in (*pool.lines, *pool.apart)]
    return Table(
        f"rows-{synthesis.name}", caption, columns, tuple(rows), notes=row_notes(lines), csv="values.csv"
    )


def _line_row(cells: tuple[Runs, ...], line: Line) -> Row:
    marks = "".join(line.marks)
    if marks:
        at = len(cells) - 2 if line.control else len(cells) - 3
        cells = (*cells[:at], runs(cells[at], Run(marks, raised=True)), *cells[at + 1 :])
    return Row(cells)


def study_cell(line: Line) -> Runs:
    """The study as a figure labels it, with the mark of a second-hand value."""
    return runs(quote(line.label), Run(SECOND_HAND, raised=True) if line.second_hand else "")


def sentence(text: str) -> str:
    """`text` with one full stop at its end; nothing stays nothing."""
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def row_notes(lines: list[Line]) -> tuple[Runs, ...]:
    """What the marks in use mean; nothing about marks not in use."""
    notes: list[Runs] = []
    if any(line.second_hand for line in lines):
        notes.append(runs(Run(SECOND_HAND, raised=True), " ", second_hand_words()))
    used = sorted({mark for line in lines for mark in line.marks})
    if used:
        notes.append(runs(*_mark_words(used)))
    if any(line.interval == "wilson" for line in lines):
        notes.append(
            runs(
                "Where the source prints no interval, the one shown is Wilson’s on the effective sample; "
                "it takes the effective sample for the number of patients."
            )
        )
    if any(not line.pooled for line in lines):
        notes.append(runs("No weight: shown, not pooled."))
    return tuple(notes)


def _mark_words(used: list[str]) -> list[Run]:
    done: list[Run] = []
    for mark in used:
        done += [Run(mark, raised=True), Run(f" {words.MARKS.get(mark, 'see the source')}. ")]
    return done


def second_hand_words() -> str:
    """One wording for one thing, everywhere."""
    return "Second hand: read in another paper’s table, not in the study’s own report."


def notes_of(synthesis: Synthesis) -> list[Runs]:
    """What the analysis itself has to say about its data."""
    return [runs(quote(note)) for note in synthesis.notes if note]
