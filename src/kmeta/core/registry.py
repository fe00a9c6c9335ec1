"""The small door by which built-ins and strangers enter: a name, and the thing that answers to it."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import TypeVar

from kmeta.core.errors import InputError

T = TypeVar("T")


class Registry(dict[str, T]):
    """name -> thing; looks into entry points only when a name is not built in."""

    def __init__(self, kind: str, *, entry_point_group: str) -> None:
        super().__init__()
        self.kind, self.group = kind, entry_point_group

    def register(self, name: str) -> Callable[[T], T]:
        """Keep what is decorated under `name`; a name is taken once."""

        def keep(thing: T) -> T:
            if name in self:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self[name] = thing
            return thing

        return keep

    def __missing__(self, name: str) -> T:
        for point in entry_points(group=self.group, name=name):
            return self.setdefault(name, point.load())
        near = get_close_matches(str(name), self, n=1) or sorted(self)
        raise InputError(f"no {self.kind} is named {name!r}", hint="perhaps " + ", ".join(near))
