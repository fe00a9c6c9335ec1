"""The PRISMA 2020 flow, counted from records, decisions, studies and arms.

Source of the boxes and their order: Page et al. 2021, doi:10.1136/bmj.n71.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from kmeta.core.errors import InputError
from kmeta.methods.flow.reports import reports_of, values_of
from kmeta.methods.flow.sources import by_source, ranked
from kmeta.methods.flow.votes import Outcome, outcomes
from kmeta.review.evidence import Evidence
from kmeta.review.flow import Box, Count, Flow
from kmeta.review.record import Record
from kmeta.review.study import TREATMENT_CLASSES

OTHER_REASONS = "Other reasons"
NO_REASON = "No reason given"

Outcomes = Mapping[str, Outcome]
Links = Mapping[str, tuple[str, ...]]


def prisma_flow(evidence: Evidence) -> Flow:
    """Every box counted from `evidence`, with the ids of exactly the records it counts.

    What is not recorded is absent and said in `not_known`; nothing is set to zero that was not counted. Records that
    are marked as duplicates are removed; several reports of one study are linked to it, not removed.

    Raises InputError where the acts contradict each other (a decision on an unknown record, a full-text decision on
    a record that was excluded before), for then no arithmetic is right.

    >>> from kmeta.review.record import Decision, Record
    >>> vote = Decision(record_id="R2", stage="title-abstract", reviewer="a", vote="exclude", reason="review")
    >>> found = (Record(record_id="R1", source="pubmed"), Record(record_id="R2", source="pubmed"))
    >>> flow = prisma_flow(Evidence(records=found, decisions=(vote,)))
    >>> [(box.key, box.n) for box in flow.boxes]
    [('identified', 2), ('removed', 0), ('screened', 1), ('excluded', 1), ('sought', 0)]
    >>> flow.not_known[0]
    '1 record waits for a vote on title and abstract.'
    """
    _refuse_contradictions(evidence)
    boxes: list[Box] = []
    unknown: list[str] = []
    first = outcomes(evidence.decisions, "title-abstract")
    second = outcomes(evidence.decisions, "full-text")
    unique = [record for record in evidence.records if not record.duplicate_of]
    sought = _those(unique, first, "kept") if first else unique
    gone = {record_id for record_id, outcome in second.items() if outcome.state == "excluded"}
    links = reports_of(evidence, [record for record in sought if record.record_id not in gone])
    if evidence.records:
        _until_screening(evidence, unique, first, boxes, unknown)
    else:
        unknown.append("The review holds no records: how its studies were searched for is not known.")
    if second:
        _full_text(sought, second, boxes, unknown)
    elif first:
        _no_full_text(sought, links, boxes, unknown)
    _other_column(evidence, links, boxes, unknown)
    by_class = Counter(arm.treatment_class for arm in evidence.arms)
    return Flow(
        boxes=tuple(boxes),
        n_studies=len(evidence.studies),
        n_reports=len({record_id for ids in links.values() for record_id in ids}),
        n_arms=len(evidence.arms),
        arms_by_class=tuple(
            Count(label=name, n=by_class[name])
            for name in sorted(by_class, key=lambda c: (-by_class[c], TREATMENT_CLASSES.index(c)))
        ),
        n_estimates=len(evidence.estimates),
        n_comparisons=len(evidence.comparisons),
        n_from_records=len(links),
        not_known=tuple(unknown),
    )


def _until_screening(
    evidence: Evidence,
    unique: list[Record],
    first: Outcomes,
    boxes: list[Box],
    unknown: list[str],
) -> None:
    copies = [record for record in evidence.records if record.duplicate_of]
    boxes.append(_box("identified", "Records identified", evidence.records, by_source(evidence.records)))
    boxes.append(_box("removed", "Records removed before screening", copies, (_count("Duplicates", copies),)))
    if not first:
        unknown.append("No record has been screened yet: no decision on title and abstract is recorded.")
        return
    screened = [record for record in unique if record.record_id in first]
    out = _those(screened, first, "excluded")
    boxes.append(_box("screened", "Records screened", screened))
    boxes.append(_box("excluded", "Records excluded", out, _reasons(out, first)))
    _say_waiting(unknown, len(unique) - len(screened), "for a vote on title and abstract")
    _say_waiting(unknown, len(_those(screened, first, "waiting")), "with votes that differ, to be settled")


def _no_full_text(sought: list[Record], links: Links, boxes: list[Box], unknown: list[str]) -> None:
    linked = {record_id for ids in links.values() for record_id in ids}
    parts = (
        _count("Reports of studies with extracted data", [r for r in sought if r.record_id in linked]),
        _count("Nothing extracted", [r for r in sought if r.record_id not in linked]),
    )
    boxes.append(_box("sought", "Records kept after title and abstract", sought, parts if sought else ()))
    unknown.append(
        "No decision at the full-text stage is recorded: how many reports were sought, retrieved and assessed in "
        "full text is not known."
    )


def _full_text(sought: list[Record], second: Outcomes, boxes: list[Box], unknown: list[str]) -> None:
    decided = [record for record in sought if record.record_id in second]
    missing = [record for record in decided if second[record.record_id].not_retrieved]
    assessed = [record for record in decided if not second[record.record_id].not_retrieved]
    out = _those(assessed, second, "excluded")
    boxes.append(_box("sought", "Reports sought", sought))
    boxes.append(_box("not_retrieved", "Reports not retrieved", missing))
    boxes.append(_box("assessed", "Reports assessed", assessed))
    boxes.append(_box("excluded_full_text", "Reports excluded", out, _reasons(out, second)))
    _say_waiting(unknown, len(sought) - len(decided), "for a decision on the full text")
    _say_waiting(unknown, len(_those(assessed, second, "waiting")), "with full-text votes that differ")


def _other_column(evidence: Evidence, links: Links, boxes: list[Box], unknown: list[str]) -> None:
    """Studies that no kept record is a report of: by how their values were read."""
    others = [study.study_id for study in evidence.studies if study.study_id not in links]
    if not others:
        return
    hands: dict[str, set[bool]] = {}
    for row in values_of(evidence):
        hands.setdefault(row.study_id, set()).add(row.second_hand)
    groups: dict[str, list[str]] = {}
    for study_id in others:
        groups.setdefault(_how_found(hands.get(study_id, set())), []).append(study_id)
    parts = tuple(
        Count(label=label, n=len(ids), study_ids=tuple(ids))
        for label, ids in sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    )
    boxes.append(
        Box(
            key="other_identified",
            title="Studies found otherwise",
            n=len(others),
            parts=parts,
            study_ids=tuple(others),
        )
    )
    unknown.append(
        f"{_many(len(others), 'study has', 'studies have')} no report among the records kept: how they were searched "
        "for, and whether their reports were sought or assessed, is not known."
    )


def _how_found(second_hand: set[bool]) -> str:
    if second_hand == {True}:
        return "Second hand, in tables of earlier reviews or other papers"
    return "Read at a source that is no record here" if second_hand else "No value extracted"


def _refuse_contradictions(evidence: Evidence) -> None:
    known = Counter(record.record_id for record in evidence.records)
    twice = [record_id for record_id, n in known.items() if n > 1]
    lost = [d.record_id for d in evidence.decisions if d.record_id not in known]
    strays = [r.record_id for r in evidence.records if r.duplicate_of and r.duplicate_of not in known]
    first = outcomes(evidence.decisions, "title-abstract")
    second = outcomes(evidence.decisions, "full-text")
    copies = {record.record_id for record in evidence.records if record.duplicate_of}
    early = [i for i in second if i not in copies and (i not in first or first[i].state != "kept")]
    for ids, message, hint in (
        (twice, "more than one record is called {}", "give each record an id of its own"),
        (
            lost,
            "a decision is on {}, which is no record here",
            "import the record, or take the decision back",
        ),
        (strays, "{} is marked as a duplicate of a record that is not here", "name the record that is kept"),
        (
            early,
            "{} has a full-text decision but title and abstract have not kept it",
            "settle title and abstract first: a report comes to the full text only from there",
        ),
    ):
        if ids:
            raise InputError(message.format(_some(ids)), where="PRISMA flow", hint=hint)
    _refuse_rings(evidence.records)


def _refuse_rings(records: Iterable[Record]) -> None:
    """Duplicates of each other would remove a report altogether."""
    kept_as = {record.record_id: record.duplicate_of for record in records if record.duplicate_of}
    for start in kept_as:
        seen, now = {start}, kept_as[start]
        while now in kept_as:
            if now in seen:
                raise InputError(
                    f"{start} and {now} are marked as duplicates of each other",
                    where="PRISMA flow",
                    hint="one record of a group of duplicates is kept",
                )
            seen.add(now)
            now = kept_as[now]


def _those(records: Iterable[Record], decided: Outcomes, state: str) -> list[Record]:
    ids = {record_id for record_id, outcome in decided.items() if outcome.state == state}
    return [record for record in records if record.record_id in ids]


def _reasons(excluded: Iterable[Record], decided: Outcomes) -> tuple[Count, ...]:
    """At most three reasons by name, largest first, and the others together."""
    groups: dict[str, list[str]] = {}
    for record in excluded:
        reason = decided[record.record_id].reason.strip() or NO_REASON
        groups.setdefault(reason[0].upper() + reason[1:], []).append(record.record_id)
    return ranked(groups, most=4, other=OTHER_REASONS)


def _box(key: str, title: str, records: Iterable[Record], parts: tuple[Count, ...] = ()) -> Box:
    ids = tuple(sorted(record.record_id for record in records))
    return Box(key=key, title=title, n=len(ids), parts=parts, record_ids=ids)


def _count(label: str, records: Iterable[Record]) -> Count:
    ids = tuple(sorted(record.record_id for record in records))
    return Count(label=label, n=len(ids), record_ids=ids)


def _say_waiting(unknown: list[str], n: int, what: str) -> None:
    if n:
        unknown.append(f"{_many(n, 'record waits', 'records wait')} {what}.")


def _many(n: int, one: str, more: str) -> str:
    return f"{n:,} {one if n == 1 else more}"


def _some(ids: list[str]) -> str:
    shown = sorted(set(ids))
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")
