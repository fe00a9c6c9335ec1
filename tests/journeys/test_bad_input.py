"""What a person may hand over by mistake: clear words, exit code 2, and the project as it was."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

STUDIES = "study_id,first_author,year,pmid,doi,country,design,period_start,period_end,n_total,source_note\n"
ARMS = "study_id,arm_id,treatment_class,treatment,n,population,primary_site,residual,source,quote_location\n"
ROW = "lee2015,Lee,2015,,,,series,2001,2010,80,abstract read\n"


def kmeta(*words, folder: Path):
    done = subprocess.run(
        [sys.executable, "-m", "kmeta", *map(str, words)],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1", "KMETA_USER": "tester"},
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def review(tmp_path):
    assert kmeta("new", "review", "--title", "A review", folder=tmp_path).returncode == 0
    (tmp_path / "studies.csv").write_text(STUDIES + ROW, encoding="utf-8")
    assert kmeta("import", "studies.csv", "-p", "review", folder=tmp_path).returncode == 0
    return tmp_path


def state(folder: Path) -> list[tuple]:
    with sqlite3.connect(folder / "review" / "review.db") as database:
        return database.execute("SELECT id FROM act ORDER BY id").fetchall()


BAD_FILES = {
    "empty": (b"", "empty"),
    "binary": (bytes(range(256)) * 20, "NUL"),
    "missing column": (STUDIES.replace(",n_total", "").encode() + b"x,A,2000,,,,,,,\n", "n_total"),
    "extra column": (STUDIES.replace("year", "year,yaer").encode() + ROW.encode(), "yaer"),
    "decimal comma": (ARMS.encode() + b'lee2015,a,resection,res,"80,5",,,,s,t\n', "80,5"),
    "unknown class": (ARMS.encode() + b"lee2015,a,resecton,res,80,,,,s,t\n", "did you mean"),
    "unknown study": (ARMS.encode() + b"lee2051,a,resection,res,80,,,,s,t\n", "lee2051"),
    "twice": (ARMS.encode() + 2 * b"lee2015,a,resection,res,80,,,,s,t\n", "3"),
    "cut in half": ((ARMS + "lee2015,a,resection,res,80,,,,s,t\n").encode()[:-12], "2"),
    "utf-16": ((STUDIES + ROW).encode("utf-16"), "UTF"),
    "no table of ours": (b"a,b\n1,2\n", "a, b"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused_in_words_and_nothing_changes(name, review):
    data, word = BAD_FILES[name]
    before = state(review)
    (review / "bad.csv").write_bytes(data)
    done = kmeta("import", "bad.csv", "-p", "review", folder=review)
    assert done.returncode == 2
    assert "bad.csv" in done.stderr
    assert word in done.stderr
    assert state(review) == before


def test_a_good_file_beside_a_bad_one_is_not_taken_either(review):
    before = state(review)
    (review / "good.csv").write_text(ARMS + "lee2015,a,resection,res,80,,,,s,t\n", encoding="utf-8")
    (review / "bad.csv").write_bytes(b"a,b\n1,2\n")
    assert kmeta("import", "good.csv", "bad.csv", "-p", "review", folder=review).returncode == 2
    assert state(review) == before


def test_a_dry_run_saves_nothing(review):
    before = state(review)
    (review / "arms.csv").write_text(ARMS + "lee2015,a,resection,res,80,,,,s,t\n", encoding="utf-8")
    assert kmeta("import", "arms.csv", "-p", "review", "--dry-run", folder=review).returncode == 0
    assert state(review) == before


def test_importing_twice_changes_nothing_the_second_time(review):
    before = state(review)
    assert kmeta("import", "studies.csv", "-p", "review", folder=review).returncode == 0
    assert state(review) == before


def test_a_misspelt_key_of_the_protocol_is_named_with_what_was_meant(review):
    path = review / "review" / "review.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("title =", "titel =", 1), encoding="utf-8")
    done = kmeta("run", "-p", "review", folder=review)
    assert done.returncode == 2
    assert 'did you mean "title"' in done.stderr


def test_a_project_of_a_newer_version_is_refused_and_left_alone(review):
    with sqlite3.connect(review / "review" / "review.db") as database:
        database.execute("PRAGMA user_version = 9999")
    done = kmeta("status", "-p", "review", folder=review)
    assert done.returncode == 2
    assert "newer" in done.stderr
    assert "update kmeta" in done.stderr


def test_the_demo_does_not_touch_another_review(review):
    before = state(review)
    done = kmeta("demo", "review", "--no-serve", folder=review)
    assert done.returncode == 2
    assert "another review" in done.stderr
    assert state(review) == before


def test_no_permission_is_said(review):
    if os.name == "nt" or os.geteuid() == 0:
        pytest.skip("permissions do not bind this user")
    (review / "locked").mkdir(mode=0o500)
    done = kmeta("demo", "locked/review", "--no-serve", folder=review)
    assert done.returncode in (1, 2)
    assert "hint:" in done.stderr
