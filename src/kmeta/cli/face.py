"""What every command shares: how it prints, shows progress, and turns an error into words and an exit code."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kmeta.core.errors import ReviewError


def say(text: str = "") -> None:
    """One line to standard output, whatever the console's encoding can hold."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")


def say_json(value: Any) -> None:
    """`value` as one JSON document on standard output."""
    from kmeta.core.canonical import pretty_json

    say(pretty_json(value).rstrip("\n"))


@contextmanager
def bar(label: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """A progress bar on standard error; a plain line where that is no terminal."""
    if not sys.stderr.isatty() or os.environ.get("NO_COLOR") == "progress":
        sys.stderr.write(f"{label} ...\n")
        yield lambda done=1: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = [
        TextColumn("{task.description:34}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    ]
    with Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task(label, total=total)
        yield lambda done=1: shown.advance(task, done)
        shown.update(task, total=total or 1, completed=total or 1)


def who() -> str:
    """The name that acts are signed with: KMETA_USER, else the login name of this computer."""
    import getpass

    try:
        return os.environ.get("KMETA_USER", "").strip() or getpass.getuser()
    except (OSError, KeyError):
        return "unnamed"


def guarded(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn what a command raises into words on standard error and an exit code; the one place that does."""

    @functools.wraps(command)
    def shielded(*args: Any, **options: Any) -> Any:
        try:
            return command(*args, **options)
        except ReviewError as error:
            if options.get("json_"):
                say_json(error.to_dict())
            sys.stderr.write(f"kmeta: {error}\n")
            raise SystemExit(error.exit_code) from None
        except KeyboardInterrupt:
            sys.stderr.write("\nkmeta: stopped; what was saved is whole, run the command again to go on\n")
            raise SystemExit(130) from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(141) from None

    return shielded
