"""Golden cases of conversions.json: log hazard ratios and effective sizes from incomplete reports."""

from __future__ import annotations

import math
from typing import Any

from bench.golden_survival import Case, Row, Unsupported
from kmeta.methods.effects import effective_sample_size, hazard_ratio
from kmeta.methods.effects.hazard_result import HazardRatio
from kmeta.methods.survival.log_hazard import actuarial, interval_ratios

ARMS = ("research", "control")


def conversions(case: Case, file: Case) -> list[Row]:
    """One conversion, by the route that the case names."""
    ask = METHODS.get(case["method"])
    if ask is None:
        raise Unsupported
    tolerance = case.get("tolerance", file["tolerance"])
    return [(what, ours, wanted, tolerance) for what, ours, wanted in ask(case["input"], case["expect"])]


Told = list[tuple[str, float, float]]


def _compare(expect: dict[str, Any], ours: dict[str, float], under: str = "") -> Told:
    """Every expected number; one that we do not give is compared with NaN and fails."""
    return [(f"{under}{key}", ours.get(key, math.nan), float(wanted)) for key, wanted in expect.items()]


def _route(found: HazardRatio, name: str) -> dict[str, float]:
    route = found.of_route[name]
    v = route.se**-2
    return {
        "log_hr": route.y,
        "se": route.se,
        "var": route.se**2,
        "v": v,
        "abs_o_minus_e": abs(route.y) * v,
        "p": math.erfc(abs(route.y / route.se) / math.sqrt(2)),
        "ci_midpoint_log_hr": found.ci_midpoint,
        "asymmetry": found.asymmetry,
    }


def _hr_ci(given: Case, expect: Case) -> Told:
    return _compare(expect, _route(hazard_ratio(**given), "hr_ci"))


def _oe_v(given: Case, expect: Case) -> Told:
    return _compare(expect, _route(hazard_ratio(**given), "oe_v"))


def _p_total(given: Case, expect: Case) -> Told:
    found = hazard_ratio(
        p=given["p_two_sided"],
        events=given["total_events"],
        n=(given["n_research"], given["n_control"]),
        favours=given["favours"],
        arms=ARMS,
    )
    names = {"balanced": "p_balanced", "by_numbers": "p_allocation"}
    return [
        row
        for key, wanted in expect.items()
        for row in _compare(wanted, _route(found, names[key]), f"{key}.")
    ]


def _arm_events(given: Case, expect: Case) -> Told:
    test = {"p": given["p_two_sided"]} if "p_two_sided" in given else {"chi2": given["chisq_1df"]}
    events = (given["events_research"], given["events_control"])
    found = hazard_ratio(**test, events=events, favours=given["favours"], arms=ARMS)
    return _compare(expect, _route(found, f"{next(iter(test))}_events_by_arm"))


def _effective_n(given: Case, expect: Case) -> Told:
    s, size = given["surv"], given.get("n_at_start")
    if "n_at_risk" in given:
        found = effective_sample_size(s, n_risk=given["n_at_risk"])
    else:
        found = effective_sample_size(s, ci=(given["ci_low"], given["ci_high"]), ci_scale=given["conf_type"])
    n = found.n_effective
    se = math.sqrt(s * (1 - s) / n)
    ours = {
        "se": se,
        "n_eff": n,
        "events_eff": n * (1 - s),
        "logit": math.log(s / (1 - s)),
        "se_logit": se / (s * (1 - s)),
        "cloglog": math.log(-math.log(s)),
        "se_cloglog": se / (s * abs(math.log(s))),
        "n_eff_exceeds_n": float(size is not None and n > size),
    }
    return _compare(expect, ours)


def _curve(given: Case, expect: Case) -> Told:
    survival = (given["surv_research"], given["surv_control"])
    at_risk = (given["n_risk_research"], given["n_risk_control"])
    found = hazard_ratio(times=given["time"], survival=survival, n_risk=at_risk, arms=ARMS)
    told = _compare(
        {key: value for key, value in expect.items() if key != "intervals"}, _route(found, "curve_n_risk")
    )
    for i, (wanted, part) in enumerate(
        zip(expect["intervals"], interval_ratios(survival, at_risk), strict=True)
    ):
        ours: dict[str, float] = {} if part is None else {"log_hr": part[0], "var": part[1]}
        for short, s, n in zip(("r", "c"), survival, at_risk, strict=True):
            events, risk = actuarial(n[i], n[i + 1], s[i + 1] / s[i])
            ours |= {f"d_{short}": events, f"risk_{short}": risk, f"cens_{short}": 2 * (n[i] - risk)}
        told += _compare(wanted, ours, f"interval {i} ")
    return told


METHODS = {
    "hr_ci": _hr_ci,
    "oe_v": _oe_v,
    "p_total_events": _p_total,
    "p_arm_events": _arm_events,
    "logrank_chi2": _arm_events,
    "effective_n": _effective_n,
    "peto_se": _effective_n,
    "curve_numbers_at_risk": _curve,
}
FILES = {"conversions.json": conversions}
