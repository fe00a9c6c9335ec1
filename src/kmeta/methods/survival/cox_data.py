"""What enters a Cox model: checked times, the design matrix with its names, strata, ties made equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.methods.survival.cox_likelihood import Ints, RiskSets
from kmeta.methods.survival.sample import SurvivalSample, column, groups_of, refuse_rows, survival_sample

Covariates = Mapping[str, ArrayLike] | ArrayLike | None
Ties = Literal["efron", "breslow", "exact"]
TIES = ("efron", "breslow", "exact")
EXTREME = 1e150  # squares of larger numbers leave the range of doubles
SAME_TIME = float(np.sqrt(np.finfo(np.float64).eps))  # times this near, relative to their mean, are one time


@dataclass(frozen=True, kw_only=True, eq=False)
class CoxData:
    """Individual data of a Cox model: n patients (rows), p covariates `x` (n, p) named by `terms`.

    `stratum` is the place of each patient's stratum in `strata`, `cluster` that of its cluster (None: none given).
    """

    time: Floats
    event: Floats
    entry: Floats
    weights: Floats
    x: Floats
    terms: tuple[str, ...]
    stratum: Ints
    strata: tuple[str, ...]
    cluster: Ints | None
    ties: str

    @property
    def n(self) -> int:
        """Number of patients."""
        return len(self.time)

    @property
    def events(self) -> int:
        """Number of events."""
        return int(self.event.sum())

    @property
    def truncated(self) -> bool:
        """Whether anybody came under observation after time 0."""
        return bool((self.entry > 0).any())

    @cached_property
    def risk_sets(self) -> RiskSets:
        """The rows in the order in which risk sets are sums."""
        return RiskSets(self.time, self.event, self.entry, self.weights, self.stratum, ties=self.ties)

    @cached_property
    def mean(self) -> Floats:
        """Weighted mean of each covariate, shape (p,)."""
        return frozen(np.average(self.x, axis=0, weights=self.weights))

    @cached_property
    def standard(self) -> tuple[Floats, Floats]:
        """(covariates centred within strata and scaled, (p, n) in the order given; the scales, (p,))."""
        total = np.bincount(self.stratum, weights=self.weights, minlength=len(self.strata))
        rows = []
        for values in self.x.T:
            sums = np.bincount(self.stratum, weights=self.weights * values, minlength=len(self.strata))
            rows.append(values - sums[self.stratum] / total[self.stratum])
        centred = np.array(rows).reshape(self.x.shape[1], self.n)
        scale = np.sqrt(centred**2 @ self.weights / self.weights.sum())
        size = np.maximum(np.abs(self.x).max(axis=0), np.finfo(np.float64).tiny)
        constant = scale <= 1e-12 * size
        if constant.any():
            raise InputError(
                f"{_listed(self.terms, constant)} does not vary"
                + (" within any stratum" if len(self.strata) > 1 else ""),
                where="covariates",
                hint="leave it out: a hazard ratio needs two different values",
            )
        return centred / scale[:, None], scale


def cox_data(
    time: ArrayLike,
    event: ArrayLike,
    covariates: Covariates = None,
    *,
    group: Sequence[object] | np.ndarray | None = None,
    reference: object = None,
    names: Sequence[str] | None = None,
    strata: Sequence[object] | np.ndarray | None = None,
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    cluster: Sequence[object] | np.ndarray | None = None,
    ties: str = "efron",
) -> CoxData:
    """The checked data of a Cox model; InputError for what cannot be used, naming rows, terms or options."""
    if ties not in TIES:
        raise InputError(f"no method is named {ties!r}", where="ties", hint=", ".join(TIES))
    sample = equal_times(survival_sample(time, event, entry=entry, weights=weights))
    if ties == "exact" and (sample.weights != 1).any():
        raise InputError("the exact likelihood takes no weights", where="weights", hint='ties="efron"')
    if not sample.event.any():
        raise InputError("nobody had the event", where="event", hint="a hazard ratio needs events")
    x, terms = design(covariates, sample.n, group=group, reference=reference, names=names)
    labels: tuple[str, ...] = ("all",)
    stratum: Ints = np.zeros(sample.n, dtype=np.intp)
    if strata is not None:
        labels, stratum = groups_of(strata, sample.n, "strata")
    return CoxData(
        time=sample.time,
        event=sample.event,
        entry=sample.entry,
        weights=sample.weights,
        x=x,
        terms=terms,
        stratum=stratum,
        strata=labels,
        cluster=None if cluster is None else groups_of(cluster, sample.n, "cluster")[1],
        ties=ties,
    )


def equal_times(sample: SurvivalSample) -> SurvivalSample:
    """Times that differ by the rounding of a change of unit alone become one time."""
    truncated = sample.truncated
    values = np.concatenate([sample.time, sample.entry]) if truncated else sample.time
    distinct, place = np.unique(values, return_inverse=True)
    near = np.diff(distinct) <= SAME_TIME * distinct.mean()
    if not near.any():
        return sample
    first = np.concatenate([[0], np.where(near, 0, np.arange(1, len(distinct)))])
    mended = distinct[np.maximum.accumulate(first)][place]
    time, start = mended[: sample.n], mended[sample.n :] if truncated else sample.entry
    refuse_rows((start < time) | (time == 0), start, "entry", "before the patient's own time")
    return SurvivalSample(time=frozen(time), event=sample.event, entry=frozen(start), weights=sample.weights)


def design(
    covariates: Covariates,
    n: int,
    *,
    group: Sequence[object] | np.ndarray | None,
    reference: object,
    names: Sequence[str] | None,
) -> tuple[Floats, tuple[str, ...]]:
    """(the columns, shape (n, p); their names): contrasts of `group` first, then the covariates."""
    columns: dict[str, Floats] = {}
    if group is not None:
        columns.update(_contrasts(group, reference, n))
    given = _columns(covariates, names, n)
    twice = set(columns) & set(given)
    if twice:
        raise InputError(f"{sorted(twice)[0]} is given twice", where="names", hint="one name a covariate")
    columns.update(given)
    if not columns:
        raise InputError("there is none", where="covariates", hint="give covariates, or group")
    x = np.column_stack(list(columns.values()))
    x.setflags(write=False)
    return x, tuple(columns)


def _contrasts(group: Sequence[object] | np.ndarray, reference: object, n: int) -> dict[str, Floats]:
    """A column of 0 and 1 for each label but the reference."""
    labels, place = groups_of(group, n)
    base = labels[0] if reference is None else str(reference)
    if base not in labels:
        raise InputError(f"no label is {base!r}", where="reference", hint=", ".join(labels))
    if len(labels) == 1:
        raise InputError(f"all are {labels[0]!r}", where="group", hint="a comparison needs two groups")
    return {
        f"{label} vs {base}": (place == i).astype(float) for i, label in enumerate(labels) if label != base
    }


def _columns(covariates: Covariates, names: Sequence[str] | None, n: int) -> dict[str, Floats]:
    if covariates is None:
        return {}
    if isinstance(covariates, Mapping):
        if names is not None:
            raise InputError("the covariates have names", where="names", hint="leave names out")
        return {str(name): _covariate(values, str(name), n) for name, values in covariates.items()}
    try:
        matrix = np.array(covariates, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            "hold something that is not a number", where="covariates", hint="numbers; labels go to group"
        ) from error
    if matrix.ndim == 1:
        matrix = matrix[:, None]
    if matrix.ndim != 2 or matrix.shape[0] != n:
        raise InputError(f"have shape {matrix.shape}", where="covariates", hint=f"({n},) or ({n}, p)")
    default = ["x"] if matrix.shape[1] == 1 else [f"x{j + 1}" for j in range(matrix.shape[1])]
    found = default if names is None else [str(name) for name in names]
    if isinstance(names, str) or len(found) != matrix.shape[1] or len(set(found)) != len(found):
        raise InputError(f"{len(found)} names", where="names", hint=f"{matrix.shape[1]} different ones")
    return {name: _covariate(matrix[:, j], name, n) for j, name in enumerate(found)}


def _covariate(values: ArrayLike, name: str, n: int) -> Floats:
    return column(
        values, name, "a finite number a patient; labels go to group", lambda a: np.abs(a) < EXTREME, n=n
    )


def _listed(terms: Sequence[str], which: np.ndarray) -> str:
    return ", ".join(term for term, bad in zip(terms, which.tolist(), strict=True) if bad)
