"""Restricted means at several horizons with their covariance, from individual data of each study and arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.methods.meta.inputs import numbers
from kmeta.methods.survival.curve import SurvivalCurve
from kmeta.methods.survival.kaplan_meier import kaplan_meier
from kmeta.methods.survival.sample import groups_of, refuse_rows, survival_sample


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyMeans(Result):
    """Restricted means (one arm) or their differences (two arms) of k studies: `estimate` (k, h) with covariance
    (k, h, h) over the horizons `tau`; NaN where an arm is not followed to the horizon. `contrast`: (arm, reference).
    """

    tau: tuple[float, ...]
    studies: tuple[str, ...]
    estimate: Floats
    covariance: Floats
    contrast: tuple[str, str] | None
    warnings: tuple[str, ...] = ()

    @property
    def se(self) -> Floats:
        """Standard errors (k, h)."""
        return frozen(np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2)))

    def rows(self) -> list[dict[str, Any]]:
        """One row a study and horizon."""
        return [
            {"study": study, "tau": t, "estimate": float(self.estimate[i, j]), "se": float(self.se[i, j])}
            for i, study in enumerate(self.studies)
            for j, t in enumerate(self.tau)
        ]


def restricted_means(curve: SurvivalCurve, tau: Sequence[float]) -> tuple[Floats, Floats]:
    """Areas under a Kaplan-Meier curve to each horizon, with their covariance; NaN beyond the last time.

    Cov of the means to s <= t is the sum over events of A_s A_t d / (n (n - d)), A_s the area from the event to s.
    Source: Irwin 1949, doi:10.1017/S0022172400014443; Klein & Moeschberger 2003, Survival Analysis, ch. 4.
    """
    starts = np.concatenate([[0.0], curve.time])
    levels = np.concatenate([[1.0], curve.survival])
    ends = np.concatenate([curve.time, [np.inf]])
    d, r = curve.n_event, curve.n_risk
    left = r - d
    # where the last patient at risk has the event, nothing is left under the curve: its term is 0
    term = np.divide(d, r * left, out=np.zeros_like(d), where=left > 0)
    after, value = [], []
    for t in tau:
        widths = np.clip(np.minimum(ends, t) - starts, 0.0, None)
        pieces = levels * widths
        beyond = np.concatenate([np.cumsum(pieces[::-1])[::-1][1:], [0.0]])
        value.append(float(pieces.sum()))
        after.append(beyond[: len(d)] if len(beyond) > len(d) else beyond)
    area = np.array(after)
    covariance = (area * term) @ area.T
    known = np.asarray(tau) <= curve.time[-1] * (1 + 1e-12)
    covariance[~np.outer(known, known)] = np.nan
    return np.where(known, value, np.nan), covariance


def rmst_by_study(
    time: ArrayLike,
    event: ArrayLike,
    *,
    study: Sequence[object],
    tau: ArrayLike,
    arm: Sequence[object] | None = None,
    reference: object | None = None,
) -> StudyMeans:
    """Restricted mean survival of each study, or its difference between two arms, at each horizon `tau`.

    time, event : individual data of all studies, shape (n,). study, arm : a label each; without arms each study is one
    group. reference : the arm that is subtracted; None takes the first in sorted order.
    A horizon beyond the last time of an arm gives NaN there, named in `warnings`.
    Raises InputError for data that cannot be, and where a study has not exactly the two arms.

    >>> made = rmst_by_study([2, 5, 7, 9], [1, 0, 1, 0], study=["A"] * 4, tau=[6])
    >>> made.estimate.round(2).tolist(), made.se.round(2).tolist()
    ([[5.0]], [[0.87]])
    """
    sample = survival_sample(time, event)
    names, member = groups_of(study, sample.n, "study")
    horizons = numbers(np.atleast_1d(np.asarray(tau, dtype=object)).tolist(), "tau")
    refuse_rows(horizons > 0, horizons, "tau", "after 0")
    if (np.diff(horizons) <= 0).any():
        raise InputError("not in rising order", where="tau", hint="each horizon once")
    taus = tuple(horizons.tolist())
    if arm is None:
        parts = [
            restricted_means(kaplan_meier(sample.time[rows], sample.event[rows]).curves[0], taus)
            for rows in (member == i for i in range(len(names)))
        ]
        contrast = None
    else:
        contrast = _contrast(arm, sample.n, reference)
        parts = _differences(sample.time, sample.event, names, member, arm, contrast, taus)
    estimate, covariance = (np.array(part) for part in zip(*parts, strict=True))
    missing = [
        f"{name} to {t:g}"
        for i, name in enumerate(names)
        for j, t in enumerate(taus)
        if np.isnan(estimate[i, j])
    ]
    said = ("not followed that far: " + ", ".join(missing),) if missing else ()
    return StudyMeans(
        tau=taus,
        studies=names,
        estimate=frozen(estimate),
        covariance=frozen(covariance),
        contrast=contrast,
        warnings=said,
    )


def _contrast(arm: Sequence[object], n: int, reference: object | None) -> tuple[str, str]:
    labels, _ = groups_of(arm, n, "arm")
    if len(labels) != 2:
        raise InputError(f"arms {', '.join(labels)}", where="arm", hint="two arms in all studies, or none")
    base = sorted(labels)[0] if reference is None else str(reference)
    if base not in labels:
        raise InputError(f"no arm is called {base!r}", where="reference", hint=", ".join(labels))
    return next(label for label in labels if label != base), base


def _differences(
    time: Floats,
    event: Floats,
    names: Sequence[str],
    member: np.ndarray[Any, Any],
    arm: Sequence[object],
    contrast: tuple[str, str],
    tau: tuple[float, ...],
) -> list[tuple[Floats, Floats]]:
    labels = np.array([str(value) for value in arm], dtype=object)
    found = []
    for i, name in enumerate(names):
        sides = []
        for side in contrast:
            rows = (member == i) & (labels == side)
            if not rows.any():
                raise InputError(f"study {name!r} has no patient in {side!r}", where="arm")
            sides.append(restricted_means(kaplan_meier(time[rows], event[rows]).curves[0], tau))
        (first, a), (second, b) = sides
        found.append((first - second, a + b))
    return found
