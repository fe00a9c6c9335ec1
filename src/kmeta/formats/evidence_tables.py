"""The tables of evidence: their columns, and one row of each as one noun and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, get_args

from kmeta.formats.cells import Cells, number_text, shown
from kmeta.formats.nearest import nearest, outcome_fault
from kmeta.review.estimate import Comparison, Criterion, Estimate, EstimateKind, PublishedResult
from kmeta.review.record import Record
from kmeta.review.study import TREATMENT_CLASSES, Arm, Overlap, OverlapStrength, Study

MAX_MONTHS = 1200.0
YEARS = (1800, 2200)
KINDS: tuple[str, ...] = get_args(EstimateKind)
STRENGTHS: tuple[str, ...] = get_args(OverlapStrength)
MEASURES = ("HR", "logrank_p", "cox_p", "RMST_difference", "OR", "RR", "RD")
# A difference or ratio of restricted means to a time: RMST_difference_24m.
_RMST = re.compile(r"RMST_(?:difference|ratio)(?:_\d+m)?")
RATIOS = ("HR", "OR", "RR")
_LABEL = "candidate; duplicate report of X; exclude: reason"


@dataclass(frozen=True, slots=True)
class Table:
    """A kind of CSV: its columns, those that may be absent, where its nouns stand in Evidence, reader and writer."""

    title: str
    columns: tuple[str, ...]
    optional: tuple[str, ...]
    field: str
    read: Callable[[Cells], Any]
    write: Callable[[Any], dict[str, str]]


def _year(cells: Cells, column: str = "year") -> int | None:
    return cells.whole(column, low=YEARS[0], high=YEARS[1])


def _period(cells: Cells, column: str) -> str:
    value = cells.text(column).strip()
    if value and not re.fullmatch(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?", value):
        cells.fault(column, f"{shown(value)} is not a date", "YYYY, YYYY-MM or YYYY-MM-DD")
    return value


def _study(cells: Cells) -> Study:
    start, end = _period(cells, "period_start"), _period(cells, "period_end")
    if start and end and not cells.faults and start[: len(end)] > end[: len(start)]:
        cells.fault("period_end", f"{end} is before period_start, {start}")
    return Study(
        study_id=cells.key("study_id"),
        first_author=cells.text("first_author"),
        year=_year(cells),
        pmid=cells.text("pmid"),
        doi=cells.text("doi"),
        country=cells.text("country"),
        design=cells.text("design"),
        period_start=start,
        period_end=end,
        n_total=cells.whole("n_total"),
        note=cells.text("source_note"),
    )


def _arm(cells: Cells) -> Arm:
    return Arm(
        study_id=cells.key("study_id"),
        arm_id=cells.key("arm_id"),
        treatment_class=cells.choice("treatment_class", TREATMENT_CLASSES),  # type: ignore[arg-type]
        treatment=cells.text("treatment"),
        n=cells.whole("n"),
        population=cells.text("population"),
        primary_site=cells.text("primary_site"),
        residual=cells.text("residual"),
        source=cells.text("source"),
        location=cells.text("quote_location"),
        subgroup_of=cells.key("subgroup_of", required=False),
    )


def _outcome(cells: Cells) -> str:
    outcome = cells.key("outcome")
    if outcome and (hint := outcome_fault(outcome)):
        cells.fault("outcome", f"{shown(outcome)} is not known", hint)
    return outcome


_PROBABILITY = ("survival", "ci_low", "ci_high")
_MONTHS = ("median_months", "median_ci_low", "median_ci_high")


def _survival(cells: Cells) -> Estimate:
    kind = cells.choice("kind", KINDS)
    ours, theirs = (_PROBABILITY, _MONTHS) if kind == "probability" else (_MONTHS, _PROBABILITY)
    for column in theirs if kind else ():
        if cells.text(column).strip():
            cells.fault(column, f"is filled in a row of kind {kind}", f"a {kind} stands in {ours[0]}")
    value, low, high = (cells.number(column) for column in ours)
    time = cells.number("time_months")
    if kind:
        _check_range(cells, kind, ours, (value, low, high))
        _check_time(cells, kind, time)
        _check_interval(cells, ours, value, low, high)
        if value is None and not cells.text("flag").strip() and not cells.text(ours[0]).strip():
            cells.fault(
                ours[0], "is empty", "fill it, or say in flag why not (median_not_reached, not printed)"
            )
    return Estimate(
        study_id=cells.key("study_id"),
        arm_id=cells.key("arm_id"),
        outcome=_outcome(cells),
        kind=kind,  # type: ignore[arg-type]
        value=value,
        time_months=time,
        ci_low=low,
        ci_high=high,
        n_risk=cells.whole("n_at_risk"),
        time_origin=cells.key("time_origin", required=False) or "not stated",
        derived=cells.flag("derived"),
        flag=cells.text("flag"),
        source=cells.text("source"),
        location=cells.text("quote_location"),
        second_hand=cells.flag("second_hand"),
    )


def _check_range(cells: Cells, kind: str, columns: tuple[str, ...], values: tuple[float | None, ...]) -> None:
    for column, value in zip(columns, values, strict=True):
        if value is None:
            continue
        if kind == "probability" and not 0 <= value <= 1:
            hint = f"{value:g} % is written {value / 100:.6g}" if 1 < value <= 100 else ""
            cells.fault(column, f"{value:g} is outside 0 to 1", hint)
        elif value < 0:
            cells.fault(column, f"{value:g} months is negative")
        elif value > MAX_MONTHS:
            cells.fault(
                column, f"{value:g} months is over {MAX_MONTHS:g}", "days or weeks? Times are in months"
            )


def _check_time(cells: Cells, kind: str, time: float | None) -> None:
    if time is None:
        if kind in ("probability", "rmst") and not cells.text("time_months").strip():
            words = "the time it is restricted to" if kind == "rmst" else "its time"
            cells.fault("time_months", "is empty", f"a {kind} needs {words}, in months")
        return
    if kind in ("median", "mean"):
        cells.fault("time_months", f"is filled in a row of kind {kind}", f"a {kind} stands in median_months")
    elif time < 0:
        cells.fault("time_months", f"{time:g} months is negative")
    elif time > MAX_MONTHS:
        cells.fault(
            "time_months", f"{time:g} months is over {MAX_MONTHS:g}", "days or weeks? Times are in months"
        )


def _check_interval(
    cells: Cells, columns: tuple[str, ...], value: float | None, low: float | None, high: float | None
) -> None:
    if low is not None and high is not None and low > high:
        cells.fault(columns[1], f"{low:g} is above {columns[2]}, {high:g}", "exchange them, or look again")
    elif value is not None and ((low is not None and value < low) or (high is not None and value > high)):
        limits = f"{'–' if low is None else f'{low:g}'} to {'–' if high is None else f'{high:g}'}"
        cells.fault(columns[0], f"{value:g} is not inside its interval, {limits}", "look again at the source")


def _comparison(cells: Cells) -> Comparison:
    measure = cells.key("measure")
    near = nearest(measure, MEASURES, cutoff=0.85)
    if measure and near and measure not in MEASURES and not _RMST.fullmatch(measure):
        cells.fault("measure", f"{shown(measure)} is not known", f'did you mean "{near}"?')
    columns = ("estimate", "ci_low", "ci_high")
    value, low, high = (cells.number(column) for column in columns)
    for column, number in zip(columns, (value, low, high), strict=True):
        limit_at_0 = column == "ci_low" and number == 0
        if measure in RATIOS and number is not None and number <= 0 and not limit_at_0:
            cells.fault(
                column, f"{number:g}: a ratio is above 0", "is it a log ratio? Write the ratio itself"
            )
    _check_interval(cells, columns, value, low, high)
    arm_a, arm_b = cells.key("arm_a"), cells.key("arm_b")
    if arm_a and arm_a == arm_b:
        cells.fault("arm_b", f"the same arm as arm_a, {shown(arm_a)}")
    level = cells.number("level")
    if level is not None and not 0.5 <= level < 1:
        cells.fault("level", f"{level:g} is not a level as 0.95")
    return Comparison(
        study_id=cells.key("study_id"),
        arm_a=arm_a,
        arm_b=arm_b,
        outcome=_outcome(cells),
        measure=measure,
        estimate=value,
        ci_low=low,
        ci_high=high,
        p_value=_p_value(cells),
        level=0.95 if level is None else level,
        adjustment=cells.text("adjustment"),
        derived=cells.flag("derived"),
        flag=cells.text("flag"),
        source=cells.text("source"),
        location=cells.text("quote_location"),
        second_hand=cells.flag("second_hand"),
    )


def _p_value(cells: Cells) -> str:
    """As printed; where it holds a number, that must be a probability with a point."""
    text = cells.text("p_value")
    if re.search(r"\d,\d", text):
        cells.fault("p_value", f"{shown(text)}: decimal comma", "use a point")
    number = re.fullmatch(r"\s*[<>=≤≥]?\s*(\d*\.?\d+(?:[eE][+-]?\d{1,3})?)\s*", text[:40])
    if number and float(number[1]) > 1:
        cells.fault("p_value", f"{text.strip()} is above 1")
    return text


def _overlap(cells: Cells) -> Overlap:
    study_a, study_b = cells.key("study_a"), cells.key("study_b")
    if study_a and study_a == study_b:
        cells.fault("study_b", f"{shown(study_b)} cannot overlap with itself")
    return Overlap(
        study_a=study_a,
        study_b=study_b,
        strength=cells.choice("strength", STRENGTHS),  # type: ignore[arg-type]
        reason=cells.text("reason"),
    )


def _published(cells: Cells) -> PublishedResult:
    low, high = cells.number("ci_low"), cells.number("ci_high")
    _check_interval(cells, ("estimate", "ci_low", "ci_high"), None, low, high)
    return PublishedResult(
        review=cells.key("review"),
        question=cells.text("question"),
        measure=cells.text("measure"),
        estimate=cells.text("estimate"),
        n_studies=cells.whole("n_studies"),
        n_patients=cells.whole("n_patients"),
        ci_low=low,
        ci_high=high,
        model=cells.text("model"),
        source=cells.text("source"),
        note=cells.text("note"),
    )


def _criterion(cells: Cells) -> Criterion:
    for column in ("patient_state", "option", "criterion"):
        if not cells.text(column).strip():
            cells.fault(column, "is empty", "every row needs it")
    return Criterion(
        patient_state=cells.text("patient_state"),
        option=cells.text("option"),
        criterion=cells.text("criterion"),
        value=cells.text("value"),
        source=cells.text("source"),
        status=cells.text("status"),
    )


def _record(cells: Cells) -> Record:
    label = cells.text("label").strip()
    if label and not re.fullmatch(r"candidate|duplicate report of \S.*|exclude: *\S.*", label, re.DOTALL):
        cells.fault("label", f"{shown(label)} is not known", _LABEL)
    authors = tuple(name for name in (part.strip() for part in cells.text("authors").split(";")) if name)
    return Record(
        record_id=cells.key("record_id"),
        title=cells.text("title"),
        authors=authors,
        journal=cells.text("journal"),
        year=_year(cells),
        volume=cells.text("volume"),
        issue=cells.text("issue"),
        pages=cells.text("pages"),
        doi=cells.text("doi"),
        pmid=cells.text("pmid"),
        pmcid=cells.text("pmcid"),
        record_type=cells.text("record_type"),
        abstract=cells.text("abstract"),
        source=cells.text("seen_at"),
        duplicate_of=cells.key("duplicate_of", required=False),
    )


# --- writers: one noun to the cells of one row --------------------------------------------------------------------

# Column of the file -> field of the noun, where they are not spelt alike.
_RENAMED = {"quote_location": "location", "source_note": "note", "n_at_risk": "n_risk", "seen_at": "source"}


def _same_names(columns: Sequence[str]) -> Callable[[Any], dict[str, str]]:
    def write(noun: Any) -> dict[str, str]:
        return {column: _cell(getattr(noun, _RENAMED.get(column, column), None)) for column in columns}

    return write


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, tuple):
        return "; ".join(value)
    return value if isinstance(value, str) else number_text(value)


def _write_survival(noun: Estimate) -> dict[str, str]:
    columns = [column for column in _SURVIVAL if column not in (*_PROBABILITY, *_MONTHS)]
    cells = _same_names((*columns, "second_hand"))(noun)
    ours = _PROBABILITY if noun.kind == "probability" else _MONTHS
    values = map(number_text, (noun.value, noun.ci_low, noun.ci_high))
    return {**cells, **dict(zip(ours, values, strict=True))}


def _columns(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_STUDIES = _columns(
    "study_id first_author year pmid doi country design period_start period_end n_total source_note"
)
_ARMS = _columns(
    "study_id arm_id treatment_class treatment n population primary_site residual source quote_location"
)
_SURVIVAL = _columns(
    "study_id arm_id outcome kind time_months survival ci_low ci_high n_at_risk median_months median_ci_low "
    "median_ci_high time_origin derived flag source quote_location"
)
_COMPARISONS = _columns(
    "study_id arm_a arm_b outcome measure estimate ci_low ci_high p_value adjustment derived flag source "
    "quote_location"
)
_OVERLAPS = _columns("study_a study_b strength reason")
_PUBLISHED = _columns(
    "review n_studies n_patients question measure estimate ci_low ci_high model source note"
)
_CRITERIA = _columns("patient_state option criterion value source status")
_RECORDS = _columns(
    "record_id title authors journal year volume issue pages doi pmid pmcid record_type label seen_at"
)


def _table(
    title: str, columns: tuple[str, ...], optional: str, fields: str, read: Callable[[Cells], Any]
) -> Table:
    more = _columns(optional)
    write = _write_survival if columns is _SURVIVAL else _same_names((*columns, *more))
    return Table(title, columns, more, fields, read, write)


TABLES: Mapping[str, Table] = MappingProxyType(
    {
        "studies": _table("studies", _STUDIES, "", "studies", _study),
        "arms": _table("arms", _ARMS, "subgroup_of", "arms", _arm),
        "survival": _table("survival", _SURVIVAL, "second_hand", "estimates", _survival),
        "comparisons": _table("comparisons", _COMPARISONS, "level second_hand", "comparisons", _comparison),
        "overlaps": _table("overlaps", _OVERLAPS, "", "overlaps", _overlap),
        "published": _table("published results", _PUBLISHED, "", "published", _published),
        "criteria": _table("decision criteria", _CRITERIA, "", "criteria", _criterion),
        "records": _table("records", _RECORDS, "abstract duplicate_of", "records", _record),
    }
)
