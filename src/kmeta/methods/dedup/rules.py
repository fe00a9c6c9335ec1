"""The rules that decide on a pair: asked in order, the first that fires decides; each says in one sentence why.

A rule takes `Pairs` and gives a mask. Its verdict is "same" (merge), "ask" (a person looks), "related" (reports of one
study, linked and both kept) or "different". Pairs that no rule speaks on are different.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kmeta.core.registry import Registry
from kmeta.methods.dedup.compare import Mask, Pairs, States

Outcome = Literal["same", "ask", "related", "different"]


@dataclass(frozen=True)
class Rule:
    """One rule: what it decides, why, and where it fires."""

    name: str
    outcome: Outcome
    statement: str
    fires: Callable[[Pairs], Mask]


RULES: Registry[Rule] = Registry("de-duplication rule", entry_point_group="kmeta.dedup_rules")


def _rule(outcome: Outcome, statement: str) -> Callable[[Callable[[Pairs], Mask]], Rule]:
    def keep(fires: Callable[[Pairs], Mask]) -> Rule:
        name = fires.__name__.strip("_")
        return RULES.register(name)(Rule(name, outcome, statement, fires))

    return keep


@_rule("related", "One is a correction of the other.")
def _erratum(p: Pairs) -> Mask:
    return (p.erratum == 1) & ~p.place & ((p.title >= 60) | (p.contained == 1))


@_rule("related", "One stands where the title of the other says that its correction stands.")
def _mentioned(p: Pairs) -> Mask:
    return (p.mentioned == 1) & (p.title >= 95) & (p.author == 1) & (p.journal >= 0) & (p.year <= 1)


@_rule("related", "One is a comment on, a reply to or the retraction of the other.")
def _comment(p: Pairs) -> Mask:
    return (p.comment == 1) & ~p.place & (p.title >= 60)


@_rule(
    "different",
    "The numbers in their titles differ (parts of a series, editions, years), and so does their place.",
)
def _series(p: Pairs) -> Mask:
    return (p.numbers == -1) & (p.doi != 1) & (p.pmid != 1) & ~p.place & (p.contained != 1)


@_rule("related", "A preprint and the article.")
def _preprint(p: Pairs) -> Mask:
    return (p.preprint == 1) & (p.doi != 1) & (p.title >= 85) & (p.author >= 0)


@_rule("related", "A meeting abstract and the article.")
def _meeting(p: Pairs) -> Mask:
    elsewhere = (p.doi == -1) | (p.displaced & (p.journal != 1)) | ((p.volume == -1) & (p.first_page == -1))
    return (p.meeting == 1) & elsewhere & (p.doi != 1) & (p.title >= 85) & (p.author >= 0)


@_rule("same", "The same DOI, and titles that do not contradict it.")
def _same_doi(p: Pairs) -> Mask:
    return (p.doi == 1) & ((p.title >= 70) | (p.title < 0) | (p.contained == 1)) & (p.first_page != -1)


@_rule("same", "The same DOI and the same words; only the pages are given differently.")
def _same_doi_other_pages(p: Pairs) -> Mask:
    return (p.doi == 1) & p.same_words & (p.author >= 0)


@_rule("same", "The same PubMed number, and titles that do not contradict it.")
def _same_pmid(p: Pairs) -> Mask:
    return (p.pmid == 1) & ((p.title >= 70) | (p.title < 0) | (p.contained == 1)) & (p.doi != -1)


@_rule("ask", "The same DOI or PubMed number, but the titles differ.")
def _same_number_other_title(p: Pairs) -> Mask:
    return ((p.doi == 1) | (p.pmid == 1)) & ((p.author == 1) | (p.place))


@_rule(
    "same", "All agrees, to the last page, except the DOI or the PubMed number: one of the two was slipped."
)
def _number_slipped(p: Pairs) -> Mask:
    return (
        ((p.doi == -1) ^ (p.pmid == -1)) & (p.title >= 97) & (p.long_title == 1) & p.place & (p.last_page == 1)
        & (p.issue >= 0) & (p.journal == 1) & (p.lead == 1) & (p.year == 0) & (p.abstract != 0)
    )  # fmt: skip


@_rule("ask", "All agrees except the DOI or the PubMed number.")
def _other_number_same_all(p: Pairs) -> Mask:
    return ((p.doi == -1) | (p.pmid == -1)) & p.same_words & p.place & (p.author >= 0) & (p.journal >= 0)


@_rule("different", "Their DOIs or PubMed numbers differ.")
def _other_number(p: Pairs) -> Mask:
    return (p.doi == -1) | (p.pmid == -1)


@_rule("same", "Nearly the same title in the same volume on the same page.")
def _same_place_and_title(p: Pairs) -> Mask:
    words = (p.title >= 90) | (p.contained == 1) | ((p.title >= 80) & (p.lead == 1))
    venue = (p.journal >= 0) | (p.same_words & (p.long_title == 1))
    return words & p.place & (p.year <= 1) & (p.author >= 0) & venue


@_rule(
    "same",
    "The same authors, year, volume, first and last page of one journal; one gives no title, or another one.",
)
def _same_place_and_people(p: Pairs) -> Mask:
    return (
        p.place & (p.last_page == 1) & (p.author == 1) & (p.year == 0) & (p.journal == 1) & (p.issue >= 0)
        & ((p.title < 0) | (p.title >= 50))
    )  # fmt: skip


@_rule("same", "The same long title by the same authors, and nothing in place or year speaks against it.")
def _same_title_and_people(p: Pairs) -> Mask:
    return (
        p.same_words & (p.long_title == 1) & (p.author == 1) & ~p.displaced
        & ((p.year == 0) | ((p.year <= 1) & (p.title >= 99)))
        & ((p.journal >= 0) | (p.abstract >= 90) | (p.volume == 1) | (p.first_page == 1) | (p.issue == 1))
        & ((p.meeting != 1) | ((p.journal == 1) & (p.year == 0)))
    )  # fmt: skip


@_rule(
    "same", "The same title by the same authors in one journal and year; one number of the place is a slip."
)
def _one_slip(p: Pairs) -> Mask:
    slips = (p.volume == -1).astype(int) + (p.first_page == -1) + (p.issue == -1)
    holds = (p.volume == 1).astype(int) + (p.first_page == 1) + (p.issue == 1) + (p.last_page == 1)
    holds += (p.title >= 99) & (p.several == 1)
    return (
        ((p.title >= 95) | ((p.contained == 1) & (p.lead == 1) & (p.last_page == 1)))
        & (p.long_title == 1) & (p.author == 1) & (p.year == 0) & (p.journal == 1)
        & (slips == 1) & (holds >= 2) & (p.numbers >= 0)
    )  # fmt: skip


@_rule("same", "The same title by the same authors in one journal and year; the place slipped by one column.")
def _shifted(p: Pairs) -> Mask:
    return (p.shifted == 1) & (p.title >= 97) & (p.author == 1) & (p.journal == 1) & (p.year == 0)


@_rule("same", "The same abstract under nearly the same title by the same authors.")
def _same_abstract(p: Pairs) -> Mask:
    return (
        (p.abstract >= 95)
        & (p.title >= 85)
        & (p.author == 1)
        & (p.year <= 1)
        & ~p.displaced
        & ((p.meeting != 1) | (p.journal == 1))
    )


@_rule(
    "same",
    "The same title, or the beginning of it, by the same authors on the same pages of one book or journal.",
)
def _same_pages(p: Pairs) -> Mask:
    words = (p.title >= 90) | (p.contained == 1)
    pages = (p.first_page == 1) & (p.last_page == 1) & (p.volume >= 0)
    return words & pages & (p.author == 1) & (p.year <= 1) & (p.journal >= 0)


@_rule("ask", "Nearly the same title by the same authors; place or year differ or are not given.")
def _nearly(p: Pairs) -> Mask:
    return ((p.title >= 90) | ((p.contained == 1) & (p.long_title == 1))) & (p.author == 1) & (p.year <= 2)


@_rule("ask", "The same place, and titles, or authors and journal, that are alike.")
def _same_place(p: Pairs) -> Mask:
    return (
        p.place
        & (p.year <= 1)
        & (((p.title >= 75) & (p.author >= 0)) | ((p.author == 1) & (p.journal == 1) & (p.title >= 50)))
    )


@_rule("ask", "The same long title; the authors are not given or differ.")
def _same_title(p: Pairs) -> Mask:
    return (p.title >= 97) & (p.long_title == 1) & (p.year <= 1) & (p.first_page != -1)


def decide(p: Pairs) -> States:
    """The place in RULES of the rule that fires on each pair; -1: none."""
    found = np.full(len(p), -1, dtype=np.int16)
    for place, rule in enumerate(RULES.values()):
        open_ = found == -1
        found[open_ & rule.fires(p)] = place
    return found
