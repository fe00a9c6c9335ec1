"""The data behind a figure of a synthesis: one row a line, pooled rows after them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kmeta.methods.synthesis.result import Line, Pool, Synthesis


def synthesis_rows(synthesis: Synthesis) -> list[Mapping[str, Any]]:
    """Studies, kept apart or pooled, then the pooled values and the published ones, on the scale people read."""
    out: list[Mapping[str, Any]] = []
    pools = [*synthesis.pools, *([synthesis.overall] if synthesis.overall else [])]
    for pool in pools:
        if pool is not synthesis.overall or not synthesis.pools:
            out += [_line(pool, "study", line) for line in pool.lines]
        out += [_line(pool, "not pooled", line) for line in pool.apart]
        if pool.fit:
            low, high = pool.fit.effect_ci
            out.append(_row(pool, "pooled", estimate=pool.fit.effect, ci_low=low, ci_high=high))
            low, high = pool.fit.effect_pi
            out.append(_row(pool, "prediction interval", ci_low=low, ci_high=high))
        for earlier in pool.published:
            out.append(
                _row(pool, f"published: {earlier.review}", estimate=earlier.estimate, source=earlier.source)
            )
    return out


def _row(pool: Pool, row: str, **values: Any) -> dict[str, Any]:
    keys = ("study", "arm", "year", "treatment", "control", "n", "n_control", "events", "estimate", "ci_low",
            "ci_high", "interval", "weight", "marks", "n_effective", "basis", "source", "location")  # fmt: skip
    return {"group": pool.name, "row": row, **dict.fromkeys(keys), **values}


def _line(pool: Pool, row: str, line: Line) -> dict[str, Any]:
    return _row(
        pool,
        row,
        study=line.label,
        arm=line.arm_id,
        year=line.year,
        treatment=line.treatment,
        control=line.control,
        n=line.n,
        n_control=line.n_control,
        events=line.events,
        estimate=line.estimate,
        ci_low=line.ci_low,
        ci_high=line.ci_high,
        interval=line.interval,
        weight=line.weight,
        marks=",".join(line.marks),
        n_effective=line.n_effective,
        basis=line.basis,
        source=line.source,
        location=line.location,
    )
