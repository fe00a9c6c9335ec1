"""A Cox model as text: the summary a methodologist knows, and R code that repeats it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kmeta.core.numbers import decimal, interval, p_phrase, p_value

if TYPE_CHECKING:
    from kmeta.methods.survival.cox import CoxFit, WaldTest
    from kmeta.methods.survival.cox_data import CoxData

TIES = {"efron": "Efron's", "breslow": "Breslow's", "exact": "the exact"}


def summary(fit: CoxFit) -> str:
    """Coefficients, hazard ratios with intervals, concordance, the three tests; multi-line text."""
    strata = f", {len(fit.strata)} strata" if len(fit.strata) > 1 else ""
    entry = ", left truncation" if fit.data.truncated else ""
    lines = [
        f"Cox model: n = {fit.n}, events = {fit.events}{strata}{entry}; {TIES[fit.ties]} likelihood for ties",
        "",
        *_table(fit),
        "",
    ]
    c = fit.concordance()
    lines.append(f"Concordance = {decimal(c.c, 3)} (se {decimal(c.se, 3)})")
    lines.append(_test("Likelihood ratio test", fit.likelihood_ratio))
    lines.append(_test("Wald test", fit.wald))
    lines.append(_test("Score (log-rank) test", fit.score))
    if fit.robust_score is not None:
        lines.append(_test("Robust score test", fit.robust_score))
    lines.append(f"Log partial likelihood = {decimal(fit.loglik[1], 3)}, AIC = {decimal(fit.aic, 2)}")
    if fit.robust:
        clusters = f" of {fit.clusters} clusters" if fit.data.cluster is not None else ""
        lines.append(f"Standard errors, z, P and intervals: robust (Lin and Wei){clusters}")
    lines += [f"Warning: {text}." for text in fit.warnings]
    return "\n".join(lines)


def _table(fit: CoxFit) -> list[str]:
    rows = [["", "log HR", "se", "HR", f"{100 * fit.level:g} % CI", "z", "P"]]
    for row in fit.rows():
        rows.append(
            [
                row["term"],
                decimal(row["log_hr"], 4),
                decimal(row["se"], 4),
                decimal(row["hr"], 3),
                interval(decimal(row["ci_low"], 3), decimal(row["ci_high"], 3)),
                decimal(row["z"], 2),
                p_value(row["p_value"]),
            ]
        )
    width = [max(len(row[j]) for row in rows) for j in range(len(rows[0]))]
    return [
        "  ".join([row[0].ljust(width[0]), *(c.rjust(w) for c, w in zip(row[1:], width[1:], strict=True))])
        for row in rows
    ]


def _test(name: str, test: WaldTest) -> str:
    return f"{name}: chi2({test.df}) = {decimal(test.chi2, 3)}, {p_phrase(test.p)}"


def r_script(fit: CoxFit) -> str:
    """The data inline and the call of coxph, with what it should print."""
    lines, outcome, right, options = r_data(fit.data, fit.terms, cluster=fit.robust)
    if fit.robust:
        options += ["robust = TRUE"] + ["cluster = cluster"] * (fit.data.cluster is not None)
    calls = [
        f"fit <- coxph({outcome} ~ {' + '.join(right)}, data = dat, {', '.join(options)},",
        "  control = coxph.control(eps = 1e-12, iter.max = 50))",
        f"summary(fit, conf.int = {fit.level!r})",
        "cox.zph(fit)" if fit.ties != "exact" else "",
        f"# kmeta: log HR {fit.beta.tolist()!r}, se {fit.se.tolist()!r}, log-likelihood {fit.loglik[1]!r}",
    ]
    return "\n".join(["library(survival)", "", *lines, "", *calls]) + "\n"


def r_data(
    data: CoxData, terms: tuple[str, ...], *, cluster: bool = False
) -> tuple[list[str], str, list[str], list[str]]:
    """(lines that make the data frame dat; the outcome; the terms of the right side; the options of the call)."""
    columns: dict[str, Iterable[float]] = {"time": data.time.tolist(), "status": data.event.tolist()}
    outcome, options = "Surv(time, status)", [f'ties = "{data.ties}"']
    if data.truncated:
        columns["entry"] = data.entry.tolist()
        outcome = "Surv(entry, time, status)"
    names = [f"x{j + 1}" for j in range(len(terms))]
    columns |= {name: data.x[:, j].tolist() for j, name in enumerate(names)}
    right = list(names)
    if len(data.strata) > 1:
        columns["stratum"] = (data.stratum + 1).tolist()
        right.append("strata(stratum)")
    if (data.weights != 1).any():
        columns["weight"] = data.weights.tolist()
        options.append("weights = weight")
    if cluster and data.cluster is not None:
        columns["cluster"] = (data.cluster + 1).tolist()
    lines = ["dat <- data.frame(", *(f"  {name} = {_vector(values)}," for name, values in columns.items())]
    lines[-1] = lines[-1].rstrip(",") + ")"
    lines += [f"# {name} is {_one_line(term)}" for name, term in zip(names, terms, strict=True)]
    return lines, outcome, right, options


def _vector(values: Iterable[float]) -> str:
    """R's c(...) over several lines."""
    lines, line = [], ""
    for value in values:
        cell = f"{value:.17g}"
        if len(line) + len(cell) > 90:
            lines.append(line)
            line = ""
        line += f" {cell}," if line else f"{cell},"
    return "c(" + "\n    ".join([*lines, line]).rstrip(",") + ")"


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
