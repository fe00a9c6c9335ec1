"""The commands, gathered; each lives in a module of its own beside this one and is thin."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

# Each module has `add(app)`, which registers its commands. Order is that of `kmeta --help`.
MODULES = ("review_commands", "project_commands", "serve_command")

app = typer.Typer(
    name="kmeta",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: half the start-up time
    help="Systematic reviews of survival outcomes, from the protocol to the strategy table and the Word report.",
)


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Systematic reviews of survival outcomes, from the protocol to the strategy table and the Word report."""
    if version:
        from kmeta import __version__
        from kmeta.cli.face import say

        say(f"kmeta {__version__}")
        raise typer.Exit


def _place(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


for _name in MODULES:
    import_module(f"kmeta.cli.{_name}").add(app)
# In the order in which a review meets them.
_ORDER = ("demo", "new", "import", "status", "check", "analyse", "run", "serve")
app.registered_commands.sort(key=lambda made: _place(made.name or ""))


def run() -> None:
    """Run the command line."""
    app()
