"""Golden runs of the diagnostics, and of the further models of one set of estimates."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

import kmeta as km
from bench.golden import estimate_solver, het_inverse
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.influence import hat_values

Values = dict[str, Any]


def diagnostics(run_name: str, call: str, inputs: Values, expected: Values) -> Values | None:
    """One run of metafor's influence(), leave1out(), cumul(), baujat(), radial(), blup(), gosh() or permutest()."""
    del call
    kind, _, method = run_name.partition("_")
    fit = _model(inputs, {"exact": "DL", "tau2": "REML"}.get(method, method))
    if kind == "cumul":
        refits = fit.cumulative(inputs.get("order"))
        return {"k": list(refits.k), **_refits(refits), "_solves": _growing_solvers(inputs, method)}
    if kind == "gosh":
        return _gosh(fit, expected["incl"])
    if kind == "leave1out":
        return _refits(fit.leave_one_out())
    if kind == "profile":
        got = fit.profile(expected["tau2"])
        return {"tau2": got.tau2.tolist(), "ll": got.ll.tolist()}
    found = {
        "influence": _influence,
        "baujat": lambda fit: _xy(fit.baujat()),
        "radial": lambda fit: _xy(fit.radial()),
        "resid": _residuals,
        "blup": _shrunken,
        "permutest": _permutation,
    }.get(kind)
    return None if found is None else found(fit)


def _model(inputs: Values, method: str) -> MetaFit:
    y, v = inputs["yi"], inputs["vi"]
    if method == "EE":
        return km.common_effect(y, v, measure="GEN")
    return km.random_effects(y, v, measure="GEN", tau2=method, test="z")


def _refits(refits: Any) -> Values:
    names = {
        "estimate": "mu",
        "se": "se",
        "zval": "statistic",
        "pval": "p_value",
        "ci.lb": "ci_low",
        "ci.ub": "ci_high",
        "Q": "q",
        "Qp": "q_p",
        "tau2": "tau2",
    }
    found = {key: getattr(refits, name).tolist() for key, name in names.items()}
    # of a single estimate the peer prints I2 = 0 and H2 = 1 where ours says unknown
    found["I2"] = (100 * np.nan_to_num(refits.i2, nan=0.0)).tolist()
    found["H2"] = np.nan_to_num(refits.h2, nan=1.0).tolist()
    return found


def _influence(fit: MetaFit) -> Values:
    got = fit.influence()
    names = ("rstudent", "dffits", "cook_d", "cov_r", "tau2_del", "hat")
    found = {name: getattr(got, name).tolist() for name in names}
    return found | {
        "QE_del": got.qe_del.tolist(),
        "weight_percent": got.weight.tolist(),
        "dfbs": got.dfbs[:, 0].tolist(),
        "is_infl": got.influential.tolist(),
    }


def _xy(got: Any) -> Values:
    return {"x": got.x.tolist(), "y": got.y.tolist()}


def _residuals(fit: MetaFit) -> Values:
    got = fit.rstandard()
    found = {name: getattr(got, name).tolist() for name in ("resid", "se", "z")}
    return found | {"weights_percent": fit.weights.tolist(), "hat": hat_values(fit).tolist()}


def _shrunken(fit: MetaFit) -> Values:
    own, apart = fit.blup(), fit.ranef()
    return {
        "pred": own.pred.tolist(),
        "se": own.se.tolist(),
        "pi_lb": own.pi_low.tolist(),
        "pi_ub": own.pi_high.tolist(),
        "ranef": apart.pred.tolist(),
        "ranef_se": apart.se.tolist(),
    }


def _growing_solvers(inputs: Values, method: str) -> Values:
    """For each I2 of a cumulative analysis by REML, whether its tau2 solves the equation of the estimator."""
    y, v = np.array(inputs["yi"], dtype=float), np.array(inputs["vi"], dtype=float)
    order = np.argsort(inputs.get("order", np.zeros(len(y))), kind="stable")
    known: Values = {}
    for i in range(1, len(y) if method == "REML" else 0):
        fit = km.random_effects(y[order[: i + 1]], v[order[: i + 1]], measure="GEN", tau2=method)
        solves, inverse = estimate_solver(fit), het_inverse(fit)[2]
        known[f"I2.{i}"] = lambda value, solves=solves, inverse=inverse: solves(inverse(value))
    return known


def _gosh(fit: MetaFit, wanted: list[list[int]]) -> Values:
    """All subsets, in the peer's order: its subsets of one size come in another."""
    got = fit.gosh()
    include = got.include.astype(int).tolist()
    place = {tuple(row): i for i, row in enumerate(include)}
    order = [place[tuple(row)] for row in wanted]
    columns = {
        "incl": include,
        "k": got.k.tolist(),
        "QE": got.q.tolist(),
        "I2": (100 * got.i2).tolist(),
        "H2": got.h2.tolist(),
        "tau2": got.tau2.tolist(),
        "tau": [math.sqrt(value) for value in got.tau2.tolist()],
        "estimate": got.mu.tolist(),
    }
    found: Values = {key: [values[i] for i in order] for key, values in columns.items()}
    # where Q < k - 1 the peer's gosh() prints Q / (k - 1) for H2, its own rma() on the same subset 1 (tau2 / vt + 1)
    known = {f"H2.{i}": got.h2[j] for i, j in enumerate(order) if got.tau2[j] == 0 and got.k[j] > 1}
    solves = {key: (lambda value, ours=float(ours): abs(value - ours) <= 1e-9) for key, ours in known.items()}
    return found | ({"_solves": solves} if fit.model == "random" else {})


def _permutation(fit: MetaFit) -> Values:
    got = fit.permutation_test(exact=True)
    return {"pval": got.p_value.tolist(), "QMp": got.qm_p, "n_perm": got.permutations}


def meta_regression(run_name: str, call: str, inputs: Values, expected: Values) -> Values | None:
    """anova(), rstandard(), rstudent() and vif() of rma() with a design matrix."""
    x = np.array(inputs["X"], dtype=float)
    options: Values = {"measure": "GEN", "test": "z"}
    y, v = inputs["yi"], inputs["vi"]
    if run_name == "anova_btt":
        first, last = (int(text) for text in re.findall(r"btt=(\d+):(\d+)", call)[0])
        fit = km.random_effects(y, v, mods=x[:, 1:], **options)
        got = fit.wald_test(fit.terms[first - 1 : last])
        return {"QM": got.qm, "QMdf": list(got.qm_df), "QMp": got.qm_p}
    if run_name == "LRT_ML":
        full = km.random_effects(y, v, mods=x[:, 1:], tau2="ML", **options)
        both = full.compare(km.random_effects(y, v, tau2="ML", **options))
        return {
            "LRT": both.statistic,
            "pval": both.p_value,
            "ll_full": both.ll,
            "ll_null": both.ll_reduced,
            "tau2_full": both.tau2,
            "tau2_null": both.tau2_reduced,
        }
    if run_name == "residuals":
        fit = km.random_effects(y, v, mods=x[:, 1:], **options)
        own = fit.rstandard()
        return {
            "rstandard": own.z.tolist(),
            "rstandard_resid": own.resid.tolist(),
            "rstandard_se": own.se.tolist(),
            "rstudent": fit.influence().rstudent.tolist(),
            "hat": hat_values(fit).tolist(),
            "vif": list(fit.variance_inflation().values()),
        }
    return None


def metagen(run_name: str, call: str, inputs: Values, expected: Values) -> Values | None:
    """Subgroups of metagen()."""
    del call
    if not run_name.startswith("subgroup_taucommon_"):
        return None
    y, v = np.array(inputs["yi"], dtype=float), np.array(inputs["sei"], dtype=float) ** 2
    _, _, shared, interval = run_name.split("_")
    got = km.subgroups(
        y,
        v,
        inputs["group"],
        measure="GEN",
        common_tau2=shared == "TRUE",
        test="knha" if interval == "HK" else "z",
    )
    order = [got.levels.index(str(name)) for name in expected["subgroup"]]
    fits = [got.fits[i] for i in order]
    fixed = [km.common_effect(fit.yi, fit.vi, measure="GEN") for fit in fits]
    return {
        "subgroup": [got.levels[i] for i in order],
        "k_w": [fit.k for fit in fits],
        "TE_common_w": [fit.mu for fit in fixed],
        "seTE_common_w": [fit.se for fit in fixed],
        "TE_random_w": [fit.mu for fit in fits],
        "seTE_random_w": [fit.se for fit in fits],
        "lower_random_w": [fit.ci_low for fit in fits],
        "upper_random_w": [fit.ci_high for fit in fits],
        "tau2_w": [fit.tau2 for fit in fits],
        "Q_w": [fit.q for fit in fits],
        "I2_w": [fit.i2 for fit in fixed],
        "Q_b_common": got.q_between_common,
        "pval_Q_b_common": got.q_p_common,
        "Q_b_random": [got.q_between],
        "df_Q_b_random": [got.q_df],
        "pval_Q_b_random": [got.q_p],
        "Q_w_common": got.q_within_common,
        "TE_random": got.whole.mu,
    }


FAMILIES: dict[str, Callable[[str, str, Values, Values], Values | None]] = {
    "diagnostics": diagnostics,
    "meta_regression": meta_regression,
    "metagen": metagen,
}
