"""Speed of reconstruction: one arm of 300 patients with its table, and 1,000 arms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import kmeta as km
from bench.survival_speed import Work

PATIENTS = 300


def arm(seed: int) -> dict[str, Any]:
    """A pixel trace of simulated patients with numbers at risk every 6 months and the events."""
    draw = np.random.default_rng(seed)
    death, end = draw.exponential(15, PATIENTS), draw.uniform(8, 36, PATIENTS)
    time, event = np.minimum(death, end), (death <= end).astype(float)
    curve = km.kaplan_meier(time, event).curves[0]
    column = np.ceil(curve.time / curve.time[-1] * 1000)
    last = np.append(np.diff(column) > 0, True)
    ticks = [0, 6, 12, 18, 24]
    return {
        "time": column[last] / 1000 * curve.time[-1],
        "survival": np.round(curve.survival[last], 3),
        "n_risk_time": ticks,
        "n_risk": [int((time >= tick).sum()) for tick in ticks],
        "events": int(event.sum()),
    }


def work(data: Path) -> list[Work]:
    """One arm and a thousand; the R packages that do this are not in Debian, so none runs beside."""
    del data
    one, many = arm(1), [arm(seed) for seed in range(1000)]
    return [
        Work("reconstruct_ipd, 300 patients, table, events", lambda: km.reconstruct_ipd(**one), target=0.010),
        Work(
            "reconstruct_ipd, 1,000 curves",
            lambda: [km.reconstruct_ipd(**each) for each in many],
            target=10.0,
            repeat=1,
        ),
    ]
