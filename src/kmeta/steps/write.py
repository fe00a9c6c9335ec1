"""The report: figures drawn, pages and tables written, the old report replaced as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmeta.core.progress import Progress, silent
from kmeta.report import render
from kmeta.report.contents import Contents
from kmeta.steps.figures import draw_all
from kmeta.steps.review import contents
from kmeta.steps.work import executor

if TYPE_CHECKING:
    from kmeta.project import Project


@dataclass(frozen=True, kw_only=True)
class Written:
    """What `run` made: where the report is, its files with their sizes, and what it was made from."""

    folder: str
    files: dict[str, int]
    contents: Contents


def run(project: Project, *, who: str, workers: int | None = None, progress: Progress = silent) -> Written:
    """All derived steps, in order: checks, synthesis, comparison, strategy, figures, report.

    An edited review.toml is recorded first, signed by `who`. May be run at any time; the same acts give the same
    bytes whatever the number of `workers`.
    """
    project.record_protocol(who=who, why="review.toml as it stood when everything was run")
    # The workers start first: they load the plotting library while this process pools.
    with executor(workers) as pool:
        now = contents(project, progress=progress)
        drawn = draw_all(now, pool=pool, progress=progress)
    with progress("Writing the report", 2) as tick:
        files = render(now, drawn)
        tick()
        folder = project.write_report(files)
        results = {synthesis.name: synthesis.to_dict() for synthesis in now.syntheses}
        project.save_results({"report": sorted(files), **results}, state=now.state)
        tick()
    sizes = {name: len(data) for name, data in sorted(files.items())}
    return Written(folder=str(folder), files=sizes, contents=now)
