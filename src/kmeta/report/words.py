"""The words the report uses for the codes of the data."""

from __future__ import annotations

from kmeta.core.numbers import count, decimal
from kmeta.review.study import CLASS_TITLES

OUTCOMES = {
    "OS": "overall survival",
    "DSS": "disease-specific survival",
    "DFS": "disease-free survival",
    "RFS": "recurrence-free survival",
    "PFS": "progression-free survival",
    "HPFS": "hepatic progression-free survival",
    "TTP": "time to progression",
    "TTF": "time to treatment failure",
    "TTLP": "time to liver progression",
    "TTP_cumulative_incidence": "cumulative incidence of progression",
    "recurrence_cumulative_incidence": "cumulative incidence of recurrence",
    "disease_free_interval": "disease-free interval",
    "graft_survival": "graft survival",
    "late_recurrence": "late recurrence",
}
TAU2 = {
    "REML": "restricted maximum likelihood",
    "ML": "maximum likelihood",
    "DL": "the moment estimator of DerSimonian and Laird",
    "PM": "the estimator of Paule and Mandel",
    "EB": "the empirical Bayes estimator",
    "SJ": "the estimator of Sidik and Jonkman",
    "HE": "the estimator of Hedges",
    "HS": "the estimator of Hunter and Schmidt",
}
TESTS = {
    "hksj": "the Hartung-Knapp-Sidik-Jonkman method, never narrower than the normal interval",
    "knha": "the method of Knapp and Hartung",
    "z": "the normal distribution",
    "t": "the t distribution",
}
SCALES = {
    "PLO": "the logit of the probability",
    "HR": "the logarithm of the hazard ratio",
    "OR": "the logarithm of the odds ratio",
    "RR": "the logarithm of the risk ratio",
    "PLN": "the logarithm of the probability",
    "MSR": "the logarithm of the median survival ratio",
}
MEASURES = {
    "HR": "hazard ratio",
    "OR": "odds ratio",
    "RR": "risk ratio",
    "logrank_p": "log-rank test",
    "cox_p": "Cox model, estimate not printed",
}
KINDS = {
    "survival_at": "Survival at a time, pooled by treatment class",
    "hazard_ratio": "Hazard ratio, pooled by comparison",
    "median": "Medians, listed",
    "comparison": "Direct comparisons, listed",
}
LANGUAGES = {
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "it": "Italian",
    "ja": "Japanese",
    "nl": "Dutch",
    "pt": "Portuguese",
    "ru": "Russian",
    "zh": "Chinese",
}
BOXES = {
    "identified": "Records identified",
    "removed": "Records removed before screening",
    "screened": "Records screened",
    "excluded": "Records excluded",
    "sought": "Reports sought for retrieval",
    "not_retrieved": "Reports not retrieved",
    "assessed": "Reports assessed for eligibility",
    "excluded_full_text": "Reports excluded",
}
INTERVALS = {"published": "published", "wilson": "Wilson", "none": "–"}
# The source marks of the figure rules, as a reader is told them under a table.
MARKS = {
    "a": "adjusted or stratified",
    "k": "from the Kaplan-Meier curve",
    "d": "width derived from the exact P value of the ratio",
    "p": "from the P value and the number of events",
    "e": "from events, observed minus expected and its variance",
    "i": "assessed by the investigator",
    "m": "matched patients",
    "t": "another endpoint (time to progression)",
}


def outcome(code: str) -> str:
    """`overall survival` for OS; a code without words stays as it is."""
    return OUTCOMES.get(code, code.replace("_", " "))


def treatment_class(code: str) -> str:
    """`Liver resection` for resection."""
    return CLASS_TITLES.get(code, code)


def in_sentence(title: str) -> str:
    """A title as it stands inside a sentence: `liver resection`; an abbreviation keeps its capitals.

    >>> in_sentence("Liver resection"), in_sentence("TACE"), in_sentence("")
    ('liver resection', 'TACE', '')
    """
    return title[:1].lower() + title[1:] if title[1:2].islower() or title[1:2] in (" ", "-") else title


def capital(text: str) -> str:
    """With a capital letter in front."""
    return text[:1].upper() + text[1:]


def time(months: float | None) -> str:
    """A time as people say it.

    >>> time(60), time(12), time(18), time(6.5)
    ('5 years', '1 year', '18 months', '6.5 months')
    """
    if months is None:
        return "the stated time"
    if months > 0 and months % 12 == 0:
        years = int(months // 12)
        return f"{years} year" + ("" if years == 1 else "s")
    return f"{decimal(months, 0 if float(months).is_integer() else 1)} months"


def number_of(n: int, one: str, many: str = "") -> str:
    """A count with its noun.

    >>> number_of(1, "study", "studies"), number_of(1200, "arm")
    ('1 study', '1,200 arms')
    """
    return f"{count(n)} {one if n == 1 else many or one + 's'}"


def period(start: str, end: str) -> str:
    """Years of recruitment: `1985–2010`."""
    first, last = start[:4], end[:4]
    if not first and not last:
        return "–"
    return first if first == last else f"{first or '?'}–{last or '?'}"
