"""The NELM evidence under the product's own rules: pools as metafor computes them, trials, medians, comparisons."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from kmeta.formats.evidence import read_evidence_folder
from kmeta.methods.selection import DEFAULT
from kmeta.methods.synthesis import Pool, Synthesis, beside_published, synthesise
from kmeta.methods.synthesis.hazard_ratios import synthesise_hazard_ratios
from kmeta.methods.synthesis.survival import synthesise_survival
from kmeta.review.evidence import Evidence
from kmeta.review.protocol import Analysis, Eligibility, Protocol, PublishedLine, Treatment

HERE = Path(__file__).parent
R = json.loads((HERE / "nelm_defaults.json").read_text())
CLASSES = ("resection", "transplantation", "locoregional", "systemic", "conservative")
MTOR, MKI, SSA = "mTOR inhibitor", "Multikinase inhibitor", "Somatostatin analogue"


def drug(
    name: str, group: str = "", *, words: tuple[str, ...] = (), without: tuple[str, ...] = ()
) -> Treatment:
    return Treatment(
        name=name, treatment_class="systemic", words=words or (name,), without=without, group=group
    )


TREATMENTS = (
    drug("everolimus", MTOR, without=("octreotide",)),
    drug("sunitinib", MKI),
    drug("surufatinib", MKI),
    drug("cabozantinib", MKI),
    drug("lanreotide", SSA),
    drug("PRRT"),
    drug("octreotide 60", words=("octreotide LAR 60 mg",)),
    drug("octreotide 30", SSA, words=("octreotide LAR 30 mg",)),
    drug("placebo", without=("octreotide",)),
)
TARGETED = ("everolimus", "sunitinib", "surufatinib", "cabozantinib")
TRIALS = Analysis(
    name="pfs",
    kind="hazard_ratio",
    outcomes=("PFS",),
    experimental=TARGETED,
    control=("placebo",),
    year_to=2025,
)
PLANS = (
    Analysis(name="os60", kind="survival_at", outcomes=("OS",), time_months=60, classes=CLASSES),
    Analysis(name="dfs60", kind="survival_at", outcomes=("DFS",), time_months=60, classes=CLASSES[:2]),
    TRIALS,
    Analysis(name="medians", kind="median", outcomes=("OS",)),
    Analysis(name="direct", kind="comparison", outcomes=("OS", "DFS")),
)
BESIDE = tuple(
    PublishedLine(analysis=name, treatment_class=group, review="muttillo2022", question=question)
    for name, group, question in (
        ("os60", "resection", "surgery: 5-year OS"),
        ("os60", "transplantation", "transplantation: 5-year OS"),
        ("os60", "locoregional", "loco-regional: 5-year OS"),
        ("dfs60", "resection", "surgery: recurrence free at 5 years"),
        ("dfs60", "transplantation", "transplantation: DFS"),
    )
)
PROTOCOL = Protocol(
    title="NELM",
    eligibility=Eligibility(year_from=1995, year_to=2021),
    treatments=TREATMENTS,
    analyses=PLANS,
    compare_with=BESIDE,
)


@cache
def evidence() -> Evidence:
    folder = HERE.parent / "data" / "nelm"
    return read_evidence_folder({path.name: path.read_bytes() for path in sorted(folder.glob("*.csv"))})


@cache
def done() -> dict[str, Synthesis]:
    return {synthesis.name: synthesis for synthesis in synthesise(evidence(), PROTOCOL)}


def pool(analysis: str, name: str) -> Pool:
    return next(pool for pool in done()[analysis].pools if pool.name == name)


@pytest.mark.parametrize("name", sorted(R))
def test_default_pools_are_those_of_metafor(name):
    ours, theirs = pool("os60", name), R[name]
    assert sorted(f"{line.study_id}/{line.arm_id}" for line in ours.lines) == sorted(theirs["arms"])
    assert ours.n_patients == theirs["n"]
    assert ours.fit.effect == pytest.approx(theirs["estimate"], abs=1e-5)
    assert ours.fit.effect_ci == pytest.approx(theirs["ci"], abs=1e-5)
    assert ours.fit.effect_pi == pytest.approx(theirs["pi"], abs=1e-5)
    assert ours.fit.tau2 == pytest.approx(theirs["tau2"], abs=1e-4)
    assert sum(line.weight for line in ours.lines) == pytest.approx(100)


def test_every_pooled_class_is_pinned():
    assert sorted(R) == sorted(p.name for p in done()["os60"].pools if p.fit)


def test_known_traps_are_left_out_by_the_rule_that_names_them():
    gone = {(e.study_id, e.arm_id, e.rule) for e in done()["os60"].excluded}
    expected = {
        ("mayo2010", "res", "overlap"),
        ("letreut2008", "lt", "overlap"),
        ("rosenau2002", "lt", "overlap"),
        ("twostep2008", "two_step", "completers_only"),
        ("ltlr455", "lt", "matched"),
        ("ltlr455", "lr", "matched"),
        ("letreut2013", "lt", "time_origin"),
        ("pitt", "tae", "time_origin"),
        ("tacefirst14", "tace", "time_origin"),
        ("cts2021", "net", "graft_survival"),
        ("gedaly2011", "lt", "n_missing"),
        ("alipour2023", "prrt", "publication_year"),
        ("radiant3", "pbo", "placebo"),
        ("xiang2018g1", "norec", "subgroup"),
    }
    assert expected <= gone


def test_of_two_equal_cohorts_the_longer_one_is_kept_and_the_reason_says_so():
    mayo = next(e for e in done()["os60"].excluded if e.study_id == "mayo2010")
    assert "Mayo 2011 (339 patients; certain: the same 339 surgical patients)" in mayo.reason


def test_matched_figures_whose_n_is_of_all_stand_apart_without_an_interval_made_from_it():
    line = next(line for line in pool("os60", "transplantation").apart if line.study_id == "ltlr455")
    assert (line.estimate, line.n, line.ci_low, line.interval) == (0.73, None, None, "none")
    assert "n of the arm 225" in line.remark


def test_matched_patients_stay_where_n_is_theirs_and_are_marked():
    line = next(line for line in pool("os60", "resection").lines if line.study_id == "sinet_psm2013")
    assert line.marks == ("m",)
    assert line.n == 72


def test_recurrence_is_never_turned_into_freedom_from_it():
    gone = {(e.study_id, e.rule): e for e in done()["dfs60"].excluded}
    assert gone["mayo2010", "event_probability"].estimate == 0.94
    assert all(line.study_id != "mayo2010" for line in pool("dfs60", "resection").lines)


def test_two_arms_are_not_pooled_and_one_is_shown_as_printed():
    two, one = pool("dfs60", "transplantation"), pool("dfs60", "resection")
    assert (two.fit, two.remark) == (None, "two arms, 48% and 30%: not pooled")
    assert (one.fit, one.remark) == (None, "one arm, 40%: shown as printed, nothing to pool")
    assert not any(line.pooled for line in (*two.lines, *one.lines))


def test_a_study_with_several_arms_makes_the_model_multilevel_with_the_plain_one_beside_it():
    locoregional = pool("os60", "locoregional")
    assert locoregional.fit.model == "multilevel"
    plain = next(row for row in locoregional.sensitivity if row.label.startswith("plain model"))
    assert plain.fit.model == "random"
    assert plain.fit.effect == pytest.approx(0.400, abs=0.001)
    assert pool("os60", "resection").fit.model == "random"


def test_ours_differs_from_the_orientation_table_by_what_the_sensitivity_rows_say():
    """Resection without mayo2010 and twostep2008 is 74.0 % in that table; ours is the same arms by REML."""
    resection = pool("os60", "resection")
    rows = {row.label: row for row in resection.sensitivity}
    assert rows["DerSimonian-Laird with z interval"].fit.effect == pytest.approx(0.7404, abs=5e-5)
    assert rows["overlapping cohorts left in"].k == rows["completers kept"].k == resection.k + 1


# Trials


def test_targeted_drugs_against_placebo_give_the_printed_acceptance_case():
    """0.42 (0.32 to 0.55), tau2 0.034, I2 46 %; 0.24 to 0.73 is the prediction interval with k - 2 df."""
    overall = done()["pfs"].overall
    fit = overall.fit
    assert [f"{x:.2f}" for x in (fit.effect, *fit.effect_ci)] == ["0.42", "0.32", "0.55"]
    assert (f"{fit.tau2:.3f}", f"{100 * fit.i2:.0f}", f"{fit.q:.1f}", fit.q_df) == ("0.034", "46", "11.7", 6)
    riley = synthesise_hazard_ratios(evidence(), PROTOCOL, TRIALS, replace(DEFAULT, prediction="riley"))
    assert [f"{x:.2f}" for x in riley.overall.fit.effect_pi] == ["0.24", "0.73"]
    # our own default takes the degrees of freedom of the test, k - 1, and is a little narrower
    assert [f"{x:.2f}" for x in fit.effect_pi] == ["0.25", "0.72"]


def test_the_acceptance_case_has_its_trials_and_weights():
    overall = done()["pfs"].overall
    weights = {line.study_id: f"{line.weight:.1f}" for line in overall.lines}
    assert weights == {
        "radiant3": "21.4",
        "radiant4": "17.7",
        "sunitinib_a6181111": "12.0",
        "sanet_p": "13.2",
        "sanet_ep": "14.4",
        "cabinet_p": "8.0",
        "cabinet_ep": "13.3",
    }
    groups = {p.name: p for p in done()["pfs"].pools}
    assert groups[MTOR].fit is None
    assert "two trials" in groups[MTOR].remark
    assert [f"{x:.2f}" for x in (groups[MKI].fit.effect, *groups[MKI].fit.effect_ci)] == [
        "0.43",
        "0.27",
        "0.68",
    ]
    lowest = next(row for row in overall.sensitivity if "lowest" in row.label)
    assert "sanet_ep" in lowest.label
    assert [f"{x:.2f}" for x in (lowest.fit.effect, *lowest.fit.effect_ci)] == ["0.39", "0.31", "0.50"]


def test_partitions_and_second_readings_of_a_trial_are_left_out_with_the_reason():
    gone = [e for e in done()["pfs"].excluded if e.study_id == "radiant4"]
    assert [e.rule for e in gone] == ["subgroup"] * 6
    sanet = next(e for e in done()["pfs"].excluded if e.study_id == "sanet_ep")
    assert sanet.rule == "one_ratio_per_trial"
    assert "0.33" in sanet.reason
    assert "blinded, central or independent review" in sanet.reason


def test_three_rows_of_one_trial_give_one_line():
    plan = replace(TRIALS, experimental=("PRRT",), control=("octreotide 60",))
    synthesis = synthesise_hazard_ratios(evidence(), PROTOCOL, plan)
    overall = synthesis.overall
    assert [line.study_id for line in overall.lines] == ["netter1", "netter2"]
    assert overall.fit is None
    assert overall.lines[0].ci_low == 0.14
    rules = sorted(e.rule for e in synthesis.excluded if e.study_id == "netter1")
    assert rules == ["no_interval", "one_ratio_per_trial"]
    assert overall.apart == ()  # the trial has its line: its other rows are among the exclusions alone


def test_a_trial_whose_only_ratio_has_no_interval_is_shown_apart_and_not_pooled():
    protocol = replace(
        PROTOCOL,
        treatments=(
            Treatment(name="CAPTEM", treatment_class="systemic", words=("capecitabine", "CAPTEM")),
            Treatment(
                name="TEM", treatment_class="systemic", words=("temozolomide",), without=("capecitabine",)
            ),
        ),
    )
    plan = replace(TRIALS, experimental=("CAPTEM",), control=("TEM",))
    overall = synthesise_hazard_ratios(evidence(), protocol, plan).overall
    assert overall.lines == ()
    assert [(line.study_id, line.estimate, line.pooled) for line in overall.apart] == [("e2211", 0.58, False)]


def test_time_to_progression_counts_only_where_the_plan_lists_it():
    wide = replace(TRIALS, experimental=(*TARGETED, "lanreotide", "octreotide 30"))
    without = synthesise_hazard_ratios(evidence(), PROTOCOL, wide).overall
    assert "promid" not in {line.study_id for line in without.lines}
    listed = synthesise_hazard_ratios(evidence(), PROTOCOL, replace(wide, outcomes=("PFS", "TTP"))).overall
    assert next(line for line in listed.lines if line.study_id == "promid").marks == ("t",)
    assert listed.fit.k == 9


def test_final_survival_comes_before_interim():
    plan = replace(TRIALS, outcomes=("OS",), experimental=(*TARGETED, "octreotide 30"))
    lines = {
        line.study_id: line for line in synthesise_hazard_ratios(evidence(), PROTOCOL, plan).overall.lines
    }
    assert lines["promid"].estimate == 0.83
    assert lines["sunitinib_a6181111"].estimate == 0.73
    assert lines["promid"].events == 48


# Medians, comparisons, the earlier review


def test_medians_are_listed_with_those_not_reached_and_means_apart():
    resection = pool("medians", "resection")
    assert resection.fit is None
    open_ended = {line.study_id for line in resection.lines if np.isnan(line.estimate)}
    assert open_ended == {"extent2018", "maxwell2015"}
    assert all("not reached" in line.remark for line in resection.lines if np.isnan(line.estimate))
    mayo = next(line for line in resection.lines if line.study_id == "mayo2010")
    assert mayo.remark == "shares patients with Mayo 2011"
    apart = {line.study_id: line.remark for line in resection.apart}
    assert "mean" in apart["osborne2006"]
    assert "mean" in apart["zhangjz2021"]
    assert "misprint" in apart["maxwell2015"]
    pitt = [line.remark for line in pool("medians", "locoregional").apart if line.study_id == "pitt"]
    assert any("counted from diagnosis" in remark for remark in pitt)


def test_no_survival_time_is_dropped_silently():
    wanted = sorted(
        (e.study_id, e.arm_id, e.value or -1.0)
        for e in evidence().estimates
        if e.outcome == "OS" and e.kind != "probability"
    )
    synthesis = done()["medians"]
    lines = [line for p in synthesis.pools for line in (*p.lines, *p.apart)]
    shown = [
        (line.study_id, line.arm_id, line.estimate if line.estimate == line.estimate else -1.0)
        for line in lines
    ]
    by_year = [
        (e.study_id, e.arm_id, e.estimate or -1.0) for e in synthesis.excluded if e.rule == "publication_year"
    ]
    assert sorted(shown + by_year) == wanted


def test_direct_comparisons_stand_beside_the_pools_with_direction_and_design():
    lines = {line.study_id: line for p in done()["os60"].direct for line in p.lines}
    assert {"mazzaferro2016", "ltlr455", "maspero2022", "sinet_psm2013", "mayo2011"} <= set(lines)
    assert "In favour of liver transplantation" in lines["mazzaferro2016"].remark
    assert lines["mazzaferro2016"].estimate == 7.4
    assert "OS at 60 months 74% and 74%. The figures are equal" in lines["sinet_psm2013"].remark
    assert np.isnan(lines["maspero2022"].estimate)
    assert "p 0.007" in lines["maspero2022"].remark
    assert "adjustment: unadjusted" in lines["mayo2011"].remark
    assert not any(line.pooled for line in lines.values())
    outcomes = {line.remark.split(":")[0] for p in done()["direct"].pools for line in p.lines}
    assert outcomes == {"OS", "DFS"}


def test_each_figure_of_the_earlier_review_stands_beside_ours_with_reasons_from_the_data():
    found = {
        (b.analysis, b.treatment_class): b
        for b in beside_published(evidence(), PROTOCOL, list(done().values()))
    }
    assert len(found) == len(BESIDE)
    resection = found["os60", "resection"]
    assert resection.difference == pytest.approx(0.7400 - 0.67, abs=1e-4)
    assert (resection.published_inside_ci, resection.published_inside_pi) == (True, True)
    said = " ".join(resection.reasons)
    for words in (
        "13 arms of 13 studies with 1,371 patients",
        "5,509 patients",
        "no interval and no model",
        "left out 1 value for shared patients (74%)",
        "completers only (94%); with them ours would be 74.7%",
        "range from 41% to 88%",
    ):
        assert words in said
    assert found["dfs60", "resection"].difference == pytest.approx(0.404 - 0.30)
    assert found["dfs60", "transplantation"].difference is None


def test_published_figures_are_attached_to_their_pool_and_never_enter_it():
    resection = pool("os60", "resection")
    assert [p.estimate for p in resection.published] == ["67"]
    bare = synthesise_survival(replace(evidence(), published=()), PROTOCOL, PLANS[0])
    assert bare.pools[0].fit.effect == resection.fit.effect
    assert bare.pools[0].published == ()
