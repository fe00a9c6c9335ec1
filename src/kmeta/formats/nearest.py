"""Did you mean: the nearest of the words that are known, said as a hint."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

# The outcomes of the data dictionary; others may be named, but not by a near miss of one of these.
OUTCOMES = (
    "OS",
    "DSS",
    "DFS",
    "RFS",
    "PFS",
    "HPFS",
    "TTP",
    "TTF",
    "TTLP",
    "TTP_cumulative_incidence",
    "recurrence_cumulative_incidence",
    "disease_free_interval",
    "graft_survival",
    "late_recurrence",
)


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """The known word most like `word`, regardless of case; "" where none is near.

    >>> nearest("Resektion", ["resection", "systemic"]), nearest("x", ["resection"])
    ('resection', '')
    """
    folded: dict[str, str] = {}
    for each in known:
        folded.setdefault(each.casefold(), each)
    near = get_close_matches(word.casefold()[:200], list(folded), n=1, cutoff=cutoff)
    return folded[near[0]] if near else ""


def did_you_mean(word: str, known: Iterable[str], *, limit: int = 12) -> str:
    """A hint: the nearest known word, else the words there are.

    >>> did_you_mean("resectoin", ["resection", "systemic"])
    'did you mean "resection"?'
    >>> did_you_mean("?", ["b", "a"])
    'there are a, b'
    """
    words = sorted(set(known))
    near = nearest(word, words)
    if near:
        return f'did you mean "{near}"?'
    if not words:
        return "there are none yet"
    more = f" and {len(words) - limit} more" if len(words) > limit else ""
    return "there are " + ", ".join(words[:limit]) + more


def outcome_fault(word: str) -> str:
    """What is wrong with the name of an outcome, "" where nothing is: it must not be a near miss of a known one.

    >>> outcome_fault("OS"), outcome_fault("event_free_survival")
    ('', '')
    >>> outcome_fault("os")
    'did you mean "OS"?'
    """
    if word in OUTCOMES:
        return ""
    if not word or not all(letter.isalnum() or letter in "_-. " for letter in word):
        return "outcomes are named by letters, digits and _: " + ", ".join(OUTCOMES[:9])
    near = nearest(word, OUTCOMES, cutoff=0.85)
    return f'did you mean "{near}"?' if near else ""
