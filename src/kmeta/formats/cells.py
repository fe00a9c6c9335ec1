"""A CSV file as rows of cells with their lines, and the values of cells; every fault is gathered, nothing guessed.

Read: UTF-8 (with or without a byte order mark), commas, one header row, quotes doubled inside quotes. Refused, with
the line: other encodings, semicolons or tabs between columns, NUL bytes, quotes never closed, rows with fewer or more
fields than the header, and files, rows or fields beyond the caps below.
Written: the same, LF at the end of lines. A cell that a spreadsheet would run as a formula (= + - @ TAB CR LF at its
start, and no plain number) gets a ' before it, which reading takes off again.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from kmeta.core.errors import InputError, Problems
from kmeta.formats.nearest import nearest

MAX_BYTES = 32_000_000
MAX_ROWS = 200_000
MAX_FIELD = 20_000
MAX_PROBLEMS = 1_000
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one row by the names of their columns, and the line where it begins."""

    line: int
    cells: dict[str, str]


class Cells:
    """The values of one row; what is wrong with a cell is noted with line and column and reads as missing."""

    def __init__(self, row: Row, problems: Problems) -> None:
        self.row, self.problems = row, problems
        self.faults = 0

    def fault(self, column: str, message: str, hint: str = "") -> None:
        """Note what is wrong with this row in `column`."""
        self.faults += 1
        if len(self.problems.found) < MAX_PROBLEMS:
            self.problems.add(f"{self.row.line} {column}", message, hint)

    def text(self, column: str) -> str:
        """The cell as it stands, "" where it is empty or the file has no such column."""
        return self.row.cells.get(column, "")

    def key(self, column: str, *, required: bool = True) -> str:
        """A name that other rows refer to: no space around it, no line break in it."""
        value = self.text(column)
        if required and not value.strip():
            self.fault(column, "is empty", "every row needs it")
        elif value != value.strip() or any(ord(letter) < 32 for letter in value):
            self.fault(column, f"{shown(value)} has a space or a line break around or in it", "take it out")
        return value.strip()

    def choice(self, column: str, known: Sequence[str]) -> str:
        """One of `known`, spelt exactly so."""
        value = self.key(column)
        if value and value not in known:
            near = nearest(value, known)
            self.fault(
                column,
                f"{shown(value)} is not known",
                f'did you mean "{near}"?' if near else _there_are(known),
            )
            return ""
        return value

    def number(self, column: str) -> float | None:
        """A number with a point; None where the cell is empty."""
        value = self.text(column).strip()
        if not value:
            return None
        if not _NUMBER.fullmatch(value):
            self.fault(column, *_not_a_number(value))
            return None
        number = float(value)
        if not math.isfinite(number):
            self.fault(column, f"{shown(value)} is beyond what a number can be")
            return None
        return number

    def whole(self, column: str, *, low: int = 0, high: int = 10**9) -> int | None:
        """A whole number from `low` to `high`; None where the cell is empty."""
        number = self.number(column)
        if number is None:
            return None
        if not number.is_integer():
            self.fault(column, f"{self.text(column).strip()} is not a whole number")
            return None
        if not low <= number <= high:
            negative = number < 0 <= low
            words = "is negative" if negative else f"is not between {low} and {high:,}"
            self.fault(column, f"{self.text(column).strip()} {words}")
            return None
        return int(number)

    def flag(self, column: str) -> bool:
        """1 for yes; 0 or an empty cell for no."""
        value = self.text(column).strip()
        if value not in ("", "0", "1"):
            self.fault(column, f"{shown(value)} is neither 0 nor 1")
        return value == "1"


def shown(value: str) -> str:
    """`value` in quotes, cut where it is long."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in value)
    return f'"{plain}"' if len(plain) <= 60 else f'"{plain[:57]}..."'


def read_rows(data: bytes, problems: Problems) -> tuple[tuple[str, ...], list[Row]]:
    """Header and rows of a CSV file; what cannot be read is noted in `problems` and left out."""
    text = _decoded(data, problems)
    if problems:
        return (), []
    header: tuple[str, ...] = ()
    rows: list[Row] = []
    for line, cells in _records(text, problems):
        if not header:
            header = tuple(cell.strip() for cell in cells)
            _check_header(header, problems)
            if problems:
                return (), []
            continue
        if len(rows) >= MAX_ROWS:
            problems.add(str(line), f"more than {MAX_ROWS:,} rows", "split the file")
            break
        if len(cells) != len(header):
            _check_width(line, cells, header, text, problems)
            continue
        for column, cell in zip(header, cells, strict=True):
            if len(cell) > MAX_FIELD:
                problems.add(
                    f"{line} {column}", f"{len(cell):,} characters; a field has at most {MAX_FIELD:,}"
                )
        rows.append(Row(line, dict(zip(header, map(_without_guard, cells), strict=True))))
    if not header and not problems:
        problems.add("", "the file is empty", "it needs a header row and rows")
    return header, rows


def write_rows(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """A CSV file; formula cells are guarded (see above). Raises InputError for text that no file can hold."""
    lines = [",".join(_quoted(_guarded(cell)) for cell in row) + "\n" for row in (header, *rows)]
    try:
        return "".join(lines).encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"text holds half a character, U+{ord(error.object[error.start]):04X}") from None


def number_text(value: float | int | None) -> str:
    """The shortest text that reads back as `value`; "" for None.

    >>> number_text(20.0), number_text(0.74), number_text(None)
    ('20', '0.74', '')
    """
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value)


def _there_are(known: Iterable[str]) -> str:
    return "one of " + ", ".join(known)


def _not_a_number(value: str) -> tuple[str, str]:
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", value) and not re.fullmatch(r"0,\d{3}", value):
        return (
            f"{shown(value)}: decimal comma or thousands",
            "use a point for decimals and nothing for thousands",
        )
    if re.fullmatch(r"[+-]?\d*,\d+", value):
        return f"{value}: decimal comma", f"use a point: {value.replace(',', '.')}"
    percent = re.fullmatch(r"(\d+(?:[.,]\d+)?)\s*%", value)
    if percent:
        share = float(percent[1].replace(",", ".")) / 100
        return f"{value}: a percent sign", f"write the share: {share:.6g}"
    if re.match(r"[<>≤≥~≈]", value):
        return f"{shown(value)} is a bound, not a number", "leave the cell empty and say so in the flag"
    if re.fullmatch(r"(?i)n/?a|nan|none|null|-|–|—|\.|\?|not reached|nr", value):
        return f"{shown(value)} is not a number", "leave the cell empty; say why in the flag"
    if "−" in value or re.search(r"\d[\s\u00a0\u202f]\d", value):
        return f"{shown(value)} is not a number", "digits and a point only, - for minus"
    return f"{shown(value)} is not a number", "digits and a point only; words belong in the flag"


def _decoded(data: bytes, problems: Problems) -> str:
    if not data.strip():
        problems.add("", "the file is empty", "it needs a header row and rows")
        return ""
    if len(data) > MAX_BYTES:
        problems.add("", f"{len(data):,} bytes; a file has at most {MAX_BYTES:,}", "split the file")
        return ""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        problems.add("1", "UTF-16, not UTF-8", "save the file as CSV UTF-8")
        return ""
    if data[:4] == b"PK\x03\x04" or data[:4] == b"\xd0\xcf\x11\xe0":
        problems.add("1", "a spreadsheet or an archive, not CSV", "save the sheet as CSV UTF-8")
        return ""
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        problems.add(str(line), "a NUL byte", "the file is damaged or not text; export it again")
        return ""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start]
        problems.add(str(line), f"byte 0x{byte:02X} is not UTF-8", "save the file as CSV UTF-8")
        return ""


def _records(text: str, problems: Problems) -> Iterable[tuple[int, list[str]]]:
    """The rows with the line where each begins; empty lines are passed over."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.add(str(line), *_broken(str(error)))
            return
        if any(cells):
            yield line, cells
        line = reader.line_num + 1


def _broken(words: str) -> tuple[str, str]:
    if "unexpected end of data" in words:
        return "a quote is opened here and never closed", "close it, or look whether the file was cut off"
    if "field larger" in words:
        return (
            f"a field of more than {csv.field_size_limit():,} characters",
            "a quote may be opened and never closed",
        )
    if "expected after" in words:
        return "text after a closing quote", 'a quote inside quotes is doubled: "say ""so"""'
    return words, "see the line"


def _check_header(header: tuple[str, ...], problems: Problems) -> None:
    if len(header) == 1:
        for mark, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if mark in header[0]:
                message = f"columns are separated by {name}, not by commas"
                problems.add("1", message, "save as CSV with commas, and numbers with a point")
                return
    for column in sorted({column for column in header if header.count(column) > 1}):
        words = "a column has no name" if not column else f"column {shown(column)} stands there twice"
        problems.add("1", words, "each column has a name of its own")
    if "" in header and header.count("") == 1:
        problems.add("1", "a column has no name", "name it, or take the comma out")


def _check_width(line: int, cells: list[str], header: tuple[str, ...], text: str, problems: Problems) -> None:
    if len(problems.found) >= MAX_PROBLEMS:
        return
    message = f"{len(cells)} fields where the header has {len(header)}"
    if len(cells) < len(header):
        last = text.rstrip("\r\n").count("\n") + 1
        hint = (
            "the file seems to be cut off here"
            if line == last
            else "a comma is missing, or the row was cut off"
        )
    elif split := _decimal_comma(cells):
        hint = f"a decimal comma splits a number ({split}); use a point"
    else:
        hint = "text with a comma stands in quotes"
    problems.add(str(line), message, hint)


def _decimal_comma(cells: list[str]) -> str:
    """`0,74` where two neighbours read as one number that a comma split."""
    for left, right in pairwise(cells):
        if re.fullmatch(r"0", left.strip()) and re.fullmatch(r"\d{1,4}", right.strip()):
            return f"{left.strip()},{right.strip()}"
    return ""


def _guarded(cell: str) -> str:
    if not cell or _NUMBER.fullmatch(cell):
        return cell
    guard = cell.startswith(_FORMULA) or (cell[0] == "'" and cell[1:2] in (*_FORMULA, "'"))
    return "'" + cell if guard else cell


def _without_guard(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and cell[1:2] in (*_FORMULA, "'") and len(cell) > 1 else cell


def _quoted(cell: str) -> str:
    if "\0" in cell:
        raise InputError("text holds a NUL character, which no CSV file can hold")
    needed = any(mark in cell for mark in ',"\r\n') or cell != cell.strip()
    return '"' + cell.replace('"', '""') + '"' if needed else cell
