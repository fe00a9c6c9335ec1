"""What makes a set of acts whole: hashes, parents, what they replace, and bodies that say what their subject says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kmeta.core.errors import InputError, ReviewError
from kmeta.project import acts as log
from kmeta.project.acts import FILE, PROTOCOL, PROTOCOL_SUBJECT, Act
from kmeta.project.state import file_of, file_subject, protocol_text
from kmeta.review import codec


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the log: the name of the check, the act (by its id as stored), and what it is."""

    check: str
    act_id: str
    message: str


def faults(acts: Iterable[Act], heads: Iterable[str]) -> list[Fault]:
    """Every fault of a log whose heads are witnessed by `heads`; [] for a whole one."""
    acts = list(acts)
    by_id = {act.id: act for act in acts}
    found = [fault for act in acts for fault in _of_one(act)]
    found += [fault for act in acts for fault in _of_links(act, by_id)]
    if len(by_id) < len(acts):
        found.append(Fault("act-twice", "", f"{len(acts) - len(by_id)} acts stand in the log twice"))
    if len(log.in_order(acts)) < len(by_id):
        found.append(Fault("act-parents", "", "acts follow each other in a circle"))
    found += _of_heads(acts, set(heads))
    if not any(act.kind == PROTOCOL for act in acts):
        found.append(Fault("protocol", "", "no protocol is recorded"))
    return found


def _of_one(act: Act) -> Iterator[Fault]:
    try:
        log.from_line(log.to_line(act))
    except InputError as error:
        yield Fault("act-hash", act.id, f"{_name(act)} {error.message}")
        return
    try:
        log.person(act.who)
        codec.check_text(act.why, "why")
        if not log.AT.fullmatch(act.at):
            raise InputError(f"{act.at!r} is no moment")
        subject = subject_of(act)
    except ReviewError as error:
        yield Fault("act-body", act.id, f"{_name(act)}: {error.message}")
        return
    if subject != act.subject:
        yield Fault("act-subject", act.id, f"{_name(act)} is about {codec.title(subject)}")


def subject_of(act: Act) -> str:
    """The subject that the body of an act gives; InputError where the body is none of its kind."""
    known = act.kind in codec.KINDS or act.kind in (PROTOCOL, FILE)
    if not known:
        raise InputError(f"no kind of data is named {act.kind!r}; written by a newer kmeta?")
    if act.retracts:
        if act.kind == PROTOCOL:
            raise InputError("a protocol cannot be taken away")
        return act.subject
    if act.kind == PROTOCOL:
        protocol_text(act)
        return PROTOCOL_SUBJECT
    if act.kind == FILE:
        file = file_of(act)
        return file_subject(file.sha256, file.name)
    return codec.dump_key(codec.key_of(codec.decode(act.kind, act.body)))


def _of_links(act: Act, by_id: dict[str, Act]) -> Iterator[Fault]:
    for parent in act.parents:
        if parent not in by_id:
            yield Fault("act-parents", act.id, f"{_name(act)} follows act {parent[:12]}, which is missing")
    for replaced in act.replaces:
        other = by_id.get(replaced)
        if other is None:
            yield Fault(
                "act-replaces", act.id, f"{_name(act)} replaces act {replaced[:12]}, which is missing"
            )
        elif (other.kind, other.subject) != (act.kind, act.subject):
            yield Fault("act-replaces", act.id, f"{_name(act)} replaces {_name(other)}, another thing")


def _of_heads(acts: list[Act], witnessed: set[str]) -> Iterator[Fault]:
    present = log.heads(acts)
    for lost in sorted(witnessed - present):
        if lost in {act.id for act in acts}:
            yield Fault("act-heads", lost, f"act {lost[:12]} is named as the last, but another follows it")
        else:
            yield Fault("act-heads", lost, f"act {lost[:12]} is named as the last, but is missing")
    for extra in sorted(present - witnessed):
        yield Fault("act-heads", extra, f"act {extra[:12]} is not named as the last, but none follows it")


def _name(act: Act) -> str:
    return f"act {act.id[:12]} ({act.who}, {act.kind} {codec.title(act.subject)})"
