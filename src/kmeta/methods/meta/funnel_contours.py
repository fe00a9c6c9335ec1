"""The lines of a contour-enhanced funnel plot, as numbers: where estimates would be significant, and the funnel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.inputs import level_of
from kmeta.methods.meta.of_fit import OfFit


@dataclass(frozen=True, kw_only=True, eq=False)
class FunnelContours(OfFit):
    """At standard errors `sei`, shape (n,): `zones` of shape (levels, n), the half-width about `reference` within
    which an estimate is not significant at 1 - level; `low`, `high` the funnel of the model, shape (n,).

    `p_values` and `zone_of` of shape (k,) are the studies': the p about the reference, and the number of levels that
    their interval excludes it at.
    """

    sei: Floats
    levels: tuple[float, ...]
    reference: float
    zones: Floats
    centre: float
    low: Floats
    high: Floats
    p_values: Floats
    zone_of: tuple[int, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One row a standard error."""
        return [
            {"sei": s, "low": low, "high": high}
            | {f"half_{level:g}": float(zone[i]) for level, zone in zip(self.levels, self.zones, strict=True)}
            for i, (s, low, high) in enumerate(
                zip(self.sei.tolist(), self.low.tolist(), self.high.tolist(), strict=True)
            )
        ]


def funnel_contours(
    fit: MetaFit,
    *,
    levels: Sequence[float] = (0.9, 0.95, 0.99),
    reference: float = 0.0,
    points: int = 101,
) -> FunnelContours:
    """Contours of a funnel plot of a model without moderators, from standard error 0 to the largest.

    levels : confidence levels of the zones about `reference` (no effect, on the analysis scale). The funnel itself is
        the model's mu with its level, without tau2. Raises InputError for levels or points that cannot be used.
    Source: Peters, Sutton, Jones, Abrams & Rushton 2008, doi:10.1016/j.jclinepi.2007.11.010.

    >>> from kmeta.methods.meta import common_effect
    >>> found = funnel_contours(common_effect([-0.5, -0.2, -0.9], [0.04, 0.02, 0.09], measure="HR"))
    >>> round(float(found.zones[1, -1]), 3), found.zone_of
    (0.588, (2, 0, 3))
    """
    from scipy.special import ndtr, ndtri

    fit.need_no_moderators("funnel_contours")
    chosen = tuple(sorted(level_of(level) for level in levels))
    if not chosen or not math.isfinite(reference):
        raise InputError("needs one level or more and a finite reference", where="levels")
    if not 2 <= points <= 100_000:
        raise InputError(f"points is {points}", where="points", hint="2 to 100000")
    sei = np.linspace(0.0, float(np.sqrt(fit.vi.max())), points)
    critical = ndtri((1 + np.array(chosen)) / 2)
    half = float(ndtri((1 + fit.level) / 2)) * sei
    z = np.abs(fit.yi - reference) / np.sqrt(fit.vi)
    return FunnelContours(
        fit=fit,
        sei=frozen(sei),
        levels=chosen,
        reference=float(reference),
        zones=frozen(critical[:, None] * sei),
        centre=fit.mu,
        low=frozen(fit.mu - half),
        high=frozen(fit.mu + half),
        p_values=frozen(2 * ndtr(-z)),
        zone_of=tuple(int(n) for n in (z[:, None] > critical).sum(axis=1)),
    )
