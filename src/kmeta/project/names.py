"""File names for what people are called: every name gets one, no two names the same, on every system."""

from __future__ import annotations

import re

from kmeta.core.canonical import sha256

_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
# What a made name ends in; no plain name may look like one.
_MADE = re.compile(r".*-[0-9a-f]{12}")
_RESERVED = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")


def file_stem(name: str) -> str:
    """`name` itself where it is plain; else what can be kept of it and the beginning of its hash.

    Small letters only, for some systems do not tell them from large ones.

    >>> file_stem("anna"), file_stem("Anna"), file_stem("nul"), file_stem("../x")
    ('anna', 'anna-bf4fccd61625', 'nul-99e624275901', 'x-d6b96a97d147')
    """
    if _PLAIN.fullmatch(name) and not _MADE.fullmatch(name) and not _RESERVED.fullmatch(name):
        return name
    kept = re.sub(r"[^a-z0-9]+", "-", name[:200].casefold()).strip("-")[:27].strip("-")
    return f"{kept or 'name'}-{sha256(name)[:12]}"
