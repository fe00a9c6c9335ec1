"""Median survival times: listed by class, never pooled."""

from __future__ import annotations

from dataclasses import replace

from kmeta.methods.selection import DEFAULT, Policy, Row, select_medians
from kmeta.methods.synthesis.lines import in_order, labels, months_line
from kmeta.methods.synthesis.result import Line, Pool, Synthesis
from kmeta.methods.synthesis.wording import listed, plural
from kmeta.review.evidence import Evidence
from kmeta.review.protocol import Analysis, Protocol
from kmeta.review.study import CLASS_TITLES, TREATMENT_CLASSES

# What these rules leave out is not shown apart: it is outside the review.
_GONE = ("publication_year",)


def synthesise_medians(
    evidence: Evidence, protocol: Protocol, analysis: Analysis, policy: Policy = DEFAULT
) -> Synthesis:
    """List the survival times of `analysis` by class, in months, with medians that were not reached.

    Means, subgroups, other time origins and figures of selected patients stand apart, each with its reason, and are
    among the excluded as well. Nothing is pooled and nothing is dropped silently.
    """
    selection = select_medians(evidence, protocol, analysis, policy)
    named = labels(evidence)
    apart = [
        (row, months_line(row, named, analysis, why))
        for row, rule, why in selection.rows_excluded
        if rule not in _GONE
    ]
    lines = [(row, months_line(row, named, analysis)) for row in selection.kept]
    found = {row.pool for row, _ in [*lines, *apart]}
    wanted: tuple[str, ...] = analysis.classes or TREATMENT_CLASSES
    classes = [name for name in wanted if analysis.classes or name in found]
    return Synthesis(
        plan=analysis,
        measure="months",
        title=analysis.title or f"Median {' or '.join(analysis.outcomes)}",
        pools=tuple(_pool(name, _told(_of(name, lines), evidence), _of(name, apart)) for name in classes),
        excluded=selection.excluded,
        out_of_scope=selection.out_of_scope,
        model="Listed as printed, in months; nothing is pooled.",
        notes=(
            "A median that was not reached is no missing value: leaving it out would make survival look shorter.",
            "Medians of different classes are of different patients: differences are associations.",
        ),
        policy=policy,
    )


def _of(name: str, lines: list[tuple[Row, Line]]) -> tuple[Line, ...]:
    return in_order(line for row, line in lines if row.pool == name)


def _told(lines: tuple[Line, ...], evidence: Evidence) -> tuple[Line, ...]:
    """The lines, those that share patients with another of them saying so: nothing is pooled, so both are listed."""
    label = {line.study_id: line.label for line in lines}
    shared: dict[str, set[str]] = {}
    for pair in evidence.overlaps:
        if pair.strength != "possible" and pair.study_a in label and pair.study_b in label:
            shared.setdefault(pair.study_a, set()).add(label[pair.study_b])
            shared.setdefault(pair.study_b, set()).add(label[pair.study_a])
    return tuple(
        replace(line, remark="; ".join(filter(None, [line.remark, f"shares patients with {listed(names)}"])))
        if (names := sorted(shared.get(line.study_id, ())))
        else line
        for line in lines
    )


def _pool(name: str, lines: tuple[Line, ...], apart: tuple[Line, ...]) -> Pool:
    open_ended = sum("not reached" in line.remark and line.estimate != line.estimate for line in lines)
    said = [plural(len(lines), "value") + ", listed, not pooled"]
    if open_ended:
        said.append(f"{open_ended} not reached")
    return Pool(
        name=name,
        title=CLASS_TITLES[name],
        treatment_class=name,
        lines=lines,
        apart=apart,
        apart_title="Means, subgroups, selected patients and other time origins" if apart else "",
        remark="; ".join(said),
    )
