"""What the extractor's words mean: one table from patterns of words to codes, shared by checks and selection.

Papers and extractors say the same thing in many ways: `responder_analysis_immortal_time`, "non-responders",
"groups made by a later recurrence". Whoever needs to act on such words asks `meanings` for the codes and never
looks for words itself. Text is compared regardless of case; underscores and hyphens count as spaces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

# code: (plain words, patterns); a pattern is a regular expression on the normalised text.
_TABLE: dict[str, tuple[str, tuple[str, ...]]] = {
    "immortal_time": (
        "patients were grouped by something that happened after time 0",
        (
            r"\bimmortal time\b",
            r"\b(?:non ?)?responders?\b",
            r"\bresponder analysis\b",
            r"\bgroup(?:s|ed)?(?: made)? by (?:an? )?later \w+",
            r"\blandmark not used\b",
        ),
    ),
    "grouped_by_recurrence": (
        "the group is defined by whether or when disease came back",
        (
            r"\b(?:early|late|no|without) (?:recurrence|relapse)\b",
            r"\b(?:recurrence|relapse) (?:within|after|before|more than|less than|later than)\b",
            r"\bnever recurred\b",
        ),
    ),
    "selected_by_response": (
        "patients were chosen because they had responded or benefited",
        (
            r"\bselected by (?:their )?(?:response|benefit)\b",
            r"\binitial response to\b",
            r"\bbenefit(?:t?ed)? (?:at least |for |of )?(?:>=? ?)?\d+ (?:months|years)\b",
        ),
    ),
    "conditional": (
        "counted only in those who had an earlier event or had survived so far",
        (
            r"\bconditional on\b",
            r"\bconditional (?:survival|os|dfs|rfs|pfs)\b",
            r"\b(?:among|of|in|for) (?:the )?(?:patients|those|people|survivors) (?:with (?:a )?(?:recurrence|relapse)|"
            r"who (?:recurred|relapsed|progressed|survived))\b",
        ),
    ),
    "completers_only": (
        "only patients who completed the treatment are counted",
        (
            r"\bcompleters?\b",
            r"\bwho (?:had )?completed\b",
            r"\bcompleted (?:both|all|the|every)\b",
            r"\bper protocol (?:only|population|set|patients)\b",
        ),
    ),
    "graft": (
        "graft survival: the loss of a graft counts as an event, so it is not survival of patients",
        (r"\bgraft survival\b", r"\bgraft loss\b"),
    ),
    "matched_subset": (
        "the figure is of matched patients, not of the whole arm",
        (r"(?<!un )(?<!not )(?<!before )\bmatched\b",),
    ),
    "unmatched": ("the figure is of the arm before matching", (r"\b(?:un ?|not |before being )matched\b",)),
    "weighted": (
        "the figure is of a weighted sample",
        (r"\bip(?:t|c)?w\b", r"\binverse probability\b", r"\bpropensity (?:score )?weight(?:ed|ing)\b"),
    ),
    "mean_not_median": (
        "a mean, not a median",
        (
            r"\bmeans?,? not (?:an? )?medians?\b",
            r"\bmean (?:overall |progression free |disease free )?survival\b",
            r"\bmean\b[^;]{0,40}\binstead of (?:a |the )?median\b",
        ),
    ),
    "nonmonotone": (
        "survival rises with time in the source",
        (r"\bnon ?monoton(?:e|ic|ous)\b", r"\bnot monoton(?:e|ic|ous)\b", r"\bsurvival rises\b"),
    ),
    "event_probability": (
        "the probability of an event, not of being free of it",
        (r"\bevent probabilit(?:y|ies)\b", r"\bcumulative incidence\b", r"\bprobability of (?:the )?event\b"),
    ),
    "denominator_inferred": (
        "the source does not say of whom; the group was inferred",
        (
            r"\bdenominator (?:was |is )?(?:inferred|assumed|guessed|not printed|not stated|unclear)\b",
            r"\bno printed denominator\b",
        ),
    ),
    "derived_unit": (
        "converted from the unit that was printed",
        (
            r"\bconverted\b",
            r"\bprinted (?:in|as)? ?(?:\d+(?:\.\d+)? )?(?:years|days|weeks)\b",
        ),
    ),
    "extrapolated": (
        "beyond the follow-up of the study",
        (r"\bextrapolated\b", r"\bbeyond (?:the )?(?:\w+ )?follow ?up\b"),
    ),
    "suspect": (
        "thought to be a misprint in the source",
        (r"\bsuspect\b", r"\bimplausibl[ey]\b", r"\bmisprint\b", r"\btypographical\b"),
    ),
    "inconsistent": (
        "contradicts another value of the same source",
        (r"\binconsistent\b", r"\bcontradict(?:s|ed|ing|ory)?\b", r"\bthe other way round\b"),
    ),
    "zero_survival": ("nobody is said to survive", (r"\bzero survival\b",)),
    "median_not_reached": (
        "the median was not reached",
        (r"\bmedian(?: \w+){0,4} (?:was |is )?not (?:yet )?reached\b",),
    ),
    "limit_not_reached": (
        "the upper limit of the interval was not reached",
        (
            r"\bupper (?:ci|limit|bound|confidence limit)(?: (?:was|is))? not (?:reached|estimable)\b",
            r"\bci not estimable\b",
        ),
    ),
    "interval_type_unknown": (
        "the source does not say what the bracketed figures are",
        (
            r"\binterval type not (?:stated|printed|named)\b",
            r"\bnot called (?:a )?confidence intervals?\b",
            r"\bunknown (?:kind|type) of interval\b",
        ),
    ),
    "range_not_interval": (
        "the two figures are a range of values, not an interval",
        (r"\brange\b[^;]{0,40}\bnot (?:an? )?(?:confidence )?interval\b", r"\bwith a range\b"),
    ),
    "origin_not_printed": (
        "the source does not say from when time is counted",
        (r"\borigin (?:was |is )?not (?:printed|stated)\b",),
    ),
    "origin_implied": ("time 0 was read between the lines", (r"\b(?:time )?origin (?:was |is )?implied\b",)),
    "origin_recurrence": (
        "time is counted from a recurrence",
        (r"\borigin (?:is )?recurrence\b", r"\b(?:counted|measured) from (?:the )?recurrence\b"),
    ),
    "origin_diagnosis": (
        "time is counted from a diagnosis",
        (r"\b(?:counted|measured) from (?:the )?diagnosis\b", r"\borigin (?:is )?diagnosis\b"),
    ),
    "subgroup": ("a subgroup", (r"\bsubgroups?\b",)),
    "across_arms": ("a subgroup that crosses the arms", (r"\bacross (?:the |all |both )?arms\b",)),
    "prognostic": (
        "compares patients, not treatments",
        (r"\bprognostic\b", r"\bnot randomi[sz]ed\b", r"\brisk groups?\b"),
    ),
    "crossover": (
        "patients of the control arm later got the experimental treatment",
        (
            r"\bcross(?:ed)? ?over\b",
            r"\bof (?:the )?(?:controls?|control arm|placebo patients) (?:later )?(?:had|received)\b",
        ),
    ),
    "hazards_not_proportional": (
        "the hazards were not proportional",
        (r"\bproportional hazards (?:was |were )?(?:not met|violated|rejected)\b", r"\bnon proportional hazards\b"),
    ),
    "interim": ("an interim analysis", (r"\binterim\b", r"\bat study closure\b")),
    "one_sided": ("the p value is one-sided", (r"\bone sided\b",)),
    "test_not_named": ("the source does not name the test", (r"\btest not (?:named|stated|printed)\b",)),
    "other_version": (
        "another version of the source prints something else",
        (r"\b(?:another|other|earlier|later|first|second) version\b", r"\b(?:two|different) versions\b"),
    ),
    "no_interval": (
        "printed without an interval",
        (
            r"\bno (?:ci|confidence interval|interval)\b",
            r"\b(?:ci|confidence interval|interval) not printed\b",
            r"\bwithout (?:an? )?(?:ci|confidence interval|interval)\b",
        ),
    ),
    "reversed_direction": (
        "the ratio is of the worse arm against the better one",
        (r"\bdirection\b[^;]{0,80}\b(?:versus|against|v|vs)\b",),
    ),
    "central_review": (
        "progression as read by a central, blinded or independent review",
        (
            r"\bcentral(?:ly)? (?:review|assess|read)\w*\b",
            r"\bindependent (?:central |radiolog\w+ )?review\b",
            r"\bbicr\b",
        ),
    ),
    "local_review": (
        "progression as read by the investigators",
        (r"\b(?:investigators?|site|locally|local) (?:assess\w*|review\w*)\b",),
    ),
    "open_extension": ("includes an open-label extension", (r"\bopen label extension\b", r"\bextension study\b")),
    "counts_only": (
        "numbers of the living only, no survival estimate",
        (r"\bcounts only\b", r"\bonly counts\b", r"\ba count, not\b", r"\bcounts, not entered\b"),
    ),
    "not_entered": ("a value that was printed and, for a reason, not entered", (r"\b(?:not|no value) entered\b",)),
    "review_table": (
        "read in the table of another paper",
        (r"(?<!none from a )(?<!not from a )\breview tables?\b",),
    ),
    "same_patients": (
        "the same patients as another study",
        (r"\bsame (?:\d+ )?(?:\w+ )?patients as\b",),
    ),
}  # fmt: skip

MEANINGS: Mapping[str, str] = MappingProxyType({code: words for code, (words, _) in _TABLE.items()})
_PATTERNS = {code: re.compile("|".join(patterns)) for code, (_, patterns) in _TABLE.items()}
_FOLLOW_UP = re.compile(
    r"\b(?:median|mean) follow up\b[^;:.\d]{0,60}(?P<values>\d[^;:]{0,60}?)\b(?P<unit>months?|years?)\b"
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_EVENTS_BY_ARM = re.compile(r"\b(\d+) (?:v|vs|versus|and|against) (\d+) (?:events|deaths|progressions)\b")
_EVENTS = re.compile(r"\b(\d+) (?:events|deaths|progressions)\b")
_N_OF = re.compile(r"\bn ?= ?(\d{1,9})\b")


def normalised(text: str) -> str:
    """Lower case, underscores and hyphens as spaces, one space between words.

    >>> normalised("Non-responders,  mean_not_median")
    'non responders, mean not median'
    """
    return " ".join(re.sub(r"[_\-\u2010\u2011]+", " ", text).casefold().split())


@lru_cache(maxsize=8192)
def meanings(text: str) -> frozenset[str]:
    """The codes of MEANINGS that `text` (a flag, a population, a note) speaks of; none for empty text.

    >>> sorted(meanings("matched subset; upper CI not reached"))
    ['limit_not_reached', 'matched_subset']
    >>> meanings("abstract, unmatched") == {"unmatched"}
    True
    """
    words = normalised(text)
    if not words:
        return frozenset()
    return frozenset(code for code, pattern in _PATTERNS.items() if pattern.search(words))


def follow_up_months(text: str) -> float | None:
    """The longest median or mean follow-up that `text` states, in months; None where it states none.

    Grammar: ("median" | "mean") "follow-up" [words] number ... ("months" | "years"); numbers in brackets are
    spreads and not read.

    >>> follow_up_months("abstract read; median follow-up 158 (LT) and 126 (LR) months")
    158.0
    >>> follow_up_months("median follow-up of those alive 4.5 years; 209 recurred")
    54.0
    """
    found: list[float] = []
    for match in _FOLLOW_UP.finditer(normalised(text)):
        factor = 12.0 if match["unit"].startswith("year") else 1.0
        values = _NUMBER.findall(re.sub(r"\([^)]*\)?", " ", match["values"]))
        found += [round(factor * float(value), 6) for value in values]
    return max(found, default=None)


def stated_n(text: str) -> int | None:
    """The number of patients that `text` itself names as "n=62"; None where it names none or several.

    >>> stated_n("abstract (n=62)"), stated_n("n = 117 v n = 114")
    (62, None)
    """
    found = {int(number) for number in _N_OF.findall(normalised(text))}
    return found.pop() if len(found) == 1 else None


def stated_events(text: str) -> tuple[int, ...] | None:
    """Events of two arms, or of both together, that `text` names; None where it names none.

    >>> stated_events("update; 30 v 78 events"), stated_events("48 deaths of 85"), stated_events("n = 85")
    ((30, 78), (48,), None)
    """
    words = normalised(text)
    if found := _EVENTS_BY_ARM.search(words):
        return int(found[1]), int(found[2])
    return (int(total[1]),) if (total := _EVENTS.search(words)) else None
