"""Commands of this part of the chain."""

from __future__ import annotations

import typer


def add(app: typer.Typer) -> None:
    """Register this module's commands on `app`."""
