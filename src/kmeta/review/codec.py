"""The nouns as plain values and back: the one list of their kinds, and what makes each of them one of its kind.

A noun is stored as its `body`, canonical JSON in which empty fields (None, "", (), False) are left out where that
is their default, so that a field added later changes no body written before. Its `subject` is its key as
canonical JSON: the fields that say which thing it is, never what is said of it. A corrected value therefore has
the subject of the value it replaces, and two reviewers' votes never share one.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, get_type_hints

from kmeta.core.errors import FormatError, InputError, Problem
from kmeta.review.estimate import Comparison, Criterion, Estimate, PublishedResult
from kmeta.review.evidence import Evidence
from kmeta.review.record import Decision, Pairing, Record
from kmeta.review.study import Arm, Overlap, Study

if TYPE_CHECKING:
    from pydantic import BaseModel

Noun = (
    Study | Arm | Estimate | Comparison | Overlap | PublishedResult | Criterion | Record | Decision | Pairing
)
Key = tuple[Any, ...]

# A title of a megabyte is no title; what is larger belongs among the files.
MAX_TEXT = 1_000_000
# The largest that every reader of JSON keeps exactly.
MAX_INTEGER = 2**53


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of noun: its name in the log, its class, its field of Evidence, and its key."""

    name: str
    noun: type
    evidence: str
    key: Callable[[Any], Key]


@dataclasses.dataclass(frozen=True, slots=True)
class Encoded:
    """A noun ready to be stored; `subject` and `body` are canonical JSON."""

    kind: str
    subject: str
    body: str


def _fields(*names: str) -> Callable[[Any], Key]:
    return lambda noun: tuple(getattr(noun, name) for name in names)


# What tells one printed value of an arm, or of two arms, from another: all but the numbers themselves.
_PRINTED = ("flag", "source", "location")

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(name="study", noun=Study, evidence="studies", key=_fields("study_id")),
        Kind(name="arm", noun=Arm, evidence="arms", key=_fields("study_id", "arm_id")),
        Kind(
            name="estimate",
            noun=Estimate,
            evidence="estimates",
            key=_fields(
                "study_id",
                "arm_id",
                "outcome",
                "kind",
                "time_months",
                "time_origin",
                "flag",
                "source",
                "location",
            ),
        ),
        Kind(
            name="comparison",
            noun=Comparison,
            evidence="comparisons",
            key=_fields("study_id", "arm_a", "arm_b", "outcome", "measure", "adjustment", *_PRINTED),
        ),
        Kind(
            name="overlap",
            noun=Overlap,
            evidence="overlaps",
            key=lambda overlap: tuple(sorted((overlap.study_a, overlap.study_b))),
        ),
        Kind(
            name="published",
            noun=PublishedResult,
            evidence="published",
            key=_fields("review", "question", "measure", "model", "source"),
        ),
        Kind(
            name="criterion",
            noun=Criterion,
            evidence="criteria",
            key=_fields("patient_state", "option", "criterion", "source"),
        ),
        Kind(name="record", noun=Record, evidence="records", key=_fields("record_id")),
        Kind(
            name="pairing",
            noun=Pairing,
            evidence="pairings",
            key=lambda pairing: tuple(sorted((pairing.record_a, pairing.record_b))),
        ),
        Kind(
            name="decision",
            noun=Decision,
            evidence="decisions",
            key=_fields("stage", "record_id", "reviewer"),
        ),
    )
}
_BY_CLASS = {kind.noun: kind for kind in KINDS.values()}


def kind_of(noun: object) -> Kind:
    """The kind of a noun.

    >>> kind_of(Study(study_id="mayo2011")).name
    'study'
    """
    kind = _BY_CLASS.get(type(noun))
    if kind is None:
        raise InputError(
            f"a {type(noun).__name__} cannot be kept in a review", hint="known: " + ", ".join(KINDS)
        )
    return kind


def key_of(noun: object) -> Key:
    """What says which thing this noun is; equal keys, same thing.

    >>> key_of(Overlap(study_a="b", study_b="a", strength="certain"))
    ('a', 'b')
    """
    return kind_of(noun).key(noun)


def encode(noun: object) -> Encoded:
    """The noun as it is stored, validated; InputError names every field that cannot be.

    >>> encode(Study(study_id="mayo2011", year=2011))
    Encoded(kind='study', subject='["mayo2011"]', body='{"study_id":"mayo2011","year":2011}')
    """
    kind = kind_of(noun)
    values = {name: getattr(noun, name) for name in _defaults(kind.noun)}
    checked = _validated(kind, values)
    defaults = _defaults(kind.noun)
    body = {name: value for name in defaults if (value := getattr(checked, name)) != defaults[name]}
    return Encoded(kind.name, dump_key(kind.key(checked)), _json(body))


def encode_all(nouns: Iterable[object]) -> list[Encoded]:
    """Each noun encoded, equal ones once, in the order given; two that claim one key are refused, all together."""
    seen: dict[tuple[str, str], Encoded] = {}
    clashes: dict[tuple[str, str], None] = {}
    for noun in nouns:
        encoded = encode(noun)
        first = seen.setdefault((encoded.kind, encoded.subject), encoded)
        if first.body != encoded.body:
            clashes[encoded.kind, encoded.subject] = None
    if clashes:
        problems = tuple(
            Problem(f"{kind} {title(subject)}", "is given twice with different contents")
            for kind, subject in clashes
        )
        raise FormatError(
            f"{len(clashes)} key{'s' if len(clashes) > 1 else ''} given twice",
            where="data",
            hint="nothing was changed; tell the two apart (study, arm, time, origin, flag, source, location) "
            "or keep one of them",
            problems=problems,
        )
    return list(seen.values())


def decode(kind: str, body: str) -> Noun:
    """The noun of a stored body; InputError says what is wrong with one that is none."""
    if kind not in KINDS:
        raise InputError(f"no kind of data is named {kind!r}", hint="written by a newer kmeta? update kmeta")
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{kind}: not JSON: {error}") from None
    if not isinstance(values, dict):
        raise InputError(f"{kind}: a JSON object was expected")
    unknown = sorted(set(values) - set(_defaults(KINDS[kind].noun)))
    if unknown:
        raise InputError(
            f"{kind}: unknown field {', '.join(unknown)}", hint="written by a newer kmeta? update kmeta"
        )
    noun: Noun = _validated(KINDS[kind], values)
    return noun


def evidence(nouns: Iterable[object]) -> Evidence:
    """The nouns as Evidence, each kind sorted by key (numbers by size, what is missing first)."""
    found: dict[str, list[Any]] = {kind.evidence: [] for kind in KINDS.values()}
    for noun in nouns:
        found[kind_of(noun).evidence].append(noun)
    return Evidence(
        **{name: tuple(sorted(items, key=lambda n: sort_key(key_of(n)))) for name, items in found.items()}
    )


def sort_key(key: Iterable[Any]) -> Key:
    """A key that can be compared with any other: missing before numbers before text."""
    return tuple(
        (0, 0, "") if part is None else (1, part, "") if isinstance(part, (int, float)) else (2, 0, part)
        for part in key
    )


def dump_key(key: Key) -> str:
    """A key as text, its `subject`."""
    return _json(list(key))


def title(subject: str) -> str:
    """A subject for a reader: its parts, without the empty ones.

    >>> title('["mayo2011","res","OS","probability",60.0,"","",""]')
    'mayo2011/res/OS/probability/60'
    """
    try:
        parts = json.loads(subject)
    except ValueError:
        return subject
    if not isinstance(parts, list):
        return subject
    return "/".join(
        f"{part:g}" if isinstance(part, float) else str(part) for part in parts if part not in (None, "")
    )


def check_text(text: str, name: str) -> str:
    """`text`, if every store and every file can hold it; InputError otherwise."""
    problem = _text_problem(text)
    if problem:
        raise InputError(f"{name} {problem}")
    return text


def _text_problem(text: str) -> str:
    if len(text) > MAX_TEXT:
        return f"has {len(text):,} characters; at most {MAX_TEXT:,} are kept"
    if text.isascii():
        return "holds a NUL character" if "\0" in text else ""
    if "\0" in text:
        return "holds a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "holds half of a surrogate pair, which is no character"
    return ""


def _validated(kind: Kind, values: Mapping[str, Any]) -> Any:
    from pydantic import ValidationError

    given = {name: _tidy(value) for name, value in values.items()}
    try:
        noun = kind.noun(**_model(kind.noun).model_validate(given).__dict__)
    except ValidationError as error:
        faults = [
            f"{'.'.join(str(part) for part in fault['loc']) or kind.name}: {fault['msg']}"
            for fault in error.errors(include_url=False)
        ]
        raise InputError(
            "; ".join(dict.fromkeys(faults)), where=f"{kind.name} {_shown(kind, values)}"
        ) from None
    for name in _defaults(kind.noun):
        value = getattr(noun, name)
        problem = _value_problem(value)
        if problem:
            raise InputError(
                f"{name} {problem}", where=f"{kind.name} {_shown(kind, values)}", hint=_HINT.get(problem, "")
            )
    empty = [name for name in _identity(kind) if not getattr(noun, name)]
    if empty:
        raise InputError(
            f"{', '.join(empty)} is empty", where=f"{kind.name} {_shown(kind, values)}", hint="it is the key"
        )
    return noun


_NOT_FINITE = "is not a finite number"
_HINT = {_NOT_FINITE: "leave it empty when it is not known or not reached"}
# Fields that name a thing; without them there is no thing.
_REQUIRED = {
    "study_id", "arm_id", "arm_a", "arm_b", "study_a", "study_b", "record_id", "record_a", "record_b",
    "reviewer", "outcome", "measure",
}  # fmt: skip
# An earlier review whose results could not be read has no measure, and is worth keeping all the same.
_MAY_BE_EMPTY = {(PublishedResult, "measure")}


def _tidy(value: Any) -> Any:
    """JSON's lists as the tuples they were; a zero without a sign, for equal nouns have equal bodies."""
    if isinstance(value, list):  # two levels and no more: no noun has three
        return tuple(tuple(part) if isinstance(part, list) else part for part in value)
    return value + 0.0 if isinstance(value, float) else value


def _value_problem(value: Any) -> str:
    if isinstance(value, str):
        return _text_problem(value)
    if isinstance(value, float):
        return "" if math.isfinite(value) else _NOT_FINITE
    if isinstance(value, tuple):
        return next(filter(None, map(_value_problem, value)), "")
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        return "is too large a number"
    return ""


def _shown(kind: Kind, values: Mapping[str, Any]) -> str:
    parts = [str(values[name])[:60] for name in _identity(kind) if values.get(name)]
    return "/".join(parts).encode("ascii", "backslashreplace").decode()


@cache
def _identity_of(noun: type) -> tuple[str, ...]:
    names = [field.name for field in dataclasses.fields(noun)]
    return tuple(name for name in names if name in _REQUIRED and (noun, name) not in _MAY_BE_EMPTY)


def _identity(kind: Kind) -> tuple[str, ...]:
    return _identity_of(kind.noun)


@cache
def _defaults(noun: type) -> dict[str, Any]:
    """Field name -> its default if that is empty, else a value equal to nothing."""
    never = object()
    return {
        field.name: field.default if field.default in (None, "", (), False) else never
        for field in dataclasses.fields(noun)
    }


@cache
def _model(noun: type) -> type[BaseModel]:
    """The noun's fields as a model that takes nothing but what they say: no text for a number, no other field."""
    from pydantic import ConfigDict, create_model

    hints = get_type_hints(noun, include_extras=True)
    fields: dict[str, Any] = {
        field.name: (hints[field.name], ... if field.default is dataclasses.MISSING else field.default)
        for field in dataclasses.fields(noun)
    }
    return create_model(noun.__name__, __config__=ConfigDict(strict=True, extra="forbid"), **fields)


def _json(value: Any) -> str:
    """As core.canonical.canonical_json, for what is plain already; ten times as fast."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
