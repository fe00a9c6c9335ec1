"""Everything a developer does, by one script: the same words on Linux, macOS and Windows.

Standard library only. The environment is `.venv` beside this file; it is made, and kept equal to the hash-pinned
files in `requirements/`, by whatever command comes first. `python3 dev.py` lists the commands.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
REQUIREMENTS = {"demo": ROOT / "requirements" / "demo.txt", "test": ROOT / "requirements" / "test.txt"}
CODE = ("src", "tests", "bench", "tools")
LOCK_GROUPS = {"demo": ["build"], "test": ["build", "test"]}


def fail(message: str, hint: str) -> None:
    sys.exit(f"dev.py: {message}\n  hint: {hint}")


def run(*command: str | Path, env: dict[str, str] | None = None) -> None:
    """Run a command in the checkout; its failure is ours, with its exit code."""
    done = subprocess.run([str(word) for word in command], cwd=ROOT, env={**os.environ, **(env or {})}, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def make_venv() -> None:
    if PYTHON.exists():
        return
    uv = shutil.which("uv")
    if uv:
        run(uv, "venv", "--quiet", "--python", sys.executable, VENV)
        return
    made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False)
    if made.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        fail("Python could not make a virtual environment: " + (made.stderr or made.stdout).strip()[-300:],
             "on Debian and Ubuntu install python3-venv, or install uv")


def installer() -> list[str | Path]:
    uv = shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--quiet", "--python", PYTHON]
    if subprocess.run([str(PYTHON), "-m", "pip", "--version"], capture_output=True, check=False).returncode:
        run(PYTHON, "-m", "ensurepip", "--upgrade")  # the environment was made by uv, which is gone
    return [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]


def setup(what: str) -> None:
    """Make the environment hold what `what` needs; nothing is done when it already does."""
    if sys.version_info < (3, 11):
        fail(f"Python {sys.version.split()[0]} is too old", "kmeta needs Python 3.11 or newer: run dev.py with it")
    pins = REQUIREMENTS[what]
    state = hashlib.sha256(pins.read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()
    stamp = VENV / f".kmeta-{what}"
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == state:
        return
    start = time.monotonic()
    print(f"Setting up .venv from {pins.relative_to(ROOT)} (once) ...", flush=True)
    make_venv()
    run(*installer(), "--require-hashes", "--only-binary", ":all:", "-r", pins)
    run(*installer(), "--no-deps", "--no-build-isolation", "-e", ROOT)
    stamp.write_text(state)
    print(f"Environment ready in {time.monotonic() - start:.0f} s.", flush=True)


def cmd_demo(rest: list[str]) -> None:
    """Set up, run the example review from evidence to report, and say where the report is."""
    setup("demo")
    run(PYTHON, "-m", "kmeta", "demo", *rest)


def cmd_test(rest: list[str]) -> None:
    """Set up and run the tests; further words go to pytest."""
    setup("test")
    run(PYTHON, "-m", "pytest", *(rest or ["-n", "auto"]))


def cmd_lint(rest: list[str]) -> None:
    """Check style (ruff) and formatting; `lint --fix` mends what can be mended."""
    setup("test")
    mend = "--fix" in rest
    run(PYTHON, "-m", "ruff", "check", *(["--fix"] if mend else []), *CODE, "dev.py")
    run(PYTHON, "-m", "ruff", "format", *([] if mend else ["--check"]), *CODE)


def cmd_types(_rest: list[str]) -> None:
    """Check types, strict on core, review and methods."""
    setup("test")
    run(PYTHON, "-m", "mypy")


def cmd_imports(_rest: list[str]) -> None:
    """Check that imports point down the house."""
    setup("test")
    run(BIN / "lint-imports")


def cmd_docs(rest: list[str]) -> None:
    """Build the documentation into site/, warnings are errors; `docs serve` shows it while you write."""
    setup("test")
    if rest[:1] == ["serve"]:
        run(PYTHON, "-m", "mkdocs", "serve")
    else:
        run(PYTHON, "-m", "mkdocs", "build", "--strict", "--quiet", env={"NO_MKDOCS_2_WARNING": "1"})


def cmd_ci(_rest: list[str]) -> None:
    """All that must be green before a commit lands: lint, types, imports, docs, tests."""
    for step in (cmd_lint, cmd_types, cmd_imports, cmd_docs, cmd_test):
        print(f"== {step.__name__.removeprefix('cmd_')}", flush=True)
        step([])


def cmd_bench(rest: list[str]) -> None:
    """Run one measurement: bench NAME [--data DIR] [--json FILE]."""
    setup("test")
    run(PYTHON, "-m", "bench", *rest)


def cmd_lock(_rest: list[str]) -> None:
    """Resolve the dependencies again and write requirements/*.txt (needs uv); no index address is written."""
    uv = shutil.which("uv")
    if not uv:
        fail("uv is not on the PATH", "pip install uv")
    for name, groups in LOCK_GROUPS.items():
        chosen = [word for group in groups for word in ("--group", group)]
        run(uv, "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-annotate", "--no-header",
            "--only-binary", ":all:", "-p", "3.11", "pyproject.toml", *chosen,
            "-o", REQUIREMENTS[name])


COMMANDS: dict[str, Callable[[list[str]], None]] = {
    name.removeprefix("cmd_"): thing for name, thing in list(globals().items()) if name.startswith("cmd_")}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="dev.py", description=__doc__.split("\n")[0], formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="commands:\n" + "\n".join(f"  {n:8} {c.__doc__}" for n, c in COMMANDS.items()))
    parser.add_argument("command", choices=COMMANDS, metavar="command")
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    chosen = parser.parse_args()
    try:
        COMMANDS[chosen.command](chosen.rest)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
