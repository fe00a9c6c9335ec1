"""The weighted partial likelihood of a cause's subdistribution hazard, by running sums over sorted times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.survival.causes import CausesSample

FLAT = 1e-12  # robust variance as a share of the model's: below it is rounding


@dataclass(frozen=True, kw_only=True, eq=False)
class Subdistribution:
    """Patients sorted by time. `x` (n, p); `free`: the estimate of being uncensored just before the patient's time.

    `mine`, `other`, `lost`: had the cause, another one, was censored. `first`: place of the first patient with the
    same time; `past`: place after the last one.
    """

    time: Floats
    x: Floats
    free: Floats
    mine: np.ndarray
    other: np.ndarray
    lost: np.ndarray
    first: np.ndarray
    past: np.ndarray

    @classmethod
    def of(cls, data: CausesSample, code: int, x: Floats, free: Floats) -> Subdistribution:
        """The model of the cause with that code."""
        order = np.argsort(data.time, kind="stable")
        t, c = data.time[order], data.code[order]
        return cls(
            time=t,
            x=x[order],
            free=free[order],
            mine=c == code,
            other=(c != code) & (c != 0),
            lost=c == 0,
            first=np.searchsorted(t, t, side="left"),
            past=np.searchsorted(t, t, side="right"),
        )

    def risks(self, beta: Floats) -> tuple[Floats, float]:
        """(exp of the linear predictor over its largest, that largest predictor)."""
        linear = self.x @ beta
        top = float(linear.max())
        return np.exp(linear - top), top

    def over_risk_sets(self, values: Floats) -> Floats:
        """Sum of `values` (n, ...) over the risk set at each patient's time: those still followed, and those with
        another cause before it by the weight free(time) / free(their time).
        """
        return self.from_here(values) + _rows(self.free, values) * self.held(values)

    def held(self, values: Floats) -> Floats:
        """Sum of `values` / free over those who had another cause before each patient's time."""
        kept = _rows(np.where(self.other, 1 / self.free, 0.0), values) * values
        found: Floats = _padded(np.cumsum(kept, axis=0))[self.first]
        return found

    def until(self, values: Floats) -> Floats:
        """Sum of `values` over those whose time is not after each patient's."""
        found: Floats = _padded(np.cumsum(values, axis=0))[self.past]
        return found

    def from_here(self, values: Floats) -> Floats:
        """Sum of `values` over those whose time is not before each patient's."""
        found: Floats = _padded(np.cumsum(values[::-1], axis=0)[::-1], at_end=True)[self.first]
        return found

    def at_events(self, beta: Floats) -> tuple[Floats, Floats, Floats, float]:
        """(risk, 1 / S0 where the cause happened and 0 elsewhere, mean covariates of the risk sets, top of risk)."""
        risk, top = self.risks(beta)
        s0 = self.over_risk_sets(risk)
        return (
            risk,
            np.where(self.mine, 1 / s0, 0.0),
            self.over_risk_sets(_rows(risk, self.x) * self.x) / s0[:, None],
            top,
        )

    def exposure(self, steps: Floats) -> Floats:
        """What each patient meets of `steps` (n, ...) at events: all while followed, by weight after another cause."""
        weighted = _rows(self.free, steps) * steps
        ahead = _padded(np.cumsum(weighted[::-1], axis=0)[::-1], at_end=True)[self.past]
        found: Floats = self.until(steps) + _rows(np.where(self.other, 1 / self.free, 0.0), steps) * ahead
        return found

    def derivatives(self, beta: Floats) -> tuple[float, Floats, Floats]:
        """(log pseudo-likelihood, its gradient, its information)."""
        risk, step, mean, top = self.at_events(beta)
        x, means = self.x[self.mine], mean[self.mine]
        loglik = float((x @ beta).sum() + np.log(step[self.mine]).sum() - len(x) * top)
        share = risk * self.exposure(step)
        information = self.x.T @ (self.x * share[:, None]) - means.T @ means
        return loglik, (x - means).sum(axis=0), (information + information.T) / 2

    def robust_variance(self, beta: Floats) -> Floats:
        """Sandwich of the patients' scores, with the part that the estimate of censoring adds to them.

        NaN for a term in which the scores have no spread: too few events tell nothing of its error.
        """
        risk, step, mean, _ = self.at_events(beta)
        pull = step[:, None] * mean
        met = self.x * self.exposure(step)[:, None] - self.exposure(pull)
        own = np.where(self.mine[:, None], self.x - mean, 0.0) - risk[:, None] * met
        free = self.free[:, None]
        q = self.held(risk[:, None] * self.x) * self.from_here(free * step[:, None])
        q -= self.held(risk)[:, None] * self.from_here(free * pull)
        at_risk = (len(self.time) - self.first)[:, None]
        q = np.where(self.lost[:, None], q / at_risk, 0.0)
        whole = own + q - self.until(q / at_risk)
        inverse = np.linalg.inv(self.derivatives(beta)[2])
        found: Floats = inverse @ (whole.T @ whole) @ inverse
        flat = np.diag(found) <= FLAT * np.abs(np.diag(inverse))
        return np.where(flat[:, None] | flat, np.nan, found)

    def baseline_steps(self, beta: Floats) -> tuple[Floats, Floats]:
        """(distinct times of the cause, steps of the cumulative subdistribution hazard at x = 0)."""
        _, step, _, top = self.at_events(beta)
        times, place = np.unique(self.time[self.mine], return_inverse=True)
        return times, np.bincount(place, weights=step[self.mine]) * np.exp(-top)


def _rows(values: Floats, like: Floats) -> Floats:
    """`values` (n,) shaped to multiply the rows of `like`."""
    return values.reshape((-1,) + (1,) * (like.ndim - 1))


def _padded(sums: np.ndarray, *, at_end: bool = False) -> Floats:
    """Running sums with a row of 0 for the empty sum."""
    zero = np.zeros((1, *sums.shape[1:]))
    found: Floats = np.concatenate([sums, zero] if at_end else [zero, sums])
    return found
