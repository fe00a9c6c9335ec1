"""Models by subgroup as R code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmeta.methods.meta.r_script import CONTROL, METHODS, TESTS, text, vector

if TYPE_CHECKING:
    from kmeta.methods.meta.subgroups import Subgroups


def subgroups_script(result: Subgroups) -> str:
    """The model of all, the models of the subgroups and the test between them."""
    whole = result.whole
    method = METHODS.get(whole.method, whole.method)
    lines = [whole.r_script(), f"group <- {vector(map(text, result.groups))}"]
    if result.common_tau2 and whole.method != "fixed":
        mods = 'mods = ~ factor(group), test = "z"'
        common = f'rma(yi, vi, data = dat, {mods}, method = "{method}", {CONTROL})'
        lines += [
            f"common <- {common}$tau2  # around the subgroups' own means",
            "option <- list(tau2 = common)",
        ]
    elif whole.method == "fixed":
        lines.append(f"option <- list(tau2 = {whole.tau2!r})")
    else:
        lines.append("option <- list()")
    level = f"level = {100 * whole.level:g}"
    lines += [
        f"parts <- lapply({vector(map(text, result.levels))}, function(one) do.call(rma, c(list(",
        "  yi = dat$yi[group == one], vi = dat$vi[group == one],",
        f'  method = "{method}", test = "{TESTS[whole.test]}", {level}, {CONTROL}), option)))',
        "mu <- sapply(parts, function(r) r$beta[1])",
        "se <- sapply(parts, function(r) r$se)",
        f"data.frame(group = {vector(map(text, result.levels))}, mu, se, tau2 = sapply(parts, function(r) r$tau2))",
        'between <- rma(mu, se^2, method = "EE")',
        "c(Q = between$QE, df = between$k - 1, p = between$QEp)",
        f"# kmeta: Q between {result.q_between!r}, p {result.q_p!r}",
    ]
    return "\n".join(lines) + "\n"
