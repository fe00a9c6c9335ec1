"""Whether a project is what its people made it: the database, the log, the files and the protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from kmeta.core.errors import ReviewError
from kmeta.project.acts import FILE, Act
from kmeta.project.state import StoredFile, file_of
from kmeta.project.verify import faults
from kmeta.review.codec import title
from kmeta.review.finding import Finding

if TYPE_CHECKING:
    from kmeta.project.project import Project

_RESTORE = "keep this folder as it is, and restore the newest backup or archive into a new one"


def check(project: Project) -> list[Finding]:
    """Every fault, the grave ones first."""
    found: list[Finding] = []
    for part in (_database, _log, _files, _protocol, _conflicts):
        found += _guarded(part, project)
    order = {"error": 0, "warning": 1, "note": 2}
    return sorted(found, key=lambda finding: (order[finding.severity], finding.check, finding.where))


def _guarded(part: Callable[[Project], Iterator[Finding]], project: Project) -> Iterator[Finding]:
    """The findings of a part; where it cannot even be read, that is the finding."""
    try:
        yield from part(project)
    except ReviewError as error:
        yield _error(part.__name__.strip("_"), error.where, error.message, error.hint or _RESTORE)


def _error(check: str, where: str, message: str, hint: str = _RESTORE) -> Finding:
    return Finding(check=check, where=where, message=message, hint=hint, severity="error")


def _database(project: Project) -> Iterator[Finding]:
    store = project.store
    with store.reading() as connection:
        damage, schema = store.integrity(connection), store.schema(connection)
    for line in damage:
        yield _error("database", store.path.name, line)
    expected = store.expected_schema()
    for name in sorted(expected.keys() | schema.keys()):
        if name not in schema:
            yield _error("schema", store.path.name, f"{name} is missing")
        elif name not in expected:
            yield _error("schema", store.path.name, f"{name} does not belong here")
        elif schema[name] != expected[name]:
            yield _error("schema", store.path.name, f"{name} was changed")


def _log(project: Project) -> Iterator[Finding]:
    store = project.store
    with store.reading() as connection:
        acts, heads = store.acts(connection), store.heads(connection)
        broken, replaced = store.broken_links(connection), store.replaced(connection)
        sealed = store.results_are_sealed(connection)
    for fault in faults(acts, heads):
        yield _error(fault.check, fault.act_id[:12] or store.path.name, fault.message)
    for seq in broken:
        yield _error("act-order", f"row {seq}", "a row of the log was moved, lost or put in before this one")
    said = {act_id for act in acts for act_id in act.replaces}
    for act_id in sorted(said ^ replaced):
        words = (
            "is replaced by another, but still counted"
            if act_id in said
            else "is left out, but none replaces it"
        )
        yield _error("act-replaced", act_id[:12], f"act {act_id[:12]} {words}")
    if not sealed:
        yield _error("results", store.path.name, "the derived results were changed", "run `kmeta run` again")


def _files(project: Project) -> Iterator[Finding]:
    with project.store.reading() as connection:
        acts = [act for act in project.store.acts(connection) if act.kind == FILE and not act.retracts]
    wanted = {file.sha256: file for file in filter(None, map(_file, acts))}
    for digest, file in sorted(wanted.items()):
        try:
            size = len(project.read_file(digest))
        except ReviewError as error:
            yield _error(
                "file", f"files/{digest[:12]}", f"{file.name}: {error.message}", error.hint or _RESTORE
            )
            continue
        if size != file.size:
            yield _error("file", f"files/{digest[:12]}", f"{file.name}: {size} bytes; {file.size} were added")
    folder = project.blob("0" * 64).parent
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name not in wanted:
            yield Finding(
                check="file",
                where=f"files/{path.name}",
                message="no act names this file",
                hint="left by an import that was stopped; it may be deleted",
                severity="note",
            )


def _file(act: Act) -> StoredFile | None:
    try:
        return file_of(act)
    except ReviewError:
        return None  # told with the log


def _protocol(project: Project) -> Iterator[Finding]:
    if project.protocol_text != project.recorded_protocol:
        yield Finding(
            check="protocol",
            where="review.toml",
            message="was edited since the protocol was last recorded",
            hint="`kmeta amend --why REASON` records it as an amendment",
            severity="note",
        )


def _conflicts(project: Project) -> Iterator[Finding]:
    for conflict in project.conflicts():
        last = conflict.acts[-1]
        yield Finding(
            check="conflict",
            where=title(conflict.subject),
            message=f"different things are said of one {conflict.kind}: {_who(conflict.acts)}",
            hint="settle it by saying what holds",
            effect=f"until then the latest is read, that of {last.who} at {last.at}",
            severity="warning",
        )


def _who(acts: tuple[Act, ...]) -> str:
    return ", ".join(f"{act.who} at {act.at}" for act in acts)
