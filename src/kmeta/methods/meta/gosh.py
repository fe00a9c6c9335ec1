"""Graphical display of study heterogeneity: the model on all, or very many, subsets of its estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.core.views import PlotViews
from kmeta.methods.meta.batch import fit_batch, subsets
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.influence import need_steps, table
from kmeta.methods.meta.of_fit import OfFit
from kmeta.methods.meta.stack import Ints
from kmeta.methods.meta.stack_tau2 import Bools

MOST = 1 << 22  # subsets held at once: some hundred bytes each


@dataclass(frozen=True, kw_only=True, eq=False)
class Gosh(OfFit):
    """The model on m subsets of k estimates; arrays of shape (m,), `include` (m, k).

    All subsets come by size and then by position; drawn ones as drawn, with the `seed` that draws them again.
    """

    labels: tuple[str, ...]
    every: bool
    seed: int | None
    include: Bools
    k: Ints
    mu: Floats
    tau2: Floats
    i2: Floats
    h2: Floats
    q: Floats

    plot = PlotViews(cloud="kmeta.plots.gosh:gosh_figure")

    def rows(self) -> list[dict[str, Any]]:
        """One row a subset."""
        return table({name: getattr(self, name).tolist() for name in ("k", "mu", "tau2", "i2", "h2", "q")})

    def summary(self) -> str:
        """How many subsets and how far their results reach."""
        kind = "all" if self.every else f"drawn with seed {self.seed}"
        lines = [f"{len(self.k)} subsets ({kind}) of {len(self.labels)} estimates"]
        for name in ("mu", "tau2", "i2"):
            values = getattr(self, name)
            values = values[~np.isnan(values)]
            if len(values):
                five = np.quantile(values, (0, 0.25, 0.5, 0.75, 1))
                lines.append(
                    f"{name:5}" + " ".join(f"{value:10.4g}" for value in five) + "  (min, quartiles, max)"
                )
        return "\n".join(lines)


def gosh(fit: MetaFit, *, n: int | None = None, seed: int = 0) -> Gosh:
    """The model on every non-empty subset of its k estimates, or on `n` drawn ones.

    n : number of subsets to draw, their size first, evenly from 1 to k; None takes all 2**k - 1, at most 2**22.
    A single estimate has tau2 = 0 and H2 = 1. Raises InputError for moderators, groups and user weights, for too
    many subsets, and for an n below 1. Source: Olkin, Dahabreh & Trikalinos 2012, doi:10.1002/jrsm.1053.

    >>> from kmeta import random_effects
    >>> fit = random_effects([0.1, 0.2, 2.0], [0.04, 0.02, 0.05], measure="SMD", tau2="DL")
    >>> gosh(fit).mu.round(2).tolist()
    [0.1, 0.2, 2.0, 0.17, 1.05, 1.09, 0.76]
    """
    fit.need_no_moderators("gosh")
    need_steps(fit, "gosh")
    count = (1 << fit.k) - 1 if n is None else n
    if isinstance(n, bool) or not isinstance(count, int) or not 1 <= count <= MOST:
        raise InputError(
            f"{count} subsets of {fit.k} estimates", where="n", hint=f"draw some: n from 1 to {MOST:,}"
        )
    include = _all_subsets(fit.k) if n is None else _drawn(fit.k, n, seed)
    method = fit.tau2 if fit.method == "fixed" else fit.method
    parts = subsets(fit.yi, fit.vi, count, lambda rows: include[rows].T)
    many = fit_batch(parts, count, method=method, test="z", level=fit.level, pi="z")
    alone = many.k == 1
    return Gosh(
        fit=fit,
        labels=fit.labels,
        every=n is None,
        seed=None if n is None else seed,
        include=include,
        k=many.k,
        mu=many.mu,
        tau2=many.tau2,
        i2=np.where(alone, 0.0, many.i2),
        h2=np.where(alone, 1.0, many.h2),
        q=many.q,
    )


def _all_subsets(k: int) -> Bools:
    """Every non-empty subset, by size, then in the order of the first estimates: shape (2**k - 1, k)."""
    numbers = np.arange(
        (1 << k) - 1, 0, -1, dtype=np.int64
    )  # descending: the first estimate is the highest bit
    bits = (numbers[:, None] >> np.arange(k - 1, -1, -1)) & 1
    order = np.argsort(bits.sum(axis=1), kind="stable")
    return np.asarray(bits[order] == 1)


def _drawn(k: int, n: int, seed: int) -> Bools:
    rng = np.random.default_rng(seed)
    size = rng.integers(1, k + 1, n)
    places = rng.random((n, k)).argsort(axis=1).argsort(axis=1)
    return np.asarray(places < size[:, None])
