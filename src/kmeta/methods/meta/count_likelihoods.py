"""Log-likelihoods of counts as functions of their linear predictor, with two derivatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from kmeta.core.arrays import Floats

Curve = tuple[Floats, Floats, Floats]


class Counts(Protocol):
    """What is observed: k studies with J groups each."""

    def curve(self, eta: Floats) -> Curve:
        """Log-likelihood, first and second derivative at eta of shape (k, J, M); shape (k, J, M) each."""
        ...


@dataclass(frozen=True, slots=True)
class Binomial:
    """x of n, logit link, with an offset; shape (k, J)."""

    x: Floats
    n: Floats
    offset: Floats
    constant: Floats

    def curve(self, eta: Floats) -> Curve:
        """See `Counts`."""
        eta = eta + self.offset[..., None]
        n = self.n[..., None]
        small = np.exp(-np.abs(eta))
        p = np.where(eta >= 0, 1.0, small) / (1 + small)
        q = np.where(eta >= 0, small, 1.0) / (1 + small)
        rest = np.maximum(eta, 0) + np.log1p(small)
        value = self.x[..., None] * eta - n * rest + self.constant[..., None]
        # x - n p without the loss of x = n, p near 1
        first = self.x[..., None] * q - (self.n - self.x)[..., None] * p
        return value, first, -n * p * q


@dataclass(frozen=True, slots=True)
class Poisson:
    """x events, log link, offset log person-time; shape (k, J)."""

    x: Floats
    offset: Floats
    constant: Floats

    def curve(self, eta: Floats) -> Curve:
        """See `Counts`."""
        eta = np.minimum(eta + self.offset[..., None], 600.0)
        mean = np.exp(eta)
        x = self.x[..., None]
        return x * eta - mean + self.constant[..., None], x - mean, -mean


@dataclass(frozen=True, slots=True)
class Hypergeometric:
    """Events a of the first group when all margins of the 2x2 table are fixed; eta is the log odds ratio.

    `support`: for each study the possible values of a, less the observed one, and their log number of ways.
    """

    support: tuple[tuple[Floats, Floats], ...]

    def curve(self, eta: Floats) -> Curve:
        """See `Counts`; J is 1. One study at a time: memory stays that of one study's table."""
        value, first, second = np.empty_like(eta), np.empty_like(eta), np.empty_like(eta)
        for i, (excess, ways) in enumerate(self.support):
            power = eta[i, 0][:, None] * excess[None, :] + ways[None, :]
            top = power.max(axis=1)
            weight = np.exp(power - top[:, None])
            total = weight.sum(axis=1)
            mean = weight @ excess / total
            value[i, 0], first[i, 0] = -(top + np.log(total)), -mean
            second[i, 0] = -np.maximum(weight @ (excess * excess) / total - mean * mean, 0.0)
        return value, first, second


def binomial(x: Floats, n: Floats, offset: Floats | None = None) -> Binomial:
    """Binomial counts with their coefficients, so that likelihoods are probabilities; shape (k, J)."""
    from scipy.special import gammaln

    constant = gammaln(n + 1) - gammaln(x + 1) - gammaln(n - x + 1)
    return Binomial(x, n, np.zeros_like(x) if offset is None else offset, constant)


def poisson(x: Floats, time: Floats) -> Poisson:
    """Poisson counts over person-time; shape (k, J)."""
    from scipy.special import gammaln

    return Poisson(x, np.log(time), -gammaln(x + 1))


def hypergeometric(a: Floats, n1: Floats, events: Floats, n2: Floats) -> Hypergeometric:
    """Tables with `events` in both groups together; shape (k,) each."""
    found = []
    for here, first, both, second in zip(a.tolist(), n1.tolist(), events.tolist(), n2.tolist(), strict=True):
        u = np.arange(max(0.0, both - second), min(first, both) + 1)
        # from one to the next: binomial coefficients themselves lose digits in large tables
        ratio = (first - u[:-1]) * (both - u[:-1]) / ((u[:-1] + 1) * (second - both + u[:-1] + 1))
        ways = np.concatenate([[0.0], np.cumsum(np.log(ratio))])
        observed = round(here - u[0])
        found.append((u - here, ways - ways[observed]))
    return Hypergeometric(tuple(found))
