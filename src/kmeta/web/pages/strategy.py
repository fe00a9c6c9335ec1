"""The strategy table: which option for which patient, on what evidence, and what is missing."""

from __future__ import annotations

from typing import Any

from kmeta.web.query import Query
from kmeta.web.reading import Reading


def view(reading: Reading, query: Query, key: str) -> dict[str, Any]:
    """The rows, those of one state of the patient together; `analysis` only where there is such a page."""
    rows = reading.contents.strategy.table
    states = [
        {
            "state": row.patient_state,
            "row": row,
            "analysis": row.analysis if row.analysis in reading.synthesis else "",
        }
        for row in rows
    ]
    for before, here in zip([None, *states], states, strict=False):
        here["first"] = before is None or before["state"] != here["state"]
    figures = [{"name": name} for name in reading.loaded.figures if name == "strategy"]
    return {"heading": "Which strategy for which patient", "rows": states, "figures": figures}
