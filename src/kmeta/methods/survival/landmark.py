"""Landmark analysis: groups by what was known at a fixed time, followed from there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.methods.survival.kaplan_meier import Interval, KaplanMeier, kaplan_meier
from kmeta.methods.survival.logrank import LogRank, logrank
from kmeta.methods.survival.sample import SurvivalSample, column, groups_of, refuse_rows, survival_sample


@dataclass(frozen=True, kw_only=True, eq=False)
class LandmarkGroup(Result):
    """One group at the landmark. `n_before`: members by what was known then or when they left, whichever came first.

    `events_before` and `censored_before` left at or before the landmark and are not analysed; `n` are.
    `moved`: counted here at the landmark, though given another label later.
    """

    label: str
    n_before: int
    events_before: int
    censored_before: int
    n: int
    events: int
    moved: int

    def rows(self) -> list[dict[str, Any]]:
        """The counts as one row."""
        names = ("n_before", "events_before", "censored_before", "n", "events", "moved")
        return [{"group": self.label} | {name: getattr(self, name) for name in names}]


@dataclass(frozen=True, kw_only=True, eq=False)
class Landmark(Result):
    """Survival from the landmark `at` on: times of `kaplan_meier` and `logrank` are counted from there.

    `logrank` is None where one group is left.
    """

    at: float
    groups: tuple[LandmarkGroup, ...]
    kaplan_meier: KaplanMeier
    logrank: LogRank | None
    warnings: tuple[str, ...] = ()

    @property
    def left_out(self) -> int:
        """Patients with an event or censored at or before the landmark."""
        return sum(each.events_before + each.censored_before for each in self.groups)

    def rows(self) -> list[dict[str, Any]]:
        """One row a group: those left out, those followed, the median from the landmark on."""
        medians = {row["group"]: row for row in self.kaplan_meier.rows()}
        rows = []
        for each in self.groups:
            found = medians.get(each.label, {})
            limits = {name: found.get(name, math.nan) for name in ("median", "ci_low", "ci_high")}
            rows.append({**each.rows()[0], **limits})
        return rows

    def summary(self) -> str:
        """Groups, test and warnings."""
        lines = [f"Landmark at {self.at:g}; times from there; {self.left_out} left out", super().summary()]
        if self.logrank is not None:
            lines += ["", self.logrank.summary()]
        return "\n".join([*lines, *(f"Warning: {text}" for text in self.warnings)])

    def r_script(self) -> str:
        """R code for the curves and the test, of the patients at the landmark."""
        test = "" if self.logrank is None else self.logrank.r_script().replace("library(survival)\n\n", "")
        return self.kaplan_meier.r_script() + test


def landmark(
    time: ArrayLike,
    event: ArrayLike,
    *,
    at: float,
    group: Sequence[object] | np.ndarray,
    group_time: ArrayLike | None = None,
    otherwise: object = None,
    strata: Sequence[object] | np.ndarray | None = None,
    level: float = 0.95,
    interval: Interval = "log-log",
) -> Landmark:
    """Compare groups that form during follow-up (responders, transplanted) without immortal time.

    Only patients followed past `at` are analysed, in the group they were in by then.
    at : the landmark, 0 or later, fixed before the data were seen. group : the final label of each.
    group_time : when each came into the group (response, transplantation), on the scale of `time`; NaN for those who
        never left the starting group. Without it every label is taken as known at the landmark.
    otherwise : the starting group's label, of those whose group_time is later than `at`; None: the one label of those
        without group_time.
    Raises InputError where data cannot be: a group_time after the patient's own time, no starting group, nobody left.
    Source: Anderson, Cain & Gelber 1983, doi:10.1200/JCO.1983.1.11.710.

    >>> fit = landmark([2, 5, 9, 12, 4, 8], [1, 1, 0, 1, 1, 1], at=3, group=["CR", "no", "CR", "CR", "no", "CR"],
    ...                group_time=[1, None, 2, 2, None, 6])
    >>> [(each.label, each.n, each.moved) for each in fit.groups], fit.left_out
    ([('CR', 2, 0), ('no', 3, 1)], 1)
    """
    sample = survival_sample(time, event)
    if not (isinstance(at, (int, float)) and math.isfinite(at) and at >= 0):
        raise InputError(f"at is {at!r}", where="at", hint="a time, 0 or later")
    labels, member = groups_of(group, sample.n)
    known, moved = member, np.zeros(sample.n, dtype=bool)
    when = None
    if group_time is not None:
        when = _group_times(group_time, sample)
        base = _starting(labels, member, when, otherwise)
        labels = labels if base in labels else (*labels, base)
        moved = (when > at) & (member != labels.index(base))
        known = np.where(moved, labels.index(base), member)
    stays = sample.time > at
    if not stays.any():
        raise InputError(f"nobody is followed past {at:g}", where="at", hint="an earlier landmark")
    left = sample.part(stays)
    names = [labels[i] for i in known[stays].tolist()]
    since = left.time - at
    by = None if strata is None else [x for x, keep in zip(strata, stays, strict=True) if keep]
    several = len(set(names)) > 1
    return Landmark(
        at=float(at),
        groups=tuple(_counts(labels, i, sample, known, stays, moved) for i in range(len(labels))),
        kaplan_meier=kaplan_meier(since, left.event, group=names, level=level, interval=interval),
        logrank=logrank(since, left.event, names, strata=by) if several else None,
        warnings=_warnings(moved & stays, several, when is None, float(at)),
    )


def _group_times(group_time: ArrayLike, sample: SurvivalSample) -> np.ndarray:
    """When each came into the group; infinite for never."""
    when = column(
        group_time, "group_time", "0 or later, NaN for never", lambda a: np.isnan(a) | (a >= 0), n=sample.n
    )
    refuse_rows(
        np.isnan(when) | (when <= sample.time),
        when,
        "group_time",
        "not after the patient's own time; NaN for never",
    )
    return np.where(np.isnan(when), np.inf, when)


def _starting(labels: tuple[str, ...], member: np.ndarray, when: np.ndarray, otherwise: object) -> str:
    """The label of those who have not come into a group (yet)."""
    if otherwise is not None:
        return str(otherwise)
    never: list[str] = sorted({labels[i] for i in member[np.isinf(when)].tolist()})
    if len(never) != 1:
        said = "nobody has" if not never else f"{', '.join(never)} have"
        raise InputError(
            f"{said} no group_time: the starting group is not known", where="otherwise", hint="its label"
        )
    return never[0]


def _counts(
    labels: tuple[str, ...],
    i: int,
    sample: SurvivalSample,
    known: np.ndarray,
    stays: np.ndarray,
    moved: np.ndarray,
) -> LandmarkGroup:
    mine = known == i
    gone = mine & ~stays
    return LandmarkGroup(
        label=labels[i],
        n_before=int(mine.sum()),
        events_before=int(sample.event[gone].sum()),
        censored_before=int((1 - sample.event[gone]).sum()),
        n=int((mine & stays).sum()),
        events=int(sample.event[mine & stays].sum()),
        moved=int((mine & moved & stays).sum()),
    )


def _warnings(moved: np.ndarray, several: bool, untimed: bool, at: float) -> tuple[str, ...]:
    found = []
    if moved.any():
        found.append(
            f"immortal time: {int(moved.sum())} came into their group only after {at:g} and are counted in the "
            "starting group; by their final label they could not have died in between"
        )
    if untimed and at > 0:
        found.append("no group_time: every label is taken as known at the landmark")
    if not several:
        found.append("one group is left at the landmark: there is no comparison")
    return tuple(found)
