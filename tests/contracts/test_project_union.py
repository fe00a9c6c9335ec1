"""Any project made of random acts survives its archive, and copies unite in any order to the same review."""

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmeta.core.errors import InputError
from kmeta.project import Project, archive, merge, restore
from kmeta.review.codec import decode, encode, encode_all, key_of
from kmeta.review.estimate import Comparison, Criterion, Estimate, PublishedResult
from kmeta.review.record import Decision, Record
from kmeta.review.study import Arm, Overlap, Study

NASTY = [
    "Müller\x85Meier", "a\u2028b\u2029c", "\r\n", "tab\there", "=1+1", "+x", "-x", "@x", "\tx", "\x7f\x1b[31m",
    "שלום עולם", "\u202eevil", "👩\u200d🔬", "\ufeff", "a/b\\c:*?", "..", "CON", "con", "x" * 3000, '"quoted", and',
    "'''", " edge ", "Ａ",
]  # fmt: skip
letters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
texts = st.sampled_from(NASTY) | st.text(letters, max_size=12)
names = texts.filter(lambda text: text.strip() != "")
# Few keys, so that acts meet on one subject; some of them strange.
keys = st.sampled_from(["a", "b", "A", "../a", "a\x85", "con"]) | names
people = st.sampled_from(["anna", "Anna", "bob", "Zoë\u2028", "aux"]) | names.filter(
    lambda name: len(name) <= 200
)
numbers = st.none() | st.floats(0, 1e300) | st.integers(0, 10**9)
counts = st.none() | st.integers(0, 2**53)
classes = st.sampled_from(["resection", "mixed"])
years = st.none() | st.integers(1800, 2100)

nouns = st.one_of(
    st.builds(Study, study_id=keys, first_author=texts, year=years, n_total=counts, note=texts),
    st.builds(Arm, study_id=keys, arm_id=keys, treatment_class=classes, treatment=texts),
    st.builds(
        Estimate, study_id=keys, arm_id=keys, outcome=st.just("OS"), kind=st.sampled_from(["probability", "median"]),
        value=numbers, time_months=numbers, derived=st.booleans(), flag=texts,
    ),
    st.builds(
        Comparison, study_id=keys, arm_a=keys, arm_b=keys, outcome=st.just("OS"), measure=st.just("HR"),
        estimate=numbers,
    ),
    st.builds(Overlap, study_a=keys, study_b=keys, strength=st.sampled_from(["certain", "possible"]), reason=texts),
    st.builds(PublishedResult, review=keys, question=texts, measure=st.just("HR"), estimate=texts),
    st.builds(Criterion, patient_state=keys, option=keys, criterion=texts, value=texts),
    st.builds(Record, record_id=keys, title=texts, authors=st.lists(texts, max_size=3).map(tuple), year=years),
    st.builds(
        Decision, record_id=keys, reviewer=people, vote=st.sampled_from(["include", "exclude"]),
        stage=st.sampled_from(["title-abstract", "full-text"]), reason=texts,
    ),
)  # fmt: skip
moments = st.integers(0, 3).map(lambda n: f"2026-01-0{n + 1}T00:00:00Z")
batches = st.lists(nouns, max_size=4, unique_by=lambda noun: (type(noun), key_of(noun)))
steps = st.one_of(
    st.tuples(st.just("add"), batches),
    st.tuples(st.just("remove"), batches),
    st.tuples(
        st.just("file"), st.tuples(st.binary(max_size=30), names.filter(lambda name: len(name) <= 255))
    ),
    st.tuples(st.just("amend"), texts),
)
work = st.lists(st.tuples(people, moments, texts, steps), max_size=5)
quietly = settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))


MEMORY = "/dev/shm"


@contextmanager
def folder():
    """A folder in memory where there is one: thousands of fsyncs are not what is tested."""
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as name:
        yield Path(name)


def do(root, acts):
    with Project.open(root) as project:
        for who, at, why, (what, given_) in acts:
            if what == "add":
                project.add(given_, who=who, at=at, why=why)
            elif what == "remove":
                project.remove(given_, who=who, at=at, why=why)
            elif what == "file":
                project.add_file(given_[0], name=given_[1], who=who, at=at, why=why)
            else:
                (root / "review.toml").write_bytes(given_.encode())
                project.record_protocol(who=who, at=at, why=why)


def make(root, acts):
    Project.create(root, 'title = "x"\r\n', who="anna", at="2026-01-01T00:00:00Z").close()
    do(root, acts)


def copy(root, to, acts):
    shutil.copytree(root, to)
    do(to, acts)
    return to


def unite(one, other, to):
    shutil.copytree(one, to)
    with Project.open(to) as project:
        return to, merge(project, other)


def state(root):
    with Project.open(root) as project:
        return project.state()


def tree(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def archived(root):
    with folder() as place, Project.open(root) as project:
        names = archive(project, place / "archive")
        written = tree(place / "archive")
        assert sorted(written) == names
        return written


def faults(root):
    with Project.open(root) as project:
        return [finding for finding in project.check() if finding.severity == "error"]


@quietly
@given(work)
def test_archive_restore_archive_is_byte_identical(acts):
    with folder() as place:
        make(place / "one", acts)
        with Project.open(place / "one") as project:
            archive(project, place / "archive")
            evidence, said, kept = project.evidence(), project.acts(), project.files()
        with restore(place / "archive", place / "two") as back:
            assert (back.evidence(), back.acts(), back.files()) == (evidence, said, kept)
            assert back.protocol_text.encode() == (place / "one" / "review.toml").read_bytes()
        assert archived(place / "two") == tree(place / "archive")
        assert faults(place / "one") == faults(place / "two") == []


@quietly
@given(work, work, work)
def test_copies_that_worked_apart_unite_in_either_order_and_twice_is_once(before, here, there):
    with folder() as place:
        make(place / "base", before)
        one, other = copy(place / "base", place / "1", here), copy(place / "base", place / "2", there)
        forth, first = unite(one, other, place / "12")
        back, _ = unite(other, one, place / "21")
        assert state(forth) == state(back)
        assert archived(forth) == archived(back)
        again, twice = unite(forth, other, place / "122")
        alone, none = unite(forth, forth, place / "1212")
        assert twice.new_acts == none.new_acts == twice.files == none.files == 0
        assert archived(again) == archived(alone) == archived(forth)
        assert twice.conflicts == first.conflicts
        assert faults(forth) == faults(back) == []


@settings(quietly, max_examples=8)
@given(work, work, work, work)
def test_three_copies_unite_in_any_grouping(before, a, b, c):
    with folder() as place:
        make(place / "base", before)
        one, two, three = (
            copy(place / "base", place / name, acts) for name, acts in zip("123", (a, b, c), strict=True)
        )
        left, _ = unite(unite(one, two, place / "12")[0], three, place / "12-3")
        right, _ = unite(one, unite(two, three, place / "23")[0], place / "1-23")
        assert state(left) == state(right)
        assert archived(left) == archived(right)


@settings(deadline=None, max_examples=300)
@given(nouns)
def test_a_noun_is_what_its_body_says_and_equal_nouns_have_equal_bodies(noun):
    stored = encode(noun)
    again = decode(stored.kind, stored.body)
    assert again == noun
    assert encode(again) == stored


@settings(deadline=None, max_examples=100)
@given(nouns, nouns)
def test_two_nouns_share_a_subject_only_when_their_keys_are_equal(one, other):
    subjects = [(stored.kind, stored.subject) for stored in map(encode, (one, other))]
    same = type(one) is type(other) and key_of(one) == key_of(other)
    assert (subjects[0] == subjects[1]) == same
    if same and one != other:
        with pytest.raises(InputError, match="given twice"):
            encode_all([one, other])
