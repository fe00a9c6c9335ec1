"""Texts as measured runs: widths, wrapping, superscripts, and what to do with characters the face lacks."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from kmeta.plots.faces import EM, FaceName, face
from kmeta.plots.style import BODY, MARK, MARK_RISE

ASCENT, DESCENT = 0.74, 0.04
ELLIPSIS = "…"
NO_BREAK = "\u00a0\u202f"
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+−")
# A lone ¹ ² ³ is a glyph of the face; longer ones and the rest are small raised runs.
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]{2,}|[⁰⁴⁵⁶⁷⁸⁹⁺⁻]")
_MARKUP = re.compile(r"\*\*(.+?)\*\*|\*(.+?)\*")


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text in one face, size and colour; `rise` lifts it above the baseline."""

    text: str
    size: float = BODY
    face: FaceName = "regular"
    colour: str = "ink"
    rise: float = 0.0

    @property
    def width(self) -> float:
        """Measured width in points."""
        return measure(self.text, self.size, self.face)


Runs = tuple[Run, ...]


@lru_cache(maxsize=20000)
def measure(text: str, size: float = BODY, name: FaceName = "regular") -> float:
    """Width of `text` in points, kerned as it is drawn.

    >>> round(measure("0.47 (0.30–0.73)", 7.5), 1)
    55.0
    """
    return face(name).positions(text)[1] * size / EM


def clean(text: str) -> str:
    """One line of composed characters: no control characters, no line ends, no marks that turn the direction."""
    text = unicodedata.normalize("NFC", text)
    kept = "".join(
        " " if c.isspace() and c not in NO_BREAK else c
        for c in text
        if c.isspace() or unicodedata.category(c)[0] != "C"
    )
    return re.sub(" +", " ", kept).strip()


def plain(text: str, size: float = BODY, face: FaceName = "regular", colour: str = "ink") -> Runs:
    """Text from outside as runs: cleaned, superscripts raised."""
    text = clean(text)
    runs, at = [], 0
    for found in _RAISED.finditer(text):
        if found.start() > at:
            runs.append(Run(text[at : found.start()], size, face, colour))
        raised = found.group().translate(_SUPERSCRIPTS)
        runs.append(Run(raised, size * MARK / BODY, face, colour, size * MARK_RISE / BODY))
        at = found.end()
    if at < len(text) or not runs:
        runs.append(Run(text[at:], size, face, colour))
    return tuple(runs)


def marked_up(text: str, size: float = BODY, colour: str = "ink") -> Runs:
    """Our own sentences: *italic*, **bold**. Never for text from outside, whose stars are stars."""
    runs, at = [], 0
    for found in _MARKUP.finditer(text):
        if found.start() > at:
            runs.append(Run(text[at : found.start()], size, "regular", colour))
        bold, italic = found.groups()
        runs.append(Run(bold or italic, size, "bold" if bold else "italic", colour))
        at = found.end()
    if at < len(text):
        runs.append(Run(text[at:], size, "regular", colour))
    return tuple(runs)


def width(runs: Iterable[Run]) -> float:
    """Width of the runs one after the other."""
    return sum(run.width for run in runs)


def text_of(runs: Iterable[Run]) -> str:
    """The runs' characters."""
    return "".join(run.text for run in runs)


def missing(text: str, name: FaceName = "regular") -> set[str]:
    """Characters of `text` the face cannot draw."""
    return {char for char in text if not face(name).has(char)}


def _pieces(runs: Sequence[Run]) -> list[Runs]:
    """The runs cut after each space: what may stand at the end of a line."""
    words: list[list[Run]] = [[]]
    for run in runs:
        for part in re.findall(r"[^ ]* ?", run.text):
            if part:
                words[-1].append(replace(run, text=part))
                if part.endswith(" "):
                    words.append([])
    return [tuple(word) for word in words if word]


def _stripped(runs: Sequence[Run]) -> Runs:
    """Neighbours of one look joined, spaces at the end gone."""
    kept: list[Run] = []
    for run in runs:
        if kept and replace(kept[-1], text=run.text) == run:
            kept[-1] = replace(run, text=kept[-1].text + run.text)
        else:
            kept.append(run)
    while kept and not kept[-1].text.rstrip(" "):
        kept.pop()
    if kept:
        kept[-1] = replace(kept[-1], text=kept[-1].text.rstrip(" "))
    return tuple(kept)


def _cut(word: Runs, limit: float) -> tuple[Runs, Runs]:
    """As many characters of a long word as fit (at least one), and the rest."""
    head: list[Run] = []
    used = 0.0
    for i, run in enumerate(word):
        for j in range(1, len(run.text) + 1):
            if used + measure(run.text[:j], run.size, run.face) > limit and (head or j > 1):
                at = j - 1
                first = [*head, replace(run, text=run.text[:at])] if at else head
                return tuple(first), (replace(run, text=run.text[at:]), *word[i + 1 :])
        head.append(run)
        used += run.width
    return tuple(head), ()


def wrap(runs: Sequence[Run], limit: float, lines: int | None = None) -> list[Runs]:
    """The runs on lines no wider than `limit`; beyond `lines` of them the last ends in an ellipsis."""
    done: list[Runs] = []
    current: Runs = ()
    queue = _pieces(runs)
    while queue:
        word = queue.pop(0)
        if width(_stripped((*current, *word))) <= limit:
            current = (*current, *word)
        elif current:
            done.append(_stripped(current))
            current = ()
            queue.insert(0, word)
        else:
            head, rest = _cut(word, limit)
            done.append(head)
            if rest:
                queue.insert(0, rest)
    if current or not done:
        done.append(_stripped(current))
    if lines is not None and len(done) > lines:
        done = [
            *done[: lines - 1],
            shortened([run for line in done[lines - 1 :] for run in (*line, _SPACE)], limit),
        ]
    return done


_SPACE = Run(" ")


def shortened(runs: Sequence[Run], limit: float) -> Runs:
    """The runs on one line no wider than `limit`, with an ellipsis where something had to go."""
    runs = _stripped(runs)
    if width(runs) <= limit or not runs:
        return runs
    dots = replace(runs[0], text=ELLIPSIS, rise=0.0)
    head, _ = _cut(runs, max(limit - dots.width, 1.0))
    head = _stripped(head)
    return (*head[:-1], replace(head[-1], text=head[-1].text + ELLIPSIS)) if head else (dots,)
