"""Where records were found -> at most a handful of kinds of source."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kmeta.review.flow import Count
from kmeta.review.record import Record

NOT_STATED = "Source not stated"
OTHER = "Other sources"

# First kind with a word of the source wins; words are matched whole, regardless of case.
KINDS: tuple[tuple[str, frozenset[str]], ...] = (
    (
        "Search result pages",
        frozenset({"search result", "search results", "search engine", "google scholar"}),
    ),
    (
        "Reference lists and citations",
        frozenset(
            {"reference list", "reference lists", "citation", "citations", "cited", "snowballing", "bib file"}
            | {"bibliography", "hand search", "hand searching", "handsearching", "citing"}
        ),
    ),
    (
        "Bibliographic databases",
        frozenset(
            {
                "pubmed",
                "pmc",
                "medline",
                "embase",
                "ovid",
                "scopus",
                "web of science",
                "wos",
                "cochrane library",
            }
            | {"central", "cinahl", "psycinfo", "lilacs", "ncbi", "europepmc", "europe pmc", "crossref"}
            | {"openalex", "semantic scholar", "dimensions", "cnki", "wanfang", "biosis"}
        ),
    ),
    (
        "Trial registers",
        frozenset(
            {
                "clinicaltrials",
                "clinicaltrials gov",
                "ictrp",
                "isrctn",
                "eudract",
                "drks",
                "anzctr",
                "register",
            }
            | {"registry", "ichgcp"}
        ),
    ),
    (
        "Publishers, libraries and other pages",
        frozenset({"publisher", "journal", "repository", "library", "website", "web page", "worldcat"}),
    ),
)
_HOST = re.compile(r"(?:^|[\s/])[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}(?:$|[\s/;,)])")


def source_kind(source: str) -> str:
    """The kind of one `Record.source`; of several sources (apart by ";") the first decides.

    A name with a dot and a domain is a page of a publisher, library or other host.

    >>> source_kind("pubmed; onlinelibrary.wiley.com"), source_kind("link.springer.com")
    ('Bibliographic databases', 'Publishers, libraries and other pages')
    >>> source_kind("reference list"), source_kind("a colleague"), source_kind("")
    ('Reference lists and citations', 'Other sources', 'Source not stated')
    """
    first = source.split(";")[0].strip().casefold()
    if not first:
        return NOT_STATED
    text = " " + " ".join(re.findall(r"[a-z0-9]+", first)) + " "
    for kind, words in KINDS:
        if any(f" {word} " in text for word in words):
            return kind
    return KINDS[-1][0] if _HOST.search(first) else OTHER


def by_source(records: Sequence[Record], *, most: int = 5) -> tuple[Count, ...]:
    """`records` counted by kind of source, largest first; kinds beyond `most` lines become "Other sources"."""
    groups: dict[str, list[str]] = {}
    for record in records:
        groups.setdefault(source_kind(record.source), []).append(record.record_id)
    return ranked(groups, most=most, other=OTHER)


def ranked(groups: dict[str, list[str]], *, most: int, other: str) -> tuple[Count, ...]:
    """Groups of record ids as counted lines, largest first, ties by label; the rest, and `other`, come last."""
    named = sorted((g for g in groups.items() if g[0] != other), key=lambda g: (-len(g[1]), g[0]))
    shown = named if len(named) + (other in groups) <= most else named[: most - 1]
    rest = [*groups.get(other, ()), *(i for _, ids in named[len(shown) :] for i in ids)]
    lines = [Count(label=label, n=len(ids), record_ids=tuple(sorted(ids))) for label, ids in shown]
    if rest:
        lines.append(Count(label=other, n=len(rest), record_ids=tuple(sorted(rest))))
    return tuple(lines)
