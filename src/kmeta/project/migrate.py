"""The database's versions: one function each, run in order; a released one is never changed again.

A new project is made by all of them, an old one by those it lacks, so both have the same schema to the letter.
Acts themselves never migrate: they are hashed as they were written. `PRAGMA user_version` holds the version.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

# "kmet": tells a review from any other SQLite file.
APPLICATION_ID = 0x6B6D6574


def version_1(connection: Connection) -> None:
    """The log of acts, which ones are replaced, and the heads of the graph."""
    _run(
        connection,
        """CREATE TABLE act (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  parents TEXT NOT NULL,
  who TEXT NOT NULL,
  at TEXT NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  body TEXT NOT NULL,
  why TEXT NOT NULL,
  replaces TEXT NOT NULL,
  chain TEXT NOT NULL
) STRICT""",
        "CREATE TABLE replaced (id TEXT PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID",
        "CREATE TABLE head (id TEXT PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID",
        *_append_only("act", "EXISTS (SELECT 1 FROM act WHERE id = NEW.id OR seq = NEW.seq)"),
        *_append_only("replaced", "EXISTS (SELECT 1 FROM replaced WHERE id = NEW.id)"),
    )


def version_2(connection: Connection) -> None:
    """Subjects are found by an index; derived results have a table (they may be replaced) and a seal on it."""
    _run(
        connection,
        "CREATE INDEX act_of_subject ON act (kind, subject)",
        """CREATE TABLE result (
  name TEXT PRIMARY KEY NOT NULL,
  state TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT, WITHOUT ROWID""",
        "CREATE TABLE seal (name TEXT PRIMARY KEY NOT NULL, sha256 TEXT NOT NULL) STRICT, WITHOUT ROWID",
    )


VERSIONS: tuple[Callable[[Connection], None], ...] = (version_1, version_2)
CURRENT = len(VERSIONS)


def upgrade(connection: Connection, present: int, to: int = CURRENT) -> None:
    """Bring a database of version `present` (0: empty) to version `to`, inside the caller's transaction."""
    for version in VERSIONS[present:to]:
        version(connection)
    _run(connection, f"PRAGMA user_version = {to}", f"PRAGMA application_id = {APPLICATION_ID}")


def _append_only(table: str, taken: str) -> tuple[str, ...]:
    """Triggers that refuse UPDATE, DELETE, and the deletion that INSERT OR REPLACE hides."""
    refused = f"SELECT RAISE(ABORT, 'rows of {table} are appended, never changed')"
    return (
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} BEGIN {refused}; END",
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} BEGIN {refused}; END",
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {taken} BEGIN {refused}; END",
    )


def _run(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)
