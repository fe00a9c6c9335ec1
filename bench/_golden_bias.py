"""Golden runs of small-study and selection bias.

Several of the peer's numbers come from searches that stop early: its REML inside these functions (a change of tau2
below 1e-5), `uniroot` (1e-4), and selection models by a quasi-Newton search over integrals of 4 digits. Where ours
differ, the reason is checked, not assumed: the peer's stopping rule is repeated and must give its numbers, or its
value must miss the equation that ours solves, or its maximum must be lower than ours in the exact likelihood.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

import kmeta as km
from bench.golden import fit_values, flat, number, same
from kmeta.core.errors import ConvergenceError
from kmeta.methods.meta.excess_significance import ExcessSignificance
from kmeta.methods.meta.fail_safe import _with
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.henmi_copas import Conditional, henmi_copas
from kmeta.methods.meta.selection_functions import FAMILIES as WEIGHTS
from kmeta.methods.meta.selection_functions import step_family
from kmeta.methods.meta.selection_likelihood import Selected
from kmeta.methods.meta.selection_model import SelectionModel, _edges

Values = dict[str, Any]
VEVEA_WOODS = {
    "steps": [0.005, 0.01, 0.05, 0.1, 0.25, 0.35, 0.5, 0.65, 0.75, 0.9, 0.95, 0.99, 0.995, 1],
    "delta": [1, 0.99, 0.95, 0.8, 0.75, 0.65, 0.6, 0.55, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5],
}


def explain(found: Values, reason: bool) -> Values:
    """Mark our numbers as the right ones where `reason` was shown to hold for the peer's."""
    if reason:
        own = {key: value for key, value in found.items() if isinstance(value, (int, float))}
        found["_solves"] = {key: _is(value) for key, value in own.items()}
    return found


def _is(own: float) -> Callable[[float], bool]:
    return lambda value: value == own or (math.isnan(value) and math.isnan(own))


def same_as(values: Values, one: Values) -> bool:
    """Whether all of the run's numbers are met by `values`."""
    return all(
        same(values[key], expected, one["rtol"], one["atol"]) for key, expected in flat(one["expected"])
    )


def stopped_reml(y: Any, v: Any, x: Any) -> float:
    """The tau2 at which Fisher scoring from Hedges' estimate stops when a step is at most 1e-5 (the peer's default)."""
    k, p = x.shape
    hat = np.eye(k) - x @ np.linalg.solve(x.T @ x, x.T)
    tau2 = max(0.0, float(y @ hat @ y - np.trace(hat * v)) / (k - p))
    for _ in range(100):
        w = 1 / (v + tau2)
        wx = x * w[:, None]
        proj = np.diag(w) - wx @ np.linalg.solve(x.T @ wx, wx.T)
        step = float(y @ proj @ proj @ y - np.trace(proj)) / float(np.sum(proj * proj.T))
        while tau2 + step < 0:
            step /= 2
        tau2 += step
        if abs(step) <= 1e-5:
            break
    return tau2


# --- regression, ranks ------------------------------------------------------------------------------------------


def regtest(inputs: Values, one: Values) -> Values:
    """regtest(): by name regtest_<model>_<predictor>."""
    _, model, predictor = one["run"].split("_")
    y, v = np.array(inputs["yi"]), np.array(inputs["vi"])
    options: Values = {"model": model, "predictor": predictor, "ni": inputs.get("ni")}

    def values(tau2: str | float) -> Values:
        test = km.regtest(y, v, tau2=tau2, **options)
        return {
            "stat": test.statistic,
            "pval": test.p_value,
            "dfs": test.df,
            "limit_est": test.limit,
            "limit_ci_lb": test.limit_low,
            "limit_ci_ub": test.limit_high,
        }

    found = values("REML")
    if model == "rma" and not same_as(found, one):
        n = np.array(inputs.get("ni", np.ones(len(y))), dtype=float)
        columns = {"sei": np.sqrt(v), "vi": v, "ni": n, "ninv": 1 / n, "sqrtni": n**0.5, "sqrtninv": n**-0.5}
        x = np.column_stack([np.ones(len(y)), columns[predictor]])
        explain(found, same_as(values(stopped_reml(y, v, x)), one))
    return found


def ranktest(inputs: Values, one: Values) -> Values:
    """ranktest()."""
    test = km.ranktest(inputs["yi"], inputs["vi"])
    return {"tau": test.tau, "pval": test.p_value}


def pet_peese(inputs: Values, one: Values) -> Values:
    """Weighted least squares, or two meta-regressions."""
    if one["run"] == "pet_peese_FE_lm":
        both = km.pet_peese(inputs["yi"], inputs["vi"])
        return dict(flat({"pet": both.pet.tolist(), "peese": both.peese.tolist()}))
    both = km.pet_peese(inputs["yi"], inputs["vi"], model="rma")
    assert both.pet_fit is not None
    assert both.peese_fit is not None
    found = {}
    for name, fit in (("pet", both.pet_fit), ("peese", both.peese_fit)):
        found |= {f"{name}.{key}": value for key, value in fit_values(fit, ("intrcpt", "mods")).items()}
    return found


# --- trim and fill, fail-safe N ---------------------------------------------------------------------------------


def model(inputs: Values, method: str) -> MetaFit:
    """The model a run starts from."""
    if method == "EE":
        return km.common_effect(inputs["yi"], inputs["vi"], measure="GEN")
    return km.random_effects(inputs["yi"], inputs["vi"], measure="GEN", tau2=method, test="z")


def trim_fill(inputs: Values, one: Values) -> Values:
    """trimfill(): by name trimfill_<method>_<estimator>_<side>."""
    if one["run"] == "trimfill_auto_side":
        done = km.trim_fill(model(inputs, "DL"))
        return {"k0": done.k0, "side": done.side, "beta": done.fit.mu, "se": done.fit.se}
    _, method, estimator, side = one["run"].split("_")
    done = km.trim_fill(model(inputs, method), estimator=estimator, side=side)

    def values(fit: MetaFit) -> Values:
        nested = {
            "k0": done.k0,
            "se_k0": done.se_k0,
            "p_k0": done.p_k0,
            "side": done.side,
            "k_total": fit.k,
            "beta": fit.mu,
            "se": fit.se,
            "ci_lb": fit.ci_low,
            "ci_ub": fit.ci_high,
            "pval": fit.p_value,
            "tau2": fit.tau2,
            "QE": fit.q,
            "QEp": fit.q_p,
            "I2": 100 * fit.i2,
            "yi_all": fit.yi.tolist(),
            "fill": [int(flag) for flag in done.filled],
        }
        return dict(flat(nested))

    found = values(done.fit)
    if method == "REML" and not same_as(found, one):
        y, v = done.fit.yi, done.fit.vi
        at = stopped_reml(y, v, np.ones((len(y), 1)))
        explain(found, same_as(values(km.random_effects(y, v, measure="GEN", tau2=at, test="z")), one))
    return found


def fail_safe_n(inputs: Values, one: Values) -> Values:
    """fsn(): by name fsn_<kind>. The general N: ours is the smallest that reaches alpha, checked one below it."""
    kind = one["run"].split("_")[1]
    y, v = np.array(inputs["yi"]), np.array(inputs["vi"])
    done = km.fail_safe_n(y, v, kind=kind)
    found: Values = {
        "fsnum": done.n,
        "est": done.mu,
        "tau2": done.tau2,
        "meanes": done.mu,
        "pval": done.p_value,
        "alpha": done.alpha,
        "target": done.target,
        "est.fsn": done.mu_with,
        "tau2.fsn": done.tau2_with,
        "pval.fsn": done.p_with,
    }
    if kind != "General" or same_as(found, one):
        return found
    at = stopped_reml(y, v, np.ones((len(y), 1)))
    fit = km.random_effects(y, v, measure="GEN", tau2=at, test="z")
    typical = len(v) / float(np.sum(1 / v))
    theirs = int(one["expected"]["fsnum"])

    def p_with(n: int) -> float:
        return _with(n, y, v, done.mu, done.tau2, typical, False)[2]

    smallest = done.n == 0 or (p_with(int(done.n) - 1) < done.alpha <= p_with(int(done.n)))
    mu, tau2, p = _with(theirs, y, v, fit.mu, at, typical, False) if theirs else (fit.mu, at, fit.p_value)
    stopped = found | {"fsnum": theirs, "est": fit.mu, "meanes": fit.mu, "tau2": at, "pval": fit.p_value}
    stopped |= {"est.fsn": mu, "tau2.fsn": tau2, "pval.fsn": p}
    return explain(found, smallest and 0 <= theirs - done.n <= 1 and same_as(stopped, one))


# --- excess significance, Henmi and Copas -----------------------------------------------------------------------


def excess(inputs: Values, one: Values) -> Values:
    """tes(), with the kind of test the peer chose."""
    kind = one["expected"]["test"]
    options: Values = {"test": kind}
    done = km.excess_significance(inputs["yi"], inputs["vi"], **options)
    found = dict(flat(_excess_values(done)))
    found["test"] = kind

    def solves(value: float) -> bool:
        there = km.excess_significance(inputs["yi"], inputs["vi"], theta=value, **options)
        return abs(there.p_value - done.limit_alpha) <= 1e-9

    found["_solves"] = {"theta_lim.0": solves}
    return found


def _excess_values(done: ExcessSignificance) -> Values:
    return {
        "O": done.observed,
        "E": done.expected,
        "OEratio": done.ratio,
        "X2": done.chi2,
        "pval": done.p_value,
        "theta": done.theta,
        "theta_lim": [done.theta_limit],
        "power": done.power.tolist(),
    }


def henmi(inputs: Values, one: Values) -> Values:
    """hc(): a limit must put the tail area at alpha."""
    done = henmi_copas(model(inputs, "DL"))
    v = np.array(inputs["vi"])
    moments = Conditional(1 / (v / v.min()), done.tau2 / float(v.min()))

    def solves(value: float) -> bool:
        return abs(moments.excess(abs(value - done.mu) / done.se, 1 - done.level)) <= 1e-9

    return {
        "beta": done.mu,
        "se": done.se,
        "ci_lb": done.ci_low,
        "ci_ub": done.ci_high,
        "tau2": done.tau2,
        "_solves": {"ci_lb": solves, "ci_ub": solves},
    }


# --- selection models -------------------------------------------------------------------------------------------


def selection(inputs: Values, one: Values) -> Values:
    """selmodel(): by name selmodel_<kind>."""
    kind = one["run"].split("_")[1]
    match = re.search(r'alternative="(\w+)"', one["call"])
    assert match is not None
    alternative = match.group(1)
    options: Values = {"alternative": alternative, "kind": "stepfun" if kind == "fixed" else kind}
    if kind == "fixed":
        options |= VEVEA_WOODS
    elif kind == "stepfun":
        options["steps"] = [0.025, 0.5] if one["run"].endswith("_5") else [0.025]
    fit = model(inputs, "ML")
    try:
        done = km.selection_model(fit, **options)
    except ConvergenceError as error:
        found = dict.fromkeys((key for key, _ in flat(one["expected"])), math.nan)
        return explain(found, _runs_away(fit, kind, alternative, one, error.last))
    found = dict(flat(_selection_values(done)))
    if not same_as(found, one):
        explain(found, _higher(fit, options, done, one))
    return found


def _selection_values(done: SelectionModel) -> Values:
    return {
        "beta": done.mu,
        "se": done.se,
        "zval": done.statistic,
        "pval": done.p_value,
        "ci_lb": done.ci_low,
        "ci_ub": done.ci_high,
        "tau2": done.tau2,
        "se_tau2": done.tau2_se,
        "delta": done.delta.tolist(),
        "se_delta": done.delta_se.tolist(),
        "LRT": done.lrt,
        "LRTp": done.lrt_p,
        "ll": done.log_likelihood,
    }


def _exact(fit: MetaFit, kind: str, alternative: str, steps: list[float]) -> Selected:
    sign = -1.0 if alternative == "less" else 1.0
    limits = np.array([*steps, 1.0]) if steps else np.array([])
    family = step_family(limits) if steps else WEIGHTS[kind]
    edges = _edges(tuple(limits.tolist()), alternative)
    return Selected(sign * fit.yi, fit.vi, np.ones((fit.k, 1)), family, edges, two_sided=False)


def _peer_theta(one: Values, alternative: str, steps: list[float]) -> Any:
    expected = one["expected"]
    delta = [number(value) for value in expected["delta"]]
    delta = [math.log(max(value, 1e-300)) for value in delta[1:]] if steps else delta
    sign = -1.0 if alternative == "less" else 1.0
    return np.array([sign * number(expected["beta"]), number(expected["tau2"]), *delta])


def _higher(fit: MetaFit, options: Values, done: SelectionModel, one: Values) -> bool:
    """Whether the exact likelihood at the peer's parameters is lower than at ours (or there is none there)."""
    steps = options.get("steps", []) if options["kind"] == "stepfun" else []
    exact = _exact(fit, options["kind"], options["alternative"], steps)
    theirs = exact.height(_peer_theta(one, options["alternative"], steps)).value
    return theirs <= done.log_likelihood


def _runs_away(fit: MetaFit, kind: str, alternative: str, one: Values, last: Any) -> bool:
    """Whether the peer's point is no maximum: the slope there is steep and our last point is higher."""
    exact = _exact(fit, kind, alternative, [])
    there, end = exact.height(_peer_theta(one, alternative, [])), exact.height(np.array(last))
    return bool(np.abs(there.gradient).max() > 0.1 and end.value > there.value)


KINDS: dict[str, Callable[[Values, Values], Values]] = {
    "regtest": regtest,
    "ranktest": ranktest,
    "trimfill": trim_fill,
    "fsn": fail_safe_n,
    "selmodel": selection,
    "tes": excess,
    "hc": henmi,
    "pet": pet_peese,
}


TOLERANCES = {"selmodel": 1e-4, "trimfill": 1e-5, "hc": 1e-5}  # as the golden runs state them


def publication_bias(run: str, call: str, inputs: Values, expected: Values) -> Values | None:
    """One run, by the first word of its name."""
    kind = run.split("_")[0]
    one = {"run": run, "call": call, "expected": expected, "atol": 1e-10, "rtol": TOLERANCES.get(kind, 1e-6)}
    return KINDS[kind](inputs, one) if kind in KINDS else None


# --- tables -----------------------------------------------------------------------------------------------------


def tables(run: str, call: str, inputs: Values, expected: Values) -> Values | None:
    """metabias() of 2x2 tables: regressions, and rank tests by the normal approximation."""
    if not run.startswith("metabias_"):
        return None
    data = {key: np.array([number(x) for x in inputs[key]]) for key in ("ai", "n1i", "ci", "n2i")}
    corrected: Values = {"add": (0.5, 0.5), "to": ("only0", "only0"), "drop00": (True, True)}
    common = km.mantel_haenszel(
        "OR", **data, **corrected
    )  # the peer corrects it, not the events it is held against
    found: Values = {}
    for name in expected:
        if name in ("Schwarzer", "Begg"):
            odds = math.exp(common.mu) if name == "Schwarzer" else None
            rank = km.ranktest_2x2(**data, method=name, odds_ratio=odds, exact=False)
            ratio, spread = rank.score / rank.score_se, [rank.score, rank.score_se]
            found[name] = {"stat": ratio, "pval": rank.p_value, "estimate": spread}
        else:
            line = km.regtest_2x2(**data, method=name)
            found[name] = {
                "stat": line.statistic,
                "pval": line.p_value,
                "df": line.df,
                "estimate": [line.slope, line.se],
            }
    return found


FAMILIES = {"publication_bias": publication_bias, "binary_2x2": tables}
