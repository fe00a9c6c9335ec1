"""What every reader of an export shares: what it is given, what it notes down, and the report of an import.

A reader gets the export as a seekable binary stream and yields records one by one, holding one record at a time. It
counts every start of a record it sees in `notes.seen`; `records read == seen` is the promise of an import, and where it
is broken the report says so. Nothing is dropped silently: a repaired line, field or record is noted with what was
done, a line that belongs to no record is noted with its text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from kmeta.core.registry import Registry
from kmeta.core.result import Result
from kmeta.review.record import Decision, Record

MAX_FIELD = 1_000_000  # characters; a longer field is cut there, and the cut is noted
MAX_NOTES = 10_000  # kept one by one; more are counted by what was done


@dataclass(frozen=True, slots=True)
class Note:
    """One thing noted while reading: `line` 1-based (0: the whole file), `what` was done or found, `text` as it was."""

    line: int
    what: str
    text: str = ""


@dataclass
class Notes:
    """What a reader writes down on its way."""

    seen: int = 0
    repaired: list[Note] = field(default_factory=list)
    unread: list[Note] = field(default_factory=list)
    warnings: list[Note] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)  # every note by `what`, those beyond MAX_NOTES too

    def repair(self, line: int, what: str, text: str = "") -> None:
        """Something was mended: nothing is lost."""
        self._note(self.repaired, line, what, text)

    def leave(self, line: int, what: str, text: str = "") -> None:
        """Something was not read; its text is kept here and in the raw file."""
        self._note(self.unread, line, what, text)

    def warn(self, line: int, what: str, text: str = "") -> None:
        """Something a person should look at."""
        self._note(self.warnings, line, what, text)

    def _note(self, where: list[Note], line: int, what: str, text: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1
        if len(where) < MAX_NOTES:
            where.append(Note(line, what, text[:200]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The beginning of a file, by which its format is recognised: never by its name alone.

    `text` is the first part decoded (line ends as LF, no byte-order mark), `data` the same as bytes.
    """

    name: str
    data: bytes
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One format. `recognise` gives 0 (not mine) to 1 (certainly mine); the highest reads the file."""

    name: str
    title: str
    recognise: Callable[[Head], float]
    read: Callable[[BinaryIO, Notes], Iterator[Record]]
    extensions: tuple[str, ...] = ()


READERS: Registry[Reader] = Registry("format of records", entry_point_group="kmeta.record_readers")


@dataclass(frozen=True, kw_only=True, eq=False)
class ImportReport(Result):
    """What an import did with one file; `complete` is the promise that every record seen was read."""

    name: str
    format: str
    encoding: str
    sha256: str
    seen: int
    read: int
    repaired: tuple[Note, ...]
    unread: tuple[Note, ...]
    warnings: tuple[Note, ...]
    counts: dict[str, int]

    @property
    def complete(self) -> bool:
        """Whether as many records were read as were seen to start."""
        return self.seen == self.read

    def rows(self) -> list[dict[str, Any]]:
        """One row a note."""
        kinds = (("repaired", self.repaired), ("unread", self.unread), ("warning", self.warnings))
        return [
            {"kind": kind, "line": note.line, "what": note.what, "text": note.text}
            for kind, notes in kinds
            for note in notes
        ]
