"""Votes, sources and the linking of records to studies, by example."""

import pytest

from kmeta.methods.flow import prisma_flow, reports_of
from kmeta.methods.flow.sources import by_source
from kmeta.methods.flow.votes import outcomes
from kmeta.review.estimate import Estimate
from kmeta.review.evidence import Evidence
from kmeta.review.record import Decision, Record
from kmeta.review.study import Study


def vote(record_id, reviewer, what, *, stage="title-abstract", reason="", note=""):
    return Decision(record_id=record_id, stage=stage, reviewer=reviewer, vote=what, reason=reason, note=note)


@pytest.mark.parametrize(
    ("votes", "state"),
    [
        (["include"], "kept"),
        (["unsure"], "kept"),
        (["include", "unsure"], "kept"),
        (["exclude", "exclude"], "excluded"),
        (["include", "exclude"], "waiting"),
        (["unsure", "exclude"], "waiting"),
        (["include", "exclude", "exclude"], "excluded"),
        (["include", "exclude", "unsure"], "kept"),
    ],
)
def test_votes_decide_a_record(votes, state):
    cast = [vote("R1", name, what) for name, what in zip("abc", votes, strict=False)]
    assert outcomes(cast, "title-abstract")["R1"].state == state


def test_the_last_vote_of_a_reviewer_counts():
    cast = [vote("R1", "a", "exclude", reason="review"), vote("R1", "a", "include")]
    assert outcomes(cast, "title-abstract")["R1"].state == "kept"


def test_a_handful_of_sources_and_the_rest_together():
    names = ["pubmed"] * 3 + ["search result page"] * 2 + ["a.org", "reference list", "ICTRP", "a friend", ""]
    lines = by_source([Record(record_id=f"R{i}", source=name) for i, name in enumerate(names)])
    assert [(line.label, line.n) for line in lines][:2] == [
        ("Bibliographic databases", 3),
        ("Search result pages", 2),
    ]
    assert len(lines) == 5
    assert lines[-1].label == "Other sources"
    assert sum(line.n for line in lines) == len(names)


def _evidence(record, study, source, *, second_hand=False, note=""):
    value = Estimate(
        study_id=study.study_id,
        arm_id="a",
        outcome="OS",
        kind="median",
        source=source,
        second_hand=second_hand,
    )
    return Evidence(
        records=(record,),
        studies=(study,),
        estimates=(value,),
        decisions=(vote(record.record_id, "a", "include", note=note),),
    )


STUDY = Study(study_id="alpha", first_author="Berg", year=2011, pmid="77", doi="10.1000/ABC.1")
TITLE = "Long-term outcome of surgery for liver metastases"
LINKED = {
    "same PMID": (Record(record_id="R", pmid="77"), ""),
    "same DOI, other case and resolver": (Record(record_id="R", doi="https://doi.org/10.1000/abc.1"), ""),
    "PMCID printed in the source": (Record(record_id="R", pmcid="PMC123"), "Berg, PMC123, abstract"),
    "year, volume, first page": (
        Record(record_id="R", year=2017, volume="104", pages="26-32"),
        "Berg A. Neuroendocrinology 2017;104(1):26-32",
    ),
    "title printed in the source": (
        Record(record_id="R", title=TITLE),
        f"Berg A et al. {TITLE.upper()}. Surgery 2011",
    ),
    "author, year and half of the title": (
        Record(record_id="R", title=TITLE, authors=("Berg A", "Dahl B"), year=2011),
        "Berg A. Outcome of surgery, metastases",
    ),
}
NOT_LINKED = {
    "a longer title that begins alike": (
        Record(record_id="R", title=TITLE),
        f"Dahl B. {TITLE} in Europe: a registry. Surgery 2013",
    ),
    "another first page": (
        Record(record_id="R", year=2017, volume="104", pages="2-9"),
        "Neuroendocrinology 2017;104(1):26-32",
    ),
    "author alone": (Record(record_id="R", title=TITLE, authors=("Berg A",), year=2011), "Berg, table 3"),
    "another year": (
        Record(record_id="R", title=TITLE, authors=("Berg A",), year=2015),
        "Berg A. Outcome of surgery, metastases",
    ),
}


@pytest.mark.parametrize("case", LINKED)
def test_a_record_is_a_report_of_its_study(case):
    record, source = LINKED[case]
    assert reports_of(_evidence(record, STUDY, source), [record]) == {"alpha": ("R",)}


@pytest.mark.parametrize("case", NOT_LINKED)
def test_a_record_that_only_looks_alike_is_no_report(case):
    record, source = NOT_LINKED[case]
    assert reports_of(_evidence(record, STUDY, source), [record]) == {}


def test_a_review_whose_table_was_read_is_no_report_of_its_studies():
    review = Record(record_id="R", title=TITLE)
    evidence = _evidence(review, STUDY, f"{TITLE}. Surgery 2012", second_hand=True)
    assert reports_of(evidence, [review]) == {}
    flow = prisma_flow(evidence)
    assert [(part.label, part.n) for part in flow.box("other_identified").parts] == [
        ("Second hand, in tables of earlier reviews or other papers", 1)
    ]
    assert any("no report among the records kept" in line for line in flow.not_known)


def test_a_note_links_a_further_report():
    record = Record(record_id="R", title="An abstract at a meeting")
    evidence = _evidence(record, STUDY, "", note="further report of alpha, linked and not removed")
    flow = prisma_flow(evidence)
    assert (flow.n_studies, flow.n_reports, flow.n_from_records) == (1, 1, 1)
    assert flow.box("removed").n == 0


def test_full_texts_are_counted_once_somebody_read_them():
    records = tuple(Record(record_id=f"R{i}", source="pubmed") for i in range(6))
    kept = tuple(vote(record.record_id, "a", "include") for record in records)
    read = (
        vote("R0", "a", "include", stage="full-text"),
        vote("R1", "a", "exclude", stage="full-text", reason="wrong population"),
        vote("R2", "a", "exclude", stage="full-text", reason="full text not available"),
        vote("R3", "a", "include", stage="full-text"),
        vote("R3", "b", "exclude", stage="full-text", reason="wrong population"),
    )
    flow = prisma_flow(Evidence(records=records, decisions=kept + read))
    n = {box.key: box.n for box in flow.boxes}
    assert n == {
        "identified": 6,
        "removed": 0,
        "screened": 6,
        "excluded": 0,
        "sought": 6,
        "not_retrieved": 1,
        "assessed": 3,
        "excluded_full_text": 1,
    }
    assert flow.not_known == (
        "2 records wait for a decision on the full text.",
        "1 record waits with full-text votes that differ.",
    )


def test_three_reasons_are_named_and_the_others_are_together():
    given = ["review"] * 4 + ["guideline"] * 3 + ["case report"] * 2 + ["animals", ""]
    records = tuple(Record(record_id=f"R{i:02}") for i in range(len(given)))
    cast = tuple(vote(r.record_id, "a", "exclude", reason=why) for r, why in zip(records, given, strict=True))
    parts = prisma_flow(Evidence(records=records, decisions=cast)).box("excluded").parts
    assert [(part.label, part.n) for part in parts] == [
        ("Review", 4),
        ("Guideline", 3),
        ("Case report", 2),
        ("Other reasons", 2),
    ]
