"""What `import kmeta` and `kmeta --help` may cost: nothing heavy is imported before it is used."""

import subprocess
import sys

HEAVY = {
    "numpy",
    "scipy",
    "matplotlib",
    "pydantic",
    "sqlalchemy",
    "docx",
    "lxml",
    "starlette",
    "uvicorn",
    "jinja2",
}


def imported_by(*words: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *words],
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
    )
    return {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.split("\n") if "|" in line}


def test_importing_kmeta_imports_nothing_heavy():
    assert not imported_by("-c", "import kmeta") & (HEAVY | {"typer", "rich"})


def test_help_imports_nothing_heavy():
    assert not imported_by("-m", "kmeta", "--help") & HEAVY
