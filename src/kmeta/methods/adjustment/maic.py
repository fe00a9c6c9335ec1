"""Matching-adjusted indirect comparison: patients of one study weighed to the published averages of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core import numbers
from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.core.result import Result
from kmeta.methods.adjustment.balancing import balancing_weights
from kmeta.methods.adjustment.covariates import Centred, centred
from kmeta.methods.adjustment.hazards import (
    Contrast,
    Cox,
    cox_of,
    published_contrast,
    two_groups,
    weighted_log_hr,
)
from kmeta.methods.survival.sample import SurvivalSample, groups_of, survival_sample

LEAST_ESS = 0.25  # share of the patients below which the weights rest on few


@dataclass(frozen=True, kw_only=True, eq=False)
class Maic(Result):
    """Weights (n,) that sum to n, `coefficients` of the centred covariates, and what the weights do.

    `ess` is the effective sample size (sum w)^2 / sum w^2. `contrasts` are the comparisons asked, the adjusted one
    last. `anchored`: through a common comparator; None where nothing is compared.
    """

    terms: tuple[str, ...]
    coefficients: Floats
    weights: Floats
    n: int
    ess: float
    balance: tuple[dict[str, Any], ...]
    contrasts: tuple[Contrast, ...] = ()
    anchored: bool | None = None
    bootstrap: int = 0
    bootstrap_failed: int = 0
    warnings: tuple[str, ...] = ()
    centred: Centred = field(repr=False)

    @property
    def effect(self) -> Contrast | None:
        """The adjusted comparison; None where no outcome was given."""
        return self.contrasts[-1] if self.contrasts else None

    def rows(self) -> list[dict[str, Any]]:
        """The balance table: one row a covariate."""
        return [dict(row) for row in self.balance]

    def to_dict(self) -> dict[str, Any]:
        """Every field but the patients' covariates, which are not for files."""
        return {key: value for key, value in super().to_dict().items() if key != "centred"}

    def histogram(self, bins: int = 20) -> list[dict[str, float]]:
        """How many patients have which weight (1: counted as themselves): rows low, high, count."""
        counts, edges = np.histogram(self.weights, bins=bins, range=(0.0, float(self.weights.max())))
        rows = zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)
        return [{"low": low, "high": high, "count": count} for low, high, count in rows]

    def summary(self) -> str:
        """Balance, effective sample size, the comparison and what it assumes."""
        lines = [
            f"{self.n} patients weighed to {len(self.balance)} published averages: effective sample size "
            f"{numbers.decimal(self.ess, 1)} ({numbers.percent(self.ess / self.n)} %), "
            f"largest weight {numbers.decimal(float(self.weights.max()), 1)}",
            super().summary(),
        ]
        for row in self.contrasts:
            shown = numbers.estimate(*map(numbers.ratio, (row.ratio, row.ci_low, row.ci_high)))
            lines.append(f"HR {row.first} against {row.second} {shown} ({row.how})")
        if self.anchored is not None:
            lines.append(ASSUMES[self.anchored])
        return "\n".join([*lines, *(f"! {text}" for text in self.warnings)])

    def r_script(self) -> str:
        """Base R that finds the same weights from the same covariates."""
        columns = [
            f"x{j} <- c({', '.join(map(repr, values.tolist()))})  # {' '.join(name.split())}, centred"
            for j, (name, values) in enumerate(zip(self.terms, self.centred.x.T, strict=True), 1)
        ]
        names = ", ".join(f"x{j}" for j in range(1, len(self.terms) + 1))
        return (
            "\n".join(columns)
            + f"""
x <- cbind({names})
s <- sqrt(colMeans(x^2)); s[s == 0] <- 1; z <- sweep(x, 2, s, "/")
f <- function(a) sum(exp(z %*% a))
g <- function(a) colSums(z * as.vector(exp(z %*% a)))
a <- optim(rep(0, ncol(z)), f, g, method = "BFGS", control = list(maxit = 10000, reltol = 1e-15))$par
w <- as.vector(exp(z %*% a)); w <- w / sum(w) * length(w)
cat("effective sample size", sum(w)^2 / sum(w^2), "\\n")
"""
        )


ASSUMES = {
    True: "Anchored through the common comparator: assumes that every effect modifier that differs between the studies "
    "is among the covariates.",
    False: "Unanchored: assumes no unmeasured confounding, that is, that every prognostic factor and effect modifier "
    "is among the covariates; an association, not a randomised comparison.",
}


def maic(
    covariates: Mapping[str, ArrayLike],
    target: Mapping[str, float],
    *,
    target_sd: Mapping[str, float] | None = None,
    time: ArrayLike | None = None,
    event: ArrayLike | None = None,
    group: Sequence[object] | None = None,
    reference: str | None = None,
    published: Any = None,
    comparator: tuple[ArrayLike, ArrayLike] | None = None,
    labels: tuple[str, str] = ("this study", "the other study"),
    bootstrap: int = 0,
    seed: int = 1,
    level: float = 0.95,
    cox: Cox | None = None,
) -> Maic:
    """Weigh individual patients to the published averages of another study, and compare the two.

    covariates : name -> one number a patient (0/1 for a share), shape (n,). target : name -> published mean or share.
    target_sd : name -> published standard deviation, where it is to be met as well.
    time, event : follow-up of the patients, for the comparison. Without them there are weights only.
    Anchored: `group` (n,) has two labels, `reference` the comparator that both studies share (default: the first to
    appear); `published` is the other study's result against it, a HazardRatio or (log HR, se).
    Unanchored: `comparator` = (time, event) of the other study's patients, perhaps reconstructed from its curve.
    Standard errors are robust, with the weights taken as known; `bootstrap` > 0 draws that many samples of patients
    (within groups) with `seed`, weighs each anew, and takes the standard deviation of the log HR.
    cox : another Cox model (time, event, covariates, weights=, robust=) with `beta` and `vcov`.

    Raises InputError, naming the covariate, where numbers are missing or the target cannot be reached.
    Source: Signorovitch et al. 2010, doi:10.2165/11538370-000000000-00000; Phillippo et al. 2018,
    doi:10.1177/0272989X17725740.

    >>> found = maic({"age": [50, 60, 70, 80], "female": [0, 1, 1, 0]}, {"age": 62, "female": 0.5})
    >>> round(found.ess, 2), found.weights.round(2).tolist()
    (3.73, [1.36, 1.12, 0.88, 0.64])
    """
    x = centred(covariates, target, target_sd)
    weights, a = balancing_weights(x.x, x.terms)
    ess = float(weights.sum() ** 2 / (weights**2).sum())
    found = Maic(
        terms=x.terms,
        coefficients=frozen(a),
        weights=frozen(weights),
        n=x.n,
        ess=ess,
        balance=tuple(_balance(x, weights)),
        warnings=_warnings(ess, x.n, weights),
        centred=x,
    )
    if time is None and event is None:
        if group is not None or published is not None or comparator is not None:
            raise InputError(
                "a comparison without outcomes", where="time", hint="time and event of the patients"
            )
        return found
    if time is None or event is None:
        raise InputError("time without event, or event without time", where="time")
    sample = survival_sample(time, event)
    if sample.n != x.n:
        raise InputError(f"{sample.n} times, {x.n} patients with covariates", where="time")
    if (group is None) == (comparator is None):
        raise InputError(
            "give group (anchored) or comparator (unanchored), one of them",
            where="group",
            hint="group: the arms of this study; comparator: (time, event) of the other study",
        )
    ask = _Comparison(x, sample, group, reference, comparator, cox_of(cox), labels, level)
    return ask.answer(found, published, bootstrap, seed)


def _balance(x: Centred, weights: Floats) -> list[dict[str, Any]]:
    rows = []
    for j, name in enumerate(x.names):
        values = x.values[:, j]
        after = float(np.average(values, weights=weights))
        rows.append(
            {
                "covariate": name,
                "before": float(values.mean()),
                "after": after,
                "target": float(x.target[j]),
                "sd_before": float(values.std()),
                "sd_after": float(np.sqrt(np.average((values - after) ** 2, weights=weights))),
                "sd_target": float(x.target_sd[j]),
            }
        )
    return rows


def _warnings(ess: float, n: int, weights: Floats) -> tuple[str, ...]:
    said = []
    if ess < LEAST_ESS * n:
        said.append(
            f"The effective sample size is {numbers.percent(ess / n)} % of the patients: the studies overlap little."
        )
    if weights.max() > 0.1 * n:
        said.append(f"One patient carries {numbers.percent(float(weights.max()) / n)} % of the weight.")
    return tuple(said)


class _Comparison:
    """The weighted comparison of one call; asked again by each bootstrap sample."""

    def __init__(
        self,
        x: Centred,
        sample: SurvivalSample,
        group: Sequence[object] | None,
        reference: str | None,
        comparator: tuple[ArrayLike, ArrayLike] | None,
        fit: Cox,
        labels: tuple[str, str],
        level: float,
    ) -> None:
        self.x, self.sample, self.fit, self.level = x, sample, fit, level
        if not 0 < level < 1:
            raise InputError(f"level is {level!r}", where="level", hint="a fraction: 0.95")
        self.anchored = group is not None
        if group is not None:
            names, place = groups_of(group, sample.n)
            self.first, self.second = two_groups(names, reference)
            self.treated = place == names.index(self.first)
            self.other: SurvivalSample | None = None
        else:
            if comparator is None or isinstance(comparator, str) or len(comparator) != 2:
                raise InputError(
                    "is no pair", where="comparator", hint="(time, event) of the other study's patients"
                )
            self.other = survival_sample(*comparator)
            self.first, self.second = labels
            self.treated = np.ones(sample.n, dtype=bool)
        self.labels = labels

    def log_hr(self, rows: np.ndarray, others: np.ndarray, weights: Floats) -> tuple[float, float]:
        """(log HR, robust se) of the chosen rows."""
        time, event, first = self.sample.time[rows], self.sample.event[rows], self.treated[rows]
        if self.other is not None:
            time = np.concatenate([time, self.other.time[others]])
            event = np.concatenate([event, self.other.event[others]])
            first = np.concatenate([first, np.zeros(len(others), dtype=bool)])
            weights = np.concatenate([weights, np.ones(len(others))])
        return weighted_log_hr(self.fit, time, event, first, weights)

    def answer(self, found: Maic, published: Any, bootstrap: int, seed: int) -> Maic:
        """`found` with its contrasts."""
        rows = np.arange(self.sample.n)
        others = np.arange(self.other.n if self.other else 0)
        crude = self.log_hr(rows, others, np.ones(len(rows)))
        y, se = self.log_hr(rows, others, found.weights)
        how, failed = "weighted Cox model, robust se", 0
        if bootstrap:
            draws, failed = self.draws(bootstrap, seed)
            se, how = (
                float(np.std(draws, ddof=1)),
                f"weighted Cox model, se of {len(draws)} bootstrap samples",
            )
        said = [
            self.contrast(*crude, "unadjusted Cox model, robust se"),
            self.contrast(y, se, how),
        ]
        if self.anchored and published is not None:
            theirs, their_se = published_contrast(published)
            said.append(
                Contrast(
                    first=self.first,
                    second=self.labels[1],
                    estimate=y - theirs,
                    se=float(np.hypot(se, their_se)),
                    level=self.level,
                    how=f"indirect, both against {self.second}",
                )
            )
        elif published is not None:
            raise InputError("is for anchored comparisons", where="published", hint="give group as well")
        return replace(
            found,
            contrasts=tuple(said),
            anchored=self.anchored,
            bootstrap=bootstrap,
            bootstrap_failed=failed,
        )

    def contrast(self, estimate: float, se: float, how: str) -> Contrast:
        """Of the two groups that the model compares."""
        return Contrast(
            first=self.first, second=self.second, estimate=estimate, se=se, level=self.level, how=how
        )

    def draws(self, times: int, seed: int) -> tuple[list[float], int]:
        """Log HRs of samples drawn with replacement within each group, weighed anew; and how many could not be."""
        if not 20 <= times <= 100_000:
            raise InputError(f"bootstrap is {times}", where="bootstrap", hint="20 to 100,000 samples, or 0")
        rng = np.random.default_rng(seed)
        blocks = [np.flatnonzero(self.treated), np.flatnonzero(~self.treated)]
        size = self.other.n if self.other else 0
        found: list[float] = []
        for _ in range(times):
            rows = np.concatenate([rng.choice(block, len(block)) for block in blocks if len(block)])
            others = rng.integers(0, size, size) if size else np.arange(0)
            try:
                weights, _a = balancing_weights(self.x.x[rows], self.x.terms)
                found.append(self.log_hr(rows, others, weights)[0])
            except (InputError, ConvergenceError):
                continue
        if len(found) < 0.8 * times:
            raise ConvergenceError(
                f"only {len(found)} of {times} samples reach the target",
                where="bootstrap",
                hint="the two studies overlap too little",
            )
        return found, times - len(found)
