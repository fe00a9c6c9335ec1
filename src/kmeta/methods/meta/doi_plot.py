"""Doi plot and LFK index: asymmetry of the estimates' ranks, as numbers to draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.numbers import decimal
from kmeta.core.result import Result
from kmeta.core.views import PlotViews
from kmeta.methods.meta.inputs import estimates
from kmeta.methods.meta.small_study import need_three


@dataclass(frozen=True, kw_only=True, eq=False)
class DoiPlot(Result):
    """Estimates in increasing order, `yi`, variances `vi` and normal `z` of the weighted rank, shape (k,); `order`
    are their places in the data. The plot is |z| (downwards) against yi, `top` its highest point.
    `lfk` is 0 for symmetry; beyond 1 `asymmetry` is called minor, beyond 2 major.
    """

    yi: Floats
    z: Floats
    order: tuple[int, ...]
    top: float
    lfk: float
    asymmetry: str
    vi: Floats

    plot = PlotViews(scatter="kmeta.plots.doi:doi_figure")

    def summary(self) -> str:
        """The index and its name."""
        return f"LFK index {decimal(self.lfk, 2)}: {self.asymmetry} asymmetry, k = {len(self.yi)}"

    def r_script(self) -> str:
        """R code with the data inline: base R, as metafor has no doi plot."""
        from kmeta.methods.meta.r_small_study import small_study_script

        return small_study_script(self)

    def rows(self) -> list[dict[str, Any]]:
        """One row an estimate."""
        pairs = zip(self.order, self.yi.tolist(), self.z.tolist(), strict=True)
        return [{"row": i, "yi": y, "z": z, "abs_z": abs(z)} for i, y, z in pairs]


def doi_plot(yi: ArrayLike, vi: ArrayLike) -> DoiPlot:
    """Doi plot data of estimates `yi` with variances `vi`, shape (k,), k >= 3, not all equal.

    The rank of an estimate counts 100 max(vi) / vi "people" for each; its share becomes a normal quantile.
    The index depends on k and has no sampling distribution: a value is a description, not a test.
    Raises InputError for data that cannot be used.
    Source: Furuya-Kanamori, Barendregt & Doi 2018, doi:10.1097/XEB.0000000000000141.

    >>> found = doi_plot([-4.27, -1.71, -0.58, -0.19, 0.0], [0.158, 0.076, 0.018, 0.022, 0.040])
    >>> round(found.lfk, 2), found.asymmetry
    (-3.31, 'major')
    """
    from scipy.special import ndtri

    y, v = estimates(yi, vi)
    need_three(len(y), "doi_plot")
    if np.ptp(y) == 0:
        raise InputError("all estimates are equal", where="yi", hint="there is no asymmetry to describe")
    order = np.argsort(y, kind="stable")
    y, v = y[order], v[order]
    n = 100 * float(v.max()) / v
    middle = np.cumsum(n) - n / 2
    z = ndtri((middle - 0.5) / float(n.sum()))
    top = float(y[int(np.argmin(np.abs(z)))])
    lfk = 5 / 2 * float(np.mean(z + np.ptp(z) / np.ptp(y) * (y - top)))
    size = abs(lfk)
    return DoiPlot(
        yi=frozen(y),
        z=frozen(z),
        order=tuple(order.tolist()),
        top=top,
        lfk=lfk,
        asymmetry="no" if size <= 1 else "minor" if size <= 2 else "major",
        vi=frozen(v),
    )
