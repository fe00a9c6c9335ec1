"""The review (database and files) <-> nouns; the only room that opens them.

Names are loaded when they are first asked for: importing this costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kmeta.project.acts import Act, Conflict, describe
    from kmeta.project.archiving import archive, restore, verify_archive
    from kmeta.project.copying import backup
    from kmeta.project.folder import is_project
    from kmeta.project.merging import Merged, merge
    from kmeta.project.project import Added, Project
    from kmeta.project.state import StoredFile
    from kmeta.project.template import protocol_template

_HOME = {
    "Act": "acts",
    "Added": "project",
    "Conflict": "acts",
    "Merged": "merging",
    "Project": "project",
    "StoredFile": "state",
    "archive": "archiving",
    "backup": "copying",
    "describe": "acts",
    "is_project": "folder",
    "merge": "merging",
    "protocol_template": "template",
    "restore": "archiving",
    "verify_archive": "archiving",
}

__all__ = [
    "Act", "Added", "Conflict", "Merged", "Project", "StoredFile", "archive", "backup",
    "describe", "is_project", "merge", "protocol_template", "restore", "verify_archive",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
