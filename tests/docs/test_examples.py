"""Every example of the documentation is run, in the order of its page, in an empty folder of its own."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r'^```(python|console|csv)(?: title="([^"]+)")?\n(.*?)^```$', re.M | re.S)
PAGES = sorted(page for page in DOCS.rglob("*.md") if BLOCK.search(page.read_text(encoding="utf-8")))


def run_console(block: str, folder: Path) -> None:
    """Run each `$ ` line; the lines under it, `...` apart, must be among what it printed."""
    for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
        command, _, expected = part.partition("\n")
        words = shlex.split(command)
        assert words[0] == "kmeta", f"examples show kmeta: {command}"
        done = subprocess.run(
            [sys.executable, "-m", "kmeta", *words[1:]],
            cwd=folder,
            capture_output=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONUTF8": "1", "COLUMNS": "200"},
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        for line in filter(None, expected.split("\n")):
            assert line == "..." or line in done.stdout, f"{command} did not print: {line}\n{done.stdout}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_the_examples_of_a_page_run(page, tmp_path):
    names: dict[str, object] = {}
    for kind, title, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind == "csv":
            if title:
                (tmp_path / title).write_text(block, encoding="utf-8")
        elif kind == "console":
            run_console(block, tmp_path)
        else:
            exec(compile(block, str(page), "exec"), names)
