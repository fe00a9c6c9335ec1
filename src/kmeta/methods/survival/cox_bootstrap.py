"""The bootstrap of a Cox model: patients, or clusters of them, drawn with replacement; all replicates at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.core.numbers import decimal, interval
from kmeta.core.result import Result
from kmeta.methods.survival.cox import fit_data
from kmeta.methods.survival.cox_batch import fit_batch
from kmeta.methods.survival.cox_coefficients import checked_level, ratios
from kmeta.methods.survival.cox_data import Covariates, CoxData, Ties, cox_data

MOST = 100_000  # replicates
TOO_MANY_FAILED = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class CoxBootstrap(Result):
    """Replicates of the coefficients, `replicates` (B, p); NaN rows: replicates without a maximum (`failed`).

    `beta` is of the data themselves, `se` the standard deviation of the replicates, the limits their percentiles.
    """

    terms: tuple[str, ...]
    beta: Floats
    se: Floats
    ci_low: Floats
    ci_high: Floats
    n_bootstrap: int
    failed: int
    seed: int | None
    level: float
    warnings: tuple[str, ...]
    replicates: Floats = field(repr=False)

    def rows(self) -> list[dict[str, Any]]:
        """One row a term; limits are of the hazard ratio."""
        columns = (self.beta, self.se, *map(ratios, (self.beta, self.ci_low, self.ci_high)))
        names = ("log_hr", "se", "hr", "ci_low", "ci_high")
        return [
            {"term": term, **dict(zip(names, row, strict=True))}
            for term, *row in zip(self.terms, *(c.tolist() for c in columns), strict=True)
        ]

    def summary(self) -> str:
        """Hazard ratios with percentile intervals, and how they were made."""
        lines = [
            f"{row['term']}: HR {decimal(row['hr'], 3)} "
            f"({interval(decimal(row['ci_low'], 3), decimal(row['ci_high'], 3))}), se of log HR {decimal(row['se'], 4)}"
            for row in self.rows()
        ]
        seed = "weights given" if self.seed is None else f"seed {self.seed}"
        lines.append(f"{100 * self.level:g} % percentile intervals of {self.n_bootstrap} replicates, {seed}")
        lines += [f"Warning: {text}." for text in self.warnings]
        return "\n".join(lines)


def cox_bootstrap(
    time: ArrayLike,
    event: ArrayLike,
    covariates: Covariates = None,
    *,
    group: Sequence[object] | np.ndarray | None = None,
    reference: object = None,
    names: Sequence[str] | None = None,
    strata: Sequence[object] | np.ndarray | None = None,
    entry: ArrayLike | None = None,
    cluster: Sequence[object] | np.ndarray | None = None,
    ties: Ties = "efron",
    n_bootstrap: int = 1000,
    seed: int = 1,
    weights: ArrayLike | None = None,
    level: float = 0.95,
) -> CoxBootstrap:
    """Percentile intervals of hazard ratios by the bootstrap; the arguments of `cox` mean what they mean there.

    Patients are drawn with replacement within strata, or whole clusters within all; `seed` is recorded. `weights`,
    shape (B, n), 0 or more, takes the place of the draws (B replicates): replicate b is `cox(weights=weights[b])`
    without those of weight 0. A replicate without a finite maximum is counted in `failed` and left out.
    Raises InputError for unusable data or more than 100,000 replicates, ConvergenceError where half of them fail.
    Source: Efron 1981, doi:10.1080/01621459.1981.10477650.

    >>> fit = cox_bootstrap([5, 8, 12, 3, 4, 9, 2, 7] * 4, [1, 1, 0, 1, 1, 1, 1, 0] * 4, group=list("BABAABBA") * 4)
    >>> fit.n_bootstrap, fit.failed, fit.seed
    (1000, 0, 1)
    """
    if ties == "exact":
        raise InputError("the exact likelihood takes no weights", where="ties", hint='ties="efron"')
    level = checked_level(level)
    data = cox_data(
        time,
        event,
        covariates,
        group=group,
        reference=reference,
        names=names,
        strata=strata,
        entry=entry,
        cluster=cluster,
        ties=ties,
    )
    fit = fit_data(data, level=level)
    drawn = _draws(data, n_bootstrap, seed) if weights is None else _given(weights, data.n)
    order = data.risk_sets.order
    x, scale = data.standard
    found = fit_batch(data.risk_sets, x[:, order], drawn[:, order], fit.beta * scale) / scale
    return _result(found, data.terms, fit.beta, fit.warnings, None if weights is not None else seed, level)


def _result(
    found: Floats,
    terms: tuple[str, ...],
    beta: Floats,
    warnings: tuple[str, ...],
    seed: int | None,
    level: float,
) -> CoxBootstrap:
    good = np.isfinite(found).all(axis=1)
    failed = int((~good).sum())
    if failed > TOO_MANY_FAILED * len(found) or good.sum() < 2:
        raise ConvergenceError(
            f"{failed} of {len(found)} replicates have no finite maximum",
            where="cox_bootstrap",
            last=beta.tolist(),
            hint="too few events for the bootstrap: use the interval of cox",
        )
    if failed:
        warnings = (*warnings, f"failed replicates: {failed} without a finite maximum are left out")
    low, high = np.quantile(found[good], [(1 - level) / 2, (1 + level) / 2], axis=0)
    return CoxBootstrap(
        terms=terms,
        beta=beta,
        se=frozen(found[good].std(axis=0, ddof=1)),
        ci_low=frozen(low),
        ci_high=frozen(high),
        n_bootstrap=len(found),
        failed=failed,
        seed=seed,
        level=level,
        warnings=warnings,
        replicates=frozen(found),
    )


def _draws(data: CoxData, n_bootstrap: int, seed: int) -> Floats:
    """How often each patient was drawn, shape (B, n)."""
    if isinstance(n_bootstrap, bool) or not isinstance(n_bootstrap, int) or not 2 <= n_bootstrap <= MOST:
        raise InputError(f"n_bootstrap is {n_bootstrap!r}", where="n_bootstrap", hint=f"2 to {MOST}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError(f"seed is {seed!r}", where="seed", hint="a whole number, 0 or more")
    random = np.random.default_rng(seed)
    if data.cluster is not None:
        k = int(data.cluster.max()) + 1
        return random.multinomial(k, np.full(k, 1 / k), size=n_bootstrap)[:, data.cluster].astype(float)
    counts = np.empty((n_bootstrap, data.n))
    for stratum in range(len(data.strata)):
        rows = np.flatnonzero(data.stratum == stratum)
        counts[:, rows] = random.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=n_bootstrap)
    return counts


def _given(weights: ArrayLike, n: int) -> Floats:
    try:
        found = np.array(weights, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("hold something that is not a number", where="weights", hint="(B, n)") from error
    if found.ndim != 2 or found.shape[1] != n or not 2 <= len(found) <= MOST:
        raise InputError(f"have shape {found.shape}", where="weights", hint=f"(B, {n}), B from 2 to {MOST}")
    if not (np.isfinite(found) & (found >= 0)).all():
        row = int(np.argmin((np.isfinite(found) & (found >= 0)).all(axis=1)))
        raise InputError(f"row {row} holds what is no weight", where="weights", hint="finite, 0 or more")
    return found
