"""Golden cases of Kaplan-Meier curves and of restricted mean survival time."""

from __future__ import annotations

from typing import Any

from bench.golden_survival import Case, Row, number
from kmeta.methods.survival import RestrictedMean, RmstContrast, kaplan_meier, rmst

CURVE = {
    "time": "time",
    "n_risk": "n_risk",
    "n_event": "n_event",
    "survival": "surv",
    "se": "std_err",
    "ci_low": "lower",
    "ci_high": "upper",
}
CONTRASTS = {"difference": "diff", "ratio": "ratio", "rmtl-ratio": "rmtl_ratio"}


def curves(case: Case, file: Case) -> list[Row]:
    """Every number of a survfit summary at the given times, and the quantiles."""
    given, wanted, tolerance = case["input"], case["expect"], float(file["tolerance"])
    curve = kaplan_meier(given["time"], given["status"], interval=case["conf_type"]).curves[0]
    rows: list[Row] = []
    for i, row in enumerate(curve.at(wanted["time"])):
        for ours, theirs in CURVE.items():
            rows.append((f"{theirs}[{i}]", row[ours], number(wanted[theirs][i]), tolerance))
    for i, p in enumerate(_listed(wanted["quantile_p"])):
        names = ("quantile", "quantile_lower", "quantile_upper")
        for name, value in zip(names, curve.quantile(p), strict=True):
            rows.append((f"{name} {p:g}", value, number(_listed(wanted[name])[i]), tolerance))
    return rows


def means(case: Case, file: Case) -> list[Row]:
    """Both arms and the three contrasts of arm 1 against arm 0."""
    given, wanted, tolerance = case["input"], case["expect"], float(file["tolerance"])
    fit = rmst(given["time"], given["status"], group=given["arm"], reference=0, tau=case["tau"])
    rows: list[Row] = []
    for label in ("0", "1"):
        arm: RestrictedMean = fit[label]
        for name, ours in (("rmst", arm.rmst), ("se", arm.se)):
            rows.append((f"arm{label} {name}", ours, number(wanted[f"arm{label}"][name]), tolerance))
    for ours_name, theirs in CONTRASTS.items():
        found: RmstContrast = fit.contrast(ours_name)
        values = (found.estimate, found.ci_low, found.ci_high, found.p)
        for name, ours, value in zip(wanted["columns"], values, wanted[theirs], strict=True):
            rows.append((f"{theirs} {name}", ours, number(value), tolerance))
    return rows


def _listed(value: Any) -> list[Any]:
    """A vector of one number is written as the number."""
    return value if isinstance(value, list) else [value]


FILES = {"km.json": curves, "rmst.json": means}
