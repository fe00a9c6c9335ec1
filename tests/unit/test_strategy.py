"""The strategy table from a small review whose every number is in the test."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmeta.methods.meta import random_effects
from kmeta.methods.strategy import strategy_table
from kmeta.methods.strategy.build import reading_of
from kmeta.methods.strategy.options import read_option
from kmeta.methods.synthesis.published import BesidePublished
from kmeta.methods.synthesis.result import Line, Pool, Synthesis
from kmeta.review.estimate import Comparison, Criterion, Estimate, PublishedResult
from kmeta.review.evidence import Evidence
from kmeta.review.protocol import Analysis, Eligibility, Protocol, Treatment
from kmeta.review.study import Arm, Study

TREATMENTS = (
    Treatment(name="debulking", treatment_class="resection", words=("cytoreductive", "debulking")),
    Treatment(name="everolimus", treatment_class="systemic", words=("everolimus",), group="drug"),
    Treatment(name="sunitinib", treatment_class="systemic", words=("sunitinib",), group="drug"),
    Treatment(name="placebo", treatment_class="systemic", words=("placebo",)),
)
OS60 = Analysis(name="os60", kind="survival_at", outcomes=("OS",), time_months=60)
PFS = Analysis(
    name="pfs", kind="hazard_ratio", outcomes=("PFS",), experimental=("everolimus",), control=("placebo",)
)
PROTOCOL = Protocol(
    title="t",
    treatments=TREATMENTS,
    analyses=(OS60, PFS),
    eligibility=Eligibility(year_from=1995, year_to=2021),
)
SURGERY = (
    ("s1", "hepatic resection", 0.70, 100),
    ("s2", "debulking", 0.80, 60),
    ("s3", "hepatectomy", 0.6, 90),
)
TRIALS = (
    ("alpha_1", "everolimus", 0.35, "pancreas"),
    ("beta-2", "everolimus", 0.48, "lung or GI"),
    ("gamma", "sunitinib", 0.42, "pancreas"),
)


def _fit(values, measure, scale):
    yi = [scale(value) for value in values]
    return random_effects(yi, [0.04] * len(yi), measure=measure)


def _survival_pool():
    lines = tuple(
        Line(
            study_id=study,
            arm_id="a",
            label=study,
            n=n,
            estimate=value,
            ci_low=value - 0.1,
            ci_high=value + 0.1,
            yi=math.log(value / (1 - value)),
            vi=0.04,
            weight=100 / 3,
            second_hand=study == "s1",
        )
        for study, _, value, n in SURGERY
    )
    fit = _fit([value for _, _, value, _ in SURGERY], "PLO", lambda p: math.log(p / (1 - p)))
    return Pool(name="resection", title="Liver resection", treatment_class="resection", lines=lines, fit=fit)


def _trial_pool():
    lines = tuple(
        Line(
            study_id=study,
            arm_id="drug v pbo",
            label=study,
            treatment=drug,
            control="placebo",
            n=50,
            n_control=50,
            estimate=hr,
            ci_low=hr / 1.5,
            ci_high=hr * 1.5,
            yi=math.log(hr),
            vi=0.04,
            weight=100 / 3,
        )
        for study, drug, hr, _ in TRIALS
    )
    return Pool(
        name="drug", title="drug", lines=lines, fit=_fit([hr for _, _, hr, _ in TRIALS], "HR", math.log)
    )


def _arms():
    for study, treatment, _, n in SURGERY:
        yield Arm(study_id=study, arm_id="a", treatment_class="resection", treatment=treatment, n=n)
    for study, drug, _, site in TRIALS:
        yield Arm(
            study_id=study, arm_id="drug", treatment_class="systemic", treatment=drug, primary_site=site
        )
        yield Arm(study_id=study, arm_id="pbo", treatment_class="systemic", treatment="placebo")


SYNTHESES = (
    Synthesis(plan=OS60, measure="PLO", title="OS", pools=(_survival_pool(),)),
    Synthesis(plan=PFS, measure="HR", title="PFS", pools=(_trial_pool(),)),
)
EVIDENCE = Evidence(
    studies=tuple(
        Study(
            study_id=study, design="randomised phase 3" if drug in ("everolimus", "sunitinib") else "series"
        )
        for study, drug, *_ in (*SURGERY, *TRIALS)
    ),
    arms=tuple(_arms()),
)


def criterion(state, option, *, value="x", status="read", name="intent", source="a paper"):
    return Criterion(
        patient_state=state, option=option, criterion=name, value=value, source=source, status=status
    )


def table(*criteria, evidence=EVIDENCE, beside=()):
    return strategy_table(replace(evidence, criteria=criteria), PROTOCOL, SYNTHESES, beside).table


def test_a_whole_class_takes_its_pool():
    row = table(criterion("resectable", "resection"))[0]
    fit = SYNTHESES[0].pools[0].fit
    low, high = fit.effect_ci
    assert row.effect == f"OS {100 * fit.effect:.0f}% ({100 * low:.0f}–{100 * high:.0f}) at 5 years"
    assert row.rests_on == "3 arms, 250 patients"
    assert row.analysis == "os60"
    assert any("95% prediction interval" in note for note in row.effect_notes)
    assert any("association" in note for note in row.effect_notes)
    assert "read second hand: 1 of 3 values" in row.effect_notes
    assert row.gaps == ()


def test_some_treatments_of_a_class_are_a_range_that_is_not_pooled():
    arms = tuple(
        replace(a, treatment="cytoreductive surgery") if a.study_id == "s1" else a for a in EVIDENCE.arms
    )
    row = table(criterion("partly resectable", "debulking"), evidence=replace(EVIDENCE, arms=arms))[0]
    assert row.effect == "OS 70–80% at 5 years, range, not pooled"
    assert row.rests_on == "2 arms, 160 patients"
    assert any(note.startswith("all arms of the class pooled:") for note in row.effect_notes)


def test_a_single_arm_is_given_as_printed():
    row = table(criterion("partly resectable", "debulking"))[0]
    assert row.effect == "OS 80% (70–90) at 5 years"


@pytest.mark.parametrize(
    ("state", "option", "value", "effect", "rests_on", "aside"),
    [
        (
            "progressive pancreatic",
            "everolimus, sunitinib",
            "after progression",
            "PFS HR 0.35–0.42 v placebo, range, not pooled",
            "2 trials, 200 patients",
            "beta-2",
        ),
        (
            "progressive",
            "everolimus",
            "as in BETA-2",
            "PFS HR 0.48 (0.32–0.72) v placebo",
            "1 trial, 100 patients",
            "alpha_1",
        ),
        (
            "progressive lung",
            "everolimus",
            "x",
            "PFS HR 0.48 (0.32–0.72) v placebo",
            "1 trial, 100 patients",
            "alpha_1",
        ),
    ],
)
def test_trials_are_those_that_the_criteria_name_and_whose_patients_fit(
    state, option, value, effect, rests_on, aside
):
    row = table(criterion(state, option, value=value))[0]
    assert row.effect == effect
    assert row.rests_on == rests_on
    assert any("not counted here" in gap and aside in gap for gap in row.gaps)


def test_all_trials_of_a_pool_take_its_model():
    row = table(criterion("progressive", "drug"))[0]
    fit = SYNTHESES[1].pools[0].fit
    low, high = fit.effect_ci
    assert row.effect == f"PFS HR {fit.effect:.2f} ({low:.2f}–{high:.2f}) v placebo"


def test_an_option_without_evidence_says_so():
    rows = table(criterion("any", "WHO 2010"), criterion("diffuse", "no resection"))
    assert [row.treatment_class for row in rows] == ["", "conservative"]
    assert all(row.effect == "" and row.gaps for row in rows)


def test_what_sources_disagree_on_is_a_gap_and_stays_a_criterion():
    rows = table(
        criterion(
            "resectable", "resection", name="age", value="<=55 or <=60", status="read: sources disagree"
        ),
        criterion("resectable", "resection", name="texts", status="NOT READ: must be filled by hand"),
    )
    assert len(rows) == 1
    assert [c.criterion for c in rows[0].criteria] == ["age", "texts"]
    assert rows[0].gaps[0].startswith("Sources disagree: age: <=55 or <=60")
    assert rows[0].gaps[1].startswith("Not read: texts")


def test_rows_keep_the_place_of_their_criteria():
    first, second = criterion("b", "resection"), criterion("a", "everolimus")
    assert [r.patient_state for r in table(first, second)] == ["b", "a"]
    placed = table(replace(second, place=2), replace(first, place=1))
    assert [r.patient_state for r in placed] == ["b", "a"]


BOTH = "hepatic resection v liver transplantation: OS 70% v 50% at 5 years"


def _comparing(**what):
    given = {"study_id": "s1", "arm_a": "a", "arm_b": "lt", "outcome": "OS", "measure": "HR"}
    return Comparison(**{**given, **what})


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (
            {"estimate": 0.59, "ci_low": 0.3, "ci_high": 0.9, "adjustment": "matched"},
            BOTH + ", HR 0.59 (0.30–0.90) (matched); s1 n.d.",
        ),
        (
            {"measure": "logrank_p", "p_value": "<0.001"},
            BOTH + ", P < 0.001, log-rank test; s1 n.d.",
        ),
        (
            {"estimate": 2.1, "p_value": "0.02"},
            BOTH + ", HR 2.10, no interval printed, P = 0.02; s1 n.d.",
        ),
    ],
)
def test_direct_comparisons_are_told_as_printed(what, words):
    lt = Arm(study_id="s1", arm_id="lt", treatment_class="transplantation", treatment="liver transplantation")
    values = tuple(
        Estimate(study_id="s1", arm_id=arm, outcome="OS", kind="probability", value=value, time_months=60)
        for arm, value in (("a", 0.7), ("lt", 0.5))
    )
    evidence = replace(
        EVIDENCE, arms=(*EVIDENCE.arms, lt), estimates=values, comparisons=(_comparing(**what),)
    )
    row = table(criterion("resectable", "resection"), evidence=evidence)[0]
    assert row.comparisons == (words,)


@pytest.mark.parametrize("flag", ["subgroup: prior therapy", "prognostic, not randomised", "immortal time"])
def test_comparisons_of_patients_are_no_comparisons_of_treatments(flag):
    lt = Arm(study_id="s1", arm_id="lt", treatment_class="transplantation", treatment="liver transplantation")
    evidence = replace(
        EVIDENCE, arms=(*EVIDENCE.arms, lt), comparisons=(_comparing(estimate=0.5, flag=flag),)
    )
    assert table(criterion("resectable", "resection"), evidence=evidence)[0].comparisons == ()


def test_an_earlier_review_stands_beside_a_whole_class():
    line = BesidePublished(
        analysis="os60",
        title="OS",
        treatment_class="resection",
        pool=None,
        published=PublishedResult(review="old2012", question="surgery", measure="percent", estimate="67"),
    )
    row = table(criterion("resectable", "resection"), beside=[line])[0]
    assert "earlier review old2012, surgery: 67%" in row.effect_notes


@pytest.mark.parametrize(
    ("text", "expected", "whole"),
    [
        ("Liver resection", "resection", True),
        ("no cytoreduction", "conservative", True),
        ("radiofrequency ablation", "locoregional", False),
        ("Everolimus", "systemic", False),
        ("transplantation", "transplantation", True),
        ("ENETS 2023", "", False),
    ],
)
def test_options_have_the_class_of_their_words(text, expected, whole):
    option = read_option(text, TREATMENTS)
    assert (option.treatment_class, option.whole) == (expected, whole)


def test_a_status_is_read_for_what_it_says():
    assert reading_of("existence read, criteria not read") == "not read"
    assert reading_of("second hand") == "second hand"
    assert reading_of("read") == ""


@given(
    st.lists(st.builds(criterion, st.text(max_size=12), st.text(max_size=20), status=st.text(max_size=12)))
)
def test_every_criterion_stands_in_exactly_one_row(criteria):
    rows = table(*criteria)
    assert sorted(map(repr, (c for row in rows for c in row.criteria))) == sorted(map(repr, criteria))
    assert all(row.effect or row.gaps for row in rows)
