"""Numbers of a column under each other: figure spaces stand for the decimals that a number does not have."""

from __future__ import annotations

import re

from kmeta.report.document import Runs, Table, plain_text

_LAST = re.compile(r"\d(?:\.(\d+))?\)?$")
FIGURE_SPACE, POINT_SPACE = "\u2007", "\u2008"


def padding(table: Table) -> list[dict[int, str]]:
    """For each row, column -> the spaces to set after its number, so that decimal points stand on one vertical.

    Only columns aligned right whose numbers differ in decimals need any.
    """
    found: list[dict[int, str]] = [{} for _ in table.rows]
    whole = [i for i, row in enumerate(table.rows) if row.kind in ("data", "total")]
    for place, column in enumerate(table.columns):
        if column.align != "right":
            continue
        decimals = {i: _decimals(table.rows[i].cells[place]) for i in whole}
        most = max((d for d in decimals.values() if d is not None), default=0)
        for i, own in decimals.items():
            if own is not None and own < most:
                found[i][place] = FIGURE_SPACE * (most - own) + (POINT_SPACE if own == 0 else "")
    return found


def _decimals(cell: Runs) -> int | None:
    """Decimals of the last number of a cell; None where it does not end in one.

    >>> from kmeta.report.document import Run
    >>> _decimals((Run("0.123"),)), _decimals((Run("2.4–23.0"),)), _decimals((Run("–"),)), _decimals((Run("7"),))
    (3, 1, None, 0)
    """
    match = _LAST.search(plain_text(run for run in cell if not run.raised))
    return None if match is None else len(match[1] or "")
