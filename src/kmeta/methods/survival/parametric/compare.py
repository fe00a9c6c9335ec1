"""Several distributions fitted to the same data, ranked by an information criterion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import ArrayLike

from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.methods.survival.parametric.covariates import Covariates
from kmeta.methods.survival.parametric.fit import distribution_names, parametric_survival
from kmeta.methods.survival.parametric.prediction import ParametricPrediction
from kmeta.methods.survival.parametric.result import ParametricSurvival

CLOSE = 2.0  # AIC apart below which two models are hardly told apart


@dataclass(frozen=True, kw_only=True, eq=False)
class DistributionComparison(Result):
    """Fits in order of `by`, the best first; `failed` names what could not be fitted, and why."""

    fits: tuple[ParametricSurvival, ...]
    by: str
    times: tuple[float, ...] = ()
    covariates: Covariates | None = field(default=None, repr=False)
    failed: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def best(self) -> ParametricSurvival:
        """The fit with the lowest criterion."""
        return self.fits[0]

    def __getitem__(self, distribution: str) -> ParametricSurvival:
        """The fit of one distribution; InputError when there is none."""
        for fit in self.fits:
            if fit.distribution == distribution:
                return fit
        raise InputError(
            f"no fit of {distribution!r}",
            where="distribution",
            hint=", ".join(f.distribution for f in self.fits),
        )

    def predictions(self) -> tuple[ParametricPrediction, ...]:
        """Survival at `times` of each fit, in its order."""
        return tuple(fit.survival(self.times, self.covariates) for fit in self.fits) if self.times else ()

    def rows(self) -> list[dict[str, Any]]:
        """One row a distribution: parameters, log-likelihood, AIC, BIC and the distance from the best."""
        lowest = {by: min(getattr(fit, by) for fit in self.fits) for by in ("aic", "bic")}
        shown = self.predictions()
        rows = []
        for i, fit in enumerate(self.fits):
            row: dict[str, Any] = {
                "distribution": fit.distribution,
                "npars": fit.npars,
                "loglik": fit.loglik,
                "aic": fit.aic,
                "delta_aic": fit.aic - lowest["aic"],
                "bic": fit.bic,
                "delta_bic": fit.bic - lowest["bic"],
                "converged": fit.converged,
            }
            if shown:
                single = len(set(shown[i].pattern)) == 1
                for cell in shown[i].rows():
                    mark = " (extrapolated)" if cell["extrapolated"] else ""
                    who = "" if single else f" {cell['pattern']}"
                    row[f"S({cell['time']:g}){who}{mark}"] = cell["survival"]
            rows.append(row)
        return rows

    def summary(self) -> str:
        """The table, what could not be fitted, and how far the curves part beyond the data."""
        said = [f"not fitted: {name}: {why}" for name, why in self.failed]
        noted = [f"{fit.distribution}: {w}" for fit in self.fits for w in fit.warnings]
        return "\n".join([super().summary(), *said, *noted, *(f"warning: {w}" for w in self.warnings)])

    def to_dict(self) -> dict[str, Any]:
        """Every fit's numbers."""
        return {
            "by": self.by,
            "fits": [fit.to_dict() for fit in self.fits],
            "survival": [prediction.to_dict() for prediction in self.predictions()],
            "failed": [list(pair) for pair in self.failed],
            "warnings": list(self.warnings),
        }


def compare_distributions(
    time: ArrayLike,
    event: ArrayLike,
    covariates: Covariates | None = None,
    *,
    distributions: str | Sequence[str] = "all",
    times: Sequence[float] = (),
    at: Covariates | None = None,
    by: str = "aic",
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    n_knots: int | None = None,
    level: float = 0.95,
) -> DistributionComparison:
    """Fit several distributions to the same data and rank them by "aic" or "bic".

    times : at which survival is shown; `at` : the covariates it is shown for. What lies beyond the longest follow-up
    is marked: models that fit the data equally well part there, and no criterion says which is right.
    distributions : names, or "all". What cannot be fitted is named in `failed`.
    Raises InputError for data that cannot be, or when nothing could be fitted.

    >>> table = compare_distributions(
    ...     [1, 2, 3, 4, 6, 8], [1, 1, 0, 1, 1, 0], distributions=["exponential", "weibull"], times=[5, 10])
    >>> [row["distribution"] for row in table.rows()], list(table.rows()[0])[-1]
    (['exponential', 'weibull'], 'S(10) (extrapolated)')
    """
    if by not in ("aic", "bic"):
        raise InputError(f"no criterion is named {by!r}", where="by", hint='"aic" or "bic"')
    fits: list[ParametricSurvival] = []
    failed: list[tuple[str, str]] = []
    errors: list[InputError] = []
    for name in distribution_names(distributions):
        try:
            fits.append(
                parametric_survival(
                    time,
                    event,
                    covariates,
                    distribution=name,
                    entry=entry,
                    weights=weights,
                    names=names,
                    n_knots=n_knots,
                    level=level,
                )
            )
        except InputError as error:
            failed.append((name, error.message))
            errors.append(error)
    if not fits:
        raise errors[0]
    fits.sort(key=lambda fit: getattr(fit, by))
    table = DistributionComparison(
        fits=tuple(fits), by=by, times=tuple(float(t) for t in times), covariates=at, failed=tuple(failed)
    )
    return DistributionComparison(
        fits=table.fits,
        by=by,
        times=table.times,
        covariates=at,
        failed=table.failed,
        warnings=tuple(_spread(table)),
    )


def _spread(table: DistributionComparison) -> list[str]:
    """How far models within two points of the best part at an extrapolated time."""
    near = [
        i
        for i, fit in enumerate(table.fits)
        if getattr(fit, table.by) - getattr(table.best, table.by) <= CLOSE
    ]
    if not table.times or len(near) < 2:
        return []
    shown = table.predictions()
    said = []
    for j, cell in enumerate(shown[0].rows()):
        if cell["extrapolated"]:
            values = [float(shown[i].estimate[j]) for i in near]
            said.append(
                f"beyond follow-up, at {cell['time']:g}: {len(near)} models within {CLOSE:g} points of the best give "
                f"survival {min(values):.3g} to {max(values):.3g} ({cell['pattern']})"
            )
    return said
