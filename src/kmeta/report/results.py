"""results.json: everything the report says, for machines; its schema is in docs/reference/results-json.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kmeta.core.canonical import plain, pretty_json
from kmeta.methods.meta.random_effects import MetaFit
from kmeta.methods.synthesis.result import Pool, Synthesis
from kmeta.report.contents import Contents
from kmeta.report.document import Document, Picture, Table, plain_text
from kmeta.report.figures import FigureLike
from kmeta.report.values import Values, fit_numbers

FORMAT = "kmeta-results"
FORMAT_VERSION = 1
_EVIDENCE = ("studies", "arms", "estimates", "comparisons", "overlaps", "published", "criteria")


def to_results(
    contents: Contents, document: Document, values: Values, figures: Mapping[str, FigureLike]
) -> bytes:
    """The file. Keys stand in a fixed order; a missing number is null."""
    numbers = document.numbers()
    return pretty_json(
        {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "kmeta": contents.version,
            "state": contents.state,
            "protocol": plain(contents.protocol),
            "flow": plain(contents.flow),
            "analyses": [_synthesis(synthesis) for synthesis in contents.syntheses],
            "beside": [_beside(contents, i) for i in range(len(contents.beside))],
            "strategy": plain(contents.strategy.table),
            "findings": plain(contents.findings),
            "not_built": list(contents.not_built),
            "evidence": {name: plain(getattr(contents.evidence, name)) for name in _EVIDENCE},
            "values": {key: values.known[key] for key in sorted(values.known)},
            "sentences": _sentences(document, numbers),
            "tables": [
                {"key": b.key, "number": numbers[b.key], "file": f"tables/{b.csv}" if b.csv else None}
                for b in document.blocks
                if isinstance(b, Table)
            ],
            "figures": [
                {"name": b.name, "number": numbers[b.key], "title": f.title, "alt": f.alt}
                for b in document.blocks
                if isinstance(b, Picture)
                for f in [figures[b.name]]
            ],
        }
    ).encode("utf-8", "replace")


def _synthesis(synthesis: Synthesis) -> dict[str, Any]:
    return {
        "name": synthesis.name,
        "title": synthesis.title,
        "kind": synthesis.plan.kind,
        "measure": synthesis.measure,
        "model": synthesis.model,
        "notes": list(synthesis.notes),
        "plan": plain(synthesis.plan),
        "pools": [_pool(pool) for pool in synthesis.pools],
        "overall": _pool(synthesis.overall) if synthesis.overall else None,
        "direct": [_pool(pool) for pool in synthesis.direct],
        "subgroup_test": plain(synthesis.subgroup_test),
        "excluded": plain(synthesis.excluded),
        "out_of_scope": plain(synthesis.out_of_scope),
    }


def _pool(pool: Pool) -> dict[str, Any]:
    return {
        "name": pool.name,
        "title": pool.title,
        "treatment_class": pool.treatment_class,
        "k": pool.k,
        "studies": pool.k_studies,
        "patients": pool.n_patients,
        "fit": _fit(pool.fit),
        "remark": pool.remark,
        "lines": plain(pool.lines),
        "apart_title": pool.apart_title,
        "apart": plain(pool.apart),
        "sensitivity": [
            {
                "label": other.label,
                "reason": other.reason,
                "k": other.k,
                "patients": other.n_patients,
                "fit": _fit(other.fit),
            }
            for other in pool.sensitivity
        ],
        "published": plain(pool.published),
    }


def _fit(fit: MetaFit | None) -> dict[str, Any] | None:
    """What tables print, on the scale people read, and the model on the analysis scale."""
    if fit is None:
        return None
    return {**fit_numbers(fit), "model": fit.to_dict()}


def _beside(contents: Contents, i: int) -> dict[str, Any]:
    line = contents.beside[i]
    return {
        "analysis": line.analysis,
        "title": line.title,
        "treatment_class": line.treatment_class,
        "pool": line.pool.name if line.pool else None,
        "published": plain(line.published),
        "difference": line.difference,
        "published_inside_ci": line.published_inside_ci,
        "published_inside_pi": line.published_inside_pi,
        "reasons": list(line.reasons),
    }


def _sentences(document: Document, numbers: dict[str, str]) -> list[dict[str, Any]]:
    """Each sentence or group of sentences with the ids of the numbers in it."""
    return [
        {
            "id": key,
            "text": plain_text(told, numbers),
            "results": list(dict.fromkeys(result for run in told for result in run.results)),
        }
        for key, told in document.sentences()
    ]
