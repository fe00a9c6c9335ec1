"""What lies beside the pages: tables, results.json, the R script, figures; and the model they come from."""

import csv
import doctest
import importlib
import io
import json
import pkgutil
import re
import runpy
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

import kmeta.report
from kmeta.core.errors import InputError
from kmeta.report import render
from kmeta.report.document import Column, Document, Heading, Paragraph, Row, Run, Table, clean, runs, say
from kmeta.report.tables import TABLES

ROOT = Path(__file__).parents[2]
EXAMPLE = runpy.run_path(str(ROOT / "tests" / "report_example.py"))


@pytest.fixture(scope="module")
def files():
    return render(EXAMPLE["contents"](), EXAMPLE["figures"]())


def rows(data):
    return list(csv.DictReader(io.StringIO(data.decode())))


def test_the_examples_in_the_docstrings_hold():
    for found in pkgutil.walk_packages(kmeta.report.__path__, "kmeta.report."):
        assert doctest.testmod(importlib.import_module(found.name)).failed == 0, found.name


def test_the_same_contents_give_the_same_bytes(files):
    assert render(EXAMPLE["contents"](), EXAMPLE["figures"]()) == files


def test_everything_promised_is_there(files):
    assert {"report.html", "report.docx", "results.json", "analysis.R"} <= set(files)
    for name in EXAMPLE["figures"]():
        assert {f"figures/{name}.svg", f"figures/{name}.png", f"figures/{name}.csv"} <= set(files)
    assert {name for name in files if name.startswith("tables/")} == {f"tables/{name}" for name in TABLES}


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_has_its_columns_and_lines_end_as_they_should(files, name):
    data = files[f"tables/{name}"]
    assert b"\r" not in data
    assert data.endswith(b"\n")
    listed = list(csv.reader(io.StringIO(data.decode())))
    assert tuple(listed[0]) == TABLES[name][0]
    assert len(listed) > 1
    assert {len(row) for row in listed} == {len(listed[0])}


def test_tables_hold_the_numbers_of_the_results(files):
    pooled = {row["pool"]: row for row in rows(files["tables/pooled.csv"]) if row["analysis"] == "os_60"}
    contents = EXAMPLE["contents"]()
    fit = contents.syntheses[0].pools[0].fit
    assert float(pooled["resection"]["effect"]) == fit.effect
    assert pooled["transplantation"]["effect"] == ""
    used = rows(files["tables/values.csv"])
    assert [row["second_hand"] for row in used if row["study_id"] == "mayo2011"] == ["true"]
    assert {row["rule"] for row in rows(files["tables/excluded.csv"])} == {"overlap", "completers"}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r="])
def test_no_spreadsheet_runs_a_cell(start):
    contents = EXAMPLE["contents"]()
    bad = start + 'HYPERLINK("https://example.org")'
    contents = replace(contents, findings=(replace(contents.findings[0], message=bad),))
    cell = rows(render(contents, {})["tables/findings.csv"])[0]["message"]
    assert not cell.strip().startswith(("=", "+", "-", "@"))


def test_results_json_has_the_documented_shape(files):
    results = json.loads(files["results.json"])
    documented = (ROOT / "docs" / "reference" / "results-json.md").read_text(encoding="utf-8")
    assert [key for key in results if f"`{key}`" not in documented] == []
    analysis = results["analyses"][0]
    nested = [*analysis, *analysis["pools"][0], *analysis["pools"][0]["fit"], *results["sentences"][0]]
    assert [key for key in nested if f"`{key}`" not in documented] == []


def test_sentences_name_the_values_they_print(files):
    results = json.loads(files["results.json"])
    named = {key for sentence in results["sentences"] for key in sentence["results"]}
    assert named
    assert named <= set(results["values"])
    first = next(s for s in results["sentences"] if "os_60/resection/effect" in s["results"])
    printed = f"{100 * results['values']['os_60/resection/effect']:.1f}%"
    assert printed in first["text"]
    ids = [sentence["id"] for sentence in results["sentences"]]
    assert len(ids) == len(set(ids))


def test_two_analyses_of_one_name_are_refused():
    contents = EXAMPLE["contents"]()
    one, two = contents.syntheses[:2]
    twin = replace(two, plan=replace(two.plan, name=one.name))
    with pytest.raises(InputError, match="two values are called"):
        render(replace(contents, syntheses=(one, twin)), {})


@pytest.mark.parametrize("name", ["../x", "a/b", "", "Upper", "x" * 200, ".hidden"])
def test_a_figure_whose_name_is_no_file_name_is_refused(name):
    with pytest.raises(InputError, match="a figure is called"):
        render(EXAMPLE["contents"](), {name: EXAMPLE["StandIn"]()})


def test_the_r_script_is_ascii_and_holds_every_model(files):
    script = files["analysis.R"].decode("ascii")
    models = [pool.fit for s in EXAMPLE["contents"]().syntheses for pool in s.pools if pool.fit]
    assert script.count("compare(") >= len(models) + 1


@pytest.mark.skipif(not shutil.which("Rscript"), reason="R is not on this machine")
def test_r_finds_the_same_numbers(files, tmp_path):
    has = subprocess.run(["Rscript", "-e", "library(metafor)"], capture_output=True, check=False)
    if has.returncode:
        pytest.skip("R has no package metafor on this machine")
    (tmp_path / "analysis.R").write_bytes(files["analysis.R"])
    done = subprocess.run(
        ["Rscript", "analysis.R"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "All pooled numbers agree." in done.stdout
    assert int(re.search(r"Models: (\d+)", done.stdout)[1]) >= 3


def test_a_text_is_one_line_without_what_xml_cannot_hold():
    assert clean("a\x00b\nc\u2028d\u202ee\ud800") == "a\ufffdb c de\ufffd"
    assert len(clean("x" * 10**6)) < 21_000


def test_a_template_without_its_part_fails_at_once():
    with pytest.raises(KeyError):
        say("It was {x}.")


def test_a_row_that_does_not_fit_its_table_is_refused():
    columns = (Column("a", 1), Column("b", 1))
    with pytest.raises(InputError, match="expected 2"):
        Table("t", runs("t"), columns, (Row((runs("x"),)),))


def test_a_wide_table_takes_its_heading_and_paragraph_along():
    wide = Table("t", runs("t"), (Column("a", 1),), (), wide=True)
    blocks = (Heading("A", 1, "a"), Paragraph(runs("x")), Heading("B", 1, "b"), Paragraph(runs("y")), wide)
    document = Document(title="t", kicker="k", blocks=blocks)
    assert document.landscape() == [False, False, True, True, True]


def test_two_tables_of_one_key_are_refused():
    table = Table("t", runs("t"), (Column("a", 1),), ())
    with pytest.raises(InputError, match="two parts"):
        Document(title="t", kicker="k", blocks=(table, table)).numbers()


def test_a_link_goes_to_the_web_or_nowhere():
    assert Run("x", href="javascript:alert(1)").href == ""
    assert Run("x", href="https://doi.org/10.1").href
