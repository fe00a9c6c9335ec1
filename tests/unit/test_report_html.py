"""The HTML of the report: whole in itself, safe, and readable by everybody."""

import base64
import hashlib
import re
import runpy
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kmeta.core.errors import InputError
from kmeta.report.compose import compose
from kmeta.report.figures import inline_svg
from kmeta.report.html import to_html

EXAMPLE = runpy.run_path(str(Path(__file__).parents[1] / "report_example.py"))
HOSTILE = '<script>alert(1)</script>\x00\x1b‮ =1+1 "><img src=x onerror=alert(1)> שלום ' + "x" * 300


class Page(HTMLParser):
    """Tags with attributes, in order."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def every(self, name):
        return [attrs for tag, attrs in self.tags if tag == name]

    def values(self, attribute):
        return [attrs[attribute] for _, attrs in self.tags if attribute in attrs]


def page(contents=None, figures=None):
    contents = contents or EXAMPLE["contents"]()
    figures = EXAMPLE["figures"]() if figures is None else figures
    document, _ = compose(contents, figures)
    text = to_html(document, figures)
    return text, Page(text)


@pytest.fixture(scope="module")
def example():
    return page()


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs(example):
    text, tags = example
    assert not tags.every("script")
    assert not tags.every("link")
    assert not tags.every("img")
    assert "@import" not in text
    assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", text)
    assert not [name for _, attrs in tags.tags for name in attrs if name.startswith("on")]


def test_the_policy_allows_the_style_sheet_by_its_hash_and_the_page_has_no_style_attribute(example):
    text, tags = example
    policy = next(
        a["content"] for a in tags.every("meta") if a.get("http-equiv") == "Content-Security-Policy"
    )
    sheet = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert tags.values("style") == []
    assert text.count("<style") == 1


def test_ids_are_unique_and_links_inside_the_page_arrive(example):
    _, tags = example
    ids = tags.values("id")
    assert len(ids) == len(set(ids))
    targets = {href[1:] for href in tags.values("href") if href.startswith("#")}
    assert targets <= set(ids)


def test_a_reader_without_eyes_finds_the_way(example):
    text, tags = example
    assert tags.every("html")[0]["lang"] == "en-GB"
    assert len(tags.every("h1")) == 1
    assert tags.every("a")[0] == {"class": "skip", "href": "#text"}
    assert all("scope" in attrs for attrs in tags.every("th"))
    assert len(tags.every("main")) == 1
    for svg in tags.every("svg"):
        assert svg["role"] == "img"
        for key in svg["aria-labelledby"].split():
            assert key in tags.values("id")
    assert "Forest plot of 8 arms in 3 classes." in text


def test_each_figure_links_its_files(example):
    _, tags = example
    hrefs = tags.values("href")
    for name in EXAMPLE["figures"]():
        assert {f"figures/{name}.csv", f"figures/{name}.png", f"figures/{name}.svg"} <= set(hrefs)


def test_numbers_in_sentences_carry_their_ids(example):
    _, tags = example
    named = {key for value in (a["value"] for a in tags.every("data")) for key in value.split()}
    assert {"os_60/resection/effect", "os_60/resection/ci_low", "evidence/studies"} <= named


def test_foreign_words_stay_words():
    contents = EXAMPLE["contents"]()
    evidence = contents.evidence
    study = replace(evidence.studies[0], note=HOSTILE, design=HOSTILE, country=HOSTILE)
    finding = replace(contents.findings[0], message=HOSTILE, where=HOSTILE, hint=HOSTILE)
    contents = replace(
        contents,
        protocol=replace(contents.protocol, title=HOSTILE, question=HOSTILE),
        evidence=replace(evidence, studies=(study, *evidence.studies[1:])),
        findings=(finding, *contents.findings[1:]),
    )
    text, tags = page(contents)
    assert not tags.every("script")
    assert not tags.every("img")
    assert "&lt;script&gt;" in text
    assert "\x00" not in text
    assert "\x1b" not in text
    assert "‮" not in text
    assert "<bdi>" in text


def test_an_address_that_is_no_doi_is_no_link():
    contents = EXAMPLE["contents"]()
    studies = (replace(contents.evidence.studies[0], doi="javascript:alert(1)", pmid="1;alert(1)"),)
    text, tags = page(replace(contents, evidence=replace(contents.evidence, studies=studies, arms=())), {})
    assert not [href for href in tags.values("href") if "javascript" in href.casefold()]
    assert "pubmed" not in text


@pytest.mark.parametrize(
    ("inside", "gone"),
    [
        ("<script>alert(1)</script>", "alert"),
        ("<g onload='alert(1)'/>", "alert"),
        ("<image href='https://example.org/x.png'/>", "example.org"),
        ("<rect style='fill: url(https://example.org/x)'/>", "example.org"),
        ("<foreignObject><p>words</p></foreignObject>", "words"),
        ("<style>@import url(https://example.org/x.css)</style>", "example.org"),
        ("<a href='javascript:alert(1)'><text>x</text></a>", "javascript"),
    ],
)
def test_a_drawing_brings_nothing_that_runs_or_loads(inside, gone):
    svg = f"<svg xmlns='http://www.w3.org/2000/svg' width='10' height='10'>{inside}</svg>"
    assert gone not in inline_svg(svg, key="f", title="t", alt="a")


def test_a_drawing_keeps_its_look_as_attributes():
    drawn = inline_svg(EXAMPLE["StandIn"]().svg(text_as_paths=False), key="f", title="t", alt="a")
    assert 'stroke="#1f4e79"' in drawn
    assert 'clip-path="url(#f-c)"' in drawn
    assert 'id="f-c"' in drawn
    assert 'font-size="7.5px"' in drawn
    assert 'font-weight="bold"' in drawn
    assert 'stroke-linejoin="round"' in drawn


@pytest.mark.parametrize("svg", ["no xml", "<html/>", "<!DOCTYPE s [<!ENTITY a 'b'>]><svg>&a;</svg>"])
def test_what_is_no_drawing_is_refused_in_words(svg):
    with pytest.raises(InputError, match="figure f"):
        inline_svg(svg, key="f", title="t", alt="a")
