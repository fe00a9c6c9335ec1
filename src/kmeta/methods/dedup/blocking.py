"""Which pairs of records are compared: those that share a key. Cost: O(n) keys and the pairs of small blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from kmeta.core.registry import Registry
from kmeta.methods.dedup.columns import Codes, Columns, hashes

# A block larger than this is a habit, not a paper ("Editorial"): each record meets only its neighbours by title.
MAX_BLOCK = 60
WINDOW = 12

Rows = NDArray[np.int64]
Key = Callable[[Columns], Iterator[str]]
KEYS: Registry[Key] = Registry("blocking key", entry_point_group="kmeta.blocking_keys")


@KEYS.register("doi")
def _doi(c: Columns) -> Iterator[str]:
    """The same DOI."""
    return iter(c.doi)


@KEYS.register("pmid")
def _pmid(c: Columns) -> Iterator[str]:
    """The same PubMed number."""
    return iter(c.pmid)


@KEYS.register("title")
def _title(c: Columns) -> Iterator[str]:
    """The same letters of the title, blanks aside."""
    return (title.replace(" ", "") for title in c.title)


@KEYS.register("title_start")
def _title_start(c: Columns) -> Iterator[str]:
    """The same first 24 letters of the title: subtitles and what is appended do not matter."""
    return (start if len(start := title.replace(" ", "")[:24]) == 24 else "" for title in c.title)


@KEYS.register("title_words")
def _title_words(c: Columns) -> Iterator[str]:
    """The same four longest words of the title, in any order: misspelt short words do not matter."""
    return (_longest(title, 4) for title in c.title)


@KEYS.register("place")
def _place(c: Columns) -> Iterator[str]:
    """The same volume and first page, and the journal's first letter."""
    rows = zip(c.volume, c.first_page, c.journal, strict=True)
    return (f"{v}/{digits(p)}/{j[0][0]}" if v and p and j else "" for v, p, j in rows)


@KEYS.register("author_page")
def _author_page(c: Columns) -> Iterator[str]:
    """The same first author and first page."""
    return (f"{a}/{digits(p)}" if a and p else "" for a, p in zip(c.author, c.first_page, strict=True))


@KEYS.register("author_year_word")
def _author_year_word(c: Columns) -> Iterator[str]:
    """The same first author, year, and longest word of the title."""
    rows = zip(c.author, c.year, c.title, strict=True)
    return (f"{a}/{y}/{_longest(t, 1)}" if a and y and t else "" for a, y, t in rows)


@KEYS.register("abstract")
def _abstract(c: Columns) -> Iterator[str]:
    """The same 80 letters in the abstract, its first words aside."""
    return (a[60:140] if len(a) >= 140 else "" for a in c.abstract)


def digits(page: str) -> str:
    """The number of a page without its letters."""
    return "".join(letter for letter in page if letter.isdigit())


def _longest(title: str, n: int) -> str:
    words = sorted(set(title.split()), key=lambda word: (-len(word), word))[:n]
    return " ".join(sorted(words)) if len(words) == n and len(words[0]) > 4 else ""


def candidate_pairs(c: Columns) -> Rows:
    """Pairs (i, j), i < j, that share a key: shape (m, 2), sorted, each once."""
    found = [_pairs_of(hashes(key(c)), c.title) for key in KEYS.values()]
    codes = np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)
    n = max(len(c), 1)
    return np.stack([codes // n, codes % n], axis=1).astype(np.int64)


def _pairs_of(key: Codes, titles: list[str]) -> Rows:
    """Pairs within blocks of equal keys, as i * n + j."""
    n = len(key)
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    bounds = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1], True]) if n else np.array([0])
    starts, sizes = bounds[:-1], np.diff(bounds)
    kept = (sizes > 1) & (ordered[starts] != 0) if n else np.zeros(0, dtype=bool)
    parts = [np.empty(0, dtype=np.int64)]
    for size in np.unique(sizes[kept & (sizes <= MAX_BLOCK)]).tolist():
        block = order[starts[kept & (sizes == size)][:, None] + np.arange(size)]
        a, b = np.triu_indices(size, 1)
        low, high = np.minimum(block[:, a], block[:, b]), np.maximum(block[:, a], block[:, b])
        parts.append((low * n + high).ravel().astype(np.int64))
    for start, size in zip(
        starts[kept & (sizes > MAX_BLOCK)], sizes[kept & (sizes > MAX_BLOCK)], strict=True
    ):
        block = sorted(order[start : start + size].tolist(), key=lambda i: (titles[i], i))
        at = np.array(block, dtype=np.int64)
        for step in range(1, WINDOW):
            low, high = np.minimum(at[:-step], at[step:]), np.maximum(at[:-step], at[step:])
            parts.append(low * n + high)
    return np.concatenate(parts)
