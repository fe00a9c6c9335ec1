"""A fit as R code: the data inline, the metafor call, and what it should print."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.location_scale import LocationScaleFit
from kmeta.methods.meta.scales import LOG_MEASURES, LOGIT_MEASURES
from kmeta.methods.meta.tau2 import TWO_STEP

TESTS = {"z": "z", "t": "t", "hksj": "adhoc", "knha": "knha"}
METAFOR = frozenset(
    ["DL", "DLIT", "EB", "EE", "GENQ", "GENQM", "HE", "HS", "HSk", "ML", "PM", "PMM", "REML", "SJ", "SJIT"]
)
METHODS = {"CE": "EE", "fixed": "REML"}
CONTROL = "control = list(threshold = 1e-12, tol = 1e-12, maxiter = 20000)"


def r_script(fit: MetaFit) -> str:
    """R code that repeats the fit with metafor (4.0 or later for every option; 3.8 for most).

    Raises InputError for an estimator of tau2 that metafor does not have.
    """
    lines = ["library(metafor)", "", *_data(fit), "", *_call(fit), "print(res)", *_intervals(fit), ""]
    low, high = fit.ci_low, fit.ci_high
    between = f"tau2 {fit.tau2!r}"
    if isinstance(fit, LocationScaleFit):
        between = f"alpha {fit.alpha.tolist()!r}"
    lines.append(f"# kmeta: mu {fit.mu!r}, se {fit.se!r}, interval {low!r} to {high!r}, {between}")
    return "\n".join(lines) + "\n"


def text(value: str) -> str:
    """An R string literal; control characters and quotes escaped."""
    out = []
    for letter in value:
        if letter in '\\"':
            out.append("\\" + letter)
        elif letter.isprintable():
            out.append(letter)
        else:
            out.append(f"\\U{{{ord(letter):x}}}" if ord(letter) else "")
    return '"' + "".join(out) + '"'


def vector(cells: Iterable[str]) -> str:
    """R's c(...) over several lines."""
    lines, line = [], ""
    for cell in cells:
        if len(line) + len(cell) > 90:
            lines.append(line)
            line = ""
        line += ("" if not line else " ") + cell + ","
    lines.append(line)
    return "c(" + "\n    ".join(lines).rstrip(",") + ")"


def _data(fit: MetaFit) -> list[str]:
    columns = {
        "label": vector(map(text, fit.labels)),
        "yi": vector(map(repr, fit.yi.tolist())),
        "vi": vector(map(repr, fit.vi.tolist())),
    }
    if fit.groups:
        columns["study"] = vector(map(text, fit.groups))
        columns["arm"] = f"seq_len({fit.k})"
    if fit.user_weights is not None:
        columns["weight"] = vector(map(repr, fit.user_weights.tolist()))
    lines = ["dat <- data.frame("]
    lines += [f"  {name} = {values}," for name, values in columns.items()]
    lines += ["  stringsAsFactors = FALSE)"]
    if fit.x is not None:
        lines += _matrix("x", fit.x, fit.terms)
    if isinstance(fit, LocationScaleFit):
        lines += _matrix("z", fit.z, fit.scale_terms)
    return lines


def _matrix(name: str, columns: Floats, terms: Sequence[str]) -> list[str]:
    """A design matrix, its name in capitals."""
    lines = [f"{name}{j} <- {vector(map(repr, columns[:, j].tolist()))}" for j, _ in enumerate(terms)]
    bound = ", ".join(f"{name}{j}" for j, _ in enumerate(terms))
    lines.append(f"{name.upper()} <- cbind({bound}); colnames({name.upper()}) <- {vector(map(text, terms))}")
    return lines


def _call(fit: MetaFit) -> list[str]:
    level = f"level = {100 * fit.level:g}"
    if _nested(fit):
        containment = fit.df == fit.k_groups - 1
        dfs = ', dfs = "contain"' if fit.test == "t" and containment else ""
        random = "study/arm" if len(fit.structure) == 2 else "study"
        return [
            f"res <- rma.mv(yi, vi, random = ~ 1 | {random}, data = dat, slab = label,",
            f'  method = "{fit.method}", test = "{fit.test}"{dfs}, {level},',
            '  control = list(optimizer = "optim", optmethod = "BFGS", reltol = 1e-14, maxit = 2000))',
        ]
    if fit.test not in TESTS:
        raise InputError(f"metafor has no test named {fit.test!r}", where="test", hint='test="knha"')
    method = METHODS.get(fit.method, fit.method)
    if method not in METAFOR and method not in TWO_STEP:
        raise InputError(f"metafor has no estimator named {fit.method!r}", where="tau2")
    mods = "" if fit.x is None else ", mods = X, intercept = FALSE"
    chain = steps(fit, mods)
    options = [f'method = "{"REML" if chain else method}"', f'test = "{TESTS[fit.test]}"', level]
    if chain:
        options.append("tau2 = step$tau2")
    elif fit.method == "fixed":
        options.append(f"tau2 = {fit.tau2!r}")
    if fit.user_weights is not None:
        options.append("weights = weight")
    if mods:
        options.append(mods[2:])
    if isinstance(fit, LocationScaleFit):
        options.append(f'scale = Z, link = "{fit.link}"')
        return ["res <- rma(yi, vi, data = dat, slab = label, " + ", ".join(options) + ")"]
    return [
        *chain,
        "res <- rma(yi, vi, data = dat, slab = label, " + ", ".join(options) + ",",
        f"  {CONTROL})",
    ]


def stepped(fit: MetaFit) -> bool:
    """Whether the weights behind tau2 are not those of the pooled estimate."""
    return fit.method in TWO_STEP or (fit.method in ("GENQ", "GENQM") and fit.user_weights is None)


def steps(fit: MetaFit, mods: str) -> list[str]:
    """tau2 by a fit of its own, called step, where it needs one."""
    call = "step <- rma(yi, vi, data = dat"
    if fit.method in TWO_STEP:
        return [
            f'first <- rma(yi, vi, data = dat, method = "{TWO_STEP[fit.method]}"{mods})',
            f'{call}, method = "GENQ", weights = 1 / (vi + first$tau2){mods})',
        ]
    if stepped(fit):
        return [f'{call}, method = "{fit.method}", weights = 1 / vi{mods}, {CONTROL})']
    return []


def _nested(fit: MetaFit) -> bool:
    """Whether the model has two variances that can be told apart."""
    return fit.model == "multilevel" and fit.k_groups < fit.k


def _intervals(fit: MetaFit) -> list[str]:
    lines = []
    back = "exp" if fit.measure in LOG_MEASURES else "plogis" if fit.measure in LOGIT_MEASURES else ""
    if fit.beta is not None:
        return ["anova(res, btt = 2:res$p)"] if "intercept" in fit.terms and len(fit.terms) > 1 else []
    if fit.model == "random" and not math.isnan(fit.tau2_low) and fit.method not in ("GENQ", "GENQM"):
        of = "first" if fit.method in TWO_STEP else "res"
        lines.append(f"confint({of})  # Q-profile interval of tau2")
    if fit.pi == "bootstrap":
        lines += [
            "# prediction interval: metafor has no bootstrap; pimeta's differs by what the draws differ",
            f'pima <- pimeta::pima(dat$yi, sqrt(dat$vi), alpha = {1 - fit.level:.12g}, method = "boot",',
            f"  B = {fit.n_bootstrap}, seed = {fit.seed})",
            "pi <- c(pima$lpi, pima$upi)",
            "pi",
        ]
    elif not math.isnan(fit.pi_low):
        left = fit.k_groups - 1 if fit.model == "multilevel" else fit.k - 1
        quantiles = {
            "test": "qnorm(p)" if math.isinf(fit.df) else f"qt(p, {fit.df:g})",
            "z": "qnorm(p)",
            "t": f"qt(p, {left})",
            "riley": f"qt(p, {left - 1})",
        }
        lines.append(f"p <- {(1 + fit.level) / 2!r}")
        lines.append("total <- " + ("sum(res$sigma2)" if _nested(fit) else "res$tau2"))
        lines.append(f"pi <- res$beta[1] + c(-1, 1) * {quantiles[fit.pi]} * sqrt(res$se^2 + total)")
        lines.append("pi  # prediction interval")
    if back:
        shown = "pi" if not math.isnan(fit.pi_low) else "NULL"
        lines.append(f"{back}(c(res$beta[1], res$ci.lb, res$ci.ub, {shown}))  # on the natural scale")
    return lines


def r_data(columns: dict[str, Iterable[float]], lines: list[str]) -> str:
    """An R script: metafor, a data frame of numeric `columns` called dat, then `lines`."""
    cells = [f"  {name} = {vector(repr(float(x)) for x in values)}," for name, values in columns.items()]
    cells[-1] = cells[-1].rstrip(",") + ")"
    return "\n".join(["library(metafor)", "", "dat <- data.frame(", *cells, "", *lines]) + "\n"
