"""The contents -> the document: every section in its order, and every figure once."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from kmeta.core.progress import Progress, silent
from kmeta.report.contents import Contents
from kmeta.report.document import Block, Document, Heading, Picture, quote, runs, section_key
from kmeta.report.draft import SECTIONS, Draft, Section
from kmeta.report.figures import FigureLike
from kmeta.report.values import Values


def sections() -> list[Section]:
    """Every section there is, in the order of the report."""
    import_module("kmeta.report.sections")
    return sorted(SECTIONS.values(), key=lambda section: (section.order, section.key))


def compose(
    contents: Contents, figures: Mapping[str, FigureLike], progress: Progress = silent
) -> tuple[Document, Values]:
    """The document and the numbers it prints; figures no section asked for come at the end."""
    values = Values(contents)
    draft = Draft(contents, values, tuple(figures))
    blocks: list[Block] = []
    listed = sections()
    with progress("Writing the report", len(listed)) as tick:
        for section in listed:
            written = list(section.write(draft))
            if written:
                blocks += [Heading(section.title, 1, section_key(section.key)), *written]
            tick()
    shown = {block.name for block in blocks if isinstance(block, Picture)}
    rest = [name for name in figures if name not in shown]
    if rest:
        blocks.append(Heading("Further figures", 1, section_key("further-figures")))
        blocks += [Picture(name, runs(quote(figures[name].title.rstrip(".")), ".")) for name in rest]
    document = Document(
        title=contents.protocol.title,
        kicker="Systematic review of survival outcomes: report",
        lines=(
            runs(
                "kmeta ", quote(contents.version), ", state of the review ", quote(contents.state[:12] or "–")
            ),
        ),
        blocks=tuple(blocks),
    )
    return document, values
