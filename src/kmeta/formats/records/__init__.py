"""Exports of bibliographic databases <-> records, one file per format."""

from kmeta.formats.records.reading import (
    MAX_FIELD,
    READERS,
    Head,
    ImportReport,
    Note,
    Notes,
    Reader,
)

__all__ = ["MAX_FIELD", "READERS", "Head", "ImportReport", "Note", "Notes", "Reader"]
