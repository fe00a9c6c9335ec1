"""Whether hazards are proportional: score tests of a slope of each coefficient in a function g of time.

The extended model has the coefficient beta + theta g(t); at theta = 0 its score and information need no new fit.
Source: Grambsch & Therneau 1994, doi:10.1093/biomet/81.3.515; R's survival 3 (cox.zph) tests in this way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.numbers import decimal, p_value
from kmeta.core.result import Result
from kmeta.methods.survival.cox_data import CoxData
from kmeta.methods.survival.cox_residuals import at_beta, event_order, residuals
from kmeta.methods.survival.cox_smooth import SmoothCoefficient, smooth

Transform = Literal["km", "rank", "identity", "log"]
TRANSFORMS = ("km", "rank", "identity", "log")


@dataclass(frozen=True, kw_only=True, eq=False)
class ProportionalHazardsTest(Result):
    """Score tests by term, and of all terms (`global_*`); small P speaks against proportional hazards.

    `slope` and `slope_se` are a one-step estimate of theta in beta + theta (g(t) - mean g). `time` and `g` are of
    the events, by stratum and time; `scaled` (events, p) are their scaled Schoenfeld residuals, of mean beta.
    """

    terms: tuple[str, ...]
    transform: str
    chi2: Floats
    p: Floats
    slope: Floats
    slope_se: Floats
    global_chi2: float
    global_df: int
    global_p: float
    time: Floats
    g: Floats
    scaled: Floats = field(repr=False)
    vcov: Floats = field(repr=False)
    level: float = 0.95

    def rows(self) -> list[dict[str, Any]]:
        """One row a term, and GLOBAL."""
        found = [
            {"term": term, "chi2": chi2, "df": 1, "p_value": p}
            for term, chi2, p in zip(self.terms, self.chi2.tolist(), self.p.tolist(), strict=True)
        ]
        whole = {"chi2": self.global_chi2, "df": self.global_df, "p_value": self.global_p}
        return [*found, {"term": "GLOBAL", **whole}]

    def summary(self) -> str:
        """As R's cox.zph prints it."""
        width = max(6, *(len(term) for term in self.terms))
        lines = [f"Proportional hazards, g(time) = {self.transform}", f"{'':{width}}  {'chi2':>8}  df  P"]
        lines += [
            f"{r['term']:{width}}  {decimal(r['chi2'], 3):>8}  {r['df']:>2}  {p_value(r['p_value'])}"
            for r in self.rows()
        ]
        return "\n".join(lines)

    def coefficient(self, term: str, *, df: int = 4, points: int = 40) -> SmoothCoefficient:
        """The log hazard ratio of `term` over time: a natural cubic spline through the scaled residuals."""
        if term not in self.terms:
            raise InputError(f"no term is named {term!r}", where="term", hint=", ".join(self.terms))
        j = self.terms.index(term)
        variance = float(self.vcov[j, j]) * len(self.time)
        return smooth(
            term, self.time, self.g, self.scaled[:, j], variance, df=df, points=points, level=self.level
        )


def proportional_hazards_test(
    data: CoxData,
    beta: Floats,
    vcov: Floats,
    level: float,
    transform: str | Callable[[Floats], ArrayLike] = "km",
) -> ProportionalHazardsTest:
    """The tests at the fitted `beta`.

    transform : g(t): "km" 1 - the Kaplan-Meier curve of all just before t, "rank" of the time among all, "identity",
    "log", or a function of an array of times. Exact ties: tested with Breslow's information.
    """
    from scipy.special import chdtrc

    sets = data.risk_sets
    g = _g(data, transform)
    g = g - g[data.event > 0].mean()
    x, _, at = at_beta(data, beta)
    means = sets.means(x, at)
    event_g = g[sets.order][sets.events]
    row_g = event_g[sets.first][sets.row_group]
    weighted = sets.weights[sets.events] * event_g
    score = x[:, sets.events] @ weighted - means @ (sets.row_weight * row_g)
    plain, slope, curve = (
        (x * (at.theta * sets.while_at_risk(at.row * row_g**power))) @ x.T
        - (means * (sets.row_weight * row_g**power)) @ means.T
        for power in (0, 1, 2)
    )
    try:
        left = curve - slope @ np.linalg.solve(plain, slope)
        theta = np.linalg.solve(left, score)
        slope_se = np.sqrt(np.clip(np.diag(np.linalg.inv(left)), 0, None))
        own = np.diag(curve) - np.einsum("ij,ij->j", slope, np.linalg.solve(plain, slope))
    except np.linalg.LinAlgError as error:
        raise InputError(
            "g(time) does not vary over the events",
            where="transform",
            hint="more than one event time is needed",
        ) from error
    if not (own > 1e-12 * np.abs(np.diag(curve))).all():
        raise InputError(
            "g(time) does not vary over the events",
            where="transform",
            hint="more than one event time is needed",
        )
    chi2, whole = score**2 / own, float(score @ theta)
    ordered = event_order(data)
    return ProportionalHazardsTest(
        terms=data.terms,
        transform=transform if isinstance(transform, str) else "a function",
        chi2=frozen(chi2),
        p=frozen(chdtrc(1, chi2)),
        slope=frozen(theta),
        slope_se=frozen(slope_se),
        global_chi2=whole,
        global_df=len(beta),
        global_p=float(chdtrc(len(beta), max(whole, 0.0))),
        time=frozen(sets.time[sets.events][ordered]),
        g=frozen(event_g[ordered]),
        scaled=frozen(residuals(data, beta, vcov, "scaled_schoenfeld"))
        if data.ties != "exact" or not sets.tied
        else frozen(np.full((data.events, len(beta)), np.nan)),
        vcov=frozen(vcov),
        level=level,
    )


def _g(data: CoxData, transform: str | Callable[[Floats], ArrayLike]) -> Floats:
    """g(time) of every patient, shape (n,)."""
    if callable(transform):
        found = np.asarray(transform(data.time), dtype=float)
        if found.shape != data.time.shape or not np.isfinite(found[data.event > 0]).all():
            raise InputError("must give a finite number a time", where="transform")
        return np.where(data.event > 0, found, 0.0)
    if transform not in TRANSFORMS:
        raise InputError(
            f"no transform is named {transform!r}", where="transform", hint=", ".join(TRANSFORMS)
        )
    if transform == "rank":
        from scipy.stats import rankdata

        return np.asarray(rankdata(data.time), dtype=float)
    if transform == "log":
        if not (data.time[data.event > 0] > 0).all():
            raise InputError("an event at time 0 has no logarithm", where="transform", hint='"km"')
        return np.log(np.where(data.time > 0, data.time, 1.0))
    return data.time if transform == "identity" else _dead_before(data)


def _dead_before(data: CoxData) -> Floats:
    """1 - the Kaplan-Meier curve of all patients just before each time; unweighted."""
    times, place = np.unique(data.time, return_inverse=True)
    events = np.bincount(place, weights=data.event)
    at_risk = len(data.time) - np.searchsorted(np.sort(data.time), times, side="left")
    at_risk = at_risk - (len(data.time) - np.searchsorted(np.sort(data.entry), times, side="left"))
    survival = np.cumprod(1 - events / np.maximum(at_risk, 1))
    found: Floats = 1 - np.concatenate([[1.0], survival])[place]
    return found
