"""Pairs of records -> what agrees and what does not, field by field, as arrays: rapidfuzz in bulk, then exact fields.

Every agreement is 1 (agree), -1 (disagree) or 0 (one of the two says nothing). Similarities are 0-100, -1 where one of
the two is empty. Cost: O(pairs), the titles first; only pairs whose titles or numbers speak for them are looked at
further.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from kmeta.core.arrays import Floats
from kmeta.methods.dedup.blocking import Rows, digits
from kmeta.methods.dedup.columns import Columns

Mask = NDArray[np.bool_]
States = NDArray[np.int16]
NEAR_TITLE = 60.0  # below this a pair needs the same DOI, PubMed number, or place to be looked at
CHUNK = 200_000


@dataclass(frozen=True)
class Pairs:
    """m pairs: rows `a` and `b` of the columns, and what was found on each."""

    a: Rows
    b: Rows
    title: Floats  # similarity of the letters
    contained: States  # one title is the beginning, or the end, of the other
    long_title: States  # both titles say enough to tell a paper
    numbers: States  # numbers in the titles: agree, disagree
    erratum: States  # 1 exactly one of them is a correction
    comment: States  # 1 exactly one of them is a comment, reply or retraction
    mentioned: States  # the title of one names the place of the other
    author: States
    lead: States  # the first authors are one person by their names
    year: States  # difference in years, -1 where one is missing
    volume: States
    issue: States
    first_page: States
    last_page: States
    journal: States
    doi: States
    pmid: States
    abstract: Floats
    preprint: States  # 1 exactly one of them is a preprint
    meeting: States  # 1 exactly one of them is a meeting abstract
    several: States  # both have two authors or more
    shifted: States  # volume and issue of one stand as issue and page of the other

    def __len__(self) -> int:
        return len(self.a)

    @property
    def place(self) -> Mask:
        """Volume and first page agree."""
        return (self.volume == 1) & (self.first_page == 1)

    @property
    def displaced(self) -> Mask:
        """Volume or first page disagree, or the issue where no page is given."""
        unpaged = (self.issue == -1) & (self.first_page == 0)
        return (self.volume == -1) | (self.first_page == -1) | unpaged

    @property
    def same_words(self) -> Mask:
        """The titles are the same, or one is the other with something added."""
        return (self.title >= 95) | ((self.contained == 1) & (self.long_title == 1))


def compare(c: Columns, pairs: Rows) -> Pairs:
    """What agrees in each candidate pair that deserves a look; the others are left out."""
    parts = [_compare(c, pairs[start : start + CHUNK]) for start in range(0, max(len(pairs), 1), CHUNK)]
    return Pairs(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Pairs)})


def _compare(c: Columns, pairs: Rows) -> Pairs:
    title = _similarity(c.title, pairs)
    near = np.flatnonzero((title >= NEAR_TITLE) | _worth_a_look(c, pairs))
    pairs, title = pairs[near], title[near]
    rows = pairs.tolist()
    return Pairs(
        a=pairs[:, 0],
        b=pairs[:, 1],
        title=title,
        contained=_each(rows, lambda i, j: _contained(c.title[i], c.title[j])),
        long_title=_each(rows, lambda i, j: _tells(c.title[i]) and _tells(c.title[j])),
        numbers=_each(rows, lambda i, j: _equal(c.numbers[i] or "-", c.numbers[j] or "-")),
        erratum=_each(rows, lambda i, j: c.erratum[i] != c.erratum[j]),
        comment=_each(rows, lambda i, j: c.comment[i] != c.comment[j]),
        mentioned=_each(rows, lambda i, j: _mentioned(c, i, j) or _mentioned(c, j, i)),
        author=_each(rows, lambda i, j: _authors(c, i, j)),
        lead=_each(rows, lambda i, j: _leads(c, i, j)),
        year=_each(rows, lambda i, j: abs(c.year[i] - c.year[j]) if c.year[i] and c.year[j] else -1),
        volume=_each(rows, lambda i, j: _equal(c.volume[i], c.volume[j])),
        issue=_each(rows, lambda i, j: _equal(c.issue[i], c.issue[j])),
        first_page=_each(rows, lambda i, j: _page(c.first_page[i], c.first_page[j])),
        last_page=_each(rows, lambda i, j: _page(c.last_page[i], c.last_page[j])),
        journal=_each(rows, lambda i, j: _journals(c, i, j)),
        doi=_each(rows, lambda i, j: _equal(c.doi[i], c.doi[j])),
        pmid=_each(rows, lambda i, j: _equal(c.pmid[i], c.pmid[j])),
        abstract=_similarity(c.abstract, pairs),
        preprint=_each(rows, lambda i, j: c.preprint[i] != c.preprint[j]),
        meeting=_each(rows, lambda i, j: c.meeting[i] != c.meeting[j]),
        several=_each(rows, lambda i, j: c.n_authors[i] > 1 and c.n_authors[j] > 1),
        shifted=_each(rows, lambda i, j: _shifted(c, i, j) or _shifted(c, j, i)),
    )


def _similarity(texts: list[str], pairs: Rows) -> Floats:
    """Share of letters in common, in order (normalised Indel), 0-100; -1 where one is empty."""
    from rapidfuzz import fuzz, process

    if not len(pairs):
        return np.empty(0)
    left, right = [texts[i] for i in pairs[:, 0].tolist()], [texts[j] for j in pairs[:, 1].tolist()]
    found = np.asarray(process.cpdist(left, right, scorer=fuzz.ratio, workers=-1), dtype=np.float64)
    empty = np.array([not (x and y) for x, y in zip(left, right, strict=True)], dtype=bool)
    return np.where(empty, -1.0, found)


def _worth_a_look(c: Columns, pairs: Rows) -> Mask:
    """The same DOI or PubMed number, or the same first page of no other volume."""
    return _each(
        pairs.tolist(),
        lambda i, j: bool(
            (c.doi[i] and c.doi[i] == c.doi[j])
            or (c.pmid[i] and c.pmid[i] == c.pmid[j])
            or (_equal(c.volume[i], c.volume[j]) >= 0 and _page(c.first_page[i], c.first_page[j]) == 1)
        ),
    ).astype(bool)


def _each(rows: list[list[int]], ask: Callable[[int, int], int | bool]) -> States:
    return np.fromiter((ask(i, j) for i, j in rows), dtype=np.int16, count=len(rows))


def _equal(x: str, y: str) -> int:
    return 0 if not (x and y) else 1 if x == y else -1


def _page(x: str, y: str) -> int:
    """Equal, or equal but for a letter that one of them leaves out ("e12", "12")."""
    if not (x and y):
        return 0
    if x == y:
        return 1
    same_number = digits(x) == digits(y)
    return 1 if same_number and (x.isdigit() or y.isdigit()) else -1


def _mentioned(c: Columns, i: int, j: int) -> bool:
    return bool(c.mentions[i]) and (c.volume[j], c.first_page[j]) in c.mentions[i]


def _shifted(c: Columns, i: int, j: int) -> bool:
    whole = bool(c.volume[i] and c.issue[i])
    return whole and not c.volume[j] and (c.volume[i], c.issue[i]) == (c.issue[j], c.first_page[j])


def _tells(title: str) -> bool:
    """Long enough to tell one paper from all others."""
    return (len(title) >= 30 and title.count(" ") >= 3) or (len(title) >= 12 and not title.isascii())


def _contained(x: str, y: str) -> bool:
    """The shorter title, of a length that tells, is how the longer begins or ends."""
    short, long = (x, y) if len(x) <= len(y) else (y, x)
    if len(short) < 20 or short == long:
        return False
    return long.startswith(short + " ") or long.endswith(" " + short)


def _authors(c: Columns, i: int, j: int) -> int:
    """The first author of one is among the names of the other, either way round; or most names are shared."""
    x, y = c.authors[i], c.authors[j]
    if not (c.author[i] and c.author[j]):
        return 0
    if c.author[i] == c.author[j] or c.author[i] in y or c.author[j] in x:
        return 1
    shared, least = len(x & y), min(len(x), len(y))
    if least and shared >= max(2, 0.6 * least):
        return 1
    return 1 if _misspelt(c.author[i], c.author[j]) else -1


def _leads(c: Columns, i: int, j: int) -> int:
    """The family name of one first author is a word of the other's name, or one slip away from it."""
    x, y = c.author[i], c.author[j]
    if not (x and y):
        return 0
    return 1 if x in c.lead[j] or y in c.lead[i] or _misspelt(x, y) else -1


def _misspelt(x: str, y: str) -> bool:
    from rapidfuzz.distance import DamerauLevenshtein

    return min(len(x), len(y)) >= 5 and DamerauLevenshtein.distance(x, y, score_cutoff=1) <= 1


def _journals(c: Columns, i: int, j: int) -> int:
    """One ISSN in common, or names that abbreviate one another, share their words, or hold the other's initials."""
    if c.issn[i] & c.issn[j]:
        return 1
    x, y = c.journal[i], c.journal[j]
    if not (x and y):
        return 0
    alike = _abbreviates(x, y) or _abbreviates(y, x) or _shared(x, y) or _initials(x, y) or _initials(y, x)
    return 1 if alike else -1


def _abbreviates(short: tuple[str, ...], long: tuple[str, ...]) -> bool:
    """Every word of `short` begins a word of `long`, in order, the first the first; a lone word only the whole name."""
    if len(short) > len(long) or not long[0].startswith(short[0]):
        return False
    at = 0
    for word in short:
        while at < len(long) and not long[at].startswith(word):
            at += 1
        if at == len(long):
            return False
        at += 1
    return len(short) > 1 or len(long) == 1 or short[0] == long[0]


def _shared(x: tuple[str, ...], y: tuple[str, ...]) -> bool:
    """Three words or more in common, which are most of the shorter name."""
    both = len(set(x) & set(y))
    return both >= 3 and both >= 0.7 * min(len(set(x)), len(set(y)))


def _initials(x: tuple[str, ...], y: tuple[str, ...]) -> bool:
    """A word of `x` is made of the initials of consecutive words of `y` ("CMAJ", "ICIS")."""
    letters = "".join(word[0] for word in y)
    return any(3 <= len(word) <= 8 and word in letters for word in x)
