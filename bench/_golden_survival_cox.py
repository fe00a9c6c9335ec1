"""Two-arm Cox and log-rank cases, and one-stage meta-analyses of individual data."""

from __future__ import annotations

import math
from typing import Any

from bench.golden_survival import Row, number
from kmeta import cox, one_stage

Case = dict[str, Any]


def two_arms(case: Case, file: Case) -> list[Row]:
    """Cox (arm 1 against 0), log-rank, Peto, rho 1, the test of proportional hazards."""
    from kmeta.methods.survival.logrank import logrank

    given, expect, tolerance = case["input"], case["expect"], file["tolerance"]
    time, status, arm = given["time"], given["status"], given["arm"]
    fit = cox(time, status, {"arm": arm}, ties=case["ties"])
    test = fit.proportional_hazards_test("km")
    plain = logrank(time, status, arm, reference=0)
    peto = logrank(time, status, arm, reference=0, weights="peto-peto")
    ours = {
        "log_hr": fit.beta[0],
        "se": fit.se[0],
        "hr": fit.hr[0],
        "ci95": [math.exp(fit.ci_low[0]), math.exp(fit.ci_high[0])],
        "wald_z": fit.z[0],
        "lik_ratio_chisq": fit.likelihood_ratio.chi2,
        "score_chisq": fit.score.chi2,
        "loglik": fit.loglik,
        "logrank_obs": plain.observed,
        "logrank_exp": plain.expected,
        "logrank_var_arm1": plain.variance[1][1],
        "logrank_chisq": plain.chi2,
        "peto_log_hr": plain.log_hr[0],
        "peto_se": plain.se[0],
        "peto_peto_rho1_chisq": peto.chi2,
        "coxzph_km_chisq": test.chi2[0],
        "coxzph_km_p": test.p[0],
    }
    return compared(ours, expect, tolerance)


def one_stages(case: Case, file: Case) -> list[Row]:
    """Stratified, mixed and two-stage models, and each trial's own hazard ratio."""
    given, expect, tolerance = case["input"], case["expect"], file["tolerance"]
    columns = (given["Time"], given["Event"], given["Arm"], given["trialID"])
    common, mixed = one_stage(*columns), one_stage(*columns, model="random")
    two = one_stage(*columns, model="two-stage", test="z")
    trials = sorted(common.studies, key=lambda s: float(s.study))
    rows = compared(
        {"stratified_log_hr": common.log_hr, "stratified_se": common.se}, expect, tolerance["stratified"]
    )
    rows += compared(
        {"mixed_log_hr": mixed.log_hr, "mixed_se": mixed.se, "mixed_tau2": mixed.tau2},
        expect,
        tolerance["mixed"],
    )
    own = {"per_trial_log_hr": [s.log_hr for s in trials], "per_trial_se": [s.se for s in trials]}
    rows += compared(own, expect, tolerance["stratified"])
    pooled = {"est": two.log_hr, "se": two.se, "tau2": two.tau2}
    return rows + compared(pooled, expect["two_stage_reml"], tolerance["two_stage"])


def compared(ours: dict[str, Any], expect: Case, tolerance: float) -> list[Row]:
    """A row for each number expected under the names of `ours`."""
    rows = []
    for name, found in ours.items():
        wanted = expect[name] if isinstance(expect[name], list) else [expect[name]]
        values = found if isinstance(expect[name], list) else [found]
        rows += [
            (f"{name}[{i}]", float(a), number(b), tolerance)
            for i, (a, b) in enumerate(zip(values, wanted, strict=True))
        ]
    return rows


FILES = {"twoarm.json": two_arms, "ipd_onestage.json": one_stages}
