"""What the words of an import say about structure: whose subgroup an arm is, and what was read second hand.

Subgroups, by the first rule that decides:
 1. the population says "subgroup of X" and X is an arm of the study: X; where X is no arm of it, "*";
 2. "subgroup across arms" or "subgroup across the arms": "*";
 3. "subgroup" alone: the one arm of the study that has the same treatment and no such word; where there is no such
    arm or there are several, "*";
 4. no such word, but the population names a group that only exists in hindsight (responders): as 3;
 5. a whole and its parts, one treatment: two or more arms of the same treatment and class, all of them sized, whose
    sizes sum exactly to a larger one (61 + 45 = 106), are its subgroups;
 6. a whole and its parts, several treatments: an arm called "all", "any", "both", "overall", "total" or "whole" beside
    two or more sized arms that together are no larger repeats them; its parts are the arms one wants, so the whole
    is marked "*";
 7. sized arms that sum exactly to the patients of the study leave nobody over: a further arm of that study, printed
    without a size, must share patients with them and is marked "*";
 8. otherwise "": an arm of its own.

Second hand: a value was read in a paper that is not the study's own report. By the first rule that decides:
 1. the row's source is a source that speaks of two or more studies of this import, and its location is a table or a
    section of it (not "abstract"): second hand;
 2. the source or the location names a secondary medium (news, summary, press release, scorecard, "as reported in",
    "as cited", a citation report): second hand;
 3. the study's note says "review table" and nothing of an abstract or full text read, and the location is a table:
    second hand;
 4. otherwise first hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from kmeta.review.estimate import Comparison, Estimate
from kmeta.review.study import Arm, Study
from kmeta.review.vocabulary import meanings, normalised

_WHOLE = {"all", "any", "overall", "total", "whole", "both"}
_SECONDARY = re.compile(
    r"\b(?:news|press release|scorecard|summary of|citation report|treatment recommendations|guideline"
    # ... but what a study's own abstract reports is first hand
    r"|as (?:reported|cited|printed) (?:in|at|by)(?! (?:\w+ ){0,4}abstract))\b"
)
_SECONDARY_PLACE = re.compile(r"\b(?:news|summary|press release|scorecard|text update)\b")
_TABLE = re.compile(r"\b(?:table|tab|section|figure|fig)\b")
_OWN_TABLE = re.compile(r"\b(?:in|of) the abstract\b")


def with_subgroups(
    arms: Iterable[Arm], known: Iterable[Arm] = (), totals: Mapping[str, int | None] = MappingProxyType({})
) -> tuple[Arm, ...]:
    """`arms` with `subgroup_of` set by the rules above.

    `known`: arms of the same studies that were read earlier; `totals`: study_id -> patients of the study.

    >>> arm = Arm(study_id="s", arm_id="rx", treatment_class="systemic", treatment="drug", n=9)
    >>> part = replace(arm, arm_id="g1", n=4, population="grade 1 (subgroup)")
    >>> [each.subgroup_of for each in with_subgroups([arm, part])]
    ['', 'rx']
    """
    arms = tuple(arms)
    families: dict[str, dict[str, Arm]] = {}
    for arm in (*known, *arms):
        families.setdefault(arm.study_id, {})[arm.arm_id] = arm
    parents = {
        study: _parents(list(family.values()), totals.get(study)) for study, family in families.items()
    }
    return tuple(replace(arm, subgroup_of=parents[arm.study_id][arm.arm_id]) for arm in arms)


def is_second_hand(source: str, location: str, note: str, shared: Mapping[str, int]) -> bool:
    """Whether a value from `source`, `location` was read in another paper's report (rules above).

    `note`: the study's note; `shared`: source -> number of studies of the import that cite it.
    """
    place, words = normalised(location), normalised(source)
    in_table = bool(_TABLE.search(place)) and not _OWN_TABLE.search(place)
    if in_table and shared.get(source, 0) > 1:
        return True
    if _SECONDARY.search(words) or _SECONDARY_PLACE.search(place):
        return True
    return (
        in_table
        and "review_table" in meanings(note)
        and not re.search(r"\b(?:abstract|full text)s? read\b", note)
    )


def studies_per_source(rows: Iterable[Estimate | Comparison | Arm]) -> dict[str, int]:
    """source -> number of studies that cite it."""
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row.source, set()).add(row.study_id)
    return {source: len(studies) for source, studies in found.items() if source}


def notes_by_study(studies: Iterable[Study]) -> dict[str, str]:
    """study_id -> its note."""
    return {study.study_id: study.note for study in studies}


def _parents(family: Sequence[Arm], total: int | None) -> dict[str, str]:
    parents = {arm.arm_id: _named_parent(arm, family) for arm in family}
    free = [arm for arm in family if not parents[arm.arm_id]]
    for arm in free:
        parts = _parts_of(arm, [other for other in free if other is not arm])
        parents.update(dict.fromkeys(parts, arm.arm_id))
    whole = _whole_of([arm for arm in free if not parents[arm.arm_id]])
    if whole:
        parents[whole] = "*"
    sized = [arm.n for arm in free if arm.n is not None and not parents[arm.arm_id]]
    if total and len(sized) >= 2 and sum(sized) == total:
        parents.update({arm.arm_id: "*" for arm in free if arm.n is None and not parents[arm.arm_id]})
    return parents


def _named_parent(arm: Arm, family: Sequence[Arm]) -> str:
    """Rules 1 to 4: the parent that words give, "*" for none in particular, "" for no such words."""
    words = arm.population.casefold()
    named = re.search(r"\bsubgroup of (?:the )?(?:arms? )?[\"']?([\w.+/-]+)", words)
    if named:
        ids = {other.arm_id.casefold(): other.arm_id for other in family if other is not arm}
        return ids.get(named[1].rstrip("."), "*")
    codes = meanings(arm.population)
    if "across_arms" in codes:
        return "*"
    if "subgroup" in codes or "immortal_time" in codes:
        same = [other for other in family if other is not arm and _like(arm, other) and not _speaks(other)]
        return same[0].arm_id if len(same) == 1 else "*"
    return ""


def _speaks(arm: Arm) -> bool:
    return bool(meanings(arm.population) & {"subgroup", "immortal_time"})


def _like(one: Arm, other: Arm) -> bool:
    return (
        one.treatment_class == other.treatment_class
        and one.treatment.casefold() == other.treatment.casefold()
    )


def _parts_of(arm: Arm, others: Sequence[Arm]) -> list[str]:
    """Rule 5: the arms of the same treatment whose sizes sum exactly to that of `arm`."""
    parts = [other for other in others if _like(arm, other) and other.n is not None]
    sizes = [part.n or 0 for part in parts]
    alike = sum(_like(arm, other) for other in others)
    if arm.n and len(parts) >= 2 and len(parts) == alike and sum(sizes) == arm.n and max(sizes) < arm.n:
        return [part.arm_id for part in parts]
    return []


def _whole_of(free: Sequence[Arm]) -> str:
    """Rule 6: the arm that repeats the others, "" where there is none."""
    for arm in free:
        others = [other for other in free if other is not arm]
        called = normalised(arm.arm_id) in _WHOLE
        sizes = [other.n for other in others if other.n is not None]
        if called and arm.n and len(others) >= 2 and len(sizes) == len(others) and sum(sizes) <= arm.n:
            return arm.arm_id
    return ""
