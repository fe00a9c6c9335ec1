"""The commands, each thin."""

from __future__ import annotations


def run() -> None:
    """Run the command line."""
    raise SystemExit("not wired yet")
