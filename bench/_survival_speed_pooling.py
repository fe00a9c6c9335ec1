"""Speed of pooled survival: the summary curve of 27 studies, with and without all that hangs on it."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from pathlib import Path

from bench.survival_speed import Work
from kmeta.methods.pooling import joint_survival, pooled_curve, pooled_median, pooled_rmst, rmst_by_study

R_CURVE = """
if (!requireNamespace("metaSurvival", quietly = TRUE)) { cat("absent"); quit() }
library(metaSurvival)
d <- read.csv(file("stdin"))
one <- function() system.time(msurv(d$study, d$time, d$n_risk, d$survival, confidence = "Greenwood"))[["elapsed"]]
cat(min(replicate(3, one())))
"""


def work(data: Path) -> list[Work]:
    """The pieces; none where the golden data are absent."""
    folder = data / "golden-survival" if (data / "golden-survival").is_dir() else data
    path = folder / "pooled_curve.json"
    if not path.is_file():
        print(f"{path.name} is absent: pooled survival is not timed")
        return []
    given = json.loads(path.read_text(encoding="utf-8"))["cases"][0]["input"]
    columns = {
        "study": given["study"],
        "time": given["time"],
        "survival": given["surv"],
        "n_risk": given["n_risk"],
    }
    k = len(set(given["study"]))
    classes = [f"class {i % 3}" for i in range(k)]
    trials = json.loads((folder / "rmst_meta.json").read_text(encoding="utf-8"))["cases"][0]
    ipd = trials["input"]
    rmst = partial(
        rmst_by_study, ipd["Time"], ipd["Event"], study=ipd["trialID"], arm=ipd["Arm"], tau=trials["tau"]
    )
    rows = {"survival": [0.8, 0.6, 0.7, 0.5] * 20, "n": [50, 45, 80, 70] * 20, "time": [12, 60] * 40}
    studies = [str(i // 2) for i in range(80)]
    peers = {"metaSurvival": partial(msurv, columns)}
    return [
        Work(f"pooled curve, {k} studies", partial(pooled_curve, columns), 0.020, repeat=20, peers=peers),
        Work(
            f"pooled curve, {k} studies, three classes, test",
            partial(pooled_curve, columns, groups=classes),
            repeat=10,
        ),
        Work(f"leave one out, {k} studies", lambda: pooled_curve(columns).leave_one_out(), repeat=5),
        Work(
            "survival at two times together, 40 studies",
            lambda: joint_survival(**rows, study=studies),
            repeat=5,
        ),
        Work("pooled RMST of individual data, 3 horizons", lambda: pooled_rmst(rmst(), model="multivariate")),
        Work("40 medians, 10 not reached", _medians, repeat=5),
    ]


def _medians() -> object:
    median = [None if i % 4 == 0 else 20.0 + i for i in range(40)]
    low = [12.0 + i / 2 for i in range(40)]
    return pooled_median(median, low, events=[30] * 40)


def msurv(columns: dict[str, list[float]]) -> float | None:
    """Seconds of metaSurvival's msurv inside R; None where R or the package is absent."""
    lines = [",".join(columns), *(",".join(map(repr, row)) for row in zip(*columns.values(), strict=True))]
    try:
        done = subprocess.run(
            ["Rscript", "-e", R_CURVE],
            input="\n".join(lines),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode or done.stdout.strip() in ("", "absent") else float(done.stdout)
