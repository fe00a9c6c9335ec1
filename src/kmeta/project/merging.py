"""Uniting two copies of a review that worked apart: the union of their acts, so nothing is lost and order is nothing.

No act records the merge: doing it twice changes nothing, and A with B is B with A, to the byte of their archives.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kmeta.core.canonical import sha256
from kmeta.core.errors import ProjectError, StoreError
from kmeta.project import acts as log
from kmeta.project import disk
from kmeta.project.acts import FILE, PROTOCOL, PROTOCOL_SUBJECT, Act, Conflict
from kmeta.project.folder import DATABASE, FILES, MAX_FILE, PROTOCOL_FILE, no_project
from kmeta.project.project import Project
from kmeta.project.state import file_of, protocol_of
from kmeta.project.store import Store
from kmeta.project.verify import faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What a merge brought: acts and files new to this copy, and what is now to be settled between people."""

    new_acts: int
    conflicts: tuple[Conflict, ...]
    files: int


def merge(project: Project, other_root: Path | str, *, dry_run: bool = False) -> Merged:
    """Take over every act and file of the copy in `other_root`, which is only read.

    Raises ProjectError where that is no project, or one of another review; StoreError where it is damaged. This
    project is then as it was.
    """
    other_root = Path(other_root)
    theirs = _read(other_root)
    with project.store.reading() as connection:
        ours = log.in_order(project.store.acts(connection))
    if not log.roots(ours) & log.roots(theirs):
        raise ProjectError(
            "is not a copy of this review: the two have no act in common",
            where=str(other_root),
            hint="copies come from copying the folder, or from `kmeta archive` and `kmeta restore`",
        )
    if dry_run:
        new = _new(ours, theirs)
        return Merged(
            new_acts=len(new),
            conflicts=tuple(log.conflicts(log.live([*ours, *new]))),
            files=sum(not project.blob(digest).is_file() for digest in _digests(new)),
        )
    return _unite(project, theirs, other_root)


def _read(other_root: Path) -> list[Act]:
    """The acts of the other copy, verified."""
    if not (other_root / DATABASE).is_file():
        raise no_project(other_root)
    with Store.snapshot(other_root / DATABASE) as store, store.reading() as connection:
        acts, heads = log.in_order(store.acts(connection)), store.heads(connection)
    wrong = faults(acts, heads)
    if wrong:
        raise StoreError(
            f"is not whole: {wrong[0].message}" + (f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""),
            where=str(other_root),
            hint="run `kmeta check` there; nothing was changed here",
        )
    return acts


def _new(ours: list[Act], theirs: list[Act]) -> list[Act]:
    known = {act.id for act in ours}
    return [act for act in theirs if act.id not in known]


def _digests(acts: list[Act]) -> list[str]:
    return sorted({file_of(act).sha256 for act in acts if act.kind == FILE and not act.retracts})


def _unite(project: Project, theirs: list[Act], other_root: Path) -> Merged:
    store, path = project.store, project.root / PROTOCOL_FILE
    text_before = project.protocol_text
    rewritten = False
    try:
        with store.writing() as connection:
            known = store.ids(connection)
            new = [act for act in theirs if act.id not in known]
            files = sum(_take_file(project, other_root, digest) for digest in _digests(new))
            recorded = protocol_of(store.live_on(connection, PROTOCOL, [PROTOCOL_SUBJECT]), project.root)
            store.append(connection, new)
            said = store.live_on(connection, PROTOCOL, [PROTOCOL_SUBJECT])
            text = protocol_of(said, project.root)
            # An amendment comes with its acts, unless the file here has edits that nobody recorded.
            if text_before == recorded != text:
                rewritten = True
                disk.write_file(path, text.encode())
            conflicts = tuple(log.conflicts(store.live(connection)))
    except BaseException:
        if rewritten:
            disk.write_file(path, text_before.encode())
        raise
    return Merged(new_acts=len(new), conflicts=conflicts, files=files)


def _take_file(project: Project, other_root: Path, digest: str) -> bool:
    """Copy a file that is not here yet; whether it was not."""
    if project.blob(digest).is_file():
        return False
    data = disk.read_file(other_root / FILES / digest, MAX_FILE)
    if sha256(data) != digest:
        raise StoreError(
            "the file is not what it was when it was added",
            where=str(other_root / FILES / digest),
            hint="nothing was merged; run `kmeta check` there",
        )
    project.put_blob(digest, data)
    return True
