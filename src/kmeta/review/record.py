"""Records as exported by a database, and what was decided on each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le

Vote = Literal["include", "exclude", "unsure"]
Stage = Literal["title-abstract", "full-text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A bibliographic entry. `source` is where it was found, `record_type` what its source calls it.

    `authors` as "Family, Given". `pages` as printed ("152-160", "e12"). `language` as the source gives it. `mesh` are
    the headings of a thesaurus as exported (MeSH, Emtree), `keywords` the authors' own. `registration` are numbers of
    trial registers. `accession` is the source's own number of the entry. `extra` keeps, tag by tag and in order, what
    has no field of its own, so that nothing of an export is lost.
    """

    record_id: str
    title: str = ""
    authors: tuple[str, ...] = ()
    journal: str = ""
    year: int | None = None
    volume: str = ""
    issue: str = ""
    pages: str = ""
    doi: str = ""
    pmid: str = ""
    pmcid: str = ""
    record_type: str = ""
    abstract: str = ""
    source: str = ""
    duplicate_of: str = ""
    keywords: tuple[str, ...] = ()
    mesh: tuple[str, ...] = ()
    language: str = ""
    publisher: str = ""
    issn: tuple[str, ...] = ()
    isbn: tuple[str, ...] = ()
    url: tuple[str, ...] = ()
    registration: tuple[str, ...] = ()
    accession: str = ""
    extra: tuple[tuple[str, str], ...] = ()


Verdict = Literal["same", "different", "related"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """What was said of two records: the same report, different ones, or reports of one study (related).

    `rule` is the rule that fired ("" where a person decided without one), `probability` its estimate that they are
    the same. A later pairing of the same two replaces it: so a merge is undone.
    """

    record_a: str
    record_b: str
    verdict: Verdict
    rule: str = ""
    probability: Annotated[float, Ge(0), Le(1)] | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One vote of one reviewer on one record at one stage; `reviewer` may be the name of an example."""

    record_id: str
    stage: Stage
    reviewer: str
    vote: Vote
    reason: str = ""
    note: str = ""
