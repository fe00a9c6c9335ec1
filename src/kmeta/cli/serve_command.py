"""`kmeta serve`: the review in a browser, read-only, on this computer."""

from __future__ import annotations

import errno
import os
import socket
import threading
from pathlib import Path
from typing import Annotated

import typer

from kmeta.cli.face import guarded, say, say_json
from kmeta.core.errors import InputError, ReviewError

HOST = "127.0.0.1"
TRIES = 50


def add(app: typer.Typer) -> None:
    """Register this module's commands on `app`."""
    app.command("serve")(serve)


@guarded
def serve(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="The review's folder.")] = Path("."),
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes any free one.")] = 8765,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open the browser.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the address as JSON.")] = False,
) -> None:
    """Show the review in a browser, read-only, on this computer alone; Ctrl-C stops it."""
    from kmeta.web.source import project_source

    load, state = project_source(directory)
    listening = listen(port)
    address = f"http://{HOST}:{listening.getsockname()[1]}/"
    try:
        load()
        if json_:
            say_json({"address": address, "project": str(directory), "read_only": True})
        else:
            say(f"The review is at {address}")
            say("Read-only, on this computer alone. Ctrl-C stops it.")
        run(listening, address, load, state, open_browser=not no_open)
    finally:
        listening.close()
    if not json_:
        say("Stopped. Nothing was changed.")


def listen(port: int) -> socket.socket:
    """A socket on `port` of this computer; raises InputError with the next free port where it is taken."""
    if not 0 <= port <= 65535:
        raise InputError(f"there is no port {port}", where="--port", hint="0 to 65535; 8765 when not given")
    try:
        return _bound(port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InputError(f"port {port} is in use", where="--port", hint=_free(port)) from None
        raise InputError(
            f"port {port} cannot be opened: {os.strerror(error.errno or 0)}",
            where="--port",
            hint=_free(max(port, 8764)),
        ) from None


def _bound(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:  # on Windows the same option would let two programs share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)  # type: ignore[attr-defined]
        listening.bind((HOST, port))
        listening.listen(128)
    except BaseException:
        listening.close()
        raise
    return listening


def _free(port: int) -> str:
    for other in range(port + 1, min(port + TRIES, 65535) + 1):
        try:
            _bound(other).close()
        except OSError:
            continue
        return f"kmeta serve --port {other}, which is free"
    return "kmeta serve --port 0 takes any free port"


def run(listening: socket.socket, address: str, load, state, *, open_browser: bool) -> None:
    """Serve until Ctrl-C; the browser is opened when the first request can be answered."""
    import uvicorn

    from kmeta.web.app import create_app

    config = uvicorn.Config(
        create_app(load, state=state),
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
        limit_concurrency=200,
        ws="none",
        proxy_headers=False,
    )
    if open_browser:
        import webbrowser

        threading.Timer(0.3, webbrowser.open, [address]).start()
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        return
    except OSError as error:
        raise ReviewError(f"the server stopped: {error}", hint="run kmeta serve again") from error
