"""The command line: parse, one step, render."""

from __future__ import annotations


def main() -> None:
    """Entry point of `kmeta`."""
    from kmeta.cli.app import run

    run()
