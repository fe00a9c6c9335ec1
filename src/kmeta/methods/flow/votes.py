"""Votes on records -> what a stage decided on each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from kmeta.review.record import Decision, Stage

_NOT_RETRIEVED = re.compile(
    r"\b(not (retriev|obtain|available|access|found)|no full[ -]?text|unavailable|could not be (retriev|obtain))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one stage decided on one record; `waiting` where votes differ and no majority settles them."""

    state: Literal["kept", "excluded", "waiting"]
    reason: str = ""

    @property
    def not_retrieved(self) -> bool:
        """Whether the reason for exclusion says that the report could not be had."""
        return self.state == "excluded" and bool(_NOT_RETRIEVED.search(self.reason))


def outcomes(decisions: Iterable[Decision], stage: Stage) -> dict[str, Outcome]:
    """record_id -> outcome of `stage`, for the records that have a vote in it.

    A reviewer's last vote counts. Include and unsure keep a record, exclude takes it out; where reviewers differ the
    majority decides and a tie waits. The reason is that of the first reviewer who excluded and gave one.
    """
    last: dict[str, dict[str, Decision]] = {}
    for decision in decisions:
        if decision.stage == stage:
            last.setdefault(decision.record_id, {})[decision.reviewer] = decision
    return {record_id: _outcome(tuple(votes.values())) for record_id, votes in last.items()}


def _outcome(votes: tuple[Decision, ...]) -> Outcome:
    against = [vote for vote in votes if vote.vote == "exclude"]
    if 2 * len(against) == len(votes):
        return Outcome("waiting")
    if 2 * len(against) < len(votes):
        return Outcome("kept")
    return Outcome("excluded", next((vote.reason for vote in against if vote.reason), ""))
