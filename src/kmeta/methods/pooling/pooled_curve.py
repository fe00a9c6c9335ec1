"""The summary survival curve of several studies, without assuming the shape of a distribution."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.methods.meta.distributions import chi2_tail, quantile
from kmeta.methods.meta.inputs import level_of, within_precision
from kmeta.methods.pooling.curve_inputs import GriddedCurves, StudyCurve, grid_of, on_grid, study_curves
from kmeta.methods.pooling.curve_model import CurveModel, fit_curves
from kmeta.methods.pooling.curve_result import ClassTest, PooledCurve, limits_df
from kmeta.methods.pooling.curve_summaries import band, class_test, crossing, restricted_mean

THIN_STUDIES, THIN_SHARE = 3, 0.1
LEAST_FOR_PREDICTION = 3


@within_precision
def pooled_curve(
    curves: Any,
    *,
    times: ArrayLike | None = None,
    groups: Mapping[str, str] | Sequence[str] | None = None,
    method: str = "random",
    test: str = "t",
    level: float = 0.95,
    interval: str = "log-log",
    correction: bool = True,
    rmst_to: float | None = None,
    n_risk_at: str | None = None,
) -> PooledCurve:
    """Pool the survival curves of several studies without assuming a distribution.

    curves : `kaplan_meier` curves (a list, or a mapping of study to curve), or rows (study, time, survival, n_risk) as
        tuples, dicts, a mapping of columns or a data frame. survival is a fraction; one unit of time for all.
    n_risk_at : what n_risk of a row counts: "interval" the patients in the interval that ends at the row's time, "time"
        those at risk at the time itself (each study then needs a row at time 0). None: "time" for studies with a row at
        time 0, else "interval".
    times : the common grid. None takes the reported times where every study reports them all to its end (up to 60), or
        where there are no more than 12; else 12 equal steps to the last time that three studies reach. Kaplan-Meier
        curves are read as steps; between reported rows the hazard is constant, so that studies need not report the
        same times. Each study counts to its own end.
    groups : the class of each study: a mapping, or one label a study in order of appearance. Adds `by_class` and the
        test of a difference, which is an association.
    method : "random", multivariate DerSimonian-Laird over the intervals, or "common".
    test : "t", confidence limits of the random curve with studies less one degrees of freedom, or "z" (as in the
        source), which hold the truth too seldom with few studies (87 % with five, in a simulation). The prediction
        band takes t with one less than the studies at that time, and never rises.
    interval : scale of the bands, "log-log" or "log" (as in the source).
    correction : 0.25 and 0.5 added as in the source; without it the variances are 1 / (4 n), and the survival comes out
        too high where small studies have intervals without an event. One study is reported as it is, without.
    rmst_to : horizon of the restricted mean; None takes the last time of the grid.
    Raises InputError, naming the row, for curves that cannot be.
    Source: Combescure, Foucher & Jackson 2014, doi:10.1002/sim.6111.

    >>> rows = [("A", 6, 0.9, 40), ("A", 12, 0.7, 35), ("B", 6, 0.8, 60), ("B", 12, 0.5, 48), ("C", 6, 0.85, 30)]
    >>> found = pooled_curve(rows)
    >>> found.survival.round(2).tolist(), found.studies, found.thin
    ([0.85, 0.59], (3, 2), (False, True))
    """
    level = level_of(level)
    if method not in ("random", "common"):
        raise InputError(f"no method is named {method!r}", where="method", hint="random or common")
    if test not in ("t", "z"):
        raise InputError(f"no test is named {test!r}", where="test", hint="t or z")
    if interval not in ("log-log", "log"):
        raise InputError(f"no interval is named {interval!r}", where="interval", hint="log-log or log")
    if n_risk_at not in (None, "interval", "time"):
        raise InputError(f"n_risk_at is {n_risk_at!r}", where="n_risk_at", hint="interval, time or None")
    studies = study_curves(curves, n_risk_at)
    grid = grid_of(studies, times)
    options = {
        "method": method,
        "test": test,
        "level": level,
        "interval": interval,
        "correction": correction,
        "rmst_to": rmst_to,
    }
    whole = fit_gridded(on_grid(studies, grid), options)
    if groups is None:
        return whole
    return _with_classes(whole, studies, _classes(groups, studies), grid, options)


def fit_gridded(data: GriddedCurves, options: Mapping[str, Any], name: str = "") -> PooledCurve:
    """Pool studies that stand on one grid; `options` are those of `pooled_curve`."""
    k, time = len(data.labels), data.time
    random = options["method"] == "random" and k > 1
    model = fit_curves(
        data.survival, data.n_risk, correction=bool(options["correction"]) and k > 1, random=random
    )
    level, scale = options["level"], options["interval"]
    survival, z = model.survival, quantile(level, limits_df(k, options["test"], options["method"]))
    se = np.sqrt(model.log_variance())
    low, high = band(survival, se, z, scale)
    seen = np.isfinite(data.survival).sum(axis=0)
    crit = np.array([quantile(level, float(m - 1)) if m >= LEAST_FOR_PREDICTION else math.nan for m in seen])
    if not random:
        crit = np.full(len(time), math.nan)
    pi_low, pi_high = band(survival, np.sqrt(model.log_variance(prediction=True)), crit, scale)
    pi_low, pi_high = _falling(pi_low, pi_high, np.isfinite(crit))
    to = float(time[-1]) if options["rmst_to"] is None else float(options["rmst_to"])
    mean, mean_se, new_se = restricted_mean(model, time, to)
    spread = quantile(level, float(k - 1)) * new_se if random and k >= LEAST_FOR_PREDICTION else math.nan
    n_risk = np.nansum(data.n_risk, axis=0)
    thin = (seen < THIN_STUDIES) | (n_risk < THIN_SHARE * n_risk[0])
    q, q_df = _cochran(model)
    return PooledCurve(
        time=time,
        survival=frozen(survival),
        se=frozen(se),
        ci_low=frozen(low),
        ci_high=frozen(high),
        pi_low=frozen(pi_low),
        pi_high=frozen(pi_high),
        studies=tuple(int(m) for m in seen),
        n_risk=frozen(n_risk),
        thin=tuple(bool(flag) for flag in thin),
        method=options["method"],
        test=options["test"],
        level=level,
        interval=scale,
        correction=bool(options["correction"]),
        labels=data.labels,
        study_survival=data.survival,
        study_n_risk=data.n_risk,
        fitted=model,
        q=q,
        q_df=q_df,
        q_p=chi2_tail(q, q_df),
        median=(crossing(time, survival), crossing(time, low), crossing(time, high)),
        rmst_to=to,
        rmst=(mean, max(0.0, mean - z * mean_se), min(to, mean + z * mean_se)),
        rmst_se=mean_se,
        rmst_pi=(max(0.0, mean - spread), min(to, mean + spread))
        if spread == spread
        else (math.nan, math.nan),
        name=name,
        warnings=_warnings(data, k, options, thin, to),
    )


def _falling(low: Floats, high: Floats, known: np.ndarray[Any, Any]) -> tuple[Floats, Floats]:
    """Prediction limits widened where fewer studies would make them rise: no survival curve does. NaN if not known."""
    wide_low, wide_high = np.full(len(low), math.nan), np.full(len(high), math.nan)
    wide_low[known] = np.minimum.accumulate(low[known])
    wide_high[known] = np.maximum.accumulate(high[known][::-1])[::-1]
    return wide_low, wide_high


def _cochran(model: CurveModel) -> tuple[float, int]:
    """Q over all times around the common curve, and its degrees of freedom: points less times."""
    seen = np.isfinite(model.y)
    w = np.where(seen, 1 / np.where(seen, model.v, 1.0), 0.0)
    y = np.where(seen, model.y, 0.0)
    mean = (w * y).sum(axis=0) / w.sum(axis=0)
    return float((w * (y - mean) ** 2).sum()), int(seen.sum() - y.shape[1])


def _warnings(
    data: GriddedCurves, k: int, options: Mapping[str, Any], thin: np.ndarray[Any, Any], to: float
) -> tuple[str, ...]:
    said = []
    if data.dropped:
        said.append("followed less than to the first time, left out: " + ", ".join(data.dropped))
    if k == 1:
        said.append("one study: its own curve, nothing is pooled")
    elif k < LEAST_FOR_PREDICTION and options["method"] == "random":
        said.append("two studies: the heterogeneity is hardly known and no prediction band is given")
    if thin.any() and not thin.all():
        first = float(data.time[int(np.argmax(thin))])
        said.append(f"from {first:g} on the curve is carried by fewer than 3 studies or 10 % of the patients")
        if to > first:
            said.append(f"the restricted mean to {to:g} rests on that part")
    return tuple(said)


def _classes(groups: Mapping[str, str] | Sequence[str], studies: Sequence[StudyCurve]) -> tuple[str, ...]:
    labels = [curve.label for curve in studies]
    if isinstance(groups, Mapping):
        missing = [label for label in labels if label not in groups]
        if missing:
            raise InputError(
                f"no class is given for {missing[0]!r}", where="groups", hint="one for each study"
            )
        return tuple(str(groups[label]) for label in labels)
    if isinstance(groups, str) or len(groups) != len(labels):
        raise InputError(
            f"{len(groups)} classes for {len(labels)} studies",
            where="groups",
            hint="one label a study, in order of first appearance, or a mapping",
        )
    return tuple(str(group) for group in groups)


def _with_classes(
    whole: PooledCurve,
    studies: Sequence[StudyCurve],
    classes: tuple[str, ...],
    grid: Floats,
    options: Mapping[str, Any],
) -> PooledCurve:
    """The curve with those of its classes; without a horizon asked for, the means run to the shortest class."""
    gridded = {
        name: on_grid([c for c, own in zip(studies, classes, strict=True) if own == name], grid)
        for name in dict.fromkeys(classes)
    }
    shortest = min(float(data.time[-1]) for data in gridded.values())
    to = shortest if options["rmst_to"] is None else options["rmst_to"]
    parts = tuple(fit_gridded(data, {**options, "rmst_to": to}, name) for name, data in gridded.items())
    return dataclasses.replace(whole, by_class=parts, class_test=_test(parts))


def _test(parts: Sequence[PooledCurve]) -> ClassTest | None:
    """The test of the classes with two studies or more, at times where each has two and a tenth of its patients."""
    tested = [part for part in parts if part.k >= 2]
    if len(tested) < 2:
        return None
    p = min(len(part.time) for part in tested)
    usable = [
        i
        for i in range(p)
        if all(
            part.studies[i] >= 2
            and part.n_risk[i] >= THIN_SHARE * part.n_risk[0]
            and 0 < part.survival[i] < 1
            and part.se[i] > 0
            for part in tested
        )
    ]
    if not usable:
        return None
    f, df, rest, p_value, picked = class_test(
        [part.fitted for part in tested], sum(part.k for part in tested), usable
    )
    return ClassTest(
        classes=tuple(part.name for part in tested),
        times=tuple(float(tested[0].time[i]) for i in picked),
        statistic=f,
        df=(df, rest),
        p_value=p_value,
    )
