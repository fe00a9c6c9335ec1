"""Speed of the survival engine, beside R (survival) and lifelines where they are installed, in one run.

Each part (`bench/_survival_speed_*.py`) has WORK: rows Work(name, target, ours, peers). `target` is in seconds or a
bound relative to a peer; `ours` and each peer are functions without arguments that do the work once. The smallest of
several runs counts, with its set-up outside.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

NAME = "survival-speed"
PARTS = ("individual", "cox", "parametric", "ipd", "pooling")


@dataclass(frozen=True)
class Work:
    """One piece of work: `target` in seconds; `beats` names a peer that must be slower; peers give None: absent."""

    name: str
    ours: Callable[[], object]
    target: float | None = None
    beats: str = ""
    repeat: int = 5
    peers: dict[str, Callable[[], float | None]] = field(default_factory=dict)


def run(data: Path) -> dict[str, Any]:
    """Time every piece; print the table; return the figures."""
    rows = [measured(work) for part in PARTS for work in works(part, data)]
    print(f"{'work':48}{'kmeta s':>10}{'target s':>10}  peers (s)")
    for row in rows:
        target = "" if row["target"] is None else f"{row['target']:g}"
        peers = ", ".join(f"{k} {'absent' if v is None else f'{v:.4g}'}" for k, v in row["peers"].items())
        print(
            f"{row['work']:48}{row['seconds']:>10.4g}{target:>10}  {peers}{'' if row['met'] else '  NOT MET'}"
        )
    met = sum(row["met"] for row in rows)
    peers = {row["work"]: row["peers"] for row in rows}
    return {
        "name": NAME,
        "passed": met,
        "failed": len(rows) - met,
        "unsupported": 0,
        "figures": {"rows": rows},
        "peers": peers,
    }


def works(part: str, data: Path) -> list[Work]:
    """The pieces of one part, if it is there."""
    if not (Path(__file__).parent / f"_survival_speed_{part}.py").is_file():
        return []
    found: list[Work] = import_module(f"bench._survival_speed_{part}").work(data)
    return found


def measured(work: Work) -> dict[str, Any]:
    """Seconds of ours and of each peer, and whether the target is met."""
    seconds = min(once(work.ours) for _ in range(work.repeat))
    peers = {name: ask() for name, ask in work.peers.items()}
    rival = peers.get(work.beats)
    met = (work.target is None or seconds <= work.target) and (rival is None or seconds < rival)
    return {"work": work.name, "seconds": seconds, "target": work.target, "peers": peers, "met": met}


def once(what: Callable[[], object]) -> float:
    """Seconds of one run."""
    start = time.perf_counter()
    what()
    return time.perf_counter() - start
