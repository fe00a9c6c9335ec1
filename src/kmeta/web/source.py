"""Where the app's contents come from: a project, by way of the steps."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from kmeta.web.reading import Loaded


def project_source(directory: Path) -> tuple[Callable[[], Loaded], Callable[[], str]]:
    """`load` and `state` for `create_app` on the project in `directory`; raises ProjectError where there is none."""
    from kmeta.steps.figures import figures
    from kmeta.steps.review import contents, open_project

    project = open_project(directory)
    pen = threading.Lock()

    def load() -> Loaded:
        with pen:
            whole = contents(project)
            return Loaded(
                contents=whole,
                figures=figures(whole),
                folder=directory.resolve().name,
                report=directory / "report",
            )

    def state() -> str:
        with pen:
            return project.state()

    return load, state
