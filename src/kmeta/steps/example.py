"""The example review that ships inside the package: neuroendocrine liver metastases."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from kmeta.core.errors import ProjectError
from kmeta.formats.protocol import read_protocol

if TYPE_CHECKING:
    from os import PathLike

    from kmeta.project import Project

EXAMPLES = ("nelm",)


def open_example(root: str | PathLike[str], name: str = "nelm") -> tuple[Project, bool]:
    """The example as a project at `root`, and whether it was put there now (False: it stood there already).

    Raises ProjectError when `root` holds another review or anything else.
    """
    from kmeta.project import Project, is_project, restore

    with as_file(files("kmeta") / "examples" / name) as archive:
        if not is_project(root):
            return restore(archive, root), True
        project = Project.open(root)
        ours = read_protocol((archive / "review.toml").read_text(encoding="utf-8")).example
    if read_protocol(project.protocol_text).example != ours:
        project.close()
        raise ProjectError(
            "this folder holds another review",
            where=str(root),
            hint="name an empty folder: kmeta demo my-demo",
        )
    return project, False
