"""The present state as text for readers: derived from the log, never read back as data.

CSV and TOML are spelled out here, letter by letter, so that no version of a library changes a byte. A cell that a
spreadsheet would take for a formula gets an apostrophe; the log holds the text as it was.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import Any

from kmeta.core.canonical import canonical_json, sha256
from kmeta.project.names import file_stem
from kmeta.project.state import StoredFile
from kmeta.review.codec import KINDS, encode
from kmeta.review.evidence import Evidence
from kmeta.review.study import Arm, Study

VERSION = 1
ABOUT = (
    "A systematic review kept by kmeta. acts/ is the log: what each person did, one act a line, each with the hash "
    "of those before it. files/ holds originals byte for byte, named by their SHA-256 (evidence/files.csv tells "
    "their names). review.toml is the protocol. The rest is derived from these for reading: change the review in "
    "kmeta, not here. `kmeta restore` makes a project of this folder."
)
_TABLES = ("study", "arm", "estimate", "comparison", "overlap", "published", "criterion", "pairing")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TOML_ESCAPED = re.compile(r'[\x00-\x1f\x7f"\\]')


def views(evidence: Evidence, files: Sequence[StoredFile]) -> dict[str, bytes]:
    """Relative name -> bytes of every view."""
    found = {"records.jsonl": "".join(f"{encode(record).body}\n" for record in evidence.records)}
    for name in _TABLES:
        kind = KINDS[name]
        found[f"evidence/{kind.evidence}.csv"] = table(kind.noun, getattr(evidence, kind.evidence))
    found["evidence/files.csv"] = table(StoredFile, files)
    arms: dict[str, list[Arm]] = {}
    for arm in evidence.arms:
        arms.setdefault(arm.study_id, []).append(arm)
    for study in evidence.studies:
        found[f"studies/{file_stem(study.study_id)}.toml"] = study_text(study, arms.get(study.study_id, []))
    votes: dict[str, list[Any]] = {}
    for decision in evidence.decisions:
        where = f"decisions/{file_stem(decision.stage)}/{file_stem(decision.reviewer)}.csv"
        votes.setdefault(where, []).append(decision)
    for where, cast in votes.items():
        found[where] = table(KINDS["decision"].noun, cast)
    return {name: text.encode() for name, text in sorted(found.items())}


def fingerprint() -> str:
    """Changes when the views of equal data would: a field was added to a noun, or this module's VERSION raised."""
    columns = {name: [field.name for field in dataclasses.fields(kind.noun)] for name, kind in KINDS.items()}
    return sha256(canonical_json({"version": VERSION, "about": ABOUT, "columns": columns}))[:16]


def table(noun: type, rows: Iterable[Any]) -> str:
    """CSV: a header and one row for each noun, fields in the order they are declared, missing ones empty."""
    columns = [field.name for field in dataclasses.fields(noun)]
    lines = [columns, *([cell(getattr(row, column)) for column in columns] for row in rows)]
    return "".join(",".join(line) + "\n" for line in lines)


def cell(value: Any) -> str:
    """One cell of CSV; shortest floats, 1 and 0 for yes and no.

    >>> cell(0.5), cell(None), cell(True), cell("a,b"), cell("=1+1"), cell(-1.5)
    ('0.5', '', '1', '"a,b"', "'=1+1", '-1.5')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if not isinstance(value, (str, tuple)):
        return repr(value)
    text = value if isinstance(value, str) else "; ".join(value)
    if text.startswith(_FORMULA):
        text = "'" + text
    if any(mark in text for mark in ',"\r\n') or text != text.strip():
        return '"' + text.replace('"', '""') + '"'
    return text


def study_text(study: Study, arms: Sequence[Arm]) -> str:
    """TOML: the study, then each of its arms as [[arm]]; what is empty is left out."""
    parts = [_fields(study, skip=()), *("\n[[arm]]\n" + _fields(arm, skip=("study_id",)) for arm in arms)]
    return "".join(parts)


def _fields(noun: Any, skip: tuple[str, ...]) -> str:
    names = [field.name for field in dataclasses.fields(noun) if field.name not in skip]
    given = [(name, getattr(noun, name)) for name in names]
    return "".join(f"{name} = {_toml(value)}\n" for name, value in given if value not in (None, ""))


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + _TOML_ESCAPED.sub(lambda found: _escape(found[0]), value) + '"'
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value)


def _escape(letter: str) -> str:
    return {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(
        letter, f"\\u{ord(letter):04X}"
    )
