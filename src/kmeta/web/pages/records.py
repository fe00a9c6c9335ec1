"""The records: all, those a box of the flow counts, or those that hold some words."""

from __future__ import annotations

from typing import Any

from kmeta.review.flow import Box, Count
from kmeta.review.record import Record
from kmeta.web.errors import NotHere, nearest
from kmeta.web.pages.home import box_ids
from kmeta.web.query import Query, paged
from kmeta.web.reading import Reading
from kmeta.web.words import link


def view(reading: Reading, query: Query, key: str) -> dict[str, Any]:
    """One page of records with their decisions; `box` and `reason` choose a count of the flow, `q` searches."""
    box = _box(reading, query.text("box"))
    reason = query.text("reason")
    part = _part(box, reason) if box and reason else None
    chosen = _chosen(reading, box, part, reason)
    found = _search(reading, chosen, query.words("q"))
    shown = paged(found, query)
    shown["rows"] = [
        {"record": record, "decisions": reading.decisions.get(record.record_id, [])}
        for record in shown["rows"]
    ]
    counted = part or box
    return {
        "heading": box.title if box else "Records",
        "box": box.key if box else "",
        "reason": reason,
        "q": query.text("q"),
        "counted": counted.n if counted else None,
        "named": len(chosen),
        "list": shown,
        "boxes": [_facet(one) for one in reading.contents.flow.boxes if box_ids(one)],
        "reasons": _reasons(box),
    }


def _box(reading: Reading, key: str) -> Box | None:
    if not key:
        return None
    flow = reading.contents.flow
    if box := flow.box(key):
        return box
    near = nearest(key, [box.key for box in flow.boxes])
    titles = [(link("/records", box=name), flow.box(name).title) for name in near]  # type: ignore[union-attr]
    raise NotHere(
        f"The flow of this review has no box called {key}",
        near=titles or [("/", "The flow")],
        hint=" ".join(flow.not_known),
    )


def _part(box: Box, reason: str) -> Count:
    for part in box.parts:
        if part.label == reason:
            return part
    near = nearest(reason, [part.label for part in box.parts])
    raise NotHere(
        f"{box.title}: there is no line called {reason}",
        near=[(link("/records", box=box.key, reason=name), name) for name in near]
        or [(link("/records", box=box.key), box.title)],
    )


def _chosen(reading: Reading, box: Box | None, part: Count | None, reason: str) -> list[Record]:
    if box:
        ids = part.record_ids if part else box_ids(box)
        return [reading.record[i] for i in ids if i in reading.record]
    every = reading.contents.evidence.records
    if reason:
        return [r for r in every if any(d.reason == reason for d in reading.decisions.get(r.record_id, ()))]
    return list(every)


def _search(reading: Reading, chosen: list[Record], words: list[str]) -> list[Record]:
    if not words:
        return chosen
    every = len(chosen) == len(reading.record_text)
    among = {id(record) for record in chosen} if not every else set()
    return [
        record
        for text, record in reading.record_text
        if (every or id(record) in among) and all(word in text for word in words)
    ]


def _facet(box: Box) -> dict[str, Any]:
    return {"key": box.key, "title": box.title, "n": box.n}


def _reasons(box: Box | None) -> list[dict[str, Any]]:
    return [{"label": part.label, "n": part.n} for part in box.parts if part.record_ids] if box else []
