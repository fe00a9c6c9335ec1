"""Multilevel models and cluster-robust tests as R code for metafor and clubSandwich."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kmeta.methods.meta.r_script import text, vector

if TYPE_CHECKING:
    from kmeta.methods.meta.correlated import MultilevelFit
    from kmeta.methods.meta.robust import RobustFit
    from kmeta.methods.meta.sampling_covariance import SamplingCovariance


def r_multilevel(fit: MultilevelFit) -> str:
    """R code that repeats the model with metafor."""
    lines = ["library(metafor)", "", "dat <- data.frame(", f"  label = {vector(map(text, fit.labels))},"]
    lines.append(f"  yi = {vector(map(repr, fit.yi.tolist()))},")
    for i, column in enumerate(fit.grouping.values()):
        lines.append(f"  {_name(list(fit.grouping)[i])} = {_column(column)},")
    lines += ["  stringsAsFactors = FALSE)", *r_covariance(fit.covariance)]
    if fit.x is not None:
        for j, _ in enumerate(fit.terms):
            lines.append(f"x{j} <- {vector(map(repr, fit.x[:, j].tolist()))}")
        names = vector(map(text, fit.terms))
        lines.append(
            f"X <- cbind({', '.join(f'x{j}' for j in range(len(fit.terms)))}); colnames(X) <- {names}"
        )
    options = [f'method = "{fit.method}"', f'test = "{fit.test}"']
    if fit.random:
        options.append("random = list(" + ", ".join(f"~ {_formula(r)}" for r in fit.random) + ")")
    if fit.struct:
        options.append("struct = " + vector(map(text, fit.struct)))
    if fit.test == "t" and fit.df_method == "containment":
        options.append('dfs = "contain"')
    if fit.x is not None:
        options.append("mods = X, intercept = FALSE")
    options.append(f"level = {100 * fit.level:g}")
    lines += [
        "",
        "# of several modes rma.mv may stop at a lower one: compare logLik(res) with other optimizers",
    ]
    lines += ["res <- rma.mv(yi, V, data = dat, slab = label,", f"  {', '.join(options)})", "print(res)"]
    if fit.x is not None and len(fit.terms) > 1 and "intercept" in fit.terms:
        lines.append("anova(res, btt = 2:res$p)")
    said = ", ".join(
        f"{part.kind} {part.term}{' ' + part.level if part.level else ''} {part.value!r}"
        for part in fit.parts
    )
    lines += ["", f"# kmeta: mu {fit.mu!r}, se {fit.se!r}; {_comment(said)}"]
    return "\n".join(lines) + "\n"


def r_robust(result: RobustFit) -> str:
    """R code that repeats the fit and its cluster-robust tests."""
    lines = [result.fit.r_script(), ""]
    lines.append(f"cluster <- {vector(map(text, result.cluster))}")
    if result.kind == "CR1p" and result.df_method == "m-p":
        lines.append("robust(res, cluster = cluster)")
    elif result.kind == "CR0" and result.df_method == "m-p":
        lines.append("robust(res, cluster = cluster, adjust = FALSE)")
    elif result.kind == "CR2" and result.df_method == "satterthwaite":
        lines.append("robust(res, cluster = cluster, clubSandwich = TRUE)")
    else:
        test = {"satterthwaite": "Satterthwaite", "m-p": "naive-tp", "m-1": "naive-t", "z": "z"}[
            result.df_method
        ]
        lines.append(
            f'clubSandwich::coef_test(res, vcov = "{result.kind}", cluster = cluster, test = "{test}")'
        )
    estimates = ", ".join(
        f"{b!r} (se {s!r})" for b, s in zip(result.beta.tolist(), result.se.tolist(), strict=True)
    )
    return "\n".join([*lines, f"# kmeta: {estimates}"]) + "\n"


def r_covariance(errors: SamplingCovariance) -> list[str]:
    """The matrix V, block by block."""
    lines = [f"V <- diag({vector(map(repr, errors.vi.tolist()))}, nrow = {errors.k})"]
    for rows, blocks in errors.stacks:
        for index, block in zip(rows.tolist(), blocks, strict=True):
            at = vector(str(i + 1) for i in index)
            values = vector(map(repr, block.ravel().tolist()))
            lines.append(f"V[{at}, {at}] <- {values}")
    return lines


def _column(values: tuple[object, ...]) -> str:
    try:
        numbers = [float(str(value)) for value in values]
    except ValueError:
        return vector(text(str(value)) for value in values)
    if all(math.isfinite(number) for number in numbers):
        return vector(repr(number) for number in numbers)
    return vector(text(str(value)) for value in values)


def _name(name: str) -> str:
    """A column's name as R takes any name."""
    return "`" + "".join(letter for letter in name if letter.isprintable() and letter not in "`\\") + "`"


def _formula(random: str) -> str:
    inner, _, outer = random.replace("~", "").partition("|")
    left = inner.strip()
    return f"{left if left == '1' else _name(left)} | " + "/".join(
        _name(part.strip()) for part in outer.split("/")
    )


def _comment(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
