"""Each rule of the checks, shown on evidence made for it: what it finds, and what it lets be."""

import doctest
from dataclasses import replace

import pytest

from kmeta.methods.checks import CHECKS, registry, wording
from kmeta.methods.checks.overlaps import linked_sets
from kmeta.review import vocabulary
from kmeta.review.estimate import Comparison, Estimate
from kmeta.review.evidence import Evidence
from kmeta.review.study import Arm, Overlap, Study
from kmeta.review.vocabulary import MEANINGS, follow_up_months, meanings, stated_n

STUDY = Study(study_id="alpha7", n_total=100)
DRUG = Arm(study_id="alpha7", arm_id="drug", treatment_class="systemic", treatment="drug", n=60)
OTHER = Arm(study_id="alpha7", arm_id="none", treatment_class="conservative", treatment="watching", n=40)
BASE = Evidence(studies=(STUDY,), arms=(DRUG, OTHER))


def alive(value, time=60.0, *, arm="drug", outcome="OS", origin="treatment", study="alpha7", **more):
    return Estimate(
        study_id=study,
        arm_id=arm,
        outcome=outcome,
        kind="probability",
        value=value,
        time_months=time,
        time_origin=origin,
        **more,
    )


def median(value, *, arm="drug", outcome="OS", origin="treatment", study="alpha7", kind="median", **more):
    return Estimate(
        study_id=study, arm_id=arm, outcome=outcome, kind=kind, value=value, time_origin=origin, **more
    )


def hazard(estimate, low=None, high=None, *, a="drug", b="none", outcome="OS", **more):
    right = {"measure": "HR", "study_id": "alpha7"} | more
    return Comparison(arm_a=a, arm_b=b, outcome=outcome, estimate=estimate, ci_low=low, ci_high=high, **right)


def found(check, *rows, base=BASE, **more):
    estimates = tuple(row for row in rows if isinstance(row, Estimate))
    comparisons = tuple(row for row in rows if isinstance(row, Comparison))
    return CHECKS[check](replace(base, estimates=estimates, comparisons=comparisons, **more))


def said(check, *rows, **more):
    return " | ".join(
        f.severity + ": " + f.message.replace("\u202f", " ") for f in found(check, *rows, **more)
    )


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            [alive(0.4, 12), alive(0.6, 24)],
            "error: OS from treatment: 40 % at 12 months, then 60 % at 24 months. Survival cannot rise.",
        ),
        ([alive(0.5, 12), alive(0.3, 24), alive(0.4, 36)], "30 % at 24 months, then 40 % at 36 months"),
        ([alive(0.6, 12), alive(0.4, 24)], ""),
        ([alive(0.600, 12), alive(0.604, 24)], ""),
        ([alive(0.4, 12), alive(0.6, 24, origin="diagnosis")], ""),
        ([alive(0.4, 12), alive(0.6, 24, flag="matched subset")], ""),
        ([alive(0.4, 12), alive(0.6, 24, arm="none")], ""),
        (
            [
                alive(0.2, 12, outcome="recurrence_cumulative_incidence"),
                alive(0.5, 24, outcome="recurrence_cumulative_incidence"),
            ],
            "",
        ),
        (
            [alive(0.5, 12, flag="event probability"), alive(0.2, 24, flag="event probability")],
            "A cumulative incidence cannot fall.",
        ),
    ],
)
def test_survival_cannot_rise(rows, words):
    assert words in said("not_monotone", *rows)
    assert bool(words) == bool(said("not_monotone", *rows))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            [median(30), alive(0.35, 12)],
            "error: OS: median 30 months, but 35 % at 12 months; before the median survival is above 50 %.",
        ),
        (
            [median(30), alive(0.7, 48)],
            "error: OS: median 30 months, but 70 % at 48 months; after the median survival is below 50 %.",
        ),
        ([median(30), alive(0.51, 31)], "note: OS"),
        ([median(None, flag="median not reached"), alive(0.3, 24)], "before the median survival is above"),
        ([median(None, flag="not printed"), alive(0.3, 24)], ""),
        ([median(30), alive(0.35, 12, origin="diagnosis")], ""),
        ([median(30), alive(0.35, 12, outcome="PFS")], ""),
        ([median(30), alive(0.35, 12, arm="none")], ""),
        ([median(30), alive(0.7, 12), alive(0.2, 48), alive(0.5, 30)], ""),
    ],
)
def test_a_median_is_where_half_are_alive(rows, words):
    assert words in said("median_against_curve", *rows)
    assert bool(words) == bool(said("median_against_curve", *rows))


@pytest.mark.parametrize(
    ("rows", "any_"),
    [
        ([alive(0.5), alive(0.6, outcome="DFS")], True),
        ([alive(0.5, 24), alive(0.6, 36, outcome="PFS")], True),
        ([alive(0.5, 36), alive(0.6, 24, outcome="PFS")], False),
        ([median(20), median(25, outcome="RFS")], True),
        ([alive(0.5), alive(0.6, outcome="graft_survival")], True),
        ([alive(0.5), alive(0.4, outcome="DSS")], True),
        ([alive(0.5), alive(0.6, outcome="DSS")], False),
        ([alive(0.5), alive(0.6, outcome="TTP")], False),
        ([alive(0.5), alive(0.4, outcome="DFS")], False),
        ([alive(0.5), alive(0.6, outcome="DFS", flag="conditional on survival")], False),
        ([alive(0.5), alive(0.6, outcome="DFS", origin="diagnosis")], False),
    ],
)
def test_event_free_survival_is_at_or_below_overall_survival(rows, any_):
    assert bool(found("event_free_above_survival", *rows)) is any_


def parts(*sizes_and_values, n=60, whole=(0.5, 60.0), kind="probability"):
    arms = [
        Arm(
            study_id="alpha7",
            arm_id=f"g{i}",
            treatment_class="systemic",
            treatment="drug",
            n=size,
            subgroup_of="drug",
        )
        for i, (size, _, _) in enumerate(sizes_and_values)
    ]
    rows = [
        alive(value, time, arm=f"g{i}") if kind == "probability" else median(value, arm=f"g{i}", kind=kind)
        for i, (_, value, time) in enumerate(sizes_and_values)
    ]
    rows.append(alive(*whole) if kind == "probability" else median(whole[0], kind=kind))
    base = replace(BASE, arms=(replace(DRUG, n=n), *arms))
    return said("parts_against_whole", *rows, base=base)


def test_parts_bound_the_whole_whoever_the_others_are():
    assert "100 % at 60 months in the 50 of g0 leave at least 83.33 %" in parts((50, 1.0, 60.0), n=60)
    assert "0 % at 36 months in the 40 of g0 leave at most 33.33 %" in parts((40, 0.0, 36.0), n=60)
    assert parts((40, 0.0, 84.0), n=60) == ""
    assert parts((10, 0.0, 60.0), n=60) == ""
    assert parts((40, 0.0, 36.0), n=None) == ""


def test_parts_that_make_the_whole_give_its_mean():
    assert "(g0 90 % and g1 90 %) give 90 %" in parts((30, 0.9, 60.0), (30, 0.9, 60.0), whole=(0.7, 60.0))
    assert parts((30, 0.9, 60.0), (30, 0.3, 60.0), whole=(0.62, 60.0)) == ""
    assert parts((30, 0.9, 60.0), (20, 0.3, 60.0), whole=(0.62, 60.0)) == ""
    assert "give 40" in parts((30, 40.0, None), (30, 40.0, None), whole=(60.0, None), kind="mean")
    assert parts((30, 40.0, None), (30, 50.0, None), whole=(44.0, None), kind="mean") == ""


@pytest.mark.parametrize(
    ("row", "note", "words"),
    [
        (
            median(120),
            "median follow-up 20 months",
            "warning: OS: median 120 months with 20 months of follow-up, 6 times",
        ),
        (median(50), "median follow-up 20 months", ""),
        (median(50), "no follow-up stated", ""),
        (median(120), "median follow-up 10 years", ""),
        (median(50, flag="extrapolated beyond follow-up"), "", "beyond the follow-up of the study"),
        (median(50, kind="mean"), "median follow-up 20 months", "mean 50 months"),
        (alive(0.3, 120.0), "median follow-up 20 months", "note: OS: 30 % at 120 months"),
        (median(120, flag="median follow-up 30 months"), "", "4 times as long"),
        (median(24.0, kind="rmst"), "median follow-up 2 months", ""),
    ],
)
def test_survival_far_beyond_follow_up(row, note, words):
    text = said("beyond_follow_up", row, base=replace(BASE, studies=(replace(STUDY, note=note),)))
    assert words in text
    assert bool(words) == bool(text)


def test_one_cohort_counted_from_two_times():
    assert "OS of the same patients is counted from 2 times" in said(
        "several_origins", alive(0.5), alive(0.7, origin="diagnosis")
    )
    assert said("several_origins", alive(0.5), alive(0.7, arm="none", origin="diagnosis")) == ""
    assert said("several_origins", alive(0.5), alive(0.4, outcome="PFS", origin="randomisation")) == ""


@pytest.mark.parametrize(
    ("origin", "any_"),
    [
        ("diagnosis of the primary", True),
        ("first recurrence", True),
        ("listing", True),
        ("treatment", False),
        ("randomisation", False),
    ],
)
def test_time_that_does_not_start_with_treatment(origin, any_):
    assert bool(found("origin_elsewhere", alive(0.5, origin=origin))) is any_


def test_time_0_that_is_not_printed_or_only_implied():
    assert "not printed" in said("origin_unknown", alive(0.5, origin="not stated"))
    assert "only implied (treatment)" in said("origin_unknown", alive(0.5, flag="time origin implied"))
    assert found("origin_unknown", alive(0.5)) == []


WORDS = [
    ("immortal_time", "responder analysis", "median follow-up of responders is not said"),
    ("conditional", "among patients with recurrence", "recurrence in 3 patients"),
    ("completers_only", "only those who completed all cycles", "treatment completed in June"),
    ("selected_by_response", "selected by response", "response in 30%"),
    ("graft_survival", "graft survival", "3 living donor grafts"),
    ("event_probability", "cumulative incidence of relapse", "incidence 3 per 100 000"),
    ("denominator_inferred", "denominator inferred from the margin groups", "of all patients"),
]


@pytest.mark.parametrize(("check", "words", "harmless"), WORDS)
def test_kinds_of_survival_are_told_by_the_row_or_by_its_patients(check, words, harmless):
    for row in (alive(0.5, flag=words), alive(0.5, flag=words.replace(" ", "_").upper())):
        (finding,) = found(check, row)
        assert finding.where == "alpha7/drug"
    if check not in ("graft_survival", "event_probability"):
        assert found(check, alive(0.5), base=replace(BASE, arms=(replace(DRUG, population=words), OTHER)))
    if check != "immortal_time":
        assert found(check, alive(0.5, flag=harmless)) == []


def test_groups_of_a_later_recurrence_are_immortal_until_it():
    group = replace(DRUG, arm_id="early", population="recurrence within 2 years", subgroup_of="drug")
    base = replace(BASE, arms=(DRUG, group))
    assert found("immortal_time", alive(0.9, arm="early"), base=base)
    assert found("immortal_time", alive(0.9, arm="early", origin="recurrence"), base=base) == []


def test_matched_values_beside_unmatched_ones():
    both = said("matched_figures", alive(0.5), alive(0.6, flag="matched subset"))
    assert "drug OS 60 % at 60 months matched, 50 % at 60 months not; the sizes entered (drug 60)" in both
    assert "1 value of matched patients (drug)" in said(
        "matched_figures", alive(0.6, location="abstract (matched)")
    )
    assert said("matched_figures", alive(0.6, location="abstract, unmatched")) == ""


def test_a_value_of_fewer_patients_than_its_arm():
    assert "is of 33 patients; the arm has 60" in said(
        "other_denominator", alive(0.5, location="Table 2 (n=33)")
    )
    assert said("other_denominator", alive(0.5, location="Table 2 (n = 60)")) == ""
    assert said("other_denominator", alive(0.5, flag="n=33 v n=31")) == ""


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            [hazard(0.5), alive(0.3), alive(0.6, arm="none")],
            "warning: OS: HR 0.5 favours drug, but 30 % at 60 months in drug and 60 %",
        ),
        ([hazard(2.0, a="none", b="drug"), alive(0.3), alive(0.6, arm="none")], "favours drug, but"),
        ([hazard(0.5), median(10), median(30, arm="none")], "median 10 months in drug"),
        ([hazard(0.5), median(30), median(10, arm="none")], ""),
        ([hazard(0.5), alive(0.57), alive(0.6, arm="none")], ""),
        ([hazard(0.95), alive(0.3), alive(0.6, arm="none")], ""),
        ([hazard(0.5), alive(0.3), alive(0.6, arm="none"), median(30), median(10, arm="none")], ""),
        ([hazard(0.5), alive(0.3), alive(0.6, arm="none", origin="diagnosis")], ""),
        (
            [hazard(2.5, 1.25, 5.0, a="none", b="drug")],
            "note: OS: HR 2.5 (1.25 to 5) is of none against drug, the control first; "
            "drug against none it is 0.4 (0.2 to 0.8).",
        ),
    ],
)
def test_a_ratio_points_where_its_arms_point(rows, words):
    text = said("direction", *rows)
    assert words in text
    assert bool(words) == bool(text)


@pytest.mark.parametrize(
    ("row", "severity"),
    [
        (hazard(0.59, 0.3, 0.9), "warning"),
        (hazard(0.50, 0.35, 0.71), None),
        (hazard(0.5, 0.4, 0.9), "note"),
        (hazard(0.51, 0.42, 0.93), "warning"),
        (hazard(3.47, 1.5, 8.3), None),
        (hazard(7.4, 2.4, 23.0), None),
        (hazard(0.7, 0.5, 1.0), None),
    ],
)
def test_an_interval_is_symmetric_on_the_log_scale_but_for_rounding(row, severity):
    assert [finding.severity for finding in found("asymmetric_interval", row)] == (
        [severity] if severity else []
    )


@pytest.mark.parametrize(
    ("row", "severity"),
    [
        (hazard(0.64, 0.4, 1.05, p_value="0.01"), "warning"),
        (hazard(0.64, 0.4, 1.05, p_value="0.037", flag="one-sided p"), "note"),
        (hazard(0.64, 0.4, 1.05, p_value="0.08"), None),
        (hazard(0.5, 0.35, 0.71, p_value="0.3"), "warning"),
        (hazard(0.5, 0.35, 0.71, p_value="<0.001"), None),
        (hazard(0.77, 0.59, 1.0, p_value="0.05"), None),
        (hazard(0.5, 0.35, 0.71, p_value="not significant"), None),
    ],
)
def test_a_p_value_and_an_interval_say_the_same(row, severity):
    assert [finding.severity for finding in found("p_against_interval", row)] == (
        [severity] if severity else []
    )


def test_ratios_without_an_interval():
    assert "without an interval (adjusted)" in said(
        "no_interval", hazard(0.5, adjustment="adjusted", p_value="0.03")
    )
    assert said("no_interval", hazard(0.5, 0.3, 0.8), hazard(None, p_value="0.03", measure="logrank_p")) == ""


def test_several_ratios_of_one_comparison_and_subgroups_of_one_trial():
    rows = [
        hazard(0.5, 0.3, 0.8, adjustment="central review"),
        hazard(0.4, 0.2, 0.8, adjustment="investigator assessed"),
    ]
    assert found("several_estimates", *rows)[0].hint.startswith("Take central review")
    subgroups = [hazard(0.5, 0.3, 0.8, adjustment=f"subgroup: {who}") for who in ("men", "women")]
    assert said("several_estimates", hazard(0.5, 0.3, 0.8), *subgroups) == ""
    assert "2 ratios of subgroups of one trial: men HR 0.5 (0.3 to 0.8) and women" in said(
        "partitions", *subgroups
    )
    assert said("partitions", *rows) == ""


def test_comparisons_of_patients_crossover_versions_and_hazards_that_cross():
    assert found("compares_patients", hazard(0.5, flag="prognostic"))
    assert not found("compares_patients", hazard(0.5))
    crossed = replace(BASE, studies=(replace(STUDY, note="40% crossed over"),))
    assert found("crossover", hazard(0.9), base=crossed)
    assert not found("crossover", hazard(0.9, outcome="PFS"), base=crossed)
    assert not found("crossover", hazard(0.9))
    assert found("other_version", hazard(0.9, flag="another version prints 0.8"))
    assert found("hazards_not_proportional", hazard(0.9, flag="proportional hazards violated"))


SISTER = Arm(study_id="beta8", arm_id="drug", treatment_class="systemic", treatment="Drug", n=60)


def pair(strength="likely", **more):
    return replace(
        BASE,
        studies=(STUDY, Study(study_id="beta8")),
        arms=(DRUG, OTHER, replace(SISTER, **more)),
        overlaps=(Overlap(study_a="alpha7", study_b="beta8", strength=strength, reason="one clinic"),),
    )


def test_the_same_patients_printed_differently():
    rows = [median(50), median(48, study="beta8")]
    assert "The same 60 patients, OS: median 50 months and median 48 months." in said(
        "printed_differently", *rows, base=pair()
    )
    assert said("printed_differently", *rows, base=pair(n=59)) == ""
    assert said("printed_differently", median(50), median(50, study="beta8"), base=pair()) == ""


def test_values_implausibly_far_from_those_of_like_patients():
    assert "median 5 months, but median 50 months in alpha7/drug" in said(
        "far_from_sibling", median(50), median(5, study="beta8"), base=pair("possible", n=None)
    )
    assert said("far_from_sibling", median(50), median(25, study="beta8"), base=pair()) == ""
    assert (
        said("far_from_sibling", median(50), median(5, study="beta8"), base=pair(treatment="surgery")) == ""
    )
    assert said("far_from_sibling", alive(0.9), alive(0.4, study="beta8"), base=pair())
    assert said("far_from_sibling", alive(0.9), alive(0.6, study="beta8"), base=pair()) == ""
    alike = replace(pair(residual="R0"), overlaps=())
    alike = replace(alike, arms=(replace(DRUG, residual="r0"), alike.arms[2]))
    assert said("far_from_sibling", median(50), median(5, study="beta8"), base=alike)
    assert (
        said("far_from_sibling", median(50), median(5, study="beta8"), base=replace(pair(), overlaps=()))
        == ""
    )


def test_certain_and_likely_pairs_chain_and_possible_ones_do_not():
    strengths = [("a", "b", "certain"), ("b", "c", "likely"), ("c", "d", "possible"), ("e", "d", "likely")]
    overlaps = tuple(Overlap(study_a=a, study_b=b, strength=s) for a, b, s in strengths)
    evidence = Evidence(overlaps=overlaps)
    assert linked_sets(evidence) == [("a", "b", "c"), ("d", "e")]
    assert len(CHECKS["overlapping_cohorts"](evidence)) == 2
    (possible,) = CHECKS["possible_overlap"](evidence)
    assert possible.study_ids == ("c", "d")


def test_an_overlap_that_only_words_tell():
    named = replace(
        BASE, studies=(replace(STUDY, note="overlaps beta8 (same centre)"), Study(study_id="beta8"))
    )
    assert [f.study_ids for f in CHECKS["overlap_not_listed"](named)] == [("alpha7", "beta8")]
    assert CHECKS["overlap_not_listed"](replace(pair(), studies=named.studies)) == []
    other = replace(named, studies=(replace(STUDY, note="longer than beta8"), Study(study_id="beta8")))
    assert CHECKS["overlap_not_listed"](other) == []


def test_arms_larger_than_what_they_are_part_of():
    assert "arms of 120 patients together in a study of 100" in said(
        "arms_above_study", base=replace(BASE, arms=(replace(DRUG, n=80), OTHER))
    )
    part = replace(DRUG, arm_id="g1", n=70, subgroup_of="drug")
    assert "g1 has 70 patients, what it is part of 60" in said(
        "arms_above_study", base=replace(BASE, arms=(DRUG, OTHER, part))
    )
    assert said("arms_above_study") == ""


def test_survival_without_a_number_of_patients_and_arms_without_survival():
    unsized = replace(BASE, arms=(replace(DRUG, n=None), OTHER))
    assert "1 survival value of drug without a number" in said("size_not_known", alive(0.5), base=unsized)
    assert said("size_not_known", alive(0.5, ci_low=0.4, ci_high=0.6), base=unsized) == ""
    assert "of an unknown number" in said("zero_survival", alive(0.0), base=unsized)
    assert "note: OS: 0 % at 60 months, of 60." in said("zero_survival", alive(0.0))
    assert "2 arms (drug and none) and no survival value" in said("no_values")
    assert said("no_values", alive(0.5)) == ""


def test_subgroups_are_told_where_they_have_values():
    part = replace(DRUG, arm_id="g1", n=10, subgroup_of="drug")
    base = replace(BASE, arms=(DRUG, OTHER, part))
    assert "g1 of drug" in said("subgroups_beside_parent", alive(0.5, arm="g1"), base=base)
    assert said("subgroups_beside_parent", alive(0.5), base=base) == ""


def test_means_several_values_and_figures_that_are_no_interval():
    assert "A mean, not a median, in months: drug OS 40." in said("mean_for_median", median(40, kind="mean"))
    assert said("mean_for_median", median(40), median(22, kind="rmst", time_months=24)) == ""
    assert "OS from treatment is entered 2 times" in said("several_values", median(40), median(44))
    assert (
        said("several_values", median(40), median(44, flag="matched subset"), alive(0.5), alive(0.4, 72))
        == ""
    )
    assert "a range of values, not an interval" in said(
        "interval_kind", median(8, flag="range 2 to 51, not an interval")
    )
    assert "begins at 0" in said("interval_kind", median(8, ci_low=0.0, ci_high=20.0))
    assert said("interval_kind", median(8, ci_low=2.0, ci_high=20.0)) == ""


@pytest.mark.parametrize(
    ("row", "severities"),
    [
        (median(42, derived=True, location="abstract: 3.5 years (1.8-5.1)"), ["note"]),
        (median(35, derived=True, location="abstract: 3.5 years (1.8-5.1)"), ["error", "note"]),
        (median(41.23, derived=True, location="mean 1255 +/- 163 days", kind="mean"), ["note"]),
        (median(30, derived=True, location="mean 1255 +/- 163 days", kind="mean"), ["error", "note"]),
        (median(42, derived=True), ["note"]),
        (median(42, location="at 5 years"), []),
    ],
)
def test_conversions_are_worked_out_again(row, severities):
    assert sorted(finding.severity for finding in found("converted_unit", row)) == severities


def test_second_hand_values_are_summed_up_by_source():
    rows = [
        alive(0.5, second_hand=True, source="Review"),
        alive(0.4, 72, second_hand=True, source="Review"),
        alive(0.3, 90),
    ]
    assert said("second_hand", *rows) == "note: 2 values of 1 study read second hand: alpha7."


def test_words_of_a_note_become_findings_of_their_own():
    def with_note(note):
        return replace(BASE, studies=(replace(STUDY, note=note),))

    assert "alive: counts only" not in said("counts_only", base=with_note("all entered"))
    assert "3 of 5 alive, counts only" in said(
        "counts_only", base=with_note("small; 3 of 5 alive, counts only; 1988")
    )
    assert "the mean was not entered" in said("not_entered", base=with_note("good; the mean was not entered"))
    assert "note: The note speaks of a contradiction" in said(
        "doubted", base=with_note("text contradicts the table")
    )
    assert "warning: 1 value flagged as doubtful" in said("doubted", alive(0.5, flag="suspect misprint"))


def test_values_and_arms_that_cannot_be():
    assert "74 outside 0 to 1" in said("impossible_value", alive(74.0))
    assert "time −3 months" in said("impossible_value", alive(0.5, -3.0))
    assert "out of order" in said("impossible_value", alive(0.5, ci_low=0.6, ci_high=0.7))
    assert "the arm ghost" in said("unknown_arm", alive(0.5, arm="ghost"))
    assert "a ratio is above 0" in said("impossible_ratio", hazard(-0.7))
    assert "does not hold it" in said("impossible_ratio", hazard(0.7, 0.8, 0.9))
    rows = [alive(0.5, ci_low=0.4, ci_high=0.6), hazard(0.7, 0.5, 0.98)]
    assert not any(found(check, *rows) for check in ("impossible_value", "unknown_arm", "impossible_ratio"))


def test_words_are_understood_whatever_their_case_and_joints():
    for words in ("immortal time", "Immortal-Time", "IMMORTAL_TIME", "responder_analysis", "Non-responders"):
        assert "immortal_time" in meanings(words)
    for code, plain in MEANINGS.items():
        assert plain
        assert code == code.casefold()
    assert meanings("") == frozenset()
    assert "matched_subset" not in meanings("unmatched") | meanings("un-matched patients") | meanings(
        "not matched"
    )
    assert "review_table" not in meanings("all from abstracts, none from a review table")


@pytest.mark.parametrize(
    ("text", "months"),
    [
        ("median follow-up 29 months", 29.0),
        ("mean follow up of survivors 2.5 years (1-9)", 30.0),
        ("median follow-up 97 months (85-110)", 97.0),
        ("median follow-up 12 and 40 months", 40.0),
        ("followed up; 30 months of treatment", None),
        ("median survival 30 months; follow-up not stated", None),
        ("", None),
    ],
)
def test_follow_up_is_read_from_notes(text, months):
    assert follow_up_months(text) == months


def test_a_number_of_patients_is_read_only_where_it_is_one():
    assert (stated_n("(N=62)"), stated_n("n = 5 and n = 6"), stated_n("in 62")) == (62, None, None)


def test_the_examples_hold():
    for module in (vocabulary, wording, registry):
        assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    "text", ["1" * 20_000, "1 (" * 7_000, "n=" + "9" * 20_000, "median follow-up " * 1_200, "range " * 3_000]
)
def test_long_and_odd_words_do_no_harm(text):
    row = median(8, flag=text, location=text, derived=True)
    ratio = hazard(0.5, 0.3, 0.8, flag=text, p_value=text)
    base = replace(BASE, studies=(replace(STUDY, note=text),), arms=(replace(DRUG, population=text), OTHER))
    for check in CHECKS:
        assert isinstance(found(check, row, ratio, base=base), list)
