"""A review on disk: a folder with the protocol a person edits, the log of acts, the files, and the derived report."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kmeta.core.canonical import canonical_json, sha256
from kmeta.core.errors import InputError, ProjectError, StoreError
from kmeta.project import acts as log
from kmeta.project import disk
from kmeta.project.acts import FILE, PROTOCOL, PROTOCOL_SUBJECT, RETRACTED, Act, Conflict
from kmeta.project.folder import (
    DATABASE,
    FILES,
    MAX_FILE,
    MAX_PROTOCOL,
    PROTOCOL_FILE,
    REPORT,
    build,
    new_folder,
    no_project,
)
from kmeta.project.state import StoredFile, evidence_of, file_body, files_of, protocol_body, protocol_of
from kmeta.project.store import Store
from kmeta.review import codec
from kmeta.review.evidence import Evidence
from kmeta.review.finding import Finding

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Added:
    """What an `add` did: nouns not known before, nouns that were there already, nouns whose contents changed."""

    new: int = 0
    same: int = 0
    replaced: int = 0


class Project:
    """One review's folder, open. Make one with `Project.create` or `Project.open`; close it, or use `with`.

    Every method that writes takes `who` (and `why`) and appends acts, all of a call in one transaction: when it
    returns, they last; when it raises, nothing changed.

    >>> import tempfile
    >>> from kmeta.review.study import Study
    >>> folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    >>> with Project.create(Path(folder.name) / "review", 'title = "NELM"', who="anna") as project:
    ...     project.add([Study(study_id="mayo2011", year=2011)], who="anna", why="read")
    ...     project.evidence().study["mayo2011"].year
    Added(new=1, same=0, replaced=0)
    2011
    >>> folder.cleanup()
    """

    def __init__(self, root: Path, store: Store) -> None:
        self.root, self.store = root, store

    # -- making and opening

    @classmethod
    def create(
        cls, root: Path | str, protocol_text: str, *, who: str, at: datetime | str | None = None
    ) -> Project:
        """A new project in `root`, which must be absent or empty; the protocol's text is its first act.

        Raises ProjectError where something is there already, StoreError where the disk refuses.
        """
        root = Path(root)
        first = log.new_act(
            parents=(),
            kind=PROTOCOL,
            subject=PROTOCOL_SUBJECT,
            body=protocol_body(protocol_text),
            **_signature(who, "", at),
        )
        with new_folder(root) as made:
            build(made, [first])
        return cls.open(root)

    @classmethod
    def open(cls, root: Path | str) -> Project:
        """The project in `root`, brought to the present version of the database where it is older.

        Raises ProjectError (no project there, or one of a newer kmeta) and StoreError (locked, damaged, forbidden).
        """
        root = Path(root)
        with disk.told(root, "opening the project"):
            there = (root / DATABASE).is_file()
        if not there:
            raise no_project(root)
        return cls(root, Store.open(root / DATABASE))

    def close(self) -> None:
        """Let go of the database."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- the protocol

    @property
    def protocol_text(self) -> str:
        """`review.toml` as it stands in the folder, edits that are not yet recorded included."""
        path = self.root / PROTOCOL_FILE
        if not path.exists():
            raise ProjectError(
                "the protocol is missing",
                where=str(path),
                hint="put it back: `kmeta history --kind protocol --json` holds the recorded text",
            )
        try:
            return disk.read_file(path, MAX_PROTOCOL).decode()
        except UnicodeDecodeError as error:
            raise ProjectError(
                f"byte {error.start} is not UTF-8", where=str(path), hint="save the file as UTF-8"
            ) from None

    @property
    def recorded_protocol(self) -> str:
        """The protocol's text as last recorded by an act."""
        with self.store.reading() as connection:
            said = self.store.live_on(connection, PROTOCOL, [PROTOCOL_SUBJECT])
        return protocol_of(said, self.root)

    def record_protocol(self, *, who: str, why: str = "", at: datetime | str | None = None) -> bool:
        """Record `review.toml` as it stands as an amendment; False when that is recorded already."""
        text = self.protocol_text
        signed = _signature(who, why, at)
        with self.store.writing() as connection:
            said = self.store.live_on(connection, PROTOCOL, [PROTOCOL_SUBJECT])
            body = protocol_body(text)
            if {act.body for act in said} == {body}:
                return False
            act = log.new_act(
                parents=self.store.heads(connection),
                kind=PROTOCOL,
                subject=PROTOCOL_SUBJECT,
                body=body,
                replaces=[act.id for act in said],
                **signed,
            )
            self.store.append(connection, [act])
        return True

    # -- the data

    def evidence(self) -> Evidence:
        """The present state of all data, each kind sorted by key."""
        with self.store.reading() as connection:
            said = self.store.live(connection)
        return evidence_of(said, self.root)

    def add(
        self, nouns: Iterable[object], *, who: str, why: str = "", at: datetime | str | None = None
    ) -> Added:
        """Add nouns, replace those of the same key whose contents differ, leave equal ones alone; all or nothing.

        Raises InputError for a noun that cannot be kept, FormatError where two of them claim one key.
        """
        encoded = codec.encode_all(nouns)
        return self._append(
            [(item.kind, item.subject, item.body) for item in encoded], _signature(who, why, at)
        )

    def remove(
        self, nouns: Iterable[object], *, who: str, why: str = "", at: datetime | str | None = None
    ) -> int:
        """Take nouns (by their keys) out of the present state; the log keeps them. How many were there."""
        keys = dict.fromkeys((codec.kind_of(noun).name, codec.dump_key(codec.key_of(noun))) for noun in nouns)
        gone = self._append([(kind, subject, RETRACTED) for kind, subject in keys], _signature(who, why, at))
        return gone.replaced

    # -- files

    def add_file(
        self, data: bytes, *, name: str, who: str, why: str = "", at: datetime | str | None = None
    ) -> str:
        """Keep `data` byte for byte; its SHA-256, by which it is read again."""
        if len(data) > MAX_FILE:
            raise InputError(f"{len(data):,} bytes; at most {MAX_FILE:,} are kept", where=name)
        if not name.strip() or len(name) > 255:
            raise InputError("a file needs a name of at most 255 characters", where="name")
        codec.check_text(name, "name")
        digest = sha256(data)
        body = file_body(digest, name, len(data))
        signed = _signature(who, why, at)
        with self.store.writing() as connection:
            # Under the lock, so that what lies half-made in the folder is nobody's any more.
            self.put_blob(digest, data)
            self._append_in(connection, [(FILE, codec.dump_key((digest, name)), body)], signed)
        return digest

    def read_file(self, digest: str) -> bytes:
        """The bytes kept under this SHA-256; StoreError when they are not what they were."""
        path = self.blob(digest)
        if not path.is_file():
            raise ProjectError(f"no file {digest} is kept here", where=str(path.parent))
        data = disk.read_file(path, MAX_FILE)
        if sha256(data) != digest:
            raise StoreError(
                "the file is not what it was when it was added", where=str(path), hint="take it from a backup"
            )
        return data

    def files(self) -> tuple[StoredFile, ...]:
        """What is kept, by name."""
        with self.store.reading() as connection:
            said = self.store.live(connection)
        return files_of(said)

    def blob(self, digest: str) -> Path:
        """Where the bytes of that hash lie."""
        if not _SHA256.fullmatch(digest):
            raise InputError(f"{digest!r} is no SHA-256", where="file")
        return self.root / FILES / digest

    def put_blob(self, digest: str, data: bytes) -> None:
        """Put bytes into files/ under their hash; call inside `store.writing()`."""
        path = self.blob(digest)
        if path.is_file() and path.stat().st_size == len(data) and sha256(path.read_bytes()) == digest:
            return
        with disk.told(path, "making the folder of files"):
            path.parent.mkdir(exist_ok=True)
        disk.clear_scratch(path.parent)
        disk.write_file(path, data)

    # -- the log

    def acts(self) -> list[Act]:
        """Every act, parents before children, then by time; the same order in every copy."""
        with self.store.reading() as connection:
            return log.in_order(self.store.acts(connection))

    def state(self) -> str:
        """One hash of the set of acts: equal in two copies that hold the same, whatever the order they came in."""
        with self.store.reading() as connection:
            return log.state_of(self.store.ids(connection))

    def conflicts(self) -> list[Conflict]:
        """Subjects of which two people say different things; adding the right noun settles one."""
        with self.store.reading() as connection:
            return log.conflicts(self.store.live(connection))

    def check(self) -> list[Finding]:
        """Every fault of the log, the database and the files; an intact project gives no finding of `error`."""
        from kmeta.project.check import check

        return check(self)

    # -- what is derived

    def save_results(self, results: Mapping[str, Any], *, state: str | None = None) -> None:
        """Replace the derived results, each a JSON value; `state` is `state()` of when their data were read."""
        bodies = {codec.check_text(name, "name"): canonical_json(value) for name, value in results.items()}
        text = sha256(self.protocol_text)
        with self.store.writing() as connection:
            of = state or log.state_of(self.store.ids(connection))
            self.store.put_results(connection, f"{of}:{text}", bodies)

    def results(self) -> dict[str, Any]:
        """The derived results of the present state and protocol; {} when there are none, or they are out of date."""
        text = sha256(self.protocol_text)
        with self.store.reading() as connection:
            of, bodies = self.store.results(connection)
            now = f"{log.state_of(self.store.ids(connection))}:{text}"
        return {name: json.loads(body) for name, body in bodies.items()} if of == now else {}

    def write_report(self, files: Mapping[str, bytes]) -> Path:
        """Replace report/ as a whole by these files (relative name -> bytes); its folder."""
        for name in files:
            disk.checked_name(name)
        target = self.root / REPORT
        with self.store.writing():
            # The lock alone: nobody else replaces the report meanwhile.
            disk.recover(target)
            disk.clear_scratch(self.root, f"{REPORT}-")
            with disk.scratch(target) as made:
                disk.write_tree(made, files)
                if target.exists():
                    disk.swap(made, target)
                else:
                    disk.place(made, target)
        return target

    # -- inside

    def _append(self, said: list[tuple[str, str, str]], signed: dict[str, str]) -> Added:
        with self.store.writing() as connection:
            return self._append_in(connection, said, signed)

    def _append_in(self, connection: Any, said: list[tuple[str, str, str]], signed: dict[str, str]) -> Added:
        """Append an act for each (kind, subject, body) that is not the present state already."""
        subjects: dict[str, list[str]] = {}
        for kind, subject, _ in said:
            subjects.setdefault(kind, []).append(subject)
        before: dict[tuple[str, str], list[Act]] = {}
        for kind, asked in subjects.items():
            before.update(log.by_subject(self.store.live_on(connection, kind, asked)))
        parents = self.store.heads(connection)
        made: list[Act] = []
        counts = {"new": 0, "same": 0, "replaced": 0}
        for kind, subject, body in said:
            known = before.get((kind, subject), [])
            bodies = {act.body for act in known}
            if bodies == {body} or (body == RETRACTED and not known):
                counts["same"] += 1
                continue
            counts["new" if bodies <= {RETRACTED} else "replaced"] += 1
            act = log.new_act(
                parents=parents,
                kind=kind,
                subject=subject,
                body=body,
                replaces=[act.id for act in known],
                **signed,
            )
            made.append(act)
            parents = {act.id}
        self.store.append(connection, made)
        return Added(**counts)


def _signature(who: str, why: str, at: datetime | str | None) -> dict[str, str]:
    return {"who": log.person(who), "why": codec.check_text(why, "why"), "at": log.instant(at)}
