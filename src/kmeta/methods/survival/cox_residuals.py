"""Residuals of a Cox model: martingale, deviance, score, dfbeta, Schoenfeld.

Source: Therneau, Grambsch & Fleming 1990, doi:10.1093/biomet/77.1.147; Schoenfeld 1982, doi:10.1093/biomet/69.1.239;
Grambsch & Therneau 1994, doi:10.1093/biomet/81.3.515.
"""

from __future__ import annotations

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.methods.survival.cox_data import CoxData
from kmeta.methods.survival.cox_likelihood import Hazard

KINDS = ("martingale", "deviance", "score", "dfbeta", "dfbetas", "schoenfeld", "scaled_schoenfeld")


def residuals(data: CoxData, beta: Floats, vcov: Floats, kind: str) -> Floats:
    """Residuals at `beta`; `vcov` is the inverse of the information there."""
    if kind not in KINDS:
        raise InputError(f"no residuals are named {kind!r}", where="kind", hint=", ".join(KINDS))
    if data.ties == "exact" and kind not in ("martingale", "deviance") and data.risk_sets.tied:
        raise InputError(f"the exact likelihood has no {kind} residuals", where="kind", hint='ties="efron"')
    if kind == "martingale":
        return martingale(data, beta)
    if kind == "deviance":
        return _deviance(martingale(data, beta), data.event)
    if kind == "score":
        return score(data, beta)
    if kind == "dfbeta":
        return dfbeta(data, beta, vcov)
    if kind == "dfbetas":
        return dfbeta(data, beta, vcov) / np.sqrt(np.diag(vcov))
    found = schoenfeld(data, beta)
    return found if kind == "schoenfeld" else found @ vcov * data.events + beta


def at_beta(data: CoxData, beta: Floats) -> tuple[Floats, Floats, Hazard]:
    """(covariates centred, (p, n), sorted; linear predictor, sorted; the hazard there)."""
    x = (data.x - data.mean).T[:, data.risk_sets.order]
    eta = beta @ x
    return x, eta, data.risk_sets.hazard(eta)


def martingale(data: CoxData, beta: Floats) -> Floats:
    """Events less expected events, shape (n,)."""
    sets = data.risk_sets
    _, eta, at = at_beta(data, beta)
    return _unsorted(sets.event - np.exp(eta) * at.expected, sets.order)


def _deviance(m: Floats, event: Floats) -> Floats:
    expected = np.where(event > 0, event - m, 1.0)
    inner = m + event * np.log(np.maximum(expected, np.finfo(np.float64).tiny))
    found: Floats = np.sign(m) * np.sqrt(np.maximum(-2 * inner, 0))
    return found


def score(data: CoxData, beta: Floats) -> Floats:
    """Each patient's part of the score (unweighted), shape (n, p): the martingale transform of x - mean at risk."""
    sets = data.risk_sets
    x, eta, at = at_beta(data, beta)
    means = sets.means(x, at)
    drift = x * at.expected - sets.while_at_risk(at.row * means)
    found = -np.exp(eta) * drift
    found[:, sets.events] += x[:, sets.events] - _group_means(data, means)[:, sets.group]
    return _unsorted(found, sets.order).T


def dfbeta(data: CoxData, beta: Floats, vcov: Floats) -> Floats:
    """Change of `beta` by each patient, to first order, shape (n, p)."""
    found: Floats = (data.weights[:, None] * score(data, beta)) @ vcov
    return found


def schoenfeld(data: CoxData, beta: Floats) -> Floats:
    """Covariates of each event less their mean at risk, shape (events, p), by stratum and time."""
    sets = data.risk_sets
    x, _, at = at_beta(data, beta)
    means = _group_means(data, sets.means(x, at))
    found: Floats = (x[:, sets.events] - means[:, sets.group])[:, event_order(data)].T
    return found


def event_order(data: CoxData) -> np.ndarray:
    """The events by stratum, time and row, as places among the sorted events."""
    sets = data.risk_sets
    rows = sets.order[sets.events]
    return np.lexsort((rows, sets.time[sets.events], sets.stratum[sets.events]))


def _group_means(data: CoxData, means: Floats) -> Floats:
    """Mean over the rows of each group, shape (p, J)."""
    sets = data.risk_sets
    return sets.over_groups(means) / sets.size if sets.shared else means


def _unsorted(values: Floats, order: np.ndarray) -> Floats:
    out = np.empty_like(values)
    out[..., order] = values
    return out
