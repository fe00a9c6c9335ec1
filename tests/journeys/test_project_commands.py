"""A review begun, amended, archived, restored, united and looked back on, as one does it in a terminal."""

import json
import os
import tomllib

import pytest
from typer.testing import CliRunner

from kmeta.cli.app import app


@pytest.fixture
def kmeta(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KMETA_USER", "anna")

    def run(*words, code=0):
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == code, result.output
        return result

    return run


def test_the_life_of_a_review(kmeta, tmp_path, monkeypatch):
    kmeta("new", "liver", "--title", 'Survival "after" treatment')
    text = (tmp_path / "liver" / "review.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["title"] == 'Survival "after" treatment'
    assert kmeta("new", "liver", code=2).stderr.startswith("kmeta: liver: there is something here already")

    kmeta("archive", "archived", "-p", "liver")
    kmeta("restore", "archived", "laptop")
    (tmp_path / "laptop" / "review.toml").write_text(text.replace("year_from = 1995", "year_from = 1990"))
    assert "kmeta amend" in kmeta("archive", "archived", "-p", "laptop", code=2).stderr
    monkeypatch.setenv("KMETA_USER", "bob")
    assert json.loads(kmeta("amend", "-p", "laptop", "--why", "x", "--dry-run", "--json").stdout)["amended"]
    kmeta("amend", "-p", "laptop", "--why", "older series count")
    assert "is recorded as it stands" in kmeta("amend", "-p", "laptop").stdout

    dry = json.loads(kmeta("merge", "laptop", "-p", "liver", "--dry-run", "--json").stdout)
    assert (dry["new_acts"], dry["dry_run"]) == (1, True)
    done = json.loads(kmeta("merge", "laptop", "-p", "liver", "--json").stdout)
    assert (done["new_acts"], done["conflicts"], done["files"]) == (1, [], 0)
    again = json.loads(kmeta("merge", "laptop", "-p", "liver", "--json").stdout)
    assert again["new_acts"] == 0

    kmeta("backup", "copy", "-p", "liver", "--dry-run")
    assert not (tmp_path / "copy").exists()
    kmeta("backup", "copy", "-p", "liver")
    monkeypatch.chdir(tmp_path / "copy")
    lines = kmeta("history").stdout.split("\n")
    assert lines[1].endswith("bob  amended protocol  (older series count)")
    assert [act["who"] for act in json.loads(kmeta("history", "--json").stdout)] == ["anna", "bob"]
    assert len(json.loads(kmeta("history", "--json", "--who", "bob").stdout)) == 1
    assert "1 earlier" in kmeta("history", "--last", "1").stdout


def test_dry_runs_write_nothing(kmeta, tmp_path):
    kmeta("new", "r", "--dry-run")
    assert not list(tmp_path.iterdir())
    kmeta("new", "r")
    kmeta("archive", "a", "-p", "r", "--dry-run")
    kmeta("archive", "a2", "-p", "r")
    assert json.loads(kmeta("restore", "a2", "r2", "--dry-run", "--json").stdout)["acts"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a2", "r"]


@pytest.mark.parametrize("words", [["archive", "x"], ["merge", "x"], ["backup", "x"], ["history"], ["amend"]])
def test_outside_a_project_each_command_says_what_to_do(kmeta, words):
    failed = kmeta(*words, "--json", code=2)
    told = json.loads(failed.stdout)
    assert told["error"] == "ProjectError"
    assert "kmeta new" in told["hint"]
    assert "Traceback" not in failed.stderr


def test_an_unwritable_folder_is_told(kmeta, tmp_path):
    if os.name == "nt" or os.geteuid() == 0:
        pytest.skip("permissions do not bind the administrator")
    kmeta("new", "r")
    (tmp_path / "shut").mkdir(mode=0o500)
    assert "no permission" in kmeta("archive", "shut/a", "-p", "r", code=1).stderr
