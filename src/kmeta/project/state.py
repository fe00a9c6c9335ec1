"""The present state of a review, as its live acts (those that none replaces) give it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kmeta.core.canonical import canonical_json
from kmeta.core.errors import InputError, ReviewError, StoreError
from kmeta.project.acts import FILE, PROTOCOL, Act, present
from kmeta.review import codec
from kmeta.review.evidence import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file kept byte for byte under its hash; `name` is what it was called."""

    sha256: str
    name: str
    size: int


def protocol_body(text: str) -> str:
    """The body of an act that records the protocol."""
    return canonical_json({"text": codec.check_text(text, "the protocol")})


def protocol_text(act: Act) -> str:
    """The text that such an act records; InputError when its body holds none."""
    try:
        text = json.loads(act.body)["text"]
        same = protocol_body(text) == act.body
    except (ValueError, KeyError, TypeError):
        same = False
    if not same:
        raise InputError("is not a protocol")
    return str(text)


def protocol_of(said: Sequence[Act], root: Path) -> str:
    """The protocol's text as live acts record it."""
    for act in present(act for act in said if act.kind == PROTOCOL):
        try:
            return protocol_text(act)
        except InputError as error:
            raise _unreadable(act, root, error.message) from None
    raise StoreError("no protocol is recorded", where=str(root), hint="run `kmeta check`")


def file_body(digest: str, name: str, size: int) -> str:
    """The body of an act that keeps a file."""
    return canonical_json({"name": name, "sha256": digest, "size": size})


def file_subject(digest: str, name: str) -> str:
    """Its subject: the same bytes may be kept under two names."""
    return codec.dump_key((digest, name))


def file_of(act: Act) -> StoredFile:
    """The file of such an act; InputError when its body is none."""
    try:
        values = json.loads(act.body)
        file = StoredFile(sha256=values["sha256"], name=values["name"], size=values["size"])
        same = file_body(file.sha256, file.name, file.size) == act.body
    except (ValueError, KeyError, TypeError):
        same = False
    if not same:
        raise InputError("is not a file")
    return file


def files_of(said: Iterable[Act]) -> tuple[StoredFile, ...]:
    """The files that live acts keep, by name and hash."""
    kept = [file_of(act) for act in present(act for act in said if act.kind == FILE)]
    return tuple(sorted(kept, key=lambda file: (file.name, file.sha256)))


def evidence_of(said: Iterable[Act], root: Path) -> Evidence:
    """The nouns that live acts state, each kind sorted by key; StoreError for a body that is no noun."""
    nouns = []
    for act in present(act for act in said if act.kind not in (PROTOCOL, FILE)):
        try:
            nouns.append(codec.decode(act.kind, act.body))
        except ReviewError as error:
            raise _unreadable(act, root, error.message) from None
    return codec.evidence(nouns)


def _unreadable(act: Act, root: Path, why: str) -> StoreError:
    return StoreError(
        f"act {act.id[:12]} on {act.kind} {codec.title(act.subject)} cannot be read: {why}",
        where=str(root),
        hint="run `kmeta check`; if the project was written by a newer kmeta, update kmeta",
    )
