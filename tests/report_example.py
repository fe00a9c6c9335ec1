"""A small review made by hand from published facts, for the tests of the report; the figures are stand-ins."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace

from kmeta.methods.meta.random_effects import MetaFit, random_effects
from kmeta.methods.strategy.table import StrategyRow, StrategyTable
from kmeta.methods.synthesis.published import BesidePublished
from kmeta.methods.synthesis.result import Exclusion, Line, Pool, Sensitivity, Synthesis
from kmeta.report.contents import Contents
from kmeta.review.estimate import Comparison, Criterion, Estimate, PublishedResult
from kmeta.review.evidence import Evidence
from kmeta.review.finding import Finding
from kmeta.review.flow import Box, Count, Flow
from kmeta.review.protocol import Analysis, Eligibility, Protocol
from kmeta.review.study import Arm, Overlap, Study

# study_id, author, year, class, treatment, n, 5-year survival
SURVIVAL = [
    ("mayo2011", "Mayo", 2011, "resection", "hepatic resection with or without ablation", 339, 0.74),
    ("saxena2011", "Saxena", 2011, "resection", "hepatic resection with or without cryoablation", 74, 0.63),
    ("glazer2010", "Glazer", 2010, "resection", "resection and/or ablation", 172, 0.774),
    ("letreut2013", "Le Treut", 2013, "transplantation", "liver transplantation", 213, 0.52),
    ("mazzaferro2016", "Mazzaferro", 2016, "transplantation", "liver transplantation", 42, 0.972),
    ("dong2011", "Dong", 2011, "locoregional", "TACE", 123, 0.36),
    ("kose2019", "Kose", 2019, "locoregional", "laparoscopic ablation", 129, 0.76),
    ("iat122", "", None, "locoregional", "TACE, conventional", 122, 0.28),
]
# study_id, author, year, drug, n, n control, HR, low, high
TRIALS = [
    ("radiant3", "Yao", 2011, "everolimus", 207, 203, 0.35, 0.27, 0.45),
    ("radiant4", "Yao", 2016, "everolimus", 205, 97, 0.48, 0.35, 0.67),
    ("a6181111", "Raymond", 2011, "sunitinib", 86, 85, 0.42, 0.26, 0.66),
]
CLASS_TITLE = {
    "resection": "Liver resection",
    "transplantation": "Liver transplantation",
    "locoregional": "Loco-regional treatment",
}


def logit_row(p: float, n: int) -> tuple[float, float]:
    from math import log

    return log(p / (1 - p)), 1 / (n * p * (1 - p))


def _line(row: tuple, weight: float | None) -> Line:
    study_id, author, year, _, treatment, n, p = row
    yi, vi = logit_row(p, n)
    return Line(
        study_id=study_id,
        arm_id="a",
        label=f"{author or study_id} {year or 'n.d.'}",
        year=year,
        treatment=treatment,
        n=n,
        estimate=p,
        ci_low=max(0.0, p - 0.08),
        ci_high=min(1.0, p + 0.08),
        yi=yi,
        vi=vi,
        interval="wilson",
        n_effective=float(n),
        weight=weight,
        source="Int J Hepatol 2012:973946",
        second_hand=author in ("Mayo", "Saxena"),
        marks=("m",) if author == "Kose" else (),
    )


def _class_pool(name: str, *, k_min: int = 3) -> Pool:
    rows = [row for row in SURVIVAL if row[3] == name]
    fit: MetaFit | None = None
    if len(rows) >= k_min:
        pairs = [logit_row(row[6], row[5]) for row in rows]
        fit = random_effects([y for y, _ in pairs], [v for _, v in pairs], measure="PLO")
    weights = list(fit.weights) if fit else [None] * len(rows)
    other: tuple[Sensitivity, ...] = ()
    if fit:
        half = random_effects(fit.yi[:2], fit.vi[:2], measure="PLO")
        other = (
            Sensitivity(
                label="Without the last study", fit=half, k=2, n_patients=413, reason="It may weigh too much."
            ),
            Sensitivity(label="Matched arms only", fit=None, k=0, n_patients=0, reason="There are none."),
        )
    return Pool(
        name=name,
        title=CLASS_TITLE[name],
        treatment_class=name,
        lines=tuple(_line(row, w) for row, w in zip(rows, weights, strict=True)),
        fit=fit,
        remark="" if fit else "Two arms, far apart: the values are shown and not pooled.",
        sensitivity=other,
    )


def survival_analysis() -> Synthesis:
    plan = Analysis(
        name="os_60",
        kind="survival_at",
        outcomes=("OS",),
        title="Overall survival at 5 years",
        time_months=60.0,
        classes=("resection", "transplantation", "locoregional"),
    )
    return Synthesis(
        plan=plan,
        measure="PLO",
        title=plan.title,
        pools=tuple(_class_pool(name) for name in plan.classes),
        excluded=(
            Exclusion(
                study_id="mayo2010",
                arm_id="res",
                rule="overlap",
                reason="The same 339 patients as Mayo 2011.",
                estimate=0.74,
                treatment_class="resection",
            ),
            Exclusion(
                study_id="twostep2008",
                arm_id="res",
                rule="completers",
                reason="Only those who completed both steps.",
            ),
        ),
        model="Arms weighted by the inverse of their variance on effective sample sizes.",
        notes=("Censoring before the time is allowed for by the effective sample size.",),
    )


def trials_analysis() -> Synthesis:
    from math import log

    plan = Analysis(
        name="pfs_hr",
        kind="hazard_ratio",
        outcomes=("PFS",),
        title="Progression-free survival, targeted drugs against placebo",
        experimental=("everolimus", "sunitinib"),
        control=("placebo",),
    )
    yi = [log(row[6]) for row in TRIALS]
    vi = [((log(row[8]) - log(row[7])) / 3.919928) ** 2 for row in TRIALS]
    fit = random_effects(yi, vi, measure="HR")
    lines = tuple(
        Line(
            study_id=row[0],
            arm_id="t",
            label=f"{row[1]} {row[2]}",
            year=row[2],
            treatment=row[3],
            control="placebo",
            n=row[4],
            n_control=row[5],
            estimate=row[6],
            ci_low=row[7],
            ci_high=row[8],
            yi=y,
            vi=v,
            weight=w,
            marks=("a", "i"),
        )
        for row, y, v, w in zip(TRIALS, yi, vi, fit.weights, strict=True)
    )
    pool = Pool(name="targeted", title="Targeted drug v placebo", lines=lines, fit=fit)
    return Synthesis(
        plan=plan, measure="HR", title=plan.title, pools=(pool,), model="Trials of one question."
    )


def medians_analysis() -> Synthesis:
    plan = Analysis(name="os_median", kind="median", outcomes=("OS",), title="Median overall survival")
    lines = tuple(
        Line(
            study_id=row[0],
            arm_id="a",
            label=f"{row[1]} {row[2]}",
            treatment=row[4],
            n=row[5],
            estimate=median,
            ci_low=None,
            ci_high=None,
            yi=float("nan"),
            vi=float("nan"),
            interval="none",
        )
        for row, median in zip(SURVIVAL[:2], (123.0, 95.0), strict=True)
    )
    pool = Pool(name="resection", title="Liver resection", treatment_class="resection", lines=lines)
    return Synthesis(plan=plan, measure="median", title=plan.title, pools=(pool,))


def evidence() -> Evidence:
    studies = [
        Study(
            study_id=row[0],
            first_author=row[1],
            year=row[2],
            design="retrospective single-centre series",
            period_start="1985",
            period_end="2010-06",
            doi="10.1007/s00270-016-1478-z" if row[0] == "dong2011" else "",
            pmid="24526905" if row[0] == "mayo2011" else "",
        )
        for row in SURVIVAL
    ]
    arms = [
        Arm(
            study_id=row[0],
            arm_id="a",
            treatment_class=row[3],
            treatment=row[4],
            n=row[5],
            primary_site="mixed",
        )
        for row in SURVIVAL
    ]
    arms += [
        Arm(
            study_id="mazzaferro2016",
            arm_id="nolt",
            treatment_class="mixed",
            treatment="no transplantation",
            n=46,
        ),
        Arm(
            study_id="dong2011",
            arm_id="sub",
            treatment_class="locoregional",
            treatment="TACE",
            n=30,
            subgroup_of="a",
        ),
    ]
    source = "Int J Hepatol 2012:973946, Table 1"
    estimates = [
        Estimate(
            study_id=row[0],
            arm_id="a",
            outcome="OS",
            kind="probability",
            value=row[6],
            time_months=60.0,
            source=source,
            second_hand=row[1] in ("Mayo", "Saxena"),
        )
        for row in SURVIVAL
    ]
    estimates.append(
        Estimate(
            study_id="mazzaferro2016",
            arm_id="nolt",
            outcome="OS",
            kind="probability",
            value=0.509,
            time_months=60.0,
            source="Am J Transplant 2016;16(10):2892-2902",
        )
    )
    comparison = Comparison(
        study_id="mazzaferro2016",
        arm_a="nolt",
        arm_b="a",
        outcome="OS",
        measure="HR",
        estimate=7.4,
        ci_low=2.4,
        ci_high=23.0,
        p_value="0.001",
        adjustment="propensity score",
        flag="direction: non-transplant versus transplant",
        source="Am J Transplant 2016;16(10):2892-2902",
    )
    criterion = Criterion(
        patient_state="resectable",
        option="resection",
        criterion="intent",
        value="clear all liver disease; primary also removed",
        source="J Clin Med 2023;12(7):2456",
        status="read",
    )
    return Evidence(
        studies=tuple(sorted(studies, key=lambda s: s.study_id)),
        arms=tuple(arms),
        estimates=tuple(estimates),
        comparisons=(comparison,),
        overlaps=(Overlap(study_a="mayo2010", study_b="mayo2011", strength="certain"),),
        criteria=(criterion,),
    )


def flow() -> Flow:
    return Flow(
        boxes=(
            Box(
                key="identified", title="Records identified", n=190, parts=(Count(label="Databases", n=190),)
            ),
            Box(key="screened", title="Records screened", n=180),
            Box(
                key="excluded",
                title="Records excluded",
                n=60,
                parts=(
                    Count(label="Review, no own patients", n=40),
                    Count(label="Not liver metastases", n=20),
                ),
            ),
        ),
        n_studies=8,
        n_reports=9,
        n_arms=10,
        n_estimates=9,
        n_comparisons=1,
        not_known=("How many reports were sought is not known.",),
    )


def contents(**changed: object) -> Contents:
    """The whole review; keywords replace fields of it."""
    survival = survival_analysis()
    published = PublishedResult(
        review="muttillo2022",
        question="surgery: 5-year OS",
        measure="percent",
        estimate="67",
        n_patients=5509,
        source="HPB 2022;24:1832",
    )
    resection = survival.pools[0]
    assert resection.fit is not None
    whole = Contents(
        protocol=Protocol(
            title="Treatment of neuroendocrine liver metastases",
            question="Which treatment of liver metastases goes with which survival?",
            eligibility=Eligibility(
                languages=("en",),
                year_from=1995,
                year_to=2021,
                population="Adults with liver metastases of neuroendocrine tumours",
                include=("At least 10 patients",),
                exclude=("Case reports",),
            ),
            reasons=("No survival by treatment",),
            analyses=(survival.plan, trials_analysis().plan, medians_analysis().plan),
            not_known=("The published review does not list its studies.",),
        ),
        evidence=evidence(),
        flow=flow(),
        findings=(
            Finding(
                check="not_monotone",
                where="pitt/tae",
                message="19% at 1 year, then 70% at 2 years: survival cannot rise.",
                hint="Look at the paper.",
                severity="error",
                effect="Both values are left out.",
            ),
            Finding(check="overlap", where="mayo2010", message="The same patients as mayo2011."),
        ),
        syntheses=(survival, trials_analysis(), medians_analysis()),
        beside=(
            BesidePublished(
                analysis="os_60",
                title="Overall survival at 5 years",
                treatment_class="resection",
                pool=resection,
                published=published,
                difference=resection.fit.effect - 0.67,
                published_inside_ci=True,
                published_inside_pi=True,
                reasons=("The earlier review counts 5,509 patients, ours 585.",),
            ),
        ),
        strategy=StrategyTable(
            table=(
                StrategyRow(
                    patient_state="resectable",
                    option="resection",
                    treatment_class="resection",
                    criteria=evidence().criteria,
                    rests_on="3 arms, 585 patients",
                    effect="OS 74% (68–79) at 5 years",
                    effect_notes=("association",),
                    gaps=("no direct comparison",),
                ),
            )
        ),
        not_built=("risk of bias", "certainty of the evidence"),
        state="0123456789abcdef" * 4,
        version="0.1.0",
    )
    return replace(whole, **changed)


@dataclass(frozen=True)
class StandIn:
    """A figure with the shape of the real ones: style attributes, ids, a style element, as matplotlib writes them."""

    title: str = "Overall survival at 5 years"
    alt: str = "Forest plot of 8 arms in 3 classes."
    width_mm: float = 174.0
    height_mm: float = 60.0

    def svg(self, text_as_paths: bool = True) -> str:
        word = (
            "<path id='w' d='M 0 0 L 9 9' style='fill: #1A1A1A'/>"
            if text_as_paths
            else (
                "<text x='10' y='20' style=\"font: bold 7.5px 'Liberation Sans'; fill: #1A1A1A\">Chen 1998</text>"
            )
        )
        return (
            "<?xml version='1.0' encoding='utf-8'?>\n"
            "<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' width='493pt' "
            "height='170pt' viewBox='0 0 493 170'><defs><style type='text/css'>*{stroke-linejoin: round}</style>"
            "<clipPath id='c'><rect width='493' height='170'/></clipPath></defs>"
            f"<g clip-path='url(#c)'><path d='M 5 5 L 400 150' style='fill: none; stroke: #1F4E79'/>{word}</g></svg>"
        )

    def png(self, dpi: int) -> bytes:
        def chunk(kind: bytes, data: bytes) -> bytes:
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        head = struct.pack(">IIBBBBB", 2, 1, 8, 0, 0, 0, 0)
        return (
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", head)
            + chunk(b"IDAT", zlib.compress(b"\x00\xff\x00"))
            + chunk(b"IEND", b"")
        )

    def csv(self) -> str:
        return "study,estimate\nmayo2011,0.74\n"


def figures() -> dict[str, StandIn]:
    return {
        "flow": StandIn(title="Flow of records", alt="190 records.", height_mm=80.0),
        "forest-os_60": StandIn(),
        "forest-pfs_hr": StandIn(title="Progression-free survival", alt="Forest plot of 3 trials."),
        "funnel": StandIn(title="Funnel plot", alt="Funnel plot.", width_mm=85.0, height_mm=70.0),
    }
