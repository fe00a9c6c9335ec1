"""What a review holds, what waits, and what to do next."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmeta.methods.checks import run_checks
from kmeta.review.finding import Finding
from kmeta.steps.not_built import not_built

if TYPE_CHECKING:
    from kmeta.project import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Counts of nouns, what waits (a sentence each), the next command, and what this version cannot do yet."""

    title: str
    counts: dict[str, int]
    waits: tuple[str, ...]
    next_step: str
    not_built: tuple[str, ...]


def status(project: Project) -> Status:
    """The state of `project`, from its present rows."""
    from kmeta.formats.protocol import read_protocol

    protocol = read_protocol(project.protocol_text)
    evidence = project.evidence()
    nouns = ("records", "decisions", "studies", "arms", "estimates", "comparisons", "overlaps", "criteria")
    counts = {noun: len(getattr(evidence, noun)) for noun in nouns}
    waits = _waits(project, run_checks(evidence), counts)
    if not counts["studies"]:
        next_step = "kmeta import FILES: studies, arms and what they report, as CSV"
    elif not protocol.analyses:
        next_step = "plan an analysis in review.toml ([[analysis]]), then kmeta run"
    elif not project.results():
        next_step = "kmeta run: the report is older than the evidence, or there is none"
    else:
        next_step = "kmeta serve: look at the review"
    return Status(
        title=protocol.title, counts=counts, waits=waits, next_step=next_step, not_built=not_built()
    )


def check(project: Project) -> tuple[Finding, ...]:
    """Every finding: first those on the project itself (chain, files, conflicts), then those on its evidence."""
    return (*project.check(), *run_checks(project.evidence()))


def _waits(project: Project, findings: tuple[Finding, ...], counts: dict[str, int]) -> tuple[str, ...]:
    lines = []
    conflicts = project.conflicts()
    if conflicts:
        lines.append(f"{len(conflicts)} conflicts between two versions to settle")
    for severity, n in sorted(Counter(finding.severity for finding in findings).items()):
        lines.append(f"{n} {severity}{'s' if n > 1 else ''} in the evidence: kmeta check --only {severity}")
    undecided = counts["records"] - len({d.record_id for d in project.evidence().decisions})
    if undecided > 0:
        lines.append(f"{undecided} records without a decision")
    return tuple(lines)
