"""CPU seconds of meta-analyses, ours beside R's metafor where Rscript has it; each work on the same made-up data."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import kmeta as km
from kmeta.core.errors import ConvergenceError
from kmeta.methods.meta import TAU2

NAME = "meta-speed"
SEED = 20240117


def run(data: Path) -> dict[str, Any]:
    """Measure and print; `data` is not read, the data are drawn with a fixed seed."""
    del data
    failed = 0
    sets = draw_sets(10_000, 20)
    for y, v in sets:
        try:
            TAU2["REML"](y, v)
        except ConvergenceError:
            failed += 1
    ours = ours_seconds(sets)
    theirs = r_seconds()
    print(f"{'work':44}{'kmeta s':>12}{'metafor s':>12}{'ratio':>9}")
    for work, seconds in ours.items():
        other = theirs.get(work)
        shown = f"{other:>12.5f}{other / seconds:>9.0f}" if other else f"{'-':>12}{'-':>9}"
        print(f"{work:44}{seconds:>12.6f}{shown}")
    print(f"REML unconverged: {failed} of {len(sets)} sets of k = 20")
    if not theirs:
        print("R with metafor is not installed: no peer figures")
    return {
        "name": NAME,
        "passed": len(sets) - failed,
        "failed": failed,
        "unsupported": 0,
        "figures": ours,
        "peers": {"metafor": theirs} if theirs else {},
    }


def draw(k: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """One set of k estimates with heterogeneity."""
    v = rng.uniform(0.01, 0.2, k)
    return rng.normal(0.3, np.sqrt(v + 0.05)), v


def draw_sets(m: int, k: int) -> list[tuple[Any, Any]]:
    """m sets of k estimates."""
    rng = np.random.default_rng(SEED)
    return [draw(k, rng) for _ in range(m)]


def draw_nested(k: int) -> tuple[Any, Any, list[int]]:
    """k estimates in k / 4 studies."""
    rng = np.random.default_rng(SEED)
    y, v = draw(k, rng)
    groups = np.repeat(np.arange(k // 4), 4)
    return y + rng.normal(0, 0.3, k // 4)[groups], v, groups.tolist()


def seconds(work: Callable[[], Any], times: int) -> float:
    """CPU seconds of one call, the least of three rounds."""
    work()
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        for _ in range(times):
            work()
        best = min(best, (time.process_time() - start) / times)
    return best


def ours_seconds(sets: list[tuple[Any, Any]]) -> dict[str, float]:
    """Seconds by work."""
    rng = np.random.default_rng(SEED)
    small, middle, large, huge = draw(13, rng), draw(300, rng), draw(3000, rng), draw(100_000, rng)
    found = {
        "one fit, REML and Hartung-Knapp, k = 13": seconds(lambda: pool(*small), 200),
        "10,000 tau2 by REML, k = 20 (a loop)": seconds(lambda: [TAU2["REML"](y, v) for y, v in sets], 1),
        "one fit, k = 300": seconds(lambda: pool(*middle), 20),
        "one fit, k = 3,000": seconds(lambda: pool(*large), 10),
        "tau2 by REML, k = 100,000": seconds(lambda: TAU2["REML"](*huge), 2),
        "leave one out, k = 200": seconds(pool(*draw_sets(1, 200)[0]).leave_one_out, 3),
    }
    y, v = (np.array(part) for part in zip(*sets, strict=True))
    found["10,000 REML fits, k = 20 (a batch)"] = seconds(lambda: km.random_effects_batch(y, v), 1)
    found["10,000 DL fits, k = 20 (a batch)"] = seconds(lambda: km.random_effects_batch(y, v, tau2="DL"), 1)
    found |= diagnostics_seconds()
    for k in (200, 1_000, 10_000):
        y, v, groups = draw_nested(k)
        found[f"three-level, {k:,} effects"] = seconds(
            lambda y=y, v=v, groups=groups: km.multilevel(y, v, groups=groups, measure="GEN"), 1
        )
    return found


def diagnostics_seconds() -> dict[str, float]:
    """Seconds of what needs very many refits."""
    rng = np.random.default_rng(SEED)
    y, v = draw(40, rng)
    columns = {"a": rng.normal(size=40), "b": rng.normal(size=40)}
    regression = km.random_effects(y, v, measure="GEN", mods=columns)
    few = km.random_effects(y[:14], v[:14], measure="GEN", tau2="DL")
    more = km.random_effects(y[:20], v[:20], measure="GEN")
    large = km.random_effects(*draw_sets(1, 200)[0], measure="GEN")
    return {
        "influence, k = 200": seconds(large.influence, 3),
        "permutation of two moderators, 1,000, k = 40": seconds(regression.permutation_test, 1),
        "GOSH, all 16,383 subsets, DL, k = 14": seconds(few.gosh, 3),
        "GOSH, 100,000 subsets, REML, k = 20": seconds(lambda: more.gosh(n=100_000), 1),
    }


def pool(y: Any, v: Any) -> Any:
    """The fit that is timed, with all that it reports."""
    return km.random_effects(y, v, measure="GEN")


R_SCRIPT = """
suppressPackageStartupMessages(library(metafor))
draw <- function(k) { v <- runif(k, .01, .2); list(y = rnorm(k, .3, sqrt(v + .05)), v = v) }
cpu <- function(f, n) { f(); t <- system.time(for (i in seq_len(n)) f()); (t[[1]] + t[[2]]) / n }
say <- function(name, s) cat(name, s, sep = "\\t", fill = TRUE)
set.seed(1)
a <- draw(13); b <- draw(300); l <- draw(200); n <- draw(200)
say("one fit, REML and Hartung-Knapp, k = 13", cpu(function() rma(a$y, a$v, test = "knha"), 50))
sets <- lapply(1:100, function(i) draw(20))
one <- cpu(function() for (s in sets) try(rma(s$y, s$v), silent = TRUE), 1)
say("10,000 tau2 by REML, k = 20 (a loop)", one * 100)
say("10,000 REML fits, k = 20 (a batch)", one * 100)
say("one fit, k = 300", cpu(function() rma(b$y, b$v, test = "knha"), 1))
r <- rma(l$y, l$v, test = "knha")
say("leave one out, k = 200", cpu(function() leave1out(r), 1))
say("influence, k = 200", cpu(function() influence(r), 1))
p <- draw(40); p$a <- rnorm(40); p$b <- rnorm(40)
s <- rma(p$y, p$v, mods = ~ p$a + p$b, test = "knha")
say("permutation of two moderators, 1,000, k = 40",
    10 * cpu(function() permutest(s, iter = 100, progbar = FALSE), 1))
g <- rep(1:50, each = 4)
say("three-level, 200 effects", cpu(function()
  rma.mv(n$y + rnorm(50, 0, .3)[g], n$v, random = ~ 1 | g/seq_along(g), test = "t", dfs = "contain"), 1))
"""


def r_seconds() -> dict[str, float]:
    """metafor's seconds by work, empty when it is not there (10,000 fits: 100 times those of 100)."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "speed.R"
        script.write_text(R_SCRIPT, encoding="utf-8")
        done = subprocess.run(
            [rscript, "--vanilla", str(script)], capture_output=True, text=True, check=False, timeout=600
        )
    if done.returncode:
        return {}
    rows = (line.split("\t") for line in done.stdout.splitlines() if "\t" in line)
    return {row[0]: float(row[1]) for row in rows if len(row) == 2}
