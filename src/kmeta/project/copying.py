"""A backup: the project as it stands at one moment, copied while people may be at work in it."""

from __future__ import annotations

from pathlib import Path

from kmeta.core.canonical import sha256
from kmeta.core.errors import StoreError
from kmeta.project import disk
from kmeta.project.acts import FILE
from kmeta.project.folder import DATABASE, FILES, PROTOCOL_FILE, new_folder
from kmeta.project.project import Project
from kmeta.project.state import file_of
from kmeta.project.store import Store


def backup(project: Project, target: Path | str) -> Path:
    """Copy the project into `target` (new or empty), which is then a project itself; derived files are left out.

    Raises ProjectError where something is there, StoreError where the disk refuses or a file is damaged.
    """
    target = Path(target)
    with new_folder(target) as made:
        # The database first: a file is kept before the act that names it, so all it names are there.
        project.store.copy_to(made / DATABASE)
        disk.write_tree(made, {PROTOCOL_FILE: project.protocol_text.encode()})
        with disk.told(made, "making the backup"):
            (made / FILES).mkdir()
        copy = Store.open(made / DATABASE)
        try:
            with copy.reading() as connection:
                acts = [act for act in copy.acts(connection) if act.kind == FILE and not act.retracts]
        finally:
            copy.close()
        for digest in sorted({file_of(act).sha256 for act in acts}):
            data = project.read_file(digest)
            if sha256(data) != digest:
                raise StoreError("changed while it was read", where=str(project.blob(digest)))
            disk.write_tree(made, {f"{FILES}/{digest}": data})
    return target
