"""`python -m bench NAME [--data DIR] [--json FILE]` runs one measurement.

A measurement NAME is `bench/NAME.py` (hyphens as underscores) with `run(data: Path) -> dict`, which prints its table
and gives `{"name", "passed", "failed", "unsupported", "figures", "peers"}`; that is printed last, as one line.
"""

from __future__ import annotations

import argparse
import json
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).resolve().parent
KEYS = ("name", "passed", "failed", "unsupported", "figures", "peers")


def names() -> list[str]:
    """The measurements there are."""
    return sorted(path.stem.replace("_", "-") for path in HERE.glob("*.py") if not path.stem.startswith("_"))


def main() -> int:
    """Run the one asked for; 1 when something failed."""
    parser = argparse.ArgumentParser(prog="bench", description="Run one measurement.")
    parser.add_argument("name", choices=names(), metavar="NAME", help=", ".join(names()))
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared", help="default: ../shared")
    parser.add_argument("--json", type=Path, help="write the line of JSON to this file too")
    chosen = parser.parse_args()
    if not chosen.data.is_dir():
        print(f"{chosen.data} is absent: what needs it is counted as unsupported")
    result = import_module(f"bench.{chosen.name.replace('-', '_')}").run(chosen.data)
    missing = [key for key in KEYS if key not in result]
    if missing:
        raise SystemExit(f"bench: {chosen.name} gave no {', '.join(missing)}")
    line = json.dumps(result, ensure_ascii=False, sort_keys=False)
    if chosen.json:
        chosen.json.write_text(line + "\n", encoding="utf-8")
    print(line)
    return 1 if result["failed"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
