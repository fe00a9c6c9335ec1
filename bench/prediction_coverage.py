"""Simulated coverage of the bootstrap prediction interval beside t with k - 2 df and the test's own.

    python dev.py bench prediction-coverage

Data as in `bench/coverage.py`; every set has its own draws.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

import kmeta as km
from bench.coverage import SEED, TRUE, typical, variances

NAME = "prediction-coverage"
SETS = 300
REPLICATES = 2000
STUDIES = (3, 5, 10, 20)
I2 = (0.0, 0.5, 0.9)


def run(data: Path | None = None, sets: int = SETS) -> dict[str, Any]:
    """Simulate each cell; print the table as Markdown; return the figures. `data` is not read."""
    del data
    rows = [cell(k, i2, sets) for k in STUDIES for i2 in I2]
    error = 100 * math.sqrt(0.95 * 0.05 / sets)
    print(f"Seed {SEED}, {sets} sets a cell, {REPLICATES} replicates; standard error near 95: {error:.1f}.\n")
    print("| k | I2 | bootstrap | t with k - 2 df | width bootstrap / t |\n| --- | --- | --- | --- | --- |")
    for row in rows:
        held = f"{100 * row['bootstrap']:.1f} | {100 * row['riley']:.1f}"
        print(f"| {row['k']} | {100 * row['i2']:.0f} % | {held} | {row['width']:.2f} |")
    figures = {"seed": SEED, "sets": sets, "replicates": REPLICATES, "rows": rows}
    return {"name": NAME, "passed": len(rows), "failed": 0, "unsupported": 0, "figures": figures, "peers": {}}


def cell(k: int, i2: float, sets: int) -> dict[str, Any]:
    """Coverage for one k and I2, and the median ratio of widths."""
    random = np.random.default_rng([SEED, k, round(100 * i2)])
    tau2 = typical(variances(random, (200_000,))) * i2 / (1 - i2)
    held = {"bootstrap": 0, "riley": 0}
    ratios = []
    for one in range(sets):
        v = variances(random, (k,))
        y = TRUE + random.normal(size=k) * np.sqrt(v + tau2)
        new = TRUE + random.normal() * math.sqrt(tau2)
        width = {}
        for pi in held:
            fit = km.random_effects(y, v, measure="GEN", pi=pi, seed=one, n_bootstrap=REPLICATES)
            held[pi] += fit.pi_low <= new <= fit.pi_high
            width[pi] = fit.pi_high - fit.pi_low
        ratios.append(width["bootstrap"] / width["riley"])
    return {
        "k": k,
        "i2": i2,
        **{name: count / sets for name, count in held.items()},
        "width": float(np.median(ratios)),
    }
