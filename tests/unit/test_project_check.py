"""`check` says what is wrong; an outsider who knows SQL cannot hide a changed row."""

import sqlite3

import pytest

from kmeta.project import Project
from kmeta.review.record import Decision, Record

AT = "2026-01-01T00:00:00Z"


@pytest.fixture
def root(tmp_path):
    with Project.create(tmp_path / "r", "title = 'x'", who="anna", at=AT) as project:
        project.add([Record(record_id="a"), Record(record_id="b")], who="anna", at=AT)
        project.add([Record(record_id="a", title="new")], who="bob", at=AT)
        project.add_file(b"data", name="a.pdf", who="anna", at=AT)
        project.save_results({"os": 1, "dfs": 2})
    return tmp_path / "r"


def found(root, severity="error"):
    with Project.open(root) as project:
        return {finding.check for finding in project.check() if finding.severity == severity}


def outsider(root, *statements):
    with sqlite3.connect(root / "review.db") as database:
        triggers = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            database.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            database.execute(statement)
        for _, sql in triggers:
            database.execute(sql)
    database.close()


def test_an_intact_project_has_no_finding(root):
    with Project.open(root) as project:
        assert project.check() == []


@pytest.mark.parametrize(
    "column", ["id", "parents", "who", "at", "kind", "subject", "body", "why", "replaces", "chain"]
)
def test_every_column_of_an_act_is_guarded(root, column):
    outsider(root, f"UPDATE act SET {column} = {column} || 'x' WHERE seq = 2")
    assert found(root) & {"act-hash", "act-order", "log"}


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        ("DELETE FROM act WHERE seq = (SELECT max(seq) FROM act)", "act-heads"),
        ("DELETE FROM act WHERE seq = 2", "act-parents"),
        ("DELETE FROM head", "act-heads"),
        ("DELETE FROM replaced", "act-replaced"),
        ("INSERT INTO replaced SELECT id FROM act WHERE seq = 3", "act-replaced"),
        ("UPDATE act SET seq = 99 WHERE seq = 3", "act-order"),
        ("UPDATE result SET body = '3' WHERE name = 'os'", "results"),
        ("DELETE FROM result WHERE name = 'os'", "results"),
        ("DELETE FROM seal", "results"),
    ],
)
def test_the_finding_names_what_was_done(root, statement, check):
    outsider(root, statement)
    assert check in found(root)


@pytest.mark.parametrize("statement", ["UPDATE act SET why = 'x'", "DELETE FROM act", "DELETE FROM replaced",
                                       "INSERT OR REPLACE INTO act SELECT * FROM act WHERE seq = 1"])  # fmt: skip
def test_the_database_itself_refuses_to_change_an_act(root, statement):
    database = sqlite3.connect(root / "review.db")
    with pytest.raises(sqlite3.IntegrityError, match="appended, never changed"):
        database.execute(statement)
    database.close()


def test_a_dropped_trigger_is_found(root):
    database = sqlite3.connect(root / "review.db")
    database.execute("DROP TRIGGER act_no_update")
    database.execute("CREATE TRIGGER extra AFTER INSERT ON act BEGIN SELECT 1; END")
    database.close()
    with Project.open(root) as project:
        assert [f.message for f in project.check()] == [
            "trigger act_no_update is missing",
            "trigger extra does not belong here",
        ]


def test_files_are_checked_byte_for_byte(root):
    with Project.open(root) as project:
        path = project.blob(project.files()[0].sha256)
    path.write_bytes(b"date")
    assert found(root) == {"file"}
    path.unlink()
    assert found(root) == {"file"}


def test_an_edited_protocol_a_stray_file_and_a_conflict_are_told_but_no_error(root, tmp_path):
    import shutil

    from kmeta.project import merge

    shutil.copytree(root, tmp_path / "other")
    for folder, vote in ((root, "include"), (tmp_path / "other", "exclude")):
        with Project.open(folder) as project:
            project.add(
                [Decision(record_id="a", stage="full-text", reviewer="anna", vote=vote)], who="anna", at=AT
            )
    (root / "review.toml").write_text("title = 'edited'")
    (root / "files" / ("0" * 64)).write_bytes(b"")
    with Project.open(root) as project:
        merged = merge(project, tmp_path / "other")
        assert len(merged.conflicts) == len(project.conflicts()) == 1
        assert "decision full-text/a/anna" in str(merged.conflicts[0])
        assert found(root) == set()
        assert found(root, "warning") == {"conflict"}
        assert found(root, "note") == {"protocol", "file"}
        assert project.protocol_text == "title = 'edited'", "an edit is not overwritten"
        project.add([Decision(record_id="a", stage="full-text", reviewer="anna", vote="unsure")], who="anna")
        assert project.conflicts() == []
        assert project.record_protocol(who="anna", why="edited")
        assert not project.record_protocol(who="anna")
        assert found(root, "note") == {"file"}
