"""What every result can do: a table of rows, seen as text, frame, dict or HTML."""

from __future__ import annotations

import dataclasses
from html import escape
from typing import Any, Literal

import numpy as np

from kmeta.core.canonical import plain


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """Base of all results. A subclass gives `rows()` and, where a methodologist expects one, `summary()`."""

    def rows(self) -> list[dict[str, Any]]:
        """The result as a table: one dict a row, the same keys in each."""
        raise TypeError(f"{type(self).__name__} has no rows()")

    def summary(self) -> str:
        """The result as aligned text."""
        rows = [{key: _cell(value) for key, value in row.items()} for row in self.rows()]
        if not rows:
            return "(nothing)"
        width = {key: max(len(key), *(len(row[key]) for row in rows)) for key in rows[0]}
        lines = ["  ".join(key.ljust(width[key]) for key in width)]
        lines += ["  ".join(row[key].rjust(width[key]) for key in width) for row in rows]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain values (lists, numbers, text, None): what goes into JSON."""
        return {field.name: plain(getattr(self, field.name)) for field in dataclasses.fields(self)}

    def to_frame(self, backend: Literal["pandas", "polars"] = "pandas") -> Any:
        """The rows as a data frame of `backend` ("pandas" or "polars"); needs the extra `frames`."""
        import narwhals as nw

        rows = self.rows()
        columns = {key: [row[key] for row in rows] for key in rows[0]} if rows else {}
        return nw.from_dict(columns, backend=backend).to_native()

    def _repr_html_(self) -> str:
        rows = self.rows()
        if not rows:
            return "<p>(nothing)</p>"
        head = "".join(f'<th scope="col">{escape(str(key))}</th>' for key in rows[0])
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_cell(value))}</td>" for value in row.values()) + "</tr>"
            for row in rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, (float, np.floating)):
        return "–" if np.isnan(value) else f"{value:.4g}"
    return str(value)
