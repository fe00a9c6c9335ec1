"""A fit as aligned text, with the analysis scale and the natural scale named."""

from __future__ import annotations

import math

from kmeta.core.numbers import decimal, interval, p_phrase, percent
from kmeta.methods.meta.correlated import MultilevelFit
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.location_scale import LocationScaleFit
from kmeta.methods.meta.scales import natural_name

MODEL = {
    "random": "Random-effects model",
    "common": "Common-effect model",
    "multilevel": "Multilevel model",
    "location-scale": "Location-scale model",
}
TEST = {
    "z": "normal (z) interval",
    "t": "t interval",
    "hksj": "Hartung-Knapp-Sidik-Jonkman interval, never narrower than z",
    "kr": "Kenward-Roger interval",
    "knha": "Hartung-Knapp interval without lower bound",
}

HOW = {
    "CE": "tau2 held at 0",
    "EE": "tau2 held at 0",
    "fixed": "tau2 given",
    "MH": "Mantel-Haenszel",
    "Peto": "Peto's one-step method",
}


def summary(fit: MetaFit) -> str:
    """The model as a methodologist expects it printed; multi-line text."""
    lines = [_title(fit), _how(fit), ""]
    lines += _table(_coefficients(fit) if fit.beta is not None else _estimate(fit))
    lines += ["", _test(fit)]
    if fit.pi == "bootstrap":
        lines.append(f"Prediction interval: bootstrap, {fit.n_bootstrap} replicates, seed {fit.seed}")
    if fit.beta is not None:
        lines.append(_moderators(fit))
    if fit.formula is not None:
        coding = (f"; {name}: {words} coding" for name, words in fit.formula.coding.items())
        lines.append(f"Moderators by formula: {fit.formula.text}" + "".join(coding))
    lines += _heterogeneity(fit)
    lines += [f"Warning: {text}." for text in fit.warnings]
    return "\n".join(lines)


def _title(fit: MetaFit) -> str:
    size = f"k = {fit.k} estimates"
    if fit.model == "multilevel":
        size += f" of {fit.k_groups} studies"
    return f"{MODEL[fit.model]}: {natural_name(fit.measure)} ({fit.measure}), {size}"


def _how(fit: MetaFit) -> str:
    scale = "analysed as is" if fit.scale == "as is" else f"analysed on the {fit.scale} scale"
    how = HOW.get(fit.method, f"tau2 by {fit.method}")
    df = "" if math.isinf(fit.df) else f", {fit.df:g} df"
    if isinstance(fit, MultilevelFit) and len(set(fit.dfs)) > 1:
        df = ", df by containment: " + ", ".join(f"{left:g}" for left in fit.dfs)
    weights = "" if fit.user_weights is None else "; weights given by the user"
    return f"{scale}; {how}; {TEST[fit.test]}{df}{weights}"


def _pair(low: float, high: float, places: int) -> str:
    if math.isnan(low) or math.isnan(high):
        return "–"
    return interval(decimal(low, places), decimal(high, places))


def _estimate(fit: MetaFit) -> list[list[str]]:
    level = f"{100 * fit.level:g} %"
    head = ["", "estimate", "se", f"{level} CI", f"{level} prediction interval"]
    name = natural_name(fit.measure) if fit.scale == "as is" else f"{fit.scale} scale"
    rows = [
        head,
        [
            name,
            decimal(fit.mu, 4),
            decimal(fit.se, 4),
            _pair(fit.ci_low, fit.ci_high, 4),
            _pair(fit.pi_low, fit.pi_high, 4),
        ],
    ]
    if fit.scale not in ("as is", "Freeman-Tukey double arcsine"):
        rows.append(
            [
                natural_name(fit.measure),
                decimal(fit.effect, 3),
                "",
                _pair(*fit.effect_ci, 3),
                _pair(*fit.effect_pi, 3),
            ]
        )
    return rows


def _coefficients(fit: MetaFit) -> list[list[str]]:
    rows = [[f"{fit.scale} scale", "estimate", "se", f"{100 * fit.level:g} % CI", "P"]]
    for row in fit.rows():
        p = p_phrase(row["p_value"]).removeprefix("P ").removeprefix("= ")
        limits = _pair(row["ci_low"], row["ci_high"], 4)
        rows.append([row["term"], decimal(row["estimate"], 4), decimal(row["se"], 4), limits, p])
    return rows


def _table(rows: list[list[str]]) -> list[str]:
    width = [max(len(row[j]) for row in rows) for j in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(width[0]), *(cell.rjust(w) for cell, w in zip(row[1:], width[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return lines


def _test(fit: MetaFit) -> str:
    name = "z" if math.isinf(fit.df) else f"t({fit.df:g})"
    return f"Test of {fit.terms[0]} = 0: {name} = {decimal(fit.statistic, 3)}, {p_phrase(fit.p_value)}"


def _moderators(fit: MetaFit) -> str:
    first, second = fit.qm_df
    name = f"chi2({first:g})" if math.isnan(second) else f"F({first:g}, {second:g})"
    share = "" if math.isnan(fit.r2) else f"; R2 = {percent(fit.r2, 1)} %"
    return f"Test of moderators: {name} = {decimal(fit.qm, 3)}, {p_phrase(fit.qm_p)}{share}"


def _heterogeneity(fit: MetaFit) -> list[str]:
    residual = "Residual heterogeneity" if fit.beta is not None else "Heterogeneity"
    lines = [f"{residual}: Cochran's Q({fit.q_df}) = {decimal(fit.q, 2)}, {p_phrase(fit.q_p)}"]
    if isinstance(fit, LocationScaleFit):
        return lines + _scale(fit)
    if isinstance(fit, MultilevelFit):
        lines += fit.heterogeneity_lines()
        if not math.isnan(fit.tau2):
            lines.append(f"  tau2 (sum) = {decimal(fit.tau2, 4)}, I2 = {percent(fit.i2, 1)} %")
    elif fit.model == "multilevel":
        parts = ", ".join(
            f"{name} {decimal(value, 4)}" for name, value in zip(fit.structure, fit.sigma2, strict=True)
        )
        lines.append(f"  sigma2: {parts}; tau2 (sum) = {decimal(fit.tau2, 4)}")
        lines.append(f"  I2 = {percent(fit.i2, 1)} %, H2 = {decimal(fit.h2, 2)}")
    elif fit.model == "common":
        lines.append(f"  I2 = {percent(fit.i2, 1)} %, H2 = {decimal(fit.h2, 2)}")
    else:
        shown = f"tau2 = {decimal(fit.tau2, 4)}, tau = {decimal(fit.tau, 4)}"
        if not math.isnan(fit.tau2_low):
            level = f"{100 * fit.level:g} %"
            low, high = fit.i2_ci
            shown += f" ({level} Q-profile CI of tau2 {_pair(fit.tau2_low, fit.tau2_high, 4)})"
            lines.append(f"  {shown}")
            share = _pair(100 * low, 100 * high, 1)
            lines.append(f"  I2 = {percent(fit.i2, 1)} % ({share}), H2 = {decimal(fit.h2, 2)}")
        else:
            lines.append(f"  {shown}")
    return lines


def _scale(fit: LocationScaleFit) -> list[str]:
    """The scale's coefficients and their test, and the range of tau2."""
    head = "log tau2" if fit.link == "log" else "tau2"
    rows = [[head, "estimate", "se", f"{100 * fit.level:g} % CI", "P"]]
    for row in fit.scale_rows():
        known = not math.isnan(row["se"])
        p = p_phrase(row["p_value"]).removeprefix("P ").removeprefix("= ") if known else "–"
        limits = _pair(row["ci_low"], row["ci_high"], 4)
        rows.append(
            [row["term"], decimal(row["estimate"], 4), decimal(row["se"], 4) if known else "–", limits, p]
        )
    low, high = float(fit.tau2_i.min()), float(fit.tau2_i.max())
    lines = [f"  tau2 of the estimates: {_pair(low, high, 4)}; link: {fit.link}", "", *_table(rows)]
    if len(fit.alpha) > 1 and not math.isnan(fit.qs):
        first, second = fit.qs_df
        name = f"chi2({first:g})" if math.isnan(second) else f"F({first:g}, {second:g})"
        lines += ["", f"Test of the scale: {name} = {decimal(fit.qs, 3)}, {p_phrase(fit.qs_p)}"]
    return lines
