"""The review as it is being read: its contents, look-ups made once for one state, figures drawn once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeVar

from kmeta.methods.synthesis.result import Exclusion, Line, Pool, Synthesis
from kmeta.report.contents import Contents
from kmeta.review.estimate import Comparison, Estimate
from kmeta.review.finding import Finding
from kmeta.review.record import Decision, Record
from kmeta.review.study import Arm, Study

T = TypeVar("T")
K = TypeVar("K")


class Drawing(Protocol):
    """A figure as the plots room makes it."""

    title: str
    alt: str

    def svg(self, text_as_paths: bool = ..., *, themed: bool = ...) -> str | bytes:
        """The figure as an SVG document; `themed`: its colours may be replaced by the page's variables --fig-*."""
        ...

    def png(self, dpi: int = ...) -> bytes:
        """The figure as a PNG image."""
        ...

    def csv(self) -> str | bytes:
        """The numbers of the figure."""
        ...


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What a page is made of. `folder` names the project; `report` is the folder of its report, if there is one."""

    contents: Contents
    figures: Mapping[str, Drawing] = field(default_factory=dict)
    folder: str = ""
    report: Path | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """A line of an analysis, with the pool and the analysis it stands in."""

    synthesis: Synthesis
    pool: Pool
    line: Line


class Reading:
    """One state of the review: every look-up a page needs is made at most once, and never changed."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.contents = loaded.contents
        self._drawn: dict[tuple[str, str], bytes] = {}
        self._pen = threading.Lock()

    @cached_property
    def record(self) -> dict[str, Record]:
        """record_id -> Record."""
        return {record.record_id: record for record in self.contents.evidence.records}

    @cached_property
    def decisions(self) -> dict[str, list[Decision]]:
        """record_id -> its decisions, in the order they were made."""
        return _grouped(self.contents.evidence.decisions, lambda d: d.record_id)

    @cached_property
    def record_text(self) -> list[tuple[str, Record]]:
        """Every record with the text that a search looks through."""
        return [(_searchable(record), record) for record in self.contents.evidence.records]

    @cached_property
    def arms(self) -> dict[str, list[Arm]]:
        """study_id -> its arms."""
        return _grouped(self.contents.evidence.arms, lambda arm: arm.study_id)

    @cached_property
    def estimates(self) -> dict[str, list[Estimate]]:
        """study_id -> the values of its arms."""
        return _grouped(self.contents.evidence.estimates, lambda value: value.study_id)

    @cached_property
    def comparisons(self) -> dict[str, list[Comparison]]:
        """study_id -> its comparisons."""
        return _grouped(self.contents.evidence.comparisons, lambda value: value.study_id)

    @cached_property
    def findings(self) -> dict[str, list[Finding]]:
        """study_id -> findings on it."""
        found: dict[str, list[Finding]] = {}
        for finding in self.contents.findings:
            for study_id in dict.fromkeys(finding.study_ids):
                found.setdefault(study_id, []).append(finding)
        return found

    @cached_property
    def synthesis(self) -> dict[str, Synthesis]:
        """Name of an analysis -> its result."""
        return {synthesis.name: synthesis for synthesis in self.contents.syntheses}

    @cached_property
    def uses(self) -> dict[str, list[Use]]:
        """study_id -> the lines of analyses that stand for it."""
        every = [
            Use(synthesis, pool, line)
            for synthesis in self.contents.syntheses
            for pool in synthesis.pools
            for line in (*pool.lines, *pool.apart)
        ]
        return _grouped(every, lambda use: use.line.study_id)

    @cached_property
    def left_out(self) -> dict[str, list[tuple[Synthesis, Exclusion]]]:
        """study_id -> values of it that an analysis left out."""
        every = [(synthesis, out) for synthesis in self.contents.syntheses for out in synthesis.excluded]
        return _grouped(every, lambda pair: pair[1].study_id)

    def study(self, study_id: str) -> Study | None:
        """The study of that key."""
        return self.contents.evidence.study.get(study_id)

    def drawn(self, name: str, kind: str) -> bytes:
        """Figure `name` as "svg", "png" or "csv", or "page": SVG with text, in the page's own colours.

        Drawn when first asked for, one at a time.
        """
        with self._pen:
            if (name, kind) not in self._drawn:
                self._drawn[name, kind] = _drawn(self.loaded.figures[name], kind)
            return self._drawn[name, kind]


class Shelf:
    """Keeps the reading of the present state; `state`, where given, tells cheaply whether to load again."""

    def __init__(self, load: Callable[[], Loaded], state: Callable[[], str] | None = None) -> None:
        self._load, self._state = load, state
        self._lock = threading.Lock()
        self._reading: Reading | None = None
        self._seen = ""

    def reading(self) -> Reading:
        """The review as it stands now. Raises whatever `load` raises; the next call tries again."""
        with self._lock:
            seen = self._state() if self._state else ""
            if self._reading and self._state and seen == self._seen:
                return self._reading
            loaded = self._load()
            if not self._reading or _differs(self._reading.loaded, loaded):
                self._reading = Reading(loaded)
            self._seen = seen
            return self._reading


def _differs(old: Loaded, new: Loaded) -> bool:
    return old.contents.state != new.contents.state or (old.folder, old.report) != (new.folder, new.report)


def _grouped(things: tuple[T, ...] | list[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    groups: dict[K, list[T]] = {}
    for thing in things:
        groups.setdefault(key(thing), []).append(thing)
    return groups


def _searchable(record: Record) -> str:
    parts = [record.record_id, record.title, *record.authors, record.journal, str(record.year or "")]
    return " ".join([*parts, record.doi, record.pmid, record.pmcid, record.source]).casefold()


def _drawn(figure: Drawing, kind: str) -> bytes:
    if kind == "png":
        return figure.png(dpi=200)
    if kind == "csv":
        data = figure.csv()
    elif kind == "page":
        data = figure.svg(text_as_paths=False, themed=True)
    else:
        data = figure.svg(text_as_paths=True)
    return data.encode() if isinstance(data, str) else data
