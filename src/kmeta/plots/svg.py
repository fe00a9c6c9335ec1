"""A drawing as SVG text, written by hand so that it is small, the same every time, and fit to stand in a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape

from kmeta.plots.drawing import Item, Point, Shape, Stroke, Text
from kmeta.plots.faces import EM, FAMILY, FaceName, Outline, face
from kmeta.plots.style import POINTS_PER_MM
from kmeta.plots.text import Run

Colour = Callable[[str], str]
_FACE_LETTER: dict[FaceName, str] = {"regular": "r", "bold": "b", "italic": "i"}
_FACE_ATTRIBUTE: dict[FaceName, str] = {
    "regular": "",
    "bold": ' font-weight="bold"',
    "italic": ' font-style="italic"',
}


def number(value: float) -> str:
    """Two decimals at most (a hundredth of a point), no trailing zeros, no negative zero."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def write_svg(
    items: tuple[Item, ...], *, name: str, title: str, description: str, width: float, height: float,
    palette: Mapping[str, str], text_as_paths: bool, themed: bool,
) -> str:  # fmt: skip
    """The whole file; ids begin with `name`; `themed` lets a page's variables --fig-<role> replace each colour."""

    def colour(role: str) -> str:
        return f"var(--fig-{role},{palette[role]})" if themed else palette[role]

    body = [_item(item, colour, name if text_as_paths else "") for item in items]
    glyphs = _glyphs(items, name) if text_as_paths else []
    mm = [number(side / POINTS_PER_MM) for side in (width, height)]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" id="{name}" '
        f'width="{mm[0]}mm" height="{mm[1]}mm" viewBox="0 0 {number(width)} {number(height)}" role="img" '
        f'aria-labelledby="{name}-title {name}-desc"'
    )
    family = "" if text_as_paths else f' font-family="{escape(FAMILY)}"'
    return "\n".join(
        [
            head + family + ">",
            f'<title id="{name}-title">{escape(title)}</title>',
            f'<desc id="{name}-desc">{escape(description)}</desc>',
            *(["<defs>", *glyphs, "</defs>"] if glyphs else []),
            f'<rect width="{number(width)}" height="{number(height)}" fill="{colour("paper")}"/>',
            *body,
            "</svg>\n",
        ]
    )


def _item(item: Item, colour: Colour, prefix: str) -> str:
    if isinstance(item, Text):
        return _outlined(item, colour, prefix) if prefix else _written(item, colour)
    if isinstance(item, Stroke):
        return (
            f'<path d="{_path(item.points)}" fill="none"{_pen(item.width, colour(item.colour))}'
            f"{_dash(item.dash)}{_opacity(item.opacity)}/>"
        )
    paint = f' fill="{colour(item.fill)}"' if item.fill else ' fill="none"'
    if item.outline:
        paint += _pen(item.width, colour(item.outline))
    if isinstance(item, Shape):
        return f'<path d="{_path(item.points)}Z"{paint}{_opacity(item.opacity)}/>'
    return f'<circle cx="{number(item.x)}" cy="{number(item.y)}" r="{number(item.r)}"{paint}/>'


def _path(points: tuple[Point, ...]) -> str:
    """Absolute moves, with H and V where a step is level or upright."""
    out, last = [], ("", "")
    for i, (px, py) in enumerate(points):
        x, y = number(px), number(py)
        if not i:
            out.append(f"M{x} {y}")
        elif y == last[1]:
            out.append(f"H{x}")
        elif x == last[0]:
            out.append(f"V{y}")
        else:
            out.append(f"L{x} {y}")
        last = (x, y)
    return "".join(out)


def _pen(width: float, colour: str) -> str:
    return f' stroke="{colour}" stroke-width="{number(width)}"'


def _dash(dash: tuple[float, ...]) -> str:
    return f' stroke-dasharray="{" ".join(map(number, dash))}"' if dash else ""


def _opacity(value: float) -> str:
    return f' opacity="{number(value)}"' if value < 1 else ""


def _written(item: Text, colour: Colour) -> str:
    anchor = "" if item.anchor == "start" else f' text-anchor="{item.anchor}"'
    turn = f' transform="rotate(-90 {number(item.x)} {number(item.y)})"' if item.turned else ""
    at = f'<text x="{number(item.x)}" y="{number(item.y)}"{anchor}{turn}'
    if len(item.runs) == 1 and not item.runs[0].rise:
        return f"{at}{_type(item.runs[0], colour)}>{escape(item.runs[0].text, quote=False)}</text>"
    spans, risen = [], 0.0
    for run in item.runs:
        shift = f' dy="{number(risen - run.rise)}"' if risen != run.rise else ""
        spans.append(f"<tspan{shift}{_type(run, colour)}>{escape(run.text, quote=False)}</tspan>")
        risen = run.rise
    return f"{at}>{''.join(spans)}</text>"


def _type(run: Run, colour: Colour) -> str:
    return f' font-size="{number(run.size)}"{_FACE_ATTRIBUTE[run.face]} fill="{colour(run.colour)}"'


def _glyph_id(prefix: str, name: FaceName, char: str) -> str:
    return f"{prefix}-{_FACE_LETTER[name]}{ord(char):x}"


def _outlined(item: Text, colour: Colour, prefix: str) -> str:
    parts, along = [], -item.start
    for run in item.runs:
        unit = run.size / EM
        at, advance = face(run.face).positions(run.text)
        uses = "".join(
            f'<use xlink:href="#{_glyph_id(prefix, run.face, char)}"' + (f' x="{number(x)}"/>' if x else "/>")
            for x, char in zip(at, run.text, strict=True)
            if char != " "
        )
        place = (
            f"translate({number(item.x - run.rise)} {number(item.y - along)}) rotate(-90)"
            if item.turned
            else f"translate({number(item.x + along)} {number(item.y - run.rise)})"
        )
        if uses:
            parts.append(
                f'<g fill="{colour(run.colour)}" transform="{place} scale({unit:.6f} {-unit:.6f})">{uses}</g>'
            )
        along += advance * unit
    return "".join(parts)


def _glyphs(items: tuple[Item, ...], prefix: str) -> list[str]:
    used = {
        (run.face, char)
        for item in items
        if isinstance(item, Text)
        for run in item.runs
        for char in run.text
        if char != " "
    }
    return [
        f'<path id="{_glyph_id(prefix, name, char)}" d="{_contours(face(name).outline(char))}"/>'
        for name, char in sorted(used)
    ]


def _contours(outline: Outline) -> str:
    """A glyph in font units, rounded to halves: codes are those of matplotlib's Path."""
    letters = {1: ("M", 1), 2: ("L", 1), 3: ("Q", 2), 4: ("C", 3), 79: ("Z", 1)}
    out, i = [], 0
    vertices, codes = outline
    while i < len(codes):
        letter, count = letters[codes[i]]
        points = vertices[i : i + count] if letter != "Z" else ()
        out.append(letter + " ".join(number(round(v * 2) / 2) for point in points for v in point))
        i += count
    return "".join(out)
