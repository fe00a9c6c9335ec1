"""Golden runs of location-scale models.

With the identity link the peer stops short of the maximum, since its search keeps off the bounds of tau2, and finds
no standard errors where a numerical derivative crosses a bound. Where its log-likelihood is below ours, the other
numbers of a run are those that follow from its own coefficients; standard errors are put against second differences.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

import kmeta as km
from kmeta.methods.meta.distributions import two_sided
from kmeta.methods.meta.location_scale import LocationScaleFit

Values = dict[str, Any]


def location_scale(run_name: str, call: str, inputs: Values, expected: Values) -> Values | None:
    """One run of rma(scale=)."""
    del call
    method, _, link = run_name.partition("_")
    if method not in ("ML", "REML") or link not in ("log", "identity"):
        return None
    fit = km.random_effects(
        inputs["yi"],
        inputs["vi"],
        measure="GEN",
        tau2=method,
        test="z",
        mods=inputs["X"],
        scale=inputs["Z"],
        link=link,
    )
    assert isinstance(fit, LocationScaleFit)
    names = expected["coef_names"]
    found = _values(fit, fit.alpha, names)
    gap = found["fit_stats"][method][0] - expected["fit_stats"][method][0]
    if "NA" in expected["se_alpha"] and not np.isnan(fit.alpha_se).any():
        found["_solves"] = _standard_error_solvers(fit)
    if link == "identity" and 1e-9 < gap < 1e-6:
        theirs = np.array(expected["alpha"])
        found["_peer_text"] = f"log-likelihood below the maximum by {gap:.2g}, all else follows from it"
        kept = _flat({key: value for key, value in found.items() if not key.startswith("_")})
        own = {key: kept[key] for key in found.get("_solves", {})}  # what the peer has no value for
        found["_at_peer_tau2"] = lambda: _flat(_values(fit, theirs, names)) | own
    return found


def _log_likelihood(fit: LocationScaleFit, alpha: Any) -> float:
    """Of any scale coefficients, the location's at their best; written without the package's own likelihood."""
    x = np.ones((fit.k, 1)) if fit.x is None else fit.x
    eta = fit.z @ alpha
    total = fit.vi + (np.exp(eta) if fit.link == "log" else eta)
    gram = x.T @ (x / total[:, None])
    resid = fit.yi - x @ np.linalg.solve(gram, x.T @ (fit.yi / total))
    k, p = x.shape
    n = k - p if fit.method == "REML" else k
    height = n * math.log(2 * math.pi) + np.log(total).sum() + (resid**2 / total).sum()
    if fit.method == "REML":
        height += np.linalg.slogdet(gram)[1] - np.linalg.slogdet(x.T @ x)[1]
    return -0.5 * float(height)


def _standard_error_solvers(fit: LocationScaleFit) -> dict[str, Callable[[float], bool]]:
    """For what the peer has no value: whether ours follows from second differences of the log-likelihood."""
    q = len(fit.alpha)
    h = 1e-3 * fit.alpha_se
    step = np.diag(h)
    second = np.empty((q, q))
    for i in range(q):
        for j in range(q):
            corners = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
            parts = [a * b * _log_likelihood(fit, fit.alpha + a * step[i] + b * step[j]) for a, b in corners]
            second[i, j] = sum(parts) / (4 * h[i] * h[j])
    se = np.sqrt(np.diag(np.linalg.inv(-second)))
    z = fit.alpha / se
    qs = float(fit.alpha[1:] @ np.linalg.solve(np.linalg.inv(-second)[1:, 1:], fit.alpha[1:]))
    wanted: dict[str, float] = {"QS": qs, "QSp": fit.qs_p if abs(fit.qs - qs) <= 1e-3 * qs else math.nan}
    for j in range(q):
        wanted |= {
            f"se_alpha.{j}": float(se[j]),
            f"z_alpha.{j}": float(z[j]),
            f"p_alpha.{j}": two_sided(float(z[j]), math.inf),
            f"ci_lb_alpha.{j}": float(fit.alpha[j] - 1.959963984540054 * se[j]),
            f"ci_ub_alpha.{j}": float(fit.alpha[j] + 1.959963984540054 * se[j]),
        }
    return {
        key: lambda value, number=number: abs(value - number) <= 1e-3 * abs(number)
        for key, number in wanted.items()
    }


def _values(fit: LocationScaleFit, alpha: Any, names: list[str]) -> Values:
    """Under the peer's keys, at the scale coefficients `alpha`."""
    if alpha is not fit.alpha:
        fit = _moved(fit, alpha)
    location = [row for row in fit.rows() if row["part"] == "location"]
    scale = fit.scale_rows()
    stats, order = fit.fit_stats(), ["ll", "dev", "AIC", "BIC", "AICc"]
    assert fit.vcov is not None
    return {
        "alpha": fit.alpha.tolist(),
        "se_alpha": fit.alpha_se.tolist(),
        "z_alpha": [row["statistic"] for row in scale],
        "p_alpha": [row["p_value"] for row in scale],
        "ci_lb_alpha": [row["ci_low"] for row in scale],
        "ci_ub_alpha": [row["ci_high"] for row in scale],
        "QS": fit.qs,
        "QSp": fit.qs_p,
        "tau2_i": fit.tau2_i.tolist(),
        "coef_names": names,
        "beta": [row["estimate"] for row in location],
        "se": [row["se"] for row in location],
        "stat": [row["estimate"] / row["se"] for row in location],
        "pval": [row["p_value"] for row in location],
        "ci_lb": [row["ci_low"] for row in location],
        "ci_ub": [row["ci_high"] for row in location],
        "vcov": fit.vcov.tolist(),
        "k": fit.k,
        "p": len(location),
        "test": fit.test,
        "ddf": [math.nan if math.isinf(fit.df) else fit.df],
        "se.tau2": fit.tau2_se,
        "I2": (100 * fit.i2_i).tolist(),
        "H2": fit.h2_i.tolist(),
        "vt": fit.vt,
        "QE": fit.q,
        "QEp": fit.q_p,
        "QM": fit.qm,
        "QMp": fit.qm_p,
        "QMdf": list(fit.qm_df),
        "fit_stats": {
            "names": order,
            **{kind: [stats[kind][key] for key in order] for kind in ("ML", "REML")},
        },
    }


def _moved(fit: LocationScaleFit, alpha: Any) -> LocationScaleFit:
    """The fit as though its scale coefficients were `alpha`: the location by weighted least squares."""
    assert fit.x is not None
    tau2 = fit.z @ alpha
    w = 1 / (fit.vi + tau2)
    vcov = np.linalg.inv(fit.x.T @ (fit.x * w[:, None]))
    beta = vcov @ (fit.x.T @ (w * fit.yi))
    part = slice(1, None) if len(beta) > 1 else slice(0, 1)
    qm = float(beta[part] @ np.linalg.solve(vcov[part, part], beta[part]))
    from scipy.special import chdtrc

    return dataclasses.replace(
        fit,
        alpha=alpha,
        tau2_i=tau2,
        beta=beta,
        vcov=vcov,
        mu=float(beta[0]),
        se=math.sqrt(vcov[0, 0]),
        qm=qm,
        qm_p=float(chdtrc(fit.qm_df[0], qm)),
    )


def _flat(values: Values) -> Values:
    from bench.golden import flat

    return dict(flat(values))


FAMILIES = {"location_scale": location_scale}
