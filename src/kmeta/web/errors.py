"""What a page says when it has nothing to show."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from kmeta.core.errors import ReviewError


class NotHere(ReviewError):
    """Something was asked for that the review does not have; `near` are (address, name) of what it may be."""

    exit_code, http_status = 2, 404

    def __init__(
        self, message: str, *, near: Iterable[tuple[str, str]] = (), where: str = "", hint: str = ""
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.near = tuple(near)

    def to_dict(self) -> dict[str, object]:
        """As the root's, with the nearest things there are."""
        return {**super().to_dict(), "near": [{"href": href, "name": name} for href, name in self.near]}


class NotSupported(ReviewError):
    """A request this app never answers: another method, too long an address."""

    exit_code = 2

    def __init__(self, message: str, *, status: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.http_status = status


def nearest(asked: str, names: Iterable[str], n: int = 3) -> list[str]:
    """The names most like `asked`; of very many only those that begin alike are looked at."""
    asked = asked[:80]
    pool = list(names)
    if len(pool) > 500:
        pool = [name for name in pool if name[:2].casefold() == asked[:2].casefold()][:500]
    return get_close_matches(asked, pool, n=n, cutoff=0.6)
