"""hazard_ratio: every route, direction, rounding, bounds, disagreement, and numbers that cannot be."""

import importlib
import math
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError
from kmeta.methods.effects import ROUTES
from kmeta.methods.effects.printed import number
from kmeta.methods.survival import log_hazard


def test_the_most_trusted_route_answers_and_the_others_stand_beside_it():
    found = km.hazard_ratio(
        hr="0.48",
        ci_low="0.35",
        ci_high="0.67",
        p="0.00001",
        events=(113, 65),
        median=(11.0, 3.9),
        adjustment="stratified",
        quotes={"hr": "abstract"},
    )
    assert found.route == "hr_ci"
    assert found.log_hr == math.log(0.48)
    assert found.se == pytest.approx((math.log(0.67) - math.log(0.35)) / (2 * 1.959963984540054), abs=1e-15)
    assert [route.name for route in found.routes][:2] == ["hr_ci", "limits"]
    assert found.routes[0].inputs["hr"] == "0.48 (abstract)"
    medians = found.of_route["medians"]
    assert medians.y == pytest.approx(math.log(3.9 / 11.0))
    assert medians.trust == "weak"
    assert medians.difference == medians.y - found.log_hr
    assert medians.in_se == pytest.approx(medians.difference / math.hypot(medians.se, found.se))
    assert found.findings == ()
    text = found.summary()
    for word in (
        "HR experimental against control 0.48 (0.35–0.66)",
        "stratified",
        "by hr_ci",
        "medians (weak)",
    ):
        assert word in text
    assert found.to_dict()["routes"][0]["name"] == "hr_ci"
    assert {len(row) for row in found.rows()} == {len(found.rows()[0])}


CASES = {
    "hr_ci": {"hr": 0.5, "ci_low": 0.3, "ci_high": 0.8, "level": 0.9},
    "hr_se": {"hr": 0.5, "se": 0.2},
    "oe_v": {"o_minus_e": -12.3, "v": 30.8},
    "limits": {"ci_low": 0.3, "ci_high": 0.8, "level": 0.99},
    "hr_limit": {"hr": 0.5, "ci_high": 0.8},
    "hr_v": {"hr": 0.5, "v": 20.0},
    "hr_p": {"hr": 0.5, "p": 0.01},
    "z_v": {"z": 2.2, "v": 20.0, "favours": "experimental"},
    "chi2_v": {"chi2": 5.0, "v": 20.0, "favours": "experimental"},
    "p_v": {"p": 0.02, "v": 20.0, "favours": "control"},
    "z_events_by_arm": {"z": 2.2, "events": (30, 45), "favours": "experimental"},
    "chi2_events_by_arm": {"chi2": 5.0, "events": (30, 45), "favours": "experimental"},
    "p_events_by_arm": {"p": 0.02, "sides": 1, "events": (30, 45), "favours": "experimental"},
    "hr_events_by_arm": {"hr": 0.6, "events": (30, 45)},
    "z_allocation": {"z": 2.2, "events": 75, "n": (100, 50), "favours": "experimental"},
    "chi2_allocation": {"chi2": 5.0, "events": 75, "n": (100, 50), "favours": "control"},
    "p_allocation": {"p": 0.02, "events": 75, "n": (100, 50), "favours": "experimental"},
    "hr_allocation": {"hr": 0.6, "events": 75, "n": (100, 50)},
    "z_balanced": {"z": 2.2, "events": 75, "favours": "experimental"},
    "chi2_balanced": {"chi2": 5.0, "events": 75, "favours": "experimental"},
    "p_balanced": {"p": 0.02, "events": 75, "favours": "experimental"},
    "hr_balanced": {"hr": 0.6, "events": 75},
    "curve_n_risk": {
        "times": [12, 24, 36],
        "survival": (["0.88", "0.71", "0.56"], ["0.82", "0.60", "0.43"]),
        "n_risk": ([98, 70, 44], [90, 58, 33]),
        "n": (120, 118),
    },
    "curve_n": {
        "times": [12, 24, 36],
        "survival": (["88 %", "71 %", "56 %"], ["82 %", "60 %", "43 %"]),
        "n": (120, 118),
        "follow_up": (10, 60),
    },
    "survival_at_time": {"times": 60, "survival": ("0.6", "0.5"), "n": (100, 90)},
    "person_time": {"events": (30, 45), "person_time": (400.0, 350.0)},
    "medians": {"median": (14.0, 10.0), "events": (30, 45)},
}
NAMES = sorted(CASES)


def test_every_route_has_a_case():
    assert sorted(ROUTES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_route_says_how_and_holds_its_value_within_rounding(name):
    route = km.hazard_ratio(**CASES[name]).of_route[name]
    assert math.isfinite(route.y)
    assert route.se > 0
    assert route.y_low <= route.y <= route.y_high
    assert route.se_low <= route.se <= route.se_high
    assert route.source.startswith("doi:10.")
    assert route.formula
    assert route.assumption
    assert route.inputs
    assert route.trust in ("printed", "derived", "approximate", "weak")


@pytest.mark.parametrize("name", NAMES)
def test_the_other_arm_first_turns_the_sign_and_keeps_the_error(name):
    case = CASES[name]
    arms = ("a", "b")
    named = {"experimental": "a", "control": "b"}
    turned: dict[str, object] = {}
    for key, value in case.items():
        if key in ("events", "n", "survival", "n_risk", "median", "person_time") and not isinstance(
            value, int
        ):
            turned[key] = (value[1], value[0])
        elif key == "favours":
            turned[key] = named[value]
        elif key == "o_minus_e":
            turned[key] = -value
        else:
            turned[key] = value
    if "hr" in case or name == "limits":
        turned["reference"] = "b"  # the printed ratio is still of a against b; now b comes first
    one = km.hazard_ratio(
        **(case | {"arms": arms} | ({"favours": named[case["favours"]]} if "favours" in case else {}))
    )
    other = km.hazard_ratio(**turned, arms=("b", "a"))
    assert other.of_route[name].y == pytest.approx(-one.of_route[name].y, abs=1e-12)
    assert other.of_route[name].se == pytest.approx(one.of_route[name].se, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_r_script_gives_the_same_numbers(name, tmp_path, r_numbers):
    found = km.hazard_ratio(**CASES[name])
    told = r_numbers(found.r_script())
    for route in found.routes:
        if not route.bound:
            y, se = told[route.name]
            assert y == pytest.approx(route.y, abs=1e-12)
            assert se == pytest.approx(route.se, abs=1e-12)


@pytest.fixture
def r_numbers():
    """Runs a script in R and reads its lines `route y se`; skips where R is not there."""
    import shutil

    if not shutil.which("Rscript"):
        pytest.skip("R is not installed")

    def run(script):
        done = subprocess.run(["Rscript", "-"], input=script, capture_output=True, text=True, check=True)
        return {line.split()[0]: tuple(map(float, line.split()[1:])) for line in done.stdout.splitlines()}

    return run


def test_a_ratio_printed_the_other_way_round_is_turned():
    found = km.hazard_ratio(
        hr=7.4, ci_low=2.4, ci_high=23.0, arms=("transplant", "none"), reference="transplant"
    )
    assert found.inverted
    assert found.hr == pytest.approx(1 / 7.4)
    assert found.ci_low == pytest.approx(1 / 7.4 * math.exp(-1.959963984540054 * found.se))
    assert found.favours == "transplant"
    assert found.reference == "none"
    assert found.routes[0].formula.endswith("turned round")


def test_rounding_bounds_are_reached_by_the_numbers_that_round_to_the_printed_ones():
    found = km.hazard_ratio(hr="0.48", ci_low="0.35", ci_high="0.67")
    assert found.log_hr_low == pytest.approx(math.log(0.475))
    assert found.log_hr_high == pytest.approx(math.log(0.485))
    z = 2 * 1.959963984540054
    assert found.se_low == pytest.approx(math.log(0.665 / 0.355) / z)
    assert found.se_high == pytest.approx(math.log(0.675 / 0.345) / z)
    exact = km.hazard_ratio(hr=0.48, ci_low=0.35, ci_high=0.67)
    assert exact.se_low == exact.se == exact.se_high
    by_digits = km.hazard_ratio(hr=0.48, ci_low=0.35, ci_high=0.67, digits=2)
    assert (by_digits.se_low, by_digits.se_high) == (found.se_low, found.se_high)
    open_end = km.hazard_ratio(hr="0.05", ci_low="0.01", ci_high="0.2", digits=1)
    assert open_end.se_high > open_end.se
    coarse = km.hazard_ratio(hr=0.3, ci_low=0.04, ci_high=2.0, digits=1)
    assert coarse.se_high == math.inf, "the lower limit may be 0"


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.2, 4.0),
    st.floats(0.08, 0.6),
    st.floats(-0.499, 0.499),
    st.floats(-0.499, 0.499),
    st.integers(1, 3),
)
def test_the_truth_behind_rounded_numbers_lies_within_the_bounds(hr, se, low_off, high_off, places):
    z = 1.959963984540054
    unit = 10.0**-places
    low, high = hr * math.exp(-z * se), hr * math.exp(z * se)
    texts = [f"{value:.{places}f}" for value in (hr, low, high)]
    if float(texts[1]) <= 0 or len(set(texts)) < 3:
        return
    found = km.hazard_ratio(hr=texts[0], ci_low=texts[1], ci_high=texts[2])
    assert found.log_hr_low - 1e-9 <= math.log(hr) <= found.log_hr_high + 1e-9
    assert found.se_low - 1e-9 <= se <= found.se_high + 1e-9
    assert not [f for f in found.findings if f.check == "asymmetric_interval"], unit


def test_an_interval_off_the_log_scale_is_told():
    checks = [f.check for f in km.hazard_ratio(hr="0.59", ci_low="0.30", ci_high="0.90").findings]
    assert checks == ["asymmetric_interval"]
    assert km.hazard_ratio(hr="0.57", ci_low="0.3", ci_high="0.9").findings == (), "one decimal explains it"
    assert km.hazard_ratio(hr=0.5, ci_low=0.45, ci_high=1.2).findings[0].check == "asymmetric_interval"
    assert km.hazard_ratio(hr=0.59, ci_low=0.38, ci_high=0.9).asymmetry < 0.05


def test_a_bound_of_p_is_no_value():
    found = km.hazard_ratio(hr="0.48", p="<0.001")
    bound = found.of_route["hr_p"]
    assert bound.bound == "se at most"
    assert math.isnan(found.se)
    assert found.log_hr == math.log(0.48)
    assert bound.se_high == pytest.approx(0.2231, rel=0.02)
    assert [f.check for f in found.findings] == ["only_bounds"]
    assert km.hazard_ratio(hr="0.9", p="P > 0.5").of_route["hr_p"].bound == "se at least"
    by_events = km.hazard_ratio(p="< 0.001", events=(30, 60), favours="experimental")
    route = by_events.of_route["p_events_by_arm"]
    assert route.bound == "|log HR| at least"
    assert math.isnan(by_events.log_hr)
    assert by_events.se == pytest.approx(math.sqrt(1 / 20))
    assert route.y_high == pytest.approx(-3.2905267 * by_events.se)
    assert route.y_low == -math.inf
    small = km.hazard_ratio(p=">0.5", events=(30, 60), favours="experimental").of_route["p_events_by_arm"]
    assert small.bound == "|log HR| at most"
    assert small.y_low == -small.y_high
    assert by_events.favours == ""
    assert by_events.summary()


@pytest.mark.parametrize(
    ("case", "check"),
    [
        ({"hr": 0.5, "ci_low": 0.35, "ci_high": 0.714, "p": 0.04}, "p_against_interval"),
        ({"hr": 0.5, "ci_low": 0.35, "ci_high": 0.714, "events": (10, 12)}, "route_disagreement"),
        ({"hr": 0.9, "ci_low": 0.78, "ci_high": 1.04, "p": "<0.001"}, "p_bound"),
        ({"hr": 0.5, "ci_low": 0.35, "ci_high": 0.714, "favours": "control"}, "direction"),
        ({"hr": 0.5, "ci_low": 0.35, "ci_high": 0.714, "median": (10, 20), "events": 100}, "direction"),
        (
            {"hr": 0.5, "ci_low": 0.35, "ci_high": 0.714, "times": 12, "survival": (0.3, 0.5), "n": (99, 99)},
            "direction",
        ),
    ],
)
def test_what_does_not_fit_together_is_told(case, check):
    assert check in [finding.check for finding in km.hazard_ratio(**case).findings]


def test_an_interval_at_another_level_is_recognised():
    se, z = 0.2, 1.6448536269514722
    found = km.hazard_ratio(
        hr=0.6, ci_low=0.6 * math.exp(-z * se), ci_high=0.6 * math.exp(z * se), se=0.2, p=0.01064
    )
    assert any("90 % one" in finding.hint for finding in found.findings) or found.findings == ()
    far = km.hazard_ratio(
        hr=0.6, ci_low=0.6 * math.exp(-2.5758 * se), ci_high=0.6 * math.exp(2.5758 * se), se=0.2
    )
    assert any("99 % one" in finding.hint for finding in far.findings)


def test_a_test_without_a_direction_gives_no_ratio():
    with pytest.raises(InputError, match="no direction"):
        km.hazard_ratio(p=0.02, events=(30, 45))
    assert km.hazard_ratio(p=0.02, events=(30, 45), median=(20, 10)).of_route["p_events_by_arm"].y < 0


def test_without_censoring_the_curve_route_agrees_with_the_events():
    times = list(range(6, 61, 6))
    ours, theirs = ([math.exp(-rate * t) for t in times] for rate in (0.02, 0.03))
    found = km.hazard_ratio(times=times, survival=(ours, theirs), n=(1000, 1000))
    assert found.route == "curve_n"
    assert 2 / 3 < found.hr < 0.7, "event rates of wide intervals draw the ratio towards 1"
    fine = [t / 2 for t in range(1, 121)]
    both = [[math.exp(-rate * t) for t in fine] for rate in (0.02, 0.03)]
    assert km.hazard_ratio(times=fine, survival=both, n=(1000, 1000)).hr == pytest.approx(2 / 3, abs=0.002)
    one = km.hazard_ratio(times=60, survival=(ours[-1], theirs[-1]), n=(1000, 1000))
    assert one.hr == pytest.approx(2 / 3, abs=1e-12)
    censored = km.hazard_ratio(times=times, survival=(ours, theirs), n=(1000, 1000), follow_up=(12, 60))
    assert censored.se > found.se
    assert 2 / 3 < censored.hr < 0.7


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ({}, "no route"),
        ({"hr": 0}, "hr is 0"),
        ({"hr": -0.5, "se": 0.1}, "hr is -0.5"),
        ({"hr": "0,48", "se": 0.1}, "decimal point"),
        ({"hr": "abc", "se": 0.1}, "hr is 'abc'"),
        ({"hr": "<0.5", "se": 0.1}, "a bound"),
        ({"hr": True, "se": 0.1}, "hr is True"),
        ({"hr": [0.5], "se": 0.1}, "hr is"),
        ({"hr": float("nan"), "se": 0.1}, "hr is nan"),
        ({"hr": 0.5, "se": 0}, "se is 0"),
        ({"hr": 0.5, "ci_low": 0.6, "ci_high": 0.9}, "leaves out the ratio"),
        ({"hr": 0.5, "ci_low": 0.9, "ci_high": 0.6}, "no interval"),
        ({"hr": 0.5, "ci_low": 0.3, "ci_high": 0.9, "level": 95}, "level is 95"),
        ({"hr": 0.5, "p": 0}, "p is 0"),
        ({"hr": 0.5, "p": 1.2}, "p is 1.2"),
        ({"hr": 0.5, "p": 0.7, "sides": 1}, "one-sided p is 0.7"),
        ({"hr": 0.5, "p": 0.7, "sides": 3}, "sides is 3"),
        ({"hr": 1, "p": 0.5}, "tells no standard error"),
        ({"hr": 0.5, "events": (3.5, 4)}, "whole number"),
        ({"hr": 0.5, "events": (5, 4), "n": (4, 9)}, r"events\[0\] are 5 of 4"),
        ({"hr": 0.5, "events": 50, "n": (4, 9)}, "events are 50"),
        ({"hr": 0.5, "events": (5, 4, 3)}, "a pair"),
        ({"hr": 0.5, "n": (0, 9), "events": 3}, r"n\[0\] is 0"),
        ({"p": 0.1, "events": (0, 9), "favours": "control"}, "no event in an arm"),
        ({"times": 12, "survival": (74, 50), "n": (9, 9)}, "0 to 1"),
        ({"times": [12, 24], "survival": ([0.5, 0.6], [0.5, 0.4]), "n": (9, 9)}, "rises"),
        ({"times": [24, 12], "survival": ([0.5, 0.4], [0.5, 0.4]), "n": (9, 9)}, "after 24"),
        ({"times": [12, 24], "survival": ([0.5], [0.5, 0.4]), "n": (9, 9)}, "2 times"),
        ({"times": [0, 12], "survival": ([0.9, 0.5], [1, 0.4]), "n": (9, 9)}, "at time 0"),
        (
            {
                "times": [12, 24],
                "survival": ([0.5, 0.4], [0.5, 0.4]),
                "n_risk": ([5, 6], [6, 5]),
                "n": (9, 9),
            },
            "rises",
        ),
        (
            {"times": [12, 24], "survival": ([0.5, 0.4], [0.5, 0.4]), "n_risk": ([5, 4], [6, 5])},
            "those at time 0",
        ),
        ({"survival": (0.5, 0.4)}, "without times"),
        ({"times": 12}, "without survival"),
        ({"times": 12, "survival": (1.0, 0.4), "n": (9, 9)}, "0 or 1 in an arm"),
        ({"median": (0, 3), "events": 9}, r"median\[0\] is 0"),
        ({"median": (3, 4)}, "no events nor intervals"),
        ({"median": (3, 4), "median_ci": ((4, 2), (3, 5))}, "lower limit first"),
        ({"follow_up": (20, 10)}, "follow_up"),
        ({"follow_up": 20}, "follow_up is 20"),
        ({"hr": 0.5, "se": 0.1, "digits": "two"}, "digits is 'two'"),
        ({"hr": 0.5, "se": 0.1, "quotes": "p. 4"}, "quotes is 'p. 4'"),
        ({"hr": 0.5, "se": 0.1, "arms": None}, "arms are None"),
        ({"times": 12, "survival": 0.5}, "a pair"),
        ({"hr": 0.5, "se": 0.1, "arms": ("a", "a")}, "two labels"),
        ({"hr": 0.5, "se": 0.1, "favours": "nobody"}, "favours is 'nobody'"),
        ({"hr": 0.5, "se": 0.1, "reference": "nobody"}, "reference is 'nobody'"),
    ],
)
def test_numbers_that_cannot_be_are_told_by_name(case, words):
    with pytest.raises(InputError) as told:
        km.hazard_ratio(**case)
    assert __import__("re").search(words, str(told.value)), str(told.value)


def test_a_median_that_was_not_reached_says_nothing_by_itself():
    found = km.hazard_ratio(hr=0.5, se=0.1, median=(None, 12.0), events=30)
    assert "medians" not in found.of_route


def test_median_intervals_give_the_error_where_events_are_not_printed():
    found = km.hazard_ratio(median=(20, 10), median_ci=((15, 27), (8, 13)))
    z = 2 * 1.959963984540054
    assert found.se == pytest.approx(math.hypot(math.log(27 / 15) / z, math.log(13 / 8) / z))


@pytest.mark.parametrize(
    ("text", "value", "half", "relation"),
    [
        ("0.48", 0.48, 0.005, ""),
        ("0·48", 0.48, 0.005, ""),
        (".50", 0.5, 0.005, ""),
        ("74 %", 0.74, 0.005, ""),
        ("74.2%", 0.742, 0.0005, ""),
        ("p<0.001", 0.001, 0.0, "<"),
        ("P = 0.02", 0.02, 0.005, ""),
        ("1e-4", 1e-4, 0.5e-4, ""),
        ("−1.5", -1.5, 0.05, ""),
    ],
)
def test_printed_text_carries_its_rounding(text, value, half, relation):
    found = number(text, "x", bound=True)
    assert (found.value, found.relation) == (pytest.approx(value), relation)
    assert found.half == pytest.approx(half)


def test_effect_sizes_takes_each_study_by_its_own_route():
    found = km.effect_sizes(
        "HR",
        estimate=[0.5, None, None, None],
        ci_low=[0.3, None, None, None],
        ci_high=[0.8, None, None, None],
        o_minus_e=[None, -5.0, None, None],
        v=[None, 20.0, None, None],
        p=[None, None, 0.02, None],
        e1i=[None, None, 40, None],
        e2i=[None, None, 50, None],
        favours=[None, None, 2, None],
        m1i=[None, None, None, 20],
        m2i=[None, None, None, 10],
        events=[None, None, None, 60],
    )
    assert found.basis == ("ci", "oe_v", "p_events_by_arm", "medians")
    assert found.yi[1] == -0.25
    assert found.yi[2] > 0
    assert found.yi[3] == pytest.approx(math.log(0.5))
    assert found.vi[3] == pytest.approx(4 / 60)
    at_a_time = km.effect_sizes("HR", s1i=[0.6], s2i=[0.5], n1i=[100], n2i=[90], r1i=[None], r2i=[None])
    assert at_a_time.basis == ("survival_at_time",)
    assert at_a_time.yi[0] == pytest.approx(math.log(math.log(0.6) / math.log(0.5)))
    one_limit = km.effect_sizes("HR", estimate=[0.5, 0.5], ci_low=[None, 0.3], ci_high=[0.8, 0.9])
    assert one_limit.basis == ("hr_limit", "ci")
    with pytest.raises(InputError, match="study 1: no route"):
        km.effect_sizes("HR", o_minus_e=[-5.0, None], v=[20.0, None])
    with pytest.raises(InputError, match="1 and 2"):
        km.effect_sizes("HR", p=[0.1], events=[10], favours=[3])
    with pytest.raises(InputError, match="no column"):
        km.effect_sizes("HR")


def test_the_elementary_relations_agree_with_each_other():
    assert log_hazard.z_of_p(log_hazard.p_of_z(2.5)) == pytest.approx(2.5)
    assert log_hazard.z_of_p(1.0) == 0
    assert log_hazard.variance_by_arm(50, 50) == log_hazard.variance_by_allocation(100, 7, 7)
    events, at_risk = log_hazard.actuarial(100, 70, 0.9)
    assert events / at_risk == pytest.approx(0.1 / (1 - 0.05) * 0.95, abs=1e-12)
    assert log_hazard.actuarial(100, 99, 0.5) == (50, 100)


hazard_routes = importlib.import_module("kmeta.methods.effects.hazard_ratio")


class Stranger:
    name = "stranger"

    def load(self):
        return lambda rep: "nothing to go by"


def test_a_route_of_another_package_is_asked_last(monkeypatch):
    monkeypatch.setattr(hazard_routes, "entry_points", lambda **_: [Stranger()])
    monkeypatch.setattr("kmeta.core.registry.entry_points", lambda **_: [Stranger()])
    hazard_routes._routes.cache_clear()
    try:
        assert km.hazard_ratio(hr=0.5, se=0.1).not_taken[-1] == ("stranger", "nothing to go by")
    finally:
        ROUTES.pop("stranger", None)
        hazard_routes._routes.cache_clear()
