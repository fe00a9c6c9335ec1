"""The codec refuses what no store can hold, by field, and keeps what equal nouns share."""

import dataclasses

import pytest

from kmeta.core.errors import InputError
from kmeta.review import codec
from kmeta.review.estimate import Comparison, Estimate
from kmeta.review.record import Decision, Pairing, Record
from kmeta.review.study import Arm, Overlap, Study

ESTIMATE = Estimate(study_id="s", arm_id="a", outcome="OS", kind="probability", value=0.5, time_months=60.0)


@pytest.mark.parametrize(
    ("noun", "words"),
    [
        (Study(study_id=""), "study_id is empty"),
        (Study(study_id="s", year="2011"), "year: Input should be a valid integer"),
        (Study(study_id="s", n_total=10**5000), "n_total is too large"),
        (Study(study_id="s", note="\ud800"), "surrogate"),
        (Study(study_id="s", note="a\0b"), "NUL"),
        (Study(study_id="s", note="x" * 1_000_001), "1,000,001 characters"),
        (Arm(study_id="s", arm_id="a", treatment_class="surgery", treatment=""), "treatment_class"),
        (dataclasses.replace(ESTIMATE, value=-1.0), "value: Input should be greater"),
        (dataclasses.replace(ESTIMATE, value=float("inf")), "value is not a finite number"),
        (
            Comparison(study_id="s", arm_a="a", arm_b="b", outcome="OS", measure="HR", estimate=float("nan")),
            "finite",
        ),
        (Record(record_id="r", authors=("a", 1)), "authors"),
        (Decision(record_id="r", stage="title", reviewer="", vote="yes"), "stage: .*; vote: "),
        (Pairing(record_a="a", record_b="", verdict="same"), "record_b is empty"),
        (Pairing(record_a="a", record_b="b", verdict="merge"), "verdict"),
        (Pairing(record_a="a", record_b="b", verdict="same", probability=1.5), "probability"),
        ("a text", "cannot be kept"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_field(noun, words):
    with pytest.raises(InputError, match=words):
        codec.encode(noun)


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("judgement", "{}", "no kind of data is named 'judgement'"),
        ("study", "{", "not JSON"),
        ("study", "[]", "object"),
        ("study", '{"study_id":"s","colour":1}', "unknown field colour"),
        ("study", "{}", "study_id: Field required"),
        ("study", "[" * 100_000, "not JSON"),
    ],
)
def test_a_body_that_is_no_noun_is_refused(kind, body, words):
    with pytest.raises(InputError, match=words):
        codec.decode(kind, body)


def test_what_an_export_says_beyond_its_fields_comes_back_in_its_order():
    record = Record(record_id="r", keywords=("b", "a"), extra=(("ZZ", "2"), ("AA", ""), ("ZZ", "1")))
    encoded = codec.encode(record)
    assert codec.decode(encoded.kind, encoded.body) == record


def test_a_pair_is_one_pair_from_either_side():
    ab = Pairing(record_a="a", record_b="b", verdict="same")
    ba = Pairing(record_a="b", record_b="a", verdict="different")
    assert codec.encode(ab).subject == codec.encode(ba).subject


def test_equal_nouns_have_one_body_however_their_numbers_are_typed():
    same = dataclasses.replace(ESTIMATE, time_months=60)
    assert codec.encode(same) == codec.encode(ESTIMATE)
    zero, signed = (dataclasses.replace(ESTIMATE, value=value) for value in (0.0, -0.0))
    assert codec.encode(zero) == codec.encode(signed)
    assert codec.decode("estimate", codec.encode(zero).body).value == 0.0


def test_a_field_added_later_changes_no_body():
    assert codec.encode(Record(record_id="r")).body == '{"record_id":"r"}'
    assert '"time_origin":"not stated"' in codec.encode(ESTIMATE).body, (
        "a default that says something is written"
    )


def test_votes_of_two_reviewers_or_stages_never_share_a_subject():
    votes = [
        Decision(record_id="r", stage=stage, reviewer=reviewer, vote="include")
        for stage in ("title-abstract", "full-text")
        for reviewer in ("a", "b", "a/b")
    ]
    assert len({codec.encode(vote).subject for vote in votes}) == len(votes)


def test_evidence_is_sorted_by_key_with_numbers_by_size():
    times = [dataclasses.replace(ESTIMATE, time_months=time) for time in (120.0, None, 60.0, 6.0)]
    overlaps = [
        Overlap(study_a="b", study_b="a", strength="certain"),
        Overlap(study_a="a", study_b="c", strength="likely"),
    ]
    evidence = codec.evidence([*times, *overlaps, Study(study_id="z"), Study(study_id="B")])
    assert [estimate.time_months for estimate in evidence.estimates] == [None, 6.0, 60.0, 120.0]
    assert evidence.overlaps == tuple(overlaps)
    assert [study.study_id for study in evidence.studies] == ["B", "z"]
    assert codec.evidence(reversed([*times, *overlaps])) == codec.evidence([*times, *overlaps])
