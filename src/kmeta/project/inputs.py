"""Files that a person hands to kmeta: read whole, never larger than a cap, with clear words when they cannot be."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kmeta.core.errors import InputError, StoreError

MAX_BYTES = 512 * 1024 * 1024


def read_inputs(paths: Iterable[Path], *, max_bytes: int = MAX_BYTES) -> dict[str, bytes]:
    """name -> bytes of the files named, those of a folder included (its CSV files, not deeper).

    Raises InputError when a path is missing, no regular file, too large, or two files have one name.
    """
    found: dict[str, bytes] = {}
    for path in _files(paths):
        if path.name in found:
            raise InputError(
                "two files have this name", where=path.name, hint="import them one after the other"
            )
        found[path.name] = _read(path, max_bytes)
    if not found:
        raise InputError("no file to read", hint="name a CSV file, or a folder that holds some")
    return found


def _files(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.glob("*.csv"))
        else:
            yield path


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        if not path.exists():
            raise InputError("there is no such file", where=str(path), hint="check the path")
        if not path.is_file():
            raise InputError("this is not a regular file", where=str(path), hint="name a file")
        with path.open("rb") as stream:
            data = stream.read(max_bytes + 1)
    except OSError as error:
        raise StoreError(
            error.strerror or str(error), where=str(path), hint="check who may read it"
        ) from error
    if len(data) > max_bytes:
        limit = max_bytes // (1024 * 1024)
        raise InputError(f"larger than {limit} MB", where=str(path), hint="split the file")
    return data
