"""The report before it has a shape: headings, sentences, tables and figures, the same for HTML and for Word.

A sentence is made of runs. A run that shows a number carries the ids of the results it was printed from, so that
a later version of the review can list which sentences changed; a run of somebody else's words says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from kmeta.core.errors import InputError

# What XML 1.0 cannot hold or should not, and the characters that turn the reading direction of what follows them.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\u007e\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069\ufeff]")
_SPACE = re.compile("[\t\n\r\u0085\u2028\u2029]+")
_PLACE = re.compile(r"\{(\w+)\}")
LONGEST_TEXT = 20_000


def legal(text: str) -> str:
    """`text` without what XML cannot hold; all else as it was."""
    return _ILLEGAL.sub("\ufffd", text)


def clean(text: str) -> str:
    """`text` as one line that HTML and Word can both hold: no control characters, no turned direction, not endless.

    >>> clean("a\\x00b\\tc\\u202ed"), len(clean("x" * 30_000))
    ('a\ufffdb cd', 20002)
    """
    line = _DIRECTION.sub("", _SPACE.sub(" ", text))
    if len(line) > LONGEST_TEXT:
        line = line[:LONGEST_TEXT] + " …"
    return legal(line)


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text in one face.

    results : ids of the numbers in results.json that the text prints.
    quoted : typed by people or printed by a paper, not written by kmeta.
    href : an address on the web. ref : the key of a table, figure or heading; its number replaces the text.
    """

    text: str
    bold: bool = False
    italic: bool = False
    raised: bool = False
    results: tuple[str, ...] = ()
    quoted: bool = False
    href: str = ""
    ref: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", clean(self.text))
        if self.href and not self.href.startswith(("https://", "#")):
            object.__setattr__(self, "href", "")


Runs: TypeAlias = tuple[Run, ...]
Part: TypeAlias = "str | Run | Iterable[Run]"


def runs(*parts: Part) -> Runs:
    """Strings, runs and sequences of runs as one flat tuple; a string is kmeta's own words."""
    flat: list[Run] = []
    for part in parts:
        if isinstance(part, str):
            flat.append(Run(part))
        elif isinstance(part, Run):
            flat.append(part)
        else:
            flat.extend(part)
    return tuple(run for run in flat if run.text or run.ref)


def say(template: str, **parts: Part) -> Runs:
    """A sentence: `template` with {names} filled by runs. Numbers come as parts, never typed in the template.

    >>> [run.text for run in say("It was {x}.", x=Run("74%", results=("os/res/effect",)))]
    ['It was ', '74%', '.']
    """
    done: list[Part] = []
    for i, piece in enumerate(_PLACE.split(template)):
        done.append(parts[piece] if i % 2 else piece)
    return runs(*done)


def quote(text: str) -> Run:
    """Somebody else's words."""
    return Run(text, quoted=True)


def ref(key: str) -> Run:
    """`Table 3` or `Figure 1`, whichever number the thing called `key` gets."""
    return Run("", ref=key)


def section_key(key: str) -> str:
    """What references call the section `key`."""
    return f"section-{key}"


def joined(items: Iterable[Part], *, separator: str = ", ", last: str = " and ") -> Runs:
    """`a, b and c`.

    >>> "".join(run.text for run in joined(["a", "b", "c"]))
    'a, b and c'
    """
    listed = [runs(item) for item in items]
    done: list[Part] = []
    for i, item in enumerate(listed):
        if i:
            done.append(last if i == len(listed) - 1 else separator)
        done.append(item)
    return runs(*done)


def plain_text(of: Iterable[Run], numbers: dict[str, str] | None = None) -> str:
    """The words alone; `numbers` turns references into `Table 3`."""
    return "".join((numbers or {}).get(run.ref, run.ref) if run.ref else run.text for run in of)


@dataclass(frozen=True, slots=True)
class Heading:
    """Level 1 opens a section and stands in the contents list; level 2 is inside one."""

    text: str
    level: Literal[1, 2] = 1
    key: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", clean(self.text))


@dataclass(frozen=True, slots=True)
class Paragraph:
    """`kind`: body, lead (the summary), note (small, under a table or figure)."""

    runs: Runs
    kind: Literal["body", "lead", "note"] = "body"
    keep_with_next: bool = False


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list; numbered when `ordered`."""

    items: tuple[Runs, ...]
    ordered: bool = False
    small: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """Head, alignment (numbers: right) and the share of the width, in mm of a page."""

    title: str
    mm: float
    align: Literal["left", "right"] = "left"


RowKind: TypeAlias = Literal["data", "band", "total", "remark", "detail"]


# Rows of one cell over all columns.
SPANNING = ("band", "remark", "detail")


@dataclass(frozen=True, slots=True)
class Row:
    """data; band: one cell over all columns that names a group; total: bold; remark: one italic cell; detail: one cell.

    One-cell rows go over all columns; a detail says more of the row above it.
    """

    cells: tuple[Runs, ...]
    kind: RowKind = "data"


@dataclass(frozen=True, slots=True)
class Table:
    """`caption` says what, `notes` explain marks; `wide` asks for a landscape page."""

    key: str
    caption: Runs
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[Runs, ...] = ()
    wide: bool = False
    csv: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            expected = 1 if row.kind in SPANNING else len(self.columns)
            if len(row.cells) != expected:
                raise InputError(
                    f"a row of kind {row.kind} has {len(row.cells)} cells, expected {expected}",
                    where=f"table {self.key}",
                )


@dataclass(frozen=True, slots=True)
class Picture:
    """The figure called `name` in the figures given, with its caption: one sentence what, one the result."""

    name: str
    what: Runs
    result: Runs = ()
    notes: tuple[Runs, ...] = ()

    @property
    def key(self) -> str:
        """What references call it."""
        return f"figure-{self.name}"


Block: TypeAlias = Heading | Paragraph | Bullets | Table | Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The whole report; `kicker` stands above the title, `lines` under it."""

    title: str
    kicker: str
    lines: tuple[Runs, ...] = ()
    blocks: tuple[Block, ...] = ()
    language: str = "en-GB"

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", clean(self.title) or "Untitled review")
        object.__setattr__(self, "kicker", clean(self.kicker))

    def sections(self) -> list[Heading]:
        """What the contents list shows."""
        return [block for block in self.blocks if isinstance(block, Heading) and block.level == 1]

    def numbers(self) -> dict[str, str]:
        """Key -> `Table 3`, `Figure 1`, or the number of a section, counted in the order of the document."""
        found: dict[str, str] = {}
        counts = {"Table": 0, "Figure": 0, "Section": 0}
        for block in self.blocks:
            if isinstance(block, (Table, Picture)):
                label = "Table" if isinstance(block, Table) else "Figure"
            elif isinstance(block, Heading) and block.level == 1:
                label = "Section"
            else:
                continue
            if block.key in found:
                raise InputError(f"two parts of the report are called {block.key!r}", where="report")
            counts[label] += 1
            found[block.key] = f"{label} {counts[label]}"
        return found

    def landscape(self) -> list[bool]:
        """For each block whether it stands on a page turned for a wide table.

        The heading and the words right before a wide table go with it, so that no page holds them alone.
        """
        turned = [isinstance(block, Table) and block.wide for block in self.blocks]
        for i in range(len(self.blocks) - 1, 0, -1):
            before = self.blocks[i - 1]
            opened = isinstance(self.blocks[i], Heading)
            if (
                turned[i]
                and isinstance(before, (Heading, Paragraph, Bullets))
                and (not opened or isinstance(before, Heading))
            ):
                turned[i - 1] = True
        return turned

    def sentences(self) -> Iterator[tuple[str, Runs]]:
        """Every text a reader reads as a sentence, with a stable id: section, then its count in the section."""
        section, count = "start", 0
        for block in self.blocks:
            if isinstance(block, Heading) and block.level == 1:
                section, count = block.key, 0
            for told in _told(block):
                count += 1
                yield f"{section}/{count}", told


def _told(block: Block) -> tuple[Runs, ...]:
    if isinstance(block, Paragraph):
        return (block.runs,)
    if isinstance(block, Bullets):
        return block.items
    if isinstance(block, Table):
        return (block.caption, *block.notes)
    if isinstance(block, Picture):
        return (runs(block.what, " ", block.result) if block.result else block.what, *block.notes)
    return ()
