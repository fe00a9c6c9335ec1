"""Pools by small examples: precision of a value, models, hollow lines, sensitivity, direction of a ratio."""

import math
from dataclasses import replace

import pytest

from kmeta.core.errors import InputError
from kmeta.methods.selection import DEFAULT, Policy
from kmeta.methods.synthesis import (
    SYNTHESES,
    beside_published,
    synthesise,
    synthesise_hazard_ratios,
    synthesise_survival,
)
from kmeta.methods.synthesis.precision import of_ratio, of_survival
from kmeta.methods.synthesis.published import number
from kmeta.review.estimate import Comparison, Estimate, PublishedResult
from kmeta.review.evidence import Evidence
from kmeta.review.protocol import Analysis, Protocol, PublishedLine, Treatment
from kmeta.review.study import Arm, Overlap, Study

PLAN = Analysis(name="os", kind="survival_at", outcomes=("OS",), time_months=60, classes=("resection",))
BESIDE = (PublishedLine(analysis="os", treatment_class="resection", review="r", question="q"),)
PROTOCOL = Protocol(title="t", analyses=(PLAN,), compare_with=BESIDE)
PUBLISHED = PublishedResult(review="r", question="q", measure="percent", estimate="67", n_patients=5509)


def value(study: str, p: float, arm: str = "1", **changes) -> Estimate:
    return Estimate(
        study_id=study,
        arm_id=arm,
        outcome="OS",
        kind="probability",
        value=p,
        time_months=60,
        time_origin="treatment",
        **changes,
    )


def evidence(*rows: tuple[str, str, int | None, float], **changes) -> Evidence:
    """(study, arm, n, probability) rows as evidence."""
    return Evidence(
        studies=tuple(Study(study_id=key, year=2000) for key in dict.fromkeys(row[0] for row in rows)),
        arms=tuple(
            Arm(study_id=s, arm_id=a, treatment_class="resection", treatment="resection", n=n)
            for s, a, n, _ in rows
        ),
        estimates=tuple(value(s, p, a) for s, a, _, p in rows),
        **changes,
    )


def pool(found: Evidence, policy: Policy = DEFAULT):
    return synthesise_survival(found, PROTOCOL, PLAN, policy).pools[0]


THREE = (("a", "1", 50, 0.6), ("b", "1", 80, 0.7), ("c", "1", 30, 0.5))


def test_without_an_interval_n_stands_in_and_the_basis_says_that_censoring_is_ignored():
    found = of_survival(value("a", 0.6), 50)
    assert found.vi == pytest.approx(1 / (50 * 0.6 * 0.4))
    assert found.yi == pytest.approx(math.log(1.5))
    assert "censoring is ignored" in found.basis
    line = pool(evidence(*THREE)).lines[0]
    assert (line.interval, round(line.ci_low, 3), round(line.ci_high, 3)) == ("wilson", 0.462, 0.724)


def test_a_printed_interval_gives_the_effective_sample_and_is_the_one_shown():
    printed = value("a", 0.347, ci_low=0.277, ci_high=0.417)
    found = of_survival(printed, 207)
    assert found.n_effective == pytest.approx(0.347 * 0.653 / (0.07 / 1.959964) ** 2, rel=1e-4)
    assert of_survival(printed, 207, sample="n").n_effective == 207
    rows = replace(evidence(*THREE), estimates=(printed, value("b", 0.7), value("c", 0.5)))
    line = next(line for line in pool(rows).lines if line.study_id == "a")
    assert (line.interval, line.ci_low, line.ci_high) == ("published", 0.277, 0.417)


def test_an_interval_finer_than_n_patients_allow_is_held_at_n():
    found = of_survival(value("a", 0.5, ci_low=0.49, ci_high=0.51), 40)
    assert (found.n_effective, found.basis) == (40, "printed interval, held at n of the arm")


def test_a_number_at_risk_gives_petos_sample():
    assert of_survival(value("a", 0.5, n_risk=12), 90).n_effective == pytest.approx(24)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_nobody_and_everybody_alive_are_moved_by_half_a_patient(p):
    found = of_survival(value("a", p), 10)
    assert found.yi == pytest.approx(math.log(10.5 / 0.5) * (1 if p else -1))
    assert "half a patient" in found.basis


@pytest.mark.parametrize(
    ("rows", "remark"),
    [
        ((), "no arm with a value of this kind"),
        (THREE[:1], "one arm, 60%: shown as printed, nothing to pool"),
        (THREE[:2], "two arms, 60% and 70%: not pooled"),
        (
            (("a", "1", 9, 0.5), ("a", "2", 9, 0.6), ("a", "3", 9, 0.7)),
            "3 arms of one study, 50%, 60%, 70%: not pooled",
        ),
    ],
)
def test_what_is_not_pooled_is_hollow_and_says_why(rows, remark):
    found = pool(evidence(*rows))
    assert (found.fit, found.remark) == (None, remark)
    assert [line.weight for line in found.lines] == [None] * len(rows)


def test_three_arms_of_two_studies_are_pooled_with_a_warning_and_without_prediction():
    found = pool(evidence(("a", "1", 50, 0.6), ("a", "2", 40, 0.7), ("b", "1", 30, 0.5)))
    assert found.fit.model == "multilevel"
    assert math.isnan(found.fit.pi_low)
    assert found.remark == "3 arms of two studies only: the interval says little"


def test_a_rule_that_changes_nothing_makes_no_sensitivity_row():
    labels = [row.label for row in pool(evidence(*THREE)).sensitivity]
    assert labels == ["DerSimonian-Laird with z interval"]
    shared = evidence(
        *THREE, ("d", "1", 20, 0.9), overlaps=(Overlap(study_a="a", study_b="d", strength="certain"),)
    )
    rows = {row.label: row for row in pool(shared).sensitivity}
    assert rows["overlapping cohorts left in"].k == 4
    assert rows["overlapping cohorts left in"].n_patients == 180


def test_leaving_one_study_out_gives_the_two_extremes():
    found = pool(evidence(*THREE, ("d", "1", 60, 0.95)))
    low, high = (row for row in found.sensitivity if "leaving one study out" in row.label)
    assert low.label.startswith("without d 2000 (lowest")
    assert low.fit.effect < found.fit.effect < high.fit.effect


def test_what_is_left_out_for_shared_patients_is_shown_apart_and_never_pooled():
    shared = evidence(
        *THREE, ("d", "1", 20, 0.9), overlaps=(Overlap(study_a="a", study_b="d", strength="likely"),)
    )
    found = pool(shared)
    assert [line.study_id for line in found.apart] == ["d"]
    assert "Shares patients with a 2000" in found.apart[0].remark
    assert not found.apart[0].pooled


def test_what_stands_apart_without_a_number_of_patients_has_no_interval():
    rows = evidence(*THREE, ("d", "1", None, 0.9))
    flagged = (*rows.estimates[:3], replace(rows.estimates[3], flag="completers_only"))
    (line,) = pool(replace(rows, estimates=flagged)).apart
    assert (line.interval, line.ci_low, line.n_effective) == ("none", None, None)


def test_two_studies_that_read_the_same_are_told_apart_by_their_key():
    rows = evidence(*THREE)
    studies = tuple(replace(s, first_author="Xu") for s in rows.studies[:2]) + rows.studies[2:]
    assert [line.label for line in pool(replace(rows, studies=studies)).lines] == [
        "Xu (a) 2000",
        "Xu (b) 2000",
        "c 2000",
    ]


def test_a_survival_analysis_without_a_time_is_refused_with_a_hint():
    with pytest.raises(InputError, match="no time is planned") as caught:
        synthesise_survival(Evidence(), PROTOCOL, replace(PLAN, time_months=None))
    assert "60" in caught.value.hint


def test_synthesise_does_every_planned_analysis_in_order_and_names_an_unknown_kind():
    other = replace(PLAN, name="median", kind="median", time_months=None)
    found = synthesise(evidence(*THREE), replace(PROTOCOL, analyses=(other, PLAN)))
    assert [s.name for s in found] == ["median", "os"]
    assert sorted(SYNTHESES) == ["comparison", "hazard_ratio", "median", "survival_at"]
    with pytest.raises(InputError, match="kind of analysis"):
        synthesise(Evidence(), replace(PROTOCOL, analyses=(replace(PLAN, kind="survival"),)))


def test_the_earlier_result_stands_beside_a_pool_that_is_not_pooled():
    rows = evidence(*THREE[:1], published=(PUBLISHED,))
    (found,) = beside_published(rows, PROTOCOL, synthesise(rows, PROTOCOL))
    assert found.difference == pytest.approx(0.6 - 0.67)
    assert found.published_inside_ci is True
    assert found.published_inside_pi is None
    assert any("not pooled" in reason for reason in found.reasons)


def test_the_earlier_result_without_an_analysis_of_ours_says_nothing_of_ours():
    (found,) = beside_published(evidence(*THREE, published=(PUBLISHED,)), PROTOCOL, ())
    assert (found.pool, found.difference, found.reasons) == (None, None, ())


@pytest.mark.parametrize(("estimate", "expected"), [("36.2", 0.362), ("46-86", None), ("", None)])
def test_a_published_range_is_no_number(estimate, expected):
    assert number(replace(PUBLISHED, estimate=estimate)) == expected


# Hazard ratios

DRUG = Treatment(name="drug", treatment_class="systemic", words=("drug",), group="Drugs")
NONE = Treatment(name="none", treatment_class="systemic", words=("placebo",))
HR = Analysis(name="hr", kind="hazard_ratio", outcomes=("PFS",), experimental=("drug",), control=("none",))
TRIALS = Protocol(title="t", treatments=(DRUG, NONE))


def ratio(study: str, estimate: float, low: float | None, high: float | None, **changes) -> Comparison:
    return Comparison(
        **{
            "study_id": study,
            "arm_a": "d",
            "arm_b": "p",
            "outcome": "PFS",
            "measure": "HR",
            "estimate": estimate,
            "ci_low": low,
            "ci_high": high,
            **changes,
        }
    )


def trials(*ratios: Comparison) -> Evidence:
    keys = dict.fromkeys(r.study_id for r in ratios)
    return Evidence(
        studies=tuple(Study(study_id=key, year=2010, design="randomised phase 3") for key in keys),
        arms=tuple(
            Arm(study_id=key, arm_id=arm, treatment_class="systemic", treatment=words, n=n)
            for key in keys
            for arm, words, n in (("d", "drug 10 mg", 60), ("p", "placebo", 40))
        ),
        comparisons=ratios,
    )


def test_a_ratio_of_control_against_drug_is_turned_round():
    (line,) = synthesise_hazard_ratios(
        trials(ratio("a", 2.0, 1.25, 3.2, arm_a="p", arm_b="d")), TRIALS, HR
    ).overall.lines
    assert (line.estimate, line.ci_low, line.ci_high) == (0.5, 1 / 3.2, 0.8)
    assert line.yi == pytest.approx(math.log(0.5))
    assert (line.n, line.n_control, line.treatment) == (60, 40, "drug 10 mg")


def test_the_level_of_the_interval_is_heeded():
    ninety = of_ratio(ratio("a", 0.5, 0.4, 0.625, level=0.90))
    assert math.sqrt(ninety.vi) == pytest.approx(math.log(0.625 / 0.4) / (2 * 1.644854), rel=1e-5)


def test_without_an_interval_an_exact_p_and_events_give_one_that_agrees_with_the_ratio():
    # V = 40 * 60 / 100 = 24, z = ln(0.62) * sqrt(24) = -2.34, p = 0.019
    found = of_ratio(ratio("a", 0.62, None, None, p_value="0.019", flag="40 v 60 events"))
    assert (found.vi, found.route) == (pytest.approx(1 / 24), "p")
    (line,) = synthesise_hazard_ratios(
        trials(ratio("a", 0.62, None, None, p_value="0.019", flag="40 v 60 events")), TRIALS, HR
    ).overall.lines
    assert (line.marks, line.interval, line.events) == (("p",), "none", 100)
    for p in ("<0.02", "0.5", ""):
        assert math.isnan(of_ratio(ratio("a", 0.62, None, None, p_value=p, flag="40 v 60 events")).vi)
    assert math.isnan(
        of_ratio(ratio("a", 0.62, None, None, p_value="0.019", flag="one-sided; 40 v 60 events")).vi
    )


def test_an_exact_p_alone_gives_a_width_only_where_the_plan_says_so():
    rows = trials(ratio("a", 0.58, None, None, p_value="0.022"), ratio("b", 0.5, 0.4, 0.625))
    assert [line.study_id for line in synthesise_hazard_ratios(rows, TRIALS, HR).overall.lines] == ["b"]
    asked = synthesise_hazard_ratios(rows, TRIALS, replace(HR, widths_from_p=True)).overall
    derived = next(line for line in asked.lines if line.study_id == "a")
    assert derived.vi == pytest.approx((math.log(0.58) / 2.2904) ** 2, rel=1e-4)
    assert derived.marks == ("d",)
    assert derived.remark == "width derived from P = 0.022"
    assert derived.basis == "derived from its exact p value"
    assert asked.apart == ()


@pytest.mark.parametrize(
    ("estimate", "p", "flag"),
    [
        (0.58, "<0.001", ""),  # a bound
        (0.58, "0.022", "one-sided"),
        (0.98, "0.9", ""),  # rounding leaves the width open
        (0.99, "0.04", ""),
        (1.0, "0.5", ""),
        (0.58, "0.5", "80 v 90 events"),  # contradicted by the events
    ],
)
def test_a_p_that_says_too_little_gives_no_width(estimate, p, flag):
    row = ratio("a", estimate, None, None, p_value=p, flag=flag)
    assert math.isnan(of_ratio(row, from_p=True).vi)


def test_two_trials_of_a_group_are_hollow_and_count_overall():
    other = replace(DRUG, name="other", words=("other",), group="Others")
    rows = trials(ratio("a", 0.5, 0.4, 0.625), ratio("b", 0.6, 0.4, 0.9), ratio("c", 0.7, 0.5, 0.98))
    arms = tuple(replace(arm, treatment="other") if arm.key == ("c", "d") else arm for arm in rows.arms)
    plan = replace(HR, experimental=("drug", "other"))
    found = synthesise_hazard_ratios(
        replace(rows, arms=arms), replace(TRIALS, treatments=(DRUG, other, NONE)), plan
    )
    drugs, others = found.pools
    assert (drugs.name, drugs.fit, drugs.remark) == ("Drugs", None, "two trials, 0.50 and 0.60: not pooled")
    assert others.remark.startswith("one trial")
    assert found.overall.fit.k == 3
    assert (found.subgroup_test.df, 0 < found.subgroup_test.p < 1) == (1, True)
    assert "Between groups: Q" in found.notes[0]


def test_cohorts_are_taken_only_when_asked_and_are_called_associations():
    rows = trials(ratio("a", 0.5, 0.4, 0.625), ratio("b", 0.6, 0.4, 0.9))
    studies = (rows.studies[0], replace(rows.studies[1], design="retrospective cohort"))
    asked = synthesise_hazard_ratios(
        replace(rows, studies=studies), TRIALS, replace(HR, randomised_only=False)
    )
    assert asked.overall.remark == "two studies, 0.50 and 0.60: not pooled"
    assert asked.notes == ("Not randomised, so associations even where adjusted: b 2010.",)
    strict = synthesise_hazard_ratios(replace(rows, studies=studies), TRIALS, HR)
    assert [line.study_id for line in strict.overall.lines] == ["a"]


def test_the_level_of_an_analysis_does_not_change_what_a_printed_interval_says():
    rows = replace(
        evidence(*THREE),
        estimates=(value("a", 0.6, ci_low=0.45, ci_high=0.75), value("b", 0.7), value("c", 0.5)),
    )
    ninety = synthesise_survival(rows, PROTOCOL, replace(PLAN, level=0.9)).pools[0]
    assert [line.vi for line in ninety.lines] == [line.vi for line in pool(rows).lines]
    assert ninety.fit.ci_low > pool(rows).fit.ci_low


def test_a_treatment_that_the_protocol_does_not_have_is_refused():
    with pytest.raises(InputError, match="no treatment is named 'drugs'") as caught:
        synthesise_hazard_ratios(Evidence(), TRIALS, replace(HR, experimental=("drugs",)))
    assert "drug, none" in caught.value.hint
