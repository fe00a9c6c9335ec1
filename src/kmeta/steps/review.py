"""The review as it stands: from the project's present rows to everything a report or a page says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmeta import __version__
from kmeta.core.progress import Progress, silent
from kmeta.formats.protocol import read_protocol
from kmeta.methods.checks import run_checks
from kmeta.methods.flow import prisma_flow
from kmeta.methods.strategy import strategy_table
from kmeta.methods.synthesis import beside_published, synthesise
from kmeta.report.contents import Contents
from kmeta.steps.not_built import not_built

if TYPE_CHECKING:
    from kmeta.project import Project


def contents(project: Project, *, progress: Progress = silent) -> Contents:
    """Check, synthesise, compare and tabulate what `project` holds; nothing is written.

    Raises FormatError when review.toml cannot be read. The same acts give the same contents.
    """
    with progress("Reading the review", 3) as tick:
        protocol = read_protocol(project.protocol_text)
        tick()
        evidence = project.evidence()
        tick()
        flow = prisma_flow(evidence)
        tick()
    with progress("Checking the evidence", 1) as tick:
        findings = run_checks(evidence)
        tick()
    with progress("Pooling", len(protocol.analyses)) as tick:
        syntheses = synthesise(evidence, protocol)
        tick(len(protocol.analyses))
    with progress("Comparing and tabulating", 2) as tick:
        beside = beside_published(evidence, protocol, syntheses)
        tick()
        strategy = strategy_table(evidence, protocol, syntheses, beside)
        tick()
    return Contents(
        protocol=protocol,
        evidence=evidence,
        flow=flow,
        findings=findings,
        syntheses=syntheses,
        beside=beside,
        strategy=strategy,
        not_built=not_built(),
        state=project.state(),
        version=__version__,
    )
