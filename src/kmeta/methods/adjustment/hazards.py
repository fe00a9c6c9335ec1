"""Cox models of the adjusted comparisons: weighted, by robust or bootstrap standard errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.methods.effects import HazardRatio
from kmeta.methods.survival.cox import cox
from kmeta.methods.survival.log_hazard import normal_quantile, p_of_z


class CoxModel(Protocol):
    """What is asked of a fitted Cox model: coefficients and their covariance."""

    @property
    def beta(self) -> Any:
        """Coefficients, shape (p,)."""

    @property
    def vcov(self) -> Any:
        """Their covariance, shape (p, p)."""


Cox = Callable[..., CoxModel]


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A log ratio of `first` against `second` with its standard error; `how` says by what."""

    first: str
    second: str
    estimate: float
    se: float
    level: float
    how: str

    @property
    def ratio(self) -> float:
        """The ratio itself."""
        return float(np.exp(self.estimate))

    @property
    def ci_low(self) -> float:
        """Lower limit of the ratio."""
        return float(np.exp(self.estimate - normal_quantile(self.level) * self.se))

    @property
    def ci_high(self) -> float:
        """Upper limit of the ratio."""
        return float(np.exp(self.estimate + normal_quantile(self.level) * self.se))

    @property
    def p(self) -> float:
        """Two-sided p value of no difference."""
        return p_of_z(self.estimate / self.se)

    def row(self) -> dict[str, Any]:
        """As a row of a table."""
        return {
            "comparison": f"{self.first} v {self.second}",
            "ratio": self.ratio,
            "ci_low": self.ci_low,
            "ci_high": self.ci_high,
            "log_ratio": self.estimate,
            "se": self.se,
            "p": self.p,
            "how": self.how,
        }


def cox_of(given: Cox | None) -> Cox:
    """The model to fit: the caller's, else `kmeta.cox`."""
    return given or cox


def weighted_log_hr(
    fit: Cox, time: Floats, event: Floats, first: np.ndarray, weights: Floats, *, robust: bool = True
) -> tuple[float, float]:
    """(log HR, se) of the patients where `first` is true against the others, each counted by its weight."""
    model = fit(time, event, {"first": first.astype(float)}, weights=weights, robust=robust)
    return float(np.ravel(model.beta)[0]), float(np.sqrt(np.ravel(model.vcov)[0]))


def published_contrast(given: Any, where: str = "published") -> tuple[float, float]:
    """(log ratio, se) of what the other study printed: a HazardRatio, or the two numbers."""
    if isinstance(given, HazardRatio):
        estimate, se = given.log_hr, given.se
    else:
        try:
            estimate, se = (float(value) for value in given)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"is {given!r}", where=where, hint="a HazardRatio, or (log ratio, standard error)"
            ) from error
    if not (np.isfinite(estimate) and np.isfinite(se) and se > 0):
        raise InputError(f"is {estimate:g} with se {se:g}", where=where, hint="finite, the se above 0")
    return estimate, se


def two_groups(labels: Sequence[str], reference: str | None) -> tuple[str, str]:
    """(treated, reference) of the two labels of a study; the second to appear is treated unless `reference` says so."""
    if len(labels) != 2:
        raise InputError(
            f"{len(labels)} groups", where="group", hint="two: the treatment and the common comparator"
        )
    if reference is not None and reference not in labels:
        raise InputError(f"no group is {reference!r}", where="reference", hint=" or ".join(labels))
    base = labels[0] if reference is None else reference
    return next(label for label in labels if label != base), base
