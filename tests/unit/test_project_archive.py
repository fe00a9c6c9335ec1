"""The archive is text one can read; what was edited by hand is refused, and nobody's files are lost."""

import csv
import doctest
import json
import os
import shutil
import subprocess
import sys
import tomllib

import pytest

from kmeta.core.canonical import canonical_json
from kmeta.core.errors import FormatError, ProjectError, StoreError
from kmeta.project import (
    Project,
    acts,
    archive,
    backup,
    disk,
    merge,
    names,
    project,
    restore,
    template,
    views,
)
from kmeta.review import codec
from kmeta.review.estimate import Estimate
from kmeta.review.record import Decision, Record
from kmeta.review.study import Arm, Study

AT = "2026-01-01T00:00:00Z"
ODD = 'odd\x85"\\\t\u2028=title\n'


@pytest.fixture
def here(tmp_path):
    """A review, and its archive."""
    with Project.create(tmp_path / "r", "title = 'x'", who="Zoë", at=AT) as review:
        review.add(
            [
                Study(study_id="s1", first_author="=HYPERLINK()", year=2011, note=ODD),
                Arm(study_id="s1", arm_id="a", treatment_class="resection", treatment=ODD, n=3),
                Estimate(
                    study_id="s1", arm_id="a", outcome="OS", kind="probability", value=0.1, time_months=60
                ),
                Record(record_id="r1", title=ODD, authors=("A B", "C")),
                Decision(record_id="r1", stage="full-text", reviewer="Ünal", vote="exclude", reason="+x"),
            ],
            who="anna",
            at=AT,
        )
        review.add_file(b"%PDF\r\n", name="a.pdf", who="bob", at=AT)
        archive(review, tmp_path / "a")
    return tmp_path


def tree(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def test_the_examples_in_the_docstrings_hold():
    for module in (acts, codec, names, project, template, views):
        results = doctest.testmod(module)
        assert results.attempted
        assert not results.failed


def test_an_act_is_hashed_over_its_canonical_json(here):
    for line in (here / "a" / "acts" / "anna.jsonl").read_text(encoding="utf-8").split("\n")[:-1]:
        values = json.loads(line)
        act_id = values.pop("id")
        assert acts.sha256(canonical_json(values)) == act_id


def test_views_say_what_the_review_holds(here):
    study = tomllib.loads((here / "a" / "studies" / "s1.toml").read_text(encoding="utf-8"))
    assert study["note"] == study["arm"][0]["treatment"] == ODD
    assert json.loads((here / "a" / "records.jsonl").read_text(encoding="utf-8"))["title"] == ODD
    with (here / "a" / "evidence" / "estimates.csv").open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file))
    assert (row["value"], row["time_months"], row["ci_low"], row["derived"]) == ("0.1", "60.0", "", "0")
    votes = here / "a" / "decisions" / "full-text" / f"{names.file_stem('Ünal')}.csv"
    with votes.open(encoding="utf-8", newline="") as file:
        assert next(csv.DictReader(file))["reason"] == "'+x", "no spreadsheet takes it for a formula"
    with (here / "a" / "evidence" / "studies.csv").open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file))
    assert (row["first_author"], row["note"]) == ("'=HYPERLINK()", ODD)
    assert sorted(path.name for path in (here / "a" / "acts").iterdir()) == sorted(
        f"{names.file_stem(who)}.jsonl" for who in ("anna", "bob", "Zoë")
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("records.jsonl", "edited by hand"),
        ("studies/s1.toml", "edited by hand"),
        ("evidence/estimates.csv", "edited by hand"),
        ("review.toml", "edited by hand"),
        ("acts/anna.jsonl", "not what was archived"),
        (".gitattributes", "edited by hand"),
    ],
)
def test_a_file_edited_by_hand_is_refused_by_name(here, name, words):
    path = here / "a" / name
    path.write_bytes(path.read_bytes().replace(b"1", b"2", 1) + b"\n")
    with pytest.raises(FormatError, match=words) as told:
        restore(here / "a", here / "new")
    assert name in str(told.value)
    assert not (here / "new").exists()


def test_an_edit_that_the_manifest_was_made_to_fit_is_refused_too(here):
    manifest = json.loads((here / "a" / "manifest.json").read_text(encoding="utf-8"))
    for name in ("evidence/estimates.csv", "studies/s1.toml", "review.toml"):
        (here / "a" / name).write_bytes(b"mine")
        manifest["files"][name] = acts.sha256(b"mine")
    (here / "a" / "evidence" / "extra.csv").write_bytes(b"mine")
    manifest["files"]["evidence/extra.csv"] = acts.sha256(b"mine")
    (here / "a" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(FormatError) as told:
        restore(here / "a", here / "new")
    places = {problem.where.rsplit(":")[-1] for problem in told.value.problems}
    assert places == {
        "evidence/estimates.csv",
        "studies/s1.toml",
        "review.toml",
        "evidence/extra.csv",
        "manifest.json",
    }


@pytest.mark.parametrize("cut", [1, 3])
def test_a_cut_log_is_refused_though_its_hash_was_mended(here, cut):
    path = here / "a" / "acts" / "anna.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in path.read_bytes().split(b"\n")[:-1][:-cut]))
    manifest = json.loads((here / "a" / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"]["acts/anna.jsonl"] = acts.sha256(path.read_bytes())
    (here / "a" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(FormatError, match="missing"):
        restore(here / "a", here / "new")


def test_what_is_missing_strange_or_a_link_is_told_all_at_once(here):
    (here / "a" / "records.jsonl").unlink()
    (here / "a" / "acts" / "notes.txt").write_text("mine")
    blob = next((here / "a" / "files").iterdir())
    blob.unlink()
    problems = {"records.jsonl", "acts/notes.txt", f"files/{blob.name}"}
    if os.name != "nt":
        blob.symlink_to("/etc/hostname")
        shutil.move(here / "a" / "evidence", here / "elsewhere")
        (here / "a" / "evidence").symlink_to(here / "elsewhere")
        problems |= {"evidence"}
    with pytest.raises(FormatError) as told:
        restore(here / "a", here / "new")
    assert problems <= {problem.where.rsplit(":")[-1] for problem in told.value.problems}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"format": "kmeta archive", "version": "1"}', "[" * 100_000]
)
def test_a_manifest_that_is_none_is_told(here, text):
    (here / "a" / "manifest.json").write_text(text)
    with pytest.raises(FormatError, match="not the manifest"):
        restore(here / "a", here / "new")


def test_a_newer_archive_and_no_archive_are_told(here):
    path = here / "a" / "manifest.json"
    path.write_text(
        path.read_text(encoding="utf-8").replace('"version": 1', '"version": 2'), encoding="utf-8"
    )
    with pytest.raises(ProjectError, match="newer kmeta"):
        restore(here / "a", here / "new")
    for folder, words in ((here / "r", "not an archive"), (here / "absent", "no such folder")):
        with pytest.raises(ProjectError, match=words):
            restore(folder, here / "new")


def test_views_of_another_kmeta_are_believed_by_their_hash(here, monkeypatch):
    monkeypatch.setattr(views, "VERSION", views.VERSION + 1)
    with restore(here / "a", here / "new") as review:
        assert review.check() == []


def test_an_archive_under_git_is_replaced_and_git_stays(here):
    (here / "a" / ".git").mkdir()
    (here / "a" / ".git" / "HEAD").write_bytes(b"ref")
    (here / "a" / "README.md").write_bytes(b"ours")
    before = tree(here / "a")
    with Project.open(here / "r") as review:
        archive(review, here / "a")
        assert tree(here / "a") == before
        review.add([Study(study_id="s2")], who="anna", at=AT)
        dry = archive(review, here / "a", dry_run=True)
        assert tree(here / "a") == before
        archive(review, here / "a")
    after = tree(here / "a")
    assert set(after) - set(before) == {"studies/s2.toml"}
    assert set(dry) == set(after) - {".git/HEAD", "README.md"}
    lines = before["acts/anna.jsonl"]
    assert after["acts/anna.jsonl"].startswith(lines), "a person's file grows at its end"


def test_a_new_repository_may_hold_the_archive(here):
    (here / "git" / ".git").mkdir(parents=True)
    with Project.open(here / "r") as review:
        archive(review, here / "git")
    assert (here / "git" / ".git").is_dir()
    restore(here / "git", here / "new").close()


def test_what_a_killed_archive_left_beside_comes_home(here):
    left = here / ".kmeta-a-0123456789abcdef"
    (left / ".git").mkdir(parents=True)
    (left / ".git" / "HEAD").write_bytes(b"ref")
    with Project.open(here / "r") as review:
        archive(review, here / "a")
    assert (here / "a" / ".git" / "HEAD").read_bytes() == b"ref"


def test_systems_without_an_exchange_swap_by_renames_and_recover(here, monkeypatch):
    monkeypatch.setattr(disk, "_exchange", lambda *_: False)
    with Project.open(here / "r") as review:
        review.write_report({"a": b"1"})
        review.write_report({"b": b"2"})
        assert tree(here / "r" / "report") == {"b": b"2"}
        (here / "r" / "report").rename(here / "r" / ".kmeta-report-00.old")
        review.write_report({"c": b"3"})
        assert tree(here / "r" / "report") == {"c": b"3"}
    (here / "a").rename(here / ".kmeta-a-00.old")
    restore(here / "a", here / "new").close()
    assert not [path.name for path in here.iterdir() if path.name.startswith(".kmeta-")]


def test_nothing_that_is_not_this_reviews_archive_is_replaced(here):
    (here / "mine").mkdir()
    (here / "mine" / "letter.txt").write_text("mine")
    with Project.create(here / "r2", "title = 'y'", who="anna", at=AT) as other:
        for folder, words in (
            (here / "a", "another review"),
            (here / "mine", "other things"),
            (here / "r", "other"),
        ):
            before = tree(folder)
            with pytest.raises(ProjectError, match=words):
                archive(other, folder)
            assert tree(folder) == before
        with pytest.raises(ProjectError, match="no act in common"):
            merge(other, here / "r")
    (here / "a" / "acts" / "notes.txt").write_text("mine")
    with Project.open(here / "r") as review, pytest.raises(ProjectError, match=r"notes\.txt"):
        archive(review, here / "a")


def test_an_archive_that_holds_a_colleagues_acts_is_not_overwritten(here):
    with restore(here / "a", here / "theirs") as theirs:
        theirs.add([Study(study_id="theirs")], who="bob", at=AT)
        archive(theirs, here / "a")
    with Project.open(here / "r") as review:
        with pytest.raises(ProjectError, match="1 act that this project lacks"):
            archive(review, here / "a")
        assert merge(review, here / "theirs", dry_run=True).new_acts == 1
        assert merge(review, here / "theirs").new_acts == 1
        archive(review, here / "a")


def test_an_unrecorded_edit_of_the_protocol_is_not_left_out_silently(here):
    (here / "r" / "review.toml").write_text("title = 'edited'")
    with Project.open(here / "r") as review:
        with pytest.raises(ProjectError, match="edited"):
            archive(review, here / "a")
        review.record_protocol(who="anna", why="typo", at=AT)
        archive(review, here / "a")
    assert (here / "a" / "review.toml").read_text() == "title = 'edited'"


def test_a_merge_brings_files_and_amendments_and_refuses_a_damaged_copy(here):
    shutil.copytree(here / "r", here / "r2")
    with Project.open(here / "r2") as other:
        digest = other.add_file(b"theirs", name="b.pdf", who="bob", at=AT)
        (here / "r2" / "review.toml").write_text("title = 'amended'")
        other.record_protocol(who="bob", at=AT)
    path = here / "r2" / "files" / digest
    path.write_bytes(b"changed")
    with Project.open(here / "r") as review:
        state = review.state()
        with pytest.raises(StoreError, match="not what it was"):
            merge(review, here / "r2")
        assert review.state() == state
        path.write_bytes(b"theirs")
        assert merge(review, here / "r2").files == 1
        assert review.read_file(digest) == b"theirs"
        assert review.protocol_text == review.recorded_protocol == "title = 'amended'"


def test_a_backup_is_a_project_with_the_same_state(here):
    with Project.open(here / "r") as review:
        assert backup(review, here / "copy") == here / "copy"
        with Project.open(here / "copy") as copy:
            assert copy.state() == review.state()
            assert copy.check() == []
            assert copy.evidence() == review.evidence()


def test_bytes_do_not_depend_on_locale_time_zone_or_hash_seed(here):
    code = "import sys; from kmeta.project import *; archive(restore(sys.argv[1], sys.argv[2]), sys.argv[3])"
    for number, settings in enumerate(
        ({"TZ": "Asia/Tokyo", "LC_ALL": "tr_TR.UTF-8"}, {"TZ": "UTC", "LC_ALL": "C"})
    ):
        environment = {**os.environ, **settings, "PYTHONHASHSEED": str(number)}
        folders = [str(here / "a"), str(here / f"r-{number}"), str(here / f"a-{number}")]
        subprocess.run([sys.executable, "-c", code, *folders], env=environment, check=True)
        assert tree(here / f"a-{number}") == tree(here / "a")


def test_importing_the_room_loads_nothing_heavy():
    code = "import sys, kmeta.project; sys.exit(bool({'sqlalchemy', 'pydantic', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_name_gets_a_safe_file_of_its_own():
    people = [
        "anna",
        "Anna",
        "ANNA",
        "con",
        "a.b",
        "a-b",
        "..",
        "/etc/x",
        "ä",
        "a" * 100,
        "anna-0123456789ab",
        "",
        " ",
    ]
    people.append(names.file_stem("Anna"))
    stems = [names.file_stem(who) for who in people]
    assert len(set(stems)) == len(people)
    for stem in stems:
        assert stem == stem.lower()
        assert disk.checked_name(f"acts/{stem}.jsonl")
