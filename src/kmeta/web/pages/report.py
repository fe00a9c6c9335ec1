"""The files of the report."""

from __future__ import annotations

from typing import Any

from kmeta.web.files import report_files
from kmeta.web.query import Query
from kmeta.web.reading import Reading

FIRST = (".html", ".docx", ".pdf")


def view(reading: Reading, query: Query, key: str) -> dict[str, Any]:
    """Every file with its size: what one reads first on top, the rest by folder."""
    files = report_files(reading.loaded.report)
    main = [file for file in files if "/" not in file.name and file.name.endswith(FIRST)]
    main.sort(key=lambda file: (FIRST.index(file.name[file.name.rindex(".") :]), file.name))
    rest: dict[str, list] = {}
    for file in files:
        if file not in main:
            rest.setdefault(file.name.rpartition("/")[0], []).append(file)
    return {
        "heading": "Report",
        "main": main,
        "folders": [{"name": name, "files": found} for name, found in sorted(rest.items())],
        "n_files": len(files),
    }
