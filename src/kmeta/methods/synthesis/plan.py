"""The planned analyses, each by the method that its kind names."""

from __future__ import annotations

from typing import Protocol as Interface

from kmeta.core.registry import Registry
from kmeta.methods.selection import DEFAULT, Policy
from kmeta.methods.synthesis.comparisons import synthesise_comparisons
from kmeta.methods.synthesis.hazard_ratios import synthesise_hazard_ratios
from kmeta.methods.synthesis.medians import synthesise_medians
from kmeta.methods.synthesis.result import Synthesis
from kmeta.methods.synthesis.survival import synthesise_survival
from kmeta.review.evidence import Evidence
from kmeta.review.protocol import Analysis, Protocol


class Method(Interface):
    """What answers an analysis of one kind."""

    def __call__(
        self, evidence: Evidence, protocol: Protocol, analysis: Analysis, policy: Policy = DEFAULT
    ) -> Synthesis:
        """The analysis, done."""
        ...


SYNTHESES: Registry[Method] = Registry("kind of analysis", entry_point_group="kmeta.syntheses")
SYNTHESES.register("survival_at")(synthesise_survival)
SYNTHESES.register("hazard_ratio")(synthesise_hazard_ratios)
SYNTHESES.register("median")(synthesise_medians)
SYNTHESES.register("comparison")(synthesise_comparisons)


def synthesise(evidence: Evidence, protocol: Protocol, policy: Policy = DEFAULT) -> tuple[Synthesis, ...]:
    """Every analysis of the protocol, in its order.

    Raises InputError where an analysis is of an unknown kind, lacks its time, or names an unknown treatment.

    >>> synthesise(Evidence(), Protocol(title="An empty review"))
    ()
    """
    return tuple(SYNTHESES[plan.kind](evidence, protocol, plan, policy) for plan in protocol.analyses)
