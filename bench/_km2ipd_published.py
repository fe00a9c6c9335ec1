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
            print(
                f"| {row['what']} | {row['trials']} | {row['median']:.4f} | {row['largest']:.4f} | {row['note']} |"
            )
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


def figures(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cases whose data were themselves read off a figure, read once more, against the paper.

    The files do not say which arm is the reference, so the direction that agrees better is taken.
    """
    errors = []
    for case in cases:
        printed = (case.get("published") or {}).get("hr")
        if printed is None:
            continue
        arms = [
            {
                "time": [p[0] for p in arm["curves"]["medium"]],
                "survival": [p[1] for p in arm["curves"]["medium"]],
                "n_risk_time": arm["nrisk_time"],
                "n_risk": arm["nrisk"],
            }
            for arm in case["arms"]
        ]
        ours = km.reconstruct_trial(arms, ensemble=0).log_hr
        errors.append(abs(abs(ours) - abs(math.log(printed))))
    note = "points of medium resolution and numbers at risk; better direction"
    return [row("kmdata figures", errors, note, float(np.median(errors)) <= TARGET)] if errors else []


def clicked(data: Path) -> list[dict[str, Any]]:
    """Clicks of a person on a printed figure, with its numbers at risk."""
    path = data / "golden-survival" / "reconstruct_real.json"
    if not path.is_file():
        return []
    found = []
    for case in json.loads(path.read_text(encoding="utf-8"))["cases"]:
        printed = (case.get("published") or {}).get("hr")
        if printed is None:
            continue
        arms = [
            {
                "time": [p[0] for p in arm["curve"]],
                "survival": [p[1] for p in arm["curve"]],
                "scale": "percent" if arm["maxy"] == 100 else "fraction",
                "n_risk_time": arm["nrisk_time"],
                "n_risk": arm["nrisk"],
                "label": arm["name"],
            }
            for arm in case["arms"]
        ]
        low_high = tuple(case["published"]["ci95"]) if "ci95" in case["published"] else None
        trial = km.reconstruct_trial(arms, hazard_ratio=printed, ci=low_high)
        alone = km.reconstruct_trial(arms, ensemble=0)
        peer = case["expect"]["hr_second_vs_first"]["nrisk"]["hr"]
        note = f"HR {alone.hr:.3f} without, {trial.hr:.3f} with the printed {printed}; peer {peer:.3f}"
        found.append(row(case["id"], [abs(alone.log_hr - math.log(printed))], note))
    return found


def radiant(data: Path) -> list[dict[str, Any]]:
    """RADIANT-4 progression-free survival: data -> exact steps and pixels -> data -> hazard ratio and medians."""
    folder = data / "nelm" / "published-cases" / "radiant4-pfs-ipd"
    if not folder.is_dir():
        return []
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    with (folder / "ipd.csv").open(encoding="utf-8", newline="") as file:
        patients = list(csv.DictReader(file))
    steps, pixels = [], []
    for name in ("placebo", "everolimus"):
        own = [p for p in patients if p["arm"] == name]
        curve = km.kaplan_meier([float(p["time"]) for p in own], [int(p["event"]) for p in own]).curves[0]
        at = np.arange(0, curve.time[-1], 3.0)
        known = {
            "n_risk_time": at.tolist(),
            "n_risk": [int(sum(float(p["time"]) >= t for p in own)) for t in at],
            "label": name,
            "time": curve.time,
        }
        steps.append(known | {"survival": curve.survival, "interpolation": "steps"})
        pixels.append(known | {"survival": np.round(curve.survival * 500) / 500})
    reference = math.log(expected["reference"]["hr"])
    found = []
    for what, arms in (("RADIANT-4, steps", steps), ("RADIANT-4, pixels", pixels)):
        trial = km.reconstruct_trial(arms, hazard_ratio=expected["published"]["hr"])
        medians = ", ".join(f"{arm.median:.2f}" for arm in trial.arms)
        told = "; ".join(c.message for c in trial.contradictions) or "no contradiction"
        error = abs(trial.unadjusted_log_hr - reference)
        note = f"v Cox on the data; HR {math.exp(trial.unadjusted_log_hr):.4f}, medians {medians}; {told}"
        found.append(row(what, [error], note, error <= TARGET))
    return found


def floor(data: Path) -> list[dict[str, Any]]:
    """What careful people attained on other figures (numbers only: their points are not in the file)."""
    path = data / "golden-survival" / "kmdata_hr.json"
    if not path.is_file():
        return []
    stored = json.loads(path.read_text(encoding="utf-8"))["cases"]
    errors = [abs(case["log_hr_error_best_direction"]) for case in stored]
    return [
        row("kmdata_hr.json", errors, "people with Guyot's algorithm, as stored: no points to read again")
    ]
