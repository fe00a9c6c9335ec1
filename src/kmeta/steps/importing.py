"""From the files a person hands over to rows of the project: all of them, or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from kmeta.core.progress import Progress, silent
from kmeta.formats.evidence import read_evidence_folder
from kmeta.review.evidence import Evidence

if TYPE_CHECKING:
    from kmeta.project import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did: rows by noun, and how many were new, equal to what stood, or replaced it."""

    files: tuple[str, ...]
    rows: dict[str, int]
    new: int = 0
    same: int = 0
    replaced: int = 0
    dry_run: bool = False


def import_files(
    project: Project,
    files: Mapping[str, bytes],
    *,
    who: str,
    why: str = "",
    reviewer: str = "",
    dry_run: bool = False,
    progress: Progress = silent,
) -> Imported:
    """Read `files` (name -> bytes), resolve their keys with what the project holds, and add every row at once.

    The labels of records become decisions of `reviewer`, if one is named. The raw files are kept byte for byte.
    Raises FormatError naming every problem of every file; then nothing was changed.
    """
    with progress("Reading the files", len(files)) as tick:
        read = _in_place(read_evidence_folder(files, known=project.evidence(), reviewer=reviewer))
        nouns = [noun for field in fields(read) for noun in getattr(read, field.name)]
        tick(len(files))
    rows = dict(sorted(Counter(type(noun).__name__.lower() for noun in nouns).items()))
    if dry_run:
        return Imported(files=tuple(files), rows=rows, dry_run=True)
    with progress("Saving", len(files) + 1) as tick:
        for name, data in files.items():
            project.add_file(data, name=name, who=who, why=why)
            tick()
        added = project.add(nouns, who=who, why=why or "import of " + ", ".join(files))
        tick()
    return Imported(files=tuple(files), rows=rows, new=added.new, same=added.same, replaced=added.replaced)


def _in_place(read: Evidence) -> Evidence:
    """Decision criteria keep the order of their file: it is that of the strategy table."""
    return replace(
        read, criteria=tuple(replace(each, place=i) for i, each in enumerate(read.criteria, start=1))
    )
