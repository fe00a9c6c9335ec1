"""The product-limit estimate and the variances of it: Greenwood's, and the robust one for weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.survival.risk_sets import RiskSets, risk_sets
from kmeta.methods.survival.sample import SurvivalSample


@dataclass(frozen=True, kw_only=True, eq=False)
class ProductLimit:
    """Survival and Nelson-Aalen hazard of one group at its distinct times; `log_se` is the se of -log(survival)."""

    sets: RiskSets
    survival: Floats
    log_se: Floats
    hazard: Floats
    hazard_se: Floats


def product_limit(sample: SurvivalSample, robust: bool) -> ProductLimit:
    """The estimate with Greenwood's and Aalen's variances, or with the robust (infinitesimal jackknife) ones.

    Source of the robust variance: Therneau & Grambsch 2000, Modeling Survival Data; influence of a patient's weight
    on each factor, squared and summed.
    """
    sets = risk_sets(sample)
    at_risk, events = sets.at_risk[:, 0], sets.events[:, 0]
    here = at_risk > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.where(here, events / at_risk, 0.0)
        survival = np.cumprod(np.where(here, (at_risk - events) / at_risk, 1.0)).astype(np.float64)
        greenwood = np.where(events > 0, events / (at_risk * (at_risk - events)), 0.0)
        if robust:
            one = np.where(events > 0, 1 / at_risk, 0.0)
            log_se = jackknife_se(sets, sample, greenwood, one + greenwood)
            hazard_se = jackknife_se(sets, sample, step * one, one)
        else:
            log_se = np.sqrt(np.cumsum(greenwood))
            hazard_se = np.sqrt(np.cumsum(np.where(here, step / at_risk, 0.0)))
    return ProductLimit(
        sets=sets, survival=survival, log_se=log_se, hazard=np.cumsum(step), hazard_se=hazard_se
    )


def jackknife_se(sets: RiskSets, sample: SurvivalSample, staying: Floats, failing: Floats) -> Floats:
    """Robust standard error, at each row, of a sum over times of terms that depend on the risk set.

    staying : what being at risk at a time does to the term (its sign turned). failing : what having the event does.
    """
    base = np.cumsum(np.where(np.isfinite(staying), staying, 0.0))
    gone = np.append(base, 0.0)[-1 if sets.entry_row is None else sets.entry_row]
    own = np.where(sample.event == 1, np.where(np.isfinite(failing), failing, 0.0)[sets.row], 0.0)
    square = sample.weights**2
    ended = np.cumsum(sets.counted(square * (base[sets.row] - gone - own) ** 2)[:, 0])
    still = [
        (sets.summed(square * power) - sets.counted(square * power))[:, 0]
        for power in (np.ones(sample.n), gone * np.ones(sample.n), gone**2 * np.ones(sample.n))
    ]
    active = base**2 * still[0] - 2 * base * still[1] + still[2]
    known = np.cumsum(~np.isfinite(staying)) == 0
    return np.where(known, np.sqrt(np.maximum(ended + active, 0.0)), np.nan)
