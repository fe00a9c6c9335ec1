"""Golden runs of multilevel and multivariate models, imputed covariances and cluster-robust tests."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import kmeta as km

Values = dict[str, Any]
NUMBERS = {"NA": math.nan, "NaN": math.nan, "Inf": math.inf, "-Inf": -math.inf}


def vector(values: list[Any]) -> np.ndarray[Any, Any]:
    """A golden vector as floats."""
    return np.array([NUMBERS.get(value, value) for value in values], dtype=float)


def matrix(values: list[list[Any]]) -> np.ndarray[Any, Any]:
    """A golden matrix as floats."""
    return np.array([[NUMBERS.get(cell, cell) for cell in row] for row in values], dtype=float)


def coefficients(fit: Any, names: list[str]) -> Values:
    """A fit's coefficients and tests, under the peer's keys."""
    rows = fit.rows()
    dfs = [row["df"] for row in rows]
    vcov = [[fit.se**2]] if fit.vcov is None else np.asarray(fit.vcov).tolist()
    z = all(math.isinf(df) for df in dfs)
    return {
        "coef_names": names,
        "beta": [row["estimate"] for row in rows],
        "se": [row["se"] for row in rows],
        "stat": [row["estimate"] / row["se"] for row in rows],
        "pval": [row["p_value"] for row in rows],
        "ci_lb": [row["ci_low"] for row in rows],
        "ci_ub": [row["ci_high"] for row in rows],
        "vcov": vcov,
        "p": len(rows),
        "test": "z" if z else "t",
        "ddf": [math.nan] * len(rows) if z else dfs,
        "QM": fit.qm,
        "QMp": fit.qm_p,
        "QMdf": list(fit.qm_df),
    }


def model_values(fit: Any, names: list[str]) -> Values:
    """All that a run of rma.mv() prints."""
    stats = fit.fit_stats()
    order = ["ll", "dev", "AIC", "BIC", "AICc"]
    found = coefficients(fit, names) | heterogeneity(fit)
    found["fit_stats"] = {
        "names": order,
        **{kind: [stats[kind][key] for key in order] for kind in ("ML", "REML")},
    }
    found["sigma2"] = list(fit.sigma2) or [0.0]
    found["tau2"] = list(fit.tau2s) if fit.tau2s else 0.0
    found["rho"] = list(fit.rho) or [0.0] * bool(fit.tau2s)
    found["_solves"] = {f"sigma2.{j}": stationary(fit, j) for j, value in enumerate(fit.sigma2) if value == 0}
    return found


def stationary(fit: Any, j: int) -> Callable[[float], bool]:
    """Whether a variance meets the condition of a maximum: no slope, or at 0 none upwards."""
    model = fit.block_model()

    def solves(value: float) -> bool:
        theta = np.array(fit.theta)
        theta[j] = value
        slope = model.point(theta / model.unit**2, restricted=fit.method == "REML").slope[j]
        return bool(slope <= 0 if value == 0 else abs(slope) < 1e-9)

    return solves


def heterogeneity(fit: Any) -> Values:
    """Cochran's Q of the model behind."""
    return {"k": fit.k, "QE": fit.q, "QEp": fit.q_p, "QE_df": fit.q_df, "tau2": 0.0}


def three_level(inputs: Values, **options: Any) -> Any:
    """The nested model by the general way."""
    data = {"outer": inputs["outer"], "inner": inputs["inner"]}
    v = options.pop("v", None)
    options = {"random": "1 | outer/inner", "test": "z", **options}
    vi = vector(inputs["vi"]) if v is None else v
    return km.multilevel(vector(inputs["yi"]), vi, data=data, measure="GEN", **options)


def imputed(inputs: Values, rho: float) -> Any:
    """Sampling errors correlated within the outer cluster."""
    return km.impute_covariance(vector(inputs["vi"]), inputs["outer"], rho=rho)


def multilevel(name: str, call: str, inputs: Values, expected: Values) -> Values | None:
    """One run of rma.mv(), robust() or coef_test()."""
    if name.startswith("nested_mod"):
        fit = three_level(inputs, mods={"mod": vector(inputs["mod"])})
        if name == "nested_mod":
            return model_values(fit, ["intrcpt", "mod"])
        return coefficients(fit.robust(inputs["outer"]), ["intrcpt", "mod"]) | heterogeneity(fit)
    if name == "cs_parametrisation":
        cell = [f"{a} {b}" for a, b in zip(inputs["outer"], inputs["inner"], strict=True)]
        data = {"outer": inputs["outer"], "cell": cell}
        y, v = vector(inputs["yi"]), vector(inputs["vi"])
        fit = km.multilevel(y, v, random="cell | outer", data=data, measure="GEN", test="z")
        return model_values(fit, ["intrcpt"])
    if name.startswith("vcalc_rho"):
        fit = three_level(inputs, v=imputed(inputs, float(name.removeprefix("vcalc_rho"))))
        return model_values(fit, ["intrcpt"])
    if name.startswith("robust_CR"):
        fit = three_level(inputs, v=imputed(inputs, float(name.partition("_rho")[2])))
        kind = {"CR1": "CR1p", "CR2": "CR2"}[name.split("_")[1]]
        return coefficients(fit.robust(inputs["outer"], kind=kind), ["intrcpt"]) | heterogeneity(fit)
    if name.startswith("clubSandwich_"):
        return club_sandwich(name.removeprefix("clubSandwich_"), inputs)
    if name.startswith("robumeta_"):
        _, weights, small = name.split("_")
        return hedges_tipton_johnson(weights, small == "smallTRUE", inputs)
    return None


def club_sandwich(kind: str, inputs: Values) -> Values:
    """coef_test() of clubSandwich with both its tests."""
    fit = km.multilevel(
        vector(inputs["yi"]), vector(inputs["vi"]), groups=inputs["outer"], measure="GEN", test="z"
    )
    naive, small = (fit.robust(inputs["outer"], kind=kind, df=df) for df in ("m-1", "satterthwaite"))
    return {
        "beta": small.beta.tolist(),
        "SE": small.se.tolist(),
        "tstat": small.statistic.tolist(),
        "df_t": naive.df.tolist(),
        "p_t": naive.p_value.tolist(),
        "df_Satt": small.df.tolist(),
        "p_Satt": small.p_value.tolist(),
    }


def hedges_tipton_johnson(weights: str, small: bool, inputs: Values) -> Values:
    """robu() of robumeta."""
    working = {"CORR": "correlated", "HIER": "hierarchical"}[weights]
    fit = km.robust_variance(
        vector(inputs["yi"]), vector(inputs["vi"]), inputs["outer"], weights=working, small=small
    )
    return {
        "b": fit.beta.tolist(),
        "SE": fit.se.tolist(),
        "t": (fit.beta / fit.se).tolist(),
        "dfs": fit.df.tolist(),
        "prob": fit.p_value.tolist(),
        "ci_lb": fit.ci_low.tolist(),
        "ci_ub": fit.ci_high.tolist(),
        "tau2": fit.tau2,
        "omega2": fit.omega2,
        "I2": 100 * fit.i2,
        # the peer takes 1 - F, which leaves few digits of a small tail
        "_solves": {"prob.0": lambda p: math.isclose(p, t_tail(fit.beta / fit.se, fit.df), rel_tol=1e-9)},
    }


def t_tail(t: Any, df: Any) -> float:
    """The two-sided tail area of one t statistic by the incomplete beta function."""
    from scipy.special import betainc

    return float(betainc(df / 2, 0.5, df / (df + t * t))[0])


def multivariate(name: str, call: str, inputs: Values, expected: Values) -> Values | None:
    """One run of rma.mv() with correlated outcomes."""
    levels = sorted(set(inputs["outcome"]))
    mods = {f"outcome{level}": [float(o == level) for o in inputs["outcome"]] for level in levels}
    struct, _, method = name.partition("_")
    options: Values = {"random": [], "test": "z", "mods": mods, "intercept": False, "measure": "GEN"}
    if name != "FE":
        options |= {"random": "outcome | study", "struct": struct, "method": method}
    data = {"outcome": inputs["outcome"], "study": inputs["study"]}
    fit = km.multilevel(vector(inputs["yi"]), matrix(inputs["V"]), data=data, **options)
    return model_values(fit, list(mods))


def vcalc(name: str, call: str, inputs: Values, expected: Values) -> Values | None:
    """vcalc() from the rows of reported covariances."""
    if name != "rvars":
        return None
    columns = np.column_stack([vector(inputs["v1i"]), vector(inputs["v2i"])])
    found = km.impute_covariance(np.ones(len(columns)), inputs["trial"], rvars=columns)
    return {"V": found.dense().tolist()}


def robust_regression(name: str, call: str, inputs: Values, expected: Values) -> Values | None:
    """robust() of a meta-regression, each study its own cluster."""
    if name != "robust_CR1_by_study":
        return None
    y, v, x = vector(inputs["yi"]), vector(inputs["vi"]), matrix(inputs["X"])
    fit = km.random_effects(y, v, measure="GEN", mods=x[:, 1:], tau2="REML", test="z")
    found = coefficients(fit.robust(range(len(y)), kind="CR1p"), expected["coef_names"])
    stats = fit.fit_stats()
    order = ["ll", "dev", "AIC", "BIC", "AICc"]
    found |= heterogeneity(fit) | {"tau2": fit.tau2, "se.tau2": fit.tau2_se}
    found |= {"I2": 100 * fit.i2, "H2": fit.h2, "R2": 100 * fit.r2, "vt": fit.vt}
    found["fit_stats"] = {
        "names": order,
        **{kind: [stats[kind][key] for key in order] for kind in ("ML", "REML")},
    }
    from bench.golden import add_estimate_solvers  # here, for the runner imports this module

    return add_estimate_solvers(found, fit, "")


FAMILIES = {
    "multilevel": multilevel,
    "multivariate": multivariate,
    "vcalc": vcalc,
    "meta_regression": robust_regression,
}
