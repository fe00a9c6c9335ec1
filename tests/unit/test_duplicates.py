"""De-duplication: each rule on a pair that shows it, guards against chains, what people said, and any text at all."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError
from kmeta.methods.dedup import RULES
from kmeta.methods.dedup.fold import fold_doi, fold_pages, fold_title
from kmeta.review.record import Pairing, Record

PAPER = Record(
    record_id="a",
    title="Survival after hepatic resection of neuroendocrine liver metastases",
    authors=("Lind, Maria", "Okafor, Ada"),
    year=2011,
    journal="Annals of Surgical Oncology",
    volume="18",
    issue="4",
    pages="221-228",
)
NUMBERED = replace(PAPER, doi="10.1000/x.1", pmid="111")
BARE = replace(PAPER, volume="", issue="", pages="")


def pair(first, **changes):
    return [first, replace(first, record_id="b", **changes)]


# rule -> a pair on which it is the first to speak
SHOWN = {
    "erratum": pair(PAPER, title="Erratum: " + PAPER.title, pages="901-901", issue="9"),
    "mentioned": pair(
        replace(PAPER, title=PAPER.title + ".[Erratum appears in Ann Surg Oncol. 2011 Sep;18(9):901]"),
        title=PAPER.title,
        pages="901",
        issue="9",
    ),
    "comment": pair(PAPER, title="Reply to " + PAPER.title, pages="950", issue="9"),
    "series": pair(
        replace(PAPER, title=PAPER.title + ": part 1"), title=PAPER.title + ": part 2", pages="301-310"
    ),
    "preprint": pair(
        NUMBERED, doi="10.1101/2010.01.01", journal="medRxiv", volume="", issue="", pages="", pmid=""
    ),
    "meeting": pair(PAPER, journal="Gut", volume="60", issue="Suppl 1", pages="S12"),
    "same_doi": pair(NUMBERED, title=PAPER.title + ": a cohort", volume="", pages="", pmid=""),
    "same_doi_other_pages": pair(NUMBERED, pages="1-8", pmid=""),
    "same_pmid": pair(replace(NUMBERED, doi=""), title=PAPER.title[:50], volume="", pages=""),
    "same_number_other_title": pair(NUMBERED, title="Programme of the spring meeting", pmid=""),
    "number_slipped": pair(NUMBERED, doi="10.1000/x.2", pmid=""),
    "other_number_same_all": pair(NUMBERED, doi="10.1000/x.2", pmid="", year=2012),
    "other_number": pair(NUMBERED, doi="10.1000/x.2", pmid="", pages="500-508"),
    "same_place_and_title": pair(
        PAPER, title="Survival following hepatic resection of neuroendocrine liver metastases"
    ),
    "same_place_and_people": pair(PAPER, title=""),
    "same_title_and_people": pair(PAPER, volume="", issue="", pages=""),
    "one_slip": pair(PAPER, pages="212-228"),
    "shifted": pair(replace(PAPER, authors=PAPER.authors[:1]), volume="", issue="18", pages="4"),
    "same_abstract": pair(
        replace(
            BARE,
            abstract="We looked at one hundred and twelve patients after resection of liver metastases. " * 4,
        ),
        journal="The Lancet",
        title=PAPER.title.replace("neuroendocrine", "carcinoid"),
    ),
    "same_pages": pair(replace(PAPER, volume="", issue=""), title="Survival after hepatic"),
    "nearly": pair(PAPER, volume="30", pages="900-909", issue="2"),
    "same_place": pair(
        PAPER, title="Hepatic resection of neuroendocrine metastases: survival afterwards", pages="221-230"
    ),
    "same_title": pair(BARE, authors=(), journal=""),
}


def outcome(found):
    """(what was done with the one pair, its rule)."""
    rows = found.rows()
    return (rows[0]["outcome"], rows[0]["rule"]) if rows else ("keep", "")


@pytest.mark.parametrize("name", list(RULES))
def test_each_rule_speaks_on_a_pair_that_shows_it(name):
    assert name in SHOWN, f"show the rule {name} on a pair"
    done = {"same": "merge", "ask": "ask", "related": "link", "different": "keep"}[RULES[name].outcome]
    expected = (done, "" if done == "keep" else name)
    assert outcome(km.find_duplicates(SHOWN[name])) == expected
    assert outcome(km.find_duplicates(SHOWN[name][::-1])) == expected


def test_papers_that_share_little_are_kept():
    other = replace(
        PAPER, record_id="b", title="Quality of life after liver transplantation", pages="12-19", volume="3"
    )
    assert km.find_duplicates([PAPER, other]).rows() == []


def test_generic_titles_need_more_than_a_title():
    one = replace(BARE, title="Editorial")
    assert km.find_duplicates([one, replace(one, record_id="b", year=2012)]).groups == ()


def test_no_chain_joins_two_dois():
    a = replace(PAPER, doi="10.1000/x.1", pages="")
    between = replace(PAPER, record_id="m", volume="", issue="", pages="")
    b = replace(PAPER, record_id="b", doi="10.1000/x.2", pages="")
    found = km.find_duplicates([a, between, b])
    assert sorted(len(group.ids) for group in found.groups) == [2]
    assert any("DOIs" in pairing.note for pairing in found.asks)


def test_no_chain_joins_two_places():
    far = replace(PAPER, record_id="b", volume="30", pages="900-909", issue="2")
    between = replace(BARE, record_id="m")
    found = km.find_duplicates([PAPER, between, far])
    assert [len(group.ids) for group in found.groups] == [2]
    assert any("volume and page" in pairing.note for pairing in found.asks)


def test_what_people_said_stands():
    records = pair(PAPER)
    apart = Pairing(record_a="b", record_b="a", verdict="different")
    assert km.find_duplicates(records, settled=[apart]).rows() == []
    far = [PAPER, replace(PAPER, record_id="b", title="Leberresektion bei Metastasen", pages="9", volume="1")]
    same = Pairing(record_a="a", record_b="b", verdict="same", note="a translation")
    assert km.find_duplicates(far, settled=[same]).groups[0].pairs == (same,)


def test_a_pair_kept_apart_is_not_joined_through_a_third():
    apart = Pairing(record_a="a", record_b="b", verdict="different")
    third = replace(PAPER, record_id="c")
    found = km.find_duplicates([*pair(PAPER), third], settled=[apart])
    assert all(not {"a", "b"} <= set(group.ids) for group in found.groups)


def test_the_richest_record_leads_its_group():
    rich = replace(PAPER, record_id="z", abstract="A long abstract. " * 30, doi="10.1000/x.1")
    assert km.find_duplicates([PAPER, rich]).groups[0].keep == "z"


def test_two_records_with_one_id_are_refused():
    with pytest.raises(InputError, match="'a' is the id of two records"):
        km.find_duplicates([PAPER, PAPER])


def test_a_large_block_is_bounded():
    many = [
        replace(
            BARE, record_id=str(i), title="Editorial comment of the editors of this journal", year=1950 + i
        )
        for i in range(75)
    ]
    assert km.find_duplicates(many).compared < 75 * 74 / 2


texts = st.text(max_size=60)
records = st.builds(
    Record,
    record_id=st.just(""),
    title=texts | st.sampled_from([PAPER.title, PAPER.title.upper()]),
    authors=st.lists(texts, max_size=3).map(tuple),
    journal=texts,
    volume=texts | st.sampled_from(["7", "12"]),
    issue=texts,
    pages=texts | st.sampled_from(["1-9", "S3", "12e"]),
    doi=texts | st.sampled_from(["10.1000/a", "https://doi.org/10.1000/B"]),
    year=st.none() | st.integers(1900, 2030),
    abstract=texts,
)


@settings(deadline=None, max_examples=60)
@given(st.lists(records, max_size=8), st.randoms())
def test_any_text_is_read_nothing_is_lost_and_the_order_does_not_matter(drawn, random):
    given_ = [replace(each, record_id=f"r{i}") for i, each in enumerate(drawn)]
    found = km.find_duplicates(given_)
    ids = [each for group in found.groups for each in group.ids]
    assert len(ids) == len(set(ids))
    assert all(0 <= pairing.probability <= 1 for pairing in (*found.asks, *found.related))
    shuffled = list(given_)
    random.shuffle(shuffled)
    again = km.find_duplicates(shuffled)
    assert {frozenset(group.ids) for group in again.groups} == {
        frozenset(group.ids) for group in found.groups
    }


@given(texts)
def test_folding_folds_once(text):
    assert fold_title(fold_title(text)) == fold_title(text) or "<" in text
    assert fold_doi(fold_doi(text)) == fold_doi(text)
    assert len(fold_pages(text)) == 2
