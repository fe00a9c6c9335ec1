"""The main job: the example review from its evidence to the report, the same bytes everywhere."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def demo(folder: Path, *, workers: int, **env: str) -> dict[str, str]:
    """Run the demo and give the hash of every file of its report."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "kmeta",
            "demo",
            str(folder),
            "--no-serve",
            "--json",
            "--workers",
            str(workers),
        ],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1", **env},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    report = Path(said["report"])
    found = {path.relative_to(report).as_posix(): path for path in report.rglob("*") if path.is_file()}
    assert set(found) == set(said["files"])
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in found.items()}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "review"
    return folder, demo(folder, workers=2, LC_ALL="C.UTF-8", TZ="UTC", PYTHONHASHSEED="1")


def test_the_report_is_whole(first):
    _, hashes = first
    assert {"report.html", "report.docx", "results.json", "analysis.R"} <= set(hashes)
    assert any(name.startswith("figures/") and name.endswith(".svg") for name in hashes)
    assert any(name.startswith("figures/") and name.endswith(".png") for name in hashes)
    assert any(name.startswith("tables/") for name in hashes)


def test_another_locale_timezone_hash_seed_and_number_of_workers_give_the_same_bytes(first, tmp_path):
    _, hashes = first
    other = demo(
        tmp_path / "elsewhere", workers=1, LC_ALL="tr_TR.UTF-8", TZ="Asia/Kathmandu", PYTHONHASHSEED="4242"
    )
    assert other == hashes


def test_running_it_again_on_the_same_folder_changes_nothing(first):
    folder, hashes = first
    assert demo(folder, workers=1) == hashes


def test_the_project_is_whole_after_the_demo(first):
    folder, _ = first
    done = subprocess.run(
        [sys.executable, "-m", "kmeta", "check", "--project", str(folder), "--json"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
