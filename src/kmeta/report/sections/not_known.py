"""What is not known and what was not done: said, never filled in."""

from __future__ import annotations

from collections.abc import Iterator

from kmeta.report.document import Block, Bullets, Paragraph, quote, runs
from kmeta.report.draft import Draft, section


@section("not-known", "What is not known and not done", order=140)
def not_known(draft: Draft) -> Iterator[Block]:
    """In the words of the protocol, the flow and the programme."""
    contents = draft.contents
    told = list(dict.fromkeys([*contents.protocol.not_known, *contents.flow.not_known]))
    if told:
        yield Paragraph(runs("Not known about this review:"), keep_with_next=True)
        yield Bullets(tuple(runs(quote(sentence)) for sentence in told))
    if contents.not_built:
        yield Paragraph(
            runs("Not done, because kmeta does not do it yet:"),
            keep_with_next=True,
        )
        yield Bullets(tuple(runs(quote(step)) for step in contents.not_built))
    if not told and not contents.not_built:
        yield Paragraph(runs("Nothing is recorded as not known."))
