"""The app on a port of this computer, until Ctrl-C."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from kmeta.core.errors import InputError, ReviewError
from kmeta.web.reading import Loaded

HOST = "127.0.0.1"
TRIES = 50


def serve(directory: Path, port: int, *, announce: Callable[[str], None], open_browser: bool) -> None:
    """Show the project in `directory` until Ctrl-C; `announce` is given the address once it can be opened.

    Raises ProjectError where there is no project, InputError where the port cannot be had.
    """
    from kmeta.web.source import project_source

    load, state = project_source(directory)
    run(load, state, port, announce=announce, open_browser=open_browser)


def run(
    load: Callable[[], Loaded],
    state: Callable[[], str] | None,
    port: int,
    *,
    announce: Callable[[str], None],
    open_browser: bool,
) -> None:
    """Serve what `load` gives on `port` (0: any free one) until Ctrl-C."""
    import uvicorn

    from kmeta.web.app import create_app

    app = create_app(load, state=state)
    with listen(port) as listening:
        app.state.shelf.reading()  # what is wrong with the review is said here, not in the browser
        address = f"http://{HOST}:{listening.getsockname()[1]}/"
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
            limit_concurrency=200,
            ws="none",
            proxy_headers=False,
        )
        announce(address)
        if open_browser:
            _open(address)
        try:
            uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:
            return
        except OSError as error:
            raise ReviewError(f"the server stopped: {error}", hint="run kmeta serve again") from error


def listen(port: int) -> socket.socket:
    """A socket on `port` of this computer; raises InputError with the next free port where it is taken."""
    if not 0 <= port <= 65535:
        raise InputError(f"there is no port {port}", where="--port", hint="0 to 65535; 8765 when not given")
    try:
        return _bound(port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InputError(f"port {port} is in use", where="--port", hint=_free(port)) from None
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise InputError(
            f"port {port} cannot be opened: {reason}", where="--port", hint=_free(max(port, 8764))
        ) from None


def _bound(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # On Windows SO_REUSEADDR would let two programs share a port.
        exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
        listening.setsockopt(socket.SOL_SOCKET, exclusive or socket.SO_REUSEADDR, 1)
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


def _open(address: str) -> None:
    """Open the browser from a thread of its own: the socket listens already, so the page waits for the server."""
    import webbrowser

    threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()
