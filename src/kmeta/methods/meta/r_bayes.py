"""A Bayesian random-effects model as R code: bayesmeta's call in words, and base R's integrals."""

from __future__ import annotations

from kmeta.core.errors import InputError
from kmeta.methods.meta.bayes import BayesFit
from kmeta.methods.meta.r_script import r_data


def bayes_script(fit: BayesFit) -> str:
    """R code with the data inline; InputError for a prior that was not made by `tau_priors`."""
    if not fit.prior_density:
        raise InputError(
            f"the prior {fit.prior_tau} has no R code", where="prior_tau", hint="a prior of tau_priors"
        )
    own = fit.prior_mu
    flat = "FALSE" if own else "TRUE"
    mean, sd = own or (0.0, 1.0)
    upper = "Inf" if fit.prior_upper == float("inf") else repr(fit.prior_upper)
    bayesmeta = f", mu.prior = c({mean!r}, {sd!r})" if own else ""
    lines = [
        "# metafor has no Bayesian model; the package bayesmeta has:",
        f"# bayesmeta(dat$yi, sqrt(dat$vi), tau.prior = prior{bayesmeta})",
        f"prior <- {fit.prior_density}",
        f"flat <- {flat}; mean_mu <- {mean!r}; sd_mu <- {sd!r}  # the prior of mu",
        "given <- function(t) {  # mu and its standard deviation given tau, and log p(data | tau)",
        "  y <- c(dat$yi, if (!flat) mean_mu)",
        "  v <- c(dat$vi + t^2, if (!flat) sd_mu^2)",
        "  m <- sum(y / v) / sum(1 / v)",
        "  c(m = m, s = sum(1 / v)^-0.5, log = sum(dnorm(y, m, sqrt(v), log = TRUE)) - 0.5 * log(sum(1 / v)))",
        "}",
        f"shift <- max(sapply(seq(0, {fit.tau_high!r}, length.out = 101), function(t) given(t)[['log']]))",
        "joint <- function(t, what = function(m, s, t) 1) sapply(t, function(one) {",
        "  g <- given(one)",
        "  prior(one) * exp(g[['log']] - shift) * what(g[['m']], g[['s']], one)",
        "})",
        f"ends <- sort(c(0, {fit.tau_high!r} * c(0.05, 0.25, 1, 4), {upper}))",
        f"ends <- ends[ends <= {upper}]",
        "over <- function(...) sum(sapply(seq_along(ends)[-1], function(i)",
        "  integrate(joint, ends[i - 1], ends[i], ..., rel.tol = 1e-10, subdivisions = 2000)$value))",
        "total <- over()",
        "root <- function(share, p, low, high) uniroot(function(x) share(x) - p, c(low, high), tol = 1e-10)$root",
        "mu_cdf <- function(x) over(what = function(m, s, t) pnorm(x, m, s)) / total",
        "new_cdf <- function(x) over(what = function(m, s, t) pnorm(x, m, sqrt(s^2 + t^2))) / total",
        f"p <- c(0.5, {(1 - fit.level) / 2!r}, {(1 + fit.level) / 2!r})",
        f"reach <- {fit.mu!r} + c(-1, 1) * {4 * (fit.pi_high - fit.pi_low)!r}",
        "mu <- sapply(p, function(one) root(mu_cdf, one, reach[1], reach[2]))",
        "new <- sapply(p, function(one) root(new_cdf, one, reach[1], reach[2]))",
        "print(rbind(mu = mu, new = new), digits = 10)  # median, lower and upper limit",
        f"# kmeta: mu {fit.mu!r}, {fit.ci_low!r} to {fit.ci_high!r}; new {fit.pi_low!r} to {fit.pi_high!r}",
    ]
    return r_data({"yi": fit.yi, "vi": fit.vi}, lines)
