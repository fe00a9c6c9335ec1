"""A laid-out figure: plain data, from which each picture format is written when it is asked for."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kmeta.core.errors import InputError
from kmeta.plots.drawing import Box, Drawing, Item, Text, box_of
from kmeta.plots.style import DARK, MARGIN, POINTS_PER_MM, palette
from kmeta.plots.text import clean, missing

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
RESOLUTIONS = (100, 1200)


@dataclass(frozen=True, kw_only=True, eq=False)
class Figure:
    """What a plot gives: a drawing in points (`items`), what it shows in words (`alt`), and the data behind it.

    `width`, `height`: points. `name` is a slug from which the SVG's ids are made. `rows`: the data, one dict a row,
    the same keys in each. `parts`: a figure higher than a page also comes cut between groups, each part a figure
    with its own header and axis; empty when it fits.

    >>> from kmeta.plots.figure import blank
    >>> figure = blank("empty", "Nothing yet", "No studies.")
    >>> figure.svg().startswith("<svg"), round(figure.width_mm)
    (True, 174)
    """

    name: str
    title: str
    alt: str
    width: float
    height: float
    items: tuple[Item, ...]
    rows: tuple[Mapping[str, Any], ...] = ()
    preset: str = "journal"
    parts: tuple[Figure, ...] = field(default=(), repr=False)

    @property
    def width_mm(self) -> float:
        """Width in millimetres."""
        return self.width / POINTS_PER_MM

    @property
    def height_mm(self) -> float:
        """Height in millimetres."""
        return self.height / POINTS_PER_MM

    @property
    def pages(self) -> tuple[Figure, ...]:
        """The figure, or its parts where it is higher than a page (234 mm)."""
        return self.parts or (self,)

    @property
    def texts(self) -> tuple[Text, ...]:
        """All texts, in painting order."""
        return tuple(item for item in self.items if isinstance(item, Text))

    def boxes(self) -> list[Box]:
        """The room each text takes, for the test that none runs into another."""
        return [box_of(text) for text in self.texts]

    @property
    def missing(self) -> tuple[str, ...]:
        """Characters that the face lacks, drawn as its empty box: never a fallback face."""
        found = {char for text in self.texts for run in text.runs for char in missing(run.text, run.face)}
        return tuple(sorted(found))

    def svg(self, text_as_paths: bool = True, *, themed: bool = False) -> str:
        """SVG 1.1 with title and description.

        Text as paths looks the same everywhere (journals, Word); as text it can be searched and is smaller (web).
        `themed`: each colour may be replaced by the page, through CSS variables --fig-ink, --fig-paper and so on
        (`dark_variables` gives those of a dark page).
        """
        from kmeta.plots.svg import write_svg

        return write_svg(
            self.items,
            name=self.name,
            title=self.title,
            description=self.alt,
            width=self.width,
            height=self.height,
            palette=palette(self.preset),
            text_as_paths=text_as_paths,
            themed=themed,
        )

    def png(self, dpi: int = 600) -> bytes:
        """Pixels at `dpi` (100 to 1200; 600 for print, 200 for a look)."""
        from kmeta.plots.render import write_png

        if not RESOLUTIONS[0] <= dpi <= RESOLUTIONS[1]:
            raise InputError(f"{dpi} dpi", where="dpi", hint=f"from {RESOLUTIONS[0]} to {RESOLUTIONS[1]}")
        return write_png(
            self.items, width=self.width, height=self.height, palette=palette(self.preset), dpi=dpi
        )

    def pdf(self) -> bytes:
        """PDF with embedded fonts, a page each of `pages`."""
        from kmeta.plots.render import write_pdf

        pages = tuple((page.items, page.width, page.height) for page in self.pages)
        return write_pdf(pages, palette=palette(self.preset), title=self.title)

    def csv(self) -> str:
        """The data behind the figure: UTF-8, LF; a cell that a spreadsheet would run as a formula is quoted by '."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        if self.rows:
            writer.writerow(self.rows[0])
            writer.writerows([_cell(value) for value in row.values()] for row in self.rows)
        return out.getvalue()

    def _repr_svg_(self) -> str:
        return self.svg(text_as_paths=False)


def _cell(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, str):
        return "'" + value if value.startswith(FORMULA_STARTS) else value
    return repr(float(value)) if isinstance(value, float) else str(value)


def dark_variables() -> dict[str, str]:
    """CSS variable -> colour on a dark page, for SVG written with `themed`."""
    return {f"--fig-{role}": colour for role, colour in DARK.items()}


def slug(text: str) -> str:
    """`text` as an id: small letters, digits and hyphens, beginning with a letter."""
    kept = re.sub(r"[^a-z0-9]+", "-", clean(text).casefold().replace("_", "-")).strip("-")
    return f"fig-{kept}" if kept else "fig"


def figure_of(
    drawing: Drawing, *, name: str, title: str, alt: str, width: float, height: float, preset: str,
    rows: Sequence[Mapping[str, Any]] = (), parts: Sequence[Figure] = (),
) -> Figure:  # fmt: skip
    """A finished drawing as a figure; parts are named after the whole."""
    stem = slug(name)
    numbered = tuple(replace(part, name=f"{stem}-part{i}") for i, part in enumerate(parts, 1))
    return Figure(
        name=stem,
        title=clean(title),
        alt=clean(alt),
        width=width,
        height=height,
        items=drawing.items(),
        rows=tuple(rows),
        preset=preset,
        parts=numbered,
    )


def blank(
    name: str, title: str, remark: str, *, width: float = 174 * POINTS_PER_MM, preset: str = "journal"
) -> Figure:
    """A figure of something that holds no data: it says so in one line."""
    from kmeta.plots.text import plain, wrap

    drawing = Drawing()
    lines = wrap(plain(remark, face="italic", colour="secondary"), width - 2 * MARGIN)
    for i, line in enumerate(lines):
        drawing.centred(MARGIN, MARGIN + 9 + 10 * i, line)
    height = 2 * MARGIN + 8 + 10 * len(lines)
    return figure_of(drawing, name=name, title=title, alt=remark, width=width, height=height, preset=preset)
