"""The pages: each a function from the reading and the query to plain values; its template and its JSON show those."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kmeta.web.pages import analyses, findings, home, published, records, report, strategy, studies
from kmeta.web.query import Query
from kmeta.web.reading import Reading

View = Callable[[Reading, Query, str], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An address, what it shows, and the stage of the review it belongs to.

    `path` ends in "/" where a key follows; `twin` is the address of the same as JSON.
    """

    path: str
    template: str
    view: View
    stage: str
    title: str
    twin: str = ""

    @property
    def keyed(self) -> bool:
        """Whether a key follows the path: the page of one thing."""
        return self.path != "/" and self.path.endswith("/")


PAGES: tuple[Page, ...] = (
    Page(path="/", twin="/flow.json", template="home.html", view=home.view, stage="Flow", title="Flow"),
    Page(path="/records", template="records.html", view=records.view, stage="Flow", title="Records"),
    Page(path="/studies", template="studies.html", view=studies.view, stage="Extract", title="Studies"),
    Page(path="/studies/", template="study.html", view=studies.one, stage="Extract", title="Study"),
    Page(path="/findings", template="findings.html", view=findings.view, stage="Extract", title="Findings"),
    Page(
        path="/analyses", template="analyses.html", view=analyses.view, stage="Synthesise", title="Analyses"
    ),
    Page(
        path="/analyses/", template="analysis.html", view=analyses.one, stage="Synthesise", title="Analysis"
    ),
    Page(
        path="/published",
        template="published.html",
        view=published.view,
        stage="Synthesise",
        title="Published",
    ),
    Page(path="/strategy", template="strategy.html", view=strategy.view, stage="Strategy", title="Strategy"),
    Page(path="/report", template="report.html", view=report.view, stage="Report", title="Report"),
)

# The stages of a review in the order of the chain; those with an address can be opened in this version.
STAGES: tuple[tuple[str, str], ...] = (
    ("Flow", "/"),
    ("Search", ""),
    ("Screen", ""),
    ("Full text", ""),
    ("Extract", "/studies"),
    ("Appraise", ""),
    ("Synthesise", "/analyses"),
    ("Certainty", ""),
    ("Strategy", "/strategy"),
    ("Report", "/report"),
)
