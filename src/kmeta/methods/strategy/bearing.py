"""Which lines of the analyses bear on a row of the strategy table.

Survival of single arms: the lines of the pool of the option's class; of an option that is only some treatments, those
lines whose arm got one of them. Trials: the lines whose experimental arm got one of the option's treatments; where the
row's criteria name any of these trials (by key or DOI), those alone. Of an option that is only some treatments, lines
are left aside whose patients had their primary at another site than the patient state names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kmeta.methods.selection.treatments import contains
from kmeta.methods.strategy.options import Option
from kmeta.methods.strategy.sites import same_site
from kmeta.methods.synthesis.result import Line, Pool, Synthesis
from kmeta.review.estimate import Criterion
from kmeta.review.evidence import Evidence
from kmeta.review.protocol import Protocol
from kmeta.review.study import Arm


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearing:
    """Lines of one analysis that bear on a row. `pool`: they are all the lines of that pool, so its model is theirs.

    `class_pool`: where they are only a part, the pool of the whole class. `aside`: other trials of the same
    treatments, which the row's criteria or its patient state do not name.
    """

    synthesis: Synthesis
    lines: tuple[Line, ...]
    pool: Pool | None = None
    class_pool: Pool | None = None
    aside: tuple[Line, ...] = ()


def bearing(
    option: Option,
    state: str,
    criteria: Sequence[Criterion],
    evidence: Evidence,
    protocol: Protocol,
    syntheses: Sequence[Synthesis],
) -> tuple[Bearing, ...]:
    """The analyses with lines for this row, in the order of the protocol."""
    if not option.treatment_class:
        return ()
    trials = frozenset(
        line.study_id for synthesis in syntheses for line in _candidates(option, evidence, synthesis)
    )
    named = named_studies(criteria, evidence, protocol) & trials or trials
    found = []
    for synthesis in syntheses:
        if synthesis.plan.kind == "hazard_ratio":
            one = _trials(option, state, named, evidence, synthesis)
        else:
            one = _arms(option, state, evidence, synthesis)
        if one is not None:
            found.append(one)
    return tuple(found)


def named_studies(criteria: Sequence[Criterion], evidence: Evidence, protocol: Protocol) -> frozenset[str]:
    """Studies that the criteria name: "RADIANT-3" is radiant3, "CABINET" is cabinet_ep and cabinet_p."""
    text = " ".join(f"{c.criterion} {c.value} {c.source}" for c in criteria).casefold()
    tokens = {word.replace("-", "") for word in re.findall(r"[a-z0-9]+(?:-[a-z0-9]+)*", text)}
    drugs = {word.casefold() for treatment in protocol.treatments for word in treatment.words}
    return frozenset(
        study.study_id
        for study in evidence.studies
        if (_names_of(study.study_id) - drugs) & tokens or (study.doi and contains(text, study.doi))
    )


def _names_of(study_id: str) -> set[str]:
    parts = re.split(r"[_\s]+", study_id.casefold())
    whole = re.sub(r"[^a-z0-9]", "", study_id.casefold())
    first = {parts[0]} if len(parts[0]) >= 5 else set()
    return {whole} | first | {part for part in parts if len(part) >= 5 and re.search(r"\d", part)}


def _arm(evidence: Evidence, line: Line) -> Arm | None:
    """The arm of a line; of two arms ("eve v pbo") the experimental one."""
    return evidence.arm.get((line.study_id, line.arm_id.split(" v ")[0]))


def _has(option: Option, line: Line, evidence: Evidence) -> bool:
    arm = _arm(evidence, line)
    return arm is not None and option.has(arm)


def _here(option: Option, state: str, line: Line, evidence: Evidence) -> bool:
    arm = _arm(evidence, line)
    return option.whole or arm is None or same_site(state, arm.primary_site or arm.population)


def _arms(option: Option, state: str, evidence: Evidence, synthesis: Synthesis) -> Bearing | None:
    for pool in synthesis.pools:
        if pool.treatment_class != option.treatment_class or not pool.lines:
            continue
        mine = tuple(
            line
            for line in pool.lines
            if option.whole or (_has(option, line, evidence) and _here(option, state, line, evidence))
        )
        if mine:
            whole = len(mine) == len(pool.lines)
            return Bearing(
                synthesis=synthesis,
                lines=mine,
                pool=pool if whole else None,
                class_pool=None if whole else pool,
            )
    return None


def _pools(synthesis: Synthesis) -> tuple[Pool, ...]:
    return (*synthesis.pools, *([synthesis.overall] if synthesis.overall else []))


def _candidates(option: Option, evidence: Evidence, synthesis: Synthesis) -> tuple[Line, ...]:
    """The trials of the option's treatments in one analysis, each once."""
    if synthesis.plan.kind != "hazard_ratio":
        return ()
    found = (line for pool in _pools(synthesis) for line in pool.lines if _has(option, line, evidence))
    return tuple({_key(line): line for line in found}.values())


def _trials(
    option: Option, state: str, named: frozenset[str], evidence: Evidence, synthesis: Synthesis
) -> Bearing | None:
    lines = _candidates(option, evidence, synthesis)
    mine = tuple(line for line in lines if line.study_id in named and _here(option, state, line, evidence))
    if not mine:
        return None
    keys = {_key(line) for line in mine}
    pool = next((pool for pool in _pools(synthesis) if {_key(line) for line in pool.lines} == keys), None)
    aside = tuple(line for line in lines if _key(line) not in keys)
    return Bearing(synthesis=synthesis, lines=mine, pool=pool, aside=aside)


def _key(line: Line) -> tuple[str, str]:
    return line.study_id, line.arm_id
