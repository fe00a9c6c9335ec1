"""Does a review keep what it was told? Kills, tampers and failing disks, counted.

kills     two writers (imports and files; votes, reports and archives) are SIGKILLed at random moments
tampers   one row of the database is changed by an outsider who drops the triggers; `check` must find it
faults    each write, truncation, fsync and rename that the process asks of the system fails once, SQLite's included
"""

from __future__ import annotations

import contextlib
import csv
import errno
import json
import multiprocessing
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

from kmeta.core.errors import ReviewError
from kmeta.project import Project, archive, backup, merge, restore, verify_archive
from kmeta.review.codec import encode
from kmeta.review.record import Decision, Record
from kmeta.review.study import Study

SEED = 20260101
AT = "2026-01-01T00:00:00Z"
TITLE = 'title = "Trust"\n'


def run(data: Path, *, kills: int = 200, tampers: int = 200, sweep: bool = True) -> dict:
    """All three measurements; `passed` and `failed` count kills, tampers and faults."""
    records = _records(data)
    print(f"{'measurement':12} {'tried':>6} {'passed':>6} {'failed':>6}  note", flush=True)
    parts = {
        "kills": lambda: measure_kills(records, kills),
        "tampers": lambda: measure_tampers(records, tampers),
    }
    if sweep:
        parts["faults"] = measure_faults
    figures: dict[str, object] = {}
    passed = failed = unsupported = 0
    for name, measure in parts.items():
        start = time.monotonic()
        tried, wrong, note = measure()
        seconds = round(time.monotonic() - start, 1)
        print(f"{name:12} {tried:6} {tried - len(wrong):6} {len(wrong):6}  {note}; {seconds} s", flush=True)
        for line in wrong[:10]:
            print(f"  {line}")
        passed, failed = passed + tried - len(wrong), failed + len(wrong)
        unsupported += tried == 0
        figures[name] = {"tried": tried, "failed": len(wrong), "note": note, "seconds": seconds}
    return {
        "name": "trust", "passed": passed, "failed": failed, "unsupported": unsupported,
        "figures": figures, "peers": {},
    }  # fmt: skip


def _records(data: Path) -> list[Record]:
    """The records of the data folder; made-up ones where there are none."""
    path = data / "nelm" / "records.csv"
    if not path.is_file():
        return [Record(record_id=f"R{n:03}", title=f"Record {n}", year=2000 + n % 20) for n in range(190)]
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Record(record_id=row["record_id"], title=row["title"], doi=row["doi"])
            for row in csv.DictReader(file)
        ]


def _errors(root: Path) -> list[str]:
    with Project.open(root) as project:
        return [f"{f.check} {f.where}: {f.message}" for f in project.check() if f.severity == "error"]


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kmeta-trust-", ignore_cleanup_errors=True) as name:
        yield Path(name)


# -- kills


def measure_kills(records: list[Record], kills: int, per_review: int = 10) -> tuple[int, list[str], str]:
    """Kill both writers `kills` times; what is wrong afterwards, and how many acts had been acknowledged."""
    dice = random.Random(SEED)
    # A forked child begins at once; where there is no fork the children start more slowly, that is all.
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("fork" if "fork" in methods else "spawn")
    wrong: list[str] = []
    acknowledged = archives = 0
    for first in range(0, kills, per_review):
        with _folder() as here:
            Project.create(here / "review", TITLE, who="trust", at=AT).close()
            for kill in range(first, min(first + per_review, kills)):
                writers = [
                    context.Process(target=target, args=(here, kill, records)) for target in (_import, _vote)
                ]
                for writer in writers:
                    writer.start()
                _wait_for_both(here, kill)
                time.sleep(dice.random() * 0.6)
                for writer in writers:
                    writer.kill()
                for writer in writers:
                    writer.join()
                wrong += [f"kill {kill}: {line}" for line in _after_kill(here)]
            acknowledged += len(_acknowledged(here, "act"))
            archives += len(_acknowledged(here, "archive"))
    return kills, wrong, f"{acknowledged} acts and {archives} archives acknowledged, two writers"


def _wait_for_both(here: Path, kill: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and len(list(here.glob(f"{kill}-*.started"))) < 2:
        time.sleep(0.002)


def _say(here: Path, who: str, what: str, value: object) -> None:
    """Acknowledge, so that the killer reads it even when it strikes right after: one write, no buffer."""
    line = json.dumps([what, value]) + "\n"
    handle = os.open(here / f"{who}.said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(handle, line.encode())
    os.close(handle)


def _acknowledged(here: Path, what: str) -> list[object]:
    lines = [line for path in sorted(here.glob("*.said")) for line in path.read_text().split("\n")[:-1]]
    return [value for kind, value in map(json.loads, lines) if kind == what]


def _import(here: Path, kill: int, records: list[Record]) -> None:
    dice = random.Random(f"import-{kill}")
    with Project.open(here / "review") as project:
        (here / f"{kill}-import.started").touch()
        for turn in range(10_000):
            batch = dice.sample(records, dice.randint(1, min(60, len(records))))
            batch = [
                Record(record_id=f"{kill}/{turn}/{r.record_id}", title=r.title, doi=r.doi) for r in batch
            ]
            project.add(batch, who="importer")
            for record in batch:
                stored = encode(record)
                _say(here, "importer", "act", [stored.kind, stored.subject, stored.body])
            if turn % 3 == 0:
                data = dice.randbytes(dice.randint(0, 20_000))
                _say(
                    here,
                    "importer",
                    "file",
                    project.add_file(data, name=f"{kill}-{turn}.pdf", who="importer"),
                )


def _vote(here: Path, kill: int, records: list[Record]) -> None:
    dice = random.Random(f"vote-{kill}")
    with Project.open(here / "review") as project:
        (here / f"{kill}-vote.started").touch()
        for turn in range(10_000):
            vote = Decision(
                record_id=dice.choice(records).record_id, stage="title-abstract", reviewer=f"r{dice.randint(0, 2)}",
                vote=dice.choice(["include", "exclude", "unsure"]), note=f"{kill} {turn}",
            )  # fmt: skip
            project.add([vote], who=vote.reviewer)
            stored = encode(vote)
            _say(here, "voter", "act", [stored.kind, stored.subject, stored.body])
            if turn % 4 == 3:
                archive(project, here / "archive")
                _say(here, "voter", "archive", project.state())
            if turn % 5 == 1:
                project.write_report(
                    {"index.html": b"x" * 5000, "number.txt": str(turn).encode(), "a/b": b""}
                )
                _say(here, "voter", "report", turn)


def _after_kill(here: Path) -> list[str]:
    """What is lost or half-written: every acknowledged row is there, everything else is old or new."""
    wrong = _errors(here / "review")
    with Project.open(here / "review") as project:
        there = {(act.kind, act.subject, act.body) for act in project.acts()}
        lost = [said for said in _acknowledged(here, "act") if tuple(said) not in there]
        wrong += [f"lost {said[0]} {said[1]}" for said in lost]
        for digest in _acknowledged(here, "file"):
            try:
                project.read_file(str(digest))
            except ReviewError as error:
                wrong.append(f"lost file: {error}")
        if _acknowledged(here, "archive") and not (here / "archive").exists():
            wrong.append("the archive is gone")
        if (here / "archive").exists():
            try:
                verify_archive(here / "archive")
            except ReviewError as error:
                wrong.append(f"archive: {error}")
    report = here / "review" / "report"
    if report.exists() and sorted(p.name for p in report.rglob("*")) != [
        "a",
        "b",
        "index.html",
        "number.txt",
    ]:
        wrong.append("the report is mixed")
    if _acknowledged(here, "report") and not report.exists():
        wrong.append("the report is gone")
    return wrong


# -- tampers


def measure_tampers(records: list[Record], tampers: int) -> tuple[int, list[str], str]:
    """Change one row `tampers` times, each in a fresh copy; those that `check` did not find."""
    dice = random.Random(SEED)
    missed: list[str] = []
    kinds: dict[str, int] = {}
    with _folder() as here:
        make_review(here / "review", records[:40])
        clean = _errors(here / "review")
        if clean:
            return tampers, clean, "the review was not whole to begin with"
        for number in range(tampers):
            copy = here / f"copy-{number}"
            shutil.copytree(here / "review", copy)
            what = tamper(copy / "review.db", dice)
            kinds[what.split()[0]] = kinds.get(what.split()[0], 0) + 1
            try:
                found = _errors(copy)
            except ReviewError as error:
                found = [str(error)]
            if not found:
                missed.append(f"not found: {what}")
            shutil.rmtree(copy)
    return tampers, missed, ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))


def make_review(root: Path, records: list[Record]) -> None:
    """A review with something in every table."""
    with Project.create(root, TITLE, who="trust", at=AT) as project:
        project.add(records, who="anna", why="import", at=AT)
        for reviewer in ("anna", "bob"):
            votes = [
                Decision(record_id=r.record_id, stage="title-abstract", reviewer=reviewer, vote="include")
                for r in records
            ]
            project.add(votes, who=reviewer, at=AT)
        changed = [Record(record_id=r.record_id, title=r.title, year=1999) for r in records[:8]]
        project.add(changed, who="bob", why="corrected", at=AT)
        project.remove(records[8:11], who="anna", at=AT)
        project.add_file(b"%PDF", name="a.pdf", who="anna", at=AT)
        project.save_results({"os": {"mu": 0.5}, "dfs": [1, 2], "flow": None})


def tamper(path: Path, dice: random.Random) -> str:
    """Change one row of the database as someone could who knows SQL; what was done."""
    database = sqlite3.connect(path)
    triggers = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        database.execute(f"DROP TRIGGER {name}")
    table = dice.choice(["act", "act", "act", "act", "replaced", "head", "result", "seal"])
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    rows = database.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
    how = dice.choice(["change", "change", "delete", "insert", "swap", "reorder"])
    done = _TAMPERS[how if len(rows) > 1 else "change"](database, table, columns, rows, dice)
    for _, sql in triggers:
        database.execute(sql)
    database.commit()
    database.close()
    return done


def _set(
    database: sqlite3.Connection, table: str, key: tuple[str, object], column: str, value: object
) -> None:
    database.execute(f"UPDATE {table} SET {column} = ? WHERE {key[0]} = ?", (value, key[1]))


def _change(database, table, columns, rows, dice):
    row, at = dice.choice(rows), dice.randrange(len(columns))
    value = row[at] + 1000 if isinstance(row[at], int) else _edited(row[at], dice)
    _set(database, table, (columns[0], row[0]), columns[at], value)
    return f"change {table}.{columns[at]}"


def _edited(text: str, dice: random.Random) -> str:
    """One letter changed, added or taken away."""
    at = dice.randrange(len(text) + 1)
    ways = [text[:at] + "x" + text[at:], text[:at] + "\0" + text[at:]]
    if text:
        at = dice.randrange(len(text))
        ways += [
            text[:at] + text[at + 1 :],
            text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :],
            "",
        ]
    return dice.choice(ways)


def _delete(database, table, columns, rows, dice):
    row = dice.choice([*rows, rows[-1]])
    database.execute(f"DELETE FROM {table} WHERE {columns[0]} = ?", (row[0],))
    return f"delete {table}"


def _insert(database, table, columns, rows, dice):
    row = list(dice.choice(rows))
    if table == "act":
        row[0], row[1] = rows[-1][0] + 1, f"{dice.getrandbits(256):064x}"
    else:
        row[0] = f"{dice.getrandbits(256):064x}"
    database.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    return f"insert {table}"


def _swap(database, table, columns, rows, dice):
    pairs = [
        (at, one, other)
        for at in range(1, len(columns))
        for one, other in pairwise(rows)
        if one[at] != other[at] and columns[at] != "id"
    ]
    if not pairs:
        return _change(database, table, columns, rows, dice)
    at, one, other = dice.choice(pairs)
    _set(database, table, (columns[0], one[0]), columns[at], other[at])
    _set(database, table, (columns[0], other[0]), columns[at], one[at])
    return f"swap {table}.{columns[at]}"


def _reorder(database, table, columns, rows, dice):
    if table != "act":
        return _delete(database, table, columns, rows, dice)
    one, other = dice.sample([row[0] for row in rows], 2)
    for old, new in ((one, -1), (other, one), (-1, other)):
        _set(database, table, ("seq", old), "seq", new)
    return "reorder act"


_TAMPERS: dict[str, Callable[..., str]] = {
    "change": _change, "delete": _delete, "insert": _insert, "swap": _swap, "reorder": _reorder,
}  # fmt: skip


# -- faults


SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
static long count, fail_at; static int code; static char root[4096];
void kmeta_arm(const char *below, long at, int error)
{ strncpy(root, below, sizeof root - 1); count = 0; fail_at = at; code = error; }
long kmeta_count(void) { return count; }
static int ours(int fd) {
    char link[64], path[4096]; ssize_t n;
    if (!root[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return strncmp(path, root, strlen(root)) == 0;
}
static int fails(int counts) {
    if (!counts || ++count != fail_at) return 0;
    errno = code; return 1;
}
#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
ssize_t write(int fd, const void *b, size_t n)
{ REAL(write); return fails(ours(fd)) ? -1 : real(fd, b, n); }
ssize_t pwrite(int fd, const void *b, size_t n, off_t o)
{ REAL(pwrite); return fails(ours(fd)) ? -1 : real(fd, b, n, o); }
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t o)
{ REAL(pwrite64); return fails(ours(fd)) ? -1 : real(fd, b, n, o); }
int fsync(int fd)
{ REAL(fsync); return fails(ours(fd)) ? -1 : real(fd); }
int fdatasync(int fd)
{ REAL(fdatasync); return fails(ours(fd)) ? -1 : real(fd); }
int ftruncate(int fd, off_t n)
{ REAL(ftruncate); return fails(ours(fd)) ? -1 : real(fd, n); }
int ftruncate64(int fd, off64_t n)
{ REAL(ftruncate64); return fails(ours(fd)) ? -1 : real(fd, n); }
int rename(const char *a, const char *b)
{ REAL(rename); return fails(root[0] != 0) ? -1 : real(a, b); }
int renameat(int d, const char *a, int e, const char *b)
{ REAL(renameat); return fails(root[0] != 0) ? -1 : real(d, a, e, b); }
int renameat2(int d, const char *a, int e, const char *b, unsigned f)
{ REAL(renameat2); return fails(root[0] != 0) ? -1 : real(d, a, e, b, f); }
"""


def measure_faults() -> tuple[int, list[str], str]:
    """Run the sweep in a process whose calls to the system pass through a counting, failing layer."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler or not sys.platform.startswith("linux"):
        return 0, [], "unsupported: needs Linux and a C compiler"
    with _folder() as here:
        (here / "shim.c").write_text(SHIM)
        made = subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-o", here / "shim.so", here / "shim.c", "-ldl"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if made.returncode:
            return 0, [], f"unsupported: the layer does not compile: {made.stderr.strip()[-200:]}"
        environment = {**os.environ, "LD_PRELOAD": str(here / "shim.so")}
        swept = subprocess.run(
            [sys.executable, "-m", "bench.trust", str(here)],
            env=environment, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if swept.returncode:
            return 1, [swept.stderr[-2000:]], "the sweep itself failed"
        tried, told, wrong, steps = json.loads(swept.stdout.split("\n")[-2])
    return (
        tried,
        wrong,
        f"{told} told in words, the rest done all the same; calls: "
        + ", ".join(f"{job} {n}" for job, n in steps.items()),
    )


def sweep(here: Path) -> tuple[int, int, list[str], dict[str, int]]:
    """Fail the first, second, ... call of each job with each error; what is neither old nor new afterwards."""
    import ctypes

    shim = ctypes.CDLL(None)
    shim.kmeta_arm.argtypes = [ctypes.c_char_p, ctypes.c_long, ctypes.c_int]
    shim.kmeta_count.restype = ctypes.c_long
    memory = Path("/dev/shm")
    base = Path(tempfile.mkdtemp(prefix="kmeta-", dir=memory if os.access(memory, os.W_OK) else here))
    start = base / "start"
    start.mkdir()
    _make_start(start)
    tried, told, wrong, steps = 0, 0, [], {}
    try:
        for name, job in JOBS.items():
            done = base / "done"
            shutil.copytree(start, done)
            shim.kmeta_arm(os.fsencode(base), 0, 0)
            job(done)
            steps[name] = shim.kmeta_count()
            shim.kmeta_arm(b"", 0, 0)
            old, new = _seen(start), _seen(done)
            shutil.rmtree(done)
            for code in (errno.ENOSPC, errno.EIO, errno.EACCES):
                for at in range(1, steps[name] + 1):
                    here_ = base / "try"
                    shutil.copytree(start, here_)
                    shim.kmeta_arm(os.fsencode(base), at, code)
                    outcome = "done"
                    try:
                        job(here_)
                    except ReviewError:
                        outcome = "told"
                    except Exception as error:
                        wrong.append(f"{name} {errno.errorcode[code]} at {at}: bare {error!r}")
                    shim.kmeta_arm(b"", 0, 0)
                    tried, told = tried + 1, told + (outcome == "told")
                    wrong += [
                        f"{name} {errno.errorcode[code]} at {at} ({outcome}): {w}"
                        for w in _mixed(here_, old, new)
                    ]
                    shutil.rmtree(here_)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    return tried, told, wrong, steps


def _make_start(here: Path) -> None:
    make_review(here / "review", [Record(record_id=f"R{n}") for n in range(12)])
    with Project.open(here / "review") as project:
        project.write_report({"index.html": b"old", "a/b.txt": b"old"})
        archive(project, here / "archive")
        (here / "archive" / ".git").mkdir()
        (here / "archive" / ".git" / "HEAD").write_bytes(b"ref")
    shutil.copytree(here / "review", here / "other")
    with Project.open(here / "other") as other:
        other.add([Study(study_id="theirs")], who="bob", at=AT)
        other.add_file(b"theirs", name="b.pdf", who="bob", at=AT)
        (here / "other" / "review.toml").write_text('title = "Amended"\n')
        other.record_protocol(who="bob", at=AT)
    with Project.open(here / "review") as project:
        project.add([Study(study_id="ours")], who="anna", at=AT)
        project.save_results({"os": 1})


def _open(job: Callable[[Project, Path], object]) -> Callable[[Path], None]:
    def opened(here: Path) -> None:
        with Project.open(here / "review") as project:
            job(project, here)

    return opened


JOBS: dict[str, Callable[[Path], None]] = {
    "import": _open(
        lambda p, _: p.add([Record(record_id=f"R{n}", year=2001) for n in range(6, 20)], who="bob", at=AT)
    ),
    "vote": _open(
        lambda p, _: p.add(
            [Decision(record_id="R1", stage="full-text", reviewer="bob", vote="include")], who="bob", at=AT
        )
    ),
    "file": _open(lambda p, _: p.add_file(b"new", name="new.pdf", who="bob", at=AT)),
    "report": _open(lambda p, _: p.write_report({"index.html": b"new", "c/d.txt": b"new"})),
    "results": _open(lambda p, _: p.save_results({"os": 2, "dfs": 3})),
    "archive": _open(lambda p, here: archive(p, here / "fresh")),
    "archive over": _open(lambda p, here: archive(p, here / "archive")),
    "restore": lambda here: restore(here / "archive", here / "restored").close(),
    "backup": _open(lambda p, here: backup(p, here / "copy")),
    "merge": _open(lambda p, here: merge(p, here / "other")),
    "new": lambda here: Project.create(here / "new", TITLE, who="anna", at=AT).close(),
}


def _seen(here: Path) -> dict[str, object]:
    """What a reader sees in each folder; a project is what it says, not its bytes."""
    return {path.name: _tree(path) for path in here.iterdir() if not path.name.startswith(".kmeta-")}


def _tree(root: Path) -> object:
    found = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".kmeta-" not in str(path.relative_to(root)) and "review.db-" not in path.name
    }
    if "review.db" not in found:
        return found
    errors = _errors(root)
    kept = {name: data for name, data in found.items() if name.startswith("report/") or name == "review.toml"}
    with Project.open(root) as project:
        files = {file.name: project.read_file(file.sha256) for file in project.files()}
        return kept, project.state(), project.results(), files, errors


def _mixed(here: Path, old: dict[str, object], new: dict[str, object]) -> list[str]:
    try:
        after = _seen(here)
    except ReviewError as error:
        return [f"cannot be read: {error}"]
    return [
        f"{name} is neither old nor new"
        for name in sorted(old.keys() | new.keys() | after.keys())
        if after.get(name) not in (old.get(name), new.get(name))
    ]


if __name__ == "__main__":
    print(json.dumps(sweep(Path(sys.argv[1]))))
