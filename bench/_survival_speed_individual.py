"""Speed of the estimators of individual data: Kaplan-Meier, log-rank and cumulative incidence at n = 100,000."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from bench.survival_speed import Work
from kmeta.methods.survival import cumulative_incidence, fine_gray, kaplan_meier, logrank, rmst

N = 100_000
MAKE = f"""
suppressMessages(library(survival))
set.seed(1); n <- {N}
t <- rexp(n, 0.1); c <- runif(n, 0, 20); time <- pmin(t, c); status <- as.numeric(t <= c)
arm <- rep(0:1, n / 2); cause <- status * (1 + rbinom(n, 1, 0.4))
took <- function(f) min(replicate(3, system.time(f())[["elapsed"]]))
"""


def work(data: Path) -> list[Work]:
    """Simulated follow-up: exponential with uniform censoring, two arms, two causes."""
    rng = np.random.default_rng(1)
    death, end = rng.exponential(10, N), rng.uniform(0, 20, N)
    t, d = np.minimum(death, end), (death <= end).astype(float)
    arm = np.tile([0, 1], N // 2)
    cause = d * rng.choice([1, 2], N, p=[0.6, 0.4])
    few = slice(0, 1000)
    return [
        Work(
            "kaplan_meier n=100,000",
            lambda: kaplan_meier(t, d),
            beats="R survfit",
            peers={
                "R survfit": lambda: r_seconds("survfit(Surv(time, status) ~ 1)"),
                "lifelines": lambda: lifelines_curve(t, d),
            },
        ),
        Work(
            "logrank, two arms, n=100,000",
            lambda: logrank(t, d, arm),
            beats="R survdiff",
            peers={
                "R survdiff": lambda: r_seconds("survdiff(Surv(time, status) ~ arm)"),
                "lifelines": lambda: lifelines_test(t, d, arm),
            },
        ),
        Work("rmst, two arms, n=100,000", lambda: rmst(t, d, group=arm, tau=15)),
        Work(
            "cumulative_incidence, two causes, n=100,000",
            lambda: cumulative_incidence(t, cause),
            beats="R cuminc",
            peers={"R cuminc": lambda: r_seconds("cuminc(time, cause)", "cmprsk")},
        ),
        Work(
            "fine_gray, one covariate, n=1,000",
            lambda: fine_gray(t[few], cause[few], arm[few], cause=1),
            beats="R crr",
            peers={"R crr": lambda: r_seconds("crr(time[1:1000], cause[1:1000], arm[1:1000])", "cmprsk")},
        ),
    ]


def r_seconds(call: str, package: str = "survival") -> float | None:
    """Seconds of one R call, timed inside R; None where R or the package is absent."""
    if shutil.which("Rscript") is None:
        return None
    code = f'if (!requireNamespace("{package}", quietly = TRUE)) quit(status = 3)\nsuppressMessages(library({package}))'
    code += f"\n{MAKE}\ncat(took(function() {call}))"
    done = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True, check=False, timeout=600)
    return float(done.stdout) if done.returncode == 0 else None


def lifelines_curve(t: np.ndarray, d: np.ndarray) -> float | None:
    """Seconds of lifelines' Kaplan-Meier fit; None where it is absent."""
    if find_spec("lifelines") is None:
        return None
    from lifelines import KaplanMeierFitter

    return _fastest(lambda: KaplanMeierFitter().fit(t, d))


def lifelines_test(t: np.ndarray, d: np.ndarray, arm: np.ndarray) -> float | None:
    """Seconds of lifelines' log-rank test; None where it is absent."""
    if find_spec("lifelines") is None:
        return None
    from lifelines.statistics import multivariate_logrank_test

    return _fastest(lambda: multivariate_logrank_test(t, arm, d))


def _fastest(ask: Callable[[], object]) -> float:
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
