"""Each write, fsync, rename and commit failing once (or Ctrl-C there): the old state or the new, never a mixture."""

import errno
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest
import sqlalchemy as sa

from kmeta.core.errors import ReviewError
from kmeta.project import Project, archive, backup, merge, restore
from kmeta.project import disk as disk_module
from kmeta.review.record import Record
from kmeta.review.study import Study

AT = "2026-01-01T00:00:00Z"
SQLITE = {
    errno.ENOSPC: sqlite3.SQLITE_FULL,
    errno.EIO: sqlite3.SQLITE_IOERR,
    errno.EACCES: sqlite3.SQLITE_READONLY,
}
NOISE = (".kmeta-", "review.db-")


class Shim:
    """Counts what this room asks of the system, and makes the `fail_at`-th of it fail."""

    def __init__(self, monkeypatch):
        self.monkeypatch, self.count, self.fail_at = monkeypatch, 0, None
        for name in ("write", "fsync", "replace", "mkdir"):
            self.wrap(os, name)
        self.wrap(disk_module, "_exchange")
        for event in ("commit", "before_cursor_execute"):
            sa.event.listen(sa.Engine, event, self.sql)
        self.wanted = ("INSERT", "DELETE", "BEGIN IMMEDIATE", "CREATE")

    def wrap(self, module, name):
        real = getattr(module, name)

        def shimmed(*args, **options):
            self.step(args[0] if name in ("replace", "mkdir") else name)
            return real(*args, **options)

        self.monkeypatch.setattr(module, name, shimmed)

    def sql(self, connection, cursor=None, statement="COMMIT", *_):
        if statement == "COMMIT" or statement.startswith(self.wanted):
            self.step("sql")

    def step(self, what):
        self.count += 1
        if self.count == self.fail_at:
            code = [*SQLITE, None][self.count % 4]
            if code is None:
                raise KeyboardInterrupt
            if what != "sql":
                raise OSError(code, os.strerror(code), str(what))
            refused = sqlite3.OperationalError("as SQLite says it")
            refused.sqlite_errorcode = SQLITE[code]
            raise refused

    def close(self):
        for event in ("commit", "before_cursor_execute"):
            sa.event.remove(sa.Engine, event, self.sql)


@pytest.fixture
def shim(monkeypatch):
    shim = Shim(monkeypatch)
    yield shim
    shim.close()


def tree(root):
    """What a reader sees in a folder; None where there is none. A project is what it says, not its bytes."""
    if not root.exists():
        return None
    found = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not any(noise in str(path) for noise in NOISE)
    }
    if "review.db" not in found:
        return found
    # Bytes that no act names yet are nobody's: they may lie there, and do not count.
    kept = {name: data for name, data in found.items() if name.startswith("report/") or name == "review.toml"}
    with Project.open(root) as project:
        assert [finding for finding in project.check() if finding.severity == "error"] == []
        files = {file: project.read_file(file.sha256) for file in project.files()}
        return kept, project.state(), project.evidence(), project.results(), files


def make(root):
    with Project.create(root, "title = 'x'", who="anna", at=AT) as project:
        project.add([Record(record_id=f"R{n}") for n in range(5)], who="anna", at=AT)
        project.add_file(b"a", name="a.pdf", who="anna", at=AT)
        project.write_report({"index.html": b"old", "a/b.txt": b"old"})
        project.save_results({"os": 1})


def import_(here):
    with Project.open(here / "review") as project:
        project.add([Record(record_id=f"R{n}", title="new") for n in range(3, 8)], who="bob", at=AT)


def add_file(here):
    with Project.open(here / "review") as project:
        project.add_file(b"new", name="new.pdf", who="bob", at=AT)


def report(here):
    with Project.open(here / "review") as project:
        project.write_report({"index.html": b"new", "c/d.txt": b"new"})


def results(here):
    with Project.open(here / "review") as project:
        project.save_results({"os": 2, "dfs": 3})


def archive_new(here):
    with Project.open(here / "review") as project:
        archive(project, here / "fresh")


def archive_over(here):
    with Project.open(here / "review") as project:
        archive(project, here / "archive")


def restored(here):
    restore(here / "archive", here / "restored").close()


def copied(here):
    with Project.open(here / "review") as project:
        backup(project, here / "copy")


def created(here):
    Project.create(here / "created", "title = 'y'", who="anna", at=AT).close()


def merged(here):
    with Project.open(here / "review") as project:
        merge(project, here / "other")


JOBS = [import_, add_file, report, results, archive_new, archive_over, restored, copied, created, merged]


@pytest.fixture
def place():
    """A folder in memory where there is one: hundreds of fsyncs are not what is tested."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A review with an archive of an older state (under git, so to say) and a copy that worked apart."""
    here = tmp_path_factory.mktemp("start")
    make(here / "review")
    shutil.copytree(here / "review", here / "other")
    with Project.open(here / "other") as other:
        other.add([Study(study_id="s")], who="bob", at=AT)
        other.add_file(b"theirs", name="b.pdf", who="bob", at=AT)
        (here / "other" / "review.toml").write_text("title = 'amended'")
        other.record_protocol(who="bob", at=AT)
    with Project.open(here / "review") as project:
        archive(project, here / "archive")
        (here / "archive" / ".git").mkdir()
        (here / "archive" / ".git" / "HEAD").write_bytes(b"ref")
        project.add([Study(study_id="later")], who="anna", at=AT)
        project.save_results({"os": 1})
    return here


@pytest.mark.parametrize("job", JOBS)
def test_old_or_new_never_mixed(job, shim, start, place):
    done = place / "done"
    shutil.copytree(start, done)
    old = {child.name: tree(child) for child in done.iterdir()}
    shim.count = 0
    job(done)
    steps = shim.count
    new = {child.name: tree(child) for child in done.iterdir()}
    assert new != old, "the job does something"
    assert steps >= 3, "and goes through the shim"
    for fail_at in range(1, steps + 1):
        here = place / str(fail_at)
        shutil.copytree(start, here)
        shim.count, shim.fail_at = 0, fail_at
        failed = None
        try:
            job(here)
        except (ReviewError, OSError) as error:
            failed = error
        except KeyboardInterrupt:
            pass
        shim.fail_at = None
        after = {child.name: tree(child) for child in here.iterdir() if not child.name.startswith(NOISE)}
        for name in old.keys() | new.keys():
            assert after.get(name) in (old.get(name), new.get(name)), f"{name} mixed at step {fail_at}"
        if failed is not None:
            assert isinstance(failed, ReviewError), f"step {fail_at} gave a bare {failed!r}"
            assert failed.hint
            assert failed.where
        shutil.rmtree(here)
