"""The analyses, and one analysis with its figures, rows, model, and what it left out by which rule."""

from __future__ import annotations

import re
from typing import Any

from kmeta.methods.synthesis.result import Exclusion, Pool, Synthesis
from kmeta.web.errors import NotHere, nearest
from kmeta.web.files import report_files
from kmeta.web.inline import inline_svg
from kmeta.web.query import Query
from kmeta.web.reading import Reading
from kmeta.web.words import link


def view(reading: Reading, query: Query, key: str) -> dict[str, Any]:
    """Every analysis with its pooled results; planned ones without a result are named."""
    done = reading.synthesis
    return {
        "heading": "Analyses",
        "analyses": [
            {"name": s.name, "title": s.title, "kind": s.plan.kind, "model": s.model, "rows": _results(s)}
            for s in reading.contents.syntheses
        ],
        "planned": [plan for plan in reading.contents.protocol.analyses if plan.name not in done],
        "beside": len(reading.contents.beside),
        "figures": [{"name": name, "title": figure.title} for name, figure in _unclaimed(reading)],
    }


def one(reading: Reading, query: Query, key: str) -> dict[str, Any]:
    """One analysis."""
    synthesis = reading.synthesis.get(key)
    if synthesis is None:
        near = nearest(key, reading.synthesis)
        raise NotHere(
            f"There is no analysis called {key[:80]} in this review",
            near=[(link("/analyses", name), reading.synthesis[name].title) for name in near]
            or [("/analyses", "All analyses")],
        )
    pools = [*synthesis.pools, *([synthesis.overall] if synthesis.overall else [])]

    def alone(pool: Pool) -> bool:
        """Whether the pool of all pools is the only pool over again."""
        return pool is synthesis.overall and len(synthesis.pools) == 1

    studies = {line.study_id for pool in pools for line in (*pool.lines, *pool.apart)}
    return {
        "heading": synthesis.title,
        "synthesis": synthesis,
        "kind": synthesis.plan.kind,
        "level": synthesis.plan.level,
        "results": _results(synthesis),
        "pools": synthesis.pools,
        "overall": synthesis.overall,
        "sensitivity": [
            {"pool": pool, "rows": pool.sensitivity} for pool in pools if pool.sensitivity and not alone(pool)
        ],
        "excluded": by_rule(synthesis.excluded),
        "n_excluded": len(synthesis.excluded),
        "figures": [
            {"name": name, "title": figure.title, "alt": figure.alt}
            for name, figure in reading.loaded.figures.items()
            if owner(name, reading.synthesis) == synthesis.name
        ],
        "_drawn": {
            name: inline_svg(reading.drawn(name, "page").decode())
            for name in reading.loaded.figures
            if owner(name, reading.synthesis) == synthesis.name
        },
        "scripts": _scripts(reading, synthesis.name),
        "findings": [f for f in reading.contents.findings if studies & set(f.study_ids)][:12],
    }


def _results(synthesis: Synthesis) -> list[dict[str, Any]]:
    """The rows of the result, each with the name and the class of its pool; the last may be that of all pools."""
    pools = [*synthesis.pools, *([synthesis.overall] if synthesis.overall else [])]
    return [
        {
            **row,
            "pool": {"name": pool.name, "title": pool.title, "treatment_class": pool.treatment_class},
            "overall": number >= len(synthesis.pools),
        }
        for number, (pool, row) in enumerate(zip(pools, synthesis.rows(), strict=True))
    ]


def by_rule(excluded: tuple[Exclusion, ...]) -> list[dict[str, Any]]:
    """What was left out, by rule, in the order the rules first struck."""
    rules: dict[str, list[Exclusion]] = {}
    for out in excluded:
        rules.setdefault(out.rule, []).append(out)
    return [{"rule": rule, "rows": rows} for rule, rows in rules.items()]


def owner(figure: str, analyses: Any) -> str:
    """The analysis a figure or file is of: the longest name that stands whole in its name; "" where none does.

    >>> owner("forest-os-60", ["os", "os_60"]), owner("flow", ["os"])
    ('os_60', '')
    """
    within = _slug(figure)
    whole = [name for name in analyses if _slug(name) in within]
    return max(whole, key=len, default="")


def _slug(name: str) -> str:
    return "-" + re.sub(r"[^0-9a-z]+", "-", name.casefold()).strip("-") + "-"


def _unclaimed(reading: Reading) -> list[tuple[str, Any]]:
    return [(name, fig) for name, fig in reading.loaded.figures.items() if not owner(name, reading.synthesis)]


def _scripts(reading: Reading, name: str) -> list[str]:
    found = [file.name for file in report_files(reading.loaded.report) if file.name.endswith((".R", ".r"))]
    return [file for file in found if owner(file, reading.synthesis) in (name, "")]
