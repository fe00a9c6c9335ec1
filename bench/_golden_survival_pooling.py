"""Golden cases of pooled survival: metaSurvival, metamedian, metaRMST with survRM2 and mvmeta, metafor.

Where a package does something else than kmeta, the case is asked in the package's way and the difference is said here:
- metaSurvival takes 1.96 and limits on the log scale; its H2 divides Q by points less studies (`h2_published`; kmeta's
  own `h2` divides by points less times, the expectation of Q). Monte-Carlo ends hold within 3 %, as its file says.
- metaRMST takes Var(RMST(s)) as the covariance of RMST(s) and RMST(t), s < t, which leaves out what both share after
  an event; the multivariate rows are therefore asked with that matrix. kmeta's own is the full one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtr

from bench._golden_bias import stopped_reml
from bench.golden_survival import Case, Row, Unsupported, differences, number
from kmeta.methods.effects import effect_sizes
from kmeta.methods.meta import random_effects
from kmeta.methods.pooling import (
    pooled_curve,
    pooled_median,
    pooled_median_contrast,
    pooled_rmst,
    rmst_by_study,
    survival_at,
)

ROUNDED_LEVEL = 2 * float(ndtr(1.96)) - 1
MONTE_CARLO = 0.03
MODELS = {"random": "random", "fixed": "common"}


def curves(case: Case, file: Case) -> list[Row]:
    """The fixed and random curves with limits, median, mean, Q, H2, I2 and the Monte-Carlo ends."""
    given, want, tolerance = case["input"], case["expect"], float(file["tolerance"])
    columns = {
        "study": given["study"],
        "time": given["time"],
        "survival": given["surv"],
        "n_risk": given["n_risk"],
    }
    rows: list[Row] = []
    for name, method in MODELS.items():
        found = pooled_curve(
            columns,
            method=method,
            test="z",
            interval="log",
            level=ROUNDED_LEVEL,
            correction=case["correction"],
        )
        for ours, theirs in (
            ("time", "time"),
            ("survival", "surv"),
            ("ci_low", "lower"),
            ("ci_high", "upper"),
        ):
            values = getattr(found, ours).tolist()
            rows += [
                (f"{name} {theirs}[{i}]", value, number(wanted), tolerance)
                for i, (value, wanted) in enumerate(zip(values, want[name][theirs], strict=True))
            ]
        rows.append((f"median_{name}", found.median[0], number(want[f"median_{name}"]), tolerance))
        rows.append((f"mean_{name}", found.rmst[0], number(want[f"mean_{name}"]), tolerance))
        if name == "random":
            rows += [
                ("Q", found.q, number(want["Q"]), tolerance),
                ("H2", found.h2_published, number(want["H2"]), tolerance),
                ("I2", 100 * found.i2_published, number(want["I2"]), 100 * tolerance),
            ]
            rows += _monte_carlo(found.monte_carlo(draws=100_000, seed=1), want)
    return rows


def _monte_carlo(found: dict[str, tuple[float, float]], want: Case) -> list[Row]:
    """Ends that the package gives; it gives none where any of its draws stays above 0.5."""
    rows = []
    for ours, theirs in (("median", "median_random_mc"), ("rmst", "mean_random_mc")):
        for value, wanted in zip(found[ours], want.get(theirs) or (), strict=False):
            if wanted is not None:
                rows.append((theirs, value, float(wanted), MONTE_CARLO * abs(float(wanted))))
    return rows


def medians(case: Case, file: Case) -> list[Row]:
    """Medians of a group, their differences and log ratios, pooled as metamedian does (z limits)."""
    given, want, tolerance = case["input"], case["expect"], float(file["tolerance"])
    level = (given["med.ci.level.g1"], given["med.ci.level.g2"])
    group = {g: (given[f"med.{g}"], given[f"med.ci.lb.{g}"], given[f"med.ci.ub.{g}"]) for g in ("g1", "g2")}
    kind = case["estimand"]

    def asked(tau2: str | float) -> list[Row]:
        return _compared(_median_values(kind, group, tau2, level), want, tolerance)

    rows = asked(case["tau2_method"])
    if case["tau2_method"] == "REML":
        yi, vi = np.array(want["yi"]), np.array(want["sei"]) ** 2
        return _or_stopped(rows, asked(stopped_reml(yi, vi, np.ones((len(yi), 1)))))
    return rows


def _or_stopped(rows: list[Row], stopped: list[Row]) -> list[Row]:
    """Our number where it is met, else the one that the peer's stopping rule gives."""
    return [b if list(differences([a])) else a for a, b in zip(rows, stopped, strict=True)]


def _median_values(kind: str, group: dict[str, Any], tau2: str | float, level: Any) -> dict[str, Any]:
    options: dict[str, Any] = {"tau2": tau2, "test": "z", "se": "wald", "not_reached": "leave out"}
    if kind in ("median_g1", "median_g2"):
        found = pooled_median(
            *group[kind[-2:]], scale="identity", ci_level=level[kind == "median_g2"], **options
        )
    elif kind in ("difference_median", "ratio_median"):
        (m1, low1, high1), (m2, low2, high2) = group["g1"], group["g2"]
        found = pooled_median_contrast(
            m1, (low1, high1), m2, (low2, high2), scale=kind.split("_")[0], ci_level=level, **options
        )
    else:
        raise Unsupported(kind)
    return {
        "est": found.mu,
        "se": found.se,
        "tau2": found.tau2,
        "I2": 100 * found.reached.i2,
        "Q": found.reached.q,
        "ci": [found.ci_low, found.ci_high],
        "pi": [found.pi_low, found.pi_high],
        "yi": found.yi.tolist(),
        "sei": np.sqrt(found.vi).tolist(),
    }


def _compared(ours: dict[str, Any], want: Case, tolerance: float) -> list[Row]:
    """Every expected number, lists by their places; an expectation that is not known here is not passed over."""
    rows: list[Row] = []
    for name, wanted in want.items():
        if name not in ours:
            raise Unsupported(name)
        pairs = zip(ours[name], wanted, strict=True) if isinstance(wanted, list) else [(ours[name], wanted)]
        rows += [(f"{name}[{i}]", float(a), number(b), tolerance) for i, (a, b) in enumerate(pairs)]
    return rows


def rmst(case: Case, file: Case) -> list[Row]:
    """Differences by trial, the univariate DerSimonian-Laird and the multivariate model."""
    given, want, tolerance = case["input"], case["expect"], float(file["tolerance"])
    trials = rmst_by_study(
        given["Time"],
        given["Event"],
        study=given["trialID"],
        arm=given["Arm"],
        tau=case["tau"],
        reference=min(given["Arm"]),
    )
    rows: list[Row] = []
    for name, table in (("rmstd", trials.estimate), ("se", trials.se)):
        for i, wanted in enumerate(want[name]):
            rows += [
                (f"{name}[{i}][{j}]", float(table[i, j]), number(w), tolerance) for j, w in enumerate(wanted)
            ]
    one = pooled_rmst(trials, tau2="DL", test="z")
    covariance = np.array(trials.covariance)
    for a in range(len(case["tau"])):
        for b in range(a + 1, len(case["tau"])):
            covariance[:, a, b] = covariance[:, b, a] = np.where(
                np.isnan(covariance[:, a, b]), np.nan, covariance[:, a, a]
            )
    several = pooled_rmst(trials, covariance=covariance, model="multivariate", test="z")
    for name, found in (("uni", one), ("mvma", several)):
        ours = found.rows()
        for j, wanted in enumerate(want[name]):
            known = {
                "Estimate": ours[j]["estimate"],
                "SE": ours[j]["se"],
                "lower": ours[j]["ci_low"],
                "upper": ours[j]["ci_high"],
                "Z": ours[j]["estimate"] / ours[j]["se"],
                "pval": ours[j]["p_value"],
                "tausq": ours[j]["tau2"],
                "ntrials": float(ours[j]["k"]),
                "time_horizon": ours[j]["tau"],
            }
            rows += [
                (f"{name}[{j}] {key}", float(known[key]), number(value), tolerance)
                for key, value in wanted.items()
                if key != "method"
            ]
    return rows


def single_arm(case: Case, file: Case) -> list[Row]:
    """The binomial-normal model and inverse variance on four scales."""
    given, want = case["input"], case["expect"]
    tolerance = {name: float(value) for name, value in file["tolerance"].items()}
    events, n = np.array(given["events"], dtype=float), np.array(given["n"], dtype=float)
    fit = survival_at(events / n, n, time=1, model="glmm", test="z")["all"]
    (low, high), (pi_low, pi_high) = fit.effect_ci, fit.effect_pi
    ours = {
        "logit": fit.mu,
        "se": fit.se,
        "tau2": fit.tau2,
        "p": fit.effect,
        "ci": [low, high],
        "pi": [pi_low, pi_high],
        "LRT_Q": fit.lrt,  # type: ignore[attr-defined]
    }
    rows = [(f"glmm {what}", *rest) for what, *rest in _compared(ours, want["glmm"], tolerance["glmm"])]
    for measure, wanted in want["inverse_variance"].items():
        yi, vi = effect_sizes(measure, xi=events, ni=n)
        at = stopped_reml(yi, vi, np.ones((len(yi), 1)))
        found, stopped = (
            _compared(_inverse_variance(yi, vi, measure, tau2), wanted, tolerance["inverse_variance"])
            for tau2 in ("REML", at)
        )
        rows += [(f"{measure} {what}", *rest) for what, *rest in _or_stopped(found, stopped)]
    return rows  # type: ignore[return-value]


def _inverse_variance(yi: Any, vi: Any, measure: str, tau2: Any) -> dict[str, Any]:
    plain = random_effects(yi, vi, measure=measure, tau2=tau2, test="z")
    knapp = random_effects(yi, vi, measure=measure, tau2=tau2, test="knha")
    return {
        "yi": yi.tolist(),
        "vi": vi.tolist(),
        "est": plain.mu,
        "se": plain.se,
        "tau2": plain.tau2,
        "Q": plain.q,
        "I2": 100 * plain.i2,
        "ci": [plain.ci_low, plain.ci_high],
        "knha": [knapp.ci_low, knapp.ci_high],
    }


FILES = {
    "pooled_curve.json": curves,
    "medians.json": medians,
    "rmst_meta.json": rmst,
    "single_arm.json": single_arm,
}
