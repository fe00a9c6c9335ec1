"""Records as exported by a database, and what was decided on each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Vote = Literal["include", "exclude", "unsure"]
Stage = Literal["title-abstract", "full-text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A bibliographic entry. `source` is where it was found, `record_type` what its source calls it."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One vote of one reviewer on one record at one stage; `reviewer` may be the name of an example."""

    record_id: str
    stage: Stage
    reviewer: str
    vote: Vote
    reason: str = ""
    note: str = ""
