"""The findings: what the checks say, most serious first, grouped by check."""

from __future__ import annotations

from collections import Counter
from typing import Any

from kmeta.web.errors import NotHere, nearest
from kmeta.web.query import Query, paged
from kmeta.web.reading import Reading
from kmeta.web.words import SEVERITIES, link, sentence

RANK = {name: rank for rank, name in enumerate(SEVERITIES)}


def view(reading: Reading, query: Query, key: str) -> dict[str, Any]:
    """One page of findings; `severity` and `check` choose among them."""
    severity, check = query.text("severity"), query.text("check")
    every = reading.contents.findings
    if severity and severity not in SEVERITIES:
        raise NotHere(
            f"No finding is called {severity}",
            near=[(link("/findings", severity=name), words[1]) for name, words in SEVERITIES.items()],
        )
    checks = Counter(f.check for f in every if not severity or f.severity == severity)
    if check and check not in {f.check for f in every}:
        names = nearest(check, sorted({f.check for f in every}))
        raise NotHere(
            f"No check called {check} has found anything",
            near=[(link("/findings", check=name), sentence(name)) for name in names],
        )
    chosen = [
        f for f in every if (not severity or f.severity == severity) and (not check or f.check == check)
    ]
    order = {name: n for n, name in enumerate(dict.fromkeys(f.check for f in every))}
    chosen.sort(key=lambda f: (RANK[f.severity], order[f.check]))
    of_severity = Counter(f.severity for f in every if not check or f.check == check)
    return {
        "heading": "Findings",
        "severity": severity,
        "check": check,
        "n_all": len(every),
        "n_holding": sum(f.severity == "error" for f in every),
        "severities": [{"key": name, "n": of_severity[name]} for name in SEVERITIES],
        "n_of_check": sum(of_severity.values()),
        "checks": [{"key": name, "n": checks[name]} for name in order if checks[name] or name == check],
        "n_of_severity": sum(checks.values()),
        "list": paged(chosen, query),
    }
