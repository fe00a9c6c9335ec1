"""Commands of the chain: demo, import, check, analyse, run, status."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kmeta.cli.face import bar, guarded, say, say_json, who

if TYPE_CHECKING:
    from kmeta.review.finding import Finding
    from kmeta.steps.write import Written

ProjectDir = Annotated[Path, typer.Option("--project", "-p", help="The review's folder (default: this one).")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, max=64, help="Processes to draw with (default: one a core).")
]


def add(app: typer.Typer) -> None:
    """Register this module's commands on `app`."""
    for command in (demo, import_, status, check, analyse, run):
        app.command(command.__name__.rstrip("_"))(guarded(command))


def demo(
    folder: Annotated[Path, typer.Argument(help="Where to put the example review.")] = Path("kmeta-demo"),
    serve: Annotated[
        bool | None, typer.Option("--serve/--no-serve", help="Show it in the browser when done.")
    ] = None,
    workers: Workers = None,
    json_: Json = False,
) -> None:
    """Put the example review into FOLDER, run it, open it."""
    from kmeta.steps.example import open_example
    from kmeta.steps.write import run as run_all

    project, fresh = open_example(folder)
    with project:
        written = run_all(project, who=who(), workers=workers, progress=bar)
    if json_:
        say_json(_written(written))
    else:
        say(
            f"The example review was put into {folder}."
            if fresh
            else f"The example review in {folder}, run again."
        )
        _tell(written)
    interactive = sys.stdin.isatty() and sys.stdout.isatty() and not json_
    if serve or (serve is None and interactive):
        from kmeta.cli.serve_command import serve as serve_project

        serve_project(folder, port=0)  # any free port: the demo never fails for a taken one


def import_(
    files: Annotated[list[Path], typer.Argument(help="CSV files, or a folder of them.")],
    project: ProjectDir = Path(),
    why: Annotated[str, typer.Option("--why", help="A sentence for the history.")] = "",
    reviewer: Annotated[
        str,
        typer.Option(
            "--reviewer", help="Whose decisions the labels of records are (else they are not kept)."
        ),
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check, save nothing.")] = False,
    json_: Json = False,
) -> None:
    """Read evidence and records from CSV files.

    Studies, arms, survival, comparisons, overlaps, published results, decision criteria and records; each file is
    recognised by its header. Every problem of every file is reported at once, and then nothing is saved.
    """
    from kmeta.project import Project
    from kmeta.project.inputs import read_inputs
    from kmeta.steps.importing import import_files

    with Project.open(project) as opened:
        done = import_files(opened, read_inputs(files), who=who(), why=why, dry_run=dry_run, progress=bar)
    if json_:
        say_json(done)
        return
    for noun, n in done.rows.items():
        say(f"{n:7,}  {noun}")
    say(
        "Nothing was saved (dry run)."
        if dry_run
        else f"{done.new} new, {done.replaced} replaced, {done.same} as before."
    )


def status(project: ProjectDir = Path(), json_: Json = False) -> None:
    """Say what the review holds and what to do next."""
    from kmeta.project import Project
    from kmeta.steps.status import status as status_of

    with Project.open(project) as opened:
        now = status_of(opened)
    if json_:
        say_json(now)
        return
    say(now.title)
    say("  " + ", ".join(f"{n:,} {noun}" for noun, n in now.counts.items()))
    for line in now.waits:
        say(f"  waits: {line}")
    say(f"  next:  {now.next_step}")
    say("Not built yet in this version:")
    for line in now.not_built:
        say(f"  {line}")


def check(
    project: ProjectDir = Path(),
    only: Annotated[str, typer.Option("--only", help="error, warning or note.")] = "",
    strict: bool = typer.Option(
        False, "--strict", help="Findings of severity error in the evidence fail too."
    ),
    json_: Json = False,
) -> None:
    """Check the evidence, the history and the files.

    Exit code 1 when the project itself is damaged, or with --strict when the evidence has an error.
    """
    from kmeta.project import Project
    from kmeta.steps.status import check as check_all

    with Project.open(project) as opened:
        own = opened.check()
        findings = check_all(opened)
    shown = [finding for finding in findings if only in ("", finding.severity)]
    if json_:
        say_json(shown)
    else:
        _list(shown)
    damaged = any(finding.severity == "error" for finding in own)
    if damaged or (strict and any(finding.severity == "error" for finding in findings)):
        raise SystemExit(1)


def analyse(
    name: Annotated[str, typer.Argument(help="Name of an analysis in review.toml (default: all).")] = "",
    project: ProjectDir = Path(),
    json_: Json = False,
) -> None:
    """Pool what review.toml plans; print the results."""
    from kmeta.core.errors import InputError
    from kmeta.project import Project
    from kmeta.steps.review import contents

    with Project.open(project) as opened:
        done = {synthesis.name: synthesis for synthesis in contents(opened, progress=bar).syntheses}
    if name and name not in done:
        raise InputError(
            f"no analysis is named {name!r}", where="review.toml", hint="there are " + ", ".join(done)
        )
    chosen = [done[name]] if name else list(done.values())
    if json_:
        say_json({synthesis.name: synthesis.rows() for synthesis in chosen})
        return
    for synthesis in chosen:
        say(f"\n{synthesis.title} ({synthesis.name})\n{synthesis.model}")
        say(synthesis.summary())


def run(project: ProjectDir = Path(), workers: Workers = None, json_: Json = False) -> None:
    """Run all derived steps, up to the report.

    Checks, analyses, the comparison with an earlier review, the strategy table, figures, report. The same review
    gives the same bytes. An edited review.toml is recorded in the history first.
    """
    from kmeta.project import Project
    from kmeta.steps.write import run as run_all

    with Project.open(project) as opened:
        written = run_all(opened, who=who(), workers=workers, progress=bar)
    if json_:
        say_json(_written(written))
    else:
        _tell(written)


def _written(written: Written) -> dict[str, Any]:
    return {"report": written.folder, "files": written.files, "state": written.contents.state}


def _tell(written: Written) -> None:
    now = written.contents
    evidence = now.evidence
    say(f"\n{now.protocol.title}")
    say(
        f"  {len(evidence.records)} records, {len(evidence.studies)} studies, {len(evidence.arms)} arms, "
        f"{len(evidence.estimates)} survival values, {len(evidence.comparisons)} comparisons, "
        f"{len(now.findings)} findings"
    )
    for synthesis in now.syntheses:
        if any(pool.fit for pool in synthesis.pools):
            say(f"\n{synthesis.title}")
            for line in _pool_lines(synthesis):
                say(line)
    say(f"\nReport:  {Path(written.folder) / 'report.html'}")
    say(f"Word:    {Path(written.folder) / 'report.docx'}")


def _pool_lines(synthesis: Any) -> list[str]:
    from kmeta.core.numbers import estimate, percent, ratio

    shape = percent if synthesis.plan.kind == "survival_at" else ratio
    unit = "%" if shape is percent else ""
    lines = []
    for pool in [*synthesis.pools, *([synthesis.overall] if synthesis.overall else [])]:
        if pool.fit is None:
            lines.append(f"  {pool.title:38} {pool.remark}")
            continue
        low, high = pool.fit.effect_ci
        value = estimate(shape(pool.fit.effect) + unit, shape(low), shape(high))
        lines.append(f"  {pool.title:38} {value:18} {pool.k:3} rows, {pool.n_patients:,} patients")
    return lines


def _list(findings: list[Finding]) -> None:
    from collections import Counter

    for finding in findings:
        say(f"{finding.severity:8} {finding.check}: {finding.where}: {finding.message}")
        if finding.hint:
            say(f"         {finding.hint}")
    counted = Counter(finding.severity for finding in findings)
    say(", ".join(f"{n} {severity}" for severity, n in counted.items()) or "Nothing found: all checks pass.")
