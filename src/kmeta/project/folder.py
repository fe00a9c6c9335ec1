"""The folder of a project: what lies in it, how a new one comes to be all at once, and what to say where none is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kmeta.core.errors import ProjectError
from kmeta.project import disk
from kmeta.project.acts import Act, live
from kmeta.project.state import protocol_of
from kmeta.project.store import Store

PROTOCOL_FILE, DATABASE, FILES, REPORT = "review.toml", "review.db", "files", "report"
MAX_PROTOCOL = 1_000_000
MAX_FILE = 1_000_000_000


@contextmanager
def new_folder(root: Path) -> Iterator[Path]:
    """A folder in the making, which becomes `root` when the block ends well; `root` must be absent or empty."""
    with disk.told(root, "looking at the folder"):
        if root.exists() and not (root.is_dir() and not any(root.iterdir())):
            raise ProjectError(
                "there is something here already", where=str(root), hint="name a folder that is new or empty"
            )
        if root.exists() and root.resolve() == Path.cwd():
            raise ProjectError(
                "the folder one stands in cannot become a project",
                where=str(root),
                hint="go one folder up and name it from there",
            )
        root.parent.mkdir(parents=True, exist_ok=True)
    disk.clear_old(root)
    with disk.scratch(root) as made:
        yield made
        disk.place(made, root)


def build(folder: Path, acts: Sequence[Act]) -> None:
    """Put a project of these acts (parents first; its files are put by the caller) into an empty folder."""
    with disk.told(folder, "making the project"):
        (folder / FILES).mkdir(exist_ok=True)
    disk.write_file(folder / PROTOCOL_FILE, protocol_of(live(acts), folder).encode())
    store = Store.create(folder / DATABASE)
    try:
        with store.writing() as connection:
            store.append(connection, acts)
    finally:
        # Closing writes the log back into the one file, which can then be renamed with its folder.
        store.close()
    with disk.told(folder, "making the project"):
        handle = os.open(folder / DATABASE, os.O_RDWR)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        disk.fsync_folder(folder / FILES)
        disk.fsync_folder(folder)


def is_project(root: Path | str) -> bool:
    """Whether a review's database stands in `root`."""
    return (Path(root) / DATABASE).is_file()


def no_project(root: Path) -> ProjectError:
    """The error for a folder that is no project; its hint names one nearby."""
    if not root.exists():
        return ProjectError("there is no such folder", where=str(root), hint=f"kmeta new {root}")
    near = [folder for folder in _near(root) if (folder / DATABASE).is_file()]
    if near:
        return ProjectError("is not a review", where=str(root), hint=f"did you mean {near[0]}?")
    if (root / PROTOCOL_FILE).is_file():
        hint = f"it has no {DATABASE}; if this is an archive, `kmeta restore` makes a project of it"
        return ProjectError("is not a review", where=str(root), hint=hint)
    return ProjectError(
        "is not a review", where=str(root), hint="`kmeta new DIR` makes one, `kmeta demo` an example"
    )


def _near(root: Path) -> Iterator[Path]:
    if not root.is_dir():
        yield root.parent
        return
    yield root.resolve().parent
    try:
        children = sorted(child for child in root.iterdir() if child.is_dir())
    except OSError:
        children = []
    yield from children[:200]
