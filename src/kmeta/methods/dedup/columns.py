"""Records -> the columns that are compared, each field folded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kmeta.methods.dedup.fold import (
    ERRATUM,
    MOST,
    fold,
    fold_doi,
    fold_journal,
    fold_pages,
    fold_title,
    fold_volume,
)
from kmeta.review.record import Record

Codes = NDArray[np.uint64]
ABSTRACT = 240  # letters of an abstract that are compared: its beginning tells it apart

_COMMENT = re.compile(
    r"^\W*(?:retraction|retracted|comments? (?:on|to)|commentary|reply|author'?s? reply|response to|letter|withdrawn|"
    r"expression of concern)\b|\b(?:reply|author'?s? reply)\W*$",
    re.IGNORECASE,
)
# "2009 Sep;9(9):2205", "(vol 360, pg 542, 2009)", "(2009) 360 (542-544)": the place of another paper.
_MENTIONED = re.compile(
    r"(?:;\s*(\d+)\s*(?:\([^)]*\))?\s*:\s*([a-z]?\d+))|(?:vol\.? (\d+),? pg?\.? ([a-z]?\d+))"
    r"|(?:\(\d{4}\) (\d+)(?:[:,]\d+)? \(([a-z]?\d+))",
    re.IGNORECASE,
)
_ROMAN = {"ii": "2", "iii": "3", "iv": "4", "vi": "6", "vii": "7", "viii": "8", "ix": "9"}
_PREPRINT_DOI = re.compile(r"^10\.(?:1101|48550|2139|21203|31219|31234|20944|26434|36227|64898)/")
_PREPRINT_PLACE = re.compile(
    r"\b(?:medrxiv|biorxiv|arxiv|ssrn|research square|preprints?|psyarxiv|chemrxiv)\b"
)
_MEETING = re.compile(
    r"\b(?:conference|meeting abstract|congress|proceedings|annual meeting|symposium)\b", re.IGNORECASE
)
_SUPPLEMENT = re.compile(r"\b(?:suppl|supplement|supp)\b|^s\d", re.IGNORECASE)


@dataclass(frozen=True)
class Columns:
    """One entry a record in every list; "" (0 for a year) where the record says nothing."""

    ids: list[str] = field(default_factory=list)
    title: list[str] = field(default_factory=list)
    numbers: list[str] = field(
        default_factory=list
    )  # the numbers in the title, sorted: series, editions, years
    erratum: list[bool] = field(default_factory=list)  # a correction, by its title
    comment: list[bool] = field(default_factory=list)  # a comment, reply or retraction, by its title
    mentions: list[frozenset[tuple[str, str]]] = field(
        default_factory=list
    )  # volume and page its title refers to
    author: list[str] = field(default_factory=list)  # first author's family name
    lead: list[frozenset[str]] = field(default_factory=list)  # every word of the first author's name
    n_authors: list[int] = field(default_factory=list)
    authors: list[frozenset[str]] = field(
        default_factory=list
    )  # every word of every name, two letters or more
    year: list[int] = field(default_factory=list)
    volume: list[str] = field(default_factory=list)
    issue: list[str] = field(default_factory=list)
    first_page: list[str] = field(default_factory=list)
    last_page: list[str] = field(default_factory=list)
    journal: list[tuple[str, ...]] = field(default_factory=list)
    doi: list[str] = field(default_factory=list)
    pmid: list[str] = field(default_factory=list)
    issn: list[frozenset[str]] = field(default_factory=list)
    abstract: list[str] = field(default_factory=list)
    preprint: list[bool] = field(default_factory=list)
    meeting: list[bool] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)


def columns(records: Iterable[Record]) -> Columns:
    """Every record folded. O(total length)."""
    made = Columns()
    for record in records:
        _add(made, record)
    return made


def _add(made: Columns, record: Record) -> None:
    title = record.title[:MOST]
    folded = fold_title(title)
    volume, issue = fold_volume(record.volume, record.issue)
    first, last = fold_pages(record.pages)
    doi = fold_doi(record.doi)
    place = f"{record.journal} {record.publisher}".lower()
    made.ids.append(record.record_id)
    made.title.append(folded)
    made.numbers.append(_numbers(folded))
    made.erratum.append(bool(ERRATUM.match(title)))
    made.comment.append(bool(_COMMENT.search(title)))
    made.mentions.append(_mentions(title))
    made.author.append(_first_author(record.authors))
    made.lead.append(_name_words(record.authors[:1]))
    made.n_authors.append(len(record.authors))
    made.authors.append(_name_words(record.authors))
    made.year.append(record.year or 0)
    made.volume.append(volume)
    made.issue.append(issue)
    made.first_page.append(first)
    made.last_page.append(last)
    made.journal.append(fold_journal(record.journal))
    made.doi.append(doi)
    made.pmid.append(re.sub(r"\D", "", record.pmid).lstrip("0"))
    made.issn.append(frozenset(re.findall(r"\d{4}-?\d{3}[\dxX]", " ".join(record.issn).upper())))
    made.abstract.append(fold(record.abstract[: 2 * ABSTRACT])[:ABSTRACT])
    made.preprint.append(bool(_PREPRINT_DOI.match(doi) or _PREPRINT_PLACE.search(place)))
    made.meeting.append(_is_meeting(record))


def _first_author(authors: Sequence[str]) -> str:
    """The first author's family name: before the comma, else the first word that is no initial."""
    if not authors:
        return ""
    name = authors[0]
    words = fold(name.split(",")[0] if "," in name else name).split()
    long = [word for word in words if len(word) > 2] or words
    return (long[-1] if "," in name else long[0]) if long else ""


def _name_words(authors: Sequence[str]) -> frozenset[str]:
    return frozenset(word for name in authors[:30] for word in fold(name).split() if len(word) > 2)


def _mentions(title: str) -> frozenset[tuple[str, str]]:
    """Volume and first page of other papers that a title names.

    >>> _mentions("A title.[Erratum appears in Am J Transplant. 2009 Sep;9(9):2205]")
    frozenset({('9', '2205')})
    """
    if not any(mark in title for mark in (";", "vol", "Vol", "(")):
        return frozenset()
    pairs = ([part for part in found if part] for found in _MENTIONED.findall(title))
    return frozenset((pair[0].lstrip("0"), pair[1].lower()) for pair in pairs if len(pair) == 2)


def _numbers(title: str) -> str:
    """The numbers of a title, Roman ones too, sorted.

    >>> _numbers("outcome of the trial part ii 2010")
    '2 2010'
    """
    found = [_ROMAN.get(word, word) for word in title.split() if word.isdigit() or word in _ROMAN]
    return " ".join(sorted(found))


def _is_meeting(record: Record) -> bool:
    marks = f"{record.record_type} {record.journal}"
    return bool(
        _MEETING.search(marks)
        or _SUPPLEMENT.search(record.issue)
        or _SUPPLEMENT.search(record.volume)
        or re.match(r"^\s*s\d", record.pages, re.IGNORECASE)
    )


def hashes(values: Iterable[object]) -> Codes:
    """64-bit hashes of values for grouping, the same in every process; 0 for what is empty."""
    from hashlib import blake2b

    return np.array(
        [
            int.from_bytes(
                blake2b(str(value).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little"
            )
            if value
            else 0
            for value in values
        ],
        dtype=np.uint64,
    )
