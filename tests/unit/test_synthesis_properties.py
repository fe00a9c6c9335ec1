"""What must hold whatever the evidence: order never matters, what is left out changes nothing, nothing is lost."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmeta.core.canonical import canonical_json
from kmeta.methods.selection import select_survival, select_trials
from kmeta.methods.synthesis import (
    Synthesis,
    synthesise_comparisons,
    synthesise_hazard_ratios,
    synthesise_medians,
    synthesise_survival,
)
from kmeta.review.estimate import Comparison, Estimate
from kmeta.review.evidence import Evidence
from kmeta.review.protocol import Analysis, Eligibility, Protocol, Treatment
from kmeta.review.study import Arm, Overlap, Study

OUTCOMES = (*["OS"] * 9, "PFS", "graft_survival", "TTP_cumulative_incidence")
FLAGS = ("",) * 8 + ("completers_only", "matched subset", "conditional_on_recurrence", "denominator inferred")
TREATMENTS = (
    Treatment(name="drug", treatment_class="systemic", words=("drug",), group="G"),
    Treatment(name="placebo", treatment_class="systemic", words=("placebo",)),
)
PROTOCOL = Protocol(title="t", eligibility=Eligibility(year_from=1995), treatments=TREATMENTS)
OS = Analysis(name="os", kind="survival_at", outcomes=("OS", "PFS"), time_months=60, window_months=6)
MEDIANS = Analysis(name="m", kind="median", outcomes=("OS",))
TRIALS = Analysis(
    name="hr", kind="hazard_ratio", outcomes=("PFS", "OS"), experimental=("drug",), control=("placebo",)
)
DIRECT = Analysis(name="d", kind="comparison", outcomes=("OS", "PFS"))
METHODS = {
    "survival": (synthesise_survival, OS),
    "medians": (synthesise_medians, MEDIANS),
    "trials": (synthesise_hazard_ratios, TRIALS),
    "comparisons": (synthesise_comparisons, DIRECT),
}
quiet = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def evidences() -> st.SearchStrategy[Evidence]:
    """Four to nine studies of two or three arms, most of them usable; a seed each, for draws one by one seldom
    give three arms that can be pooled."""
    return st.integers(0, 2**32).map(lambda seed: made(Random(seed)))


def made(random: Random) -> Evidence:
    studies, arms, estimates, comparisons = [], [], [], []
    for key in "abcdefghi"[: random.randint(4, 9)]:
        studies.append(
            Study(
                study_id=key,
                year=random.choice([None, 1990, 2001, 2004, 2008, 2010, 2012, 2012]),
                design=random.choice(["randomised phase 3", "randomised", "randomised", "cohort"]),
                n_total=random.choice([None, None, 40, 90, 200]),
            )
        )
        for i in range(random.randint(2, 3)):
            arms.append(
                Arm(
                    study_id=key,
                    arm_id=str(i),
                    treatment_class="resection"
                    if i == 2
                    else random.choice(["systemic"] * 4 + ["resection"]),
                    treatment=random.choice(["placebo", "placebo", "drug 20 mg"]) if i == 1 else "drug 10 mg",
                    n=random.choice([None, 0, 3, 17, 25, 40, 66, 90]),
                    subgroup_of=random.choice([""] * 9 + ["*"]),
                )
            )
            estimates += [value(random, key, str(i)) for _ in range(random.randint(1, 2))]
        comparisons += [ratio(random, key) for _ in range(random.randint(1, 2))]
    pairs = [random.sample("abcdef", 2) for _ in range(random.randint(0, 4))]
    return Evidence(
        studies=tuple(studies),
        arms=tuple(arms),
        estimates=tuple(estimates),
        comparisons=tuple(comparisons),
        overlaps=tuple(
            Overlap(study_a=a, study_b=b, strength=random.choice(["certain", "likely", "possible"]))
            for a, b in pairs
        ),
    )


def value(random: Random, study: str, arm: str) -> Estimate:
    kind = random.choice(["probability"] * 6 + ["median", "mean"])
    found = random.choice([None, 0, 1, 3, 5, 6, 8, 10, 12, 14, 4, 7, 9, 11, 13, 16, 19, 20])
    if kind == "probability" and found is not None:
        found /= 20
    width = random.choice([None, None, 0.04]) if found and found != 1 else None
    return Estimate(
        study_id=study,
        arm_id=arm,
        outcome=random.choice(OUTCOMES),
        kind=kind,
        value=found,
        time_months=random.choice([48.0, 57.0, 60.0, 60.0, 60.0]) if kind == "probability" else None,
        ci_low=found - width if width else None,
        ci_high=found + width if width else None,
        time_origin=random.choice(["treatment"] * 6 + ["randomisation", "diagnosis"]),
        derived=random.random() < 0.1,
        flag=random.choice(FLAGS),
        second_hand=random.random() < 0.3,
    )


def ratio(random: Random, study: str) -> Comparison:
    arms, estimate = random.choice(["01", "01", "10"]), random.choice([None, 0.5, 0.7, 0.8, 1.5])
    limits = estimate is not None and random.random() < 0.8
    return Comparison(
        study_id=study,
        arm_a=arms[0],
        arm_b=arms[1],
        outcome=random.choice(["OS", "PFS", "PFS"]),
        measure="logrank_p" if estimate is None else "HR",
        estimate=estimate,
        ci_low=estimate / 1.5 if limits else None,
        ci_high=estimate * 1.5 if limits else None,
        p_value=random.choice(["", "0.02", "<0.001"]),
        adjustment=random.choice(["", "", "stratified", "unadjusted", "subgroup: men", "interim"]),
    )


def shuffled(evidence: Evidence, random) -> Evidence:
    fields = {}
    for name in ("studies", "arms", "estimates", "comparisons", "overlaps"):
        rows = list(getattr(evidence, name))
        random.shuffle(rows)
        fields[name] = tuple(rows)
    return Evidence(**fields)


def text(synthesis: Synthesis) -> str:
    return canonical_json(synthesis.to_dict())


def results(synthesis: Synthesis) -> str:
    """Pools without what is shown apart and what other rules would give: those do know of excluded rows."""
    pools = [*synthesis.pools, *([synthesis.overall] if synthesis.overall else [])]
    return canonical_json([replace(pool, apart=(), apart_title="", sensitivity=()) for pool in pools])


@pytest.mark.parametrize("method", METHODS)
@given(evidence=evidences(), random=st.randoms(use_true_random=False))
@quiet
def test_order_of_rows_never_matters(method, evidence, random):
    synthesise, plan = METHODS[method]
    assert text(synthesise(shuffled(evidence, random), PROTOCOL, plan)) == text(
        synthesise(evidence, PROTOCOL, plan)
    )


@given(evidence=evidences())
@quiet
def test_every_estimate_is_accounted_for_once(evidence):
    everything = Counter((e.study_id, e.arm_id, e.value) for e in evidence.estimates)
    for method in ("survival", "medians"):
        synthesise, plan = METHODS[method]
        done = synthesise(evidence, PROTOCOL, plan)
        found = Counter((e.study_id, e.arm_id, e.estimate) for e in (*done.excluded, *done.out_of_scope))
        found.update(
            (line.study_id, line.arm_id, None if line.estimate != line.estimate else line.estimate)
            for pool in done.pools
            for line in pool.lines
        )
        assert found == everything


@given(evidence=evidences())
@quiet
def test_every_comparison_is_accounted_for_once(evidence):
    for method in ("trials", "comparisons"):
        synthesise, plan = METHODS[method]
        done = synthesise(evidence, PROTOCOL, plan)
        pools = (done.overall,) if done.overall else done.pools
        lines = sum(len(pool.lines) for pool in pools)
        assert lines + len(done.excluded) + len(done.out_of_scope) == len(evidence.comparisons)


@given(evidence=evidences())
@quiet
def test_a_value_that_is_left_out_changes_no_pool(evidence):
    kept = {id(row.estimate) for row in select_survival(evidence, PROTOCOL, OS).kept}
    before = results(synthesise_survival(evidence, PROTOCOL, OS))
    for gone in [e for e in evidence.estimates if id(e) not in kept][::3]:
        rest = tuple(e for e in evidence.estimates if e is not gone)
        assert results(synthesise_survival(replace(evidence, estimates=rest), PROTOCOL, OS)) == before


@given(evidence=evidences())
@quiet
def test_a_ratio_that_is_left_out_changes_no_pool(evidence):
    kept = {id(row.comparison) for row in select_trials(evidence, PROTOCOL, TRIALS).kept}
    before = results(synthesise_hazard_ratios(evidence, PROTOCOL, TRIALS))
    for gone in (c for c in evidence.comparisons if id(c) not in kept):
        rest = tuple(c for c in evidence.comparisons if c is not gone)
        assert (
            results(synthesise_hazard_ratios(replace(evidence, comparisons=rest), PROTOCOL, TRIALS)) == before
        )


@given(evidence=evidences())
@quiet
def test_pooled_arms_share_no_patients_and_weights_are_whole(evidence):
    counted = {frozenset((o.study_a, o.study_b)) for o in evidence.overlaps if o.strength != "possible"}
    for pool in synthesise_survival(evidence, PROTOCOL, OS).pools:
        studies = {line.study_id for line in pool.lines}
        assert not any(pair <= studies for pair in counted)
        assert len({(line.study_id, line.arm_id) for line in pool.lines}) == len(pool.lines)
        if pool.fit:
            assert sum(line.weight for line in pool.lines) == pytest.approx(100)
            assert min(line.estimate for line in pool.lines) - 0.2 <= pool.fit.effect


def test_the_examples_reach_what_they_are_for():
    """Pools of every kind and each rule that these examples can meet."""
    reached = Counter()
    for seed in range(100):
        done = synthesise_survival(made(Random(seed)), PROTOCOL, OS)
        reached.update(e.rule for e in done.excluded)
        reached.update(pool.fit.model if pool.fit else f"{len(pool.lines)} lines" for pool in done.pools)
        overall = synthesise_hazard_ratios(made(Random(seed)), PROTOCOL, TRIALS).overall
        reached["trials pooled"] += overall.fit is not None
    wanted = (
        "random",
        "multilevel",
        "2 lines",
        "overlap",
        "one_value_per_arm",
        "counted_twice",
        "trials pooled",
    )
    assert all(reached[name] >= 3 for name in wanted), reached
