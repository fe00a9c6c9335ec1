"""The home page: the PRISMA flow, what waits, and what is not built or not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kmeta.core.numbers import count
from kmeta.review.flow import Box, Count, Flow
from kmeta.web.query import Query
from kmeta.web.reading import Reading
from kmeta.web.words import class_name, class_style, link, some

# Phase, databases, what leaves the review, other methods, and what leaves there: PRISMA's rows from the top.
ROWS = (
    ("Identify", "identified", "removed", "other_identified", ""),
    ("Screen", "screened", "excluded", "", ""),
    ("Screen", "sought", "not_retrieved", "other_sought", "other_not_retrieved"),
    ("Screen", "assessed", "excluded_full_text", "other_assessed", "other_excluded"),
)
MAX_PARTS = 5
BAR_WIDTH, BAR_LEAST, BAR_GAP = 1000, 6, 3


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of the drawn flow: a box, or only the line (`rail`) that passes a row without one."""

    row: int
    column: int
    box: Box | None = None
    arrow: str = ""
    leaves: Box | None = None

    @property
    def href(self) -> str:
        """The records that the box counts; "" where it does not say which they are."""
        return box_link(self.box)


def box_link(box: Box | None) -> str:
    """The list of exactly the records, or the studies, that a box counts; "" where it names none."""
    if box and box_ids(box):
        return link("/records", box=box.key)
    return link("/studies", box=box.key) if box and box_studies(box) else ""


def box_ids(box: Box) -> tuple[str, ...]:
    """The records of a box: its own, else those of its parts."""
    return box.record_ids or tuple(dict.fromkeys(i for part in box.parts for i in part.record_ids))


def box_studies(box: Box) -> tuple[str, ...]:
    """The studies of a box: its own, else those of its parts."""
    return box.study_ids or tuple(dict.fromkeys(i for part in box.parts for i in part.study_ids))


def view(reading: Reading, query: Query, key: str) -> dict[str, Any]:
    """The flow as a grid of cells, and what stands beside it."""
    contents = reading.contents
    cells, phases = grid(contents.flow)
    return {
        "heading": contents.protocol.title,
        "question": contents.protocol.question,
        "flow": counts(contents.flow),
        "_drawn": {
            "cells": cells,
            "phases": phases,
            "last_row": max((cell.row for cell in cells), default=0) + 1,
            "bar": class_bar(contents.flow.arms_by_class),
        },
        "stages": stages(reading),
        "next": waiting(reading),
        "not_built": contents.not_built,
        "not_known": tuple(dict.fromkeys((*contents.flow.not_known, *contents.protocol.not_known))),
        "example": contents.protocol.example,
        "n_findings": len(contents.findings),
        "n_records": len(contents.evidence.records),
    }


def counts(flow: Flow) -> dict[str, Any]:
    """The numbers of the flow; which records a box counts is told by the address beside it."""
    numbers = ("n_studies", "n_reports", "n_arms", "n_estimates", "n_comparisons", "n_from_records")
    return {
        "boxes": [
            {
                "key": box.key,
                "title": box.title,
                "n": box.n,
                "parts": [{"label": part.label, "n": part.n} for part in box.parts],
                "href": box_link(box),
            }
            for box in flow.boxes
        ],
        **{name: getattr(flow, name) for name in numbers},
        "arms_by_class": [{"class": one.label, "n": one.n} for one in flow.arms_by_class],
        "not_known": flow.not_known,
    }


def grid(flow: Flow) -> tuple[list[Cell], list[tuple[str, int, int]]]:
    """Cells in the order they are read, and the phases as (name, first row, rows); unknown boxes leave no row."""
    known = [row for row in ROWS if any(flow.box(key) for key in row[1:] if key)]
    cells: list[Cell] = []
    for number, (_, main, side, other, other_side) in enumerate(known, start=1):
        later = known[number:]
        cells += _column(flow, number, 2, main, "", [row[1] for row in known[: number - 1]], later, 1)
        if box := flow.box(side):
            cells.append(Cell(number, 3, box, "rt"))
        before = [row[3] for row in known[: number - 1]]
        cells += _column(flow, number, 4, other, other_side, before, later, 3)
    phases: list[tuple[str, int, int]] = []
    for number, row in enumerate(known, start=1):
        if phases and phases[-1][0] == row[0]:
            phases[-1] = (row[0], phases[-1][1], phases[-1][2] + 1)
        else:
            phases.append((row[0], number, 1))
    return cells, phases


def _column(
    flow: Flow, row: int, column: int, key: str, side: str, before: list[str], later: list, place: int
) -> list[Cell]:
    """The cell of a column that leads down: its box, or the line that passes where an earlier box has begun it."""
    follows = not later or flow.box(later[0][place]) is not None
    if box := flow.box(key):
        return [Cell(row, column, box, "dn" if follows else "dn-s", flow.box(side))]
    if any(flow.box(earlier) for earlier in before):
        return [Cell(row, column, None, "rail-tip" if follows else "rail-line")]
    return []


def class_bar(counts: tuple[Count, ...]) -> list[dict[str, Any]]:
    """Arms by treatment as pieces of a bar, from its left end, in units of its width."""
    counts = tuple(one for one in counts if one.n > 0)
    total = sum(one.n for one in counts)
    room = BAR_WIDTH - BAR_GAP * (len(counts) - 1) - BAR_LEAST * len(counts)
    pieces, x = [], 0.0
    for one in counts:
        width = BAR_LEAST + room * one.n / total
        name, style = class_name(one.label), class_style(one.label)
        pieces.append({"name": name, "n": one.n, "style": style, "x": round(x, 2), "width": round(width, 2)})
        x += width + BAR_GAP
    return pieces


def stages(reading: Reading) -> list[dict[str, str]]:
    """The stages after inclusion: what each holds, or that this version does not have it."""
    contents = reading.contents
    flow, planned, done = contents.flow, len(contents.protocol.analyses), len(contents.syntheses)
    analysed = some(done, "analysis", "analyses") if done >= planned else f"{done} of {planned} analyses"
    rows = some(len(contents.strategy.table), "row")
    written = "written" if reading.loaded.report and reading.loaded.report.is_dir() else "not written yet"
    return [
        {"name": "Extract", "text": some(flow.n_estimates, "survival value"), "href": "/studies"},
        {"name": "Appraise", "text": "not built yet", "href": ""},
        {"name": "Synthesise", "text": analysed, "href": "/analyses"},
        {"name": "Certainty", "text": "not built yet", "href": ""},
        {"name": "Strategy", "text": rows, "href": "/strategy"},
        {"name": "Report", "text": written, "href": "/report"},
    ]


def waiting(reading: Reading) -> list[dict[str, str]]:
    """What waits, most pressing first, at most five lines; each is counted from the data."""
    contents = reading.contents
    of = {name: [f for f in contents.findings if f.severity == name] for name in ("error", "warning", "note")}
    lines: list[dict[str, str]] = []

    def add(n: int, title: str, small: str, href: str) -> None:
        if n:
            lines.append({"title": title, "small": small, "href": href})

    n = len(of["error"])
    add(
        n,
        some(n, "finding holds", "findings hold") + " back a result",
        _checks(of["error"]),
        link("/findings", severity="error"),
    )
    n = len(of["warning"])
    add(
        n,
        some(n, "finding") + " to look at before citing",
        _checks(of["warning"]),
        link("/findings", severity="warning"),
    )
    pooled = [s for s in contents.syntheses if s.plan.kind != "median"]
    single = [p for s in pooled for p in s.pools if p.lines and p.fit is None]
    add(
        len(single),
        some(len(single), "question") + " without a pooled result",
        "studies are shown one by one",
        "/analyses",
    )
    gaps = sum(bool(row.gaps) for row in contents.strategy.table)
    add(
        gaps,
        some(gaps, "strategy row") + " with a gap",
        f"of {count(len(contents.strategy.table))}",
        "/strategy",
    )
    n = len(of["note"])
    add(n, some(n, "thing") + " good to know", _checks(of["note"]), link("/findings", severity="note"))
    return lines[:5]


def _checks(findings: list) -> str:
    n = len({finding.check for finding in findings})
    studies = len({study for finding in findings for study in finding.study_ids})
    return f"{some(n, 'check')}, {some(studies, 'study', 'studies')}"
