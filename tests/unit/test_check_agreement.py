"""Checks that set the numbers of one comparison side by side: what they find, and what they let be."""

import math

import pytest

from kmeta.methods.checks import CHECKS
from kmeta.review.estimate import Comparison, Estimate
from kmeta.review.evidence import Evidence
from kmeta.review.study import Arm, Study
from kmeta.review.vocabulary import stated_events

STUDY = Study(study_id="beta8", n_total=400)
ARMS = tuple(
    Arm(study_id="beta8", arm_id=arm, treatment_class="systemic", treatment=arm, n=200)
    for arm in ("new", "old")
)


def alive(arm, value, time=12.0, **more):
    kept = {"outcome": "OS", "kind": "probability", "time_origin": "treatment", "time_months": time} | more
    return Estimate(study_id="beta8", arm_id=arm, value=value, **kept)


def median(arm, value):
    return alive(arm, value, None, kind="median")


def hazard(estimate, low=None, high=None, p="", flag="", **more):
    return Comparison(
        study_id="beta8",
        arm_a="new",
        arm_b="old",
        outcome="OS",
        measure=more.pop("measure", "HR"),
        estimate=estimate,
        ci_low=low,
        ci_high=high,
        p_value=p,
        flag=flag,
        **more,
    )


def told(check, *rows, arms=ARMS):
    evidence = Evidence(
        studies=(STUDY,),
        arms=arms,
        estimates=tuple(row for row in rows if isinstance(row, Estimate)),
        comparisons=tuple(row for row in rows if isinstance(row, Comparison)),
    )
    return " | ".join(f"{f.severity}: {f.message}" for f in CHECKS[check](evidence)).replace("\u202f", " ")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (hazard(0.5, 0.35, 0.72, "0.000000001"), "z of 3.6 to 3.9; the printed P 0.000000001"),
        (hazard(0.5, 0.35, 0.72, "0.04"), "printed P 0.04 has 2"),
        (hazard(0.5, 0.35, 0.72, "<0.0000001"), "at least"),
        (hazard(0.5, 0.35, 0.72, "0.0002"), ""),
        (hazard(0.5, 0.35, 0.72, "<0.001"), ""),
        (hazard(0.5, 0.35, 0.72, "<0.05"), ""),
        (hazard(0.5, 0.35, 0.72, "not printed"), ""),
        (hazard(0.77, 0.59, 1.0, "0.026", "one-sided log-rank"), ""),
        (hazard(0.9, 0.6, 1.4, "0.001"), ""),  # on the other side of 0.05: another check tells it
        (hazard(0.5, None, None, "0.04"), ""),
    ],
)
def test_a_p_value_and_a_ratio_have_one_z(row, words):
    text = told("p_against_ratio", row)
    assert words in text if words else text == ""


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (hazard(0.7, 0.65, 0.75, flag="50 v 60 events"), "narrower interval than 50 and 60 events can give"),
        (hazard(0.7, 0.2, 2.45, flag="50 v 60 events"), "times as wide as 50 and 60 events give"),
        (hazard(0.7, 0.48, 1.02, flag="50 v 60 events"), ""),
        (hazard(0.7, 0.48, 1.02, flag="110 deaths"), ""),
        (hazard(0.7, 0.66, 0.74), "narrower interval than all of the 400 patients could give"),
        (hazard(0.7, 0.55, 0.89), ""),
        (hazard(0.5, p="0.6", flag="80 v 90 events"), "has a z of 4.5; the printed P 0.6 has 0.5"),
        (hazard(0.5, p="0.00001", flag="80 v 90 events"), ""),
        (hazard(0.5, p="<0.001", flag="80 v 90 events"), ""),
        (hazard(0.9, p="<0.0001", flag="8 v 9 events"), "at least 3.9"),
        (hazard(0.5, p="0.6"), ""),
    ],
)
def test_a_ratio_cannot_be_more_precise_than_its_events(row, words):
    text = told("ratio_against_events", row)
    assert words in text if words else text == ""


def test_no_events_and_unknown_sizes_are_let_be():
    unknown = tuple(
        Arm(study_id="beta8", arm_id=a.arm_id, treatment_class="systemic", treatment="x") for a in ARMS
    )
    assert told("ratio_against_events", hazard(0.7, 0.66, 0.74), arms=unknown) == ""
    assert told("ratio_against_events", hazard(0.7, 0.66, 0.74, flag="0 v 3 events"), arms=unknown) == ""


def at_ratio(hr, survival):
    """Survival of both arms at one time where the hazards are proportional."""
    return round(survival**hr, 3), survival


@pytest.mark.parametrize("hr", [0.5, 0.8, 1.3])
@pytest.mark.parametrize("survival", [0.2, 0.5, 0.8])
def test_arms_with_proportional_hazards_give_their_ratio(hr, survival):
    ours, theirs = at_ratio(hr, survival)
    rows = (alive("new", ours), alive("old", theirs), hazard(hr, hr / 1.3, hr * 1.3))
    assert told("ratio_against_arms", *rows) == ""
    assert told("crossing_curves", *rows) == ""


def test_a_ratio_far_from_its_arms():
    far = (alive("new", 0.8), alive("old", 0.4), hazard(0.85, 0.7, 1.03))
    assert "gives 0.24" in told("ratio_against_arms", *far)
    assert told("ratio_against_arms", *far[:2], hazard(0.3, 0.2, 0.45)) == ""
    assert "note: " in told("ratio_against_arms", *far[:2], hazard(0.85, 0.7, 1.03, adjustment="adjusted"))
    few = tuple(
        Arm(study_id="beta8", arm_id=a.arm_id, treatment_class="systemic", treatment="x", n=8) for a in ARMS
    )
    assert told("ratio_against_arms", *far, arms=few) == "", "chance takes eight patients that far"
    assert "gives 0.25" in told(
        "ratio_against_arms", median("new", 40.0), median("old", 10.0), hazard(0.8, 0.7, 0.92)
    )
    assert told("ratio_against_arms", median("new", 14.0), median("old", 10.0), hazard(0.8, 0.7, 0.92)) == ""
    assert told("ratio_against_arms", alive("new", 0.99), alive("old", 0.9), hazard(0.8, 0.7, 0.92)) == ""
    opposite = (alive("new", 0.4), alive("old", 0.8), hazard(0.5, 0.4, 0.6))
    assert told("ratio_against_arms", *opposite) == "", "told by direction"


def test_curves_that_cross():
    early = (alive("new", 0.6), alive("old", 0.75))
    late = (alive("new", 0.5, 60.0), alive("old", 0.3, 60.0))
    text = told("crossing_curves", *early, *late, hazard(0.9, 0.75, 1.08))
    assert "new 60 % at 12 months, old 75 % at 12 months" in text
    assert "new 50 % at 60 months, old 30 % at 60 months" in text
    assert told("crossing_curves", *early, *late) == "", "nobody compares them"
    assert told("crossing_curves", *early, hazard(0.9, 0.75, 1.08)) == ""
    near = (alive("new", 0.52), alive("old", 0.55), *late)
    assert told("crossing_curves", *near, hazard(0.9, 0.75, 1.08)) == ""
    rising = (alive("new", 0.1), alive("old", 0.75), *late)
    assert told("crossing_curves", *rising, hazard(0.9, 0.75, 1.08)) == "", "a misprint, no crossing"


def test_a_restricted_mean_that_points_the_other_way():
    mean = hazard(3.0, 1.0, 5.0, measure="RMST_difference_24m")
    assert "3 months longer in the other arm" not in told("crossing_curves", mean, hazard(0.7, 0.5, 0.9))
    assert "restricted mean" in told("crossing_curves", mean, hazard(1.5, 1.2, 1.9))
    assert told("crossing_curves", mean, hazard(1.5, 0.9, 2.5)) == ""


@pytest.mark.parametrize(
    ("low", "high", "any_"),
    [(0.57, 0.63, True), (0.53, 0.67, False), (0.55, 0.65, True), (0.0, 0.61, False), (0.59, 0.61, True)],
)
def test_an_interval_stands_for_no_more_than_the_arm(low, high, any_):
    row = alive("new", 0.6, ci_low=low, ci_high=high)
    assert bool(told("more_precise_than_n", row)) is any_


def test_the_exact_interval_of_all_patients_is_let_be():
    half = 1.96 * math.sqrt(0.6 * 0.4 / 200)
    row = alive("new", 0.6, ci_low=round(0.6 - half, 3), ci_high=round(0.6 + half, 3))
    assert told("more_precise_than_n", row) == ""
    few = (Arm(study_id="beta8", arm_id="new", treatment_class="systemic", treatment="x", n=100),)
    assert "the arm has 100" in told("more_precise_than_n", row, arms=few)


@pytest.mark.parametrize(
    ("rows", "any_"),
    [
        ((alive("new", 0.1, 12.0), alive("new", 0.3, 36.0), alive("new", 0.4, 60.0)), True),
        ((alive("new", 0.1, 12.0), alive("new", 0.3, 36.0)), False),
        ((alive("new", 0.1, 12.0), alive("new", 0.7, 60.0), median("new", 40.0)), True),
        ((alive("new", 0.1, 12.0), alive("new", 0.7, 60.0), median("new", 5.0)), False),
        ((alive("new", 0.9, 12.0), alive("new", 0.7, 36.0), alive("new", 0.6, 60.0)), False),
        ((alive("new", 0.9, 12.0), alive("new", 0.95, 36.0), alive("new", 0.6, 60.0)), False),
    ],
)
def test_an_incidence_under_the_name_of_survival(rows, any_):
    assert bool(told("incidence_as_survival", *rows)) is any_


def test_a_mean_entered_as_a_median():
    named = alive("new", 31.0, None, kind="median", flag="mean survival; no median printed")
    assert "not a median" in told("mean_for_median", named)
    assert told("mean_for_median", median("new", 31.0)) == ""


def test_events_are_read_from_words():
    assert stated_events("") is None
    assert stated_events("final; 12 versus 20 deaths") == (12, 20)
    assert stated_events("271 events") == (271,)
