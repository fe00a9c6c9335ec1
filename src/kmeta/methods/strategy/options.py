"""What an option of the decision criteria names: a class of treatments, some treatments of it, or none.

The rule: an option that begins with "no" or "without" is conservative. One that is the name of a class (CLASS_NAMES)
stands for the whole class. One that is the name or the group of treatments of the protocol stands for these alone;
any other stands for those treatments whose name, group or one of whose words it contains, and the class of the first
of them is its class. Where it contains none, words of the field (CLASS_WORDS) give the class, and an arm belongs to it
when its treatment contains one of the same words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kmeta.methods.selection.treatments import belongs, contains
from kmeta.review.protocol import Treatment
from kmeta.review.study import CLASS_TITLES, Arm

CLASS_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "resection": ("resection", "liver surgery", "hepatic resection", "hepatectomy", "surgery"),
        "transplantation": ("transplantation", "transplant"),
        "locoregional": (
            "loco-regional",
            "locoregional",
            "loco-regional therapy",
            "locoregional treatment",
            "locoregional therapy",
            "liver-directed therapy",
        ),
        "systemic": (
            "systemic",
            "systemic therapy",
            "medical treatment",
            "medical therapy",
            "drug treatment",
        ),
        "multimodal": ("multimodal", "multimodal therapy"),
        "conservative": (
            "conservative",
            "conservative treatment",
            "observation",
            "surveillance",
            "watchful waiting",
            "best supportive care",
            "supportive care",
        ),
    }
)
# Parts of words, looked for at the beginning of a word; the first class with a hit is taken.
CLASS_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "transplantation": ("transplant",),
        "locoregional": (
            "ablat",
            "radiofrequency",
            "microwave",
            "rfa",
            "mwa",
            "cryo",
            "emboli",
            "chemoemboli",
            "radioemboli",
            "tae",
            "tace",
            "tare",
            "sirt",
            "intra-arterial",
            "locoregional",
            "loco-regional",
            "liver-directed",
        ),
        "resection": ("resect", "hepatectom", "cytoreduct", "debulk", "surg"),
        "systemic": (
            "systemic",
            "chemo",
            "analogue",
            "analog",
            "radionuclide",
            "targeted",
            "immuno",
            "interferon",
        ),
        "conservative": ("surveillance", "observation", "supportive", "watchful"),
    }
)
_NEGATED = re.compile(r"^\W*(?:no|not|without|none)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """An option as the table treats it; `whole`: it stands for every arm of its class.

    `treatments` are the treatments of the protocol it names, `words` the words of the field it is known by where it
    names none. `treatment_class` is "" where it names no treatment at all.
    """

    text: str
    treatment_class: str = ""
    whole: bool = False
    treatments: tuple[Treatment, ...] = ()
    words: tuple[str, ...] = ()

    def has(self, arm: Arm) -> bool:
        """Whether patients of `arm` got this option, alone or as one of several ("TAE or TACE")."""
        if arm.treatment_class != self.treatment_class:
            return False
        if self.whole:
            return True
        if self.treatments:
            return any(belongs(arm, treatment) for treatment in self.treatments)
        return any(_begins(arm.treatment, word) for word in self.words)


def read_option(text: str, treatments: Iterable[Treatment]) -> Option:
    """What `text` names; of treatments of several classes the class of the first is taken, with its treatments.

    >>> read_option("no resection", ()).treatment_class, read_option("liver transplantation", ()).whole
    ('conservative', True)
    >>> drug = Treatment(name="everolimus", treatment_class="systemic", words=("everolimus",))
    >>> read_option("Everolimus or sunitinib", [drug]).treatments[0].name
    'everolimus'
    >>> read_option("WHO 2010", [drug]).treatment_class
    ''
    """
    words = " ".join(text.casefold().split())
    if _NEGATED.search(words):
        return Option(text=text, treatment_class="conservative", whole=True)
    for name, title in CLASS_TITLES.items():
        if words == title.casefold() or words in CLASS_NAMES.get(name, ()):
            return Option(text=text, treatment_class=name, whole=True)
    for name, class_names in CLASS_NAMES.items():
        if any(words in (f"liver {known}", f"hepatic {known}") for known in class_names):
            return Option(text=text, treatment_class=name, whole=True)
    known_treatments = tuple(treatments)
    exact = [t for t in known_treatments if words.rstrip("s") in (_key(t.name), _key(t.group))]
    named = exact or [treatment for treatment in known_treatments if _names(text, treatment)]
    if named:
        its_class = named[0].treatment_class
        mine = tuple(treatment for treatment in named if treatment.treatment_class == its_class)
        return Option(text=text, treatment_class=its_class, treatments=mine)
    for name, known in CLASS_WORDS.items():
        hits = tuple(word for word in known if _begins(text, word))
        if hits:
            return Option(text=text, treatment_class=name, words=hits)
    return Option(text=text)


def _names(text: str, treatment: Treatment) -> bool:
    known = (treatment.name, treatment.group, *treatment.words)
    return any(contains(text, form) for word in known for form in (word, f"{word}s") if word) and not any(
        contains(text, word) for word in treatment.without
    )


def _key(name: str) -> str:
    return name.casefold().rstrip("s")


def _begins(text: str, word: str) -> bool:
    return bool(re.search(rf"(?<!\w){re.escape(word)}", text.casefold()))
