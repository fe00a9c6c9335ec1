"""The example that ships: it is what its builder makes of its own files, it says what it is, and it runs."""

import importlib.util
import re
from collections import Counter
from pathlib import Path

import pytest

from kmeta.formats.protocol import read_protocol
from kmeta.methods.flow import prisma_flow
from kmeta.methods.strategy import strategy_table
from kmeta.methods.synthesis import beside_published, synthesise
from kmeta.project import restore

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "src" / "kmeta" / "examples" / "nelm"
PAGE = ROOT / "docs" / "explanation" / "nelm-example.md"


@pytest.fixture(scope="module")
def builder():
    spec = importlib.util.spec_from_file_location("build_nelm", ROOT / "tools" / "build_nelm.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    with restore(EXAMPLE, tmp_path_factory.mktemp("nelm") / "review") as restored:
        yield restored


@pytest.fixture(scope="module")
def review(project):
    return project.evidence(), read_protocol(project.protocol_text)


def _tree(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_it_is_built_from_its_own_files_byte_for_byte(builder, project, tmp_path):
    files = {file.name: project.read_file(file.sha256) for file in project.files()}
    assert set(files) == {*builder.TABLES, "sources.md"}
    builder.build(files, (EXAMPLE / "review.toml").read_bytes().decode(), tmp_path / "again")
    assert _tree(tmp_path / "again") == _tree(EXAMPLE)


def test_no_person_signed_it_and_no_clock_dated_it(builder, project, review):
    acts = project.acts()
    assert {act.who for act in acts} == {builder.WHO}
    assert {act.at for act in acts} == {"2026-11-01T00:00:00.000000Z"}
    assert all(act.why for act in acts if act.kind != "protocol")
    assert {decision.reviewer for decision in review[0].decisions} == {builder.WHO}


def test_every_row_of_its_tables_is_there_and_keeps_its_source(builder, project, review):
    evidence, _ = review
    files = {file.name: project.read_file(file.sha256) for file in project.files()}
    read = builder.example_evidence(files)
    for field in builder.WHY:
        assert Counter(map(repr, getattr(evidence, field))) == Counter(map(repr, getattr(read, field))), field
    values = (*evidence.estimates, *evidence.comparisons)
    assert all(value.source and value.location for value in values)
    assert 0 < sum(value.second_hand for value in values) < len(values)


def test_it_is_small_and_names_no_machine(builder):
    tree = _tree(EXAMPLE)
    assert sum(map(len, tree.values())) < 3_000_000
    for name, data in tree.items():
        assert not re.search(rb"(?<![\w.])/(?:work|home|tmp|root|Users)/", data), name
        assert b"\r" not in data, name


def test_reasons_for_exclusion_are_those_of_the_protocol(review):
    evidence, protocol = review
    given = {decision.reason for decision in evidence.decisions if decision.vote == "exclude"}
    assert given
    assert given <= set(protocol.reasons)


def test_its_treatments_name_arms_and_its_earlier_review_is_there(review):
    from kmeta.methods.selection.treatments import treatment_of

    evidence, protocol = review
    used = {treatment_of(arm, protocol.treatments) for arm in evidence.arms}
    assert [t.name for t in protocol.treatments if t not in used] == []
    asked = {(line.review, line.question) for line in protocol.compare_with}
    assert asked <= {(row.review, row.question) for row in evidence.published}


def test_the_page_about_it_tells_its_numbers(review):
    evidence, _ = review
    flow = prisma_flow(evidence)
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    counts = {
        "records (titles": len(evidence.records),
        "decisions on title": len(evidence.decisions),
        "studies |": flow.n_studies,
        "arms and reported": flow.n_arms,
        "survival values (": flow.n_estimates,
        "comparisons of two": flow.n_comparisons,
        "pairs of studies": len(evidence.overlaps),
        "results of earlier": len(evidence.published),
        "decision criteria": len(evidence.criteria),
    }
    for words, n in counts.items():
        assert re.search(rf"\| {re.escape(words)}[^|]*\|? *{n} \|", page), words
    n = {box.key: box.n for box in flow.boxes}
    reports, nothing = flow.box("sought").parts
    assert (
        f"identified {n['identified']}, removed before screening {n['removed']}, screened {n['screened']}, "
        f"excluded {n['excluded']}" in page
    )
    assert f"{reports.n} of the {n['sought']} records are reports of {flow.n_from_records} studies" in page
    assert f"from {nothing.n} nothing was extracted" in page
    assert f"{n['other_identified']} studies have no report among the records" in page
    second = [sum(value.second_hand for value in rows) for rows in (evidence.estimates, evidence.comparisons)]
    assert f"{second[0]} of the {flow.n_estimates} survival values and {second[1]} of the" in page


def test_its_strategy_table_has_every_option_and_says_what_is_missing(review):
    evidence, protocol = review
    syntheses = synthesise(evidence, protocol)
    table = strategy_table(
        evidence, protocol, syntheses, beside_published(evidence, protocol, syntheses)
    ).table
    states = [(row.patient_state, row.option) for row in table]
    assert states == list(dict.fromkeys((c.patient_state, c.option) for c in _placed(evidence)))
    rows = {(row.patient_state, row.option): row for row in table}
    known = rows["resectable", "resection"]
    assert known.effect.startswith("OS 7")
    assert any("muttillo2022" in note and "67%" in note for note in known.effect_notes)
    assert any("74% v 74% at 5 years" in text for text in known.comparisons)
    midgut = rows["progressive midgut on SSA, SSTR positive", "PRRT"]
    assert midgut.effect == "PFS HR 0.21 (0.14–0.33) v octreotide LAR 60 mg"
    assert any("Singh 2024" in gap for gap in midgut.gaps)
    pancreatic = next(row for row in table if row.patient_state == "progressive pancreatic")
    assert pancreatic.effect == "PFS HR 0.23–0.49 v placebo, range, not pooled"
    assert any(gap.startswith("Not read") for gap in table[-1].gaps)
    assert [row.option for row in table if not row.effect] == [
        "WHO 2010",
        "ENETS 2016, ENETS 2023, NCCN, NANETS",
    ]


def _placed(evidence):
    return sorted(evidence.criteria, key=lambda criterion: criterion.place)
