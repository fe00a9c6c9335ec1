"""Analyses of small-study effects as R code: metafor where it has them, else base R that computes the same numbers."""

from __future__ import annotations

import math
from functools import singledispatch

from kmeta.core.result import Result
from kmeta.methods.meta.doi_plot import DoiPlot
from kmeta.methods.meta.p_curve import ALPHA, LEAST, PCurve
from kmeta.methods.meta.r_script import r_data
from kmeta.methods.meta.small_study import PetPeese


@singledispatch
def small_study_script(result: Result) -> str:
    """R code with the data inline."""
    raise TypeError(f"{type(result).__name__} has no R code")


@small_study_script.register
def _(result: DoiPlot) -> str:
    lines = [
        "# metafor has no doi plot and no LFK index; in base R:",
        "n <- 100 * max(dat$vi) / dat$vi",
        "z <- qnorm((cumsum(n) - n / 2 - 0.5) / sum(n))",
        "top <- dat$yi[which.min(abs(z))]",
        "lfk <- 5 / 2 * mean(z + diff(range(z)) / diff(range(dat$yi)) * (dat$yi - top))",
        "data.frame(yi = dat$yi, abs_z = abs(z))",
        "lfk",
        f"# kmeta: LFK index {result.lfk!r}",
    ]
    return r_data({"yi": result.yi, "vi": result.vi}, lines)


@small_study_script.register
def _(result: PCurve) -> str:
    lines = [
        "# metafor has no p-curve; in base R, of the significant results' two-sided p:",
        "z <- -qnorm(dat$p / 2)",
        f"crit <- -qnorm({ALPHA!r} / 2)",
        f"shift <- function(power) if (power <= {ALPHA!r}) 0 else uniroot(function(m)",
        "  pnorm(m - crit) + pnorm(-m - crit) - power, c(0, 40), tol = 1e-13)$root",
        "above <- function(z, m) pnorm(m - z) + pnorm(-m - z)",
        "stouffer <- function(limit, power) {",
        "  edge <- -qnorm(limit / 2)",
        "  m <- shift(power)",
        "  pp <- above(z[z > edge], m) / above(edge, m)",
        "  sum(qnorm(pp)) / sqrt(length(pp))",
        "}",
        f"right <- c(full = stouffer({ALPHA!r}, {ALPHA!r}), half = stouffer({ALPHA / 2!r}, {ALPHA!r}))",
        f"flat <- -c(full = stouffer({ALPHA!r}, {LEAST!r}), half = stouffer({ALPHA / 2!r}, {LEAST!r}))",
        "print(rbind(z = right, p = pnorm(right)), digits = 10)  # right skew",
        f"print(rbind(z = flat, p = pnorm(flat)), digits = 10)  # flatter than {100 * LEAST:g} % power",
        f"# kmeta: right {result.right_full_z!r} and {result.right_half_z!r}, "
        f"flat {result.flat_full_z!r} and {result.flat_half_z!r}",
    ]
    return r_data({"p": result.p_values}, lines)


@small_study_script.register
def _(result: PetPeese) -> str:
    pet, peese = (
        "lm(yi ~ sqrt(vi), weights = 1 / vi, data = dat)",
        "lm(yi ~ vi, weights = 1 / vi, data = dat)",
    )
    lines = [f"pet <- {pet}", f"peese <- {peese}"]
    if result.pet_fit is not None and result.peese_fit is not None:
        first, second = result.pet_fit.r_script(), result.peese_fit.r_script()
        both = f"{first}pet <- res\n\n{second}peese <- res\n"
    else:
        both = r_data({"yi": result.yi, "vi": result.vi}, [*lines, "summary(pet)", "summary(peese)"])
    tail = (
        ""
        if math.isnan(result.mu)
        else f"# kmeta: chosen {result.chosen}, {result.mu!r} (se {result.se!r})\n"
    )
    return both + tail
