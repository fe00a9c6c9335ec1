"""Two groups with events: the 2x2 table, and every measure made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.methods.effects.columns import column, same_length
from kmeta.methods.effects.effect_sizes import MEASURES, EffectSizes
from kmeta.methods.effects.zero_cells import amount_of, finite, notes_of, to_correct

MANY = 1e12  # patients: more is a mistake
To = Literal["only0", "if0all", "all", "none"]


@dataclass(frozen=True, slots=True)
class Tables:
    """Cells a, b (events and the rest of the first group), c, d (of the second); shape (k,) each."""

    a: Floats
    b: Floats
    c: Floats
    d: Floats

    @property
    def n1(self) -> Floats:
        """Size of the first group."""
        return self.a + self.b

    @property
    def n2(self) -> Floats:
        """Size of the second group."""
        return self.c + self.d

    @property
    def n(self) -> Floats:
        """Both groups."""
        return self.n1 + self.n2

    @property
    def p1(self) -> Floats:
        """Share with the event, first group."""
        return self.a / self.n1

    @property
    def p2(self) -> Floats:
        """Share with the event, second group."""
        return self.c / self.n2

    @property
    def empty(self) -> NDArray[np.bool_]:
        """Tables with an empty cell."""
        found: NDArray[np.bool_] = (self.a == 0) | (self.b == 0) | (self.c == 0) | (self.d == 0)
        return found

    @property
    def one_sided(self) -> NDArray[np.bool_]:
        """Tables without an event, or with events only."""
        found: NDArray[np.bool_] = ((self.a == 0) & (self.c == 0)) | ((self.b == 0) & (self.d == 0))
        return found

    def plus(self, amount: Floats) -> Tables:
        """`amount`, one a study, added to each cell."""
        return Tables(self.a + amount, self.b + amount, self.c + amount, self.d + amount)

    def where(self, keep: NDArray[np.bool_]) -> Tables:
        """The tables that `keep` names."""
        return Tables(self.a[keep], self.b[keep], self.c[keep], self.d[keep])

    @property
    def hypergeometric(self) -> tuple[Floats, Floats]:
        """Mean and variance of a when all margins are fixed and the groups do not differ."""
        n, events = self.n, self.a + self.c
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = self.n1 * self.n2 * events * (self.b + self.d) / (n * n * (n - 1))
        return self.n1 * events / n, variance


def tables(
    ai: ArrayLike | None,
    bi: ArrayLike | None,
    ci: ArrayLike | None,
    di: ArrayLike | None,
    n1i: ArrayLike | None,
    n2i: ArrayLike | None,
) -> Tables:
    """Checked cells from cells, or from events with group sizes; InputError where they cannot be."""
    if ai is None or ci is None:
        raise InputError("needs ai and ci, the events of both groups", where="columns")
    a, c = column(ai, "ai", low=0, high=MANY), column(ci, "ci", low=0, high=MANY)
    b = _rest(a, bi, n1i, ("ai", "bi", "n1i"))
    d = _rest(c, di, n2i, ("ci", "di", "n2i"))
    same_length(ai=a, bi=b, ci=c, di=d)
    for size, name in ((a + b, "n1i"), (c + d, "n2i")):
        if not (size > 0).all():
            row = int(np.argmin(size > 0))
            raise InputError(f"study {row} has a group of nobody", where=name, hint="leave the study out")
    return Tables(a, b, c, d)


def _rest(events: Floats, rest: Any, total: Any, names: tuple[str, str, str]) -> Floats:
    """Those without the event, given or as the group's size less the events."""
    event, other, size = names
    if (rest is None) == (total is None):
        raise InputError(f"give {other} or {size}", where="columns", hint="one of them, not both")
    if rest is not None:
        return column(rest, other, low=0, high=MANY)
    sizes = column(total, size, low=0, high=MANY)
    same_length(**{event: events, size: sizes})
    if (events > sizes).any():
        row = int(np.argmax(events > sizes))
        raise InputError(
            f"{event}[{row}] is {events[row]:g} of {sizes[row]:g}", where=event, hint="events are at most n"
        )
    return sizes - events


def _log_odds(t: Tables, _: str) -> tuple[Floats, Floats]:
    return np.log(t.a * t.d / (t.b * t.c)), 1 / t.a + 1 / t.b + 1 / t.c + 1 / t.d


def _scaled_log_odds(t: Tables, _: str, *, by: float) -> tuple[Floats, Floats]:
    y, v = _log_odds(t, "LS")
    return y * by, v * by * by


def _pooled_shares(t: Tables) -> tuple[float, float]:
    return float(t.a.sum() / t.n1.sum()), float(t.c.sum() / t.n2.sum())


def _log_risk(t: Tables, _: str) -> tuple[Floats, Floats]:
    return np.log(t.p1 / t.p2), 1 / t.a - 1 / t.n1 + 1 / t.c - 1 / t.n2


def _risk_difference(t: Tables, vtype: str) -> tuple[Floats, Floats]:
    p1, p2, less = t.p1, t.p2, 1.0 if vtype == "UB" else 0.0
    y = p1 - p2
    if vtype == "AV":
        q1, q2 = _pooled_shares(t)
        return y, q1 * (1 - q1) / t.n1 + q2 * (1 - q2) / t.n2
    return y, p1 * (1 - p1) / (t.n1 - less) + p2 * (1 - p2) / (t.n2 - less)


def _arcsine(t: Tables, _: str) -> tuple[Floats, Floats]:
    y = np.arcsin(np.sqrt(t.p1)) - np.arcsin(np.sqrt(t.p2))
    return y, 1 / (4 * t.n1) + 1 / (4 * t.n2)


def _peto(t: Tables, _: str) -> tuple[Floats, Floats]:
    expected, variance = t.hypergeometric
    return (t.a - expected) / variance, 1 / variance


def _phi(t: Tables, vtype: str) -> tuple[Floats, Floats]:
    n, c1, c2 = t.n, t.a + t.c, t.b + t.d
    y = (t.a * t.d - t.b * t.c) / np.sqrt(t.n1 * t.n2 * c1 * c2)
    if vtype == "CS":  # groups of fixed size: the two shares vary, the margin between groups does not
        raise InputError("PHI has no vtype 'CS'", where="vtype", hint="LS")
    groups, events = (t.n1 - t.n2) / n, (c1 - c2) / n
    spread_g, spread_e = t.n1 * t.n2 / n**2, c1 * c2 / n**2
    v = 1 - y**2 + y * (1 + y**2 / 2) * groups * events / np.sqrt(spread_g * spread_e)
    return y, (v - 0.75 * y**2 * (groups**2 / spread_g + events**2 / spread_e)) / n


def _yule(t: Tables, _: str, *, root: float) -> tuple[Floats, Floats]:
    y_log, v_log = _log_odds(t, "LS")
    y = np.tanh(root * y_log / 2)  # (OR^root - 1) / (OR^root + 1)
    return y, (root / 2 * (1 - y**2)) ** 2 * v_log


def _probit(t: Tables, _: str) -> tuple[Floats, Floats]:
    from scipy.special import ndtri

    z1, z2 = ndtri(t.p1), ndtri(t.p2)
    v1 = 2 * np.pi * t.p1 * (1 - t.p1) * np.exp(z1 * z1) / t.n1
    v2 = 2 * np.pi * t.p2 * (1 - t.p2) * np.exp(z2 * z2) / t.n2
    return z1 - z2, v1 + v2


Formula = Callable[[Tables, str], tuple[Floats, Floats]]
# measure -> (formula, what is added to the cells unless the caller says otherwise, kinds of variance)
FORMULAS: dict[str, tuple[Formula, float, tuple[str, ...]]] = {
    "OR": (_log_odds, 0.5, ("LS",)),
    "RR": (_log_risk, 0.5, ("LS",)),
    "RD": (_risk_difference, 0.5, ("LS", "UB", "AV")),
    "AS": (_arcsine, 0.0, ("LS",)),
    "PETO": (_peto, 0.5, ("LS",)),
    "PHI": (_phi, 0.0, ("LS",)),
    "YUQ": (partial(_yule, root=1.0), 0.5, ("LS",)),
    "YUY": (partial(_yule, root=0.5), 0.5, ("LS",)),
    "OR2DN": (partial(_scaled_log_odds, by=1 / 1.65), 0.5, ("LS",)),
    "OR2DL": (partial(_scaled_log_odds, by=float(np.sqrt(3) / np.pi)), 0.5, ("LS",)),
    "PBIT": (_probit, 0.5, ("LS",)),
}


def two_groups(
    measure: str,
    *,
    ai: ArrayLike | None = None,
    bi: ArrayLike | None = None,
    ci: ArrayLike | None = None,
    di: ArrayLike | None = None,
    n1i: ArrayLike | None = None,
    n2i: ArrayLike | None = None,
    add: float | None = None,
    to: To = "only0",
    drop00: bool = False,
    vtype: str = "LS",
    rule: Literal["metafor", "meta"] = "metafor",
) -> EffectSizes:
    """Two groups compared: OR, RR, PETO (logs), RD, AS (arcsine difference), PHI, YUQ, YUY, OR2DN, OR2DL, PBIT.

    ai, bi : with and without the event in the first group (or ai with its size n1i); ci, di (or n2i) in the second;
        counts, shape (k,).
    add : added to each cell of the studies that `to` names ("only0": those with an empty cell, "if0all": all when any
        has one, "all", "none"); default 0.5 (AS and PHI: 0, they need none).
    drop00 : studies without events (or with events only) in both groups get no value.
    vtype : "LS" large sample; RD also "AV" with the mean shares and "UB" unbiased.
    rule : how R's packages differ where cells are corrected. "metafor": in each cell of the table. "meta": RR in the
        events alone (the group grows by as much), RD in its variance alone.
    A study without a finite value has NaN, and its note says why.
    Raises InputError. Source: Viechtbauer 2010, doi:10.18637/jss.v036.i03 (escalc); AS: Ruecker et al. 2009,
    doi:10.1002/sim.3511; PETO: Yusuf et al. 1985, doi:10.1016/S0033-0620(85)80003-7.
    """
    formula, usual, kinds = FORMULAS[measure]
    if rule not in ("metafor", "meta"):
        raise InputError(f"no rule is named {rule!r}", where="rule", hint="metafor or meta")
    if vtype not in kinds:
        raise InputError(f"{measure} has no vtype {vtype!r}", where="vtype", hint=", ".join(kinds))
    given = tables(ai, bi, ci, di, n1i, n2i)
    amount = amount_of(add, usual)
    # escalc: a study that is dropped is not corrected either
    dropped = given.one_sided if drop00 else np.zeros(len(given.a), dtype=bool)
    hit = to_correct(given.empty & ~dropped, to) & ~dropped
    used = given.plus(np.asarray(amount * hit, dtype=np.float64))
    with np.errstate(all="ignore"):
        yi, vi = formula(used, vtype)
        if rule == "meta" and measure == "RD":
            yi = given.p1 - given.p2
        elif rule == "meta" and measure == "RR":
            more = amount * hit
            yi, vi = formula(Tables(given.a + more, given.b, given.c + more, given.d), vtype)
        yi, vi = finite(yi, vi)
    yi[dropped] = vi[dropped] = np.nan
    return EffectSizes(
        measure=measure,
        yi=frozen(yi),
        vi=frozen(vi),
        basis=("counts",) * len(yi),
        notes=notes_of(yi, vi, hit, dropped, amount),
    )


for _name in FORMULAS:
    MEASURES.register(_name)(partial(two_groups, _name))
