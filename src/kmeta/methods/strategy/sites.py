"""Sites of the primary tumour, as patient states and arms name them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from kmeta.methods.selection.treatments import contains

# site -> words; a wider site holds the narrower ones.
SITES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "pancreas": ("pancreas", "pancreatic", "pnet", "pannet", "islet", "islets"),
        "midgut": (
            "midgut",
            "small intestine",
            "small intestinal",
            "small bowel",
            "ileum",
            "ileal",
            "jejunum",
        ),
        "hindgut": ("hindgut", "colon", "rectum", "colorectal", "rectal"),
        "stomach": ("stomach", "gastric", "foregut"),
        "lung": ("lung", "lungs", "bronchial", "bronchus", "pulmonary", "thoracic"),
    }
)
_WIDER: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "gi": frozenset({"midgut", "hindgut", "stomach"}),
        "gastrointestinal": frozenset({"midgut", "hindgut", "stomach"}),
        "gut": frozenset({"midgut", "hindgut", "stomach"}),
        "intestinal": frozenset({"midgut", "hindgut"}),
        "digestive": frozenset({"midgut", "hindgut", "stomach", "pancreas"}),
        "gep": frozenset({"midgut", "hindgut", "stomach", "pancreas"}),
        "gastroenteropancreatic": frozenset({"midgut", "hindgut", "stomach", "pancreas"}),
        "enteropancreatic": frozenset({"midgut", "hindgut", "pancreas"}),
        "extrapancreatic": frozenset({"midgut", "hindgut", "stomach", "lung"}),
    }
)


def sites(text: str) -> frozenset[str]:
    """The sites that `text` names; none where it names none.

    >>> sorted(sites("progressive non-functioning lung or GI"))
    ['hindgut', 'lung', 'midgut', 'stomach']
    """
    found = {site for site, words in SITES.items() if any(contains(text, word) for word in words)}
    for word, held in _WIDER.items():
        if contains(text, word):
            found |= held
    return frozenset(found)


def same_site(state: str, arm_site: str) -> bool:
    """Whether an arm may be of the patient state: they share a site, or one of them names none.

    >>> same_site("progressive pancreatic", "pancreas"), same_site("progressive pancreatic", "extrapancreatic")
    (True, False)
    """
    asked, given = sites(state), sites(arm_site)
    return not asked or not given or bool(asked & given)
