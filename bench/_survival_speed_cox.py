"""Speed of the Cox models beside R's coxph and lifelines; the data are simulated from a fixed seed."""

from __future__ import annotations

import csv
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from shutil import which

import numpy as np

from bench.survival_speed import Work, once
from kmeta import cox, cox_bootstrap, cox_mixed

SCRIPT = Path(__file__).with_name("_survival_speed_cox.R")
Sample = tuple[np.ndarray, np.ndarray, np.ndarray]


def work(_data: Path) -> list[Work]:
    """A trial of 619, a registry of 100,000, the bootstrap, heavy ties, a frailty."""
    trial, registry = sample(619, 1, 0.001), sample(100_000, 3, 1e-6)
    months = sample(300, 1, 0.5)
    many = sample(2000, 2, 0.01)
    clinic = np.arange(2000) % 40
    return [
        Work("Cox n=619", lambda: cox(*trial), beats="R", peers=peers(trial, "ONE")),
        Work(
            "Cox n=100,000, 3 covariates",
            lambda: cox(*registry),
            beats="R",
            peers=peers(registry, "ONE"),
            repeat=3,
        ),
        Work(
            "1,000 bootstrap fits n=619",
            lambda: cox_bootstrap(*trial, n_bootstrap=1000),
            target=3.0,
            beats="R",
            repeat=2,
            peers=peers(trial, "BOOTSTRAP"),
        ),
        Work(
            f"exact ties, n=300, {ties_of(months)} events at one time",
            lambda: cox(*months, ties="exact"),
            beats="R",
            peers=peers(months, "EXACT"),
        ),
        Work("normal frailty of 40 clusters, n=2,000", lambda: cox_mixed(*many, cluster=clinic), repeat=1),
    ]


def sample(n: int, p: int, step: float) -> Sample:
    """Times rounded to `step`, about half of them censored."""
    random = np.random.default_rng(n)
    x = random.normal(size=(n, p))
    x[:, 0] = random.random(n) < 0.5
    time, last = random.exponential(np.exp(0.4 * x[:, 0])), random.exponential(1.5, n)
    return np.ceil(np.minimum(time, last) / step) * step, (time <= last).astype(float), x


def ties_of(data: Sample) -> int:
    """The largest number of events at one time."""
    return int(np.unique(data[0][data[1] > 0], return_counts=True)[1].max())


def peers(data: Sample, kind: str) -> dict[str, Callable[[], float | None]]:
    """Seconds of the others, where they are installed."""
    found: dict[str, Callable[[], float | None]] = {"R": lambda: in_r(data, kind)}
    if kind == "ONE":
        found["lifelines"] = lambda: in_lifelines(data)
    return found


def in_r(data: Sample, kind: str) -> float | None:
    """Seconds inside R; None where R or its package is absent."""
    program = which("Rscript")
    if program is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["time", "event", *(f"x{j}" for j in range(data[2].shape[1]))])
            writer.writerows(np.column_stack([data[0], data[1], data[2]]).tolist())
        done = subprocess.run(
            [program, str(SCRIPT), str(path), kind], capture_output=True, text=True, check=False, timeout=600
        )
    return float(done.stdout) if done.returncode == 0 else None


def in_lifelines(data: Sample) -> float | None:
    """Seconds of CoxPHFitter; None where lifelines is absent or cannot be loaded."""
    try:
        import pandas as pd
        from lifelines import CoxPHFitter
    except Exception:  # a peer that does not load is absent
        return None
    frame = pd.DataFrame(data[2], columns=[f"x{j}" for j in range(data[2].shape[1])])
    frame["time"], frame["event"] = data[0], data[1]
    return once(lambda: CoxPHFitter().fit(frame, "time", "event"))
