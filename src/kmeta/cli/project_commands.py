"""Commands on a review as a whole: made, copied, united, looked back on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kmeta.cli import face

ProjectOption = Annotated[
    Path, typer.Option("--project", "-p", help="The review's folder.", show_default="this folder")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
WhyOption = Annotated[str, typer.Option("--why", help="The reason, kept with the act.")]

HERE = Path()


def add(app: typer.Typer) -> None:
    """Register this module's commands on `app`."""
    for command in (new, amend, archive, restore, merge, backup, history):
        app.command(command.__name__)(face.guarded(command))


def new(
    folder: Annotated[Path, typer.Argument(help="A folder that is new or empty.")],
    title: Annotated[str, typer.Option(help="Title of the review.")] = "",
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    """Begin a review: a folder with a protocol to fill in."""
    from kmeta.project import Project, protocol_template

    text = protocol_template(title)
    if not dry_run:
        Project.create(folder, text, who=face.who()).close()
    if json_:
        face.say_json({"project": str(folder), "dry_run": dry_run})
    else:
        face.say(f"{_did('Made', dry_run)} the review {folder}")
        face.say(
            f"  next: write the protocol in {folder / 'review.toml'}, then `kmeta amend --why ...` in the folder"
        )


def amend(
    project: ProjectOption = HERE,
    why: WhyOption = "",
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    """Record an edited review.toml, with the reason.

    The protocol as it stands becomes an amendment in the history, with your name.
    """
    from kmeta.project import Project

    with Project.open(project) as review:
        changed = review.protocol_text != review.recorded_protocol
        if changed and not dry_run:
            changed = review.record_protocol(who=face.who(), why=why)
    if json_:
        face.say_json({"amended": changed, "dry_run": dry_run})
    elif changed:
        face.say(f"{_did('Recorded', dry_run)} the protocol as it stands in review.toml")
    else:
        face.say("The protocol is recorded as it stands in review.toml")


def archive(
    folder: Annotated[
        Path, typer.Argument(help="Where the archive goes: new, empty, or an older archive of it.")
    ],
    project: ProjectOption = HERE,
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    """Write the whole review as readable text.

    It can be compared, deposited and put under git; `kmeta restore` gives back an equal review.
    """
    from kmeta.project import Project
    from kmeta.project import archive as write

    with Project.open(project) as review, face.bar("Archiving"):
        names = write(review, folder, dry_run=dry_run)
        state = review.state()
    if json_:
        face.say_json({"archive": str(folder), "state": state, "files": names, "dry_run": dry_run})
    else:
        face.say(f"{_did('Archived', dry_run)} the review in {len(names)} files: {folder}")


def restore(
    archive: Annotated[Path, typer.Argument(help="The folder of an archive.")],
    folder: Annotated[Path, typer.Argument(help="Where the review goes: new or empty.")],
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    """Make a review of an archive, all verified."""
    from kmeta.project import restore as read
    from kmeta.project import verify_archive

    with face.bar("Restoring"):
        if dry_run:
            acts, state = verify_archive(archive)
        else:
            with read(archive, folder) as review:
                acts, state = len(review.acts()), review.state()
    if json_:
        face.say_json({"project": str(folder), "acts": acts, "state": state, "dry_run": dry_run})
    else:
        face.say(f"{_did('Restored', dry_run)} the review with its {acts:,} acts: {folder}")


def merge(
    other: Annotated[Path, typer.Argument(help="The folder of another copy of this review.")],
    project: ProjectOption = HERE,
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    """Unite this copy with one worked on apart.

    The result is the union of what both did; the other copy is only read.
    """
    from kmeta.project import Project
    from kmeta.project import merge as unite

    with Project.open(project) as review, face.bar("Merging"):
        merged = unite(review, other, dry_run=dry_run)
    if json_:
        conflicts = [{"kind": c.kind, "subject": c.subject, "acts": c.acts} for c in merged.conflicts]
        counts = {"new_acts": merged.new_acts, "files": merged.files}
        face.say_json({**counts, "conflicts": conflicts, "dry_run": dry_run})
        return
    face.say(f"{_did('Took over', dry_run)} {merged.new_acts:,} acts and {merged.files:,} files from {other}")
    if merged.conflicts:
        face.say(f"{len(merged.conflicts)} to settle between people:")
    for conflict in merged.conflicts:
        face.say(f"  {conflict}")


def backup(
    target: Annotated[Path, typer.Argument(help="Where the copy goes: new or empty.")],
    project: ProjectOption = HERE,
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    """Copy the review while others work in it.

    The copy is a review itself.
    """
    from kmeta.project import Project
    from kmeta.project import backup as copy

    with Project.open(project) as review, face.bar("Copying"):
        if not dry_run:
            copy(review, target)
        state = review.state()
    if json_:
        face.say_json({"backup": str(target), "state": state, "dry_run": dry_run})
    else:
        face.say(f"{_did('Copied', dry_run)} the review: {target}")


def history(
    project: ProjectOption = HERE,
    who: Annotated[str, typer.Option(help="Only what this person did.")] = "",
    kind: Annotated[str, typer.Option(help="Only acts on this kind of data (study, decision, ...).")] = "",
    last: Annotated[int, typer.Option(min=0, help="Only the last so many; 0 for all.")] = 50,
    json_: JsonOption = False,
) -> None:
    """Say who did what, when and why."""
    from kmeta.project import Project, describe

    with Project.open(project) as review:
        acts = [act for act in review.acts() if who in ("", act.who) and kind in ("", act.kind)]
    shown = acts[-last:] if last else acts
    if json_:
        face.say_json(shown)
        return
    if len(shown) < len(acts):
        face.say(f"... {len(acts) - len(shown):,} earlier acts; --last 0 shows all")
    for act in shown:
        face.say(describe(act))


def _did(word: str, dry_run: bool) -> str:
    return f"Dry run, nothing was done: {word.lower()}" if dry_run else word
