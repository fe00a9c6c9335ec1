"""The same questions to every section of the report; a new section is asked them by itself."""

import re
import runpy
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmeta.methods.strategy.table import StrategyTable
from kmeta.report.compose import compose, sections
from kmeta.report.contents import Contents
from kmeta.report.document import Block, Bullets, Heading, Paragraph, Picture, Run, Table, plain_text
from kmeta.report.draft import Draft
from kmeta.report.values import Values
from kmeta.review.evidence import Evidence
from kmeta.review.flow import Flow
from kmeta.review.protocol import Protocol

EXAMPLE = runpy.run_path(str(Path(__file__).parents[1] / "report_example.py"))
CONTENTS = EXAMPLE["contents"]()
FIGURES = tuple(EXAMPLE["figures"]())
EMPTY = Contents(
    protocol=Protocol(title="Nothing yet"),
    evidence=Evidence(),
    flow=Flow(boxes=(), n_studies=0, n_reports=0, n_arms=0),
    findings=(),
    syntheses=(),
    beside=(),
    strategy=StrategyTable(table=()),
    not_built=(),
    state="",
    version="0.1.0",
)
EVERY = pytest.mark.parametrize("section", sections(), ids=lambda section: section.key)


def written(section, contents=CONTENTS, figures=FIGURES) -> list[Block]:
    return list(section.write(Draft(contents, Values(contents), figures)))


def sentences(blocks) -> list[tuple[Run, ...]]:
    told = []
    for block in blocks:
        if isinstance(block, Paragraph):
            told.append(block.runs)
        elif isinstance(block, Bullets):
            told += block.items
        elif isinstance(block, Table):
            told += [block.caption, *block.notes]
        elif isinstance(block, Picture):
            told += [block.what, block.result, *block.notes]
    return told


def test_there_is_one_section_a_file_and_each_has_its_own_place():
    files = {
        path.stem
        for path in Path(__import__("kmeta.report.sections").__path__[0]).glob("report/sections/*.py")
    }
    assert len(sections()) == len(files - {"__init__"})
    assert len({section.order for section in sections()}) == len(sections())


@EVERY
def test_writes_the_example_and_says_something(section):
    assert sentences(written(section))


@EVERY
def test_writes_a_review_in_which_nothing_is_known_yet(section):
    written(section, EMPTY, ())


@EVERY
def test_every_digit_of_a_sentence_comes_from_a_result_or_from_somebody_elses_words(section):
    typed = [
        run.text
        for told in sentences(written(section))
        for run in told
        if re.search("[0-9]", run.text) and not (run.results or run.quoted)
    ]
    assert typed == []


@EVERY
def test_every_result_named_in_a_run_is_among_the_values(section):
    values = Values(CONTENTS)
    blocks = list(section.write(Draft(CONTENTS, values, FIGURES)))
    cells = [cell for b in blocks if isinstance(b, Table) for row in b.rows for cell in row.cells]
    named = {result for told in (*sentences(blocks), *cells) for run in told for result in run.results}
    assert named <= set(values.known)


@EVERY
def test_shows_only_figures_that_were_given(section):
    shown = {block.name for block in written(section) if isinstance(block, Picture)}
    assert shown <= set(FIGURES)
    assert not [block for block in written(section, figures=()) if isinstance(block, Picture)]


@EVERY
def test_calls_no_difference_between_classes_an_effect(section):
    for told in sentences(written(section)):
        own = "".join(run.text for run in told if not run.quoted).casefold()
        for word in ("effective treatment", "more effective", "efficacy", "caused", "leads to", "prolongs"):
            assert word not in own
        assert "effects of treatment" not in own.replace("not effects of treatment", "")


def test_references_point_to_what_is_there():
    document, _ = compose(CONTENTS, EXAMPLE["figures"]())
    numbers = document.numbers()
    referred = {run.ref for _, told in document.sentences() for run in told if run.ref}
    assert referred <= set(numbers)
    assert {"section-not-known", "results-os_60", "figure-forest-os_60"} <= referred


def test_every_figure_stands_once_and_the_unknown_ones_come_last():
    document, _ = compose(CONTENTS, EXAMPLE["figures"]())
    shown = [block.name for block in document.blocks if isinstance(block, Picture)]
    assert sorted(shown) == sorted(FIGURES)
    assert shown[-1] == "funnel"


def test_an_analysis_more_changes_only_the_sentences_about_it():
    """What a living review needs: the ids of sentences elsewhere, and their words, stay."""
    before, _ = compose(replace(CONTENTS, syntheses=CONTENTS.syntheses[:2]), {})
    after, _ = compose(CONTENTS, {})
    texts = {key: plain_text(told) for key, told in after.sentences()}
    kept = [
        (key, plain_text(told))
        for key, told in before.sentences()
        if key.startswith(("section-beside", "section-survival"))
    ]
    assert kept
    assert all(texts[key] == text for key, text in kept)


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=60))
def test_a_title_may_be_any_text(title):
    contents = replace(CONTENTS, protocol=replace(CONTENTS.protocol, title=title, question=title))
    document, _ = compose(contents, {})
    headings = [block for block in document.blocks if isinstance(block, Heading)]
    assert headings
