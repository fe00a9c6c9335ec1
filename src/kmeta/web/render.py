"""Plain values -> a page: the templates, their words, and the files they need."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from kmeta.core import numbers
from kmeta.report.words import MARKS
from kmeta.web import words

STATIC_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@cache
def static_files() -> dict[str, tuple[bytes, str]]:
    """Name -> (bytes, media type) of the style sheet, the modules and the icon."""
    found = {}
    for entry in files("kmeta.web").joinpath("static").iterdir():
        ending = "." + entry.name.rpartition(".")[2]
        if ending in STATIC_TYPES:
            found[entry.name] = (entry.read_bytes(), STATIC_TYPES[ending])
    found["figures.css"] = (_figure_colours().encode(), STATIC_TYPES[".css"])
    return found


def _figure_colours() -> str:
    """The colours of figures on a light and on a dark page, as the variables that a themed figure asks for."""
    from kmeta.plots.style import DARK, palette

    light = palette("journal")
    rules = [f"  --fig-{role}: light-dark({light[role]}, {dark});" for role, dark in DARK.items()]
    # A figure lies on a panel, in the panel's colour.
    return "\n".join([".plot {", *rules, "  --fig-paper: var(--surface);", "}\n"])


@cache
def static_version() -> str:
    """Changes when any of the static files does."""
    data = b"".join(name.encode() + static_files()[name][0] for name in sorted(static_files()))
    return hashlib.sha256(data).hexdigest()[:12]


@cache
def environment() -> Environment:
    """The templates; everything that is put into them is escaped."""
    env = Environment(
        loader=PackageLoader("kmeta.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    names = (
        "pct",
        "printed",
        "printed_value",
        "result",
        "interval",
        "span",
        "some",
        "outcome_name",
        "sentence",
    )
    links = ("capital", "patients", "points", "doi_link", "pmid_link", "link", "class_name", "class_style")
    env.globals.update({name: getattr(words, name) for name in (*names, *links)})
    env.globals.update(
        SEVERITIES=words.SEVERITIES,
        VOTES=words.VOTES,
        TESTS=words.TESTS,
        MARKS=MARKS,
        static_version=static_version(),
    )
    env.filters.update(
        count=numbers.count, decimal=numbers.decimal, months=numbers.months, p_phrase=numbers.p_phrase
    )
    return env


def render(template: str, **values: Any) -> str:
    """The page as HTML text."""
    return environment().get_template(template).render(**values)
