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
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from kmeta.core.errors import FormatError, InputError, Problem, Problems
from kmeta.formats.cells import Cells, Row, read_rows, shown, write_rows
from kmeta.formats.evidence_tables import TABLES, Table
from kmeta.formats.nearest import did_you_mean, nearest
from kmeta.formats.structure import is_second_hand, notes_by_study, studies_per_source, with_subgroups
from kmeta.review.estimate import Comparison, Criterion, Estimate, PublishedResult
from kmeta.review.evidence import Evidence
from kmeta.review.record import Decision, Record
from kmeta.review.study import Arm, Overlap, Study

Noun = Study | Arm | Estimate | Comparison | Overlap | PublishedResult | Criterion | Record
Key = tuple[str, ...]
N = TypeVar("N")


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
