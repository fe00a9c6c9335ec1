"""Effect sizes as R code: metafor's escalc from the same columns."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from kmeta.methods.effects.effect_sizes import EffectSizes

# what each family is computed from, in escalc's own names
COLUMNS = {
    **dict.fromkeys(
        ("ai", "bi", "ci", "di", "n1i", "n2i", "x1i", "x2i", "t1i", "t2i", "xi", "ni", "ti", "ri")
    ),
    **dict.fromkeys(("m1i", "sd1i", "m2i", "sd2i", "mi", "sdi")),
}
ALIASES = {"events": "xi", "n": "ni"}
NOT_THERE = frozenset({"HR", "MSR"})


def escalc_call(sizes: EffectSizes) -> str:
    """The escalc call where metafor has the measure and its input, else yi and vi as they are."""
    given = {ALIASES.get(name, name): value for name, value in sizes.given.items() if value is not None}
    options = {
        name: given.pop(name) for name in ("add", "to", "drop00", "vtype", "rule", "correct") if name in given
    }
    same = sizes.measure not in NOT_THERE and options.pop("rule", "metafor") == "metafor"
    if not given or not same or not options.pop("correct", True) or set(given) - set(COLUMNS):
        lines = [
            f"# {sizes.measure} is not computed by metafor from these columns: yi and vi as kmeta found them"
        ]
        columns, call = (
            {"yi": sizes.yi, "vi": sizes.vi},
            'escalc(measure = "GEN", yi = yi, vi = vi, data = dat)',
        )
    else:
        lines, columns = (
            [],
            {name: np.atleast_1d(np.asarray(value, dtype=float)) for name, value in given.items()},
        )
        said = ", ".join(f"{name} = {name}" for name in columns)
        said += "".join(
            f", {name} = {_literal(value)}" for name, value in options.items() if value is not None
        )
        call = f'escalc(measure = "{sizes.measure}", {said}, data = dat)'
    cells = ",\n".join(f"  {name} = c({_numbers(values)})" for name, values in columns.items())
    head = ["library(metafor)", "", *lines, f"dat <- data.frame(\n{cells})"]
    return "\n".join([*head, f"res <- {call}", "data.frame(yi = c(res$yi), vi = res$vi)"]) + "\n"


def _numbers(values: Iterable[Any]) -> str:
    return ", ".join("NA" if math.isnan(x) else repr(x) for x in map(float, values))


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).upper()
    return f'"{value}"' if isinstance(value, str) else repr(float(value))
