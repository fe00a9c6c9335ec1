"""Figures as the report takes them, and their SVG made fit to stand inside a page.

A figure drawn for itself brings style elements, ids and style attributes that would reach into the page around it,
and that a strict content policy refuses. Inside the page its style becomes plain attributes and its ids get a prefix.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol
from xml.etree import ElementTree

from kmeta.core.errors import InputError
from kmeta.report.document import clean

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_URL = re.compile(r"url\(\s*['\"]?#([^)'\"]+)['\"]?\s*\)")
_FONT = re.compile(r"^(?P<before>.*?)(?P<size>[\d.]+(?:px|pt))(?:/\S+)?\s+(?P<family>.+)$")
_UNIVERSAL = re.compile(r"\*\s*\{([^}]*)\}")
# Elements that a drawing does not need and a page must not take in.
_REFUSED = frozenset(
    {"script", "foreignObject", "metadata", "style", "iframe", "object", "embed", "a", "animate", "set"}
)
PNG_DPI = 600
MAX_SVG = 20_000_000


class FigureLike(Protocol):
    """A drawn figure: vector, raster, data and words."""

    @property
    def title(self) -> str:
        """What it shows, in a few words."""
        ...

    @property
    def alt(self) -> str:
        """What it says, for those who cannot see it."""
        ...

    @property
    def width_mm(self) -> float:
        """Width in millimetres."""
        ...

    @property
    def height_mm(self) -> float:
        """Height in millimetres."""
        ...

    def svg(self, text_as_paths: bool = True) -> str:
        """The drawing; text as paths where fonts cannot be counted on."""
        ...

    def png(self, dpi: int) -> bytes:
        """The drawing at that resolution."""
        ...

    def csv(self) -> str:
        """The numbers that are drawn."""
        ...


def pages_of(figure: FigureLike) -> tuple[FigureLike, ...]:
    """The figure, or its parts where it is higher than a page and comes cut."""
    return tuple(getattr(figure, "pages", ())) or (figure,)


def check_names(figures: Mapping[str, FigureLike]) -> None:
    """Figures become files: refuse names that could be anything else.

    Raises InputError.
    """
    for name in figures:
        if not _NAME.fullmatch(name):
            raise InputError(
                f"a figure is called {name!r}",
                where="report",
                hint="names of figures are small letters, digits, - _ and . only",
            )


def inline_svg(svg: str, *, key: str, title: str, alt: str) -> str:
    """`svg` as an element of an HTML page: own ids, no styles, no scripts, nothing from elsewhere, with its words.

    Raises InputError when it is no SVG.
    """
    if len(svg) > MAX_SVG or "<!ENTITY" in svg:
        raise InputError("the SVG is too long or declares entities", where=f"figure {key}")
    try:
        root = ElementTree.fromstring(svg)  # noqa: S314 -- entities are refused above, the length is capped
    except ElementTree.ParseError as error:
        raise InputError(f"is no SVG: {error}", where=f"figure {key}") from None
    if _local(root.tag) != "svg":
        raise InputError(f"the root is <{_local(root.tag)}>, not <svg>", where=f"figure {key}")
    general = _general_style(root)
    _tidy(root, f"{key}-")
    for name, value in general.items():
        root.attrib.setdefault(name, value)
    for child in [c for c in root if c.tag in ("title", "desc")]:
        root.remove(child)
    if "viewBox" not in root.attrib:
        root.set("viewBox", f"0 0 {_number(root.get('width'))} {_number(root.get('height'))}")
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-labelledby", f"{key}-title {key}-desc")
    for place, (name, words) in enumerate((("title", title), ("desc", alt))):
        told = ElementTree.Element(name, {"id": f"{key}-{name}"})
        told.text = clean(words)
        root.insert(place, told)
    return ElementTree.tostring(root, encoding="unicode")


def _local(tag: object) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _number(length: str | None) -> str:
    found = re.match(r"[\d.]+", length or "")
    return found.group() if found else "100"


def _general_style(root: ElementTree.Element) -> dict[str, str]:
    """What a style element says of everything (`*{...}`), as attributes for the root."""
    said: dict[str, str] = {}
    for element in root.iter():
        if _local(element.tag) == "style":
            for body in _UNIVERSAL.findall(element.text or ""):
                said.update(_attributes(body, ""))
    return said


def _tidy(element: ElementTree.Element, prefix: str) -> None:
    element.tag = _local(element.tag)
    element.attrib = _clean_attributes(element.attrib, prefix)
    for child in list(element):
        if _local(child.tag) in _REFUSED or not isinstance(child.tag, str):
            element.remove(child)
        else:
            _tidy(child, prefix)


def _clean_attributes(attributes: dict[str, str], prefix: str) -> dict[str, str]:
    kept: dict[str, str] = {}
    for full, value in attributes.items():
        name = _local(full)
        if name == "style":
            kept.update(_attributes(value, prefix))
        elif name == "id":
            kept["id"] = prefix + value
        elif name == "href":
            if value.startswith("#"):
                kept["href"] = f"#{prefix}{value[1:]}"
            elif value.startswith("data:image/png;base64,"):
                kept["href"] = value
        elif not name.lower().startswith("on") and name not in ("class", "space"):
            kept[name] = _value(name, value, prefix)
    return kept


def _attributes(style: str, prefix: str) -> dict[str, str]:
    """`fill: none; stroke: #000` as attributes."""
    found: dict[str, str] = {}
    for piece in style.split(";"):
        name, colon, value = piece.partition(":")
        name, value = name.strip(), value.strip()
        if name == "font":
            found.update(_font(value))
        elif colon and re.fullmatch(r"[a-z-]+", name):
            found[name] = _value(name, value, prefix)
    return found


def _font(value: str) -> dict[str, str]:
    """The short form `bold 7.5px 'Liberation Sans', Arial` taken apart."""
    found = _FONT.match(value)
    if not found:
        return {}
    parts = {"font-size": found["size"], "font-family": found["family"]}
    for word in found["before"].split():
        if word in ("italic", "oblique"):
            parts["font-style"] = word
        elif word in ("bold", "bolder") or word.isdigit():
            parts["font-weight"] = word
    return parts


def _value(name: str, value: str, prefix: str) -> str:
    """Ids inside url(#...) get the prefix; an address elsewhere is taken out; colours are in small letters."""
    value = _URL.sub(lambda found: f"url(#{prefix}{found[1]})", value)
    if "url(" in value and "url(#" not in value:
        return "none"
    return value.lower() if name in ("fill", "stroke", "stop-color", "color") else value
