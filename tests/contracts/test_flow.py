"""Whatever is in a review: its flow adds up, or refuses in words; it never counts what it does not know."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmeta.core.errors import ReviewError
from kmeta.methods.flow import prisma_flow
from kmeta.methods.flow.sources import source_kind
from kmeta.methods.flow.votes import outcomes
from kmeta.review.estimate import Estimate
from kmeta.review.evidence import Evidence
from kmeta.review.record import Decision, Record
from kmeta.review.study import Study

IDS = [f"R{i}" for i in range(8)]
SOURCES = ["pubmed", "search result page", "link.springer.com", "reference list", "a colleague", "ICTRP", ""]
REASONS = [
    "review",
    "guideline",
    "case report",
    "other disease",
    "no survival",
    "full text not available",
    "",
]
words = st.sampled_from(["pubmed", "review", "Chen 1998;12:1", "10.1/x", ";", "(", "ÅÉ", "\u2028", "9"])
texts = st.lists(words, max_size=4).map(" ".join)

records = st.lists(
    st.builds(
        Record,
        record_id=st.sampled_from(IDS),
        title=texts,
        pmid=st.sampled_from(["", "1", "2"]),
        doi=st.sampled_from(["", "10.1000/a", "https://doi.org/10.1000/A"]),
        source=st.sampled_from(SOURCES) | texts,
        year=st.none() | st.integers(1995, 2000),
        duplicate_of=st.sampled_from(["", "", "", "", "R0", "R1"]),
    ),
    unique_by=lambda record: record.record_id,
    max_size=8,
)
decisions = st.lists(
    st.builds(
        Decision,
        record_id=st.sampled_from(IDS),
        stage=st.sampled_from(["title-abstract", "title-abstract", "full-text"]),
        reviewer=st.sampled_from("abc"),
        vote=st.sampled_from(["include", "exclude", "unsure"]),
        reason=st.sampled_from(REASONS) | texts,
        note=st.sampled_from(["", "report of S1", "report of nobody"]),
    ),
    max_size=20,
)
studies = st.lists(
    st.builds(Study, study_id=st.sampled_from(["S1", "S2", "S3"]), pmid=st.sampled_from(["", "1", "2"])),
    unique_by=lambda study: study.study_id,
    max_size=3,
)


def _flow(evidence):
    """The flow, or None where it is refused with a hint."""
    try:
        return prisma_flow(evidence)
    except ReviewError as error:
        refusal = error
    assert refusal.message
    assert refusal.hint
    return None


def _sound(found, votes):
    """The same review without what a flow refuses: duplicates of nobody, full texts that nobody kept."""
    ids = {r.record_id for r in found}
    plain = tuple(
        r if r.duplicate_of in ids and r.record_id not in {"R0", "R1"} else replace(r, duplicate_of="")
        for r in found
    )
    first = tuple(v for v in votes if v.record_id in ids and v.stage == "title-abstract")
    kept = {i for i, outcome in outcomes(first, "title-abstract").items() if outcome.state == "kept"}
    return plain, first + tuple(v for v in votes if v.record_id in kept and v.stage == "full-text")


@given(records, decisions, studies, st.booleans())
def test_every_flow_adds_up_or_refuses(found, votes, included, sound):
    values = tuple(
        Estimate(study_id=s.study_id, arm_id="a", outcome="OS", kind="median", second_hand=i % 2 == 0)
        for i, s in enumerate(included)
    )
    kept, cast = _sound(found, votes) if sound else (tuple(found), tuple(votes))
    flow = _flow(Evidence(records=kept, decisions=cast, studies=tuple(included), estimates=values))
    assert flow is not None or not sound
    if flow is None:
        return
    n = {box.key: box.n for box in flow.boxes}
    for box in flow.boxes:
        assert len(box.record_ids) == len(set(box.record_ids))
        assert box.n == len(box.record_ids) or box.n == len(box.study_ids)
        listed = [i for part in box.parts for i in (part.record_ids or part.study_ids)]
        assert not box.parts or sorted(listed) == sorted(box.record_ids or box.study_ids)
    assert n.get("identified", 0) == len(found)
    if "screened" in n:
        ids = {
            key: set(flow.box(key).record_ids) for key in ("identified", "removed", "screened", "excluded")
        }
        assert ids["screened"] <= ids["identified"] - ids["removed"]
        assert ids["excluded"] <= ids["screened"]
        assert not set(flow.box("sought").record_ids) & ids["excluded"]
        waiting = n["screened"] - n["excluded"] - n["sought"]
        assert waiting >= 0
        assert (waiting > 0) == any("votes that differ, to be" in line for line in flow.not_known)
    if "assessed" in n:
        waits = n["sought"] - n["not_retrieved"] - n["assessed"]
        assert (waits > 0) == any("decision on the full text" in line for line in flow.not_known)
    assert flow.n_from_records + n.get("other_identified", 0) == flow.n_studies == len(included)


@given(records, decisions)
def test_the_full_text_is_absent_until_somebody_decided_on_one(found, votes):
    kept, cast = _sound(found, [v for v in votes if v.stage == "title-abstract"])
    flow = prisma_flow(Evidence(records=kept, decisions=cast))
    assert flow.box("assessed") is None
    assert flow.box("not_retrieved") is None
    assert flow.not_known


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"records": (Record(record_id="R1"), Record(record_id="R1"))}, "more than one record is called R1"),
        ({"records": (Record(record_id="R1", duplicate_of="R9"),)}, "duplicate of a record that is not here"),
        (
            {
                "records": (
                    Record(record_id="R1", duplicate_of="R2"),
                    Record(record_id="R2", duplicate_of="R1"),
                )
            },
            "duplicates of each other",
        ),
    ],
)
def test_contradictions_are_named(extra, words):
    with pytest.raises(ReviewError, match=words):
        prisma_flow(Evidence(**extra))


@given(st.text(max_size=60))
def test_any_source_has_one_kind(source):
    assert source_kind(source)
