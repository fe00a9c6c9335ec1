"""Real digitised figures against the hazard ratio their papers print."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

import kmeta as km

TARGET = 0.017  # median |d log HR| of people who digitise figures
LARGEST = 0.15


def published(data: Path, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows (what, trials, median |d log HR|, met); what the files allow, and what they do not."""
    rows = [*figures(cases), *clicked(data), *radiant(data), *floor(data)]
    if rows:
        print("\nReal figures against the printed hazard ratio (|d log HR|)\n")
        print("| what | trials | median | largest | note |\n| --- | --- | --- | --- | --- |")
        for row in rows:
            print(f"| {row['what']} | {row['trials']} | {row['median']:.4f} | {row['largest']:.4f} | {row['note']} |")
    return rows


def row(what: str, errors: list[float], note: str, met: bool | None = None) -> dict[str, Any]:
    """One row of the table."""
    return {
        "what": what,
        "trials": len(errors),
        "median": float(np.median(errors)),
        "largest": max(errors),
        "note": note,
        "met": met,
    }
