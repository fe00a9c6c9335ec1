"""How probable it is that two records are one report: agreement weights in the manner of Fellegi and Sunter."""

from __future__ import annotations

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.dedup.compare import Pairs

# log2 (share of agreements among duplicates / among pairs that merely share a key), and the same of disagreements:
# round figures that a person would give, the same for every review; they order the queue, rules decide.
WEIGHTS: dict[str, tuple[float, float]] = {
    "author": (2.0, -4.0),
    "volume": (3.0, -3.0),
    "issue": (1.5, -1.0),
    "first_page": (4.0, -4.0),
    "last_page": (1.5, -1.0),
    "journal": (2.0, -1.5),
    "doi": (8.0, -6.0),
    "pmid": (8.0, -6.0),
    "numbers": (0.5, -3.0),
}
PRIOR = -4.0  # log2 odds of a pair that shares a key and says nothing else
TITLE = ((99, 5.0), (95, 4.0), (90, 2.5), (80, 0.5), (60, -3.0), (0, -7.0))


def probability(p: Pairs) -> Floats:
    """Probability that each pair is one report, 0-1, shape (m,).

    Source: Fellegi & Sunter 1969, doi:10.1080/01621459.1969.10501049.
    """
    weight = np.full(len(p), PRIOR)
    for name, (agree, disagree) in WEIGHTS.items():
        state = getattr(p, name)
        weight += np.where(state == 1, agree, np.where(state == -1, disagree, 0.0))
    title = np.select([p.title >= low for low, _ in TITLE], [gain for _, gain in TITLE], 0.0)
    weight += np.where((p.contained == 1) & (p.long_title == 1), np.maximum(title, 3.0), title)
    weight += np.where(p.abstract >= 90, 4.0, np.where((p.abstract >= 0) & (p.abstract < 50), -2.0, 0.0))
    weight += np.where(p.year == 0, 1.0, np.where(p.year > 1, -2.0, 0.0))
    chance: Floats = 1 / (1 + np.exp2(-np.clip(weight, -60, 60)))
    return chance
