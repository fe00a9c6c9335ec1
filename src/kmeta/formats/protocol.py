"""`review.toml` <-> Protocol: a person writes it, so every problem is told at once, with its line.

    title = "Treatment of ..."          # the only key that must be there
    question = ""
    format_version = 1
    time_unit = "months"
    reasons = ["wrong population"]      # for exclusion, in the order reviewers see them
    time_origins = ["treatment"]        # the origins that may be pooled
    not_known = ["no search strategy"]  # what the report has to say openly
    example = ""                        # the name that stands for the reviewer where this is an example

    [eligibility]
    languages = ["en"]                  # ISO 639-1
    year_from = 1995
    year_to = 2021
    population = ""
    include = ["at least ten patients"]
    exclude = ["case report"]

    [[treatment]]
    name = "everolimus"
    class = "systemic"
    words = ["everolimus"]
    without = ["octreotide"]
    group = "mTOR inhibitor"

    [[analysis]]
    name = "os60"
    kind = "survival_at"                # survival_at, hazard_ratio or median
    outcomes = ["OS"]
    title = ""
    time_months = 60                    # survival_at
    window_months = 0                   # survival_at: how far from that time a value may be
    classes = ["resection"]             # none named: all
    experimental = ["everolimus"]       # hazard_ratio: names of treatments
    control = ["placebo"]               # hazard_ratio
    randomised_only = true              # hazard_ratio
    widths_from_p = false               # hazard_ratio: take the width of a ratio without interval from its exact P
    year_from = 1995
    year_to = 2025
    tau2 = "REML"
    test = "hksj"
    level = 0.95

    [[compare_with]]
    analysis = "os60"
    class = "resection"
    review = "muttillo2022"
    question = "surgery: 5-year OS"

A key or section that is absent takes the default of its field in `review/protocol.py`.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, get_args

from kmeta.core.errors import InputError, Problems
from kmeta.formats.nearest import did_you_mean, outcome_fault
from kmeta.review.protocol import Analysis, AnalysisKind, Eligibility, Protocol, PublishedLine, Treatment
from kmeta.review.study import TREATMENT_CLASSES

FORMAT_VERSION = 1
MAX_CHARACTERS = 1_000_000
YEARS = (1800, 2200)
MAX_MONTHS = 1200.0
KINDS: tuple[str, ...] = get_args(AnalysisKind)
# A key that is not spelt as its field.
_KEY = {"treatment_class": "class"}
_SECTIONS = {"treatment": "treatments", "analysis": "analyses", "compare_with": "compare_with"}
_ONLY_FOR = {
    "time_months": "survival_at",
    "window_months": "survival_at",
    "experimental": "hazard_ratio",
    "control": "hazard_ratio",
    "randomised_only": "hazard_ratio",
    "widths_from_p": "hazard_ratio",
}


def read_protocol(text: str, *, where: str = "review.toml") -> Protocol:
    """The protocol that `text` (TOML, see above) states.

    Raises FormatError with every problem found: TOML that cannot be read, unknown keys, wrong types, unknown
    classes and kinds, analyses that name what is not there, names used twice, impossible years and times.

    >>> read_protocol('title = "Surgery or not"').time_origins
    ('treatment', 'transplantation', 'randomisation')
    """
    problems = Problems(where)
    document = _parsed(text, problems)
    problems.raise_if_any()
    lines = _lines(text)
    top = _Section(document, (), lines, problems)
    _check_version(top)
    protocol = Protocol(
        title=top.words("title", required=True),
        question=top.words("question"),
        format_version=FORMAT_VERSION,
        eligibility=_eligibility(top.section("eligibility")),
        reasons=top.list_of_words("reasons", unique=True),
        treatments=tuple(_treatment(each) for each in top.sections("treatment")),
        analyses=tuple(_analysis(each) for each in top.sections("analysis")),
        compare_with=tuple(_line(each) for each in top.sections("compare_with")),
        time_origins=top.list_of_words(
            "time_origins", unique=True, default=_default(Protocol, "time_origins")
        ),
        not_known=top.list_of_words("not_known"),
        example=top.words("example"),
    )
    top.no_other_keys()
    _check_references(protocol, top)
    problems.raise_if_any()
    return protocol


def write_protocol(protocol: Protocol) -> str:
    """`protocol` as TOML that `read_protocol` reads back as an equal protocol; defaults are left out.

    >>> print(write_protocol(Protocol(title="Surgery or not")), end="")
    title = "Surgery or not"
    format_version = 1
    time_unit = "months"
    """
    always = ("title", "format_version", "time_unit")
    out = _written(protocol, skip=("eligibility", *_SECTIONS.values()), always=always)
    if protocol.eligibility != Eligibility():
        out += ["", "[eligibility]", *_written(protocol.eligibility)]
    for section, field in _SECTIONS.items():
        for each in getattr(protocol, field):
            out += ["", f"[[{section}]]", *_written(each)]
    return "\n".join(out) + "\n"


def _parsed(text: str, problems: Problems) -> dict[str, Any]:
    if len(text) > MAX_CHARACTERS:
        problems.add("", f"{len(text):,} characters; a protocol has at most {MAX_CHARACTERS:,}")
        return {}
    if not text.strip():
        problems.add("", "the file is empty", 'begin with title = "..."')
        return {}
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        words = str(error)
        place = re.search(r" \(at line (\d+), column (\d+)\)$", words)
        if place:
            problems.add(
                f"{place[1]}", f"{words[: place.start()]} at column {place[2]}", _toml_hint(text, place[1])
            )
        else:
            problems.add(str(text.count("\n") + 1), words, "the file seems to be cut off here")
    except (RecursionError, ValueError) as error:
        problems.add(
            "", f"cannot be read as TOML: {type(error).__name__}", "simplify the values; see the tutorial"
        )
    return {}


def _toml_hint(text: str, line: str) -> str:
    lines = text.split("\n")
    said = lines[int(line) - 1] if int(line) <= len(lines) else ""
    if re.search(r"=\s*\d+,\d", said):
        return "a decimal comma; use a point"
    if re.search(r"=\s*[A-Za-z]", said) and not re.search(r"=\s*(true|false|inf|nan)\b", said):
        return 'text stands in quotes: key = "text"'
    return 'TOML is written key = "text", key = 5, key = ["one", "two"]'


def _lines(text: str) -> dict[tuple[str | int, ...], int]:
    """Path of a section or key -> its line; what stands inside a text of several lines is passed over."""
    found: dict[tuple[str | int, ...], int] = {}
    section: tuple[str | int, ...] = ()
    counts: dict[str, int] = {}
    inside = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if not inside:
            header = re.match(r"\s*\[\[?\s*([\w-]+)\s*\]?\]", line)
            key = re.match(r"\s*([\w-]+)\s*=", line)
            if header and line.lstrip().startswith("[["):
                counts[header[1]] = counts.get(header[1], 0) + 1
                section = (header[1], counts[header[1]])
                found.setdefault(section, number)
            elif header:
                section = (header[1],)
                found.setdefault(section, number)
            elif key:
                found.setdefault((*section, key[1]), number)
        for quotes in re.findall(r'"""|\'\'\'', line):
            inside = "" if inside == quotes else inside or quotes
    return found


class _Section:
    """One table of the file: takes keys by type, notes what is wrong, and at the end the keys nobody asked for."""

    def __init__(
        self,
        table: Mapping[str, Any],
        path: tuple[str | int, ...],
        lines: Mapping[tuple[str | int, ...], int],
        problems: Problems,
    ) -> None:
        self.table, self.path, self.lines, self.problems = table, path, lines, problems
        self.asked: list[str] = []

    def fault(self, key: str, message: str, hint: str = "") -> None:
        line = self.lines.get((*self.path, key)) or self.lines.get(self.path)
        words = [str(word) for word in (*self.path, key) if word != ""]
        self.problems.add(" ".join(filter(None, [str(line or ""), ".".join(words)])), message, hint)

    def take(self, key: str, kind: type | tuple[type, ...], named: str) -> Any:
        """The value of `key` if it has that type; None where it is absent or was noted as wrong."""
        self.asked.append(key)
        value = self.table.get(key)
        if value is None:
            return None
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.fault(key, f"{_said(value)} is not {named}")
            return None
        return value

    def words(self, key: str, *, required: bool = False) -> str:
        value = self.take(key, str, 'text (in quotes, "...")')
        if required and not (value or "").strip() and not (key in self.table and value is None):
            self.fault(key, "is missing" if key not in self.table else "is empty", f'write {key} = "..."')
        if value and "\0" in value:
            self.fault(key, "holds a NUL character")
        return value or ""

    def choice(self, key: str, known: Iterable[str]) -> str:
        value = self.words(key, required=True)
        if value and value not in known:
            self.fault(key, f'"{value}" is not known', did_you_mean(value, known))
        return value

    def list_of_words(
        self, key: str, *, required: bool = False, unique: bool = False, default: tuple[str, ...] = ()
    ) -> tuple[str, ...]:
        value = self.take(key, list, 'a list of texts (["one", "two"])')
        if required and not value and not (key in self.table and value is None):
            self.fault(key, "is missing" if key not in self.table else "is empty", f'write {key} = ["..."]')
        if value is None:
            return default
        for each in value:
            if not isinstance(each, str):
                self.fault(key, f"{_said(each)} is not text (in quotes)")
            elif not each.strip():
                self.fault(key, "holds an empty text", "leave it out")
        kept = tuple(each for each in value if isinstance(each, str) and each.strip())
        if unique:
            for twice in sorted({each for each in kept if kept.count(each) > 1}):
                self.fault(key, f'"{twice}" stands there twice')
        return kept

    def number(self, key: str, low: float, high: float, *, expected: str) -> float | None:
        value = self.take(key, (int, float), "a number (without quotes)")
        if value is None:
            return None
        if not math.isfinite(value) or not low <= value <= high:
            self.fault(key, f"{value} is not {expected}")
            return None
        return float(value)

    def year(self, key: str) -> int | None:
        value: int | None = self.take(key, int, "a year (a whole number without quotes)")
        if value is not None and not YEARS[0] <= value <= YEARS[1]:
            self.fault(key, f"{value} is not a year", f"years are between {YEARS[0]} and {YEARS[1]}")
            return None
        return value

    def years(self) -> tuple[int | None, int | None]:
        first, last = self.year("year_from"), self.year("year_to")
        if first is not None and last is not None and first > last:
            self.fault("year_to", f"{last} is before year_from, {first}")
        return first, last

    def section(self, key: str) -> _Section:
        value = self.take(key, dict, f"a section ([{key}])")
        return _Section(value or {}, (*self.path, key), self.lines, self.problems)

    def sections(self, key: str) -> list[_Section]:
        value = self.take(key, list, f"a list of sections ([[{key}]])") or []
        for each in value:
            if not isinstance(each, dict):
                self.fault(key, f"{_said(each)} is not a section ([[{key}]])")
        tables = [(place, each) for place, each in enumerate(value, start=1) if isinstance(each, dict)]
        return [_Section(each, (key, place), self.lines, self.problems) for place, each in tables]

    def no_other_keys(self) -> None:
        for key in self.table:
            if key not in self.asked:
                self.fault(key, "no such key here", did_you_mean(key, self.asked, limit=20))


def _said(value: Any) -> str:
    text = (
        f'"{value}"'
        if isinstance(value, str)
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
    )
    return text if len(text) <= 60 else text[:57] + "..."


def _default(noun: type, name: str) -> Any:
    return next(field.default for field in fields(noun) if field.name == name)


def _check_version(top: _Section) -> None:
    version = top.take("format_version", int, "a whole number")
    if version is not None and version > FORMAT_VERSION:
        top.fault(
            "format_version",
            f"{version} is newer than this kmeta, which reads {FORMAT_VERSION}",
            "update kmeta",
        )
    elif version is not None and version < 1:
        top.fault("format_version", f"{version} is no version", f"write format_version = {FORMAT_VERSION}")
    unit = top.words("time_unit")
    if unit and unit != "months":
        top.fault("time_unit", f'"{unit}" is not known', 'times are in months: write time_unit = "months"')


def _eligibility(part: _Section) -> Eligibility:
    languages = part.list_of_words("languages", unique=True)
    for language in languages:
        if not re.fullmatch(r"[a-z]{2}", language):
            part.fault(
                "languages", f'"{language}" is no ISO 639-1 code', 'two small letters, as "en" or "de"'
            )
    first, last = part.years()
    made = Eligibility(
        languages=languages,
        year_from=first,
        year_to=last,
        population=part.words("population"),
        include=part.list_of_words("include"),
        exclude=part.list_of_words("exclude"),
    )
    part.no_other_keys()
    return made


def _treatment(part: _Section) -> Treatment:
    made = Treatment(
        name=part.words("name", required=True),
        treatment_class=part.choice("class", TREATMENT_CLASSES),  # type: ignore[arg-type]
        words=part.list_of_words("words", required=True, unique=True),
        without=part.list_of_words("without", unique=True),
        group=part.words("group"),
    )
    for word in made.words:
        if word.casefold() in {other.casefold() for other in made.without}:
            part.fault("without", f'"{word}" is in words as well, so no arm can fit')
    part.no_other_keys()
    return made


def _analysis(part: _Section) -> Analysis:
    name = part.words("name", required=True)
    if name and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
        part.fault(
            "name", f"{_said(name)} cannot name a file", "letters, digits, _ . and -, at most 64, as os60"
        )
    kind = part.choice("kind", KINDS)
    first, last = part.years()
    made = Analysis(
        name=name,
        kind=kind,  # type: ignore[arg-type]
        outcomes=_outcomes(part),
        title=part.words("title"),
        time_months=part.number(
            "time_months", 0, MAX_MONTHS, expected=f"a time between 0 and {MAX_MONTHS:g} months"
        ),
        window_months=part.number("window_months", 0, MAX_MONTHS, expected="a span in months") or 0.0,
        classes=_classes(part),
        experimental=part.list_of_words("experimental", required=kind == "hazard_ratio", unique=True),
        control=part.list_of_words("control", required=kind == "hazard_ratio", unique=True),
        randomised_only=_or_default(part.take("randomised_only", bool, "true or false"), "randomised_only"),
        widths_from_p=_or_default(part.take("widths_from_p", bool, "true or false"), "widths_from_p"),
        year_from=first,
        year_to=last,
        tau2=part.words("tau2") or _default(Analysis, "tau2"),
        test=part.words("test") or _default(Analysis, "test"),
        level=_or_default(part.number("level", 0.5, 0.9999, expected="a level as 0.95"), "level"),
    )
    _check_analysis(part, made)
    part.no_other_keys()
    return made


def _or_default(value: Any, name: str) -> Any:
    return _default(Analysis, name) if value is None else value


def _outcomes(part: _Section) -> tuple[str, ...]:
    outcomes = part.list_of_words("outcomes", required=True, unique=True)
    for outcome in outcomes:
        if hint := outcome_fault(outcome):
            part.fault("outcomes", f'"{outcome}" is not known', hint)
    return outcomes


def _classes(part: _Section) -> tuple[Any, ...]:
    classes = part.list_of_words("classes", unique=True)
    for each in classes:
        if each not in TREATMENT_CLASSES:
            part.fault("classes", f'"{each}" is no class of treatment', did_you_mean(each, TREATMENT_CLASSES))
    return classes


def _check_analysis(part: _Section, made: Analysis) -> None:
    for key, kind in _ONLY_FOR.items():
        if key in part.table and made.kind in KINDS and made.kind != kind:
            part.fault(key, f"belongs to {kind}; this analysis is {made.kind}", "leave it out")
    if made.kind == "survival_at":
        if "time_months" not in part.table:
            part.fault("time_months", "is missing", "write time_months = 60")
        elif made.time_months == 0:
            part.fault("time_months", "at 0 months everybody is alive", "write time_months = 60")
        elif made.time_months is not None and made.window_months >= made.time_months:
            part.fault(
                "window_months", f"{made.window_months:g} is not less than time_months, {made.time_months:g}"
            )
    for both in sorted(set(made.experimental) & set(made.control)):
        part.fault("control", f'"{both}" is in experimental as well')


def _line(part: _Section) -> PublishedLine:
    made = PublishedLine(
        analysis=part.words("analysis", required=True),
        treatment_class=part.choice("class", TREATMENT_CLASSES),  # type: ignore[arg-type]
        review=part.words("review", required=True),
        question=part.words("question", required=True),
    )
    part.no_other_keys()
    return made


def _check_references(protocol: Protocol, top: _Section) -> None:
    """Names used twice, and names that nothing answers to."""
    treatments, analyses, lines = (top.sections(key) for key in _SECTIONS)
    _twice(treatments, "name", lambda part: part.table.get("name"))
    _twice(analyses, "name", lambda part: part.table.get("name"))
    _twice(lines, "question", lambda part: tuple(map(str, part.table.values())))
    names = [treatment.name for treatment in protocol.treatments]
    for part, analysis in zip(analyses, protocol.analyses, strict=True):
        for key in ("experimental", "control"):
            for name in getattr(analysis, key):
                if name not in names:
                    part.fault(key, f'no treatment is named "{name}"', did_you_mean(name, names))
    known = [analysis.name for analysis in protocol.analyses]
    for part, line in zip(lines, protocol.compare_with, strict=True):
        if line.analysis and line.analysis not in known:
            part.fault(
                "analysis", f'no analysis is named "{line.analysis}"', did_you_mean(line.analysis, known)
            )


def _twice(parts: list[_Section], key: str, identity: Callable[[_Section], Any]) -> None:
    seen: dict[Any, _Section] = {}
    for part in parts:
        name = identity(part)
        if isinstance(name, (str, tuple)) and name:
            folded = name.casefold() if isinstance(name, str) else name
            if folded in seen:
                other = " ".join(map(str, seen[folded].path))
                part.fault(
                    key, f"{_said(part.table.get(key))} is used by {other} as well", "a name is used once"
                )
            seen.setdefault(folded, part)


def _written(noun: Any, *, skip: tuple[str, ...] = (), always: tuple[str, ...] = ()) -> list[str]:
    out = []
    for field in fields(noun):
        value = getattr(noun, field.name)
        default = field.default if field.default is not MISSING else None
        if field.name in skip or (value in (default, None) and field.name not in always):
            continue
        out.append(f"{_KEY.get(field.name, field.name)} = {_toml(value)}")
    return out


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(int(value)) if float(value).is_integer() else repr(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    if not isinstance(value, str):
        raise InputError(f"{type(value).__name__} cannot be written to review.toml")
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return (
        '"'
        + "".join(escapes.get(c, c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}") for c in value)
        + '"'
    )
