"""A pooled curve in words, and as an R call."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from kmeta.core.numbers import p_phrase
from kmeta.methods.meta.r_script import vector

if TYPE_CHECKING:
    from kmeta.methods.pooling.curve_result import PooledCurve


def summary(curve: PooledCurve) -> str:
    """The curve as a methodologist expects it printed."""
    percent = f"{100 * curve.level:g}%"
    model = "Random-effects" if curve.method == "random" else "Common-effect"
    lines = [
        f"{model} summary survival curve of {curve.k} studies" + (f": {curve.name}" if curve.name else ""),
        f"Median: {_three(curve.median, percent)}",
        f"Restricted mean to {curve.rmst_to:g}: {_three(curve.rmst, percent)}",
    ]
    if not math.isnan(curve.rmst_pi[0]):
        low, high = curve.rmst_pi
        lines[-1] += f", {percent} prediction interval {low:.2f} to {high:.2f}"
    lines.append(
        f"Heterogeneity over the curve: Q({curve.q_df}) = {curve.q:.2f}, {p_phrase(curve.q_p)}; "
        f"I2 {100 * curve.i2:.1f}%, H2 {curve.h2:.2f}"
    )
    lines += ["", _table(curve)]
    if curve.class_test is not None:
        test = curve.class_test
        times = ", ".join(f"{t:g}" for t in test.times)
        lines += ["", f"Association with the class, tested at {times}: "]
        lines[-1] += f"F({test.df[0]:g}, {test.df[1]:g}) = {test.statistic:.2f}, {p_phrase(test.p_value)}"
    for part in curve.by_class:
        lines.append(
            f"{part.name} ({part.k} studies): median {_three(part.median, percent)}; "
            f"restricted mean to {part.rmst_to:g} {_three(part.rmst, percent)}"
        )
    if curve.warnings:
        lines += ["", *(f"Note: {text}" for text in curve.warnings)]
    return "\n".join(lines)


def _three(values: tuple[float, float, float], percent: str) -> str:
    value, low, high = ("not reached" if math.isnan(v) else f"{v:.2f}" for v in values)
    return f"{value} ({percent} CI {low} to {high})"


def _table(curve: PooledCurve) -> str:
    lines = [f"{'time':>8} {'S':>7} {'ci':>15} {'prediction':>15} {'studies':>8} {'at risk':>8}"]
    for i, time in enumerate(curve.time.tolist()):
        ci = f"{curve.ci_low[i]:.3f}-{curve.ci_high[i]:.3f}"
        pi = "-" if math.isnan(curve.pi_low[i]) else f"{curve.pi_low[i]:.3f}-{curve.pi_high[i]:.3f}"
        mark = " thin" if curve.thin[i] else ""
        count = f"{curve.studies[i]:>8} {curve.n_risk[i]:>8.0f}"
        lines.append(f"{time:>8g} {curve.survival[i]:>7.3f} {ci:>15} {pi:>15} {count}{mark}")
    return "\n".join(lines)


def r_script(curve: PooledCurve) -> str:
    """R code: the gridded data and metaSurvival's call.

    Its interval is on the log scale with 1.96; without the correction its variances are four times too large.
    """
    study, place = np.nonzero(np.isfinite(curve.study_survival))
    columns = {
        "study": [str(i + 1) for i in study.tolist()],
        "time": [repr(t) for t in curve.time[place].tolist()],
        "n.risk": [repr(n) for n in curve.study_n_risk[study, place].tolist()],
        "surv": [repr(s) for s in curve.study_survival[study, place].tolist()],
    }
    cells = ",\n".join(f"  {name} = {vector(values)}" for name, values in columns.items())
    flag = "TRUE" if curve.correction else "FALSE"
    which = "random" if curve.method == "random" else "fixed"
    return (
        "\n".join(
            [
                "library(metaSurvival)",
                "",
                f"dat <- data.frame(\n{cells})",
                "",
                'res <- with(dat, msurv(study, time, n.risk, surv, confidence = "Greenwood",',
                f"  correctionFlag = {flag}))",
                f'res$summary.{which}  # limits: exp(ln S -/+ 1.96 se); kmeta: interval = "log"',
                f"# kmeta: S {curve.survival.tolist()!r}",
                f"# kmeta: median {curve.median[0]!r}, mean to {curve.rmst_to!r} {curve.rmst[0]!r}",
            ]
        )
        + "\n"
    )
