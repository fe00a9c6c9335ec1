"""Where every value is from: the studies with their identifiers, and the texts that were read."""

from __future__ import annotations

from collections.abc import Iterator

from kmeta.core.numbers import count
from kmeta.report.contents import Contents
from kmeta.report.document import (
    Block,
    Bullets,
    Column,
    Heading,
    Paragraph,
    Row,
    Run,
    Runs,
    Table,
    quote,
    ref,
    runs,
    say,
)
from kmeta.report.draft import Draft, row_text, section
from kmeta.report.pooled import SECOND_HAND, second_hand_words
from kmeta.report.words import number_of
from kmeta.review.estimate import Comparison, Estimate
from kmeta.review.study import Study


@section("sources", "Sources", order=150)
def sources(draft: Draft) -> Iterator[Block]:
    """The texts read, then the studies."""
    texts = texts_read(draft.contents)
    if not texts:
        yield Paragraph(runs("No source is recorded."))
        return
    yield Paragraph(
        say(
            "The values of this review were read in {n} ({where}). {second_hand}",
            n=draft.values.new("sources", len(texts), lambda n: number_of(n, "text")),
            where=ref("sources-table"),
            second_hand=second_hand_words(),
        )
    )
    yield _table(texts)
    yield Heading("Studies", 2)
    yield Bullets(tuple(_study(study) for study in draft.contents.evidence.studies), small=True)


def texts_read(contents: Contents) -> list[tuple[str, int, int, int]]:
    """(text, studies, values, of these second hand), in alphabetical order."""
    found: dict[str, tuple[set[str], list[bool]]] = {}
    evidence = contents.evidence
    read: tuple[Estimate | Comparison, ...] = (*evidence.estimates, *evidence.comparisons)
    for value in read:
        studies, second = found.setdefault(value.source or "not stated", (set(), []))
        studies.add(value.study_id)
        second.append(value.second_hand)
    return [
        (text, len(studies), len(second), sum(second))
        for text, (studies, second) in sorted(found.items(), key=lambda item: (item[0].casefold(), item[0]))
    ]


def _table(texts: list[tuple[str, int, int, int]]) -> Table:
    columns = (
        Column("Text", 116),
        Column("Studies", 16, "right"),
        Column("Values", 16, "right"),
        Column("Second hand", 20, "right"),
    )
    rows = [
        Row(
            row_text(
                runs(quote(text), Run(SECOND_HAND, raised=True) if second else ""),
                count(studies),
                count(values),
                count(second),
            )
        )
        for text, studies, values, second in texts
    ]
    note = runs(Run(SECOND_HAND, raised=True), " Values of other studies are read in it.")
    return Table("sources-table", runs("The texts read."), columns, tuple(rows), (note,), csv="sources.csv")


def _study(study: Study) -> Runs:
    parts = [quote(study.label), quote(f" [{study.study_id}]")]
    if study.doi:
        parts += [Run(". "), Run(f"doi:{study.doi}", quoted=True, href=_doi(study.doi))]
    if study.pmid.isdigit():
        parts += [
            Run(". "),
            Run(f"PMID {study.pmid}", quoted=True, href=f"https://pubmed.ncbi.nlm.nih.gov/{study.pmid}/"),
        ]
    if study.note:
        parts += [Run(". "), quote(study.note)]
    return runs(*parts, ".")


def _doi(doi: str) -> str:
    """The address of a DOI, or nothing where the text is no DOI."""
    from urllib.parse import quote as escaped

    return f"https://doi.org/{escaped(doi, safe='/.()-_;:')}" if doi.startswith("10.") else ""
