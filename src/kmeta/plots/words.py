"""The words and numbers that several figures print: labels, heterogeneity, marks, axis titles, alt text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from kmeta.core.numbers import MISSING, count, decimal, p_phrase, ratio_places
from kmeta.methods.meta.random_effects import MetaFit
from kmeta.methods.meta.scales import LOG_MEASURES, LOGIT_MEASURES
from kmeta.methods.synthesis.result import Line
from kmeta.plots.columns import Interval
from kmeta.plots.text import Run, Runs, marked_up, plain

MARK_WORDS = {
    "a": "adjusted or stratified",
    "k": "from the Kaplan-Meier curve",
    "d": "width derived from *P*",
    "p": "from *P* and events",
    "e": "from events, O − E and V",
    "i": "investigator assessed",
    "m": "matched",
    "t": "another endpoint (time to progression)",
    "s": "read in another paper, not in the study's own report",
    "w": "Wilson interval, computed",
    "r": "interval as reported",
}
RATIO_TITLES = {"HR": "Hazard ratio", "OR": "Odds ratio", "RR": "Risk ratio", "IRR": "Incidence rate ratio",
                "ROM": "Ratio of means", "MSR": "Ratio of median survival"}  # fmt: skip
OUTCOMES = {
    "OS": ("Overall survival", "death"),
    "DSS": ("Disease-specific survival", "death from the disease"),
    "DFS": ("Disease-free survival", "recurrence or death"),
    "RFS": ("Recurrence-free survival", "recurrence or death"),
    "PFS": ("Progression-free survival", "progression or death"),
    "HPFS": ("Hepatic progression-free survival", "hepatic progression or death"),
    "TTP": ("Freedom from progression", "progression"),
    "TTF": ("Freedom from treatment failure", "treatment failure"),
    "TTLP": ("Freedom from local progression", "local progression"),
}
_YEAR = re.compile(r"^(.*\S)\s+((?:(?:18|19|20)\d\d[a-z]?|n\.d\.|n\.r\.)(?:\s+\(.*\))?)$")


def known(value: float | None) -> bool:
    """Whether there is a number."""
    return value is not None and not math.isnan(value)


def study_label(line: Line, size: float) -> Runs:
    """The name in ink, its year in grey."""
    found = _YEAR.match(line.label.strip())
    name, year = found.groups() if found else (line.label, str(line.year or ""))
    grey = plain(year, size, colour="secondary") if year else ()
    return (*plain(name, size), Run(" ", size), *grey) if year else plain(name, size)


def typographic(text: str) -> str:
    """A treatment as a table prints it: a capital where the first word has none at all, real comparison signs."""
    for typed, sign in ((">=", "≥"), ("<=", "≤")):
        text = re.sub(rf"\s*{typed}\s*", f" {sign}\u00a0", text).replace(f"( {sign}", f"({sign}")
    return capital(text.strip(" "))


def capital(text: str) -> str:
    """With a capital first letter where the first word has none ("mTOR inhibitor" keeps its own)."""
    first = text.split(" ", 1)[0].strip(",;:()").replace("-", "").replace("/", "")
    return text[:1].upper() + text[1:] if first.islower() and first.isalpha() else text


def first_sentence(text: str) -> str:
    """Up to the first semicolon or full stop that ends a thought: the model without its small print."""
    return full_stop(re.split(r"\.\s+", text.strip(), maxsplit=1)[0].rstrip(".")) if text.strip() else ""


def by_year(lines: Iterable[Line]) -> list[Line]:
    """Oldest first, those without a year last, as they came within a year."""
    return sorted(lines, key=lambda line: (line.year is None, line.year or 0))


def ratio_interval(value: float, low: float | None, high: float | None, *, mark: str = "", bold: bool = False,
                   colour: str = "ink") -> Interval:  # fmt: skip
    """A ratio with limits printed as the estimate is; a limit that would round to 0 keeps its own digits."""
    places = ratio_places(value) if known(value) else 2

    def text(limit: float | None) -> str:
        if not known(limit):
            return ""
        assert limit is not None  # noqa: S101 - known
        shown = decimal(limit, places)
        return (
            decimal(limit, ratio_places(limit))
            if limit > 0 and float(shown.replace("∞", "1")) == 0
            else shown
        )

    low_text, high_text = text(low), text(high)
    if not (low_text and high_text):
        low_text = high_text = ""
    return Interval(
        decimal(value, places) if known(value) else MISSING, low_text, high_text, mark, bold, colour
    )


def plain_interval(value: float | None, low: float | None, high: float | None, places: int, *, scale: float = 1.0,
                   mark: str = "", bold: bool = False, colour: str = "ink") -> Interval:  # fmt: skip
    """Any other estimate with the same decimals throughout."""

    def text(number: float | None) -> str:
        return decimal(number * scale, places) if number is not None and not math.isnan(number) else ""

    low_text, high_text = text(low), text(high)
    if not (low_text and high_text):
        low_text = high_text = ""
    return Interval(text(value) or MISSING, low_text, high_text, mark, bold, colour)


def without_value(interval: Interval) -> Interval:
    """The limits alone: a prediction interval has no estimate of its own."""
    return Interval("", interval.low, interval.high, "", interval.bold, interval.colour)


def scale_word(measure: str) -> str:
    """How a measure's analysis scale is called after tau2."""
    if measure in LOGIT_MEASURES:
        return " (logit)"
    return ""


def italic_p(p: float | None) -> str:
    """`*P* = 0.04`."""
    return p_phrase(p).replace("P ", "*P* ", 1)


def tau2_text(tau2: float) -> str:
    """2 decimals; 3 below 0.05 unless 0."""
    return decimal(tau2, 3 if 0 < tau2 < 0.05 else 2)


def heterogeneity(fit: MetaFit, *, full: bool = False) -> str:
    """`τ² = 0.16 (logit); I² = 76%; Q = 37.1, df = 8, P < 0.001`; with the interval of τ² when `full`."""
    inside = scale_word(fit.measure)
    if full and known(fit.tau2_low) and known(fit.tau2_high):
        places = len(tau2_text(fit.tau2)) - 2
        limits = f"{100 * fit.level:g}% CI {decimal(fit.tau2_low, places)}–{decimal(fit.tau2_high, places)}"
        inside = f" ({'logit; ' if inside else ''}{limits})"
    words = [f"*τ*² = {tau2_text(fit.tau2)}{inside}"]
    if known(fit.i2):
        words.append(f"*I*² = {decimal(100 * fit.i2, 0)}%")
    if fit.q_df > 0 and known(fit.q):
        words.append(f"*Q* = {decimal(fit.q, 1)}, df = {fit.q_df}, {italic_p(fit.q_p)}")
    return "; ".join(words)


def overall_test(fit: MetaFit) -> str:
    """`Overall: t = −14.0, df = 8, P < 0.001`; empty where the null value is not a hypothesis (a proportion)."""
    if fit.measure in LOGIT_MEASURES or not known(fit.statistic):
        return ""
    if math.isinf(fit.df):
        return f"Overall: *z* = {decimal(fit.statistic, 1)}, {italic_p(fit.p_value)}"
    places = 0 if float(fit.df).is_integer() else 1
    return f"Overall: *t* = {decimal(fit.statistic, 1)}, df = {fit.df:.{places}f}, {italic_p(fit.p_value)}"


def explained(marks: Iterable[str]) -> str:
    """The marks in use, each with its word; empty when none is used."""
    used = sorted(set(marks))
    return "; ".join(f"**{mark}** {MARK_WORDS[mark]}" for mark in used if mark in MARK_WORDS)


def counted(n: int, one: str, many: str = "") -> str:
    """`1 arm`, `1,144 patients`."""
    return f"{count(n)} {one if n == 1 else many or one + 's'}"


def is_ratio(measure: str) -> bool:
    """Whether the measure is analysed on the log scale and read as a ratio."""
    return measure in LOG_MEASURES


def event_words(outcomes: Sequence[str]) -> str:
    """What a hazard ratio of these outcomes is for: "progression or death"."""
    words = [OUTCOMES.get(outcome.upper(), ("", outcome))[1] for outcome in outcomes]
    return " or ".join(dict.fromkeys(" or ".join(words).split(" or "))) if words else "the outcome"


def outcome_title(outcomes: Sequence[str]) -> str:
    """`Overall survival`; several joined by "or"."""
    titles = [OUTCOMES.get(outcome.upper(), (outcome,))[0] for outcome in outcomes]
    joined = " or ".join([titles[0], *(t[0].lower() + t[1:] for t in titles[1:])]) if titles else "Survival"
    return joined[0].upper() + joined[1:]


def at_time(months: float | None) -> str:
    """`at 5 years`, `at 18 months`."""
    if months is None:
        return ""
    if months % 12 == 0:
        return f"at {months / 12:.0f} year{'' if months == 12 else 's'}"
    return f"at {months:g} months"


def sentences(*parts: str) -> str:
    """At most three sentences, each with its full stop."""
    kept = [part.strip() for part in parts if part.strip()]
    return " ".join(part if part.endswith(".") else part + "." for part in kept[:3])


def unmarked(text: str) -> str:
    """Our markup taken off, for alt text."""
    return re.sub(r"\*+", "", text)


def note(text: str, size: float) -> Runs:
    """A note of ours (with markup), grey."""
    return marked_up(text, size, "secondary")


def paragraph(*parts: Runs) -> list[Runs]:
    """Notes one after the other as one paragraph; no parts, no paragraph."""
    joined: list[Run] = []
    for runs in parts:
        if joined and runs:
            joined.append(Run(" ", runs[0].size, colour=runs[0].colour))
        joined.extend(runs)
    return [tuple(joined)] if joined else []


def full_stop(text: str) -> str:
    """The text as a sentence."""
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."


def note_from_outside(text: str, size: float) -> Runs:
    """A note whose words are not ours, grey."""
    return plain(text, size, colour="secondary")
