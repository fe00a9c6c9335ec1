"""`kmeta serve`: the review in a browser, read-only, on this computer."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from kmeta.cli.face import guarded, say, say_json


def add(app: typer.Typer) -> None:
    """Register this module's commands on `app`."""
    app.command("serve")(serve)


@guarded
def serve(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="The review's folder.")] = Path(),
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes any free one.")] = 8765,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open the browser.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the address as JSON.")] = False,
) -> None:
    """Show the review in a browser, read-only.

    On this computer alone; Ctrl-C stops it.
    """
    import sys

    def announce(address: str) -> None:
        if json_:
            say_json({"address": address, "project": str(directory), "read_only": True})
        else:
            say(f"The review is at {address}")
            say("Read-only, on this computer alone. Ctrl-C stops it.")
        sys.stdout.flush()

    # By name, for the two faces do not import each other.
    server = import_module("kmeta.web.server")
    server.serve(directory, port, announce=announce, open_browser=not no_open)
    if not json_:
        say("Stopped. Nothing was changed.")
