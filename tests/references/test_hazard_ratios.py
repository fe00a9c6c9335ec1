"""hazard_ratio against the closed forms of Parmar 1998, Williamson 2002 and Tierney 2007, worked out elsewhere."""

import json
import math
from pathlib import Path

import pytest

import kmeta as km
from kmeta.methods.survival.log_hazard import interval_ratios

FILE = json.loads((Path(__file__).parent / "hazard_ratios.json").read_text(encoding="utf-8"))
CASES = {case["id"]: case for case in FILE["cases"]}
ARMS = ("research", "control")
GRID = {
    "hr_ci": 4,
    "oe_v": 2,
    "p_total_events": 3,
    "p_arm_events": 2,
    "logrank_chi2": 1,
    "curve_numbers_at_risk": 1,
}


def found(case):
    """(the result, route -> the numbers expected of it)."""
    given, expect = case["input"], case["expect"]
    events = (given.get("events_research"), given.get("events_control"))
    match case["method"]:
        case "hr_ci" | "oe_v" as name:
            return km.hazard_ratio(**given), {name: expect}
        case "p_total_events":
            result = km.hazard_ratio(
                p=given["p_two_sided"],
                events=given["total_events"],
                n=(given["n_research"], given["n_control"]),
                favours=given["favours"],
                arms=ARMS,
            )
            return result, {"p_balanced": expect["balanced"], "p_allocation": expect["by_numbers"]}
        case "p_arm_events":
            result = km.hazard_ratio(
                p=given["p_two_sided"], events=events, favours=given["favours"], arms=ARMS
            )
            return result, {"p_events_by_arm": expect}
        case "logrank_chi2":
            result = km.hazard_ratio(
                chi2=given["chisq_1df"], events=events, favours=given["favours"], arms=ARMS
            )
            return result, {"chi2_events_by_arm": expect}
    survival, n_risk = curves(given)
    return km.hazard_ratio(times=given["time"], survival=survival, n_risk=n_risk), {"curve_n_risk": expect}


def curves(given):
    survival = (given["surv_research"], given["surv_control"])
    return survival, (given["n_risk_research"], given["n_risk_control"])


def test_the_grid_of_cases_is_whole():
    methods = [case["method"] for case in CASES.values()]
    assert {name: methods.count(name) for name in methods} == GRID
    assert len(CASES) == sum(GRID.values())


@pytest.mark.parametrize("name", sorted(CASES))
def test_every_route_gives_the_published_formula(name):
    result, routes = found(CASES[name])
    for route_name, expect in routes.items():
        route = result.of_route[route_name]
        assert route.y == pytest.approx(expect["log_hr"], abs=FILE["tolerance"])
        assert route.se == pytest.approx(expect["se"], abs=FILE["tolerance"])
        if "v" in expect:
            assert route.se**-2 == pytest.approx(expect["v"], rel=FILE["tolerance"])
        if "asymmetry" in expect:
            assert result.asymmetry == pytest.approx(expect["asymmetry"], abs=FILE["tolerance"])
            assert result.ci_midpoint == pytest.approx(expect["ci_midpoint_log_hr"], abs=FILE["tolerance"])
        if "p" in expect:
            assert result.p == pytest.approx(expect["p"], abs=FILE["tolerance"])


def test_every_interval_of_the_curve():
    case = CASES["curve_nrisk_0"]
    for part, wanted in zip(
        interval_ratios(*curves(case["input"])), case["expect"]["intervals"], strict=True
    ):
        assert part == pytest.approx((wanted["log_hr"], wanted["var"]), abs=FILE["tolerance"])


def test_the_direction_is_that_of_the_words():
    for case in CASES.values():
        if "favours" in case["input"]:
            assert found(case)[0].favours == case["input"]["favours"]
            assert math.isfinite(found(case)[0].log_hr)
