"""The door by which rules enter: a name, one sentence that says why, and a judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from kmeta.core.registry import Registry
from kmeta.methods.selection.rows import Asked, Contrast, Judge, Row, Rule, T

RULES: Registry[Rule[Row]] = Registry("selection rule", entry_point_group="kmeta.selection")
CONTRAST_RULES: Registry[Rule[Contrast]] = Registry(
    "selection rule of comparisons", entry_point_group="kmeta.contrast_selection"
)


def group_rule(
    registry: Registry[Rule[T]], name: str, statement: str, *, scope: bool = False
) -> Callable[[Judge[T]], Judge[T]]:
    """Register a judge that looks at all rows together."""

    def keep(judge: Judge[T]) -> Judge[T]:
        registry.register(name)(Rule(name=name, statement=statement, judge=judge, scope=scope))
        return judge

    return keep


def row_rule(
    registry: Registry[Rule[T]], name: str, statement: str, *, scope: bool = False
) -> Callable[[Callable[[T, Asked], str]], Callable[[T, Asked], str]]:
    """Register a function that looks at one row: the reason against it, "" where there is none."""

    def keep(against: Callable[[T, Asked], str]) -> Callable[[T, Asked], str]:
        def judge(rows: Sequence[T], asked: Asked) -> Mapping[T, str]:
            return {row: reason for row in rows if (reason := against(row, asked))}

        group_rule(registry, name, statement, scope=scope)(judge)
        return against

    return keep
