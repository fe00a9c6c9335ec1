"""Overlapping cohorts of one pool: who is kept, and in which words the others are told why not."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from kmeta.methods.selection.overlaps import Weight, independent_set
from kmeta.methods.selection.rows import Asked, T
from kmeta.review.study import Overlap, Study

_COUNTED = {"keep": (), "drop": ("certain", "likely"), "drop_possible": ("certain", "likely", "possible")}
_STRENGTHS = ("certain", "likely", "possible")


def shared_patients(rows: Sequence[T], asked: Asked) -> dict[T, str]:
    """Rows of studies to leave out, each with its reason.

    Within a pool no two kept studies are joined by an overlap that counts; pairs are not chained. Kept are the
    studies with most patients; ties are broken by more values, more studies, longer recruitment, later year, key.
    """
    counted = [pair for pair in asked.evidence.overlaps if pair.strength in _COUNTED[asked.policy.overlaps]]
    out: dict[T, str] = {}
    for _, group in groupby(sorted(rows, key=lambda row: (row.pool, row.order)), key=lambda row: row.pool):
        members = list(group)
        weights = {row.study.study_id: _weight(row.study, members) for row in members}
        kept = independent_set(weights, [(pair.study_a, pair.study_b) for pair in counted])
        for row in members:
            if row.study.study_id not in kept:
                out[row] = _reason(row, [r for r in members if r.study.study_id in kept], counted)
    return out


def _weight(study: Study, members: Sequence[T]) -> Weight:
    mine = [row for row in members if row.study.study_id == study.study_id]
    return sum(row.patients for row in mine), len(mine), 1, recruitment_months(study), study.year or 0


def recruitment_months(study: Study) -> int:
    """Months from `period_start` to `period_end`, 0 where one of them is not printed.

    >>> recruitment_months(Study(study_id="s", period_start="1985", period_end="2009"))
    288
    """
    start, end = _month(study.period_start), _month(study.period_end)
    return max(0, end - start) if start is not None and end is not None else 0


def _month(date: str) -> int | None:
    parts = date.split("-")
    if not all(part.isdigit() for part in parts[:2]):
        return None
    return 12 * int(parts[0]) + (int(parts[1]) - 1 if len(parts) > 1 else 0)


def _reason(row: T, kept: Sequence[T], counted: Sequence[Overlap]) -> str:
    mine = row.study.study_id
    found: dict[str, Overlap] = {}
    for pair in sorted(counted, key=lambda p: (_STRENGTHS.index(p.strength), p.study_a, p.study_b, p.reason)):
        if mine in (pair.study_a, pair.study_b):
            found.setdefault(pair.study_b if pair.study_a == mine else pair.study_a, pair)
    others = {r.study.study_id: r for r in kept if r.study.study_id in found}
    said = []
    for key in sorted(others):
        pair = found[key]
        n = sum(r.patients for r in kept if r.study.study_id == key)
        said.append(
            f"{others[key].study.label} ({n} patients; {pair.strength}: {pair.reason or 'no reason noted'})"
        )
    kept_words = "which is kept" if len(said) == 1 else "which are kept"
    return f"Shares patients with {' and '.join(said)}, {kept_words}; {row.patients} patients left out."
