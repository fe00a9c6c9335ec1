"""A named check that failed: on what, with which numbers, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    """`check` names the rule; `where` the thing (study/arm, file:line); `effect` what kmeta does about it by itself.

    error: a number cannot be right or cannot be used. warning: look before citing. note: worth knowing.
    """

    check: str
    where: str
    message: str
    hint: str = ""
    severity: Severity = "warning"
    effect: str = ""
    study_ids: tuple[str, ...] = ()
