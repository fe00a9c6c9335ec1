"""What is drawn from a fit as R code: lines that follow the fit's own script, in which the model is `res`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import singledispatch

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.meta.blup import Radial, Shrunken
from kmeta.methods.meta.contrasts import ContrastTest, ModelComparison
from kmeta.methods.meta.fit import MetaFit, Prediction
from kmeta.methods.meta.funnel_contours import FunnelContours
from kmeta.methods.meta.gosh import Gosh
from kmeta.methods.meta.henmi_copas import HenmiCopas
from kmeta.methods.meta.influence import Baujat, Influence, Residuals
from kmeta.methods.meta.limit_meta import LimitMeta
from kmeta.methods.meta.location_scale import LocationScaleFit
from kmeta.methods.meta.moderators import INTERCEPT
from kmeta.methods.meta.of_fit import OfFit
from kmeta.methods.meta.one_by_one import Refits, members
from kmeta.methods.meta.permutation import PermutationTest
from kmeta.methods.meta.predicted_effects import PredictedEffects
from kmeta.methods.meta.profile_likelihood import Profile
from kmeta.methods.meta.r_script import CONTROL, stepped, steps, text, vector
from kmeta.methods.meta.robust_tests import RobustTests
from kmeta.methods.meta.scale_prediction import PredictedTau2


@singledispatch
def lines_of(result: OfFit) -> list[str]:
    """The lines for one kind of result."""
    raise TypeError(f"{type(result).__name__} has no R code")


def numbers(values: Iterable[float]) -> str:
    """Numbers as R's c(...); NaN as NA."""
    return vector("NA" if math.isnan(x) else repr(x) for x in map(float, values))


def matrix(rows: Floats) -> str:
    """A matrix, filled by row."""
    return f"matrix({numbers(rows.ravel().tolist())}, nrow = {len(rows)}, byrow = TRUE)"


def quiet(call: str) -> list[str]:
    """A call that draws as well, drawn nowhere."""
    return ["pdf(NULL)", f"shown <- {call}", "invisible(dev.off())", "shown"]


def refitted(fit: MetaFit) -> list[str]:
    """The R function refit(rows): the same model of some rows, and part(rows): its numbers."""
    lines = ["refit <- function(rows) update(res, subset = rows)"]
    if stepped(fit):
        mods = "" if fit.x is None else ", mods = X, intercept = FALSE"
        chain = [line.replace("data = dat", "data = dat, subset = rows") for line in steps(fit, mods)]
        lines = ["refit <- function(rows) {", *(f"  {line}" for line in chain)]
        lines += ["  update(res, tau2 = step$tau2, subset = rows)", "}"]
    total = "sum(r$sigma2)" if fit.model == "multilevel" else "r$tau2[1]"
    return [
        *lines,
        "part <- function(rows) {",
        "  r <- refit(rows)",
        "  c(k = r$k, mu = r$beta[1], se = r$se[1], ci.lb = r$ci.lb[1], ci.ub = r$ci.ub[1],",
        f"    tau2 = {total}, QE = r$QE)",
        "}",
    ]


def by_metafor(fit: MetaFit) -> bool:
    """Whether metafor's own diagnostics estimate tau2 anew as this fit does."""
    return type(fit) is MetaFit and fit.model in ("random", "common") and not stepped(fit)


@lines_of.register
def _(result: Refits) -> list[str]:
    fit = result.fit
    if fit.method == "Cochran":
        return [f"print(meta::{'metainf' if result.kind == 'leave one out' else 'metacum'}(res))"]
    if result.kind == "leave one out" and by_metafor(fit):
        return ["leave1out(res)"]
    rows = members(fit)
    taken = [vector(str(i + 1) for i in rows[label]) for label in result.labels]
    lines = [
        *refitted(fit),
        f"rows <- list({', '.join(taken)})",
        f"names(rows) <- {vector(map(text, result.labels))}",
    ]
    if result.kind == "leave one out":
        return [*lines, "t(sapply(rows, function(gone) part(setdiff(seq_len(nrow(dat)), gone))))"]
    return [*lines, "t(sapply(setNames(Reduce(c, rows, accumulate = TRUE), names(rows)), part))"]


def deletions(fit: MetaFit) -> list[str]:
    """gone: the models without each estimate in turn."""
    return [
        *refitted(fit),
        "gone <- lapply(seq_len(nrow(dat)), function(i) refit(setdiff(seq_len(nrow(dat)), i)))",
    ]


@lines_of.register
def _(result: Influence) -> list[str]:
    if by_metafor(result.fit):
        return ["influence(res)"]
    return [
        *deletions(result.fit),
        "# metafor's influence() would hold tau2: the same numbers from the refits",
        "move <- sapply(gone, function(r) res$beta - r$beta)",
        "dim(move) <- c(length(res$beta), length(gone))",
        "data.frame(tau2.del = sapply(gone, function(r) r$tau2[1]), QE.del = sapply(gone, function(r) r$QE),",
        "  cook.d = apply(move, 2, function(d) c(d %*% solve(res$vb, d))),",
        "  cov.r = sapply(gone, function(r) det(r$vb) / det(res$vb)), row.names = dat$label)",
    ]


@lines_of.register
def _(result: Baujat) -> list[str]:
    if by_metafor(result.fit):
        return quiet("baujat(res)")
    return [
        *deletions(result.fit),
        "total <- dat$vi + res$tau2",
        "at <- if (is.null(res$X)) matrix(1, nrow(dat), 1) else res$X",
        "moved <- sapply(seq_along(gone), function(i) {",
        "  c(at[i, ] %*% (res$beta - gone[[i]]$beta))^2 / c(at[i, ] %*% gone[[i]]$vb %*% at[i, ])",
        "})",
        "data.frame(x = c(dat$yi - at %*% res$beta)^2 / total, y = moved, row.names = dat$label)",
    ]


@lines_of.register
def _(result: Residuals) -> list[str]:
    return ["rstandard(res)"]


@lines_of.register
def _(result: Radial) -> list[str]:
    return [
        *quiet("radial(res)"),
        "# x and y themselves:",
        "data.frame(x = 1 / sqrt(dat$vi + res$tau2), y = dat$yi / sqrt(dat$vi + res$tau2))",
    ]


@lines_of.register
def _(result: Gosh) -> list[str]:
    if result.every:
        return ["gosh(res, progbar = FALSE)"]
    return [
        "# R draws other subsets than kmeta: the cloud is alike, not its points",
        f"set.seed({result.seed})",
        f"gosh(res, subsets = {len(result.k)}, progbar = FALSE)",
    ]


@lines_of.register
def _(result: PermutationTest) -> list[str]:
    if result.exact:
        return ["permutest(res, exact = TRUE, progbar = FALSE)"]
    return [
        "# R draws other permutations than kmeta: p differs by what the draws differ",
        f"set.seed({result.seed})",
        f"permutest(res, iter = {result.permutations}, progbar = FALSE)",
    ]


@lines_of.register
def _(result: Shrunken) -> list[str]:
    return [f"{result.kind}(res)"]


@lines_of.register
def _(result: Profile) -> list[str]:
    return [
        f"at <- {numbers(result.tau2.tolist())}",
        f'll <- sapply(at, function(t) as.numeric(logLik(update(res, tau2 = t, method = "{result.method}"))))',
        "data.frame(tau2 = at, ll = ll)",
    ]


@lines_of.register
def _(result: HenmiCopas) -> list[str]:
    return [
        f'dl <- rma(yi, vi, data = dat, method = "DL", level = {100 * result.level:g})',
        "hc(dl)",
    ]


@lines_of.register
def _(result: LimitMeta) -> list[str]:
    return [
        "# metafor has no limit meta-analysis; limitmeta() of the package metasens has. Its numbers in base R:",
        "tau <- sqrt(res$tau2)",
        "se <- sqrt(dat$vi + res$tau2)",
        "fit <- lm(I(yi / se) ~ I(1 / se), data = dat)",
        "inverse <- summary(fit)$cov.unscaled",
        "mu <- sum(c(tau, 1) * coef(fit))",
        "se_mu <- sqrt(c(c(tau, 1) %*% inverse %*% c(tau, 1)))",
        f"ci <- mu + c(-1, 1) * qnorm({(1 + result.level) / 2!r}) * se_mu",
        "c(mu = mu, se = se_mu, ci.lb = ci[1], ci.ub = ci[2], alpha = coef(fit)[[1]], beta = coef(fit)[[2]])",
    ]


@lines_of.register
def _(result: FunnelContours) -> list[str]:
    levels = ", ".join(f"{100 * level:g}" for level in result.levels)
    shades = ", ".join(f'"gray{95 - 10 * i}"' for i in range(len(result.levels)))
    return [
        "pdf(NULL)",
        f"funnel(res, level = c({levels}), shade = c({shades}), refline = {result.reference!r})",
        "invisible(dev.off())",
        "# the lines as numbers:",
        f"sei <- seq(0, sqrt(max(dat$vi)), length.out = {len(result.sei)})",
        f"zones <- outer(sei, qnorm((1 + c({levels}) / 100) / 2))",
        "funnel_low <- res$beta[1] - qnorm((1 + (1 - res$level)) / 2) * sei",
        "cbind(sei, funnel_low, zones)",
    ]


@lines_of.register
def _(result: ContrastTest) -> list[str]:
    if isinstance(result.fit, RobustTests):
        return of_robust(result.fit, result.combinations)
    return [f"anova(res, X = {matrix(result.combinations)})"]


@lines_of.register
def _(result: ModelComparison) -> list[str]:
    terms = result.reduced_terms
    mods = (
        "~ 1"
        if terms == ("mu",) or terms == ("intercept",)
        else f"X[, {vector(map(text, terms))}, drop = FALSE]"
    )
    if set(terms) <= set(result.fit.terms) or mods == "~ 1":
        extra = "" if mods == "~ 1" else ", intercept = FALSE"
        reduced = f"reduced <- rma(yi, vi, data = dat, mods = {mods}{extra}, method = res$method, {CONTROL})"
        return [reduced, "anova(res, reduced)"]
    return [
        f"pchisq({result.statistic!r}, df = {result.df}, lower.tail = FALSE)  # twice the log-likelihoods' distance"
    ]


@lines_of.register
def _(result: PredictedEffects) -> list[str]:
    return ["ranef(res)"]


@lines_of.register
def _(result: PredictedTau2) -> list[str]:
    columns = _moderating(getattr(result.fit, "scale_terms", ()))
    back = ", transf = exp" if result.link == "log" else ""
    return [f"predict(res, newscale = {matrix(result.z[:, columns])}{back})"]


@lines_of.register
def _(result: Prediction) -> list[str]:
    return of_robust(result.fit, result.x) if isinstance(result.fit, RobustTests) else _prediction(result)


def of_robust(fit: RobustTests, rows: Floats) -> list[str]:
    """Combinations of cluster-robust coefficients, in base R: neither metafor nor robumeta has them."""
    return [
        f"b <- {numbers(fit.beta.tolist())}",
        f"V <- {matrix(fit.vcov)}",
        f"L <- {matrix(rows)}",
        "data.frame(estimate = c(L %*% b), se = sqrt(diag(L %*% V %*% t(L))))",
    ]


def _moderating(terms: Sequence[str]) -> list[int]:
    """Columns but the intercept's, which metafor adds to new rows itself."""
    return [j for j, term in enumerate(terms) if term != INTERCEPT]


def _prediction(result: Prediction) -> list[str]:
    fit = result.fit
    at = "" if fit.x is None else f", newmods = {matrix(result.x[:, _moderating(fit.terms)])}"
    if isinstance(fit, LocationScaleFit):
        # the rows' variances are given below: metafor's own column of limits would be at the first study's
        at += f", newscale = {matrix(np.repeat(fit.z[:1, _moderating(fit.scale_terms)], len(result.x), axis=0))}"
    lines = [f"pred <- predict(res{at})", "pred"]
    if math.isnan(float(result.pi_df[0])):
        return lines
    total = numbers(result.tau2.tolist())
    if type(fit) is MetaFit:
        total = "sum(res$sigma2)" if fit.model == "multilevel" else "res$tau2"
    df = numbers(result.pi_df.tolist()).replace("inf", "Inf")
    return [
        *lines,
        "# prediction intervals: their own reference distribution, about the variance of the true effects",
        f"half <- qt({(1 + result.level) / 2!r}, {df}) * sqrt(pred$se^2 + {total})",
        "cbind(pi.lb = pred$pred - half, pi.ub = pred$pred + half)",
    ]
