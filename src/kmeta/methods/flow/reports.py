"""Which records are reports of which study.

A record is a report of a study, by the first of these rules that gives any study:
1. the note of a decision on the record says "report of <study_id>" ("report of RADIANT-3" is radiant3);
2. they have the same PMID or the same DOI;
3. the source of a value of the study that was read first hand prints the record's PMID, PMCID or DOI, its year,
   volume and first page ("2017;104(1):26"), or its title;
4. they have the same first author, no two different years, and such a source has half of the title's words (at least
   three) or prints the record's year and volume.
A review from whose table values were taken is not a report of the studies in that table.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kmeta.review.estimate import Comparison, Estimate
from kmeta.review.evidence import Evidence
from kmeta.review.record import Record
from kmeta.review.study import Study

_PMID = re.compile(r"\bpmid:?\s*(\d{1,9})\b")
_PMCID = re.compile(r"\bpmc\d+\b")
_DOI = re.compile(r"\b10\.\d{4,9}/[^\s,;]+")
_NOTE = re.compile(r"\breport of ([\w.-]+)")
_TITLE_WORDS, _MAIN_TITLE_WORDS, _LONG_WORD = 4, 6, 4


def plain_text(text: str) -> str:
    """Case, accents and compatibility forms folded away.

    >>> plain_text("Søren Müller")
    'søren muller'
    """
    split = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in split if not unicodedata.combining(letter))


def bare_doi(text: str) -> str:
    """A DOI without its resolver, in lower case.

    >>> bare_doi("https://doi.org/10.1002/LT.20702.")
    '10.1002/lt.20702'
    """
    found = _DOI.search(text.casefold())
    return found[0].rstrip(".)]") if found else ""


def surname(author: str) -> str:
    """The family name of "van der Zwan WA" or "Mayo".

    >>> surname("van der Zwan WA"), surname("Mazzaferro"), surname("(author not on the page)")
    ('van der zwan', 'mazzaferro', '')
    """
    if author.startswith("("):
        return ""
    parts = author.replace(",", " ").split()
    if len(parts) > 1 and len(parts[-1].replace(".", "")) <= 4 and parts[-1].isupper():
        parts = parts[:-1]
    return plain_text(" ".join(parts))


@dataclass(frozen=True, slots=True)
class _Sources:
    """What the sources of one study's first-hand values print."""

    texts: tuple[str, ...]
    bare: tuple[str, ...]
    ids: frozenset[str]
    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Printed:
    """What a record would look like in such a source."""

    ids: frozenset[str]
    citation: re.Pattern[str] | None
    volume: re.Pattern[str] | None
    titles: tuple[tuple[str, re.Pattern[str]], ...]
    words: frozenset[str] = field(default=frozenset())


def reports_of(evidence: Evidence, records: Iterable[Record]) -> dict[str, tuple[str, ...]]:
    """study_id -> ids of those `records` that are its reports, in the order of the records; {} for none at all."""
    sources = _study_sources(evidence)
    noted = _noted(evidence)
    by_id: dict[str, list[Study]] = {}
    for study in evidence.studies:
        for key in {f"pmid {study.pmid}" if study.pmid else "", bare_doi(study.doi)} - {""}:
            by_id.setdefault(key, []).append(study)
    linked: dict[str, list[str]] = {}
    for record in records:
        for study_id in _studies_of(record, evidence, noted, by_id, sources):
            linked.setdefault(study_id, []).append(record.record_id)
    return {study_id: tuple(ids) for study_id, ids in linked.items()}


def _studies_of(
    record: Record,
    evidence: Evidence,
    noted: Mapping[str, list[str]],
    by_id: Mapping[str, list[Study]],
    sources: Mapping[str, _Sources],
) -> list[str]:
    if record.record_id in noted:
        return noted[record.record_id]
    same = [study.study_id for key in _record_keys(record) for study in by_id.get(key, ())]
    if same:
        return list(dict.fromkeys(same))
    printed = _printed(record)
    named = [study_id for study_id, found in sources.items() if _names(found, printed)]
    return named or [
        study.study_id
        for study in evidence.studies
        if study.study_id in sources and _same_author(study, record, printed, sources[study.study_id])
    ]


def values_of(evidence: Evidence) -> tuple[Estimate | Comparison, ...]:
    """Every printed value, of an arm or of two arms against each other."""
    return (*evidence.estimates, *evidence.comparisons)


def _noted(evidence: Evidence) -> dict[str, list[str]]:
    keys = {_bare(plain_text(study.study_id)).replace(" ", ""): study.study_id for study in evidence.studies}
    noted: dict[str, list[str]] = {}
    for decision in evidence.decisions:
        for name in _NOTE.findall(decision.note):
            study_id = name if name in evidence.study else keys.get(_bare(plain_text(name)).replace(" ", ""))
            if study_id and study_id not in noted.setdefault(decision.record_id, []):
                noted[decision.record_id].append(study_id)
    return {record_id: ids for record_id, ids in noted.items() if ids}


def _record_keys(record: Record) -> list[str]:
    return [key for key in (f"pmid {record.pmid}" if record.pmid else "", bare_doi(record.doi)) if key]


def _study_sources(evidence: Evidence) -> dict[str, _Sources]:
    """Sources of first-hand values; those of its arms for a study without any value."""
    texts: dict[str, dict[str, None]] = {}
    values = values_of(evidence)
    valued = {row.study_id for row in values}
    for row in values:
        if row.source and not row.second_hand:
            texts.setdefault(row.study_id, {})[row.source] = None
    for arm in evidence.arms:
        if arm.source and arm.study_id not in valued:
            texts.setdefault(arm.study_id, {})[arm.source] = None
    return {study_id: _sources(tuple(found)) for study_id, found in texts.items()}


def _sources(sources: tuple[str, ...]) -> _Sources:
    texts = tuple(plain_text(source) for source in sources)
    ids = {f"pmid {number}" for text in texts for number in _PMID.findall(text)}
    ids |= {number for text in texts for number in _PMCID.findall(text)}
    ids |= {doi.rstrip(".)]") for text in texts for doi in _DOI.findall(text)}
    bare = tuple(_bare(text) for text in texts)
    return _Sources(texts, bare, frozenset(ids), frozenset(_long_words(" ".join(texts))))


def _bare(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", text))


def _long_words(text: str) -> list[str]:
    return [word for word in re.findall(r"[a-z0-9]+", text) if len(word) >= _LONG_WORD]


def _printed(record: Record) -> _Printed:
    ids = frozenset(_record_keys(record) + ([record.pmcid.casefold()] if record.pmcid else []))
    title = plain_text(record.title)
    citation = volume = None
    if record.year and record.volume:
        number = re.escape(plain_text(record.volume))
        volume = re.compile(rf"\b{record.year}\s*;?\s*{number}(?![\d])")
        page = re.match(r"[a-z]*\d+", plain_text(record.pages))
        if page:
            citation = re.compile(
                rf"\b{record.year}\s*;?\s*{number}\s*(\([^()]*\))?\s*:\s*{re.escape(page[0])}(?!\d)"
            )
    titles = [(title, _TITLE_WORDS)]
    if ":" in title:
        titles.append((title.split(":")[0], _MAIN_TITLE_WORDS))
    shapes = tuple(shape for text, least in titles if (shape := _title_shape(text, least)))
    return _Printed(ids, citation, volume, shapes, frozenset(_long_words(title)))


def _title_shape(title: str, least: int) -> tuple[str, re.Pattern[str]] | None:
    """The title between the ends of sentences: a longer title that begins alike is another paper's."""
    words = re.findall(r"[a-z0-9]+", title)
    if len(words) < least:
        return None
    body = r"[^a-z0-9]+".join(map(re.escape, words))
    return " ".join(words), re.compile(rf"(?:^|[.:;?!\"“])\W*{body}\s*(?:[.;?!(\[\"”]|,|$)")


def _names(found: _Sources, printed: _Printed) -> bool:
    if printed.ids & found.ids:
        return True
    if printed.citation and any(printed.citation.search(text) for text in found.texts):
        return True
    return any(
        bare_title in bare and shape.search(text)
        for bare_title, shape in printed.titles
        for bare, text in zip(found.bare, found.texts, strict=True)
    )


def _same_author(study: Study, record: Record, printed: _Printed, found: _Sources) -> bool:
    first = surname(record.authors[0]) if record.authors else ""
    if not first or first != surname(study.first_author):
        return False
    if record.year and study.year and record.year != study.year:
        return False
    shared = len(printed.words & found.words)
    if shared >= 3 and 2 * shared >= len(printed.words):
        return True
    return bool(printed.volume and any(printed.volume.search(text) for text in found.texts))
