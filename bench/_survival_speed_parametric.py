"""Speed of parametric fits, n = 619: beside R's survreg and lifelines where they fit the same model."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kmeta as km
from bench.survival_speed import Work

R_TIMED = """
library(survival); d <- read.csv("{path}")
f <- function() survreg(Surv(time, status) ~ 1, d, dist = "{dist}")
a <- f(); s <- system.time(for (i in 1:100) a <- f())[["elapsed"]]; cat(s / 100)
"""


def work(data: Path) -> list[Work]:
    """Generalised gamma, Weibull, log-normal, a spline with two knots, all distributions, and a cure model."""
    folder = data / "golden-survival" if (data / "golden-survival").is_dir() else data
    colon = json.loads((folder / "parametric.json").read_text(encoding="utf-8"))["data"]["colon_os"]
    time_, event = colon["time"], colon["status"]

    def fit(name: str) -> Callable[[], object]:
        return lambda: km.parametric_survival(time_, event, distribution=name)

    n = len(time_)
    fit("generalised-gamma")()  # loads scipy
    return [
        Work(
            name=f"generalised gamma, n {n}",
            ours=fit("generalised-gamma"),
            target=0.050,
            peers={"lifelines": lifelines("GeneralizedGammaFitter", time_, event)},
        ),
        Work(
            name=f"Weibull, n {n}",
            ours=fit("weibull"),
            peers={
                "R survreg": survreg("weibull", colon),
                "lifelines": lifelines("WeibullFitter", time_, event),
            },
        ),
        Work(
            name=f"log-normal, n {n}",
            ours=fit("log-normal"),
            peers={
                "R survreg": survreg("lognormal", colon),
                "lifelines": lifelines("LogNormalFitter", time_, event),
            },
        ),
        Work(name=f"spline on the hazard scale, 2 knots, n {n}", ours=fit("spline-hazard")),
        Work(
            name=f"all distributions compared, n {n}",
            ours=lambda: km.compare_distributions(time_, event, times=[5, 10]),
        ),
        Work(name=f"mixture cure, Weibull, n {n}", ours=lambda: km.cure_model(time_, event)),
    ]


def survreg(dist: str, data: dict[str, Any]) -> Callable[[], float | None]:
    """Seconds of R's survreg, timed inside R."""

    def ask() -> float | None:
        if not shutil.which("Rscript"):
            return None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "d.csv"
            rows = zip(data["time"], data["status"], strict=True)
            path.write_text("time,status\n" + "".join(f"{t},{d}\n" for t, d in rows), encoding="utf-8")
            script = R_TIMED.format(path=path.as_posix(), dist=dist)
            done = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=False)
        return float(done.stdout) if done.returncode == 0 else None

    return ask


def lifelines(name: str, time_: list[float], event: list[int]) -> Callable[[], float | None]:
    """Seconds of lifelines' fitter."""

    def ask() -> float | None:
        try:
            import lifelines as peer
        except ImportError:
            return None
        best = float("inf")
        for _ in range(3):
            start = time.perf_counter()
            getattr(peer, name)().fit(time_, event)
            best = min(best, time.perf_counter() - start)
        return best

    return ask
