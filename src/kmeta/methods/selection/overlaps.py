"""Studies that share patients: which of them are kept, exactly, so that nobody is counted twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Weight = tuple[float, ...]


def independent_set(weights: Mapping[str, Weight], edges: Iterable[tuple[str, str]]) -> frozenset[str]:
    """The set of names without an edge between two of them whose summed weight is largest.

    weights : name -> numbers >= 0, all of one length; sums are compared number by number, the first first, so that
        later numbers only break ties. What ties in all of them is decided for the names that sort first.
    edges : pairs of names; a pair that names something else than `weights` has, or twice the same, counts nothing.

    Exact: branch on the name with most edges, component by component, each subproblem solved once.

    >>> sorted(independent_set({"a": (213,), "b": (85,), "c": (19,)}, [("a", "b"), ("a", "c")]))
    ['a']
    """
    names = sorted(weights)
    place = {name: i for i, name in enumerate(names)}
    near = [0] * len(names)
    for one, other in edges:
        if one in place and other in place and one != other:
            near[place[one]] |= 1 << place[other]
            near[place[other]] |= 1 << place[one]
    # The last number makes every set's sum unlike every other's: names that sort first win ties.
    full = [(*weights[name], 1 << (len(names) - 1 - i)) for i, name in enumerate(names)]
    best = _Solver(near, full).best((1 << len(names)) - 1)[1]
    return frozenset(name for i, name in enumerate(names) if best >> i & 1)


class _Solver:
    """Sets are bit masks; `near[i]` are the neighbours of i."""

    def __init__(self, near: list[int], weights: list[Weight]) -> None:
        self.near, self.weights = near, weights
        self.nothing: Weight = (0.0,) * len(weights[0]) if weights else ()
        self.known: dict[int, tuple[Weight, int]] = {}

    def best(self, among: int) -> tuple[Weight, int]:
        """The largest sum among the names of `among`, and its set."""
        total, chosen = self.nothing, 0
        while among:
            part = self.component(among)
            among &= ~part
            weight, mask = self.connected(part)
            total, chosen = _sum(total, weight), chosen | mask
        return total, chosen

    def connected(self, part: int) -> tuple[Weight, int]:
        if part & (part - 1) == 0:
            return self.weights[part.bit_length() - 1], part
        if part not in self.known:
            i = max(_bits(part), key=lambda j: ((self.near[j] & part).bit_count(), -j))
            weight, mask = self.best(part & ~self.near[i] & ~(1 << i))
            with_it = _sum(weight, self.weights[i]), mask | 1 << i
            self.known[part] = max(with_it, self.best(part & ~(1 << i)))
        return self.known[part]

    def component(self, among: int) -> int:
        found = edge = among & -among
        while edge:
            around = 0
            for i in _bits(edge):
                around |= self.near[i]
            edge = around & among & ~found
            found |= edge
        return found


def _sum(one: Weight, other: Weight) -> Weight:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _bits(mask: int) -> list[int]:
    return [i for i in range(mask.bit_length()) if mask >> i & 1]
