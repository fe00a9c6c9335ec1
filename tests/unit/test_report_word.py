"""The Word file: real styles, tables and captions, figures at their size, the same bytes twice."""

import io
import runpy
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from kmeta.report import render
from kmeta.report.ooxml import EMU_PER_MM, twips

EXAMPLE = runpy.run_path(str(Path(__file__).parents[1] / "report_example.py"))
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
WP = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"


def word(contents=None):
    return render(contents or EXAMPLE["contents"](), EXAMPLE["figures"]())["report.docx"]


@pytest.fixture(scope="module")
def packed():
    return word()


@pytest.fixture(scope="module")
def body(packed):
    return etree.fromstring(zipfile.ZipFile(io.BytesIO(packed)).read("word/document.xml"))


def style_of(paragraph):
    return paragraph.find(f"{W}pPr/{W}pStyle").get(f"{W}val")


def text_of(element):
    return "".join(element.itertext(f"{W}t"))


def test_the_same_review_gives_the_same_bytes(packed):
    assert word() == packed
    entries = zipfile.ZipFile(io.BytesIO(packed)).infolist()
    assert entries[0].filename == "[Content_Types].xml"
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}


def test_no_clock_and_the_right_language(packed):
    files = zipfile.ZipFile(io.BytesIO(packed))
    core = files.read("docProps/core.xml").decode()
    assert "created" not in core
    assert "modified>" not in core
    assert "en-GB" in core
    assert 'w:lang w:val="en-GB"' in files.read("word/styles.xml").decode()


def test_every_style_in_use_is_defined(packed, body):
    styles = etree.fromstring(zipfile.ZipFile(io.BytesIO(packed)).read("word/styles.xml"))
    known = {style.get(f"{W}styleId") for style in styles.iter(f"{W}style")}
    used = {e.get(f"{W}val") for name in ("pStyle", "rStyle", "tblStyle") for e in body.iter(f"{W}{name}")}
    assert used <= known
    assert {"Heading1", "TableText", "TableHead", "TableNote", "Caption", "Figure"} <= used


def test_tables_repeat_their_head_and_split_no_row(body):
    tables = list(body.iter(f"{W}tbl"))
    assert len(tables) > 8
    for table in tables:
        rows = table.findall(f"{W}tr")
        assert rows[0].find(f"{W}trPr/{W}tblHeader") is not None
        assert all(row.find(f"{W}trPr/{W}cantSplit") is not None for row in rows)
        assert not list(table.iter(f"{W}insideV"))
        columns = len(table.findall(f"{W}tblGrid/{W}gridCol"))
        for row in rows:
            spans = [cell.find(f"{W}tcPr/{W}gridSpan") for cell in row.findall(f"{W}tc")]
            assert sum(1 if span is None else int(span.get(f"{W}val")) for span in spans) == columns


def test_captions_count_by_fields_and_references_find_them(body):
    codes = [text.text.strip() for text in body.iter(f"{W}instrText")]
    figures = EXAMPLE["figures"]()
    assert codes.count("SEQ Figure \\* ARABIC") == len(figures)
    assert codes.count("SEQ Table \\* ARABIC") == len(list(body.iter(f"{W}tbl")))
    marks = {mark.get(f"{W}name") for mark in body.iter(f"{W}bookmarkStart")}
    referred = {code.split()[1] for code in codes if code.startswith("REF ")}
    assert referred
    assert referred <= marks
    ids = [mark.get(f"{W}id") for mark in body.iter(f"{W}bookmarkStart")]
    assert len(ids) == len(set(ids))
    begun = [mark.get(f"{W}fldCharType") for mark in body.iter(f"{W}fldChar")]
    assert begun.count("begin") == begun.count("separate") == begun.count("end")


def test_a_caption_reads_as_a_sentence_with_its_number(body):
    captions = [text_of(p) for p in body.iter(f"{W}p") if style_of(p) == "TableCaption"]
    assert captions[0].startswith("Table 1. ")
    assert any("Overall survival at 5 years; pooled estimates." in caption for caption in captions)


def test_figures_have_their_exact_size_their_words_and_both_pictures(packed, body):
    files = zipfile.ZipFile(io.BytesIO(packed))
    links = etree.fromstring(files.read("word/_rels/document.xml.rels"))
    target = {link.get("Id"): link.get("Target") for link in links}
    given = {f.alt: f for f in EXAMPLE["figures"]().values()}
    drawn = list(body.iter(f"{WP}inline"))
    assert len(drawn) == len(given)
    for inline in drawn:
        told = inline.find(f"{WP}docPr")
        figure = given[told.get("descr")]
        size = inline.find(f"{WP}extent")
        assert int(size.get("cx")) == round(figure.width_mm * EMU_PER_MM)
        assert int(size.get("cy")) == round(figure.height_mm * EMU_PER_MM)
        blip = next(inline.iter(f"{A}blip"))
        vector = next(e for e in blip.iter() if e.tag.endswith("}svgBlip"))
        assert files.read("word/" + target[blip.get(f"{R}embed")]).startswith(b"\x89PNG")
        assert b"<svg" in files.read("word/" + target[vector.get(f"{R}embed")])
    assert 'ContentType="image/svg+xml"' in files.read("[Content_Types].xml").decode()


def test_pages_are_a4_and_wide_tables_turn_them(body):
    sizes = [
        (s.find(f"{W}pgSz").get(f"{W}w"), s.find(f"{W}pgSz").get(f"{W}h")) for s in body.iter(f"{W}sectPr")
    ]
    a4 = (str(twips(210)), str(twips(297)))
    assert set(sizes) == {a4, a4[::-1]}
    margins = body.findall(f".//{W}sectPr/{W}pgMar")[0]
    assert (margins.get(f"{W}top"), margins.get(f"{W}left")) == (str(twips(25)), str(twips(20)))


def test_no_table_is_wider_than_its_page(body):
    for table in body.iter(f"{W}tbl"):
        assert int(table.find(f"{W}tblPr/{W}tblW").get(f"{W}w")) <= twips(261) + 8


def test_hostile_text_breaks_nothing():
    hostile = "a\x00\x0b\x1f\ufffe\ud800 <w:p> ]]> & \u202e שלום " + "y" * 2000
    contents = EXAMPLE["contents"]()
    finding = replace(contents.findings[0], message=hostile, where=hostile)
    contents = replace(
        contents,
        protocol=replace(contents.protocol, title=hostile),
        findings=(finding,),
        not_built=(hostile,),
    )
    whole = etree.fromstring(zipfile.ZipFile(io.BytesIO(word(contents))).read("word/document.xml"))
    assert "<w:p> ]]> &" in text_of(whole)
    assert "\u202e" not in text_of(whole)


def test_python_docx_opens_it(packed):
    import docx

    document = docx.Document(io.BytesIO(packed))
    assert document.core_properties.author == "kmeta"
    assert [s.name for s in document.styles if s.name in ("Table text", "Table head", "Table note")]


def test_a_figure_with_hostile_words_breaks_neither_word_nor_html():
    figure = EXAMPLE["StandIn"](title="a\x00<b>", alt='"\x0b\ufffe & <script>')
    files = render(EXAMPLE["contents"](), {"odd": figure})
    whole = etree.fromstring(zipfile.ZipFile(io.BytesIO(files["report.docx"])).read("word/document.xml"))
    assert next(whole.iter(f"{WP}docPr")).get("descr") == '"\ufffd\ufffd & <script>'
    assert b"\x0b" not in files["report.html"]
    assert b"<script" not in files["report.html"]


def test_a_figure_higher_than_a_page_comes_in_its_parts_or_is_made_to_fit():
    tall = EXAMPLE["StandIn"](height_mm=400.0, alt="whole")

    class InParts(EXAMPLE["StandIn"]):
        pages = (EXAMPLE["StandIn"](alt="one"), EXAMPLE["StandIn"](alt="two"))

    files = render(EXAMPLE["contents"](), {"tall": tall, "cut": InParts(height_mm=400.0)})
    whole = etree.fromstring(zipfile.ZipFile(io.BytesIO(files["report.docx"])).read("word/document.xml"))
    sizes = {i.find(f"{WP}docPr").get("descr"): i.find(f"{WP}extent") for i in whole.iter(f"{WP}inline")}
    assert set(sizes) == {"whole", "one", "two"}
    assert int(sizes["whole"].get("cy")) <= 234 * EMU_PER_MM
    assert int(sizes["one"].get("cx")) == 174 * EMU_PER_MM
    assert files["report.html"].count(b"<svg") == 3
