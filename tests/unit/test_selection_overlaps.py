"""Which of several overlapping cohorts are kept: exactly, whatever the graph."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmeta.methods.selection import select_survival
from kmeta.methods.selection.overlaps import independent_set
from kmeta.methods.selection.policy import DEFAULT, Policy
from kmeta.review.estimate import Estimate
from kmeta.review.evidence import Evidence
from kmeta.review.protocol import Analysis, Protocol
from kmeta.review.study import Arm, Overlap, Study

NAMES = "abcdefghi"
graphs = st.tuples(
    st.dictionaries(st.sampled_from(NAMES), st.tuples(st.integers(0, 5), st.integers(0, 2)), min_size=1),
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=14),
)


def brute_force(weights, edges):
    """Every set, in the order that breaks ties: larger sums, then the names that sort first."""
    joined = {frozenset(edge) for edge in edges if len(set(edge)) == 2}
    names = sorted(weights)
    best = None
    for size in range(len(names) + 1):
        for part in combinations(names, size):
            if any(frozenset(pair) in joined for pair in combinations(part, 2)):
                continue
            sums = tuple(map(sum, zip(*(weights[name] for name in part), strict=True))) if part else (0, 0)
            tie = [name in part for name in names]
            if best is None or (sums, tie) > best[:2]:
                best = sums, tie, part
    return frozenset(best[2])


@given(graphs)
def test_equals_brute_force(graph):
    weights, edges = graph
    assert independent_set(weights, edges) == brute_force(weights, edges)


@given(graphs, st.randoms(use_true_random=False))
def test_order_of_names_and_edges_never_matters(graph, random):
    weights, edges = graph
    shuffled, turned = list(weights.items()), [edge[::-1] for edge in edges]
    random.shuffle(shuffled)
    random.shuffle(turned)
    assert independent_set(dict(shuffled), turned) == independent_set(weights, edges)


def test_a_long_chain_and_a_dense_graph_are_solved():
    chain = {f"{i:03}": (1,) for i in range(301)}
    edges = [(f"{i:03}", f"{i + 1:03}") for i in range(300)]
    assert len(independent_set(chain, edges)) == 151
    dense = {f"{i:02}": (i + 1,) for i in range(40)}
    pairs = [pair for i, pair in enumerate(combinations(sorted(dense), 2)) if i % 5]
    kept = independent_set(dense, pairs)
    assert not any(set(pair) <= kept for pair in pairs)


def test_nothing_gives_nothing():
    assert independent_set({}, [("a", "b")]) == frozenset()


PLAN = Analysis(name="os", kind="survival_at", outcomes=("OS",), time_months=60)


def cohorts(*sizes: int, overlaps=(), **fields) -> Evidence:
    """Studies a, b, c ... of these sizes; `overlaps` as (pair, strength)."""
    names = NAMES[: len(sizes)]
    return Evidence(
        studies=tuple(Study(study_id=name, **fields.get(name, {})) for name in names),
        arms=tuple(
            Arm(study_id=name, arm_id="1", treatment_class="resection", treatment="resection", n=n)
            for name, n in zip(names, sizes, strict=True)
        ),
        estimates=tuple(
            Estimate(
                study_id=name,
                arm_id="1",
                outcome="OS",
                kind="probability",
                value=0.5,
                time_months=60,
                time_origin="treatment",
            )
            for name in names
        ),
        overlaps=tuple(Overlap(study_a=p[0], study_b=p[1], strength=s, reason="why") for p, s in overlaps),
    )


def kept(evidence: Evidence, policy: Policy = DEFAULT) -> str:
    return "".join(
        row.study.study_id for row in select_survival(evidence, Protocol(title="t"), PLAN, policy).kept
    )


def test_the_largest_cohort_stays_unless_the_others_together_hold_more():
    both = (("ab", "certain"), ("ac", "likely"))
    assert kept(cohorts(213, 85, 19, overlaps=both)) == "a"
    assert kept(cohorts(213, 150, 90, overlaps=both)) == "bc"


def test_pairs_are_not_chained():
    assert kept(cohorts(50, 60, 50, overlaps=(("ab", "certain"), ("bc", "certain")))) == "ac"


@pytest.mark.parametrize(("overlaps", "expected"), [("keep", "abc"), ("drop", "ac"), ("drop_possible", "a")])
def test_strengths_count_as_the_policy_says(overlaps, expected):
    evidence = cohorts(35, 20, 10, overlaps=(("ab", "likely"), ("ac", "possible")))
    assert kept(evidence, Policy(overlaps=overlaps)) == expected


def test_ties_go_to_longer_recruitment_then_later_year_then_key():
    pair = (("ab", "certain"),)
    longer = {
        "a": {"period_start": "1985", "period_end": "2009"},
        "b": {"period_start": "1985", "period_end": "2010"},
    }
    assert kept(cohorts(339, 339, overlaps=pair, **longer)) == "b"
    assert kept(cohorts(339, 339, overlaps=pair, a={"year": 2010}, b={"year": 2011})) == "b"
    assert kept(cohorts(339, 339, overlaps=pair)) == "a"


def test_only_studies_of_one_pool_compete():
    evidence = cohorts(50, 60, overlaps=(("ab", "certain"),))
    other = Arm(study_id="b", arm_id="1", treatment_class="systemic", treatment="drug", n=60)
    assert kept(Evidence(**{**vars(evidence), "arms": (evidence.arms[0], other)})) == "ab"


def test_the_reason_names_who_is_kept_and_why_they_share():
    evidence = cohorts(50, 60, overlaps=(("ab", "certain"),))
    (gone,) = select_survival(evidence, Protocol(title="t"), PLAN).excluded
    assert (gone.study_id, gone.rule) == ("a", "overlap")
    assert (
        gone.reason
        == "Shares patients with b n.d. (60 patients; certain: why), which is kept; 50 patients left out."
    )
