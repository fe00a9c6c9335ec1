"""Our pooled value beside an earlier review's, and why the two differ."""

from __future__ import annotations

from dataclasses import dataclass

from kmeta.methods.synthesis.result import Pool
from kmeta.review.estimate import PublishedResult


@dataclass(frozen=True, slots=True, kw_only=True)
class BesidePublished:
    """One line of the side-by-side table. `reasons` are written from the data, never general talk."""

    analysis: str
    title: str
    treatment_class: str
    pool: Pool | None
    published: PublishedResult
    difference: float | None = None
    published_inside_ci: bool | None = None
    published_inside_pi: bool | None = None
    reasons: tuple[str, ...] = ()
