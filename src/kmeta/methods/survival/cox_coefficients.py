"""What every Cox model gives: log hazard ratios by term, with standard errors, limits and Wald tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.core.result import Result


@dataclass(frozen=True, kw_only=True, eq=False)
class Coefficients(Result):
    """`beta`: log hazard ratios a unit of each term, shape (p,); `vcov` their covariance; limits at `level`."""

    terms: tuple[str, ...]
    beta: Floats
    vcov: Floats
    level: float

    @property
    def se(self) -> Floats:
        """Standard errors of `beta`."""
        return np.sqrt(np.diag(self.vcov))

    @property
    def hr(self) -> Floats:
        """Hazard ratios."""
        return ratios(self.beta)

    @property
    def ci_low(self) -> Floats:
        """Lower limits of `beta`."""
        return self.beta - normal_quantile(self.level) * self.se

    @property
    def ci_high(self) -> Floats:
        """Upper limits of `beta`."""
        return self.beta + normal_quantile(self.level) * self.se

    @property
    def z(self) -> Floats:
        """Wald statistics; NaN or infinite where the robust variance is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.beta / self.se

    @property
    def p(self) -> Floats:
        """Two-sided P values of the Wald statistics."""
        from scipy.special import ndtr

        return np.asarray(2 * ndtr(-np.abs(self.z)), dtype=float)

    def __getitem__(self, term: str) -> dict[str, Any]:
        """The row of one term; InputError when there is none."""
        if term not in self.terms:
            raise InputError(f"no term is named {term!r}", where="term", hint=", ".join(self.terms))
        return self.rows()[self.terms.index(term)]

    def rows(self) -> list[dict[str, Any]]:
        """One row a term; limits are of the hazard ratio."""
        shown = (ratios(values) for values in (self.beta, self.ci_low, self.ci_high))
        arrays = [self.beta, self.se, *shown, self.z, self.p]
        names = ("term", "log_hr", "se", "hr", "ci_low", "ci_high", "z", "p_value")
        columns = zip(self.terms, *(values.tolist() for values in arrays), strict=True)
        return [dict(zip(names, row, strict=True)) for row in columns]


def ratios(log_hr: Floats) -> Floats:
    """Hazard ratios; infinite, without a warning, where a covariate's unit is so small that doubles end."""
    with np.errstate(over="ignore"):
        return np.exp(log_hr)


def normal_quantile(level: float) -> float:
    """z of a two-sided interval."""
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2))


def checked_level(level: float) -> float:
    """A confidence level strictly between 0 and 1."""
    if isinstance(level, bool) or not isinstance(level, (int, float)) or not 0 < level < 1:
        raise InputError(f"level is {level!r}", where="level", hint="a fraction: 0.95 for a 95 % interval")
    return float(level)
