"""The log-likelihood of censored, weighted and left-truncated times under a distribution, and its maximum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.survival.parametric.climb import Top, climb
from kmeta.methods.survival.parametric.distribution import Distribution, Lifetimes

SAME = 1e-7  # log-likelihoods this near are one height: of such tops one that settled is taken


@dataclass(frozen=True, eq=False)
class Block:
    """Rows that ask the same question of a distribution: log times, covariates (n, q), signed weights."""

    log_time: Floats
    x: Floats
    weights: Floats


class Likelihood:
    """Events give a density, censored times a survival, and left truncation divides by the survival at entry."""

    def __init__(self, lives: Lifetimes, x: Floats) -> None:
        self.lives, self.x = lives, x
        died, censored = lives.event == 1, (lives.event == 0) & np.isfinite(lives.log_time)
        late = np.isfinite(lives.log_entry)
        self.events = Block(lives.log_time[died], x[died], lives.weights[died])
        self.survived = Block(
            np.concatenate([lives.log_time[censored], lives.log_entry[late]]),
            np.vstack([x[censored], x[late]]),
            np.concatenate([lives.weights[censored], -lives.weights[late]]),
        )

    def height(self, distribution: Distribution, parameters: Floats) -> tuple[float, Floats]:
        """(value, gradient) at theta and the coefficients, one vector; -inf where it cannot be."""
        p = len(distribution.parameters)
        theta, beta = parameters[:p], parameters[p:]
        value, gradient = 0.0, np.zeros_like(parameters)
        with np.errstate(all="ignore"):
            for block, ask in (
                (self.events, distribution.log_density),
                (self.survived, distribution.log_survival),
            ):
                if not len(block.weights):
                    continue
                values, slopes = ask(block.log_time, theta, block.x @ beta)
                value += float(block.weights @ values)
                weighted = slopes @ block.weights
                gradient[:p] += weighted[:p]
                gradient[p:] += (slopes[p] * block.weights) @ block.x
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            return -np.inf, np.zeros_like(parameters)
        return value, gradient

    def top(self, distribution: Distribution) -> Top:
        """The highest of the tops uphill of the distribution's own starts and of its simpler relatives' tops."""
        beta = np.zeros(self.x.shape[1])
        starts = [np.concatenate([start, beta]) for start in distribution.starts(self.lives)]
        starts += [self._from_relative(distribution, *relative) for relative in distribution.relatives()]
        tops = [self._uphill(distribution, start) for start in starts]
        if not any(top.converged for top in tops):
            starts = [self._from_relative(distribution, *relative) for relative in distribution.last_resort()]
            tops += [self._uphill(distribution, start) for start in starts]
        highest = max(top.value for top in tops)
        level = [top for top in tops if top.value >= highest - SAME]
        return max(level, key=lambda top: top.converged)

    def _uphill(self, distribution: Distribution, start: Floats) -> Top:
        low, high = distribution.limits()
        free = np.full(self.x.shape[1], np.inf)
        return climb(
            lambda at: self.height(distribution, at), start, np.append(low, -free), np.append(high, free)
        )

    def _from_relative(
        self, distribution: Distribution, relative: Distribution, way: Callable[[Floats], Floats]
    ) -> Floats:
        found = self.top(relative).theta
        theta = way(found[: len(relative.parameters)])
        return np.concatenate([theta, self._translated(relative, distribution, found)])

    def _translated(self, relative: Distribution, distribution: Distribution, found: Floats) -> Floats:
        """Coefficients of the simpler distribution, in the meaning of the other."""
        p = len(relative.parameters)
        beta = found[p:]
        if relative.effect == distribution.effect:
            return beta
        # from a log time ratio to the scale of a spline: minus the slope times it
        slope = np.exp(found[0]) if relative.name != "log-normal" else np.exp(-found[1])
        return np.asarray(-slope * beta)
