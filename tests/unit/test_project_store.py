"""Opening, refusing and naming what is wrong; old projects open for good."""

import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest

from kmeta.core.errors import FormatError, InputError, ProjectError, StoreError
from kmeta.project import Project, archive, migrate, restore
from kmeta.project import store as store_module
from kmeta.review.estimate import Estimate
from kmeta.review.record import Record
from kmeta.review.study import Study

OLD = Path(__file__).parents[1] / "old_projects"
AT = "2026-01-01T00:00:00Z"
# The state of the fixture as it was when it was made: the same acts, whatever the version of the database.
VERSION_1_STATE = "89bd286e3dc82e7b7da50f4f17a1ec10ef866166fb0ee46b7aa435bd94740f92"


@pytest.fixture
def root(tmp_path):
    Project.create(tmp_path / "r", "title = 'x'", who="anna", at=AT).close()
    return tmp_path / "r"


def old_project(to):
    shutil.copytree(OLD / "version-1", to)
    database = sqlite3.connect(to / "review.db")
    database.executescript((to / "review.sql").read_text(encoding="utf-8"))
    database.close()
    return to


def schema(root):
    database = sqlite3.connect(root / "review.db")
    rows = database.execute("SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2").fetchall()
    version = database.execute("PRAGMA user_version").fetchone()[0]
    database.close()
    return version, rows


def test_a_project_of_version_1_opens_with_all_it_held(tmp_path, root):
    with Project.open(old_project(tmp_path / "old")) as project:
        assert project.state() == VERSION_1_STATE
        evidence = project.evidence()
        assert [(e.kind, e.value) for e in evidence.estimates] == [("median", 123.0), ("probability", 0.74)]
        assert [study.study_id for study in evidence.studies] == ["mayo2011"], "saxena2011 was removed"
        assert len(evidence.records) == len(evidence.decisions) == len(project.files()) == 1
        assert project.check() == []
        assert project.add([Study(study_id="new")], who="anna").new == 1
        project.save_results({"os": 1})
    assert schema(tmp_path / "old") == schema(root), (
        "an old project gets the schema of a new one, to the letter"
    )


def test_the_old_database_is_kept_before_the_upgrade(tmp_path):
    Project.open(old_project(tmp_path / "old")).close()
    kept = sqlite3.connect(tmp_path / "old" / "review-version-1.backup")
    assert kept.execute("PRAGMA user_version").fetchone() == (1,)
    assert kept.execute("SELECT count(*) FROM act").fetchone() == (12,)
    kept.close()


def test_a_failing_upgrade_leaves_the_old_version(tmp_path, monkeypatch):
    def broken(connection):
        migrate.version_2(connection)
        raise StoreError("no", where="x", hint="y")

    monkeypatch.setattr(migrate, "VERSIONS", (migrate.version_1, broken))
    before = schema(old_project(tmp_path / "old"))
    with pytest.raises(StoreError):
        Project.open(tmp_path / "old")
    assert schema(tmp_path / "old") == before


def test_an_archive_of_version_1_restores(tmp_path):
    with restore(OLD / "archive-1", tmp_path / "r") as project:
        assert project.state() == VERSION_1_STATE
        assert project.check() == []


def test_a_newer_project_is_refused_with_what_to_do(root):
    database = sqlite3.connect(root / "review.db")
    database.execute("PRAGMA user_version = 99")
    database.close()
    before = (root / "review.db").read_bytes()
    with pytest.raises(ProjectError, match="newer kmeta") as told:
        Project.open(root)
    assert "update kmeta" in told.value.hint
    assert told.value.exit_code == 2
    assert (root / "review.db").read_bytes() == before


@pytest.mark.parametrize(
    ("path", "hint"),
    [("", "did you mean"), ("r/files", "did you mean"), ("absent", "kmeta new"), ("lonely", "kmeta new")],
)
def test_a_folder_that_is_no_project_says_what_may_be_meant(root, tmp_path, path, hint):
    (tmp_path / "lonely").mkdir()
    if path == "lonely":
        shutil.move(tmp_path / "lonely", tmp_path / "deep" / "lonely")
        path = "deep/lonely"
    with pytest.raises(ProjectError) as told:
        Project.open(tmp_path / path)
    assert hint in told.value.hint
    assert told.value.exit_code == 2


@pytest.mark.parametrize("data", [b"", b"hello", b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_damaged_database_is_told(root, data):
    (root / "review.db").write_bytes(data)
    with pytest.raises(StoreError, match=r"damaged|empty|not a database") as told:
        Project.open(root)
    assert "backup" in told.value.hint


def test_another_sqlite_file_is_no_review(root):
    (root / "review.db").unlink()
    database = sqlite3.connect(root / "review.db")
    database.execute("CREATE TABLE x (y)")
    database.close()
    with pytest.raises(ProjectError, match="not of a kmeta review"):
        Project.open(root)


def test_a_locked_project_is_told_after_the_wait(root, monkeypatch):
    monkeypatch.setattr(store_module, "BUSY_SECONDS", 0.05)
    with Project.open(root) as project:
        other = sqlite3.connect(root / "review.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            project.add([Study(study_id="a")], who="anna")
        assert project.evidence().studies == (), "reading goes on"
        other.execute("ROLLBACK")
        other.close()
        assert project.add([Study(study_id="a")], who="anna").new == 1


def test_a_full_disk_is_told_and_nothing_is_half_written(root):
    with Project.open(root) as project:
        before = project.state()
        with project.store.engine.connect() as connection:
            connection.connection.driver_connection.execute("PRAGMA max_page_count = 30")
        with pytest.raises(StoreError, match="disk is full"):
            project.add([Record(record_id=f"R{n}", abstract="x" * 5000) for n in range(100)], who="anna")
        assert project.state() == before
        assert project.check() == []


def test_adding_again_is_nothing_and_a_correction_replaces(root):
    printed = Estimate(study_id="s", arm_id="a", outcome="OS", kind="median", value=132)
    corrected = Estimate(study_id="s", arm_id="a", outcome="OS", kind="median", value=123)
    with Project.open(root) as project:
        assert project.add([printed, printed], who="anna").new == 1
        state = project.state()
        assert project.add([printed], who="bob").same == 1
        assert project.state() == state, "nothing said, no act"
        assert project.add([corrected], who="bob", why="misread").replaced == 1
        assert project.evidence().estimates == (corrected,)
        assert project.remove([printed], who="anna") == 1, "by its key"
        assert project.remove([printed], who="anna") == 0
        assert project.evidence().estimates == ()
        assert [(act.who, act.why) for act in project.acts()[1:]] == [
            ("anna", ""),
            ("bob", "misread"),
            ("anna", ""),
        ]


def test_one_faulty_noun_and_nothing_is_added(root):
    with Project.open(root) as project:
        with pytest.raises(InputError, match="time_months"):
            project.add([Study(study_id="a"), Estimate(study_id="s", arm_id="a", outcome="OS", kind="median",
                                                       time_months="60")], who="anna")  # fmt: skip
        with pytest.raises(FormatError, match="record a: is given twice"):
            project.add([Record(record_id="a"), Record(record_id="a", title="x")], who="anna")
        for who in ("", "  ", "x" * 500, "a\0b"):
            with pytest.raises(InputError):
                project.add([Study(study_id="a")], who=who)
        with pytest.raises(InputError, match="time zone"):
            project.add([Study(study_id="a")], who="anna", at="2026-01-01T00:00:00")
        assert len(project.acts()) == 1


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/../b", "a\\b", "C:x", "con.txt", "", ".", "a//b", "x\n", "a/", "a.", ".kmeta-x"]
)
def test_a_report_stays_in_its_folder(root, name):
    with Project.open(root) as project:
        project.write_report({"kept.txt": b""})
        with pytest.raises(InputError):
            project.write_report({"ok.txt": b"", name: b""})
    assert [path.name for path in (root / "report").iterdir()] == ["kept.txt"]


def test_results_belong_to_a_state_and_a_protocol(root):
    with Project.open(root) as project:
        project.save_results({"os": {"mu": 0.1, "missing": float("nan")}})
        assert project.results() == {"os": {"mu": 0.1, "missing": None}}
        state = project.state()
        (root / "review.toml").write_text("title = 'y'")
        assert project.results() == {}
        project.save_results({"os": 2})
        assert project.results() == {"os": 2}
        project.add([Study(study_id="a")], who="anna")
        assert project.results() == {}
        project.save_results({"os": 3}, state=state)
        assert project.results() == {}, "computed from data that have changed since"


def test_create_and_restore_take_no_folder_that_holds_something(root, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    with Project.open(root) as project:
        archive(project, tmp_path / "a")
    for attempt in (lambda to: Project.create(to, "x", who="anna"), lambda to: restore(tmp_path / "a", to)):
        with pytest.raises(ProjectError, match="something here"):
            attempt(tmp_path / "full")
    assert (tmp_path / "full" / "letter.txt").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    Project.create(tmp_path / "empty", "x", who="anna").close()


def test_a_protocol_that_is_not_utf8_says_where(root):
    (root / "review.toml").write_bytes(b"title = '\xff'")
    with Project.open(root) as project, pytest.raises(ProjectError, match="byte 9 is not UTF-8"):
        _ = project.protocol_text


def test_a_project_is_shared_by_threads(root):
    from concurrent.futures import ThreadPoolExecutor

    with Project.open(root) as project, ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda n: project.add([Study(study_id=f"s{n}")], who=f"p{n % 3}"), range(20)))
        assert sum(added.new for added in done) == len(project.evidence().studies) == 20
        assert project.check() == []


@pytest.mark.skipif(os.name == "nt", reason="folders have no such permissions there")
def test_without_permission_to_write_one_can_read_and_is_told():
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        here.chmod(0o755)
        with Project.create(here / "r", "title = 'x'", who="anna", at=AT) as project:
            project.add([Study(study_id="s")], who="anna", at=AT)
        (here / "r").chmod(0o555)
        administrator = os.geteuid() == 0
        try:
            if administrator:
                os.seteuid(65534)
            with Project.open(here / "r") as project:
                assert [study.study_id for study in project.evidence().studies] == ["s"]
                assert project.check() == []
                for attempt in (
                    lambda: project.add([Study(study_id="t")], who="anna"),
                    lambda: project.save_results({}),
                    lambda: project.write_report({"a": b""}),
                    lambda: archive(project, here / "r" / "a"),
                    lambda: Project.create(here / "r" / "q", "x", who="anna"),
                ):
                    with pytest.raises(StoreError, match="no permission") as told:
                        attempt()
                    assert ".kmeta-" not in told.value.where
        finally:
            if administrator:
                os.seteuid(0)
            (here / "r").chmod(0o755)
