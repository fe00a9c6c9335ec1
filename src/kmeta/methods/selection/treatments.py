"""Which treatment of the protocol an arm belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from kmeta.review.protocol import Treatment
from kmeta.review.study import Arm


@lru_cache(maxsize=4096)
def _whole(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(word.casefold().strip())}(?!\w)")


def contains(text: str, word: str) -> bool:
    """Whether `word` stands in `text` as a whole, regardless of case.

    >>> contains("Everolimus 10 mg/d", "everolimus"), contains("TACE", "TAE")
    (True, False)
    """
    return bool(word.strip()) and bool(_whole(word).search(text.casefold()))


def belongs(arm: Arm, treatment: Treatment) -> bool:
    """Whether the arm's class is that of the treatment, one of its words is there and none that must be absent."""
    return (
        arm.treatment_class == treatment.treatment_class
        and any(contains(arm.treatment, word) for word in treatment.words)
        and not any(contains(arm.treatment, word) for word in treatment.without)
    )


def treatment_of(arm: Arm, treatments: Iterable[Treatment]) -> Treatment | None:
    """The first treatment that the arm belongs to."""
    return next((treatment for treatment in treatments if belongs(arm, treatment)), None)


def is_placebo(arm: Arm) -> bool:
    """Whether the arm got placebo and nothing else that counts as treatment.

    >>> from kmeta.review.study import Arm
    >>> is_placebo(Arm(study_id="s", arm_id="a", treatment_class="systemic", treatment="placebo"))
    True
    """
    return contains(arm.treatment, "placebo") and not re.search(
        r"\+|\b(?:and|or|with|plus)\b", arm.treatment.casefold()
    )
