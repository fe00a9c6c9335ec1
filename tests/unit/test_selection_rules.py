"""Each rule by an example of what it leaves out, what it keeps, and the words in which it says so."""

import re
from dataclasses import replace

import pytest

from kmeta.core.errors import InputError
from kmeta.methods.selection import DEFAULT, RULES, Policy, select_survival, select_trials
from kmeta.methods.selection.contrasts import CONTRAST_RULES
from kmeta.methods.selection.questions import COMPARISON_RULES, MEDIAN_RULES, SURVIVAL_RULES, TRIAL_RULES
from kmeta.review.estimate import Comparison, Estimate
from kmeta.review.evidence import Evidence
from kmeta.review.protocol import Analysis, Eligibility, Protocol, Treatment
from kmeta.review.study import Arm, Study

STUDY = Study(study_id="s", first_author="Chen", year=2000, n_total=100)
ARM = Arm(study_id="s", arm_id="rx", treatment_class="resection", treatment="resection", n=40)
VALUE = Estimate(
    study_id="s",
    arm_id="rx",
    outcome="OS",
    kind="probability",
    value=0.7,
    time_months=60,
    time_origin="treatment",
)
PLAN = Analysis(name="os", kind="survival_at", outcomes=("OS",), time_months=60, classes=("resection",))
PROTOCOL = Protocol(title="t", eligibility=Eligibility(year_from=1995, year_to=2021))


def chosen(
    *values: Estimate, arm: Arm = ARM, study: Study = STUDY, plan: Analysis = PLAN, policy: Policy = DEFAULT
):
    evidence = Evidence(studies=(study,), arms=(arm,), estimates=values or (VALUE,))
    return select_survival(evidence, PROTOCOL, plan, policy)


def rule_of(*args, **kwargs) -> str:
    found = chosen(*args, **kwargs)
    gone = found.excluded + found.out_of_scope
    return gone[0].rule if gone else ""


def test_the_reason_names_the_subgroup_and_its_numbers():
    arm = replace(ARM, subgroup_of="all", population="subgroup of all: grade 1")
    assert chosen(arm=arm).excluded[0].reason == "A subgroup of arm all, n 40: grade 1."
    assert (
        chosen(arm=replace(arm, subgroup_of="*"))
        .excluded[0]
        .reason.startswith("It crosses or repeats other arms")
    )
    assert chosen(arm=replace(arm, population="")).excluded[0].reason == "A subgroup of arm all, n 40: rx."


def test_a_plain_value_is_kept():
    assert [row.estimate for row in chosen().kept] == [VALUE]


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("another_outcome", {"outcome": "PFS"}),
        ("another_kind", {"kind": "median", "time_months": None}),
        ("another_time", {"time_months": 48}),
        ("another_time", {"time_months": None}),
        ("no_value", {"value": None}),
        ("graft_survival", {"outcome": "graft_survival"}),
        ("graft_survival", {"flag": "graft_survival_not_patient_survival"}),
        ("event_probability", {"flag": "event_probability_not_survival"}),
        ("time_origin", {"time_origin": "diagnosis"}),
        ("time_origin", {"time_origin": "not stated"}),
        ("time_origin", {"time_origin": ""}),
        ("immortal_time", {"flag": "responder_analysis_immortal_time"}),
        ("conditional", {"flag": "conditional_on_recurrence"}),
        ("responders", {"flag": "selected_by_response"}),
        ("completers_only", {"flag": "completers_only"}),
        ("non_monotone", {"flag": "nonmonotone_in_source"}),
        ("suspect", {"flag": "suspect_unit_in_source"}),
        ("inconsistent", {"flag": "inconsistent_with_whole_group"}),
        ("derived", {"derived": True}),
        ("matched", {"flag": "matched subset"}),
    ],
)
def test_a_value_is_left_out_by_the_rule_that_names_its_fault(rule, changes):
    assert rule_of(replace(VALUE, **changes)) == rule


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("another_class", {"treatment_class": "mixed"}),
        ("subgroup", {"subgroup_of": "all", "population": "grade 1"}),
        ("subgroup", {"subgroup_of": "*"}),
        ("grouped_by_recurrence", {"population": "recurrence within 1 year"}),
        ("completers_only", {"population": "completed both steps of 23 selected"}),
        ("placebo", {"treatment": "placebo"}),
        ("n_missing", {"n": None}),
    ],
)
def test_an_arm_is_left_out_by_the_rule_that_names_its_fault(rule, changes):
    assert rule_of(arm=replace(ARM, **changes)) == rule


@pytest.mark.parametrize("year", [1994, 2022])
def test_publication_outside_the_window_is_left_out_unless_the_analysis_widens_it(year):
    study = replace(STUDY, year=year)
    assert rule_of(study=study) == "publication_year"
    assert not rule_of(study=study, plan=replace(PLAN, year_from=1990, year_to=2022))
    assert not rule_of(study=study, policy=replace(DEFAULT, years="all"))
    assert not rule_of(study=replace(STUDY, year=None))


@pytest.mark.parametrize(
    ("policy", "changes", "arm"),
    [
        ({"completers": "keep"}, {"flag": "completers_only"}, {}),
        ({"derived": "keep"}, {"derived": True}, {}),
        ({"placebo": "keep"}, {}, {"treatment": "placebo"}),
        ({"subgroups": "keep"}, {}, {"subgroup_of": "all"}),
        ({"matched": "keep"}, {"flag": "matched subset"}, {}),
        ({"origins": ("diagnosis",)}, {"time_origin": "diagnosis"}, {}),
    ],
)
def test_a_switch_lets_the_value_in(policy, changes, arm):
    value, arm = replace(VALUE, **changes), replace(ARM, **arm)
    assert rule_of(value, arm=arm)
    assert not rule_of(value, arm=arm, policy=replace(DEFAULT, **policy))


@pytest.mark.parametrize(
    ("rule", "policy", "changes"),
    [
        ("second_hand", {"second_hand": "drop"}, {"second_hand": True}),
        (
            "inferred_denominator",
            {"inferred": "drop"},
            {"flag": "denominator_inferred: printed only as overall"},
        ),
        ("small", {"least_n": 41}, {}),
        ("set_aside", {"set_aside": ("s",)}, {}),
    ],
)
def test_a_switch_keeps_the_value_out(rule, policy, changes):
    value = replace(VALUE, **changes)
    assert not rule_of(value)
    assert rule_of(value, policy=replace(DEFAULT, **policy)) == rule


def test_without_n_an_interval_or_a_number_at_risk_is_enough():
    arm = replace(ARM, n=None)
    assert not rule_of(replace(VALUE, ci_low=0.5, ci_high=0.8), arm=arm)
    assert not rule_of(replace(VALUE, n_risk=12), arm=arm)
    assert rule_of(replace(VALUE, ci_low=0.75, ci_high=0.8), arm=arm) == "n_missing"
    assert rule_of(replace(VALUE, n_risk=12), arm=arm, policy=replace(DEFAULT, sample="n")) == "n_missing"


def test_the_window_takes_near_times_and_the_nearest_of_one_arm():
    plan = replace(PLAN, window_months=12)
    found = chosen(replace(VALUE, time_months=48, value=0.8), replace(VALUE, time_months=54), plan=plan)
    assert [row.estimate.time_months for row in found.kept] == [54]
    assert found.excluded[0].rule == "one_value_per_arm"
    assert "it is nearer to the time asked" in found.excluded[0].reason


def test_of_several_origins_the_protocols_first_is_used():
    policy = replace(DEFAULT, origins=("transplantation", "diagnosis"))
    found = chosen(
        replace(VALUE, time_origin="diagnosis"), replace(VALUE, time_origin="transplantation"), policy=policy
    )
    assert [row.estimate.time_origin for row in found.kept] == ["transplantation"]
    assert "the protocol prefers its time origin" in found.excluded[0].reason


def test_equal_rows_of_one_arm_count_once():
    found = chosen(VALUE, VALUE)
    assert (len(found.kept), [e.rule for e in found.excluded]) == (1, ["one_value_per_arm"])


def test_a_matched_value_yields_to_the_unmatched_one_of_its_arm():
    matched = replace(VALUE, flag="matched subset", value=0.6)
    found = chosen(matched, VALUE, policy=replace(DEFAULT, matched="keep"))
    assert [row.estimate.value for row in found.kept] == [0.7]


@pytest.mark.parametrize(
    ("population", "n", "stays"),
    [
        ("matched (of 103)", 72, True),
        ("propensity-matched patients", 72, True),
        ("survival figures are for matched patients", 225, False),
        ("", 72, False),
        ("matched (of 103)", 103, False),
        ("matched", 100, False),
    ],
)
def test_matched_figures_stay_where_the_arms_n_is_that_of_the_matched(population, n, stays):
    arm = replace(ARM, population=population, n=n)
    assert (rule_of(replace(VALUE, flag="matched subset"), arm=arm) == "") == stays
    assert rule_of(replace(VALUE, flag="matched subset"), arm=arm, policy=Policy(matched="drop")) == "matched"


def test_two_partitions_of_one_study_do_not_count_it_twice():
    sizes = {"a": 60, "b": 40, "c": 70, "d": 25}
    arms = tuple(replace(ARM, arm_id=key, n=n) for key, n in sizes.items())
    evidence = Evidence(
        studies=(STUDY,), arms=arms, estimates=tuple(replace(VALUE, arm_id=key) for key in sizes)
    )
    found = select_survival(evidence, PROTOCOL, PLAN)
    assert [row.arm.arm_id for row in found.kept] == ["a", "b"]
    assert {e.rule for e in found.excluded} == {"counted_twice"}
    assert "hold 195 patients, the study 100; kept: a, b (100 patients)" in found.excluded[0].reason


def test_treatments_asked_by_the_policy():
    only = (Treatment(name="embolisation", treatment_class="resection", words=("TAE",)),)
    arm = replace(ARM, treatment="TAE (bland)")
    assert not rule_of(arm=arm, policy=replace(DEFAULT, only=only))
    assert rule_of(policy=replace(DEFAULT, only=only)) == "another_treatment"


def test_a_value_of_an_arm_that_is_not_there_is_an_error_that_names_it():
    with pytest.raises(InputError, match="no arm 'ghost' of study 's'"):
        chosen(replace(VALUE, arm_id="ghost"))


def test_every_rule_has_a_sentence_and_a_question_that_puts_it():
    asked = {*SURVIVAL_RULES, *MEDIAN_RULES}
    assert asked == set(RULES)
    assert {*TRIAL_RULES, *COMPARISON_RULES} == set(CONTRAST_RULES)
    for rule in [*RULES.values(), *CONTRAST_RULES.values()]:
        assert re.fullmatch(r"[A-Z].{20,}\.", rule.statement), rule.name


# Trials

DRUG = Treatment(name="drug", treatment_class="systemic", words=("everolimus",), without=("octreotide",))
NONE = Treatment(name="none", treatment_class="systemic", words=("placebo",))
RATIO = Comparison(
    study_id="t", arm_a="d", arm_b="p", outcome="PFS", measure="HR", estimate=0.5, ci_low=0.4, ci_high=0.625
)
HR = Analysis(
    name="hr", kind="hazard_ratio", outcomes=("PFS", "TTP"), experimental=("drug",), control=("none",)
)


def trial(
    *ratios: Comparison, design: str = "randomised phase 3", treatment: str = "everolimus", policy=DEFAULT
):
    arms = tuple(
        Arm(study_id="t", arm_id=key, treatment_class="systemic", treatment=words, n=50)
        for key, words in (("d", treatment), ("p", "placebo"))
    )
    evidence = Evidence(
        studies=(Study(study_id="t", design=design, year=2010),), arms=arms, comparisons=ratios or (RATIO,)
    )
    return select_trials(evidence, replace(PROTOCOL, treatments=(DRUG, NONE)), HR, policy)


def trial_rules(*args, **kwargs) -> list[str]:
    found = trial(*args, **kwargs)
    return [e.rule for e in found.excluded + found.out_of_scope]


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("another_outcome", {"outcome": "OS"}),
        ("not_a_hazard_ratio", {"measure": "logrank_p", "estimate": None}),
        ("subgroup", {"adjustment": "subgroup: prior chemotherapy"}),
        ("prognostic", {"flag": "prognostic, not randomised"}),
        ("conditional", {"flag": "grouped_by_later_recurrence: immortal time"}),
        ("derived", {"derived": True}),
        ("no_interval", {"ci_low": None, "p_value": "0.02"}),
        ("no_interval", {"ci_low": None, "p_value": "<0.001", "flag": "30 v 78 events"}),
    ],
)
def test_a_ratio_is_left_out_by_the_rule_that_names_its_fault(rule, changes):
    assert trial_rules(replace(RATIO, **changes)) == [rule]


def test_only_randomised_trials_of_the_treatments_asked_are_taken():
    assert trial_rules() == []
    assert trial_rules(design="retrospective cohort") == ["not_randomised"]
    assert trial_rules(treatment="everolimus + octreotide LAR") == ["other_treatments"]
    assert trial_rules(replace(RATIO, arm_a="p", arm_b="d")) == []


@pytest.mark.parametrize(
    ("better", "worse", "why"),
    [
        ("blinded independent review", "investigator assessed", "review comes before the investigators'"),
        ("central review", "site review", "review comes before the investigators'"),
        ("final analysis", "first interim", "final or longest follow-up"),
        ("5-year follow-up", "2-year follow-up", "final or longest follow-up"),
        ("2-year follow-up", "at study closure", "final or longest follow-up"),
        ("stratified", "unadjusted", "its analysis comes first for this design"),
        ("unadjusted", "adjusted for baseline covariates", "its analysis comes first for this design"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_of_two_ratios_of_one_trial_one_is_used_and_the_other_told_why(better, worse, why, turned):
    rows = [replace(RATIO, adjustment=better, estimate=0.6), replace(RATIO, adjustment=worse, estimate=0.5)]
    found = trial(*(rows[::-1] if turned else rows))
    assert [row.comparison.adjustment for row in found.kept] == [better]
    (gone,) = found.excluded
    assert gone.rule == "one_ratio_per_trial"
    assert why in gone.reason


def test_the_plans_first_outcome_then_the_narrower_interval_then_more_events():
    wide = replace(RATIO, ci_low=0.3, ci_high=0.8)
    assert [row.comparison for row in trial(wide, RATIO).kept] == [RATIO]
    ttp = replace(RATIO, outcome="TTP", ci_low=0.45, ci_high=0.55)
    assert [row.comparison for row in trial(ttp, wide).kept] == [wide]
    few, many = replace(RATIO, flag="20 events"), replace(RATIO, flag="40 events")
    assert [row.comparison for row in trial(few, many).kept] == [many]
