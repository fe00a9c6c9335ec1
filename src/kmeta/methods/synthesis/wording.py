"""Sentences that syntheses share."""

from __future__ import annotations

from kmeta.methods.selection import Policy
from kmeta.review.protocol import Analysis

_TESTS = {
    "hksj": "Hartung-Knapp-Sidik-Jonkman interval, never narrower than the z interval",
    "z": "z interval",
    "t": "t interval",
}


def plural(n: int, word: str) -> str:
    """`1 arm`, `2 arms`, `3 studies`.

    >>> plural(1, "arm"), plural(2, "study"), plural(1144, "patient")
    ('1 arm', '2 studies', '1,144 patients')
    """
    return f"{n:,} {word if n == 1 else many(word)}"


def many(word: str) -> str:
    """The plural of `word`."""
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def listed(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def sentence(text: str) -> str:
    """`text` with one full stop at its end, also where an abbreviation ends it.

    >>> sentence("Not printed: Loewe n.d."), sentence("Kept")
    ('Not printed: Loewe n.d.', 'Kept.')
    """
    return text if text.endswith(".") else f"{text}."


def model_words(scale: str, unit: str, plan: Analysis, policy: Policy, *, nested: bool = False) -> str:
    """The model in a few sentences: scale, between-study variance, interval, prediction, nesting."""
    test = policy.test or plan.test
    level = f"{100 * plan.level:g}%"
    said = [
        f"Random-effects model on {scale}; between-study variance by {policy.tau2 or plan.tau2}; {level} confidence"
        f" interval: {_TESTS.get(test, test)}.",
        f"{level} prediction interval wherever at least three {many(unit)} are pooled"
        + ("; t with k - 2 degrees of freedom." if policy.prediction == "riley" else "."),
        f"One {unit} is shown as printed; two are not pooled.",
    ]
    if nested and policy.model == "multilevel":
        said.append(
            f"Where a study gives several {many(unit)} to a pool they are nested in studies (multilevel model, t"
            " interval with the degrees of freedom of the studies); the plain model is among the sensitivity analyses."
        )
    return " ".join(said)
