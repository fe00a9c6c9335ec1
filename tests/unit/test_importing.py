"""From files to rows of the project: all of them or none, in the order their author gave them."""

import pytest

from kmeta.core.errors import FormatError
from kmeta.project import Project
from kmeta.steps.importing import import_files

CRITERIA = (
    b"patient_state,option,criterion,value,source,status\n"
    b"unresectable,transplantation,age,<=60,S,read\n"
    b"resectable,resection,intent,clear all disease,S,read\n"
    b"any,observation,grade,G1,S,read\n"
)


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "review", 'title = "A review"\n', who="tester") as made:
        yield made


def test_criteria_keep_the_order_of_their_file(project):
    import_files(project, {"criteria.csv": CRITERIA}, who="tester")
    placed = sorted(project.evidence().criteria, key=lambda each: each.place)
    assert [each.patient_state for each in placed] == ["unresectable", "resectable", "any"]


def test_the_raw_file_is_kept_byte_for_byte(project):
    import_files(project, {"criteria.csv": CRITERIA}, who="tester")
    (kept,) = project.files()
    assert project.read_file(kept.sha256) == CRITERIA


def test_a_fault_in_one_file_keeps_all_of_them_out(project):
    before = project.state()
    with pytest.raises(FormatError):
        import_files(project, {"criteria.csv": CRITERIA, "other.csv": b"a,b\n1,2\n"}, who="tester")
    assert project.state() == before
    assert not project.files()
