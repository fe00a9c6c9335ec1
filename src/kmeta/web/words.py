"""Numbers and names as a screen shows them: intervals with "to", a narrow no-break space before %."""

from __future__ import annotations

import re
from urllib.parse import quote, urlencode

from kmeta.core import numbers
from kmeta.review.study import CLASS_TITLES

THIN = "\u202f"
OUTCOMES = {
    "OS": "overall survival",
    "DSS": "disease-specific survival",
    "DFS": "disease-free survival",
    "RFS": "recurrence-free survival",
    "PFS": "progression-free survival",
    "HPFS": "hepatic progression-free survival",
    "TTP": "time to progression",
    "TTF": "time to treatment failure",
    "TTLP": "time to local progression",
}
# Names of treatment classes where room is short, and the class of the style sheet that colours them.
SHORT_CLASSES = {
    "resection": ("Resection", "resection"),
    "transplantation": ("Transplantation", "transplant"),
    "locoregional": ("Loco-regional", "locoregional"),
    "systemic": ("Systemic", "systemic"),
    "multimodal": ("Multimodal", "multimodal"),
    "mixed": ("Mixed", "mixed"),
    "conservative": ("Conservative", "conservative"),
}
_BY_TITLE = {title.casefold(): key for key, title in CLASS_TITLES.items()}
SEVERITIES = {
    "error": ("✕", "Holds back a result", "bad-s"),
    "warning": ("!", "Look before citing", "warn-s"),
    "note": ("i", "Good to know", ""),
}
TESTS = {"hksj": "Hartung-Knapp", "knha": "Hartung-Knapp", "z": "Wald", "t": "t"}
VOTES = {"include": "✓", "exclude": "✕", "unsure": "?"}


def class_key(text: str) -> str:
    """The treatment class a label means, by key or by title; "" where it means none.

    >>> class_key("Liver resection"), class_key("systemic"), class_key("other")
    ('resection', 'systemic', '')
    """
    word = text.casefold()
    return word if word in SHORT_CLASSES else _BY_TITLE.get(word, "")


def class_name(text: str) -> str:
    """The short name of a class; the text itself where it is none."""
    key = class_key(text)
    return SHORT_CLASSES[key][0] if key else text


def class_style(text: str) -> str:
    """The style sheet's name of a class; "" where it has no colour."""
    key = class_key(text)
    return SHORT_CLASSES[key][1] if key else ""


def pct(share: float | None, places: int = 1) -> str:
    """A share as percent.

    >>> pct(0.746).replace(THIN, " "), pct(None)
    ('74.6 %', '–')
    """
    text = numbers.percent(share, places)
    return text if text == numbers.MISSING else f"{text}{THIN}%"


def printed(value: float | None) -> str:
    """A number with no more decimals than it has, as a paper prints it.

    >>> printed(74.0), printed(49.2), printed(100 * 0.58)
    ('74', '49.2', '58')
    """
    return numbers.MISSING if value is None else f"{value:.6g}".replace("-", "−")


def printed_value(kind: str, value: float | None, low: float | None = None, high: float | None = None) -> str:
    """A value of the evidence as printed in its source: a probability as percent, else months."""
    share = kind == "probability"
    texts = [printed(None if x is None else 100 * x if share else x) for x in (value, low, high)]
    unit = f"{THIN}%" if share else " months"
    return numbers.MISSING if value is None else f"{texts[0]}{unit}{_limits(texts[1], texts[2])}"


def result(
    kind: str, value: float | None, low: float | None = None, high: float | None = None, *, unit: bool = True
) -> str:
    """A computed value with its interval: of a probability, a hazard ratio or a time.

    >>> result("hazard_ratio", 0.42, 0.32, 0.55)
    '0.42 (0.32 to 0.55)'
    """
    texts = [one(kind, x) for x in (value, low, high)]
    if value is None or texts[0] == numbers.MISSING:
        return numbers.MISSING
    sign = {"survival_at": f"{THIN}%", "median": " months"}.get(kind, "") if unit else ""
    return f"{texts[0]}{sign}{_limits(texts[1], texts[2])}"


def one(kind: str, value: float | None) -> str:
    """A computed value without its unit."""
    if kind == "survival_at":
        return numbers.percent(value, 1)
    return numbers.ratio(value) if kind == "hazard_ratio" else numbers.months(value)


def interval(kind: str, low: float | None, high: float | None) -> str:
    """Two limits, "to" between them."""
    texts = one(kind, low), one(kind, high)
    if numbers.MISSING in texts:
        return numbers.MISSING
    return f"{texts[0]} to {texts[1]}" + (f"{THIN}%" if kind == "survival_at" else "")


def points(kind: str, difference: float) -> str:
    """How far our value lies from another, ours minus theirs.

    >>> points("survival_at", 0.076), points("median", -3.2)
    ('+7.6 points', '−3.2 months')
    """
    share = kind == "survival_at"
    text = numbers.decimal(100 * difference if share else difference, 2 if kind == "hazard_ratio" else 1)
    unit = {"survival_at": " points", "median": " months"}.get(kind, "")
    return ("" if text.startswith("−") else "+") + text + unit


def _limits(low: str, high: str) -> str:
    return "" if numbers.MISSING in (low, high) else f" ({low} to {high})"


def span(months: float | None) -> str:
    """A time in years where it is whole years, else in months.

    >>> span(60), span(12), span(18), span(None)
    ('5 years', '1 year', '18 months', '–')
    """
    if months is None:
        return numbers.MISSING
    if months and months % 12 == 0:
        years = int(months // 12)
        return "1 year" if years == 1 else f"{years} years"
    return f"{printed(months)} months"


def some(n: int, single: str, plural: str = "") -> str:
    """A count with its noun.

    >>> some(1, "study", "studies"), some(1144, "record")
    ('1 study', '1,144 records')
    """
    return f"{numbers.count(n)} {single if n == 1 else plural or single + 's'}"


def patients(n: int | None) -> str:
    """How many patients; a sum of nothing printed is not a count of none."""
    return some(n, "patient") if n else "patients not printed"


def outcome_name(outcome: str) -> str:
    """What the letters of an outcome stand for."""
    return OUTCOMES.get(outcome, outcome.replace("_", " "))


def sentence(text: str) -> str:
    """A rule's or a check's name as words: `curve-rises` as `Curve rises`."""
    words = re.sub(r"[-_]+", " ", text).strip()
    return capital(words)


def capital(text: str) -> str:
    """The text with its first letter large."""
    return text[:1].upper() + text[1:]


def doi_link(doi: str) -> str:
    """The address of a DOI; "" where the text is none."""
    text = doi.strip()
    return (
        f"https://doi.org/{quote(text, safe='/().;:-_')}"
        if re.fullmatch(r"10\.\d{4,9}/\S{1,200}", text)
        else ""
    )


def pmid_link(pmid: str) -> str:
    """The address of a PubMed entry; "" where the text is no number."""
    return f"https://pubmed.ncbi.nlm.nih.gov/{pmid}/" if re.fullmatch(r"[0-9]{1,9}", pmid) else ""


def link(path: str, *segments: str, **params: object) -> str:
    """An address in the app, every part quoted.

    >>> link("/studies", "a/b c"), link("/records", box="screened", q="")
    ('/studies/a%2Fb%20c', '/records?box=screened')
    """
    whole = path + "".join("/" + quote(segment, safe="") for segment in segments)
    given = {key: value for key, value in params.items() if value not in ("", None)}
    return whole + (f"?{urlencode(given)}" if given else "")
