"""Reconstruction of individual data from curves, scored against the data the curves came from.

    python dev.py bench km2ipd

First table: every case of `golden-survival/km2ipd` at each digitisation and information level, beside what Guyot's
algorithm as written in an R package attains on them (figures of the task, not run here). Second: trials simulated
here, other shapes and other readers (`bench/_km2ipd_simulated.py`). Third: real digitised figures against the
hazard ratio their papers print. The truth is never an input.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import kmeta as km
from bench._km2ipd_published import published
from bench._km2ipd_simulated import READERS, trials
from kmeta.core.errors import ReviewError

NAME = "km2ipd"
DRAWS = 40
READINGS = ("fine", "medium", "clicks")
LEVELS = ("nrisk+events", "nrisk", "n+events", "n")
# |d log HR| of the peer, median and 90th percentile over 27 cases
PEER = {
    ("fine", "nrisk+events"): (0.0106, 0.0509),
    ("fine", "nrisk"): (0.0113, 0.0509),
    ("fine", "n+events"): (0.0184, 0.1002),
    ("fine", "n"): (0.0515, 0.1941),
    ("medium", "nrisk+events"): (0.0069, 0.0305),
    ("medium", "nrisk"): (0.0069, 0.0313),
    ("medium", "n+events"): (0.0117, 0.1026),
    ("medium", "n"): (0.0306, 0.1953),
    ("clicks", "nrisk+events"): (0.0275, 0.0881),
    ("clicks", "nrisk"): (0.0275, 0.1038),
    ("clicks", "n+events"): (0.0350, 0.1286),
    ("clicks", "n"): (0.0447, 0.1774),
}
PEER_RMST_P90 = {("clicks", "nrisk+events"): 0.0731}
REQUIRED = (
    ("fine", "nrisk+events"),
    ("medium", "nrisk+events"),
    ("medium", "n+events"),
    ("medium", "n"),
    ("clicks", "nrisk+events"),
)
LEAST_COVER, MOST_COVER = 0.90, 0.99
Case = dict[str, Any]


def run(data: Path) -> dict[str, Any]:
    """Score everything; print three tables; return the figures."""
    folder = data / "golden-survival" / "km2ipd"
    cases = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    if not cases:
        print(f"{folder} has no cases: the first table is left out")
    given = [score(cases, reading, level) for reading in READINGS for level in LEVELS if cases]
    show("Cases with a known truth", given)
    simulated = list(trials())
    drawn = [score(simulated, reading, level) for reading in READERS for level in LEVELS]
    show("Simulated here", drawn)
    real = published(data, cases)
    checks = [*(check(row) for row in given), *(row["failures"] == 0 for row in drawn), *coverage(given)]
    checks += [row["met"] for row in real if row["met"] is not None]
    figures = {"cases": given, "simulated": drawn, "published": real}
    peers = {"IPDfromKM": {" ".join(key): value for key, value in PEER.items()}}
    failed = len(checks) - sum(checks)
    return {
        "name": NAME,
        "passed": sum(checks),
        "failed": failed,
        "unsupported": 0 if cases else len(READINGS) * len(LEVELS),
        "figures": figures,
        "peers": peers,
    }


def arguments(arm: Case, reading: str, level: str) -> dict[str, Any]:
    """What a reader of the figure knows of one arm at an information level; nothing of the truth."""
    points = np.array(arm["curves"][reading], dtype=float)
    known = {"time": points[:, 0], "survival": points[:, 1], "n": arm["n"], "label": str(arm["name"])}
    if "nrisk" in level:
        known |= {"n_risk_time": arm["nrisk_time"], "n_risk": arm["nrisk"]}
    if "events" in level:
        known["events"] = arm["total_events"]
    return known


def score(cases: list[Case], reading: str, level: str) -> dict[str, Any]:
    """Errors over all cases of one reading and level."""
    found, failures = [], 0
    for case in cases:
        try:
            found.append(one(case, reading, level))
        except ReviewError as error:
            failures += 1
            print(f"FAILED {case['id']} {reading} {level}: {error}")
    arms = [arm for each in found for arm in each["arms"]]

    def spread(values: list[float]) -> tuple[float, float, float]:
        kept = [v for v in values if not math.isnan(v)]
        return float(np.median(kept)), float(np.quantile(kept, 0.9)), float(max(kept))

    return {
        "reading": reading,
        "level": level,
        "cases": len(found),
        "failures": failures,
        "log_hr": spread([each["log_hr"] for each in found]),
        "se_ratio": float(np.median([each["se_ratio"] for each in found])),
        "covered": float(np.mean([each["covered"] for each in found])),
        "between_sd": float(np.median([each["between_sd"] for each in found])),
        **{
            name: spread([arm[name] for arm in arms])
            for name in ("max_ds", "mean_ds", "median", "rmst", "events", "seconds")
        },
    }


def one(case: Case, reading: str, level: str) -> dict[str, Any]:
    """One case: both arms, the hazard ratio, its interval."""
    known = [arguments(arm, reading, level) for arm in case["arms"]]
    arms = []
    for arm, told in zip(case["arms"], known, strict=True):
        start = time.perf_counter()
        found = km.reconstruct_ipd(**told)
        seconds = time.perf_counter() - start
        arms.append({**against_truth(arm, found), "seconds": seconds})
    trial = km.reconstruct_trial(known, ensemble=DRAWS)
    truth = case["truth"]
    low, high = trial.own_interval
    return {
        "arms": arms,
        "log_hr": abs(trial.log_hr - truth["log_hr"]),
        "se_ratio": trial.se / truth["se_log_hr"],
        "covered": low <= math.exp(truth["log_hr"]) <= high,
        "between_sd": trial.between_sd,
    }


def against_truth(arm: Case, found: km.methods.ipd.ReconstructedIPD) -> dict[str, float]:
    """Distances of one arm's reconstruction from the data behind its curve."""
    truth = arm["truth"]
    own_time, own_event = (np.array(arm["truth_ipd"][key], dtype=float) for key in ("time", "status"))
    tau = float(truth["tau"])
    grid = np.linspace(0, tau, 1001)
    true, ours = curve(own_time, own_event, grid), curve(found.time, found.event, grid)
    middle = (grid[1:] + grid[:-1]) / 2
    rmst = float(curve(found.time, found.event, middle).mean()) * tau
    median = truth["median"]
    reached = median is not None and not math.isnan(found.median)
    return {
        "max_ds": float(np.abs(true - ours).max()),
        "mean_ds": float(np.abs(true - ours).mean()),
        "median": abs(found.median / median - 1) if reached else math.nan,
        "rmst": abs(rmst / truth["rmst"] - 1),
        "events": abs(found.events / truth["events"] - 1),
    }


def curve(times: np.ndarray, events: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The Kaplan-Meier estimate at given times."""
    fit = km.kaplan_meier(times, events).curves[0]
    survival = np.append(1.0, fit.survival)
    return survival[np.searchsorted(fit.time, at, side="right")]


def check(row: dict[str, Any]) -> bool:
    """Whether a row of the given cases is without failures and, where asked, half of the peer."""
    key = (row["reading"], row["level"])
    median, p90 = PEER[key]
    good = row["failures"] == 0
    if key in REQUIRED:
        good = good and row["log_hr"][0] <= median and row["log_hr"][1] <= p90 / 2
    if key in PEER_RMST_P90:
        good = good and row["rmst"][1] <= PEER_RMST_P90[key] / 2
    return good


def coverage(rows: list[dict[str, Any]]) -> Iterator[bool]:
    """Whether the intervals of the ensembles hold the truth in 90 to 99 % over all readings and levels."""
    if rows:
        yield LEAST_COVER <= float(np.mean([row["covered"] for row in rows])) <= MOST_COVER


def show(title: str, rows: list[dict[str, Any]]) -> None:
    """One table as Markdown."""
    if not rows:
        return
    print(
        f"\n{title} ({rows[0]['cases']} trials; median / 90th percentile; peer: IPDfromKM, {DRAWS} draws)\n"
    )
    print(
        "| points | known | d log HR | peer | SE ratio | covered | max dS | mean dS | median | RMST | events | ms |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        peer = PEER.get((row["reading"], row["level"])) if title.startswith("Cases") else None
        words = [
            row["reading"],
            row["level"],
            pair(row["log_hr"], 4),
            "" if peer is None else pair(peer, 4),
            f"{row['se_ratio']:.3f}",
            f"{100 * row['covered']:.0f} %",
            pair(row["max_ds"], 3),
            pair(row["mean_ds"], 4),
            percent(row["median"]),
            percent(row["rmst"]),
            percent(row["events"]),
            f"{1000 * row['seconds'][0]:.1f}",
        ]
        print("| " + " | ".join(words) + " |")
    print(f"\ncovered, all: {100 * float(np.mean([row['covered'] for row in rows])):.1f} %")


def pair(values: tuple[float, ...], places: int) -> str:
    """Median / 90th percentile."""
    return f"{values[0]:.{places}f} / {values[1]:.{places}f}"


def percent(values: tuple[float, ...]) -> str:
    """Median / 90th percentile in percent."""
    return f"{100 * values[0]:.1f} / {100 * values[1]:.1f} %"
