"""The tables as CSV files, for machines and spreadsheets: raw numbers, one thing a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kmeta.formats.cells import number_text, write_rows
from kmeta.methods.synthesis.result import Line, Pool, Synthesis
from kmeta.report.contents import Contents
from kmeta.report.document import legal
from kmeta.report.pooled import all_pools
from kmeta.report.sections.direct import between_classes
from kmeta.report.sections.sources import texts_read
from kmeta.report.values import fit_numbers

Rows = Iterable[dict[str, Any]]

# file name -> (columns, what gives the rows)
TABLES: dict[str, tuple[tuple[str, ...], Callable[[Contents], Rows]]] = {}


def table(name: str, *columns: str) -> Callable[[Callable[[Contents], Rows]], Callable[[Contents], Rows]]:
    """Make a function the writer of `tables/<name>`."""

    def keep(rows: Callable[[Contents], Rows]) -> Callable[[Contents], Rows]:
        TABLES[name] = (columns, rows)
        return rows

    return keep


def to_tables(contents: Contents) -> dict[str, bytes]:
    """Every table: file name -> UTF-8 with LF at the end of lines."""
    return {name: to_csv(columns, rows(contents)) for name, (columns, rows) in TABLES.items()}


def to_csv(columns: tuple[str, ...], rows: Rows) -> bytes:
    """A CSV file as all of kmeta writes them: cells that a spreadsheet would run as a formula are guarded."""
    return write_rows(columns, ([cell(row[column]) for column in columns] for row in rows))


def cell(value: Any) -> str:
    """One value as text: shortest numbers, empty for what is missing.

    >>> cell(0.74), cell(None), cell(float("nan")), cell(-1.5), cell(True)
    ('0.74', '', '', '-1.5', 'true')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return "" if value != value else number_text(value)
    return legal(str(value))


_POOL = ("analysis", "pool", "title", "treatment_class", "k", "studies", "patients")
_FIT = [
    "effect",
    "ci_low",
    "ci_high",
    "pi_low",
    "pi_high",
    "tau2",
    "tau2_low",
    "tau2_high",
    "i2",
    "q",
    "q_df",
    "q_p",
    "p_value",
    "level",
]
_LINE = [
    "analysis",
    "pool",
    "study_id",
    "arm_id",
    "label",
    "year",
    "treatment",
    "control",
    "n",
    "n_control",
    "events",
    "estimate",
    "ci_low",
    "ci_high",
    "yi",
    "vi",
    "interval",
    "n_effective",
    "basis",
    "weight",
    "pooled",
    "marks",
    "remark",
    "source",
    "location",
    "second_hand",
]


@table(
    "studies.csv",
    "study_id",
    "label",
    "year",
    "country",
    "design",
    "randomised",
    "period_start",
    "period_end",
    "n_total",
    "doi",
    "pmid",
    "note",
)
def _studies(contents: Contents) -> Iterator[dict[str, Any]]:
    for study in contents.evidence.studies:
        names = ("study_id", "label", "year", "country", "design", "randomised", "period_start", "period_end")
        yield {name: getattr(study, name) for name in (*names, "n_total", "doi", "pmid", "note")}


@table(
    "arms.csv",
    "study_id",
    "arm_id",
    "label",
    "treatment_class",
    "treatment",
    "n",
    "population",
    "primary_site",
    "residual",
    "subgroup_of",
    "source",
    "location",
)
def _arms(contents: Contents) -> Iterator[dict[str, Any]]:
    for arm in contents.evidence.arms:
        names = ("study_id", "arm_id", "treatment_class", "treatment", "n", "population", "primary_site")
        study = contents.evidence.study.get(arm.study_id)
        rest = {n: getattr(arm, n) for n in (*names, "residual", "subgroup_of", "source", "location")}
        yield {**rest, "label": study.label if study else arm.study_id}


@table(
    "values-all.csv",
    "study_id",
    "arm_id",
    "outcome",
    "kind",
    "time_months",
    "value",
    "ci_low",
    "ci_high",
    "n_risk",
    "time_origin",
    "derived",
    "flag",
    "second_hand",
    "source",
    "location",
)
def _estimates(contents: Contents) -> Iterator[dict[str, Any]]:
    names = "study_id arm_id outcome kind time_months value ci_low ci_high n_risk time_origin derived flag"
    for estimate in contents.evidence.estimates:
        yield {n: getattr(estimate, n) for n in (*names.split(), "second_hand", "source", "location")}


@table("values.csv", *_LINE)
def _survival(contents: Contents) -> Iterator[dict[str, Any]]:
    return _lines(contents, "survival_at")


@table("hazard-ratios.csv", *_LINE)
def _ratios(contents: Contents) -> Iterator[dict[str, Any]]:
    return _lines(contents, "hazard_ratio")


@table("medians.csv", *_LINE)
def _medians(contents: Contents) -> Iterator[dict[str, Any]]:
    return _lines(contents, "median")


def _lines(contents: Contents, kind: str) -> Iterator[dict[str, Any]]:
    for synthesis in contents.syntheses:
        if synthesis.plan.kind == kind:
            for pool in synthesis.pools:
                for line in (*pool.lines, *pool.apart):
                    yield _line(synthesis, pool, line)


def _line(synthesis: Synthesis, pool: Pool, line: Line) -> dict[str, Any]:
    named = {n: getattr(line, n) for n in _LINE if n not in ("analysis", "pool", "marks")}
    return {**named, "analysis": synthesis.name, "pool": pool.name, "marks": "".join(line.marks)}


@table("excluded.csv", "analysis", "study_id", "arm_id", "treatment_class", "estimate", "rule", "reason")
def _excluded(contents: Contents) -> Iterator[dict[str, Any]]:
    names = ("study_id", "arm_id", "treatment_class", "estimate", "rule", "reason")
    for synthesis in contents.syntheses:
        for exclusion in synthesis.excluded:
            yield {"analysis": synthesis.name, **{n: getattr(exclusion, n) for n in names}}


@table("pooled.csv", *_POOL, "measure", *_FIT, "remark")
def _pooled(contents: Contents) -> Iterator[dict[str, Any]]:
    for synthesis in contents.syntheses:
        for pool in all_pools(synthesis):
            yield {
                **_head(synthesis, pool),
                "measure": synthesis.measure,
                "remark": pool.remark,
                **dict.fromkeys(_FIT),
                **fit_numbers(pool.fit),
            }


def _head(synthesis: Synthesis, pool: Pool) -> dict[str, Any]:
    return {
        "analysis": synthesis.name,
        "pool": pool.name,
        "title": pool.title,
        "treatment_class": pool.treatment_class,
        "k": pool.k,
        "studies": pool.k_studies,
        "patients": pool.n_patients,
    }


@table("sensitivity.csv", "analysis", "pool", "rule", "reason", "k", "patients", *_FIT)
def _sensitivity(contents: Contents) -> Iterator[dict[str, Any]]:
    for synthesis in contents.syntheses:
        for pool in all_pools(synthesis):
            for other in pool.sensitivity:
                yield {
                    "analysis": synthesis.name,
                    "pool": pool.name,
                    "rule": other.label,
                    "reason": other.reason,
                    "k": other.k,
                    "patients": other.n_patients,
                    **dict.fromkeys(_FIT),
                    **fit_numbers(other.fit),
                }


_COMPARISON = [
    "study_id",
    "arm_a",
    "arm_b",
    "outcome",
    "measure",
    "estimate",
    "ci_low",
    "ci_high",
    "p_value",
    "level",
    "adjustment",
    "derived",
    "flag",
    "second_hand",
    "source",
    "location",
]


@table("comparisons.csv", *_COMPARISON)
def _comparisons(contents: Contents) -> Iterator[dict[str, Any]]:
    for comparison in contents.evidence.comparisons:
        yield {name: getattr(comparison, name) for name in _COMPARISON}


@table("direct-comparisons.csv", "class_a", "class_b", *_COMPARISON)
def _direct(contents: Contents) -> Iterator[dict[str, Any]]:
    arms = contents.evidence.arm
    for c in between_classes(contents.evidence):
        classes = [arms[c.study_id, arm].treatment_class for arm in (c.arm_a, c.arm_b)]
        named = {name: getattr(c, name) for name in _COMPARISON}
        yield {**named, "class_a": classes[0], "class_b": classes[1]}


@table(
    "beside-published.csv",
    "analysis",
    "title",
    "treatment_class",
    "ours",
    "ci_low",
    "ci_high",
    "pi_low",
    "pi_high",
    "review",
    "question",
    "published",
    "published_patients",
    "difference",
    "inside_ci",
    "inside_pi",
    "reasons",
    "source",
    "note",
)
def _beside(contents: Contents) -> Iterator[dict[str, Any]]:
    for line in contents.beside:
        ours = fit_numbers(line.pool.fit if line.pool else None)
        yield {
            "analysis": line.analysis,
            "title": line.title,
            "treatment_class": line.treatment_class,
            "ours": ours.get("effect"),
            **{name: ours.get(name) for name in ("ci_low", "ci_high", "pi_low", "pi_high")},
            "review": line.published.review,
            "question": line.published.question,
            "published": line.published.estimate,
            "published_patients": line.published.n_patients,
            "difference": line.difference,
            "inside_ci": line.published_inside_ci,
            "inside_pi": line.published_inside_pi,
            "reasons": " | ".join(line.reasons),
            "source": line.published.source,
            "note": line.published.note,
        }


@table(
    "strategy.csv",
    "patient_state",
    "option",
    "class",
    "criteria",
    "rests_on",
    "effect",
    "notes",
    "comparisons",
    "gaps",
)
def _strategy(contents: Contents) -> Rows:
    return contents.strategy.rows()


@table("findings.csv", "severity", "check", "where", "message", "effect", "hint", "study_ids")
def _findings(contents: Contents) -> Iterator[dict[str, Any]]:
    for finding in contents.findings:
        names = ("severity", "check", "where", "message", "effect", "hint")
        yield {**{n: getattr(finding, n) for n in names}, "study_ids": " ".join(finding.study_ids)}


@table("flow.csv", "box", "title", "part", "n")
def _flow(contents: Contents) -> Iterator[dict[str, Any]]:
    for box in contents.flow.boxes:
        yield {"box": box.key, "title": box.title, "part": "", "n": box.n}
        for part in box.parts:
            yield {"box": box.key, "title": box.title, "part": part.label, "n": part.n}


@table("sources.csv", "source", "studies", "values", "second_hand")
def _sources(contents: Contents) -> Iterator[dict[str, Any]]:
    for source, studies, values, second in texts_read(contents):
        yield {"source": source, "studies": studies, "values": values, "second_hand": second}
