"""The model of a pool: which fit its lines get, and when they are not pooled at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from kmeta.core.errors import InputError
from kmeta.methods.meta import MetaFit, multilevel, random_effects
from kmeta.methods.selection import Policy
from kmeta.methods.synthesis.result import Line
from kmeta.methods.synthesis.wording import many
from kmeta.review.protocol import Analysis


def is_nested(lines: Sequence[Line]) -> bool:
    """Whether a study gives several lines."""
    return max(Counter(line.study_id for line in lines).values(), default=0) > 1


def why_not_pooled(lines: Sequence[Line], word: Callable[[float], str], unit: str) -> str:
    """In words why these lines get no pooled value; "" where they do: three lines of at least two studies."""
    values, several = [word(line.estimate) for line in lines], many(unit)
    if not lines:
        return f"no {unit} with a value of this kind"
    if len(lines) == 1:
        return f"one {unit}, {values[0]}: shown as printed, nothing to pool"
    if len(lines) == 2:
        return f"two {several}, {values[0]} and {values[1]}: not pooled"
    if len({line.study_id for line in lines}) == 1:
        return f"{len(lines)} {several} of one study, {', '.join(values)}: not pooled"
    return ""


def fit_lines(lines: Sequence[Line], measure: str, plan: Analysis, policy: Policy) -> MetaFit:
    """Random effects of the lines by the plan and policy: arms within studies where a study gives several.

    The multilevel model is by (restricted) maximum likelihood, with t and the studies' degrees of freedom where the
    plan asks for Hartung-Knapp or t.
    """
    yi, vi = [line.yi for line in lines], [line.vi for line in lines]
    tau2, test = policy.tau2 or plan.tau2, policy.test or plan.test
    shown = [line.label for line in lines]
    if policy.model == "multilevel" and is_nested(lines):
        return multilevel(
            yi,
            vi,
            groups=[line.study_id for line in lines],
            measure=measure,
            method="ML" if tau2 == "ML" else "REML",
            test="z" if test == "z" else "t",
            level=plan.level,
            pi=policy.prediction,
            labels=shown,
        )
    return random_effects(
        yi, vi, measure=measure, tau2=tau2, test=test, level=plan.level, pi=policy.prediction, labels=shown
    )


def weighted(lines: Sequence[Line], fit: MetaFit) -> tuple[Line, ...]:
    """The lines with their weights in percent."""
    if len(lines) != fit.k:
        raise InputError(f"{len(lines)} lines, {fit.k} weights")
    return tuple(replace(line, weight=float(w)) for line, w in zip(lines, fit.weights, strict=True))
