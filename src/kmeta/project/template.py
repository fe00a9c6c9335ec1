"""The `review.toml` that a new review begins with: every field said and explained, nothing decided."""

from __future__ import annotations

from importlib.resources import files

from kmeta.review.codec import check_text


def protocol_template(title: str = "") -> str:
    """The text of a new protocol with its title.

    >>> protocol_template('A "new" review').split(chr(10))[4]
    'title = "A \\\\"new\\\\" review"'
    """
    text = files(__package__).joinpath("template.toml").read_text(encoding="utf-8")
    shown = check_text(title.strip() or "Title of the review", "title")
    quoted = "".join(
        f"\\u{ord(letter):04X}" if ord(letter) < 32 or ord(letter) == 127 else letter
        for letter in shown.replace("\\", "\\\\").replace('"', '\\"')
    )
    return text.replace('"@TITLE@"', f'"{quoted}"', 1)
