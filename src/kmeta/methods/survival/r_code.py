"""Columns as R code, for the scripts that repeat a result in R."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import numpy as np

Column = np.ndarray | Iterable[str]
A_LINE = 10  # cells of a column on one line of code


def literal(value: str) -> str:
    """An R string: R reads the escapes of JSON, but holds no NUL.

    >>> literal('5 "mg"')
    '"5 \\\\"mg\\\\""'
    """
    return json.dumps(value.replace("\0", ""), ensure_ascii=False).replace("\x7f", "")


def data_frame(columns: Mapping[str, Column]) -> list[str]:
    """Lines that make the data frame `dat`; arrays are numbers, anything else is text.

    >>> print(*data_frame({"time": np.array([1.0, 2.5])}), sep=chr(10))
    dat <- data.frame(
      time = c(1.0, 2.5))
    """
    cells = {
        name: [repr(x) for x in values.tolist()]
        if isinstance(values, np.ndarray)
        else [literal(x) for x in values]
        for name, values in columns.items()
    }
    made = [f"  {name} = {_vector(texts)}" for name, texts in cells.items()]
    return ["dat <- data.frame(", *[line + "," for line in made[:-1]], made[-1] + ")"]


def _vector(texts: list[str]) -> str:
    rows = [", ".join(texts[i : i + A_LINE]) for i in range(0, len(texts), A_LINE)]
    return "c(" + ",\n    ".join(rows) + ")"
