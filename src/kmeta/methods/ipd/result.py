"""The reconstruction of one arm: individual data, and how well they keep to the curve and the printed numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.result import Result
from kmeta.methods.ipd.facts import Contradiction
from kmeta.methods.survival import KaplanMeier, kaplan_meier
from kmeta.methods.survival.kaplan_meier import Interval

LISTED = 8  # numbers a line of R


@dataclass(frozen=True, kw_only=True, eq=False)
class Draw:
    """One reconstruction of the ensemble: individual data by time."""

    time: Floats
    event: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class ReconstructedIPD(Result):
    """Individual data of one arm, by time; `event` is 1 for an event, 0 for censored.

    `points_read` says how the points were understood: "steps" (the drops themselves) or "smooth" (a sample along
    the curve). `max_ds` and `mean_ds` are |S of the data - S of the points| at the points. `intervals`: numbers at
    risk given and implied, events and censored of each interval of the table (of quarters of the follow-up without
    one). `used` names the facts taken; `contradictions` those that cannot hold together.
    """

    label: str
    time: Floats
    event: Floats
    n: int
    events: int
    events_given: int | None
    points_read: Literal["steps", "smooth"]
    reading_sd: float
    max_ds: float
    mean_ds: float
    median: float
    intervals: tuple[dict[str, Any], ...]
    used: tuple[str, ...]
    warnings: tuple[str, ...]
    contradictions: tuple[Contradiction, ...]
    ensemble: tuple[Draw, ...]
    seed: int
    time_unit: str

    @property
    def censored(self) -> int:
        """Patients without an event."""
        return self.n - self.events

    def kaplan_meier(self, *, level: float = 0.95, interval: Interval = "log-log") -> KaplanMeier:
        """The curve of the individual data."""
        return kaplan_meier(
            self.time, self.event, group=[self.label] * self.n, level=level, interval=interval
        )

    def patients(self) -> list[dict[str, Any]]:
        """One row a patient."""
        return [
            {"label": self.label, "time": t, "event": int(d)}
            for t, d in zip(self.time.tolist(), self.event.tolist(), strict=True)
        ]

    def rows(self) -> list[dict[str, Any]]:
        """One row an interval: numbers at risk given and implied, events, censored."""
        return [dict(row) for row in self.intervals]

    def summary(self) -> str:
        """Totals, fit, intervals, and what does not fit together."""
        unit = f" {self.time_unit}" if self.time_unit else ""
        median = "not reached" if math.isnan(self.median) else f"{self.median:.4g}{unit}"
        given = "" if self.events_given is None else f" (given {self.events_given})"
        lines = [
            f"{self.label}: {self.n} patients, {self.events} events{given}, median {median}",
            f"from {', '.join(self.used)}; points read as {self.points_read}",
            f"difference from the points: largest {self.max_ds:.4f}, mean {self.mean_ds:.4f} of survival",
            "",
            super().summary(),
        ]
        lines += [f"warning: {text}" for text in self.warnings]
        lines += [f"contradiction: {found.message}" for found in self.contradictions]
        if self.ensemble:
            lines.append(f"ensemble of {len(self.ensemble)}, seed {self.seed}")
        return "\n".join(lines)

    def r_script(self) -> str:
        """R (survival) that draws the curve of these data."""
        return "\n".join(
            [
                "library(survival)",
                f"time <- {_vector(self.time)}",
                f"event <- {_vector(self.event)}",
                "survfit(Surv(time, event) ~ 1)",
            ]
        )


def _vector(values: Floats) -> str:
    words = [repr(float(v)).removesuffix(".0") for v in values]
    lines = [", ".join(words[i : i + LISTED]) for i in range(0, len(words), LISTED)]
    return "c(" + ",\n  ".join(lines) + ")"


def curve_of(time: Floats, event: Floats, at: Floats) -> Floats:
    """S of individual data sorted by time (events first), at given times."""
    left = len(time) - np.arange(len(time))
    factors = 1 - event / left
    survival = np.append(1.0, np.cumprod(factors))
    found: Floats = survival[np.searchsorted(time, at, side="right")]
    return found
