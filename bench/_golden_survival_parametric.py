"""Golden cases of parametric and cure models: flexsurv's and flexsurvcure's numbers.

Beside what is expected of a case, our log-likelihood is evaluated at the reference's own parameters and must equal
the reference's: so where our maximum is higher, it is the same function that is higher.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import kmeta as km
from bench.golden_survival import Case, Excused, Row, Unsupported
from kmeta.methods.survival.parametric.fit import lifetimes
from kmeta.methods.survival.parametric.likelihood import Likelihood

NAMES = {
    "exp": ("exponential", None),
    "weibull": ("weibull", None),
    "gompertz": ("gompertz", None),
    "llogis": ("log-logistic", None),
    "lnorm": ("log-normal", None),
    "gamma": ("gamma", None),
    "gengamma": ("generalised-gamma", None),
    "rp1": ("spline-hazard", 1),
    "rp2": ("spline-hazard", 2),
    "rp3odds": ("spline-odds", 1),
}
KNOTS = 1e-8  # of log time


def fit_of(case: Case, file: Case) -> Any:
    """Our fit of one case of parametric.json."""
    if case["dist"] not in NAMES:
        raise Unsupported
    name, n_knots = NAMES[case["dist"]]
    data = file["data"][case["dataset"]]
    covariates = {"arm": data["arm"]} if case["covariate"] else None
    return km.parametric_survival(
        data["time"], data["status"], covariates, distribution=name, n_knots=n_knots
    )


def at_reference(fit: Any, params: dict[str, float]) -> float:
    """Our log-likelihood at the reference's parameters."""
    kinds = [p.positive for p in fit.model.parameters] + [False] * len(fit.names)
    real = [math.log(v) if log else v for v, log in zip(params.values(), kinds, strict=True)]
    return Likelihood(lifetimes(fit.sample), fit.x).height(fit.model, np.array(real))[0]


def parametric(case: Case, file: Case) -> Excused:
    """Log-likelihood, AIC, parameters, standard errors, survival, knots."""
    fit, expected, tolerance = fit_of(case, file), case["expect"], file["tolerance"]
    relative = float(str(tolerance["params"]).removeprefix("relative "))
    higher = fit.loglik - expected["loglik"]
    there = at_reference(fit, expected["params"])
    proof = ""
    if higher > 1e-9 and abs(there - expected["loglik"]) < min(1e-6, higher):
        proof = f"flexsurv stopped {higher:.1e} below the maximum of its likelihood, which is ours at its parameters"
    note = f" (ours is {higher:.1e} higher)" if higher > 1e-9 else ""
    rows: list[Row] = [
        ("loglik at the reference", there, expected["loglik"], 1e-6),
        (f"loglik{note}", fit.loglik, expected["loglik"], tolerance["loglik"]),
        (f"AIC{note}", fit.aic, expected["aic"], tolerance["aic"]),
    ]
    for row, name in zip(fit.rows(), expected["params"], strict=True):
        for ours, theirs in (("estimate", "params"), ("se", "se")):
            wanted = expected[theirs][name]
            rows.append((f"{theirs} {name}{note}", row[ours], wanted, relative * abs(wanted)))
    where = {"arm": [0, 1]} if case["covariate"] else None
    found = fit.survival(expected["surv_t"], where).estimate
    for i, wanted in enumerate(expected["surv"]):
        rows.append((f"S {i}{note}", float(found[i]), wanted, tolerance["surv"]))
    for i, wanted in enumerate(case["knots"] or []):
        rows.append((f"knot {i}", float(fit.model.knots[i]), wanted, KNOTS))
    return Excused(rows, proof)


def cure(case: Case, file: Case) -> list[Row]:
    """Log-likelihood, AIC, parameters and their limits."""
    tolerance, expected = file["tolerance"], case["expect"]
    model = km.cure_model(case["input"]["time"], case["input"]["status"], distribution=NAMES[case["dist"]][0])
    rows: list[Row] = [
        ("loglik", model.loglik, expected["loglik"], tolerance["loglik"]),
        ("AIC", model.aic, expected["aic"], 2 * tolerance["loglik"]),
    ]
    for row, name in zip(model.rows(), expected["params"], strict=True):
        for ours, theirs in (("estimate", "params"), ("ci_low", "lower"), ("ci_high", "upper")):
            rows.append((f"{theirs} {name}", row[ours], expected[theirs][name], tolerance["theta"]))
    return rows


FILES = {"parametric.json": parametric, "cure.json": cure}
