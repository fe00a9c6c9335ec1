"""Where the app's contents come from: a project, by way of the steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kmeta.web.reading import Loaded


def project_source(directory: Path) -> tuple[Callable[[], Loaded], Callable[[], str]]:
    """`load` and `state` for `create_app` on the project in `directory`.

    The project is opened for each call: requests come from several threads, and nothing stays open at the end.
    Both raise ProjectError where there is no project, and InputError where its protocol has a fault.
    """
    from kmeta.core.canonical import sha256
    from kmeta.project import Project
    from kmeta.steps.figures import figures
    from kmeta.steps.review import contents

    def load() -> Loaded:
        with Project.open(directory) as project:
            whole = contents(project)
        name = directory.resolve().name
        return Loaded(contents=whole, figures=figures(whole), folder=name, report=directory / "report")

    def state() -> str:
        with Project.open(directory) as project:
            return f"{project.state()}:{sha256(project.protocol_text)}"

    return load, state
