"""Everything a report says, before it has a shape: HTML, Word, tables and JSON are made from this alone."""

from __future__ import annotations

from dataclasses import dataclass

from kmeta.methods.strategy.table import StrategyTable
from kmeta.methods.synthesis.published import BesidePublished
from kmeta.methods.synthesis.result import Synthesis
from kmeta.review.evidence import Evidence
from kmeta.review.finding import Finding
from kmeta.review.flow import Flow
from kmeta.review.protocol import Protocol


@dataclass(frozen=True, kw_only=True)
class Contents:
    """The review as it stands; `state` is the hash of the acts it was computed from, `version` that of kmeta."""

    protocol: Protocol
    evidence: Evidence
    flow: Flow
    findings: tuple[Finding, ...]
    syntheses: tuple[Synthesis, ...]
    beside: tuple[BesidePublished, ...]
    strategy: StrategyTable
    not_built: tuple[str, ...]
    state: str
    version: str
