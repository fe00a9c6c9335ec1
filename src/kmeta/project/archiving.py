"""The archive: a whole review as text that can be read, compared, deposited and put under git, and back again.

The log (`acts/<who>.jsonl`, one person's acts in that person's file) and `files/` are the review; everything else is
derived from them, and `manifest.json` names every file with its hash. Reading one back believes nothing: each act
against its hash, each file against the manifest, each view against what the acts give.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kmeta.core.canonical import pretty_json, sha256
from kmeta.core.errors import FormatError, InputError, Problems, ProjectError
from kmeta.project import acts as log
from kmeta.project import disk
from kmeta.project.acts import FILE, Act
from kmeta.project.folder import FILES, MAX_FILE, PROTOCOL_FILE, build, new_folder
from kmeta.project.names import file_stem
from kmeta.project.project import Project
from kmeta.project.state import evidence_of, file_of, files_of, protocol_of
from kmeta.project.verify import faults
from kmeta.project.views import ABOUT, fingerprint, views

FORMAT, VERSION = "kmeta archive", 1
MANIFEST, ACTS = "manifest.json", "acts"
ATTRIBUTES = ".gitattributes"
# What an archive consists of; all else in its folder (.git, a README) is somebody's and is left alone.
OWNED = (
    PROTOCOL_FILE,
    MANIFEST,
    ATTRIBUTES,
    "records.jsonl",
    ACTS,
    FILES,
    "studies",
    "evidence",
    "decisions",
)
MAX_MANIFEST = 100_000_000
_HAND = (
    "views are derived: make the change in the project and archive it again, or take the file back from git"
)


@dataclass(frozen=True, slots=True)
class _Content:
    """An archive about to be: its text files, and the hashes of the files it keeps."""

    texts: dict[str, bytes]
    blobs: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        return sorted([*self.texts, *(f"{FILES}/{digest}" for digest in self.blobs)])


def archive(project: Project, folder: Path | str, *, dry_run: bool = False) -> list[str]:
    """Write the whole review as text into `folder`; the names of the files.

    An archive of this review that stands there is replaced as a whole; other things in the folder (.git) stay.
    Raises ProjectError where `folder` holds something else, acts this project lacks, or `review.toml` has edits
    that are not recorded; StoreError where the disk refuses. The old archive is then as it was.
    """
    folder = Path(folder)
    acts = project.acts()
    content = _content(acts, project.root)
    if project.protocol_text != project.recorded_protocol:
        raise ProjectError(
            "was edited since the protocol was last recorded",
            where=str(project.root / PROTOCOL_FILE),
            hint="record it with `kmeta amend --why REASON`, then archive",
        )
    disk.recover(folder)
    _look_before_writing(folder, acts)
    if dry_run:
        return content.names
    with disk.told(folder, "making the archive"):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with disk.scratch(folder, OWNED) as made:
        disk.write_tree(made, content.texts)
        for digest in content.blobs:
            disk.write_tree(made, {f"{FILES}/{digest}": project.read_file(digest)})
        # The lock alone: two archives of one project are put in place one after the other.
        with contextlib.nullcontext() if project.store.read_only else project.store.writing():
            _rescue(folder)
            disk.clear_old(folder, OWNED)
            _put_in_place(made, folder)
    return content.names


def restore(folder: Path | str, root: Path | str) -> Project:
    """A project in `root` (new or empty) equal to the one that was archived into `folder`.

    Raises FormatError with everything that is wrong in the archive; `root` is then as it was.
    """
    folder, root = Path(folder), Path(root)
    disk.recover(folder)
    acts = _read(folder)
    digests = _blobs(acts)
    with new_folder(root) as made:
        with disk.told(made, "making the project"):
            (made / FILES).mkdir()
        for digest in digests:
            disk.write_tree(made, {f"{FILES}/{digest}": _checked_blob(folder, digest)})
        build(made, acts)
    return Project.open(root)


def verify_archive(folder: Path | str) -> tuple[int, str]:
    """How many acts a whole archive holds, and their state; FormatError with everything wrong in another."""
    acts = _read(Path(folder))
    return len(acts), log.state_of(act.id for act in acts)


# -- writing


def _content(acts: Sequence[Act], root: Path) -> _Content:
    said = log.live(acts)
    texts = {PROTOCOL_FILE: protocol_of(said, root).encode(), ATTRIBUTES: b"* -text\n"}
    lines: dict[str, list[str]] = {}
    for act in acts:
        lines.setdefault(_file_of_person(act.who), []).append(log.to_line(act) + "\n")
    texts.update({name: "".join(kept).encode() for name, kept in lines.items()})
    texts.update(views(evidence_of(said, root), files_of(said)))
    blobs = _blobs(acts)
    hashes = {name: sha256(data) for name, data in texts.items()}
    hashes.update({f"{FILES}/{digest}": digest for digest in blobs})
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "about": ABOUT,
        "views": fingerprint(),
        "acts": len(acts),
        "state": log.state_of(act.id for act in acts),
        "roots": sorted(log.roots(acts)),
        "heads": sorted(log.heads(acts)),
        "files": dict(sorted(hashes.items())),
    }
    return _Content({MANIFEST: pretty_json(manifest).encode(), **texts}, blobs)


def _file_of_person(who: str) -> str:
    return f"{ACTS}/{file_stem(who)}.jsonl"


def _blobs(acts: Iterable[Act]) -> tuple[str, ...]:
    """Every file an act ever named, for the log stays whole."""
    return tuple(sorted({file_of(act).sha256 for act in acts if act.kind == FILE and not act.retracts}))


def _look_before_writing(folder: Path, acts: Sequence[Act]) -> None:
    """Refuse a folder whose contents are not ours to replace."""
    with disk.told(folder, "looking at the folder"):
        if folder.exists() and not folder.is_dir():
            raise ProjectError("is a file", where=str(folder), hint="name a folder that is new or empty")
        there = [path.name for path in folder.iterdir()] if folder.exists() else []
    if all(name.startswith(".") and name not in OWNED for name in there):
        return
    if MANIFEST not in there:
        raise ProjectError(
            "holds other things, not an archive", where=str(folder), hint="name a folder that is new or empty"
        )
    manifest = _manifest(folder)
    if manifest["roots"] != sorted(log.roots(acts)):
        raise ProjectError(
            "holds the archive of another review", where=str(folder), hint="name another folder"
        )
    strange = sorted(set(_walk(folder)) - {MANIFEST, *manifest["files"]})
    if strange:
        raise ProjectError(
            f"holds {strange[0]}, which is not of the archive",
            where=str(folder),
            hint="move it elsewhere first",
        )
    ours = {act.id for act in acts}
    lacking = sum(act.id not in ours for _, _, act in _lines(folder, Problems(str(folder))))
    if lacking:
        raise ProjectError(
            f"holds {lacking} act{'s' if lacking > 1 else ''} that this project lacks",
            where=str(folder),
            hint="restore that archive into a folder of its own, `kmeta merge` it, then archive again",
        )


def _put_in_place(made: Path, folder: Path) -> None:
    """Make `made` the folder; what in the old one is not the archive's moves over, or all is undone."""
    foreign = (
        [path.name for path in sorted(folder.iterdir()) if path.name not in OWNED] if folder.exists() else []
    )
    if not folder.exists() or not any(folder.iterdir()):
        disk.place(made, folder)
        return
    disk.swap(made, folder)
    moved: list[str] = []
    try:
        for name in foreign:
            with disk.told(folder / name, f"moving {name}"):
                os.replace(made / name, folder / name)  # noqa: PTH105
            moved.append(name)
    except BaseException:
        for name in moved:
            os.replace(folder / name, made / name)  # noqa: PTH105
        disk.swap(made, folder)
        raise


def _rescue(folder: Path) -> None:
    """Bring home what is not the archive's from folders that a killed process left beside."""
    if not folder.is_dir():
        return
    for left in disk.leftovers(folder):
        for path in sorted(left.iterdir()):
            if path.name not in OWNED and not (folder / path.name).exists():
                with disk.told(path, f"moving {path.name}"):
                    os.replace(path, folder / path.name)  # noqa: PTH105


# -- reading


def _read(folder: Path) -> list[Act]:
    """The acts of an archive, parents first; FormatError with every fault of it."""
    manifest = _manifest(folder)
    problems = Problems(str(folder))
    present = _check_files(folder, manifest["files"], problems)
    acts = []
    for name, number, act in _lines(folder, problems):
        if name != _file_of_person(act.who):
            problems.add(f"{name}:{number}", f"an act of {act.who!r} in another's file")
        acts.append(act)
    problems.raise_if_any("nothing was restored; take the archive from its deposit or from git again")
    for fault in faults(acts, manifest["heads"]):
        problems.add(ACTS, fault.message)
    for digest in _blobs(acts) if not problems else ():
        if f"{FILES}/{digest}" not in present:
            problems.add(f"{FILES}/{digest}", "is missing")
    problems.raise_if_any("nothing was restored; take the archive from its deposit or from git again")
    ordered = log.in_order(acts)
    _check_views(folder, manifest, ordered, problems)
    return ordered


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise ProjectError(
            "is not an archive" if folder.is_dir() else "there is no such folder",
            where=str(folder),
            hint=f"an archive has a {MANIFEST}; `kmeta archive DIR` writes one",
        )
    try:
        manifest = json.loads(disk.read_file(path, MAX_MANIFEST))
        ours = manifest["format"] == FORMAT and isinstance(manifest["version"], int)
        newer = ours and manifest["version"] > VERSION
        shaped = ours and (newer or _shaped(manifest))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        newer = shaped = False
    if newer:
        raise ProjectError(
            f"was written by a newer kmeta (archive format {manifest['version']}; this kmeta reads up to {VERSION})",
            where=str(path),
            hint="update kmeta (pip install --upgrade kmeta)",
        )
    if not shaped:
        raise FormatError("is not the manifest of an archive", where=str(path), hint="take it from git again")
    return dict(manifest)


def _shaped(manifest: dict[str, Any]) -> bool:
    return (
        all(isinstance(name, str) for key in ("roots", "heads") for name in manifest[key])
        and all(isinstance(part, str) for pair in manifest["files"].items() for part in pair)
        and isinstance(manifest["views"], str)
    )


def _walk(folder: Path) -> Iterator[str]:
    """Relative names of all that lies in the archive's own files and folders; links are not followed."""
    for name in OWNED:
        top = folder / name
        if top.is_symlink() or top.is_file():
            yield name
        elif top.is_dir():
            for parent, folders, files in os.walk(top):
                folders.sort()
                here = Path(parent).relative_to(folder).as_posix()
                links = [sub for sub in folders if (Path(parent) / sub).is_symlink()]
                yield from (f"{here}/{file}" for file in sorted([*files, *links]))


def _check_files(folder: Path, files: dict[str, str], problems: Problems) -> set[str]:
    """Each file against the manifest; the names that are there and right."""
    there = set(_walk(folder)) - {MANIFEST}
    for name in sorted(files.keys() - there):
        problems.add(name, "is missing")
    for name in sorted(there - files.keys()):
        problems.add(name, "does not belong to the archive", "move it elsewhere")
    right = set()
    for name in sorted(there & files.keys()):
        try:
            data = disk.read_file(folder / name, MAX_FILE)
        except ProjectError as error:
            problems.add(name, error.message)
            continue
        if sha256(data) == files[name]:
            right.add(name)
        elif name.startswith((ACTS, FILES)):
            problems.add(name, "is not what was archived: its hash differs")
        else:
            problems.add(name, "was edited by hand: its hash differs", _HAND)
    return right


def _lines(folder: Path, problems: Problems) -> Iterator[tuple[str, int, Act]]:
    """Every act with the file and line it stands in."""
    for path in sorted((folder / ACTS).glob("*.jsonl")):
        name = f"{ACTS}/{path.name}"
        try:
            lines = disk.read_file(path, MAX_FILE).decode().split("\n")
        except (UnicodeDecodeError, ProjectError):
            problems.add(name, "is not a log of acts")
            continue
        if lines.pop():
            problems.add(f"{name}:{len(lines) + 1}", "is cut in the middle of a line")
        for number, line in enumerate(lines, start=1):
            try:
                yield name, number, log.from_line(line)
            except InputError as error:
                problems.add(f"{name}:{number}", error.message)


def _check_views(folder: Path, manifest: dict[str, Any], acts: Sequence[Act], problems: Problems) -> None:
    """The views are those of the acts; of an archive whose views another kmeta made, the protocol alone is."""
    expected = _content(acts, folder).texts
    if manifest["views"] != fingerprint():
        expected = {PROTOCOL_FILE: expected[PROTOCOL_FILE]}
    for name in sorted(expected):
        path = folder / name
        if not path.is_file() or disk.read_file(path, MAX_FILE) != expected[name]:
            problems.add(name, "is not what the acts give: it was edited by hand", _HAND)
    if manifest["views"] == fingerprint():
        for name in sorted(manifest["files"].keys() - expected.keys()):
            if not name.startswith(f"{FILES}/"):
                problems.add(name, "is not what the acts give: no act says so", _HAND)
    problems.raise_if_any("nothing was restored")


def _checked_blob(folder: Path, digest: str) -> bytes:
    data = disk.read_file(folder / FILES / digest, MAX_FILE)
    if sha256(data) != digest:
        raise FormatError("changed while it was read", where=str(folder / FILES / digest))
    return data
