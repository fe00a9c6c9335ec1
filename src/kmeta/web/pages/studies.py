"""The studies, and one study with every value printed of it."""

from __future__ import annotations

from typing import Any

from kmeta.review.flow import Box
from kmeta.review.study import CLASS_TITLES, Overlap
from kmeta.web.errors import NotHere, nearest
from kmeta.web.pages.home import box_studies
from kmeta.web.query import Query, paged
from kmeta.web.reading import Reading
from kmeta.web.words import class_key, link


def view(reading: Reading, query: Query, key: str) -> dict[str, Any]:
    """One page of the studies; `class` keeps those with an arm of it, `box` those that a box of the flow counts."""
    asked = query.text("class")
    chosen = class_key(asked)
    if asked and not chosen:
        raise NotHere(
            f"There is no treatment class called {asked}",
            near=[(link("/studies", **{"class": name}), CLASS_TITLES[name]) for name in CLASS_TITLES],
        )
    box = _box(reading, query.text("box"))
    among = set(box_studies(box)) if box else None
    words = query.words("q")
    rows, of_class = [], dict.fromkeys(CLASS_TITLES, 0)
    for study in reading.contents.evidence.studies:
        arms = reading.arms.get(study.study_id, [])
        if among is not None and study.study_id not in among:
            continue
        classes = [name for name in CLASS_TITLES if any(arm.treatment_class == name for arm in arms)]
        text = " ".join(
            [study.study_id, study.first_author, str(study.year or ""), study.design, study.country]
        )
        text = " ".join([text, *(arm.treatment for arm in arms)]).casefold()
        if not all(word in text for word in words):
            continue
        for name in classes:
            of_class[name] += 1
        if chosen and chosen not in classes:
            continue
        rows.append(
            {
                "study": study,
                "label": study.label,
                "randomised": study.randomised,
                "classes": classes,
                "n_arms": len(arms),
                "n_estimates": len(reading.estimates.get(study.study_id, ())),
                "n_comparisons": len(reading.comparisons.get(study.study_id, ())),
                "n_findings": len(reading.findings.get(study.study_id, ())),
            }
        )
    return {
        "heading": "Studies",
        "chosen": chosen,
        "box": box.key if box else "",
        "box_title": box.title if box else "",
        "q": query.text("q"),
        "classes": [{"key": name, "n": n} for name, n in of_class.items() if n],
        "list": paged(rows, query),
    }


def _box(reading: Reading, key: str) -> Box | None:
    if not key:
        return None
    box = reading.contents.flow.box(key)
    if box is None or not box_studies(box):
        raise NotHere(f"No box of the flow called {key} counts studies", near=[("/studies", "All studies")])
    return box


def one(reading: Reading, query: Query, key: str) -> dict[str, Any]:
    """One study: what is known of it, its arms with their values, comparisons, findings, and where it is used."""
    study = reading.study(key)
    if study is None:
        raise NotHere(f"There is no study called {key[:80]} in this review", near=_near(reading, key))
    estimates = reading.estimates.get(key, [])
    return {
        "heading": study.label,
        "study": study,
        "randomised": study.randomised,
        "arms": [
            {"arm": arm, "values": [value for value in estimates if value.arm_id == arm.arm_id]}
            for arm in reading.arms.get(key, [])
        ],
        "comparisons": reading.comparisons.get(key, []),
        "findings": reading.findings.get(key, []),
        "shares": [_shared(reading, overlap, key) for overlap in _overlaps(reading, key)],
        "used": [_used(use) for use in reading.uses.get(key, [])],
        "left_out": [
            {"analysis": synthesis.name, "title": synthesis.title, "out": out}
            for synthesis, out in reading.left_out.get(key, [])
        ],
    }


def _near(reading: Reading, key: str) -> list[tuple[str, str]]:
    studies = reading.contents.evidence.study
    return [(link("/studies", name), f"{name}, {studies[name].label}") for name in nearest(key, studies)]


def _overlaps(reading: Reading, key: str) -> list[Overlap]:
    return [pair for pair in reading.contents.evidence.overlaps if key in (pair.study_a, pair.study_b)]


def _shared(reading: Reading, pair: Overlap, key: str) -> dict[str, Any]:
    other = pair.study_b if pair.study_a == key else pair.study_a
    known = reading.study(other)
    return {
        "study_id": other,
        "label": known.label if known else other,
        "known": known is not None,
        "strength": pair.strength,
        "reason": pair.reason,
    }


def _used(use: Any) -> dict[str, Any]:
    return {
        "analysis": use.synthesis.name,
        "title": use.synthesis.title,
        "kind": use.synthesis.plan.kind,
        "pool": use.pool.title,
        "line": use.line,
        "pooled": use.line.pooled,
    }
