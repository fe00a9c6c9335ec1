"""Many independent pieces of work through one executor: the same bytes whatever the number of workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


@contextmanager
def executor(workers: int | None = None) -> Iterator[Executor | None]:
    """A process pool of `workers` (default: one a core); None, the work done here, for a single worker."""
    count = workers or min(os.cpu_count() or 1, 8)
    if count <= 1:
        yield None
        return
    # spawn: the same on the three systems, and safe beside threads.
    import multiprocessing

    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def spread(
    work: Callable[[A], B], pieces: Sequence[A], pool: Executor | None, tick: Callable[..., None]
) -> list[B]:
    """`work` on each piece, results in the order of the pieces."""
    done: list[B] = []
    for result in map(work, pieces) if pool is None else pool.map(work, pieces):
        done.append(result)
        tick()
    return done
