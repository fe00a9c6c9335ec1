"""Every golden survival case, against the numbers of the R packages that made it.

Each part (`bench/_golden_survival_*.py`) has FILES: the name of a case file -> a function (case, file) that gives
rows (what, ours, wanted, absolute tolerance) for every number expected of the case, or raises Unsupported. A case
passes when every row is met; a number wanted as NaN (not reached) must be NaN. Cases flagged as a defect of their
reference must not be matched: they pass when ours differs.

A case in which the peer stopped short of the maximum of its own likelihood is counted apart, as "peer inexact": its
function gives Excused(rows, text), where the text tells the proof (our likelihood at the peer's parameters is the
peer's, and ours is higher). A harness that compares raw numbers would not pass it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from kmeta.core.errors import ReviewError

NAME = "golden-survival"
PARTS = ("individual", "cox", "competing", "parametric", "ratios", "pooling", "adjustment")
SKIPPED = ("index.json", "kmdata_hr.json", "reconstruct_real.json")  # scored by `bench km2ipd`
Row = tuple[str, float, float, float]
Case = dict[str, Any]


class Unsupported(Exception):
    """The case asks for something that is not built."""


@dataclass(frozen=True)
class Excused:
    """Rows of a case, and the proof that where they differ the peer is at fault ("": there is none)."""

    rows: list[Row]
    proof: str


Judge = Callable[[Case, Case], list[Row] | Excused]


def judges() -> dict[str, Judge]:
    """Every file's function, from the parts that are there."""
    found: dict[str, Judge] = {}
    for part in PARTS:
        if (Path(__file__).parent / f"_golden_survival_{part}.py").is_file():
            found.update(import_module(f"bench._golden_survival_{part}").FILES)
    return found


def run(data: Path) -> dict[str, Any]:
    """Judge every case; print a table by file and each difference; return the counts."""
    folder = data / "golden-survival" if (data / "golden-survival").is_dir() else data
    known = judges()
    table: dict[str, dict[str, int]] = {}
    failures: list[str] = []
    excused: list[str] = []
    for path in sorted(folder.glob("*.json")):
        if path.name in SKIPPED:
            continue
        file = json.loads(path.read_text(encoding="utf-8"))
        tally = table.setdefault(path.name, {"passed": 0, "failed": 0, "unsupported": 0, "peer inexact": 0})
        for case in file["cases"]:
            verdict, told = judge(case, file, known.get(path.name))
            tally[verdict] += 1
            tally["peer inexact"] += verdict == "passed" and bool(told)
            (failures if verdict == "failed" else excused).extend(
                f"{path.name} {case['id']}: {t}" for t in told
            )
    total = {key: sum(row[key] for row in table.values()) for key in ("passed", "failed", "unsupported")}
    print(f"{'file':24}{'passed':>8}{'failed':>8}{'unsupported':>13}{'peer inexact':>14}")
    for name, row in table.items():
        counts = (row["passed"], row["failed"], row["unsupported"], row["peer inexact"])
        print(f"{name:24}{counts[0]:>8}{counts[1]:>8}{counts[2]:>13}{counts[3]:>14}")
    for text in failures:
        print("FAILED", text)
    for text in excused:
        print("peer", text)
    figures = {"by_file": table, "failures": failures, "peer_inexact": excused}
    peers = {"R": "values made by the packages named in each file"}
    return {"name": NAME, **total, "figures": figures, "peers": peers}


def judge(case: Case, file: Case, ask: Judge | None) -> tuple[str, list[str]]:
    """("passed" | "failed" | "unsupported", what differed)."""
    if ask is None:
        return "unsupported", []
    try:
        found = ask(case, file)
    except Unsupported:
        return "unsupported", []
    except ReviewError as error:
        return "failed", [f"{type(error).__name__}: {error}"]
    rows, proof = (found.rows, found.proof) if isinstance(found, Excused) else (found, "")
    if not rows:
        return "failed", ["nothing was compared"]
    told = list(differences(rows))
    if case.get("reference_bug"):
        return ("passed", []) if told else ("failed", ["equals a number that is known to be wrong"])
    if told and proof:
        return "passed", [f"{proof}; {len(told)} numbers differ, the first: {told[0]}"]
    return ("failed", told[:5]) if told else ("passed", [])


def differences(rows: list[Row]) -> Iterator[str]:
    """What is not met."""
    for what, ours, wanted, tolerance in rows:
        same = math.isnan(ours) if math.isnan(wanted) else abs(ours - wanted) <= tolerance
        if not same:
            yield f"{what} {ours!r}, wanted {wanted!r} within {tolerance:g}"


def number(value: float | None) -> float:
    """null (not reached, not estimable) as NaN."""
    return math.nan if value is None else float(value)
