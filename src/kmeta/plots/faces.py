"""The vendored faces, read by path: widths, kerning and outlines in units of the em.

Nothing ever falls back to another face: a character the face lacks is drawn as its empty box, and the figure says
which ones those were.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, Literal

FaceName = Literal["regular", "bold", "italic"]
FONTS = Path(__file__).parent / "fonts"
FILES: dict[FaceName, str] = {
    "regular": "LiberationSans-Regular.ttf",
    "bold": "LiberationSans-Bold.ttf",
    "italic": "LiberationSans-Italic.ttf",
}
FAMILY = "Liberation Sans, Arial, Helvetica, sans-serif"
EM = 2048

# (vertices, codes) of matplotlib.path.Path, y upwards
Outline = tuple[tuple[tuple[float, float], ...], tuple[int, ...]]


class Face:
    """One font file at a size of one point a unit, so that all numbers are whole font units."""

    def __init__(self, name: FaceName) -> None:
        from matplotlib.ft2font import FT2Font

        self.name = name
        self.path = FONTS / FILES[name]
        self._font: Any = FT2Font(str(self.path))
        self._font.set_size(EM, 72)
        # The font object holds one glyph at a time; a web server asks from several threads.
        self._lock = Lock()
        self._advances: dict[str, float] = {}
        self._kerning: dict[str, float] = {}
        self._outlines: dict[str, Outline] = {}

    def has(self, char: str) -> bool:
        """Whether the face can draw the character."""
        return bool(self._font.get_char_index(ord(char)))

    def _glyph(self, char: str) -> Any:
        from matplotlib.ft2font import LoadFlags

        return self._font.load_glyph(
            self._font.get_char_index(ord(char)), flags=LoadFlags.NO_HINTING | LoadFlags.NO_BITMAP
        )

    def advance(self, char: str) -> float:
        """Width of one character in font units."""
        if char not in self._advances:
            with self._lock:
                self._advances[char] = round(self._glyph(char).linearHoriAdvance / 65536)
        return self._advances[char]

    def kern(self, pair: str) -> float:
        """How much a pair moves together; figures never do, so that columns of numbers stay even."""
        if pair.isdigit():
            return 0.0
        if pair not in self._kerning:
            from matplotlib.ft2font import Kerning

            with self._lock:
                left, right = (self._font.get_char_index(ord(char)) for char in pair)
                self._kerning[pair] = self._font.get_kerning(left, right, Kerning.UNFITTED) / 64
        return self._kerning[pair]

    def outline(self, char: str) -> Outline:
        """The glyph's contours in font units, y upwards."""
        if char not in self._outlines:
            with self._lock:
                self._glyph(char)
                vertices, codes = self._font.get_path()
                self._outlines[char] = (
                    tuple((float(x), float(y)) for x, y in vertices),
                    tuple(int(code) for code in codes),
                )
        return self._outlines[char]

    def positions(self, text: str) -> tuple[list[float], float]:
        """Left edge of each character and the width of the whole, in font units."""
        at, x = [], 0.0
        for i, char in enumerate(text):
            if i:
                x += self.kern(text[i - 1 : i + 1])
            at.append(x)
            x += self.advance(char)
        return at, x


@cache
def face(name: FaceName) -> Face:
    """The face of that name; one of each in a process."""
    return Face(name)
