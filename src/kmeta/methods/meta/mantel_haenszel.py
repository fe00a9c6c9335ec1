"""Pooling tables without weighting by their own variances: Mantel-Haenszel, Cochran's for rates, Peto's one-step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.methods.effects.effect_sizes import EffectSizes, effect_sizes
from kmeta.methods.effects.rates import PersonTime, person_time
from kmeta.methods.effects.two_by_two import Tables, tables
from kmeta.methods.effects.zero_cells import amount_of, to_correct
from kmeta.methods.meta.distributions import chi2_tail, quantile, two_sided
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.inputs import labels_of, level_of

Pair = tuple[Any, Any]
CELLS = ("ai", "bi", "ci", "di", "n1i", "n2i")
RATES = ("x1i", "t1i", "x2i", "t2i")
VARIANCES = {"RD": ("sato", "greenland")}


@dataclass(frozen=True, kw_only=True, eq=False)
class TableFit(MetaFit):
    """A `MetaFit` with one true effect. q, i2, h2 are of the studies' own estimates `yi` about it.

    `k_tables`: tables that were pooled; `yi` holds those with an estimate of their own. `cmh`: Cochran-Mantel-Haenszel
    test (OR) or its like for rates (IRR), chi2 with 1 df. `breslow_day`, `tarone` (OR): tests of one common odds ratio
    on `homogeneity_df`. `weights` in percent, one a
    table, of `weight_total`.
    """

    k_tables: int
    weight_total: float = math.nan
    cmh: float = math.nan
    cmh_p: float = math.nan
    breslow_day: float = math.nan
    breslow_day_p: float = math.nan
    tarone: float = math.nan
    tarone_p: float = math.nan
    homogeneity_df: int = 0
    table_labels: tuple[str, ...] = ()
    counts: dict[str, Floats] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def again(self, rows: Sequence[int]) -> MetaFit:
        """The same method on the studies `rows` of those in `labels`."""
        wanted = [self.table_labels.index(self.labels[i]) for i in rows]
        columns: dict[str, Any] = {name: values[wanted] for name, values in self.counts.items()}
        options = self.options | {"labels": [self.table_labels[i] for i in wanted]}
        if self.method == "Peto":
            return peto(**columns, **options)
        return mantel_haenszel(self.measure, **columns, **options)

    def r_script(self) -> str:
        """R code with the counts inline: metafor's rma.mh or rma.peto call, meta's metainc for Cochran's weights."""
        from kmeta.methods.meta.r_script import text, vector

        package = "meta" if self.method == "Cochran" else "metafor"
        lines = [f"library({package})", "", "dat <- data.frame("]
        lines += [f"  {name} = {vector(map(repr, values.tolist()))}," for name, values in self.counts.items()]
        lines += [f"  label = {vector(map(text, self.table_labels))})", ""]
        if self.method == "Cochran":
            lines.append('res <- metainc(x1i, t1i, x2i, t2i, data = dat, studlab = label, sm = "IRR",')
            lines.append(f'  method = "Cochran", random = FALSE, level.ma = {self.level:g})')
            lines += ["print(res)", f"# kmeta: mu {self.mu!r}, se {self.se!r}"]
            return "\n".join(lines) + "\n"
        names = ", ".join(f"{name} = {name}" for name in self.counts)
        level, call = f"level = {100 * self.level:g}", "rma.peto("
        if self.method == "MH":
            correct = str(self.options["correct"]).upper()
            call, level = f'rma.mh(measure = "{self.measure}", ', f"correct = {correct}, {level}"
        for name, own in (("add", 0.5), ("to", "only0"), ("drop00", True)):
            pair = self.options[name] if self.method == "MH" else (own, self.options[name])
            level += f", {name} = c({', '.join(_r_value(value) for value in pair)})"
        lines += [f"res <- {call}{names}, data = dat, slab = label,", f"  {level})", "print(res)"]
        lines.append(f"# kmeta: mu {self.mu!r}, se {self.se!r}")
        return "\n".join(lines) + "\n"

    def summary(self) -> str:
        """As a `MetaFit`, with the tests of the tables."""
        lines = [super().summary(), f"Method: {self.method}, {self.k_tables} tables"]
        if not math.isnan(self.cmh):
            lines.append(f"Cochran-Mantel-Haenszel test: chi2(1) = {self.cmh:.3f}, P = {self.cmh_p:.4f}")
        if not math.isnan(self.tarone):
            test = f"chi2({self.homogeneity_df}) = {self.tarone:.3f}, P = {self.tarone_p:.4f}"
            lines.append(f"Tarone's test of one odds ratio: {test}")
        return "\n".join(lines)


def _r_value(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return str(value).upper() if isinstance(value, bool) else repr(value)


def mantel_haenszel(
    measure: str,
    *,
    add: Pair = (0.5, 0.0),
    to: Pair = ("only0", "none"),
    drop00: Pair = (True, False),
    correct: bool = True,
    variance: str = "sato",
    weighting: str = "mh",
    level: float = 0.95,
    labels: Sequence[str] | None = None,
    **columns: ArrayLike,
) -> TableFit:
    """Mantel-Haenszel pooling of two groups: OR, RR (logs), RD from tables; IRR (log), IRD from person-time.

    columns : `ai`, `bi`, `ci`, `di` (or `n1i`, `n2i` for `bi`, `di`), or `x1i`, `t1i`, `x2i`, `t2i`; shape (k,).
    add, to, drop00 : pairs; the first are for the studies' own estimates (as in `effect_sizes`), the second for the
        pooling, which needs no correction. The meta package corrects both: add=(0.5, 0.5), to=("only0", "only0").
    correct : continuity correction of the Cochran-Mantel-Haenszel test.
    variance : of RD, "sato", or "greenland" (the meta package's, where a correction spares the differences).
    weighting : "mh", or for IRR "cochran": the mean of the studies' own log rate ratios, weighted by the events that
        the first group would have at the rate of the second, with the error of the ratio of the two totals of events.
    Raises InputError, also when the pooled value is not finite.
    Sources: Mantel & Haenszel 1959; Robins, Breslow & Greenland 1986, doi:10.2307/2531052; Greenland & Robins 1985,
    doi:10.2307/2530643; Sato, Greenland & Robins 1989, doi:10.2307/2531488; Breslow & Day 1980; Tarone 1985,
    doi:10.1093/biomet/72.1.91; Rothman, Greenland & Lash 2008 (rates); Bayne-Jones et al. 1964, Smoking and Health,
    chapter 8 (Cochran's weights).

    >>> fit = mantel_haenszel("OR", ai=[4, 6], n1i=[123, 306], ci=[11, 29], n2i=[139, 303])
    >>> round(fit.effect, 3), round(fit.cmh, 2), fit.k_tables
    (0.241, 16.92, 2)
    """
    options = {
        "add": add,
        "to": to,
        "drop00": drop00,
        "correct": correct,
        "variance": variance,
        "weighting": weighting,
        "level": level,
    }
    if variance not in ("sato", "greenland"):
        raise InputError(f"no variance is named {variance!r}", where="variance", hint="sato or greenland")
    if weighting not in ("mh", "cochran"):
        raise InputError(f"no weighting is named {weighting!r}", where="weighting", hint="mh or cochran")
    if weighting == "cochran" and measure != "IRR":
        raise InputError("Cochran's weights are for rate ratios", where="weighting", hint='measure="IRR"')
    for name in ("add", "to", "drop00"):
        if not isinstance(options[name], (tuple, list)) or len(options[name]) != 2:  # type: ignore[arg-type]
            raise InputError("is not a pair", where=name, hint="one for the studies, one for the pooling")
    kind = {"OR": CELLS, "RR": CELLS, "RD": CELLS, "IRR": RATES, "IRD": RATES}.get(measure)
    if kind is None:
        raise InputError(
            f"no Mantel-Haenszel method for {measure!r}", where="measure", hint="OR, RR, RD, IRR, IRD"
        )
    _refuse_others(columns, kind, measure)
    given = {name: columns.get(name) for name in kind}
    own = effect_sizes(measure, **columns, add=add[0], to=to[0], drop00=bool(drop00[0]))
    if kind == CELLS:
        cells = tables(**given)
        keep = ~cells.one_sided if drop00[1] else np.ones(len(cells.a), dtype=bool)
        kept = cells.where(keep)
        counts = {"ai": cells.a, "bi": cells.b, "ci": cells.c, "di": cells.d}
        hit = to_correct(kept.empty, to[1])
        used = kept.plus(np.asarray(amount_of(add[1], 0.0) * hit, dtype=np.float64))
        with np.errstate(all="ignore"):
            mu, se, weights = _pool_tables(measure, used, variance, kept)
        _finite(mu, se)
        tests = _table_tests(used, mu, correct) if measure == "OR" else {}
    else:
        times = person_time(**given)
        counts = {"x1i": times.x1, "t1i": times.t1, "x2i": times.x2, "t2i": times.t2}
        keep = ~((times.x1 == 0) & (times.x2 == 0)) if drop00[1] else np.ones(len(times.x1), dtype=bool)
        hit = to_correct((times.x1[keep] == 0) | (times.x2[keep] == 0), to[1])
        more = amount_of(add[1], 0.0) * hit
        people = PersonTime(times.x1[keep] + more, times.t1[keep], times.x2[keep] + more, times.t2[keep])
        with np.errstate(all="ignore"):
            if weighting == "cochran":
                mu, se, weights = _pool_by_expected(people, np.asarray(own.yi)[keep])
            else:
                mu, se, weights = _pool_rates(measure, people)
        _finite(mu, se)
        tests = _rate_test(people, correct) if measure == "IRR" and weighting == "mh" else {}
    names = labels_of(labels, len(own.yi))
    method = "Cochran" if weighting == "cochran" else "MH"
    return _fit(method, measure, own, mu, se, weights, int(keep.sum()), names, counts, options, tests)


def _finite(mu: float, se: float) -> None:
    if not (math.isfinite(mu) and math.isfinite(se) and se > 0):
        raise InputError(
            "no events in one of the groups of all studies: the pooled value or its error is not finite",
            where="columns",
            hint='add=(0.5, 0.5), to=("only0", "only0") corrects the cells; RD and IRD need events in one group',
        )


def _refuse_others(columns: dict[str, Any], kind: tuple[str, ...], measure: str) -> None:
    for name in columns:
        if name not in kind:
            raise InputError(f"{measure} has no column {name!r}", where="columns", hint=", ".join(kind))


def _pool_tables(measure: str, t: Tables, variance: str, raw: Tables) -> tuple[float, float, Floats]:
    n = t.n
    if measure == "OR":
        agree, differ = (t.a + t.d) / n, (t.b + t.c) / n
        r, s = t.a * t.d / n, t.b * t.c / n
        total_r, total_s = r.sum(), s.sum()
        parts = (
            (agree * r).sum() / (2 * total_r**2)
            + (agree * s + differ * r).sum() / (2 * total_r * total_s)
            + (differ * s).sum() / (2 * total_s**2)
        )
        return float(np.log(total_r / total_s)), float(np.sqrt(parts)), s
    r, s = t.a * t.n2 / n, t.c * t.n1 / n
    if measure == "RR":
        spread = ((t.n1 * t.n2 * (t.a + t.c) - t.a * t.c * n) / n**2).sum()
        return float(np.log(r.sum() / s.sum())), float(np.sqrt(spread / (r.sum() * s.sum()))), s
    weights = t.n1 * t.n2 / n
    total = weights.sum()
    mu = float((r - s).sum() / total)
    if variance == "greenland":  # the meta package corrects the weights and the variance, not the differences
        mu = float((weights * (raw.p1 - raw.p2)).sum() / total)
        parts = (t.a * t.b * t.n2**3 + t.c * t.d * t.n1**3) / (t.n1 * t.n2 * n**2)
        return mu, float(np.sqrt(parts.sum()) / total), weights
    p = (t.n1**2 * t.c - t.n2**2 * t.a + t.n1 * t.n2 * (t.n2 - t.n1) / 2) / n**2
    q = (t.a * t.d + t.b * t.c) / (2 * n)
    return mu, float(np.sqrt(mu * p.sum() + q.sum()) / total), weights


def _pool_rates(measure: str, g: PersonTime) -> tuple[float, float, Floats]:
    both = g.t1 + g.t2
    r, s = g.x1 * g.t2 / both, g.x2 * g.t1 / both
    weights = g.t1 * g.t2 / both
    if measure == "IRR":
        spread = (g.t1 * g.t2 * (g.x1 + g.x2) / both**2).sum()
        return float(np.log(r.sum() / s.sum())), float(np.sqrt(spread / (r.sum() * s.sum()))), s
    variance = (weights**2 * (g.x1 / g.t1**2 + g.x2 / g.t2**2)).sum()
    return float((r - s).sum() / weights.sum()), float(np.sqrt(variance) / weights.sum()), weights


def _pool_by_expected(g: PersonTime, own: Floats) -> tuple[float, float, Floats]:
    """Log rate ratios `own`, shape (k,), weighted by expected events; a study without weight has no say."""
    weights = g.x2 * g.t1 / g.t2
    used = weights > 0
    mu = float((weights[used] * own[used]).sum() / weights.sum())
    return mu, float(np.sqrt(1 / g.x1.sum() + 1 / g.x2.sum())), weights


def _rate_test(g: PersonTime, correct: bool) -> dict[str, Any]:
    both, events = g.t1 + g.t2, g.x1 + g.x2
    excess = abs(float((g.x1 - events * g.t1 / both).sum())) - (0.5 if correct else 0.0)
    cmh = excess**2 / float((events * g.t1 * g.t2 / both**2).sum())
    return {"cmh": cmh, "cmh_p": chi2_tail(cmh, 1)}


def _table_tests(t: Tables, mu: float, correct: bool) -> dict[str, Any]:
    """Of no effect (Cochran-Mantel-Haenszel) and of one odds ratio (Breslow-Day, Tarone)."""
    expected, variance = t.hypergeometric
    usable = np.isfinite(variance)
    excess = abs(float((t.a - expected)[usable].sum())) - (0.5 if correct else 0.0)
    cmh = excess**2 / float(variance[usable].sum())
    events = t.a + t.c
    informative = (events > 0) & (events < t.n)
    df = int(informative.sum()) - 1
    found: dict[str, Any] = {"cmh": cmh, "cmh_p": chi2_tail(cmh, 1)}
    if df < 1 or not math.isfinite(mu):
        return found
    part = t.where(informative)
    a = _expected_events(part, math.exp(mu))
    rest = (part.n1 - a, part.a + part.c - a, part.n2 - part.a - part.c + a)
    spread = 1 / (1 / a + sum(1 / cell for cell in rest))
    day = float(((part.a - a) ** 2 / spread).sum())
    tarone = day - float((part.a - a).sum()) ** 2 / float(spread.sum())
    return found | {
        "breslow_day": day,
        "breslow_day_p": chi2_tail(day, df),
        "tarone": tarone,
        "tarone_p": chi2_tail(tarone, df),
        "homogeneity_df": df,
    }


def _expected_events(t: Tables, odds: float) -> Floats:
    """Events of the first group that give each table the odds ratio `odds` with its margins."""
    events = t.a + t.c
    lead, middle, last = 1 - odds, odds * (events + t.n1) + t.n2 - events, -odds * events * t.n1
    if abs(lead) < 1e-12:
        return events * t.n1 / t.n
    # the root without cancellation
    root = np.sqrt(middle**2 - 4 * lead * last)
    return -2 * last / (middle + root)


def peto(
    *,
    add: float = 0.0,
    to: str = "none",
    drop00: bool = False,
    level: float = 0.95,
    labels: Sequence[str] | None = None,
    **columns: ArrayLike,
) -> TableFit:
    """Peto's one-step log odds ratio: sum of observed less expected events over the sum of their variances.

    columns : `ai`, `bi`, `ci`, `di` (or `n1i`, `n2i` for `bi`, `di`); shape (k,). add, to, drop00 : as in
        `effect_sizes`; the method needs no correction. For rare events and small effects in groups of like size.
    Raises InputError, also when no table tells anything.
    Source: Yusuf, Peto, Lewis et al. 1985, doi:10.1016/S0033-0620(85)80003-7.

    >>> round(peto(ai=[4, 6], n1i=[123, 306], ci=[11, 29], n2i=[139, 303]).effect, 3)
    0.289
    """
    _refuse_others(columns, CELLS, "PETO")
    cells = tables(**{name: columns.get(name) for name in CELLS})
    own = effect_sizes("PETO", **columns, add=add, to=to, drop00=drop00)
    keep = ~cells.one_sided if drop00 else np.ones(len(cells.a), dtype=bool)
    kept = cells.where(keep)
    used = kept.plus(np.asarray(amount_of(add, 0.0) * to_correct(kept.empty, to), dtype=np.float64))
    expected, variance = used.hypergeometric
    variance = np.where(np.isfinite(variance), variance, 0.0)
    total = float(variance.sum())
    if not total > 0:
        raise InputError(
            "no table with events and others in both margins", where="columns", hint="pool others"
        )
    mu = float((used.a - expected)[variance > 0].sum()) / total
    counts = {"ai": cells.a, "bi": cells.b, "ci": cells.c, "di": cells.d}
    options = {"add": add, "to": to, "drop00": drop00, "level": level}
    names = labels_of(labels, len(own.yi))
    return _fit("Peto", "PETO", own, mu, total**-0.5, variance, int(keep.sum()), names, counts, options, {})


def _fit(
    method: str,
    measure: str,
    own: EffectSizes,
    mu: float,
    se: float,
    weights: Floats,
    k_tables: int,
    names: tuple[str, ...],
    counts: dict[str, Floats],
    options: dict[str, Any],
    tests: dict[str, Any],
) -> TableFit:
    level = level_of(options["level"])
    usable = np.flatnonzero(np.isfinite(own.yi) & np.isfinite(own.vi) & (own.vi > 0))
    yi, vi = own.yi[usable], own.vi[usable]
    q = float(((yi - mu) ** 2 / vi).sum())
    df = max(0, len(usable) - 1)
    crit = quantile(level, math.inf)
    left = [names[i] for i in range(len(names)) if i not in set(usable.tolist())]
    warnings: tuple[str, ...] = (
        ("no estimate of their own, not in the test of heterogeneity: " + ", ".join(left),) if left else ()
    )
    if k_tables == 1:
        warnings += ("one table: nothing is pooled",)
    return TableFit(
        yi=frozen(yi),
        vi=frozen(vi),
        measure=measure,
        method=method,
        test="z",
        level=level,
        mu=mu,
        se=se,
        ci_low=mu - crit * se,
        ci_high=mu + crit * se,
        pi_low=math.nan,
        pi_high=math.nan,
        statistic=mu / se,
        df=math.inf,
        p_value=two_sided(mu / se, math.inf),
        tau2=0.0,
        tau2_low=math.nan,
        tau2_high=math.nan,
        i2=max(0.0, (q - df) / q) if q > 0 and df else 0.0,
        h2=q / df if df else math.nan,
        q=q,
        q_df=df,
        q_p=chi2_tail(q, df),
        weights=frozen(100 * weights / weights.sum()),
        labels=tuple(names[i] for i in usable),
        model="common",
        sigma2=(0.0,),
        warnings=warnings,
        k_tables=k_tables,
        weight_total=float(weights.sum()),
        table_labels=names,
        counts={name: frozen(values) for name, values in counts.items()},
        options=options,
        **tests,
    )
