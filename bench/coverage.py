"""Simulated coverage of the intervals of random-effects models: HKSJ, Knapp-Hartung and z, and prediction intervals.

    python dev.py bench coverage

Each cell draws `SETS` meta-analyses of k estimates. Sampling variances follow scaled chi-squares with 1 df cut to
[0.009, 0.6] (Brockwell & Gordon 2001, doi:10.1002/sim.650), tau2 makes I2 what it should be at their typical value, and
true effects are normal. Tau2 is by REML. The prediction interval counts the effects of new studies it holds.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

import kmeta as km

NAME = "coverage"
SEED = 20_250_101
SETS = 20_000
STUDIES = (3, 5, 10, 20)
I2 = (0.0, 0.25, 0.5, 0.75, 0.9)
TRUE = 0.3


def run(data: Path | None = None, sets: int = SETS) -> dict[str, Any]:
    """Simulate each cell; print the table as Markdown; return the figures. `data` is not read."""
    del data
    rows = [cell(k, i2, sets) for k in STUDIES for i2 in I2]
    print(table(rows, sets))
    return {
        "name": NAME,
        "passed": len(rows),
        "failed": 0,
        "unsupported": 0,
        "figures": {"seed": SEED, "sets": sets, "rows": rows},
        "peers": {},
    }


def typical(v: np.ndarray[Any, Any]) -> float:
    """Typical sampling variance of a large draw (Higgins & Thompson 2002)."""
    w = 1 / v
    return float((len(w) - 1) * w.sum() / (w.sum() ** 2 - np.sum(w * w)))


def variances(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """0.25 times chi-squares with 1 df, drawn again outside [0.009, 0.6]."""
    out = 0.25 * random.chisquare(1, shape)
    while (bad := (out < 0.009) | (out > 0.6)).any():
        out[bad] = 0.25 * random.chisquare(1, int(bad.sum()))
    return out


def cell(k: int, i2: float, sets: int) -> dict[str, Any]:
    """Coverage and mean width for one k and I2."""
    random = np.random.default_rng([SEED, k, round(100 * i2)])
    middle = typical(variances(random, (200_000,)))
    tau2 = middle * i2 / (1 - i2)
    v = variances(random, (sets, k))
    y = TRUE + random.normal(size=(sets, k)) * np.sqrt(v + tau2)
    new = TRUE + random.normal(size=sets) * math.sqrt(tau2)
    out: dict[str, Any] = {"k": k, "i2": i2, "tau2": tau2}
    for name, test in (("z", "z"), ("hksj", "hksj"), ("knha", "knha")):
        fit = km.random_effects_batch(y, v, tau2="REML", test=test, pi="riley" if test == "hksj" else "test")
        held = (fit.ci_low <= TRUE) & (fit.ci_high >= TRUE)
        out[name] = float(np.mean(held))
        out[f"{name}_width"] = float(np.median(fit.ci_high - fit.ci_low))
        if test != "knha":
            out[f"pi_{name}"] = float(np.mean((fit.pi_low <= new) & (fit.pi_high >= new)))
    return out


def table(rows: list[dict[str, Any]], sets: int) -> str:
    """The figures in percent as a Markdown table."""
    error = 100 * math.sqrt(0.95 * 0.05 / sets)
    lines = [
        f"Seed {SEED}, {sets} sets a cell; standard error of a percentage near 95: {error:.2f}.",
        "",
        "| k | I2 | z | HKSJ | HK without bound | width HKSJ / z | PI, z | PI, t with k - 2 df |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        cells = [f"{100 * row[name]:.1f}" for name in ("z", "hksj", "knha")]
        cells.append(f"{row['hksj_width'] / row['z_width']:.2f}")
        cells += [f"{100 * row[name]:.1f}" for name in ("pi_z", "pi_hksj")]
        lines.append(f"| {row['k']} | {100 * row['i2']:.0f} % | " + " | ".join(cells) + " |")
    return "\n".join(lines)
