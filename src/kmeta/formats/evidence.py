"""Evidence as CSV <-> nouns: studies, arms, survival, comparisons, overlaps, published results, criteria, records.

A file is known by its header, not by its name; columns may stand in any order and all of a table's columns have to be
there (empty cells are fine). What the columns hold:

studies            study_id (key), first_author, year, pmid, doi, country, design, period_start, period_end (YYYY,
                   YYYY-MM or YYYY-MM-DD), n_total, source_note
arms               study_id, arm_id (key together), treatment_class, treatment, n, population, primary_site, residual,
                   source, quote_location; optional subgroup_of
survival           study_id, arm_id, outcome, kind (probability, median, mean, rmst), time_months, survival (0-1) with
                   ci_low, ci_high for probabilities, n_at_risk, median_months with median_ci_low, median_ci_high for
                   medians, means and restricted means, time_origin, derived (0 or 1), flag, source, quote_location;
                   optional second_hand (0 or 1)
comparisons        study_id, arm_a, arm_b, outcome, measure, estimate, ci_low, ci_high, p_value (text), adjustment,
                   derived, flag, source, quote_location; optional level (0.95), second_hand
overlaps           study_a, study_b, strength (certain, likely, possible), reason
published results  review, n_studies, n_patients, question, measure, estimate, ci_low, ci_high, model, source, note
criteria           patient_state, option, criterion, value, source, status
records            record_id (key), title, authors (semicolons between), journal, year, volume, issue, pages, doi, pmid,
                   pmcid, record_type, label (candidate; duplicate report of X; exclude: reason), seen_at;
                   optional abstract, duplicate_of

`subgroup_of` and `second_hand` are taken from the words by the rules of `formats/structure.py` where their column is
absent; where it is there, the column decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeVar, get_args

from kmeta.core.errors import FormatError, InputError, Problem, Problems
from kmeta.formats.cells import Cells, Row, number_text, read_rows, shown, write_rows
from kmeta.formats.nearest import did_you_mean, nearest, outcome_fault
from kmeta.formats.structure import is_second_hand, notes_by_study, studies_per_source, with_subgroups
from kmeta.review.estimate import Comparison, Criterion, Estimate, EstimateKind, PublishedResult
from kmeta.review.evidence import Evidence
from kmeta.review.record import Decision, Record
from kmeta.review.study import TREATMENT_CLASSES, Arm, Overlap, OverlapStrength, Study

Noun = Study | Arm | Estimate | Comparison | Overlap | PublishedResult | Criterion | Record
Key = tuple[str, ...]
N = TypeVar("N")

MAX_MONTHS = 1200.0
YEARS = (1800, 2200)
KINDS: tuple[str, ...] = get_args(EstimateKind)
STRENGTHS: tuple[str, ...] = get_args(OverlapStrength)
MEASURES = ("HR", "logrank_p", "cox_p", "RMST_difference_24m", "OR", "RR", "RD")
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


@dataclass
class _File:
    """One file of an import on its way to nouns."""

    name: str
    problems: Problems
    table: Table | None = None
    header: tuple[str, ...] = ()
    columns_fit: bool = False
    rows: list[Row] = field(default_factory=list)
    nouns: list[tuple[Row, Any]] = field(default_factory=list)


def read_evidence(data: bytes, *, name: str, known: Evidence | None = None) -> tuple[Noun, ...]:
    """The nouns of one CSV file; its keys must be those of `known` or its own.

    Raises FormatError with every problem of the file (file:line and column); then nothing was read.

    >>> read_evidence(b"study_a,study_b,strength,reason\\na,b,possible,\\n", name="o.csv",
    ...     known=Evidence(studies=(Study(study_id="a"), Study(study_id="b"))))[0].strength
    'possible'
    """
    file = _opened(name, data)
    _read_all([file], known or Evidence())
    return tuple(noun for _, noun in file.nouns)


def read_evidence_folder(
    files: Mapping[str, bytes], *, known: Evidence | None = None, reviewer: str = ""
) -> Evidence:
    """Several files as one import, keys resolved across them and `known`; only what is new is returned.

    `reviewer` is the name that the labels of records get as decisions; without it labels are read and not kept.
    Files are read in the order of their names; raises FormatError with every problem of every file.
    """
    if not files:
        raise InputError("no files to read", hint="name at least one CSV file")
    opened = [_opened(name, files[name]) for name in sorted(files)]
    _read_all(opened, known or Evidence())
    made: dict[str, tuple[Any, ...]] = {}
    for file in opened:
        if file.table:
            made[file.table.field] = made.get(file.table.field, ()) + tuple(noun for _, noun in file.nouns)
    decisions = [each for file in opened for each in _decisions(file, reviewer)] if reviewer else []
    return Evidence(**made, decisions=tuple(decisions))


def read_records_csv(
    data: bytes, *, name: str, reviewer: str
) -> tuple[tuple[Record, ...], tuple[Decision, ...]]:
    """Records, and their labels as decisions at title and abstract by `reviewer` (the name of an example).

    candidate: include. duplicate report of X: include, for it is a further report of a study, with that note.
    exclude: reason: exclude for that reason. An empty label is no decision.
    """
    if not reviewer.strip():
        raise InputError(
            "reviewer is empty", hint="labels become decisions under a name, as that of an example"
        )
    file = _opened(name, data)
    if file.table and file.table.field != "records":
        file.problems.add("1", f"holds {file.table.title}, not records")
    _read_all([file], Evidence())
    return tuple(noun for _, noun in file.nouns), tuple(_decisions(file, reviewer))


def write_evidence_csv(kind: str, nouns: Iterable[Noun]) -> bytes:
    """`nouns` as the CSV table `kind` (a key of TABLES); `read_evidence` gives equal nouns back.

    >>> write_evidence_csv("overlaps", [Overlap(study_a="a", study_b="b", strength="likely", reason="=1+1")])
    b"study_a,study_b,strength,reason\\na,b,likely,'=1+1\\n"
    """
    if kind not in TABLES:
        raise InputError(f"no table is named {shown(kind)}", hint=did_you_mean(kind, TABLES))
    table = TABLES[kind]
    header = table.columns + table.optional
    return write_rows(
        header, [[cells.get(column, "") for column in header] for cells in map(table.write, nouns)]
    )


def table_of(header: Sequence[str]) -> Table | None:
    """The table whose columns `header` has most of: at least half of them; None where there is no such table."""
    scores = {
        title: len(set(table.columns) & set(header)) / len(table.columns) for title, table in TABLES.items()
    }
    best = max(scores, key=lambda title: scores[title])
    tied = [title for title, score in scores.items() if score == scores[best]]
    return TABLES[best] if scores[best] >= 0.5 and len(tied) == 1 else None


def _opened(name: str, data: bytes) -> _File:
    file = _File(name, Problems(name))
    file.header, file.rows = read_rows(data, file.problems)
    if not file.header:
        return file
    file.table = table_of(file.header)
    if file.table is None:
        kinds = "; ".join(f"{table.title}: {', '.join(table.columns[:4])}, ..." for table in TABLES.values())
        file.problems.add(
            "1", f"no table of evidence has these columns: {shown(', '.join(file.header))}", kinds
        )
        return file
    file.columns_fit = _check_columns(file, file.table)
    if not file.rows and not file.problems:
        file.problems.add("1", "a header and no rows")
    return file


def _check_columns(file: _File, table: Table) -> bool:
    allowed = (*table.columns, *table.optional)
    missing = [column for column in table.columns if column not in file.header]
    extra = [column for column in file.header if column not in allowed]
    for column in missing:
        near = nearest(column, extra)
        hint = (
            f'did you mean this by "{near}"?'
            if near
            else f"columns of {table.title}: {', '.join(table.columns)}"
        )
        file.problems.add("1", f"column {column} is missing", hint)
    for column in extra:
        near = nearest(column, missing or allowed)
        hint = (
            f'did you mean "{near}"?'
            if near
            else "take it out, or move what it says into a column that exists"
        )
        file.problems.add("1", f"column {shown(column)} is not known in {table.title}", hint)
    return not missing and not extra


def _read_all(files: Sequence[_File], known: Evidence) -> None:
    """Nouns from rows, keys across files, structure from words; raises with the problems of all files."""
    fit = [(file, file.table) for file in files if file.table and file.columns_fit]
    for file, table in fit:
        _read_rows(file, table)
    _check_repeats(fit)
    if len(fit) == len(files):
        # Where a file could not be read, keys of the others would seem to match nothing.
        _check_keys(files, known)
    problems = tuple(problem for file in files for problem in _in_order(file.problems))
    if problems:
        n, where = len(problems), ", ".join(file.name for file in files if file.problems)
        raise FormatError(
            f"{n} problem{'s' if n > 1 else ''} found",
            where=where,
            hint="nothing was read; correct the file and import it again",
            problems=problems,
        )
    _take_structure(files, known)


def _in_order(problems: Problems) -> list[Problem]:
    def line(problem: Problem) -> int:
        number = re.match(r":(\d+)", problem.where[len(problems.where) :])
        return int(number[1]) if number else 0

    return sorted(problems, key=line)


def _read_rows(file: _File, table: Table) -> None:
    for row in file.rows:
        cells = Cells(row, file.problems)
        noun = table.read(cells)
        if not cells.faults:
            file.nouns.append((row, noun))


def _check_repeats(files: Sequence[tuple[_File, Table]]) -> None:
    """Keys that stand twice; a row without a key of its own may not be repeated as a whole."""
    seen: dict[Any, str] = {}
    for file, table in files:
        for row in file.rows:
            identity, column, words = _identity(table, row)
            if identity is None:
                continue
            place = f"{file.name}:{row.line}"
            if identity in seen:
                Cells(row, file.problems).fault(
                    column, f"{words} as in {seen[identity]}", "each may stand once"
                )
            seen.setdefault(identity, place)


def _identity(table: Table, row: Row) -> tuple[Any, str, str]:
    cell = {column: text.strip() for column, text in row.cells.items()}
    if table.field in ("studies", "records"):
        column = table.columns[0]
        key = cell.get(column, "")
        return (table.field, key) if key else None, column, f"the same {column} {shown(key)}"
    if table.field == "arms":
        arm = (cell.get("study_id", ""), cell.get("arm_id", ""))
        return ("arms", *arm) if all(arm) else None, "arm_id", f"the same arm {shown('/'.join(arm))}"
    if table.field == "overlaps":
        pair = frozenset((cell.get("study_a", ""), cell.get("study_b", "")))
        return ("overlaps", pair) if all(pair) else None, "study_a", "the same pair of studies"
    return (table.field, tuple(sorted(cell.items()))), table.columns[0], "the same row"


def _check_keys(files: Sequence[_File], known: Evidence) -> None:
    """Every key that a row refers to must be a study or an arm of `known` or of these files, even of a faulty row."""
    studies = {study.study_id for study in known.studies} | {
        key[0] for key in _cells(files, "studies", "study_id")
    }
    arms = {arm.key for arm in known.arms} | set(_cells(files, "arms", "study_id", "arm_id"))
    records = {each.record_id for each in known.records} | {
        key[0] for key in _cells(files, "records", "record_id")
    }
    arms_of: dict[str, list[str]] = {}
    for study, arm in sorted(arms):
        arms_of.setdefault(study, []).append(arm)
    for file in files:
        for row in file.rows:
            cells = Cells(row, file.problems)
            get = {column: text.strip() for column, text in row.cells.items()}
            study = get.get("study_id", "")
            for column in ("study_id", "study_a", "study_b"):
                if get.get(column) and file.table is not TABLES["studies"]:
                    _known_key(cells, column, get[column], studies, "no study is named")
            for column in ("arm_id", "arm_a", "arm_b"):
                if get.get(column) and file.table is not TABLES["arms"] and study in studies:
                    _known_key(cells, column, get[column], arms_of.get(study, ()), f"{study} has no arm")
            if get.get("subgroup_of") and get["subgroup_of"] != "*":
                _known_key(
                    cells, "subgroup_of", get["subgroup_of"], arms_of.get(study, ()), f"{study} has no arm"
                )
            if get.get("duplicate_of"):
                _known_key(cells, "duplicate_of", get["duplicate_of"], records, "no record is named")


def _known_key(cells: Cells, column: str, key: str, known: Collection[str], words: str) -> None:
    if key not in known:
        cells.fault(column, f"{words} {shown(key)}", _where_else(key, known))


def _where_else(word: str, known: Iterable[str]) -> str:
    near = nearest(word, known, cutoff=0.75)
    return (
        f'did you mean "{near}"?'
        if near
        else "add its row, or import the file that has it together with this one"
    )


def _cells(files: Sequence[_File], kind: str, *columns: str) -> list[Any]:
    rows = [row for file in files if file.table is TABLES[kind] for row in file.rows]
    return [tuple(row.cells.get(column, "").strip() for column in columns) for row in rows]


def _take_structure(files: Sequence[_File], known: Evidence) -> None:
    studies = [*known.studies, *(noun for file in files for _, noun in file.nouns if isinstance(noun, Study))]
    totals = {study.study_id: study.n_total for study in studies}
    notes = notes_by_study(studies)
    cited: list[Any] = [*known.arms, *known.estimates, *known.comparisons]
    cited += [
        noun for file in files for _, noun in file.nouns if isinstance(noun, (Arm, Estimate, Comparison))
    ]
    shared = studies_per_source(cited)
    all_arms = [noun for file in files for _, noun in file.nouns if isinstance(noun, Arm)]
    grouped = {arm.key: arm for arm in with_subgroups(all_arms, known.arms, totals)}
    for file in files:
        if file.table is TABLES["arms"] and "subgroup_of" not in file.header:
            file.nouns = [(row, grouped[noun.key]) for row, noun in file.nouns]
        if file.table in (TABLES["survival"], TABLES["comparisons"]) and "second_hand" not in file.header:
            file.nouns = [
                (
                    row,
                    replace(
                        noun,
                        second_hand=is_second_hand(noun.source, noun.location, notes[noun.study_id], shared),
                    ),
                )
                for row, noun in file.nouns
            ]


def _decisions(file: _File, reviewer: str) -> list[Decision]:
    if file.table is not TABLES["records"]:
        return []
    made = [
        _decision(row.cells["record_id"].strip(), row.cells["label"].strip(), reviewer)
        for row, _ in file.nouns
    ]
    return [decision for decision in made if decision]


def _decision(record_id: str, label: str, reviewer: str) -> Decision | None:
    kind, _, rest = label.partition(":")
    base = Decision(record_id=record_id, stage="title-abstract", reviewer=reviewer, vote="include")
    if kind.strip() == "exclude":
        return replace(base, vote="exclude", reason=rest.strip())
    if label.startswith("duplicate report of "):
        return replace(base, note=label)
    return base if label == "candidate" else None


# --- readers: one row to one noun ---------------------------------------------------------------------------------


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
    if measure and measure not in MEASURES and near:
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
