"""The app: addresses -> pages, their JSON twins, figures and the files of the report."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kmeta.core.canonical import pretty_json
from kmeta.core.errors import ReviewError
from kmeta.web.errors import NotHere, nearest
from kmeta.web.files import read_report_file, report_files
from kmeta.web.guard import DOCUMENT_POLICY, Guard
from kmeta.web.pages import PAGES, STAGES, Page
from kmeta.web.query import Query
from kmeta.web.reading import Loaded, Reading, Shelf
from kmeta.web.render import render, static_files, static_version
from kmeta.web.words import link

LOG = logging.getLogger("kmeta.web")
FIGURE_TYPES = {"svg": "image/svg+xml", "png": "image/png", "csv": "text/csv; charset=utf-8"}
HTML, JSON = "text/html; charset=utf-8", "application/json"


def create_app(load: Callable[[], Loaded], *, state: Callable[[], str] | None = None) -> Starlette:
    """The app that shows what `load` gives.

    `load` is asked again when `state()` has changed; without `state` at each request, so that it should then keep
    its own result. Whatever it raises becomes a page of its own, and the next request tries again.
    """
    shelf = Shelf(load, state)
    routes = [Route("/static/{name:path}", _static, methods=["GET"])]
    routes.append(Route("/figures/{name:path}", _shielded(shelf, _figure), methods=["GET"]))
    routes.append(Route("/report/files/{name:path}", _shielded(shelf, _report_file), methods=["GET"]))
    for page in PAGES:
        answer = _shielded(shelf, _page(page))
        if page.keyed:
            routes.append(Route(page.path + "{key:path}", answer, methods=["GET"]))
        else:
            routes.append(Route(page.path, answer, methods=["GET"]))
            routes.append(Route(page.twin or f"{page.path}.json", answer, methods=["GET"]))
    routes.append(Route("/{rest:path}", _shielded(shelf, _nothing), methods=["GET"]))
    app = Starlette(routes=routes, middleware=[Middleware(Guard)])
    app.router.redirect_slashes = False
    app.state.shelf = shelf
    return app


Answer = Callable[[Reading, Request], Response]


def _shielded(shelf: Shelf, answer: Answer) -> Callable[[Request], Response]:
    """`answer` with whatever it raises turned into a page, the one place that does."""

    def endpoint(request: Request) -> Response:
        reading = None
        try:
            reading = shelf.reading()
            return _unchanged(request, answer(reading, request))
        except ReviewError as error:
            return _error(reading, request, error)
        except Exception:
            LOG.exception("%s %s", request.method, request.url.path)
            hint = "What you asked for is unharmed. The terminal of kmeta serve shows what went wrong."
            return _error(reading, request, ReviewError("kmeta could not make this page", hint=hint))

    return endpoint


def _page(page: Page) -> Answer:
    def answer(reading: Reading, request: Request) -> Response:
        query = Query(dict(request.query_params))
        key = request.path_params.get("key", "")
        as_json = request.url.path.endswith(".json")
        try:
            data = page.view(reading, query, key.removesuffix(".json"))
        except NotHere:
            if not (page.keyed and as_json):
                raise
            as_json, data = False, page.view(reading, query, key)  # a key may itself end in .json
        if as_json:
            return Response(pretty_json(_told(data)), media_type=JSON)
        twin = page.twin or f"{request.url.path.rstrip('/')}.json"
        if request.url.query:
            twin += f"?{request.url.query}"
        return Response(
            render(page.template, **_frame(reading, page), twin=twin, query=query, **data), media_type=HTML
        )

    return answer


def _told(data: dict[str, Any]) -> dict[str, Any]:
    """What a twin tells: all but how the page is drawn."""
    return {key: value for key, value in data.items() if not key.startswith("_")}


def _frame(reading: Reading | None, page: Page | None = None) -> dict[str, Any]:
    """What every page has around it."""
    return {
        "page": page,
        "stages_of_review": STAGES,
        "folder": reading.loaded.folder if reading else "",
        "review": reading.contents.protocol.title if reading else "",
        "state": reading.contents.state if reading else "",
        "version": reading.contents.version if reading else "",
        "n_open": sum(f.severity != "note" for f in reading.contents.findings) if reading else 0,
    }


def _error(reading: Reading | None, request: Request, error: ReviewError) -> Response:
    status = error.http_status
    if request.url.path.endswith(".json"):
        return Response(pretty_json(error.to_dict()), status_code=status, media_type=JSON)
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    body = render(
        "error.html",
        **_frame(reading),
        twin="",
        heading=error.message,
        status=status,
        where=error.where,
        hint=error.hint,
        problems=getattr(error, "problems", ())[:20],
        near=getattr(error, "near", ()),
        asked=f"{request.method} {asked[:300]}",
    )
    return Response(body, status_code=status, media_type=HTML)


def _nothing(reading: Reading, request: Request) -> Response:
    asked = request.url.path
    addresses = {page.path: page.title for page in PAGES if not page.keyed}
    raise NotHere(
        "There is no such page",
        near=[(address, addresses[address]) for address in nearest(asked, addresses)],
    )


def _figure(reading: Reading, request: Request) -> Response:
    asked = request.path_params["name"]
    name, _, kind = asked.rpartition(".")
    figures = reading.loaded.figures
    if kind not in FIGURE_TYPES or name not in figures:
        near = nearest(name or asked, figures)
        raise NotHere(
            f"There is no figure called {asked[:80]}",
            near=[(link("/figures", f"{one}.svg"), figures[one].title) for one in near],
            hint="a figure is had as .svg, .png and .csv",
        )
    answer = Response(reading.drawn(name, kind), media_type=FIGURE_TYPES[kind])
    answer.headers["content-security-policy"] = DOCUMENT_POLICY
    if kind == "csv":
        safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)
        answer.headers["content-disposition"] = f'attachment; filename="{safe}.csv"'
    return answer


def _report_file(reading: Reading, request: Request) -> Response:
    name = request.path_params["name"]
    found = read_report_file(reading.loaded.report, name)
    if found is None:
        names = [file.name for file in report_files(reading.loaded.report)]
        raise NotHere(
            f"The report has no file called {name[:80]}",
            near=[(link("/report/files", one), one) for one in nearest(name, names)]
            or [("/report", "The report")],
        )
    file, data = found
    answer = Response(data, media_type=file.media_type)
    answer.headers["content-security-policy"] = DOCUMENT_POLICY
    answer.headers["content-disposition"] = file.disposition
    return answer


def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in static_files():
        return Response("There is no such file.\n", status_code=404, media_type="text/plain")
    data, media_type = static_files()[name]
    answer = Response(data, media_type=media_type)
    if request.query_params.get("v") == static_version():
        answer.headers["cache-control"] = "public, max-age=31536000, immutable"
    return answer


def _unchanged(request: Request, answer: Response) -> Response:
    """The answer with its tag; without its body where the browser holds the same bytes."""
    if answer.status_code != 200:
        return answer
    tag = f'"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"etag": tag})
    answer.headers["etag"] = tag
    return answer
