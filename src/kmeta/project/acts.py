"""Acts: what people did, as a graph of hashes like that of a version control system.

An act's `id` is the SHA-256 of its canonical text, in which its parents (the acts that nothing followed yet when it
was written) stand. A changed, lost or inserted act therefore breaks the chain, and the union of two copies' acts
is the same graph whichever copy is united with which: a merge writes no act of its own.
"""

from __future__ import annotations

import heapq
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kmeta.core.canonical import sha256
from kmeta.core.errors import InputError
from kmeta.review.codec import check_text, title

PROTOCOL, FILE = "protocol", "file"
PROTOCOL_SUBJECT = '["protocol"]'
# The body of an act that takes a subject out of the present state.
RETRACTED = "null"

AT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z")
MAX_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One human act. `subject` and `body` are canonical JSON; `replaces` are ids of acts on the same subject."""

    id: str
    parents: tuple[str, ...]
    who: str
    at: str
    kind: str
    subject: str
    body: str
    why: str = ""
    replaces: tuple[str, ...] = ()

    @property
    def retracts(self) -> bool:
        """Whether it takes its subject out of the present state."""
        return self.body == RETRACTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A subject of which two people say different things; `acts` by time, the last is read until it is settled."""

    kind: str
    subject: str
    acts: tuple[Act, ...]

    def __str__(self) -> str:
        return f"{self.kind} {title(self.subject)}: " + " / ".join(f"{act.who} {act.at}" for act in self.acts)


def content(act: Act) -> str:
    """The canonical JSON of all but the id: what the id is the hash of.

    Spelled out, because `subject` and `body` are canonical JSON already and acts come by the hundred thousand.
    """
    return (
        f'{{"at":{_text(act.at)},"body":{act.body},"kind":{_text(act.kind)},"parents":{_ids(act.parents)},'
        f'"replaces":{_ids(act.replaces)},"subject":{act.subject},"who":{_text(act.who)},"why":{_text(act.why)}}}'
    )


def new_act(
    *,
    parents: Iterable[str],
    who: str,
    at: str,
    kind: str,
    subject: str,
    body: str,
    why: str = "",
    replaces: Iterable[str] = (),
) -> Act:
    """An act with its id."""
    unsigned = Act(
        id="",
        parents=tuple(sorted(parents)),
        who=who,
        at=at,
        kind=kind,
        subject=subject,
        body=body,
        why=why,
        replaces=tuple(sorted(replaces)),
    )
    return identified(unsigned)


def identified(act: Act) -> Act:
    """The act with the id its content gives."""
    return Act(
        id=sha256(content(act)),
        parents=act.parents,
        who=act.who,
        at=act.at,
        kind=act.kind,
        subject=act.subject,
        body=act.body,
        why=act.why,
        replaces=act.replaces,
    )


def to_line(act: Act) -> str:
    """The act as one line of JSON, its id first."""
    return f'{{"id":"{act.id}",{content(act)[1:]}'


def from_line(line: str) -> Act:
    """The act of such a line; InputError when the line is not what `to_line` writes, or its id is not its hash."""
    try:
        values = json.loads(line)
        act = Act(
            id=values["id"],
            parents=tuple(values["parents"]),
            who=values["who"],
            at=values["at"],
            kind=values["kind"],
            subject=_json(values["subject"]),
            body=_json(values["body"]),
            why=values["why"],
            replaces=tuple(values["replaces"]),
        )
        same = to_line(act) == line
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError("is not an act") from None
    if not same or sha256(content(act)) != act.id:
        raise InputError("was changed: it does not match its hash")
    return act


def instant(at: datetime | str | None) -> str:
    """A moment as acts hold it, UTC with microseconds; None is now, the only clock of the room.

    >>> instant("2026-01-02T03:04:05+01:00")
    '2026-01-02T02:04:05.000000Z'
    """
    if at is None:
        moment = datetime.now(UTC)
    else:
        try:
            moment = datetime.fromisoformat(at) if isinstance(at, str) else at
        except ValueError:
            raise InputError(f"{at!r} is no moment", where="at", hint="2026-01-31T12:00:00Z") from None
    if moment.tzinfo is None:
        raise InputError(f"{moment} has no time zone", where="at", hint="2026-01-31T12:00:00Z")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def person(who: str) -> str:
    """The name an act is signed with, checked."""
    if not who.strip():
        raise InputError("an act needs a name", where="who", hint="set KMETA_USER to your name")
    if len(who) > MAX_NAME:
        raise InputError(f"a name of {len(who)} characters", where="who", hint=f"at most {MAX_NAME}")
    return check_text(who, "who")


def in_order(acts: Iterable[Act]) -> list[Act]:
    """Parents before children; among those that could come next the earliest by (at, id). Any order in, one out.

    Acts on a circle, which no honest hash can make, are left out: the caller counts.
    """
    by_id = {act.id: act for act in acts}
    waiting = {act.id: sum(parent in by_id for parent in set(act.parents)) for act in by_id.values()}
    children: dict[str, list[str]] = {}
    for act in by_id.values():
        for parent in set(act.parents):
            children.setdefault(parent, []).append(act.id)
    ready = [(act.at, act.id) for act in by_id.values() if not waiting[act.id]]
    heapq.heapify(ready)
    ordered: list[Act] = []
    while ready:
        _, act_id = heapq.heappop(ready)
        ordered.append(by_id[act_id])
        for child in children.get(act_id, ()):
            waiting[child] -= 1
            if not waiting[child]:
                heapq.heappush(ready, (by_id[child].at, child))
    return ordered


def heads(acts: Iterable[Act]) -> set[str]:
    """Acts that no act has as a parent."""
    acts = list(acts)
    return {act.id for act in acts} - {parent for act in acts for parent in act.parents}


def roots(acts: Iterable[Act]) -> set[str]:
    """Acts without parents: the first of a review. Copies of one review share theirs."""
    return {act.id for act in acts if not act.parents}


def live(acts: Iterable[Act]) -> list[Act]:
    """Those that no other replaces, by (at, id)."""
    acts = list(acts)
    replaced = {act_id for act in acts for act_id in act.replaces}
    return sorted((act for act in acts if act.id not in replaced), key=lambda act: (act.at, act.id))


def by_subject(said: Iterable[Act]) -> dict[tuple[str, str], list[Act]]:
    """Live acts -> (kind, subject) -> those on it, in the order given."""
    found: dict[tuple[str, str], list[Act]] = {}
    for act in said:
        found.setdefault((act.kind, act.subject), []).append(act)
    return found


def present(said: Iterable[Act]) -> list[Act]:
    """Live acts by (at, id) -> the one read for each subject, the last; retracted subjects are absent."""
    return [acts[-1] for acts in by_subject(said).values() if not acts[-1].retracts]


def conflicts(said: Iterable[Act]) -> list[Conflict]:
    """Live acts by (at, id) -> subjects of which different things are said."""
    return [
        Conflict(kind=kind, subject=subject, acts=tuple(acts))
        for (kind, subject), acts in sorted(by_subject(said).items())
        if len({act.body for act in acts}) > 1
    ]


def describe(act: Act) -> str:
    """One line for a reader: when, who, what, on what, and why."""
    if act.retracts:
        did = "removed"
    elif act.kind == PROTOCOL:
        did = "amended" if act.replaces else "recorded"
    else:
        did = "changed" if act.replaces else "added"
    on = act.kind if act.kind == PROTOCOL else f"{act.kind} {title(act.subject)}"
    line = f"{act.at[:19].replace('T', ' ')}  {act.who}  {did} {on}" + (f"  ({act.why})" if act.why else "")
    # One act, one line, and no letter that moves a terminal's cursor.
    return "".join(letter if letter.isprintable() else " " for letter in line)


def state_of(ids: Iterable[str]) -> str:
    """One hash for a set of acts, whatever their order."""
    return sha256("\n".join(sorted(ids)))


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _ids(ids: Sequence[str]) -> str:
    return json.dumps(list(ids), separators=(",", ":"))


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
