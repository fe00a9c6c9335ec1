"""Records -> groups of one report each, pairs to ask about, reports to link: `find_duplicates`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.methods.dedup.blocking import candidate_pairs, digits
from kmeta.methods.dedup.columns import Columns, columns
from kmeta.methods.dedup.compare import Pairs, States, compare
from kmeta.methods.dedup.probability import probability
from kmeta.methods.dedup.rules import RULES, decide
from kmeta.review.record import Pairing, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Records of one report: `keep` says most of it, `merged` are the others; `pairs` hold the rule of each merge."""

    keep: str
    merged: tuple[str, ...]
    pairs: tuple[Pairing, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """All records of the group."""
        return (self.keep, *self.merged)


@dataclass(frozen=True, kw_only=True, eq=False)
class Duplicates(Result):
    """What was found among `n` records: groups to merge, pairs to ask a person about (most probable first), links.

    `refused` are merges that a guard stopped, with the reason in their note: they are among `asks`.
    """

    n: int
    compared: int
    groups: tuple[Group, ...]
    asks: tuple[Pairing, ...]
    related: tuple[Pairing, ...]

    @property
    def n_merged(self) -> int:
        """Records that are merged into another."""
        return sum(len(group.merged) for group in self.groups)

    def rows(self) -> list[dict[str, Any]]:
        """One row a pair: what is done with it, the rule, why, and the probability."""
        pairs = [pair for group in self.groups for pair in group.pairs]
        return [
            {
                "record_a": pair.record_a,
                "record_b": pair.record_b,
                "outcome": outcome,
                "rule": pair.rule,
                "why": pair.note or RULES[pair.rule].statement,
                "probability": pair.probability,
            }
            for outcome, found in (("merge", pairs), ("ask", self.asks), ("link", self.related))
            for pair in found
        ]

    def summary(self) -> str:
        """Counts, and the rules that fired."""
        fired: dict[str, int] = defaultdict(int)
        for row in self.rows():
            fired[f"{row['outcome']:6} {row['rule']}"] += 1
        head = (
            f"{self.n:,} records, {self.compared:,} pairs looked at: {self.n_merged:,} merged into "
            f"{len(self.groups):,} reports, {len(self.asks):,} to ask, {len(self.related):,} linked"
        )
        return "\n".join([head, *(f"{n:8,}  {name}" for name, n in sorted(fired.items()))])


def find_duplicates(records: Iterable[Record], *, settled: Sequence[Pairing] = ()) -> Duplicates:
    """Find which records are one report.

    records : the records, each with its own record_id. settled : what people decided on pairs before; it stands
    ("same" is merged, "different" is never merged, nor asked again).
    Three outcomes: merge, ask, keep; preprints, meeting abstracts, errata and comments are linked, not merged. No merge
    makes a group in which two DOIs, or volume and first page, disagree: such a pair is asked.
    Cost: O(n) keys, one comparison for each pair that shares one, in bulk. Raises InputError for repeated ids.

    >>> a = Record(record_id="a", title="Survival after resection of liver metastases", authors=("Roe, J.",),
    ...            year=2011, volume="7", pages="23-35")
    >>> b = Record(record_id="b", title="Survival after Resection of Liver Metastases.", authors=("Roe, Jane",),
    ...            year=2011, volume="7", pages="23-5")
    >>> found = find_duplicates([a, b])
    >>> found.groups[0].ids, found.groups[0].pairs[0].rule
    (('a', 'b'), 'same_place_and_title')
    """
    c = columns(records)
    place = {record_id: i for i, record_id in enumerate(c.ids)}
    if len(place) < len(c):
        twice = next(record_id for i, record_id in enumerate(c.ids) if place[record_id] != i)
        raise InputError(f"{twice!r} is the id of two records", where="records", hint="give each its own")
    pairs = candidate_pairs(c)
    p = compare(c, pairs)
    rules, chance = decide(p), probability(p)
    said = {tuple(sorted((s.record_a, s.record_b))): s for s in settled}
    edges = _edges(c, p, rules, chance, said)
    by_people = [s for s in settled if s.verdict == "same" and s.record_a in place and s.record_b in place]
    return _outcome(c, place, edges, by_people, said, len(pairs))


# Rules that go by a DOI or a PubMed number: these outrank a volume and page given differently.
_BY_NUMBER = ("same_doi", "same_pmid")
Said = dict[tuple[str, ...], Pairing]


def _edges(c: Columns, p: Pairs, rules: States, chance: Floats, said: Said) -> dict[str, list[Pairing]]:
    """The pairs on which a rule fired, by outcome, most probable first; those that people settled left out."""
    made: dict[str, list[Pairing]] = {"same": [], "ask": [], "related": []}
    names = list(RULES)
    hit = np.flatnonzero(rules >= 0)
    for m in hit[np.lexsort((p.b[hit], p.a[hit], -chance[hit].round(9)))].tolist():
        rule = RULES[names[rules[m]]]
        ids = (c.ids[p.a[m]], c.ids[p.b[m]])
        if rule.outcome == "different" or tuple(sorted(ids)) in said:
            continue
        verdict: Any = "related" if rule.outcome == "related" else "same"
        made[rule.outcome].append(
            Pairing(
                record_a=ids[0],
                record_b=ids[1],
                verdict=verdict,
                rule=rule.name,
                probability=round(float(chance[m]), 4),
            )
        )
    return made


def _outcome(
    c: Columns,
    place: dict[str, int],
    edges: dict[str, list[Pairing]],
    people: list[Pairing],
    said: Said,
    compared: int,
) -> Duplicates:
    """Groups grown merge by merge, the most probable first; what a guard stops is asked."""
    clusters = _Clusters(c, {key for key, pairing in said.items() if pairing.verdict == "different"})
    for pairing in people:
        clusters.join(place[pairing.record_a], place[pairing.record_b], pairing)
    stopped = []
    for pairing in edges["same"]:
        reason = clusters.merge(place[pairing.record_a], place[pairing.record_b], pairing)
        if reason:
            stopped.append(replace(pairing, note=reason))
    apart = [*stopped, *edges["ask"]]
    asks = [q for q in apart if clusters.root(place[q.record_a]) != clusters.root(place[q.record_b])]
    related = [
        q for q in edges["related"] if clusters.root(place[q.record_a]) != clusters.root(place[q.record_b])
    ]
    return Duplicates(
        n=len(c),
        compared=compared,
        groups=tuple(clusters.groups()),
        asks=tuple(sorted(asks, key=lambda q: (-(q.probability or 0), q.record_a, q.record_b))),
        related=tuple(related),
    )


class _Clusters:
    """Growing groups of records, with what each group holds; a merge that would contradict itself is refused."""

    def __init__(self, c: Columns, apart: set[tuple[str, ...]]) -> None:
        self.c, self.apart = c, apart
        self.parent: dict[int, int] = {}
        self.members: dict[int, list[int]] = {}
        self.edges: dict[int, list[Pairing]] = {}

    def root(self, i: int) -> int:
        """The group of a record, by its first member."""
        while (up := self.parent.get(i, i)) != i:
            self.parent[i] = self.parent.get(up, up)
            i = up
        return i

    def merge(self, i: int, j: int, pairing: Pairing) -> str:
        """Unite the groups of two records; the reason why not, if a guard refuses."""
        left, right = self.root(i), self.root(j)
        if left == right:
            return ""
        reason = self._refusal(
            self.members.get(left, [left]), self.members.get(right, [right]), (i, j), pairing
        )
        if not reason:
            self.join(i, j, pairing)
        return reason

    def join(self, i: int, j: int, pairing: Pairing) -> None:
        """Unite without asking: a person said so, or the guards did not object."""
        left, right = sorted((self.root(i), self.root(j)))
        if left == right:
            return
        self.parent[right] = left
        self.members[left] = [*self.members.get(left, [left]), *self.members.pop(right, [right])]
        self.edges[left] = [*self.edges.get(left, []), *self.edges.pop(right, []), pairing]

    def _refusal(self, left: list[int], right: list[int], pair: tuple[int, int], pairing: Pairing) -> str:
        c = self.c
        if len(left) == len(right) == 1:
            return ""  # the rule has looked at these two itself
        for i in left:
            for j in right:
                if (i, j) == pair or (j, i) == pair:
                    continue
                if tuple(sorted((c.ids[i], c.ids[j]))) in self.apart:
                    return f"{c.ids[i]} and {c.ids[j]} were said to be different"
                if c.doi[i] and c.doi[j] and c.doi[i] != c.doi[j] and not _same_spot(c, i, j):
                    return f"the DOIs of {c.ids[i]} and {c.ids[j]} differ"
                if _elsewhere(c, i, j) and not pairing.rule.startswith(_BY_NUMBER):
                    return f"volume and page of {c.ids[i]} and {c.ids[j]} differ"
        return ""

    def groups(self) -> Iterable[Group]:
        """Every group of two records or more, in the order of the records."""
        for root in sorted(self.members):
            ranked = sorted(self.members[root], key=lambda i: (-_richness(self.c, i), i))
            keep, rest = ranked[0], sorted(ranked[1:])
            yield Group(
                keep=self.c.ids[keep],
                merged=tuple(self.c.ids[i] for i in rest),
                pairs=tuple(self.edges[root]),
            )


def _same_spot(c: Columns, i: int, j: int) -> bool:
    """Volume, first and last page are given and equal."""
    spots = ((c.volume[k], c.first_page[k], c.last_page[k]) for k in (i, j))
    one, other = spots
    return one == other and all(one)


def _elsewhere(c: Columns, i: int, j: int) -> bool:
    """Volume and first page both differ."""
    pages = c.first_page[i] and c.first_page[j] and digits(c.first_page[i]) != digits(c.first_page[j])
    return bool(c.volume[i] and c.volume[j] and c.volume[i] != c.volume[j] and pages)


def _richness(c: Columns, i: int) -> float:
    """How much a record says: the one that says most leads its group."""
    texts = (c.title, c.volume, c.issue, c.first_page, c.last_page, c.doi, c.pmid)
    said = (
        sum(bool(column[i]) for column in texts) + bool(c.authors[i]) + bool(c.journal[i]) + bool(c.year[i])
    )
    return said + 2 * min(len(c.abstract[i]) / 200, 1)
