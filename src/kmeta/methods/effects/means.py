"""Means and standard deviations: of one group, and of two groups compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.methods.effects.columns import column, same_length
from kmeta.methods.effects.effect_sizes import MEASURES, EffectSizes
from kmeta.methods.effects.two_by_two import MANY
from kmeta.methods.effects.zero_cells import finite

LARGE = 1e100
UNUSABLE = "no finite value: too few patients, or a mean or standard deviation the measure cannot take"


@dataclass(frozen=True, slots=True)
class Group:
    """Means m, standard deviations s, sizes n; shape (k,) each."""

    m: Floats
    s: Floats
    n: Floats

    @property
    def cv2(self) -> Floats:
        """Squared coefficient of variation."""
        return (self.s / self.m) ** 2

    @property
    def df(self) -> Floats:
        """Degrees of freedom of s."""
        return self.n - 1


def small_sample_factor(df: Floats) -> Floats:
    """Hedges' exact factor that takes the bias from a standardised mean difference; NaN below 2 df."""
    from scipy.special import gammaln

    with np.errstate(all="ignore"):
        factor = np.exp(gammaln(df / 2) - np.log(np.sqrt(df / 2)) - gammaln((df - 1) / 2))
    return np.where(df > 1, factor, np.nan)


def _pooled_sd(a: Group, b: Group) -> Floats:
    return np.sqrt((a.df * a.s**2 + b.df * b.s**2) / (a.df + b.df))


def _difference(a: Group, b: Group, vtype: str, correct: bool) -> tuple[Floats, Floats]:
    del correct
    if vtype == "HO":
        return a.m - b.m, _pooled_sd(a, b) ** 2 * (1 / a.n + 1 / b.n)
    return a.m - b.m, a.s**2 / a.n + b.s**2 / b.n


def _standardised(a: Group, b: Group, vtype: str, correct: bool) -> tuple[Floats, Floats]:
    df = a.df + b.df
    factor = small_sample_factor(df)
    d = (a.m - b.m) / _pooled_sd(a, b)
    y = factor * d if correct else d
    n, base = a.n + b.n, 1 / a.n + 1 / b.n
    if vtype == "LS2":
        return y, factor**2 * (base + d**2 / (2 * n))
    if vtype == "UB":
        return y, base + (1 - (df - 2) / (df * factor**2)) * y**2
    if vtype == "AV":
        return y, base + _average(y, n, y) ** 2 / (2 * n)
    return y, base + y**2 / (2 * n)


def _heteroscedastic(a: Group, b: Group, _: str, correct: bool) -> tuple[Floats, Floats]:
    spread = (a.s**2 + b.s**2) / 2
    y = (a.m - b.m) / np.sqrt(spread) * (small_sample_factor(a.df + b.df) if correct else 1.0)
    v = y**2 * (a.s**4 / a.df + b.s**4 / b.df) / (8 * spread**2)
    return y, v + (a.s**2 / a.df + b.s**2 / b.df) / spread


def _second_group_sd(a: Group, b: Group, vtype: str, correct: bool) -> tuple[Floats, Floats]:
    factor = small_sample_factor(b.df)
    y = (a.m - b.m) / b.s * (factor if correct else 1.0)
    base = 1 / a.n + 1 / b.n
    if vtype == "UB":
        return y, base + (1 - (b.df - 2) / (b.df * factor**2)) * y**2
    if vtype == "AV":
        return y, base + _average(y, a.n + b.n, y) ** 2 / (2 * b.n)
    return y, base + y**2 / (2 * b.n)


def _average(values: Floats, n: Floats, y: Floats) -> float:
    """Mean of `values` by sample sizes, over the studies that have an estimate."""
    known = np.isfinite(y) & np.isfinite(values)
    return float((n[known] * values[known]).sum() / n[known].sum()) if known.any() else np.nan


def _log_means(a: Group, b: Group, vtype: str, correct: bool) -> tuple[Floats, Floats]:
    y = np.log(a.m / b.m)
    if correct:
        y = y + (a.cv2 / a.n - b.cv2 / b.n) / 2
    if vtype == "HO":
        pooled = _pooled_sd(a, b)
        first, second = (pooled / a.m) ** 2, (pooled / b.m) ** 2
    elif vtype == "AV":
        first, second = (np.full_like(y, _average(g.s / g.m, g.n, y) ** 2) for g in (a, b))
    elif vtype == "AVHO":
        cv, n = np.concatenate([a.s / a.m, b.s / b.m]), np.concatenate([a.n, b.n])
        first = second = np.full_like(y, _average(cv, n, np.concatenate([y, y])) ** 2)
    else:
        first, second = a.cv2, b.cv2
    return y, first / a.n + second / b.n


def _log_cv(a: Group, b: Group, _: str, correct: bool) -> tuple[Floats, Floats]:
    y = np.log((a.s / a.m) / (b.s / b.m)) + 1 / (2 * a.df) - 1 / (2 * b.df)
    if correct:
        y = y - (a.cv2 / a.n - b.cv2 / b.n) / 2
    return y, 1 / (2 * a.df) + a.cv2 / a.n + 1 / (2 * b.df) + b.cv2 / b.n


def _log_sd(a: Group, b: Group, _: str, correct: bool) -> tuple[Floats, Floats]:
    del correct
    return np.log(a.s / b.s) + 1 / (2 * a.df) - 1 / (2 * b.df), 1 / (2 * a.df) + 1 / (2 * b.df)


Comparison = Callable[[Group, Group, str, bool], tuple[Floats, Floats]]
# measure -> (formula, kinds of variance)
TWO_GROUPS: dict[str, tuple[Comparison, tuple[str, ...]]] = {
    "MD": (_difference, ("LS", "HO")),
    "SMD": (_standardised, ("LS", "LS2", "UB", "AV")),
    "SMDH": (_heteroscedastic, ("LS",)),
    "SMD1": (_second_group_sd, ("LS", "UB", "AV")),
    "ROM": (_log_means, ("LS", "HO", "AV", "AVHO")),
    "CVR": (_log_cv, ("LS",)),
    "VR": (_log_sd, ("LS",)),
}
ONE_GROUP: dict[str, Callable[[Group], tuple[Floats, Floats]]] = {
    "MN": lambda g: (g.m, g.s**2 / g.n),
    "MNLN": lambda g: (np.log(g.m), g.cv2 / g.n),
    "CVLN": lambda g: (np.log(g.s / g.m) + 1 / (2 * g.df), 1 / (2 * g.df) + g.cv2 / g.n),
    "SDLN": lambda g: (np.log(g.s) + 1 / (2 * g.df), 1 / (2 * g.df)),
    "SMN": lambda g: _standardised_mean(small_sample_factor(g.df) * g.m / g.s, g.n),
}


def _standardised_mean(y: Floats, n: Floats) -> tuple[Floats, Floats]:
    return y, 1 / n + y**2 / (2 * n)


def two_means(
    measure: str,
    *,
    m1i: ArrayLike | None = None,
    sd1i: ArrayLike | None = None,
    n1i: ArrayLike | None = None,
    m2i: ArrayLike | None = None,
    sd2i: ArrayLike | None = None,
    n2i: ArrayLike | None = None,
    vtype: str = "LS",
    correct: bool = True,
) -> EffectSizes:
    """Two groups' means compared: MD, SMD (Hedges' g), SMDH, SMD1, ROM (log ratio), CVR, VR (logs).

    m1i, sd1i, n1i : mean, standard deviation and size of the first group; m2i, sd2i, n2i of the second; shape (k,).
    vtype : MD "LS" or "HO" (one variance for both groups); SMD "LS", "LS2", "UB", "AV"; SMD1 "LS", "UB",
        "AV"; ROM "LS", "HO", "AV", "AVHO". "AV" has the mean effect by sample size (ROM: coefficient of variation of
        each group, "AVHO": of both) in place of each study's own.
    correct : SMD, SMDH, SMD1 Hedges' exact factor; ROM, CVR the second-order correction of bias.
    A study without a finite value (a ratio of means of different sign) has NaN, and its note says why.
    Raises InputError. Source: Viechtbauer 2010, doi:10.18637/jss.v036.i03 (escalc); SMD: Hedges 1981,
    doi:10.3102/10769986006002107; SMDH: Bonett 2009, doi:10.1037/a0014270; ROM: Lajeunesse 2015, doi:10.1890/14-2402.1;
    CVR: Nakagawa et al. 2015, doi:10.1111/2041-210X.12309.
    """
    formula, kinds = TWO_GROUPS[measure]
    if vtype not in kinds:
        raise InputError(f"{measure} has no vtype {vtype!r}", where="vtype", hint=", ".join(kinds))
    first = _group(m1i, sd1i, n1i, ("m1i", "sd1i", "n1i"), means=measure != "VR")
    second = _group(m2i, sd2i, n2i, ("m2i", "sd2i", "n2i"), means=measure != "VR")
    same_length(first=first.n, second=second.n)
    with np.errstate(all="ignore"):
        yi, vi = formula(first, second, vtype, correct)
    return _result(measure, yi, vi)


def one_mean(
    measure: str,
    *,
    mi: ArrayLike | None = None,
    sdi: ArrayLike | None = None,
    ni: ArrayLike | None = None,
    vtype: str = "LS",
) -> EffectSizes:
    """One group: MN (mean), MNLN (log mean), SMN (standardised mean), CVLN, SDLN (logs of CV and SD).

    mi, sdi, ni : mean, standard deviation and size, shape (k,). vtype : "LS", the only kind of variance.
    Raises InputError. Source: Viechtbauer 2010, doi:10.18637/jss.v036.i03 (escalc).
    """
    if vtype != "LS":
        raise InputError(f"{measure} has no vtype {vtype!r}", where="vtype", hint="LS")
    group = _group(mi, sdi, ni, ("mi", "sdi", "ni"), means=measure != "SDLN")
    with np.errstate(all="ignore"):
        yi, vi = ONE_GROUP[measure](group)
    return _result(measure, yi, vi)


def _group(m: object, s: object, n: object, names: tuple[str, str, str], *, means: bool) -> Group:
    if s is None or n is None or (m is None and means):
        raise InputError("needs " + ", ".join(names if means else names[1:]), where="columns")
    sizes = column(n, names[2], low=1, high=MANY)
    sds = column(s, names[1], low=0, high=LARGE)
    mean = np.full(len(sizes), np.nan) if m is None else column(m, names[0], low=-LARGE, high=LARGE)
    same_length(**{names[0]: mean, names[1]: sds, names[2]: sizes})
    return Group(mean, sds, sizes)


def _result(measure: str, y: Floats, v: Floats) -> EffectSizes:
    yi, vi = finite(y, v)
    notes = tuple("" if good else UNUSABLE for good in np.isfinite(yi).tolist())
    return EffectSizes(measure=measure, yi=frozen(yi), vi=frozen(vi), basis=("means",) * len(yi), notes=notes)


for _name in TWO_GROUPS:
    MEASURES.register(_name)(partial(two_means, _name))
for _name in ONE_GROUP:
    MEASURES.register(_name)(partial(one_mean, _name))
