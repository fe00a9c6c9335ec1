"""Where checks are kept, and how all of them are run."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

from kmeta.core.registry import Registry
from kmeta.review.evidence import Evidence
from kmeta.review.finding import Finding

Check = Callable[[Evidence], list[Finding]]
CHECKS: Registry[Check] = Registry("check", entry_point_group="kmeta.checks")
_RANK = {"error": 0, "warning": 1, "note": 2}


def order(finding: Finding) -> tuple[object, ...]:
    """Errors first, then warnings and notes; within them by study, place and check."""
    return _RANK[finding.severity], finding.study_ids, finding.where, finding.check, finding.message


def run_checks(evidence: Evidence) -> tuple[Finding, ...]:
    """What every check finds, built in or of another package, in the order of `order`.

    >>> run_checks(Evidence())
    ()
    """
    names = set(CHECKS) | {point.name for point in entry_points(group=CHECKS.group)}
    found = [finding for name in sorted(names) for finding in CHECKS[name](evidence)]
    return tuple(sorted(found, key=order))
