"""The files of a report's folder: listed, and given only by a name of that list."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

MAX_FILES = 2000
MAX_BYTES = 64 * 1024 * 1024
# What a browser may show itself; everything else is saved. Types are set here, never guessed from the content.
INLINE = {
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".pdf": "application/pdf",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".toml": "text/plain; charset=utf-8",
    ".r": "text/plain; charset=utf-8",
}
SAVED = {
    ".csv": "text/csv; charset=utf-8",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A file of the report; `name` is its path inside the report's folder, with forward slashes."""

    name: str
    size: int

    @property
    def ending(self) -> str:
        """The ending with its dot, in small letters; "" without one."""
        return Path(self.name).suffix.lower()

    @property
    def media_type(self) -> str:
        """What it is sent as."""
        return INLINE.get(self.ending) or SAVED.get(self.ending) or "application/octet-stream"

    @property
    def disposition(self) -> str:
        """Shown in the browser, or saved under its own name."""
        way = "inline" if self.ending in INLINE else "attachment"
        plain = self.name.rpartition("/")[2]
        ascii_name = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in plain)
        return f"{way}; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(plain, safe='')}"


def report_files(folder: Path | None) -> list[ReportFile]:
    """The regular files below `folder`, by name; links and hidden files are left out, as is what exceeds the caps."""
    if folder is None or not folder.is_dir():
        return []
    found: list[ReportFile] = []
    for base, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(base, name)
            if name.startswith(".") or path.is_symlink() or not path.is_file():
                continue
            found.append(ReportFile(path.relative_to(folder).as_posix(), path.stat().st_size))
            if len(found) >= MAX_FILES:
                return found
    return sorted(found, key=lambda file: file.name)


def read_report_file(folder: Path | None, name: str) -> tuple[ReportFile, bytes] | None:
    """The file that the list names so, with its bytes; None where the list has no such name."""
    for file in report_files(folder):
        if file.name == name and folder is not None and file.size <= MAX_BYTES:
            return file, Path(folder, name).read_bytes()
    return None
