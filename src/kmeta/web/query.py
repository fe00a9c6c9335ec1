"""What an address asks for: few names, short values, everything else refused in words."""

from __future__ import annotations

from collections.abc import Mapping

from kmeta.core.errors import InputError

MAX_WORDS = 200
PER_PAGE = 100


class Query:
    """The part of an address behind the question mark."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self.values = dict(values or {})

    def text(self, name: str) -> str:
        """The value of `name`, trimmed; "" where it is not asked for."""
        text = self.values.get(name, "").strip()
        if len(text) > MAX_WORDS:
            raise InputError(
                f"{name} is {len(text)} characters long", hint=f"at most {MAX_WORDS}; use fewer words"
            )
        return text

    def words(self, name: str) -> list[str]:
        """The words of a search, without case."""
        return self.text(name).casefold().split()

    def page(self) -> int:
        """Which page of a list, 1 where not said."""
        text = self.text("page") or "1"
        if not (text.isascii() and text.isdigit() and len(text) < 8 and int(text) > 0):
            raise InputError(f"there is no page {text!r}", hint="a page is a whole number from 1")
        return int(text)


def paged(rows: list, query: Query) -> dict:
    """The rows of the page asked for, with the counts that a pager shows; past the end is the last page."""
    pages = max(1, -(-len(rows) // PER_PAGE))
    page = min(query.page(), pages)
    first = (page - 1) * PER_PAGE
    shown = rows[first : first + PER_PAGE]
    return {
        "rows": shown,
        "total": len(rows),
        "page": page,
        "pages": pages,
        "first": first + 1 if shown else 0,
        "last": first + len(shown),
    }
