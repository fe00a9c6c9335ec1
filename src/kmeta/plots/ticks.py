"""Where the ticks of an axis stand, and how they are written."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_LABELS = 6
# Further than this from the null value nothing is shown in place: it becomes an arrowhead at the end.
WIDEST = 1e6
SHARE_OF_LIMITS = 0.8


@dataclass(frozen=True, slots=True)
class Axis:
    """A stretch of numbers and its ticks; `log` says how it is spread."""

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value lies, 0 at the low end and 1 at the high end; outside these beyond the ends."""
        if not self.log:
            return (value - self.low) / (self.high - self.low)
        if value <= 0:
            return -math.inf
        return math.log(value / self.low) / math.log(self.high / self.low)


def shortest(value: float) -> str:
    """The fewest digits that say exactly this tick.

    >>> shortest(0.125), shortest(1.0), shortest(-0.5), shortest(1000)
    ('0.125', '1', '−0.5', '1,000')
    """
    text = f"{value:.10f}".rstrip("0").rstrip(".")
    if abs(value) < 1e-6 and value:
        text = f"{value:.0e}".replace("e-0", "e-")
    elif abs(value) >= 1000 and value == int(value):
        text = f"{int(value):,}" if abs(value) < 1e9 else f"{value:.0e}".replace("e+0", "e")
    return "0" if text == "-0" else text.replace("-", "−")


def _usable(values: Iterable[float]) -> list[float]:
    return [v for v in values if math.isfinite(v) and v > 0]


def _narrowest(need: tuple[float, float], limits: Sequence[float], share: float) -> tuple[float, float]:
    """The narrowest stretch (on the log scale) that holds `need` and at least `share` of the limits."""
    below = sorted(v for v in limits if v < need[0])
    above = sorted(v for v in limits if v > need[1])
    drop = math.floor((1 - share) * len(limits) + 1e-9)
    best: tuple[float, float, float] | None = None
    for left in range(min(drop, len(below)) + 1):
        right = min(drop - left, len(above))
        low = below[left] if left < len(below) else need[0]
        high = above[len(above) - right - 1] if right < len(above) else need[1]
        tried = (math.log(high / low), low, high)
        best = tried if best is None or tried < best else best
    assert best is not None  # noqa: S101 - the loop runs at least once
    return best[1], best[2]


def _candidates(low: float, high: float, null: float, max_labels: int) -> tuple[list[float], list[int]]:
    """Candidate ticks well beyond [low, high], and the strides by which they may be thinned."""
    span = high / low
    if span < 2.5:
        first, last = math.floor(low * 10) - 2, math.ceil(high * 10) + 2
        return [n / 10 for n in range(max(1, first), last + 1)], [1, 2, 5, 10]
    twos = math.ceil(math.log2(max(high, 2 * null)) - 1e-9), math.floor(math.log2(min(low, null / 2)) + 1e-9)
    if span <= 64 and twos[0] - twos[1] < max_labels:
        first, last = math.floor(math.log2(low)) - 2, math.ceil(math.log2(high)) + 2
        return [2.0**n for n in range(first, last + 1)], [1, 2, 3, 4]
    first, last = math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1
    decades = [float(f"{digit}e{n}") for n in range(first, last + 1) for digit in (1, 3)]
    return decades, [1, 2, 4, 6, 8, 12]


def log_axis(
    estimates: Iterable[float],
    limits: Iterable[float] = (),
    pooled: Iterable[float] = (),
    *,
    null: float = 1.0,
    max_labels: int = MAX_LABELS,
) -> Axis:
    """The smallest window of candidate ticks for ratios.

    It holds every estimate, the pooled intervals, at least 80 % of the limits, and the null value with one candidate
    on either side of it (room for the words under the axis). Candidates are powers of 2; tenths when the range is
    under a factor of 2.5; 1, 3, 10 a decade when it is over 64 or powers of 2 would be too many. Values that are not
    positive and finite are passed over.

    >>> log_axis([0.47, 0.34, 0.23], [0.3, 0.73, 0.2, 0.59, 0.12, 0.42], [0.33, 0.45]).ticks
    (0.125, 0.25, 0.5, 1.0, 2.0)
    """
    must = [*_usable(estimates), *_usable(pooled), null]
    must = [v for v in must if null / WIDEST <= v <= null * WIDEST]
    need = (min(must), max(must))
    edges = [v for v in _usable(limits) if null / WIDEST <= v <= null * WIDEST]
    low, high = _narrowest(need, edges, SHARE_OF_LIMITS)
    candidates, strides = _candidates(low, high, null, max_labels)
    low_at = _at_or_below(candidates, min(low, _beside(candidates, null, -1)))
    high_at = _at_or_above(candidates, max(high, _beside(candidates, null, 1)))
    inside = candidates[low_at : high_at + 1]
    zero = bisect_left(inside, null * (1 - 1e-9))
    for stride in strides:
        ticks = [tick for i, tick in enumerate(inside) if (i - zero) % stride == 0]
        if len(ticks) <= max_labels:
            break
    return Axis(inside[0], inside[-1], tuple(ticks), log=True)


def _beside(candidates: Sequence[float], null: float, step: int) -> float:
    i = bisect_left(candidates, null * (1 - 1e-9)) + step
    return candidates[min(max(i, 0), len(candidates) - 1)]


def _at_or_below(candidates: Sequence[float], value: float) -> int:
    return max(0, bisect_right(candidates, value * (1 + 1e-9)) - 1)


def _at_or_above(candidates: Sequence[float], value: float) -> int:
    return min(len(candidates) - 1, bisect_left(candidates, value * (1 - 1e-9)))


def nice_step(span: float, most: int, steps: Sequence[float] = (1, 2, 2.5, 5)) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that cuts `span` into at most `most` parts."""
    power = 10.0 ** math.floor(math.log10(span / most))
    return next(
        step * scale
        for scale in (power, power * 10, power * 100)
        for step in steps
        if span / (step * scale) <= most + 1e-9
    )


def linear_axis(values: Iterable[float], *, most: int = 5, hold: Iterable[float] = ()) -> Axis:
    """Round ticks around the values and whatever the axis must hold (a null value).

    >>> linear_axis([-1.2, 3.4], hold=[0]).ticks
    (-2.0, 0.0, 2.0, 4.0)
    """
    known = [v for v in (*values, *hold) if math.isfinite(v)] or [0.0, 1.0]
    low, high = min(known), max(known)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-90):
        pad = abs(low) / 2 if abs(low) > 1e-90 else 1.0
        low, high = low - pad, high + pad
    step = nice_step(high - low, most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if last - first > most:
        step = nice_step((last - first) * step, most)
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = 6 - math.floor(math.log10(step))
    ticks = tuple(round(n * step, digits) + 0.0 for n in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks)


PERCENT = Axis(0.0, 100.0, (0.0, 20.0, 40.0, 60.0, 80.0, 100.0))


def time_axis(last: float) -> Axis:
    """From 0 to the first tick at or after `last`, every 3, 6 or 12 months and so on: 5 to 10 ticks where it can.

    >>> time_axis(26.3).ticks[-1], time_axis(120).ticks[1]
    (27.0, 12.0)
    """
    if not math.isfinite(last) or last <= 0:
        last = 1.0
    steps = (0.25, 0.5, 1, 3, 6, 12, 24, 36, 60, 120)
    step = next((s for s in steps if last / s <= 10), nice_step(last, 10))
    count = max(1, math.ceil(last / step - 1e-9))
    return Axis(0.0, float(count * step), tuple(float(step * n) for n in range(count + 1)))
