"""Evidence as CSV: read whole or refused whole, with file, line and column of everything that is wrong."""

import doctest
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmeta.core.errors import FormatError, InputError
from kmeta.formats import cells, evidence, structure
from kmeta.formats.evidence import (
    TABLES,
    read_evidence,
    read_evidence_folder,
    read_records_csv,
    write_evidence_csv,
)
from kmeta.formats.structure import is_second_hand, with_subgroups
from kmeta.review.estimate import Comparison, Criterion, Estimate, PublishedResult
from kmeta.review.evidence import Evidence
from kmeta.review.record import Record
from kmeta.review.study import Arm, Overlap, Study

NELM = Path(__file__).parents[1] / "data" / "nelm"
STUDIES = "study_id,first_author,year,pmid,doi,country,design,period_start,period_end,n_total,source_note"
ARMS = "study_id,arm_id,treatment_class,treatment,n,population,primary_site,residual,source,quote_location"
SURVIVAL = (
    "study_id,arm_id,outcome,kind,time_months,survival,ci_low,ci_high,n_at_risk,median_months,median_ci_low,"
    "median_ci_high,time_origin,derived,flag,source,quote_location"
)
COMPARISONS = (
    "study_id,arm_a,arm_b,outcome,measure,estimate,ci_low,ci_high,p_value,adjustment,derived,flag,"
    "source,quote_location"
)
KNOWN = Evidence(
    studies=(Study(study_id="s1"), Study(study_id="s2")),
    arms=(
        Arm(study_id="s1", arm_id="drug", treatment_class="systemic", treatment="drug"),
        Arm(study_id="s1", arm_id="placebo", treatment_class="systemic", treatment="placebo"),
    ),
)


def csv(header: str, *rows: str) -> bytes:
    return "".join(line + "\n" for line in (header, *rows)).encode()


def faults(data: bytes, known: Evidence = KNOWN) -> str:
    with pytest.raises(FormatError) as caught:
        read_evidence(data, name="file.csv", known=known)
    return "\n".join(str(problem) for problem in caught.value.problems)


def survival(**cells: str) -> bytes:
    """A file with one row, a probability that is right but for `cells`."""
    right = {"study_id": "s1", "arm_id": "drug", "outcome": "OS", "kind": "probability", "time_months": "60"}
    right |= {"survival": "0.74", "time_origin": "treatment", "derived": "0"} | cells
    return csv(SURVIVAL, ",".join(right.get(column, "") for column in SURVIVAL.split(",")))


def comparison(**cells: str) -> bytes:
    right = {
        "study_id": "s1",
        "arm_a": "drug",
        "arm_b": "placebo",
        "outcome": "PFS",
        "measure": "HR",
        "estimate": "0.5",
    }
    right |= cells
    return csv(COMPARISONS, ",".join(right.get(column, "") for column in COMPARISONS.split(",")))


def test_the_nelm_files_are_read_as_one_import_and_written_back_equal():
    files = {path.name: path.read_bytes() for path in NELM.glob("*.csv")}
    made = read_evidence_folder(files, reviewer="nelm example")
    sizes = [len(getattr(made, table.field)) for table in TABLES.values()]
    assert sizes == [115, 218, 367, 76, 37, 48, 23, 190]
    for kind, table in TABLES.items():
        nouns = getattr(made, table.field)
        assert read_evidence(write_evidence_csv(kind, nouns), name="again.csv", known=made) == nouns


def test_a_row_becomes_a_noun_with_its_source():
    (made,) = read_evidence(
        survival(
            ci_low="0.6",
            ci_high="0.8",
            n_at_risk="12",
            derived="1",
            flag="read off",
            source="Paper",
            quote_location="p 3",
        ),
        name="x.csv",
        known=KNOWN,
    )
    assert made == Estimate(
        study_id="s1",
        arm_id="drug",
        outcome="OS",
        kind="probability",
        value=0.74,
        time_months=60.0,
        ci_low=0.6,
        ci_high=0.8,
        n_risk=12,
        time_origin="treatment",
        derived=True,
        flag="read off",
        source="Paper",
        location="p 3",
    )


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"survival": "74"}, "file.csv:2 survival: 74 is outside 0 to 1 (74 % is written 0.74)"),
        ({"survival": "-0.1"}, "-0.1 is outside 0 to 1"),
        ({"survival": '"0,74"'}, "file.csv:2 survival: 0,74: decimal comma (use a point: 0.74)"),
        ({"survival": "74 %"}, "74 %: a percent sign (write the share: 0.74)"),
        ({"survival": ">0.7"}, "is a bound, not a number"),
        ({"survival": "nan"}, "is not a number"),
        ({"survival": "1e999"}, "is beyond what a number can be"),
        ({"survival": "1e99"}, "is outside 0 to 1"),
        ({"survival": "many"}, "words belong in the flag"),
        ({"survival": ""}, "survival: is empty"),
        ({"time_months": ""}, "time_months: is empty"),
        ({"time_months": "-3"}, "-3 months is negative"),
        ({"time_months": "1825"}, "days or weeks?"),
        ({"ci_low": "0.8", "ci_high": "0.6"}, "0.8 is above ci_high, 0.6"),
        ({"ci_low": "0.1", "ci_high": "0.2"}, "0.74 is not inside its interval, 0.1 to 0.2"),
        (
            {"median_months": "50"},
            "is filled in a row of kind probability (a probability stands in survival)",
        ),
        ({"kind": "median"}, "survival: is filled in a row of kind median"),
        ({"kind": "medain"}, 'kind: "medain" is not known (did you mean "median"?)'),
        ({"outcome": "os"}, 'did you mean "OS"?'),
        ({"n_at_risk": "-4"}, "n_at_risk: -4 is negative"),
        ({"n_at_risk": "4.5"}, "4.5 is not a whole number"),
        ({"n_at_risk": '"1,200"'}, "thousands"),
        ({"derived": "yes"}, '"yes" is neither 0 nor 1'),
        ({"study_id": "s3"}, 'no study is named "s3"'),
        ({"arm_id": "drugs"}, 's1 has no arm "drugs" (did you mean "drug"?)'),
        ({"arm_id": " drug"}, "has a space or a line break"),
        ({"study_id": ""}, "study_id: is empty"),
    ],
)
def test_what_is_wrong_with_a_survival_value_is_said(cells, said):
    assert said in faults(survival(**cells))


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"estimate": "-0.7"}, "a ratio is above 0"),
        (
            {"estimate": "0.5", "ci_low": "0.6", "ci_high": "0.8"},
            "0.5 is not inside its interval, 0.6 to 0.8",
        ),
        ({"measure": "Hr"}, 'did you mean "HR"?'),
        ({"arm_b": "drug"}, "the same arm as arm_a"),
        ({"p_value": '"0,04"'}, "decimal comma"),
        ({"p_value": "4"}, "4 is above 1"),
    ],
)
def test_what_is_wrong_with_a_comparison_is_said(cells, said):
    assert said in faults(comparison(**cells))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf\n\n", "the file is empty"),
        (b",,\n,,\n", "the file is empty"),
        (csv(STUDIES), "a header and no rows"),
        (
            csv(STUDIES, "s,Müller,2011,,,,,,,,").decode().encode("latin-1"),
            "file.csv:2: byte 0xFC is not UTF-8",
        ),
        ("\ufeff".encode("utf-16") + STUDIES.encode("utf-16"), "UTF-16, not UTF-8"),
        (b"PK\x03\x04 a workbook", "a spreadsheet or an archive, not CSV"),
        (csv(STUDIES, "s,A\0,2011,,,,,,,,"), "file.csv:2: a NUL byte"),
        (csv(STUDIES.replace(",", ";"), "s;A;2011;;;;;;;;"), "separated by semicolons, not by commas"),
        (csv(STUDIES.replace(",", "\t"), "s\tA\t2011"), "separated by tabs"),
        (csv(STUDIES, 's,"A,2011,,,,,,,,'), "file.csv:2: a quote is opened here and never closed"),
        (csv(STUDIES, 's,"A"B,2011,,,,,,,,'), "text after a closing quote"),
        (
            csv(STUDIES, "s,A,2011,,,,,,,,", "t,B,20")[:-1],
            "file.csv:3: 3 fields where the header has 11 (the file seems",
        ),
        (csv(STUDIES, "s,A,2011", "t,B,2012,,,,,,,,"), "a comma is missing"),
        (
            csv(SURVIVAL, "s1,drug,OS,probability,60,0,74,,,,,,,treatment,0,,,"),
            "a decimal comma splits a number (0,74)",
        ),
        (csv(STUDIES, "s,A, Jr,2011,,,,,,,,"), "text with a comma stands in quotes"),
        (
            csv(STUDIES.replace("design", "desing"), "s,A,2011,,,,,,,,"),
            'column design is missing (did you mean this by "desing"?)',
        ),
        (csv(STUDIES + ",colour", "s,A,2011,,,,,,,,,red"), 'column "colour" is not known in studies'),
        (csv(STUDIES.replace("doi", "pmid"), "s,A,2011,,,,,,,,"), 'column "pmid" stands there twice'),
        (csv("a,b,c", "1,2,3"), "no table of evidence has these columns"),
        (
            csv(STUDIES, "s,A,2011,,,,,,,,", "s,B,2012,,,,,,,,"),
            'file.csv:3 study_id: the same study_id "s" as in file.csv:2',
        ),
        (csv(STUDIES, "s,A,11,,,,,,,,"), "year: 11 is not between 1800 and 2,200"),
        (csv(STUDIES, "s,A,2011,,,,,2001-13,,,"), '"2001-13" is not a date'),
        (csv(STUDIES, "s,A,2011,,,,,2005,2001-02,,"), "2001-02 is before period_start, 2005"),
        (csv(STUDIES, "s,A,2011,,,,,,,-3,"), "n_total: -3 is negative"),
        (csv(STUDIES, "s,A,2011,,,,,,,," + "x" * 20_001), "20,001 characters; a field has at most 20,000"),
        (csv(ARMS, "s1,a,surgery,cut,3,,,,,"), 'treatment_class: "surgery" is not known (one of resection'),
        (csv(ARMS, "s1,a,resections,cut,3,,,,,"), 'did you mean "resection"?'),
        (
            csv(ARMS, "s1,a,resection,cut,3,,,,,", "s1,a,resection,cut,4,,,,,"),
            'the same arm "s1/a" as in file.csv:2',
        ),
        (csv("study_a,study_b,strength,reason", "s1,s2,sure,"), "one of certain, likely, possible"),
        (
            csv("study_a,study_b,strength,reason", "s1,s2,likely,", "s2,s1,certain,"),
            "the same pair of studies",
        ),
        (csv("study_a,study_b,strength,reason", "s1,s1,likely,"), "cannot overlap with itself"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(data, said):
    assert said in faults(data)


def test_every_problem_of_every_file_is_told_at_once_and_nothing_is_read():
    files = {
        "b.csv": csv(ARMS, "s,a,systemic,drug,x,,,,,", "t,a,systemic,drug,3,,,,,"),
        "a.csv": csv(STUDIES, "s,A,201,,,,,,,-1,"),
    }
    with pytest.raises(FormatError) as caught:
        read_evidence_folder(files)
    assert [problem.where for problem in caught.value.problems] == [
        "a.csv:2 year",
        "a.csv:2 n_total",
        "b.csv:2 n",
        "b.csv:3 study_id",
    ]
    assert "4 problems found" in str(caught.value)
    assert caught.value.exit_code == 2


def test_keys_are_resolved_across_the_files_of_an_import_whatever_their_names():
    files = {
        "3": csv(STUDIES, "s,A,2011,,,,,,,,"),
        "2": csv(ARMS, "s,a,systemic,drug,9,,,,,"),
        "1": survival(study_id="s", arm_id="a"),
    }
    made = read_evidence_folder(files)
    assert (len(made.studies), len(made.arms), len(made.estimates)) == (1, 1, 1)
    assert made == read_evidence_folder(dict(reversed(files.items())))


def test_a_file_that_cannot_be_read_does_not_make_keys_of_others_seem_lost():
    files = {
        "studies.csv": b"study_id;first_author\ns;A\n",
        "arms.csv": csv(ARMS, "s,a,systemic,drug,9,,,,,"),
    }
    with pytest.raises(FormatError) as caught:
        read_evidence_folder(files)
    assert [problem.where for problem in caught.value.problems] == ["studies.csv:1"]


def test_a_byte_order_mark_windows_lines_and_a_missing_last_newline_are_read():
    data = b"\xef\xbb\xbf" + csv(STUDIES, 's,"A\nB",2011,,,,,,,,').replace(b"\n", b"\r\n").rstrip()
    (made,) = read_evidence(data, name="x.csv")
    assert made == Study(study_id="s", first_author="A\r\nB", year=2011)


def test_lines_are_counted_through_cells_of_several_lines():
    assert "file.csv:4 year" in faults(csv(STUDIES, 's,"A\nB",2011,,,,,,,,', "t,C,11,,,,,,,,"))


def test_line_separators_inside_a_title_do_not_end_a_row():
    title = "one\u2028two\u0085three"
    record = Record(record_id="R1", title=title)
    assert read_evidence(write_evidence_csv("records", [record]), name="x.csv") == (record,)


@pytest.mark.parametrize(
    "cell", ["=1+1", "+x", "-x", "@SUM(A1)", "\tx", "\rx", "'=1", "''x", "'", "-1.9", "'x"]
)
def test_cells_that_would_run_as_formulas_are_guarded_and_read_back(cell):
    data = write_evidence_csv("studies", [Study(study_id="s", note=cell)])
    written = data.decode().split("\n", 1)[1].rstrip("\n").split(",", 10)[10].strip('"')
    assert not written.startswith(("=", "+", "@", "\t", "\r"))
    assert not written.startswith("-") or cell == "-1.9"
    assert read_evidence(data, name="x.csv") == (Study(study_id="s", note=cell),)


def test_text_that_no_file_can_hold_is_refused_in_words():
    for note in ("\0", "\ud800"):
        with pytest.raises(InputError, match=r"NUL|half a character"):
            write_evidence_csv("studies", [Study(study_id="s", note=note)])
    with pytest.raises(InputError, match="did you mean"):
        write_evidence_csv("study", [])


RECORDS = "record_id,title,authors,journal,year,volume,issue,pages,doi,pmid,pmcid,record_type,label,seen_at"


def test_labels_become_decisions_under_the_name_the_caller_gives():
    data = csv(
        RECORDS,
        "R1,One,A B; C D,J,2011,,,,,,,primary,candidate,pubmed",
        "R2,Two,,,,,,,,,,primary,exclude: other disease,",
        "R3,Three,,,,,,,,,,primary,duplicate report of TRIAL-1,",
        "R4,Four,,,,,,,,,,primary,,",
    )
    records, decisions = read_records_csv(data, name="r.csv", reviewer="an example")
    assert records[0].authors == ("A B", "C D")
    assert records[0].source == "pubmed"
    assert [(d.record_id, d.vote, d.reason, d.note) for d in decisions] == [
        ("R1", "include", "", ""),
        ("R2", "exclude", "other disease", ""),
        ("R3", "include", "", "duplicate report of TRIAL-1"),
    ]
    assert {d.reviewer for d in decisions} == {"an example"}
    with pytest.raises(InputError, match="reviewer is empty"):
        read_records_csv(data, name="r.csv", reviewer=" ")
    with pytest.raises(FormatError, match="holds studies, not records"):
        read_records_csv(csv(STUDIES, "s,A,2011,,,,,,,,"), name="r.csv", reviewer="x")
    with pytest.raises(FormatError, match="label"):
        read_records_csv(
            data.replace(b"exclude: other", b"excluded, other".replace(b",", b"")), name="r", reviewer="x"
        )


def arm(arm_id: str, treatment: str = "embolisation", **more: object) -> Arm:
    return Arm(
        **{"study_id": "s", "arm_id": arm_id, "treatment_class": "locoregional", "treatment": treatment}
        | more
    )


@pytest.mark.parametrize(
    ("arms", "parents"),
    [
        ([arm("all1"), arm("g1", population="subgroup of all1: grade 1")], ["", "all1"]),
        ([arm("a"), arm("g1", population="subgroup of the arm 'nobody'")], ["", "*"]),
        ([arm("a"), arm("b", "other"), arm("g", population="grade 1 (subgroup across arms)")], ["", "", "*"]),
        ([arm("a"), arm("g", population="grade 1 (subgroup)")], ["", "a"]),
        ([arm("a"), arm("b", "other"), arm("g", "third", population="a subgroup")], ["", "", "*"]),
        (
            [arm("a"), arm("r", population="responders"), arm("n", population="non-responders")],
            ["", "a", "a"],
        ),
        ([arm("a", n=106), arm("b", n=61), arm("c", n=45)], ["", "a", "a"]),
        ([arm("a", n=106), arm("b", n=61), arm("c", n=44)], ["", "", ""]),
        ([arm("a", n=106), arm("b", n=61), arm("c")], ["", "", ""]),
        ([arm("a", n=106), arm("b", "other", n=61), arm("c", "other", n=45)], ["", "", ""]),
        ([arm("all", "any", n=36), arm("b", "x", n=16), arm("c", "y", n=12)], ["*", "", ""]),
        ([arm("all", "any", n=26), arm("b", "x", n=16), arm("c", "y", n=12)], ["", "", ""]),
        ([arm("a", "x", n=60), arm("b", "y", n=40), arm("c", "z")], ["", "", "*"]),
        ([arm("a", "x", n=60), arm("b", "y", n=39), arm("c", "z")], ["", "", ""]),
    ],
)
def test_subgroups_are_told_by_words_or_by_sizes_that_add_up(arms, parents):
    made = with_subgroups(arms, totals={"s": 100})
    assert [each.subgroup_of for each in made] == parents
    backwards = with_subgroups(arms[::-1], totals={"s": 100})
    assert [each.subgroup_of for each in backwards] == parents[::-1]


def test_a_column_of_its_own_decides_over_the_words():
    data = csv(ARMS + ",subgroup_of", "s1,a,resection,cut,3,,,,,,", "s1,b,resection,cut,2,subgroup of a,,,,,")
    assert [each.subgroup_of for each in read_evidence(data, name="x", known=KNOWN)] == ["", ""]
    assert 's1 has no arm "z"' in faults(data.replace(b"subgroup of a,,,,,", b"subgroup of a,,,,,z"))


@pytest.mark.parametrize(
    ("source", "location", "note", "second"),
    [
        ("Review 2012", "Table 1", "", True),
        ("Review 2012", "abstract", "", False),
        ("Own paper", "Table 2", "", False),
        ("Own paper", "Table 2", "review table; median follow-up 26 months", True),
        ("Own paper", "results table in the abstract", "review table", False),
        ("Own paper", "Table 2", "review table (arm A) and abstract read", False),
        ("Own paper, as reported in a later abstract", "abstract", "", False),
        ("Own paper", "news", "", True),
        ("Own paper", "abstract", "review table", False),
    ],
)
def test_second_hand_is_told_by_source_and_place(source, location, note, second):
    assert is_second_hand(source, location, note, {"Review 2012": 7, "Own paper": 1}) is second


def test_the_examples_hold():
    for module in (evidence, cells, structure):
        assert doctest.testmod(module).failed == 0


text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
probability = st.floats(0, 1)
NOUNS = {
    "studies": st.builds(
        Study, study_id=st.just("s9"), first_author=text, note=text, n_total=st.none() | st.integers(0, 999)
    ),
    "survival": st.builds(
        Estimate,
        study_id=st.just("s1"),
        arm_id=st.just("drug"),
        outcome=st.just("PFS"),
        kind=st.sampled_from(["median", "mean"]),
        value=st.floats(10, 20),
        ci_low=st.none() | st.floats(0, 10),
        ci_high=st.none() | st.floats(20, 900),
        flag=text,
        source=text,
        derived=st.booleans(),
        second_hand=st.booleans(),
        time_origin=st.sampled_from(["treatment", "not stated"]),
    ),
    "comparisons": st.builds(
        Comparison,
        study_id=st.just("s1"),
        arm_a=st.just("drug"),
        arm_b=st.just("placebo"),
        outcome=st.just("OS"),
        measure=st.just("HR"),
        estimate=st.none() | st.floats(0.001, 50),
        p_value=st.sampled_from(["", "<0.001", "0.04"]),
        level=st.sampled_from([0.9, 0.95]),
        flag=text,
        location=text,
    ),
    "overlaps": st.builds(
        Overlap, study_a=st.just("s1"), study_b=st.just("s2"), strength=st.just("likely"), reason=text
    ),
    "published": st.builds(
        PublishedResult, review=st.just("r"), question=text, measure=text, estimate=text, note=text
    ),
    "criteria": st.builds(
        Criterion, patient_state=st.just("a"), option=st.just("b"), criterion=st.just("c"), value=text
    ),
    "records": st.builds(
        Record, record_id=st.just("R1"), title=text, abstract=text, year=st.none() | st.integers(1900, 2100)
    ),
}


@given(st.data())
def test_what_is_written_is_read_back(data):
    kind = data.draw(st.sampled_from(sorted(NOUNS)))
    noun = data.draw(NOUNS[kind])
    assert read_evidence(write_evidence_csv(kind, [noun]), name="x.csv", known=KNOWN) == (noun,)


@given(
    st.binary(max_size=80) | st.builds(lambda rows: csv(STUDIES, *rows), st.lists(text, max_size=3)),
    st.integers(0, 300),
)
def test_any_bytes_are_read_or_refused(data, cut):
    for part in (data, data[:cut], survival()[:cut]):
        with suppress(FormatError):
            assert read_evidence(part, name="x.csv", known=KNOWN)


def test_a_known_arm_may_be_the_parent_of_a_new_one():
    known = replace(KNOWN, arms=(*KNOWN.arms, arm("tae")), studies=(*KNOWN.studies, Study(study_id="s")))
    data = csv(ARMS, "s,g1,locoregional,embolisation,3,grade 1 (subgroup),,,,")
    assert read_evidence(data, name="x", known=known)[0].subgroup_of == "tae"
