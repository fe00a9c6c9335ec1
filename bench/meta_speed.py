"""CPU seconds of meta-analyses, ours beside the peers that are installed, on the same made-up data in the same run.

Peers: R's metafor where Rscript has it; PyMARE and statsmodels in a Python environment of their own, named by the
environment variable KMETA_PEERS_PYTHON (its interpreter), else the folder `.peers` beside the checkout, if there is one
(`python3 -m venv ../.peers && ../.peers/bin/pip install PyMARE statsmodels`).
"""

from __future__ import annotations

import os
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
HERE = Path(__file__).resolve().parent
PATIENCE = 900  # seconds for all that a peer does
TARGETS = {
    "one REML fit with Hartung-Knapp, k = 13": 0.0003,
    "10,000 REML fits, k = 20": 0.05,
    "REML, k = 3,000": 0.001,
    "REML, k = 100,000": 0.05,
    "three-level, 1,000 effects": 0.02,
    "three-level, 10,000 effects": 0.3,
    "logit GLMM of proportions, k = 30": 0.005,
    "GLMM of odds ratios, exact conditional, k = 30": 1.0,
    "permutation test of two moderators, 1,000": 0.05,
    "GOSH, 16,384 subsets (DL)": 0.02,
    "GOSH, 100,000 subsets (REML)": 0.5,
    "leave-one-out, k = 200": 0.01,
}
Columns = dict[str, Any]
Seconds = dict[str, float]


def run(data: Path) -> dict[str, Any]:
    """Measure and print; `data` is not read, the data are drawn with a fixed seed."""
    del data
    made = draw_all()
    ours = ours_seconds(made)
    with tempfile.TemporaryDirectory() as folder:
        for name, columns in made.items():
            write(Path(folder) / f"{name}.csv", columns)
        peers, notes = r_seconds(Path(folder))
        theirs, more = python_seconds(Path(folder))
    peers |= theirs
    show(ours, peers)
    for note in (*notes, *more):
        print(note)
    missed = [work for work, target in TARGETS.items() if ours[work] > target]
    print(
        f"targets reached: {len(TARGETS) - len(missed)} of {len(TARGETS)}" + "".join(f"; {w}" for w in missed)
    )
    failed, sets = unconverged(made["sets"])
    print(f"REML unconverged: {failed} of {sets} sets of k = 20")
    unsettled, hostile = hostile_sets(20, 50_000)
    print(f"REML unconverged: {unsettled} of {hostile} hostile sets of k = 2 to 8")
    return {
        "name": NAME,
        "passed": sets - failed,
        "failed": failed,
        "unsupported": 0,
        "figures": {"seconds": ours, "targets": TARGETS, "missed": missed, "hostile unconverged": unsettled},
        "peers": peers,
    }


def show(ours: Seconds, peers: dict[str, Seconds]) -> None:
    """One row a work: ours, the target, each peer with how many times ours it takes."""
    print(f"{'CPU seconds of one':48}{'kmeta':>11}{'target':>9}" + "".join(f"{peer:>26}" for peer in peers))
    for work, own in ours.items():
        target = TARGETS.get(work)
        line = f"{work:48}{own:>11.6f}" + (f"{target:>9}" if target else f"{'':>9}")
        for found in peers.values():
            other = found.get(work)
            line += f"{f'{other:.5f} ({other / own:,.1f} x)' if other else '-':>26}"
        print(line)


# --- data -------------------------------------------------------------------------------------------------------


def draw(k: int, rng: np.random.Generator) -> Columns:
    """k estimates with heterogeneity."""
    v = rng.uniform(0.01, 0.2, k)
    return {"y": rng.normal(0.3, np.sqrt(v + 0.05)), "v": v}


def draw_all() -> dict[str, Columns]:
    """All data, by name."""
    rng = np.random.default_rng(SEED)
    sizes = {"one": 13, "large": 3_000, "huge": 100_000, "left": 200, "moderators": 40, "few": 14, "more": 20}
    made = {name: draw(k, rng) for name, k in sizes.items()}
    made["sets"] = draw(200_000, rng)  # 10,000 sets of 20, one after another
    made["moderators"] |= {"a": rng.normal(size=40), "b": rng.normal(size=40)}
    for name, k in (("nested", 1_000), ("nested_more", 10_000)):
        study = np.repeat(np.arange(k // 4), 4)
        made[name] = draw(k, rng) | {"study": study}
        made[name]["y"] += rng.normal(0, 0.3, k // 4)[study]
    n = rng.integers(40, 160, 30)
    logit = rng.normal(-1, 0.6, 30)
    made["proportions"] = {"x": rng.binomial(n, 1 / (1 + np.exp(-logit))), "n": n}
    n2, effect = rng.integers(40, 160, 30), rng.normal(-0.4, 0.3, 30)
    made["odds"] = {
        "ai": rng.binomial(n, 1 / (1 + np.exp(-logit - effect))),
        "n1i": n,
        "ci": rng.binomial(n2, 1 / (1 + np.exp(-logit))),
        "n2i": n2,
    }
    return made


def write(path: Path, columns: Columns) -> None:
    """The peers' copy."""
    table = np.column_stack(list(columns.values()))
    np.savetxt(path, table, delimiter=",", header=",".join(columns), comments="", fmt="%.17g")


def hostile_sets(rounds: int, m: int) -> tuple[int, int]:
    """(sets that did not settle by REML, sets): variances over 14 decades, Cauchy estimates, ties, gaps."""
    rng = np.random.default_rng(SEED)
    unsettled = 0
    for _ in range(rounds):
        k = int(rng.integers(2, 9))
        v = 10.0 ** rng.uniform(-8, 6, (m, k))
        y = rng.standard_cauchy((m, k)) * 10.0 ** rng.uniform(-6, 6, (m, 1))
        y[: m // 20] = 1.0
        v[m // 20 : m // 10] = 1e-3
        many = km.random_effects_batch(y, v, mask=rng.random((m, k)) < 0.9)
        unsettled += int((~many.converged).sum())
    return unsettled, rounds * m


def unconverged(sets: Columns) -> tuple[int, int]:
    """(sets whose REML did not settle one by one, sets)."""
    failed = 0
    y, v = sets["y"].reshape(-1, 20), sets["v"].reshape(-1, 20)
    for row, variances in zip(y, v, strict=True):
        try:
            TAU2["REML"](row, variances)
        except ConvergenceError:
            failed += 1
    return failed, len(y)


# --- ours -------------------------------------------------------------------------------------------------------


def seconds(work: Callable[[], Any], times: int) -> float:
    """CPU seconds of one call, the least of five rounds."""
    work()
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        for _ in range(times):
            work()
        best = min(best, (time.process_time() - start) / times)
    return best


def pool(columns: Columns, **options: Any) -> Any:
    """The fit that is timed, with all that it reports: REML, Hartung-Knapp, Q-profile and prediction intervals."""
    return km.random_effects(columns["y"], columns["v"], measure="GEN", **options)


def ours_seconds(made: dict[str, Columns]) -> Seconds:
    """By work: those with a target, then others of the kind."""
    works = {**required(made), **others(made)}
    return {work: seconds(call, times) for work, (call, times) in works.items()}


def required(made: dict[str, Columns]) -> dict[str, tuple[Callable[[], Any], int]]:
    """(call, repetitions a round) of each work in TARGETS, in its order."""
    y, v = (made["sets"][name].reshape(-1, 20) for name in ("y", "v"))
    moderators = made["moderators"]
    regression = pool(moderators, mods={name: moderators[name] for name in ("a", "b")})
    few, more, left = pool(made["few"], tau2="DL"), pool(made["more"]), pool(made["left"])
    proportions, odds = made["proportions"], made["odds"]
    calls: list[tuple[Callable[[], Any], int]] = [
        (lambda: pool(made["one"]), 200),
        (lambda: km.random_effects_batch(y, v), 1),
        (lambda: pool(made["large"]), 20),
        (lambda: pool(made["huge"]), 2),
        (three_level(made["nested"]), 3),
        (three_level(made["nested_more"]), 1),
        (lambda: km.glmm("PLO", xi=proportions["x"], ni=proportions["n"]), 5),
        (lambda: km.glmm("OR", **odds, model="CM.EL"), 1),
        (lambda: regression.permutation_test(n=1_000), 1),
        (few.gosh, 3),
        (lambda: more.gosh(n=100_000), 1),
        (left.leave_one_out, 3),
    ]
    return dict(zip(TARGETS, calls, strict=True))


def three_level(columns: Columns) -> Callable[[], Any]:
    """Effects in studies."""
    groups = columns["study"].tolist()
    return lambda: km.multilevel(columns["y"], columns["v"], groups=groups, measure="GEN")


def others(made: dict[str, Columns]) -> dict[str, tuple[Callable[[], Any], int]]:
    """Works without a target."""
    y, v = (made["sets"][name].reshape(-1, 20) for name in ("y", "v"))
    nested = made["nested"]
    groups = nested["study"].tolist()
    blocks = km.impute_covariance(nested["v"], groups, rho=0.5)
    correlated = km.multilevel(nested["y"], blocks, groups=groups, measure="GEN")
    return {
        "10,000 tau2 by REML, k = 20, in a loop": (lambda: unconverged(made["sets"]), 1),
        "10,000 DL fits, k = 20": (lambda: km.random_effects_batch(y, v, tau2="DL"), 1),
        "influence, k = 200": (pool(made["left"]).influence, 3),
        "three-level, 1,000 effects, correlated errors": (
            lambda: km.multilevel(nested["y"], blocks, groups=groups, measure="GEN"),
            1,
        ),
        "its cluster-robust tests (CR2)": (lambda: correlated.robust(groups), 1),
    }


# --- peers ------------------------------------------------------------------------------------------------------


def r_seconds(folder: Path) -> tuple[dict[str, Seconds], list[str]]:
    """({"metafor <version>": seconds by work}, what is to be said of them)."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        return {}, ["R is not installed: no figures of metafor"]
    lines, said = lines_of([rscript, "--vanilla", str(HERE / "_meta_speed.R"), str(folder)])
    rows = [line.split("\t") for line in lines if line.count("\t") == 2]
    if not rows:
        return {}, [f"R has no metafor: none of its figures {said}".rstrip()]
    peer = f"metafor {rows[0][1]}"
    found = {work: float(figure) for work, figure, _ in rows[1:] if figure != "NA"}
    notes = [f"{peer}, {work}: {note}" for work, _, note in rows[1:] if note]
    return {peer: found}, [*notes, *([said] if said else [])]


def python_seconds(folder: Path) -> tuple[dict[str, Seconds], list[str]]:
    """As `r_seconds`, of the peers in Python."""
    python = peers_python()
    if not python.is_file():
        return {}, [
            f"{python} is absent: no figures of PyMARE and statsmodels (KMETA_PEERS_PYTHON names another)"
        ]
    lines, said = lines_of([str(python), str(HERE / "_meta_speed_python.py"), str(folder)])
    found: dict[str, Seconds] = {}
    for line in lines:
        peer, work, figure = line.split("\t")
        found.setdefault(peer, {})[work] = float(figure)
    notes = [] if found else ["PyMARE and statsmodels are not in the peers' environment"]
    if any(peer.startswith("statsmodels") for peer in found):
        notes.append("statsmodels has no REML: its figures are of Paule and Mandel's estimator")
    return found, [*notes, *([said] if said else [])]


def peers_python() -> Path:
    """The interpreter of the peers' environment."""
    named = os.environ.get("KMETA_PEERS_PYTHON")
    if named:
        return Path(named)
    folder = HERE.parent.parent / ".peers"
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def lines_of(command: list[str]) -> tuple[list[str], str]:
    """What a peer printed, and why it ended early if it did."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired as late:
        printed = late.stdout.decode() if isinstance(late.stdout, bytes) else late.stdout or ""
        return printed.splitlines(), f"stopped after {PATIENCE} s"
    problem = done.stderr.strip().splitlines()[-1:] if done.returncode else []
    return done.stdout.splitlines(), "".join(problem)
