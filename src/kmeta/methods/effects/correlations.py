"""Correlation coefficients, raw and as Fisher's z."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import frozen
from kmeta.core.errors import InputError
from kmeta.methods.effects.columns import column, same_length
from kmeta.methods.effects.effect_sizes import MEASURES, EffectSizes
from kmeta.methods.effects.two_by_two import MANY
from kmeta.methods.effects.zero_cells import finite


def correlation(
    measure: str, *, ri: ArrayLike | None = None, ni: ArrayLike | None = None, vtype: str = "LS"
) -> EffectSizes:
    """COR (the coefficient itself) or ZCOR (Fisher's z).

    ri : correlations from -1 to 1; ni : sample sizes, shape (k,).
    vtype : COR "LS", or "AV" with the mean correlation (weighted by ni).
    ZCOR needs |r| < 1 and more than 3 pairs; without them the value is NaN, and its note says so.
    Raises InputError. Source: Fisher 1921; Viechtbauer 2010, doi:10.18637/jss.v036.i03 (escalc).
    """
    kinds = ("LS", "AV") if measure == "COR" else ("LS",)
    if vtype not in kinds:
        raise InputError(f"{measure} has no vtype {vtype!r}", where="vtype", hint=", ".join(kinds))
    if ri is None or ni is None:
        raise InputError("needs ri and ni: correlations and sample sizes", where="columns")
    r, n = column(ri, "ri", low=-1, high=1), column(ni, "ni", low=1, high=MANY)
    same_length(ri=r, ni=n)
    with np.errstate(all="ignore"):
        if measure == "ZCOR":
            yi, vi = np.arctanh(r), np.where(n > 3, 1 / (n - 3), np.nan)
        else:
            typical = float((r * n).sum() / n.sum()) if vtype == "AV" else r
            yi, vi = r, np.where(n > 1, (1 - typical**2) ** 2 / (n - 1), np.nan)
        yi, vi = finite(yi, vi)
    notes = tuple("" if good else "no finite value: |r| is 1, or too few pairs" for good in np.isfinite(yi))
    return EffectSizes(
        measure=measure, yi=frozen(yi), vi=frozen(vi), basis=("correlations",) * len(yi), notes=notes
    )


for _name in ("COR", "ZCOR"):
    MEASURES.register(_name)(partial(correlation, _name))
