"""Every check is asked the same: pure, whatever the order of rows, silent on nothing, and helpful when it speaks."""

import csv
import random
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmeta.formats.evidence import read_evidence_folder
from kmeta.methods.checks import CHECKS, run_checks
from kmeta.methods.checks.registry import order
from kmeta.review.estimate import Comparison, Estimate
from kmeta.review.evidence import Evidence
from kmeta.review.study import Arm, Study

TESTS = Path(__file__).parents[1]
NELM = read_evidence_folder(
    {path.name: path.read_bytes() for path in (TESTS / "data" / "nelm").glob("*.csv")}
)
TRAPS = list(csv.DictReader((TESTS / "references" / "nelm_traps.csv").open(encoding="utf-8")))


def value(arm_id: str, **more: object) -> Estimate:
    right = {
        "study_id": "bad1",
        "arm_id": arm_id,
        "outcome": "OS",
        "kind": "probability",
        "time_months": 60.0,
    }
    return Estimate(**right | {"value": 0.5, "time_origin": "treatment"} | more)


# What an import refuses and NELM has not, so that each check has something to find.
SPOILT = Evidence(
    studies=(
        Study(study_id="bad1", n_total=10, note="overlaps bad2"),
        Study(study_id="bad2"),
        Study(study_id="bad3"),
    ),
    arms=(
        Arm(study_id="bad1", arm_id="a", treatment_class="mixed", treatment="x", n=20),
        Arm(study_id="bad3", arm_id="a", treatment_class="systemic", treatment="x", n=200),
        Arm(study_id="bad3", arm_id="b", treatment_class="systemic", treatment="y", n=200),
    ),
    estimates=(
        value("a", value=0.4),
        value("a", outcome="PFS", value=0.6),
        value("a", value=74.0, time_months=120.0),
        value("nobody"),
        # a ratio that its own arms do not give, curves that cross, an interval of more than all patients
        value("a", study_id="bad3", value=0.8, ci_low=0.79, ci_high=0.81, time_months=12.0),
        value("b", study_id="bad3", value=0.6, time_months=12.0),
        value("a", study_id="bad3", value=0.3),
        value("b", study_id="bad3", value=0.45),
        # an incidence under the name of survival
        *(
            value("a", study_id="bad3", outcome="PFS", value=t / 100, time_months=t)
            for t in (12.0, 24.0, 36.0)
        ),
    ),
    comparisons=(
        Comparison(study_id="bad1", arm_a="a", arm_b="b", outcome="OS", measure="HR", estimate=-0.5),
        Comparison(
            study_id="bad3",
            arm_a="a",
            arm_b="b",
            outcome="OS",
            measure="HR",
            estimate=0.8,
            ci_low=0.75,
            ci_high=0.86,
            p_value="0.04",
            flag="100 v 100 deaths",
        ),
    ),
)


def together(*parts: Evidence) -> Evidence:
    names = [field.name for field in fields(Evidence)]
    return Evidence(**{name: tuple(row for part in parts for row in getattr(part, name)) for name in names})


def shuffled(evidence: Evidence, seed: int) -> Evidence:
    rng = random.Random(seed)
    rows = {field.name: list(getattr(evidence, field.name)) for field in fields(Evidence)}
    for each in rows.values():
        rng.shuffle(each)
    return Evidence(**{name: tuple(each) for name, each in rows.items()})


BOTH = together(NELM, SPOILT)
KNOWN = {row.study_id for part in (BOTH.studies, BOTH.arms, BOTH.estimates, BOTH.comparisons) for row in part}


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_says_what_and_where_and_what_to_do(name):
    found = CHECKS[name](BOTH)
    assert found, "nothing to find: the other questions would be empty"
    for finding in found:
        assert finding.check == name
        assert finding.severity in ("error", "warning", "note")
        assert finding.where.strip()
        assert finding.hint.strip().endswith(".")
        assert finding.message.endswith(".")
        assert len(finding.message) < 700
        assert "\n" not in finding.message + finding.hint + finding.effect
        assert finding.study_ids
        assert set(finding.study_ids) <= KNOWN
        assert list(finding.study_ids) == sorted(set(finding.study_ids))
    assert CHECKS[name].__doc__


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_is_silent_where_there_is_nothing(name):
    assert CHECKS[name](Evidence()) == []
    assert CHECKS[name](Evidence(studies=(Study(study_id="s"),))) == []


@pytest.mark.parametrize("name", sorted(CHECKS))
@pytest.mark.parametrize("seed", range(3))
def test_does_not_depend_on_the_order_of_rows_nor_change_them(name, seed):
    mixed = shuffled(BOTH, seed)
    again = shuffled(BOTH, seed)
    assert sorted(CHECKS[name](mixed), key=order) == sorted(CHECKS[name](BOTH), key=order)
    assert mixed == again


def test_findings_come_errors_first_then_by_study():
    found = run_checks(BOTH)
    ranks = [["error", "warning", "note"].index(finding.severity) for finding in found]
    assert ranks == sorted(ranks)
    for severity in ("error", "warning", "note"):
        ids = [finding.study_ids for finding in found if finding.severity == severity]
        assert ids == sorted(ids)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: f"{trap['study_id']}-{trap['check']}")
def test_every_trap_of_the_nelm_evidence_is_found(trap):
    found = CHECKS[trap["check"]](NELM)
    assert any(trap["study_id"] in finding.study_ids for finding in found), trap["trap"]


def test_errors_in_the_nelm_evidence_are_those_that_contradict_themselves():
    errors = {
        (finding.check, finding.study_ids) for finding in run_checks(NELM) if finding.severity == "error"
    }
    assert errors == {
        ("not_monotone", ("pitt",)),
        ("median_against_curve", ("pitt",)),
        ("median_against_curve", ("ankara2015",)),
        ("parts_against_whole", ("rosenau2002",)),
    }


# Read from the numbers and the structure alone: these must not need the extractor's words.
WITHOUT_WORDS = (
    *(
        "not_monotone",
        "far_from_sibling",
        "mean_for_median",
        "event_probability",
        "direction",
        "several_origins",
    ),
    *(
        "several_estimates",
        "printed_differently",
        "parts_against_whole",
        "median_against_curve",
        "origin_elsewhere",
    ),
    *("asymmetric_interval", "no_interval", "overlapping_cohorts", "zero_survival", "no_values"),
    *("subgroups_beside_parent", "graft_survival"),
)


def test_what_structure_tells_is_found_without_any_flag_or_note():
    bare = replace(
        NELM,
        studies=tuple(replace(study, note="") for study in NELM.studies),
        estimates=tuple(replace(row, flag="") for row in NELM.estimates),
        comparisons=tuple(replace(row, flag="") for row in NELM.comparisons),
    )
    for trap in TRAPS:
        if trap["check"] in WITHOUT_WORDS:
            found = CHECKS[trap["check"]](bare)
            assert any(trap["study_id"] in finding.study_ids for finding in found), trap


class Stranger:
    name = "stranger"

    def load(self):
        return lambda evidence: []


def test_a_check_of_another_package_is_run_as_well(monkeypatch):
    called = []
    monkeypatch.setattr("kmeta.methods.checks.registry.entry_points", lambda **_: [Stranger()])
    monkeypatch.setattr("kmeta.core.registry.entry_points", lambda **_: [Stranger()])
    monkeypatch.setattr(Stranger, "load", lambda self: lambda evidence: called.append(evidence) or [])
    try:
        run_checks(SPOILT)
    finally:
        CHECKS.pop("stranger", None)
    assert called == [SPOILT]


@st.composite
def clean_evidence(draw: st.DrawFn) -> Evidence:
    """Studies as a flawless paper prints them: exponential survival, medians and ratios that follow from it."""
    studies, arms, estimates, comparisons = [], [], [], []
    for number in range(draw(st.integers(1, 3))):
        study = f"clean{number}"
        sizes = draw(st.lists(st.integers(5, 300), min_size=1, max_size=3))
        studies.append(
            Study(study_id=study, year=2010, n_total=sum(sizes), note="median follow-up 60 months")
        )
        rates = [draw(st.floats(0.005, 0.05)) for _ in sizes]
        for place, (n, rate) in enumerate(zip(sizes, rates, strict=True)):
            arm = f"arm{place}"
            arms.append(
                Arm(study_id=study, arm_id=arm, treatment_class="systemic", treatment=f"drug {place}", n=n)
            )
            for outcome, faster in (("OS", 1.0), ("PFS", draw(st.floats(1.0, 3.0)))):
                base = {"study_id": study, "arm_id": arm, "outcome": outcome, "time_origin": "treatment"}
                for time in sorted(draw(st.sets(st.sampled_from([12.0, 24.0, 36.0, 60.0]), max_size=4))):
                    alive = max(0.001, round(2.718281828459045 ** (-rate * faster * time), 3))
                    estimates.append(Estimate(**base, kind="probability", time_months=time, value=alive))
                estimates.append(
                    Estimate(**base, kind="median", value=round(0.6931471805599453 / (rate * faster), 1))
                )
        for place in range(1, len(sizes)):
            estimate = rates[0] / rates[place]
            # no interval is narrower than all patients could make it by having the event
            spread = draw(st.floats(1.1, 3.0)) * 2.718281828459045 ** (4 / (sizes[0] + sizes[place]) ** 0.5)
            comparisons.append(
                Comparison(
                    study_id=study,
                    arm_a="arm0",
                    arm_b=f"arm{place}",
                    outcome="OS",
                    measure="HR",
                    estimate=round(estimate, 2),
                    ci_low=round(estimate / spread, 2),
                    ci_high=round(estimate * spread, 2),
                )
            )
    return Evidence(
        studies=tuple(studies), arms=tuple(arms), estimates=tuple(estimates), comparisons=tuple(comparisons)
    )


@settings(max_examples=60, deadline=None)
@given(clean_evidence())
def test_nothing_is_held_against_a_flawless_paper(evidence):
    assert run_checks(evidence) == ()
