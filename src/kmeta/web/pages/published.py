"""Our pooled values beside those of earlier reviews."""

from __future__ import annotations

from typing import Any

from kmeta.web.query import Query
from kmeta.web.reading import Reading


def view(reading: Reading, query: Query, key: str) -> dict[str, Any]:
    """One row for each result that the protocol asks to be compared; the rest of what earlier reviews print below."""
    compared = {id(row.published) for row in reading.contents.beside}
    return {
        "heading": "Beside earlier reviews",
        "rows": [
            {
                "beside": row,
                "kind": _kind(reading, row.analysis),
                "known": row.analysis in reading.synthesis,
            }
            for row in reading.contents.beside
        ],
        "others": [row for row in reading.contents.evidence.published if id(row) not in compared],
    }


def _kind(reading: Reading, analysis: str) -> str:
    synthesis = reading.synthesis.get(analysis)
    return synthesis.plan.kind if synthesis else "survival_at"
