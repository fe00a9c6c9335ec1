"""Text folded so that the same paper, exported twice, reads the same: titles, pages, volumes, journals, DOIs."""

from __future__ import annotations

import re
import unicodedata

MOST = 2_000  # letters of a field that are looked at: a longer title is no title

LANGUAGES = (
    "arabic bulgarian chinese croatian czech danish dutch english finnish french german greek hebrew hungarian italian "
    "japanese korean norwegian persian polish portuguese romanian russian serbian slovak slovenian spanish swedish "
    "turkish ukrainian"
)
ERRATUM = re.compile(
    r"^\W*(?:published )?(?:erratum|errata|corrigendum|corrigenda|correction|correction notice)\b"
    r"(?: to| for| in)?(?: the)?\W*",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"<[^<>]{1,40}>")
_LANGUAGE_NOTE = re.compile(
    rf"[\[(](?:article )?(?:in |text in )?(?:{'|'.join(LANGUAGES.split())})[^\])]{{0,40}}[\])]", re.IGNORECASE
)
# What indexers append: another paper's reference, a notice of a correction, the letters a letter answers.
_APPENDED = re.compile(
    r"\[?\b(?:erratum (?:appears|in)|see comment|multiple letters|reprint (?:of|in)|vol\.? \d+, ?pg?\.? |"
    r"comment (?:on|in)\b).*$"
    r"|\.\.\. ?[A-Z].*\d{4}.*$|\[\d{1,2}\]\s*$"
    r"|\([^()]*\(\d{4}\) \d+ \([^()]*\)\)\s*$",
    re.IGNORECASE,
)
_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "κ": "kappa", "λ": "lambda", "μ": "mu",
    "µ": "mu", "σ": "sigma", "τ": "tau", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega", "ß": "ss", "&": " and ",
}  # fmt: skip
_TRANSLATE = str.maketrans(_GREEK)
_MONTHS = {
    month: str(number)
    for number, month in enumerate(re.findall("...", "janfebmaraprmayjunjulaugsepoctnovdec"), start=1)
}
_PAGES = re.compile(
    r"^(?:p+\.?\s*)?([a-z]*\d+[a-z]?|[a-z]{3})(?:\s*(?:-+|–|—|to)\s*([a-z]*\d+[a-z]?|[a-z]{3}))?"
)
_PAGE_COUNT = re.compile(r"^\d+\s*(?:p|pp|pages?|leaves|s)\.?$")
_ESCAPED = re.compile(r"%([0-9a-fA-F]{2})")
_COUNT = re.compile(
    r"^(?:\d+(?:st|nd|rd|th)?|annual|proceedings|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth)$"
)
_SMALL = frozenset(re.findall(r"\w+", "of the and for in on a an de la le der die das und et di del"))


def fold(text: str) -> str:
    """Letters and digits in lower case without accents, words one blank apart; every script is kept.

    >>> fold("Café: <i>in vitro</i> β-Blockers")
    'cafe in vitro beta blockers'
    """
    if not text.isascii():
        text = "".join(
            letter
            for letter in unicodedata.normalize("NFKD", text.translate(_TRANSLATE))
            if not unicodedata.combining(letter)
        )
    else:
        text = text.replace("&", " and ")
    if "<" in text:
        text = _MARKUP.sub("", text)
    return " ".join("".join(letter if letter.isalnum() else " " for letter in text.casefold()).split())


def fold_title(title: str) -> str:
    """A title without markup, notes of its language and what an indexer appended.

    >>> fold_title("[Clinical aspects of the complement system]. [Japanese]")
    'clinical aspects of the complement system'
    """
    title = title[:MOST]
    if "[" in title or "(" in title:
        title = _LANGUAGE_NOTE.sub(" ", title)
    cut = ERRATUM.sub("", _APPENDED.sub(" ", title))
    # What is cut away is never the title itself.
    return fold(cut if len(cut) >= 20 else title)


def fold_doi(doi: str) -> str:
    """The bare DOI in lower case.

    >>> fold_doi("https://doi.org/10.1097/MOL.0b013e3282ffaf82 ")
    '10.1097/mol.0b013e3282ffaf82'
    """
    plain = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), doi[:MOST]) if "%" in doi else doi[:MOST]
    found = re.search(r"10\.\d{4,9}/\S+", plain.strip().lower())
    return found[0].rstrip(".,;)") if found else ""


def fold_pages(pages: str) -> tuple[str, str]:
    """First and last page, the last spelled out; months that a spreadsheet made of numbers are numbers again.

    >>> fold_pages("221-8"), fold_pages("c37--c42"), fold_pages("Jan-14"), fold_pages("10-Jul")
    (('221', '228'), ('c37', 'c42'), ('1', '14'), ('7', '10'))
    """
    text = pages[:MOST].lower().strip()
    if _PAGE_COUNT.match(text):
        return "", ""
    found = _PAGES.match(text)
    if not found:
        return "", ""
    first, last = found[1], found[2] or ""
    if first in _MONTHS:
        first = _MONTHS[first]
    elif last in _MONTHS:
        first, last = _MONTHS[last], first
    if not any(map(str.isdigit, first)):
        return "", ""
    if last.isdigit() and first.isdigit() and len(last) < len(first):
        last = first[: len(first) - len(last)] + last
    return first.lstrip("0"), last.lstrip("0")


def fold_volume(volume: str, issue: str) -> tuple[str, str]:
    """Numbers of volume and issue, wherever they were put ("14 (1) (no pagination)", "[9]", "112(8 Pt 2)").

    >>> fold_volume("14 (1) (no pagination)", ""), fold_volume("7", "[9]"), fold_volume("UNKNOWN", "4")
    (('14', '1'), ('7', '9'), ('', '4'))
    """
    cut = re.match(r"^\d+\)", volume.strip())  # the end of "(Supplement 2)": the volume itself was lost
    numbers = re.findall(r"\d+", "" if cut else volume)
    of_issue = re.findall(r"\d+", issue)
    if not of_issue and len(numbers) > 1:
        of_issue = numbers[1:]
    return numbers[0].lstrip("0") if numbers else "", of_issue[0].lstrip("0") if of_issue else ""


def fold_journal(journal: str) -> tuple[str, ...]:
    """The words that name a journal or a meeting; its place, year and number are left out.

    >>> fold_journal("Pediatric Nephrology.Conference: 44th Annual Scientific Meeting")
    ('pediatric', 'nephrology')
    >>> fold_journal("51st Annual Hawaii International Conference on System Sciences")
    ('hawaii', 'international', 'conference', 'system', 'sciences')
    """
    head = re.split(r"[:=(\[]|\.\s*conference\b", journal.strip(" [."), maxsplit=1, flags=re.IGNORECASE)[0]
    words = [word for word in fold(head or journal).split() if word not in _SMALL]
    named = [word for word in words if not _COUNT.match(word)]
    return tuple(named or words)
