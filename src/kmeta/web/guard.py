"""What every request and every answer passes: reading only, from this computer only, nothing from elsewhere."""

from __future__ import annotations

import re
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_ADDRESS = 2000
LOCAL = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# A document of the report brings its own styles; it is shown without scripts, forms and origin.
DOCUMENT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox allow-popups allow-downloads"
)
HEADERS = {
    b"content-security-policy": PAGE_POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
    b"cache-control": b"no-cache",
}


def is_local(host: str) -> bool:
    """Whether a Host header names this computer; any port, for a tunnel may have another.

    >>> is_local("127.0.0.1:8765"), is_local("localhost"), is_local("rebound.example"), is_local("")
    (True, True, False, False)
    """
    return LOCAL.fullmatch(host) is not None


class Guard:
    """Refuses what this app never answers, and puts the headers of safety on everything that leaves."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((name, value) for name, value in HEADERS.items() if name not in given),
                ]
            await send(message)

        if refusal := _refused(scope):
            await _say(guarded, *refusal)
        else:
            await self.app(scope, receive, guarded)


def _refused(scope: Scope) -> tuple[int, str] | None:
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1 or not is_local(hosts[0]):
        return (
            400,
            "This address is not one of this computer. Open http://127.0.0.1 with the port kmeta prints.",
        )
    if scope["method"] not in ("GET", "HEAD"):
        return 405, "This version of kmeta shows the review and changes nothing: GET and HEAD only."
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_ADDRESS:
        return 414, f"The address is too long: at most {MAX_ADDRESS} characters."
    return None


async def _say(send: Any, status: int, text: str) -> None:
    body = (text + "\n").encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    if status == 405:
        headers.append((b"allow", b"GET, HEAD"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
