"""The database of a review: rows of acts in, rows of acts out. The only module that speaks SQL.

SQLAlchemy Core, so that a server's URL can take the file's place; what is SQLite's alone (pragmas, IMMEDIATE) is
set on the engine. Each write is one transaction that reads the heads, appends acts and moves the heads, with
`synchronous=FULL`: when it returns, the acts outlive a power cut.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from kmeta.core.canonical import sha256
from kmeta.core.errors import ProjectError, StoreError
from kmeta.project import disk, migrate
from kmeta.project.acts import Act

BUSY_SECONDS = 30
# How many values go into one IN (...): below every SQLite's limit.
CHUNK = 400
# What the chain of a copy begins with.
FIRST_LINK = ""

_metadata = sa.MetaData()
ACT = sa.Table(
    "act",
    _metadata,
    sa.Column("seq", sa.Integer, primary_key=True),
    *(
        sa.Column(name, sa.Text)
        for name in ("id", "parents", "who", "at", "kind", "subject", "body", "why", "replaces", "chain")
    ),
)
REPLACED = sa.Table("replaced", _metadata, sa.Column("id", sa.Text, primary_key=True))
HEAD = sa.Table("head", _metadata, sa.Column("id", sa.Text, primary_key=True))
RESULT = sa.Table(
    "result",
    _metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("state", sa.Text),
    sa.Column("body", sa.Text),
)
SEAL = sa.Table("seal", _metadata, sa.Column("name", sa.Text, primary_key=True), sa.Column("sha256", sa.Text))
_IDS = ("parents", "replaces")


class Store:
    """One review's database. Connections are taken per operation, so threads may share a Store."""

    def __init__(self, path: Path, engine: sa.Engine, *, read_only: bool) -> None:
        self.path, self.engine, self.read_only = path, engine, read_only

    @classmethod
    def create(cls, path: Path) -> Store:
        """A new, empty database of the current version."""
        store = cls(path, _engine(path), read_only=False)
        with store.writing() as connection:
            migrate.upgrade(connection, 0)
        return store

    @classmethod
    def open(cls, path: Path) -> Store:
        """An existing database, brought to the current version (a copy of the old one is kept beside it)."""
        _look(path)
        read_only = _only_read(path)
        store = cls(path, _engine(path, read_only=read_only), read_only=read_only)
        try:
            store._accept()
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    @contextmanager
    def snapshot(cls, path: Path) -> Iterator[Store]:
        """A copy of a database elsewhere, upgraded if need be, to read; the original is not touched."""
        _look(path)
        read_only = _only_read(path)
        original = cls(path, _engine(path, read_only=read_only), read_only=read_only)
        with _temporary() as folder:
            copy = folder / path.name
            try:
                original.copy_to(copy)
            finally:
                original.close()
            store = cls.open(copy)
            try:
                yield store
            finally:
                store.close()

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection that sees one state of the database throughout."""
        with self._told("reading"), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that no other process can write beside; all of it lasts, or none."""
        if self.read_only:
            raise StoreError(
                "no permission to write",
                where=str(self.path),
                hint="check who owns the folder of the project",
            )
        with (
            self._told("writing"),
            self.engine.connect() as connection,
            connection.execution_options(kmeta_immediate=True).begin(),
        ):
            yield connection

    # -- acts

    def acts(self, connection: sa.Connection) -> list[Act]:
        """Every act, as they came to this copy; StoreError when a row is not even an act in form."""
        return [self._act(row) for row in connection.execute(sa.select(ACT).order_by(ACT.c.seq))]

    def ids(self, connection: sa.Connection) -> set[str]:
        """The ids of every act."""
        return set(connection.scalars(sa.select(ACT.c.id)))

    def heads(self, connection: sa.Connection) -> set[str]:
        """The acts that none follows."""
        return set(connection.scalars(sa.select(HEAD.c.id)))

    def live(self, connection: sa.Connection) -> list[Act]:
        """Every act that none replaces, by (at, id)."""
        rows = connection.execute(sa.select(ACT).where(~_replaced(ACT.c.id)).order_by(ACT.c.at, ACT.c.id))
        return [self._act(row) for row in rows]

    def live_on(self, connection: sa.Connection, kind: str, subjects: Sequence[str]) -> list[Act]:
        """Those of them that are on these subjects."""
        found: list[Act] = []
        for part in _chunks(subjects):
            chosen = sa.select(ACT).where(ACT.c.kind == kind, ACT.c.subject.in_(part), ~_replaced(ACT.c.id))
            found += (self._act(row) for row in connection.execute(chosen))
        return sorted(found, key=lambda act: (act.at, act.id))

    def append(self, connection: sa.Connection, acts: Sequence[Act]) -> None:
        """Append acts, parents first, and move the heads; inside `writing`."""
        if not acts:
            return
        last = connection.execute(
            sa.select(ACT.c.seq, ACT.c.chain).order_by(ACT.c.seq.desc()).limit(1)
        ).first()
        seq, link = (last.seq, last.chain) if last else (0, FIRST_LINK)
        rows: list[dict[str, Any]] = []
        for act in acts:
            seq, link = seq + 1, next_link(link, act.id)
            rows.append(_row(act, seq, link))
        connection.execute(sa.insert(ACT), rows)
        replaced = {act_id for act in acts for act_id in act.replaces}
        for part in _chunks(sorted(replaced)):
            replaced -= set(connection.scalars(sa.select(REPLACED.c.id).where(REPLACED.c.id.in_(part))))
        if replaced:
            connection.execute(sa.insert(REPLACED), [{"id": act_id} for act_id in sorted(replaced)])
        followed = {parent for act in acts for parent in act.parents}
        before = self.heads(connection)
        gone = before & followed
        if gone:
            connection.execute(sa.delete(HEAD).where(HEAD.c.id.in_(sorted(gone))))
        new = [act.id for act in acts if act.id not in followed]
        connection.execute(sa.insert(HEAD), [{"id": act_id} for act_id in new])

    # -- derived results

    def results(self, connection: sa.Connection) -> tuple[str, dict[str, str]]:
        """(state they belong to, name -> JSON); ("", {}) when there are none."""
        rows = connection.execute(sa.select(RESULT).order_by(RESULT.c.name)).all()
        return (rows[0].state if rows else ""), {row.name: row.body for row in rows}

    def put_results(self, connection: sa.Connection, state: str, bodies: Mapping[str, str]) -> None:
        """Replace all results; inside `writing`."""
        connection.execute(sa.delete(RESULT))
        connection.execute(sa.delete(SEAL))
        rows = [{"name": name, "state": state, "body": body} for name, body in sorted(bodies.items())]
        if rows:
            connection.execute(sa.insert(RESULT), rows)
            connection.execute(
                sa.insert(SEAL),
                [
                    {
                        "name": "result",
                        "sha256": results_seal((r["name"], r["state"], r["body"]) for r in rows),
                    }
                ],
            )

    # -- what `check` asks

    def integrity(self, connection: sa.Connection) -> list[str]:
        """What SQLite's own check finds; [] when all is well."""
        lines = [str(line) for line in connection.exec_driver_sql("PRAGMA integrity_check").scalars()]
        return [] if lines == ["ok"] else lines

    def schema(self, connection: sa.Connection) -> dict[str, str]:
        """Tables, indexes and triggers as they stand: "trigger act_no_update" -> its SQL."""
        rows = connection.exec_driver_sql("SELECT type, name, tbl_name, sql FROM sqlite_master")
        return {
            f"{row.type} {row.name}": f"{row.tbl_name}: {row.sql}"
            for row in rows
            if not row.name.startswith("sqlite_")
        }

    def expected_schema(self) -> dict[str, str]:
        """The same as a new project has it."""
        engine = sa.create_engine("sqlite://")
        with engine.begin() as connection:
            migrate.upgrade(connection, 0)
            return self.schema(connection)

    def broken_links(self, connection: sa.Connection) -> list[int]:
        """Rows whose place in the log is not the one they were written at: seq of each."""
        broken, link = [], FIRST_LINK
        rows = connection.execute(sa.select(ACT.c.seq, ACT.c.id, ACT.c.chain).order_by(ACT.c.seq))
        for place, row in enumerate(rows, start=1):
            if row.seq != place or row.chain != next_link(link, row.id):
                broken.append(int(row.seq))
            link = row.chain
        return broken

    def replaced(self, connection: sa.Connection) -> set[str]:
        """The ids of acts that are left out of the present state."""
        return set(connection.scalars(sa.select(REPLACED.c.id)))

    def results_are_sealed(self, connection: sa.Connection) -> bool:
        """Whether the derived results are those that were saved."""
        rows = connection.execute(sa.select(RESULT).order_by(RESULT.c.name)).all()
        seals = [(row.name, row.sha256) for row in connection.execute(sa.select(SEAL))]
        return seals == ([("result", results_seal((r.name, r.state, r.body) for r in rows))] if rows else [])

    # -- the file

    def version(self) -> int:
        """The schema's version as the file says it."""
        with self.reading() as connection:
            return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())

    def copy_to(self, target: Path) -> None:
        """An exact copy by SQLite's online backup, while others may write; `target` must not exist."""
        with self._told("copying"), self.engine.connect() as connection:
            copy = sqlite3.connect(target)
            try:
                connection.connection.driver_connection.backup(copy)  # type: ignore[union-attr]
                copy.execute("PRAGMA journal_mode=DELETE")
            finally:
                copy.close()
        with disk.told(target, "copying the database"):
            handle = os.open(target, os.O_RDWR)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def _accept(self) -> None:
        """Refuse what is no review or is newer; upgrade what is older."""
        with self.reading() as connection:
            application = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
            version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        if application != migrate.APPLICATION_ID:
            raise ProjectError(
                "is a database, but not of a kmeta review",
                where=str(self.path),
                hint="take the folder from a backup or restore it from an archive",
            )
        if version > migrate.CURRENT:
            raise ProjectError(
                f"was written by a newer kmeta (format {version}; this kmeta reads up to {migrate.CURRENT})",
                where=str(self.path),
                hint="update kmeta (pip install --upgrade kmeta); nothing was changed",
            )
        if version < migrate.CURRENT:
            self._upgrade(version)

    def _upgrade(self, version: int) -> None:
        if self.read_only:
            raise StoreError(
                f"is of an older kmeta (format {version}) and cannot be upgraded here",
                where=str(self.path),
                hint="copy the project to a folder you may write, and open it there",
            )
        kept = self.path.with_name(f"{self.path.stem}-version-{version}.backup")
        with disk.scratch(kept) as folder:
            self.copy_to(folder / kept.name)
            with disk.told(kept, "keeping a copy before the upgrade"):
                os.replace(folder / kept.name, kept)  # noqa: PTH105
                disk.fsync_folder(kept.parent)
        with self.writing() as connection:
            # Another process may have been first.
            present = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
            if present < migrate.CURRENT:
                migrate.upgrade(connection, present)

    def _act(self, row: Any) -> Act:
        try:
            return Act(
                id=row.id,
                parents=split_ids(row.parents),
                who=row.who,
                at=row.at,
                kind=row.kind,
                subject=row.subject,
                body=row.body,
                why=row.why,
                replaces=split_ids(row.replaces),
            )
        except (AttributeError, TypeError):
            raise damaged(self.path, f"row {row.seq} of the log is not an act") from None

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, sqlite3.Error) as error:
            raise _refused(error, self.path, doing) from error


@contextmanager
def _temporary() -> Iterator[Path]:
    with disk.told(Path(tempfile.gettempdir()), "making a temporary folder"):
        folder = Path(tempfile.mkdtemp(prefix="kmeta-"))
    try:
        yield folder
    finally:
        disk.remove(folder)


def next_link(link: str, act_id: str) -> str:
    """The chain of a copy: each row's link is the hash of the one before and of its act."""
    return sha256(link + act_id)


def results_seal(rows: Iterable[tuple[str, str, str]]) -> str:
    """One hash over all derived results."""
    return sha256("\n".join("\t".join(map(sha256, row)) for row in rows))


def split_ids(text: str) -> tuple[str, ...]:
    """Ids as one column holds them: separated by spaces, none as the empty text."""
    return tuple(text.split(" ")) if text else ()


def damaged(path: Path, what: str) -> StoreError:
    """The error for a database that does not hold what it should."""
    return StoreError(
        what,
        where=str(path),
        hint="run `kmeta check`; restore the newest backup or archive into a new folder",
    )


def _row(act: Act, seq: int, link: str) -> dict[str, Any]:
    return {
        "seq": seq,
        "id": act.id,
        "parents": " ".join(act.parents),
        "who": act.who,
        "at": act.at,
        "kind": act.kind,
        "subject": act.subject,
        "body": act.body,
        "why": act.why,
        "replaces": " ".join(act.replaces),
        "chain": link,
    }


def _replaced(act_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    return sa.exists(sa.select(sa.literal(1)).where(REPLACED.c.id == act_id))


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]


def _engine(path: Path, *, read_only: bool = False) -> sa.Engine:
    def connect() -> sqlite3.Connection:
        if read_only:
            uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
            return sqlite3.connect(
                uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        made = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("PRAGMA synchronous=FULL")
        made.execute("PRAGMA cache_size=-65536")
        made.execute("PRAGMA trusted_schema=OFF")
        return made

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.pool.QueuePool)

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        immediate = connection.get_execution_options().get("kmeta_immediate")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _only_read(path: Path) -> bool:
    """In a folder that cannot be written SQLite could not make its side files: the file is read as it stands."""
    return not disk.writable(path.parent) and not path.with_name(path.name + "-wal").exists()


def _look(path: Path) -> None:
    with disk.told(path, "opening the project"), path.open("rb") as file:
        start = file.read(16)
    if start != b"SQLite format 3\0":
        raise damaged(path, "is empty" if not start else "is not a database")


_NOT_HALF = "nothing was half-written; "


def _refused(error: Exception, path: Path, doing: str) -> StoreError:
    """What SQLite says, in the words of the house."""
    original = getattr(error, "orig", None) or error
    code = getattr(original, "sqlite_errorcode", 0) or 0
    primary = code & 0xFF
    where = str(path)
    if primary == sqlite3.SQLITE_FULL:
        return StoreError(
            f"the disk is full while {doing} the project",
            where=where,
            hint=_NOT_HALF + "free some space and run the command again",
        )
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(
            f"another process has kept the project locked for {BUSY_SECONDS} seconds",
            where=where,
            hint="wait for it to end, or stop it, and run the command again",
        )
    if primary in (
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_AUTH,
    ):
        return StoreError(
            f"no permission while {doing} the project",
            where=where,
            hint="check who owns the folder and whether it is read-only",
        )
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return damaged(path, "the database is damaged")
    if primary == sqlite3.SQLITE_IOERR:
        return StoreError(
            f"{os.strerror(errno.EIO)} while {doing} the project",
            where=where,
            hint=_NOT_HALF + "check the disk",
        )
    return damaged(path, f"the database refused: {original}")
