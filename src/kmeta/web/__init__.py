"""The review in a browser: parse, one step, render."""

from kmeta.web.reading import Drawing, Loaded

__all__ = ["Drawing", "Loaded"]
