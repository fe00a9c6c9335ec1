"""Rank correlation for small-study effects in 2x2 tables, also where events are rare."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.methods.meta.count_likelihoods import hypergeometric
from kmeta.methods.meta.rank_test import LARGEST, RankTest, correlated, ranktest
from kmeta.methods.meta.small_study import need_three
from kmeta.methods.meta.small_study_tables import checked_tables, left_out, log_odds_ratio

SUPPORT = 20_000_000  # possible counts of all tables together


def ranktest_2x2(
    ai: ArrayLike,
    n1i: ArrayLike,
    ci: ArrayLike,
    n2i: ArrayLike,
    *,
    method: str = "Schwarzer",
    odds_ratio: float | None = None,
    exact: bool | None = None,
) -> RankTest:
    """Rank test of small-study effects for `ai` events of `n1i` against `ci` of `n2i`, arrays of shape (k,), k >= 3.

    method : "Schwarzer" standardises the events by the mean and variance they have when the margins are fixed and the
        odds ratio is common, and ranks them with the inverse of that variance: fit for rare events, and empty cells
        need no correction. "Begg" is `ranktest` of log odds ratios, with 1/2 in all cells of a table with an empty one.
    odds_ratio : the common odds ratio of "Schwarzer", > 0; None takes the Mantel-Haenszel one. (R's meta takes the
        Mantel-Haenszel one after adding 1/2 to all cells of tables with an empty one.)
    exact : as in `ranktest`.
    A table with no events, or only events, tells nothing and is left out with a warning. The sign is that of
    `ranktest`: below 0 where small studies have the smaller odds ratios.
    Raises InputError for counts that are none, for fewer than 3 tables that tell something, where one of the groups
    has no events in any table and `odds_ratio` is None, and for exact=True where it cannot be had.
    Sources: Schwarzer, Antes & Schumacher 2007, doi:10.1002/sim.2588; Begg & Mazumdar 1994, doi:10.2307/2533446;
    Mantel & Haenszel 1959, doi:10.1093/jnci/22.4.719.

    >>> found = ranktest_2x2([4, 6, 3, 62], [123, 306, 231, 13598], [11, 29, 11, 248], [139, 303, 220, 12867])
    >>> round(found.tau, 4), found.score
    (0.6667, 4.0)
    """
    if method not in ("Schwarzer", "Begg"):
        raise InputError(f"no method is named {method!r}", where="method", hint="one of Schwarzer, Begg")
    if method == "Begg" and odds_ratio is not None:
        raise InputError("Begg's test takes no common odds ratio", where="odds_ratio", hint="None")
    a, n1, c, n2 = checked_tables(ai, n1i, ci, n2i)
    tells = (a + c > 0) & (a + c < n1 + n2)
    a, n1, c, n2 = a[tells], n1[tells], c[tells], n2[tells]
    need_three(len(a), "ranktest_2x2")
    if len(a) > LARGEST:
        raise InputError(f"{len(a)} tables; at most {LARGEST}", where="ai")
    notes = left_out(tells)
    if method == "Begg":
        found = ranktest(*log_odds_ratio(a, n1, c, n2), exact=exact)
        return replace(found, warnings=(*notes, *found.warnings))
    excess, variance = _given_margins(a, n1, c, n2, _common(a, n1, c, n2, odds_ratio))
    return correlated(excess / np.sqrt(variance), 1 / variance, exact=exact, warnings=notes)


def _common(a: Floats, n1: Floats, c: Floats, n2: Floats, given: float | None) -> float:
    """The log of the common odds ratio."""
    if given is not None:
        if isinstance(given, str) or not (math.isfinite(given) and given > 0):
            raise InputError(f"{given!r} is no odds ratio", where="odds_ratio", hint="a number above 0")
        return math.log(given)
    n = n1 + n2
    agree, differ = float((a * (n2 - c) / n).sum()), float(((n1 - a) * c / n).sum())
    if not (agree > 0 and differ > 0):
        raise InputError(
            "the Mantel-Haenszel odds ratio is 0 or infinite", where="ai", hint="give odds_ratio"
        )
    return math.log(agree / differ)


def _given_margins(a: Floats, n1: Floats, c: Floats, n2: Floats, log_odds: float) -> tuple[Floats, Floats]:
    """(observed less expected events of the first group, their variance) with all margins fixed; shape (k,) each."""
    counts = np.concatenate([a, n1, c, n2])
    if (counts != np.floor(counts)).any():
        raise InputError("holds a count that is not whole", where="ai", hint='method="Begg" takes fractions')
    if float(np.minimum(n1, a + c).sum()) > SUPPORT:
        raise InputError("the tables are too large for exact moments", where="ai", hint='method="Begg"')
    at = np.full((len(a), 1, 1), log_odds)
    _, first, second = hypergeometric(a, n1, a + c, n2).curve(at)
    variance = -second[:, 0, 0]
    if not (variance > 0).all():
        raise InputError(
            "the odds ratio is too extreme: a table's events have no variance", where="odds_ratio"
        )
    return first[:, 0, 0], variance
