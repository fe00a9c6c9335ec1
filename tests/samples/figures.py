"""Syntheses made by hand: those of the visual targets, and nasty ones, for the tests of the figures."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kmeta.methods.meta import MetaFit, random_effects
from kmeta.methods.pooling import PooledCurve, pooled_curve
from kmeta.methods.strategy.table import StrategyRow, StrategyTable
from kmeta.methods.survival.kaplan_meier import KaplanMeier, kaplan_meier
from kmeta.methods.synthesis.result import Line, Pool, Synthesis
from kmeta.review.estimate import Criterion, PublishedResult
from kmeta.review.flow import Box, Count, Flow
from kmeta.review.protocol import Analysis

LONG = "Association internationale des registres de tumeurs neuroendocrines and collaborators of the second phase 2011"
UNBROKEN = "Donaudampfschifffahrtselektrizitaetenhauptbetriebswerkbauunterbeamtengesellschaft2011"
ODD = "Łukasiewicz–Ørsted ¹⁷⁷Lu <b>&amp; 中文 \u202eabc\u202c\n2011"


def arm(label: str, share: float, n: int | None, weight: float | None, treatment: str = "Resection") -> Line:
    """A line of survival with its Wilson interval."""
    size, z = n or 30, 1.959964
    middle = (share + z * z / (2 * size)) / (1 + z * z / size)
    half = z * math.sqrt(share * (1 - share) / size + z * z / (4 * size * size)) / (1 + z * z / size)
    inner = min(max(share, 0.5 / size), 1 - 0.5 / size)
    return Line(
        study_id=label,
        arm_id=treatment,
        label=label,
        treatment=treatment,
        n=n,
        estimate=share,
        year=int(label[-4:]) if label[-4:].isdigit() else None,
        ci_low=max(0.0, middle - half),
        ci_high=min(1.0, middle + half),
        yi=math.log(inner / (1 - inner)),
        vi=1 / (size * inner * (1 - inner)),
        interval="wilson",
        weight=weight,
        basis="n of the arm: censoring is ignored",
    )


def trial(
    label: str,
    value: float,
    low: float | None,
    high: float | None,
    *,
    n: int | None = 100,
    weight: float | None = None,
    marks: Sequence[str] = (),
    treatment: str = "Everolimus",
    control: str = "Placebo",
) -> Line:
    """A trial's hazard ratio."""
    good = low is not None and high is not None and value > 0 and low > 0
    return Line(
        study_id=label,
        arm_id=treatment,
        label=label,
        treatment=treatment,
        control=control,
        n=n,
        n_control=n,
        year=int(label[-4:]) if label[-4:].isdigit() else None,
        estimate=value,
        ci_low=low,
        ci_high=high,
        yi=math.log(value) if value > 0 else math.nan,
        vi=((math.log(high) - math.log(low)) / 3.92) ** 2 if good and low and high else math.nan,
        weight=weight,
        marks=tuple(marks),
    )


def pooled(lines: Sequence[Line], measure: str) -> MetaFit:
    return random_effects([x.yi for x in lines], [x.vi for x in lines], measure=measure)


def weighed(lines: Sequence[Line], measure: str) -> tuple[tuple[Line, ...], MetaFit]:
    fit = pooled(lines, measure)
    return tuple(replace(x, weight=float(w)) for x, w in zip(lines, fit.weights, strict=True)), fit


def survival_of(pools: Sequence[Pool], **plan: object) -> Synthesis:
    words = {"name": "os60", "kind": "survival_at", "outcomes": ("OS",), "time_months": 60.0, **plan}
    return Synthesis(
        plan=Analysis(**words),  # type: ignore[arg-type]
        measure="PLO",
        title="Overall survival at 5 years",
        pools=tuple(pools),
        model="Random-effects model on the logit",
    )


def ratio_of(pools: Sequence[Pool], overall: Pool | None = None) -> Synthesis:
    plan = Analysis(name="pfs_hr", kind="hazard_ratio", outcomes=("PFS",))
    return Synthesis(
        plan=plan, measure="HR", title="Progression-free survival", pools=tuple(pools), overall=overall
    )


RESECTION = [
    ("Chen 1998", 11, 15),
    ("Elias 2003", 33, 47),
    ("Sarmiento 2003", 104, 170),
    ("Chambers 2008", 49, 66),
    ("Glazer 2010", 133, 172),
    ("Mayo 2011", 251, 339),
    ("HPB series 2013", 75, 94),
    ("Boudreaux 2014", 164, 189),
    ("Graff-Baker 2014", 46, 52),
]
PLACEBO_TRIALS = {
    "Somatostatin analogue": [
        ("CLARINET 2014", 0.47, 0.30, 0.73, "a"),
        ("PROMID 2009", 0.34, 0.20, 0.59, "t"),
    ],
    "mTOR inhibitor": [("RADIANT-3 2011", 0.35, 0.27, 0.45, "a"), ("RADIANT-4 2016", 0.48, 0.35, 0.67, "")],
    "Tyrosine kinase inhibitor": [
        ("A6181111 2011", 0.42, 0.26, 0.66, ""),
        ("SANET-ep 2020", 0.33, 0.22, 0.50, "i"),
        ("SANET-p 2020", 0.49, 0.32, 0.76, "i"),
        ("CABINET-ep 2025", 0.38, 0.25, 0.59, "a"),
        ("CABINET-p 2025", 0.23, 0.12, 0.42, "a"),
    ],
}


def published(value: str) -> tuple[PublishedResult, ...]:
    return (PublishedResult(review="muttillo2022", question="5-year OS", measure="percent", estimate=value),)


def target_survival() -> Synthesis:
    """The classes of the visual target: one pooled, one of two disparate arms."""
    lines, fit = weighed([arm(name, x / n, n, None) for name, x, n in RESECTION], "PLO")
    two = (arm("Le Treut 2013", 0.52, 213, None), arm("Mazzaferro 2016", 0.97, 42, None))
    return survival_of(
        [
            Pool(
                name="resection",
                title="Liver resection",
                treatment_class="resection",
                lines=lines,
                fit=fit,
                published=published("67"),
                apart=(arm("Mayo 2010", 0.74, 339, None),),
                apart_title="Left out",
            ),
            Pool(
                name="transplantation",
                title="Liver transplantation",
                treatment_class="transplantation",
                lines=two,
                remark="Two arms, 52% and 97%: not pooled",
                published=published("60 %"),
            ),
        ]
    )


def target_ratio() -> Synthesis:
    """The nine placebo-controlled trials of the visual target in three groups."""
    flat = [trial(*row[:4], marks=row[4]) for rows in PLACEBO_TRIALS.values() for row in rows]
    lines, fit = weighed(flat, "HR")
    pools, rest = [], list(lines)
    for title, rows in PLACEBO_TRIALS.items():
        mine, rest = tuple(rest[: len(rows)]), rest[len(rows) :]
        sub = pooled(mine, "HR") if len(mine) > 2 else None
        pools.append(
            Pool(
                name=title, title=title, lines=mine, fit=sub, remark="" if sub else "two trials: no subtotal"
            )
        )
    apart = (trial("NETTER-1 2017", 0.21, 0.13, 0.33, control="Octreotide", treatment="¹⁷⁷Lu-Dotatate"),)
    overall = Pool(
        name="all", title="All trials", lines=lines, fit=fit, apart=apart, apart_title="PRRT: not pooled"
    )
    return ratio_of(pools, overall)


def many_trials(k: int, seed: int = 1) -> Synthesis:
    rng = np.random.default_rng(seed)
    lines = []
    for i in range(k):
        value, se = float(np.exp(rng.normal(-0.1, 0.35))), float(rng.uniform(0.1, 0.45))
        low, high = (round(value * math.exp(side * 1.96 * se), 2) for side in (-1, 1))
        lines.append(trial(f"TRIAL-{i} {1990 + i % 30}", round(value, 2), low, high))
    weighted, fit = weighed(lines, "HR")
    cuts = [0, k // 2, k // 2 + k // 8, k]
    pools = [
        Pool(name=f"g{i}", title=f"Group {i}", lines=weighted[a:b], fit=pooled(weighted[a:b], "HR"))
        for i, (a, b) in enumerate(itertools.pairwise(cuts))
        if b > a
    ]
    return ratio_of(pools, Pool(name="all", title="All", lines=weighted, fit=fit))


def medians() -> Synthesis:
    def line(label: str, value: float, low: float | None = None, high: float | None = None) -> Line:
        return Line(
            study_id=label,
            arm_id="a",
            label=label,
            treatment="TACE",
            n=40,
            estimate=value,
            ci_low=low,
            ci_high=high,
            yi=math.nan,
            vi=math.nan,
        )

    lines = (
        line("A 2001", 24.0, 12.1, 40.0),
        line("B 2002", math.nan),
        line("C 2003", 61.5),
        line("D 2004", math.nan, 31.0),
        line("E 2005", 33.0, 20.0),
    )
    plan = Analysis(name="median_os", kind="median", outcomes=("OS",))
    pool = Pool(
        name="locoregional",
        title="loco-regional treatment",
        treatment_class="locoregional",
        lines=lines,
        apart=(line(LONG, 190.0),),
        apart_title="means",
    )
    return Synthesis(plan=plan, measure="median", title="Median overall survival", pools=(pool,))


def flow(*, other: bool = True, parts: int = 6) -> Flow:
    def box(key: str, title: str, n: int, *counts: tuple[str, int]) -> Box:
        return Box(key=key, title=title, n=n, parts=tuple(Count(label=label, n=k) for label, k in counts))

    reasons = [(f"Reason {i} {LONG if i == 2 else ''}", 10 * i) for i in range(1, parts + 1)]
    total = sum(n for _, n in reasons)
    boxes = [
        box("identified", "Records identified", 12345, ("Databases", 12000), ("Registers", 345)),
        box("removed", "Records removed before screening", 45, ("Duplicates", 45)),
        box("screened", "Records screened", 12300),
        box("excluded", "Records excluded", total, *reasons),
        box("assessed", "Reports assessed", 12300 - total),
    ]
    if other:
        boxes += [
            box("other_identified", "Studies found otherwise", 3),
            box("other_assessed", "Reports assessed", 3),
            box("other_excluded", "Excluded", 0),
        ]
    return Flow(
        boxes=tuple(boxes), n_studies=105, n_reports=116, n_arms=218, not_known=("How many were retrieved",)
    )


def strategy() -> StrategyTable:
    criterion = Criterion(
        patient_state="resectable", option="resection", criterion="intent", value=LONG, source="x"
    )
    rows = [
        StrategyRow(
            patient_state="resectable",
            option="resection",
            treatment_class="resection",
            criteria=(criterion,) * 4,
            rests_on="13 arms, 1,371 patients",
            effect="OS 74% (67–80) at 5 years",
            effect_notes=("95% prediction interval 49–89%", LONG),
            comparisons=(LONG, ODD),
            gaps=("None",),
        ),
        StrategyRow(patient_state=UNBROKEN, option=ODD, treatment_class="", gaps=(LONG,) * 9),
    ]
    return StrategyTable(table=tuple(rows) * 6)


def curves(groups: int = 2, n: int = 120, seed: int = 3) -> KaplanMeier:
    rng = np.random.default_rng(seed)
    names = ["Everolimus", "Placebo", LONG, UNBROKEN, ODD, "F", "G"]
    time, event, group = [], [], []
    for i in range(groups):
        time += np.round(rng.exponential(10 * (i + 1), n), 2).tolist()
        event += rng.integers(0, 2, n).tolist()
        group += [names[i]] * n
    return kaplan_meier(time, event, group=group)


def flat_curves() -> KaplanMeier:
    """One group without an event (survival stays 1), one in which all die at once (survival 0)."""
    return kaplan_meier([5, 9, 20, 3, 3, 3], [0, 0, 0, 1, 1, 1], group=["nobody dies"] * 3 + ["all die"] * 3)


def fit_of(k: int, measure: str = "HR", seed: int = 5) -> MetaFit:
    rng = np.random.default_rng(seed)
    return random_effects(rng.normal(-0.4, 0.4, k), rng.uniform(0.01, 0.2, k), measure=measure)


def summary_curve(k: int, rate: float = 0.05, classes: int = 3, seed: int = 4) -> PooledCurve:
    """A pooled curve of k studies that end between 12 and 48, in classes with names long and odd."""
    rng = np.random.default_rng(seed)
    names = ["resection", "systemic", LONG, UNBROKEN, ODD, "F", "G", "H"]
    rows = []
    for i in range(k):
        own = rate * math.exp(rng.normal(0, 0.4))
        for time in range(3, 13 + 6 * (i % 7), 3):
            rows.append(
                (f"Study {i}", time, math.exp(-own * time), 120 * math.exp(-(own + 0.02) * (time - 3)))
            )
    return pooled_curve(rows, groups=[names[i % classes] for i in range(k)])
