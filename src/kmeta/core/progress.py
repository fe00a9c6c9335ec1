"""How a long step says how far it is: `with progress("Reading", total=190) as tick: tick()`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Tick = Callable[..., None]


class Progress(Protocol):
    """What the faces give to steps: the terminal shows a bar, a test or a script shows nothing."""

    def __call__(self, label: str, total: int | None = None) -> AbstractContextManager[Tick]:
        """Begin one piece of work of `total` parts (None: not known); the tick takes how many are done, 1."""
        ...


@contextmanager
def silent(label: str, total: int | None = None) -> Iterator[Tick]:
    """Show nothing."""
    del label, total
    yield lambda done=1: None
