"""The base of what is drawn from a fit: it keeps the fit, so that R code can begin with the model itself."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from kmeta.core.canonical import plain
from kmeta.core.result import Result


@dataclass(frozen=True, kw_only=True, eq=False)
class OfFit(Result):
    """A result of the model `fit`, which is not repeated among its plain values.

    Contrasts and predictions may be of a cluster-robust result; all else is of a MetaFit.
    """

    fit: Any = dataclasses.field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Every field but the fit as plain values."""
        names = [field.name for field in dataclasses.fields(self) if field.name != "fit"]
        return {name: plain(getattr(self, name)) for name in names}

    def r_script(self) -> str:
        """R code with the data inline: the model, and the metafor call that gives the numbers drawn from it.

        Raises InputError where metafor does not have the model.
        """
        from kmeta.methods.meta.r_diagnostics import lines_of

        return f"{self.fit.r_script()}\n" + "\n".join(lines_of(self)) + "\n"
