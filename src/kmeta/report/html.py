"""The document as one HTML file: style and drawings inside, no script, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup, escape

from kmeta.report.align import padding
from kmeta.report.document import Document, Heading, Picture, Run, Runs, Table
from kmeta.report.figures import FigureLike, inline_svg, pages_of

_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff]")


@cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("kmeta.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def style() -> str:
    """The style sheet that stands in the page: ours, and the colours of figures on a dark page."""
    sheet = files("kmeta.report").joinpath("templates", "report.css").read_text(encoding="utf-8")
    return f"{sheet}\n{_dark_figures()}"


def _dark_figures() -> str:
    """Each colour of a figure and what stands for it on a dark page; in print the page is light."""
    from kmeta.plots.style import DARK, palette

    pairs = {light.lower(): DARK[role].lower() for role, light in palette("journal").items()}
    rules = [
        f'  figure [{name}="{light}"] {{ {name}: {dark}; }}'
        for light, dark in sorted(pairs.items())
        for name in ("fill", "stroke")
    ]
    return "@media screen and (prefers-color-scheme: dark) {\n" + "\n".join(rules) + "\n}\n"


def content_policy() -> str:
    """What the page may load: its own style, known by its hash, and nothing else. A server may send the same."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def to_html(document: Document, figures: Mapping[str, FigureLike]) -> str:
    """The whole page. Figures' data and pictures are linked as files beside it."""
    writer = _Writer(document, figures)
    page: str = (
        _environment()
        .get_template("report.html.j2")
        .render(
            document=document,
            style=Markup(style()),  # noqa: S704 -- our own style sheet
            policy=content_policy(),
            writer=writer,
            kind=lambda block: type(block).__name__,
        )
    )
    return page


class _Writer:
    """What the template asks for."""

    def __init__(self, document: Document, figures: Mapping[str, FigureLike]) -> None:
        self.figures = figures
        self.numbers = document.numbers()

    def number(self, key: str) -> str:
        return self.numbers.get(key, "")

    def section_number(self, heading: Heading) -> str:
        return self.numbers[heading.key].removeprefix("Section ")

    def runs(self, of: Runs) -> Markup:
        """Runs as inline HTML; all text is escaped."""
        return Markup("").join(self._run(run) for run in of)

    def _run(self, run: Run) -> Markup:
        if run.ref:
            target = run.ref if run.ref in self.numbers else ""
            words = self.numbers.get(run.ref, "the text")
            return Markup('<a href="#{}">{}</a>').format(target, words.replace(" ", "\u00a0"))
        done = escape(run.text)
        if run.quoted and _RIGHT_TO_LEFT.search(run.text):
            done = Markup("<bdi>{}</bdi>").format(done)
        for wanted, tag in ((run.bold, "b"), (run.italic, "i"), (run.raised, "sup")):
            if wanted:
                done = Markup("<{0}>{1}</{0}>").format(Markup(tag), done)  # noqa: S704 -- one of three tags
        if run.results:
            done = Markup('<data value="{}">{}</data>').format(" ".join(run.results), done)
        if run.href:
            done = Markup('<a href="{}" rel="noreferrer">{}</a>').format(run.href, done)
        return done

    def widths(self, table: Table) -> list[str]:
        """The share of each column, in percent."""
        total = sum(column.mm for column in table.columns)
        return [f"{100 * column.mm / total:.1f}" for column in table.columns]

    def padding(self, table: Table) -> list[dict[int, str]]:
        return padding(table)

    def svg(self, block: Picture) -> Markup:
        drawn = [
            inline_svg(
                page.svg(text_as_paths=False),
                key=f"{block.key}-part-{i}" if i else f"{block.key}-svg",
                title=page.title,
                alt=page.alt,
            )
            for i, page in enumerate(pages_of(self.figures[block.name]))
        ]
        return Markup("").join(Markup(part) for part in drawn)  # noqa: S704 -- cleaned by inline_svg

    def width(self, block: Picture) -> str:
        """One of the widths the style sheet knows: style attributes are refused by the content policy."""
        mm = self.figures[block.name].width_mm
        width = "narrow" if mm <= 90 else "middle" if mm <= 120 else "full"
        return f"{width} parts" if len(pages_of(self.figures[block.name])) > 1 else width
