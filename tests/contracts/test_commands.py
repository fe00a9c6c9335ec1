"""The same questions to every command: help, wrong words, a folder that is no project."""

import json
import os
import subprocess
import sys

import pytest
import typer

from kmeta.cli.app import app

COMMANDS = typer.main.get_command(app).commands
# Commands that read a project where they stand, with the words they need besides.
NEED_A_PROJECT = {
    "amend": [],
    "status": [],
    "check": [],
    "analyse": [],
    "run": [],
    "history": [],
    "import": ["some.csv"],
    "archive": ["target"],
    "backup": ["target"],
    "merge": ["other"],
    "serve": ["--no-open"],
}


def kmeta(*words, folder, **env):
    return subprocess.run(
        [sys.executable, "-m", "kmeta", *words],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1", **env},
        check=False,
    )


def test_every_command_is_asked():
    assert set(COMMANDS) == set(NEED_A_PROJECT) | {"demo", "new", "restore"}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_says_what_the_command_does(name, tmp_path):
    done = kmeta(name, "--help", folder=tmp_path)
    assert done.returncode == 0
    assert COMMANDS[name].help
    assert COMMANDS[name].help.split("\n")[0].split(",")[0][:30] in done.stdout


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_an_unknown_option_is_refused_with_exit_code_2(name, tmp_path):
    done = kmeta(name, "--no-such-option", folder=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("name", "words"), sorted(NEED_A_PROJECT.items()))
def test_a_folder_that_is_no_project_is_said_in_words(name, words, tmp_path):
    done = kmeta(name, *words, folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "hint:" in done.stderr
    assert "is not a review" in done.stderr


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"serve"}))
def test_every_command_that_prints_knows_json(name):
    assert any("--json" in parameter.opts for parameter in COMMANDS[name].params)


def test_an_error_is_json_too_when_asked(tmp_path):
    done = kmeta("status", "--json", folder=tmp_path)
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"] == "ProjectError"
