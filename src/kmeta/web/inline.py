"""A figure as part of the page: only SVG that draws and nothing else is let in."""

from __future__ import annotations

import re
from functools import lru_cache
from xml.etree import ElementTree

from markupsafe import Markup

SVG = "{http://www.w3.org/2000/svg}"
XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
MAX_BYTES = 2_000_000
TAGS = frozenset(
    {"svg", "title", "desc", "defs", "g", "use", "clipPath", "text", "tspan"}
    | {"path", "rect", "circle", "ellipse", "line", "polyline", "polygon"}
)
ATTRIBUTES = frozenset(
    {"id", "class", "role", "version", "viewBox", "aria-labelledby", "aria-hidden", "aria-label"}
    | {"x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "dx", "dy", "d", "points"}
    | {"width", "height", "transform", "clip-path", "clip-rule", "opacity", "vector-effect"}
    | {"fill", "fill-opacity", "fill-rule", "stroke", "stroke-width", "stroke-opacity", "stroke-miterlimit"}
    | {"stroke-dasharray", "stroke-dashoffset", "stroke-linecap", "stroke-linejoin"}
    | {"font-family", "font-size", "font-weight", "font-style", "text-anchor", "dominant-baseline"}
)


@lru_cache(maxsize=256)
def inline_svg(document: str) -> Markup | None:
    """The SVG as markup for the page; None where it holds anything but shapes and text (styles, scripts, links out).

    >>> inline_svg('<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0H9"/></svg>') is not None
    True
    >>> inline_svg('<svg xmlns="http://www.w3.org/2000/svg" onload="x()"/>') is None
    True
    """
    if len(document) > MAX_BYTES or "<!" in document or "<?" in document:
        return None
    try:
        root = ElementTree.fromstring(document)  # noqa: S314 - no declarations, so no entities
    except ElementTree.ParseError:
        return None
    if root.tag != f"{SVG}svg" or not all(_draws(element) for element in root.iter()):
        return None
    return Markup(document)  # noqa: S704 - every element and attribute was checked


def _draws(element: ElementTree.Element) -> bool:
    if not element.tag.startswith(SVG) or element.tag.removeprefix(SVG) not in TAGS:
        return False
    return all(_harmless(name, value) for name, value in element.attrib.items())


def _harmless(name: str, value: str) -> bool:
    if name in ("href", XLINK_HREF):
        return re.fullmatch(r"#[\w-]+", value) is not None
    if name not in ATTRIBUTES:
        return False
    inside = re.sub(r"url\(#[\w-]+\)", "", value)
    return "url(" not in inside.casefold() and "\\" not in inside
