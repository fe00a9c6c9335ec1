"""A small review for the tests of the web app: a few real facts of the evidence on neuroendocrine liver metastases.

Loaded with `runpy.run_path`, for test modules do not import each other. `review(text)` puts `text` into every field
that may hold outside text, so that a test can look for it on every page.
"""

from __future__ import annotations

import dataclasses
import math
from html import escape
from pathlib import Path

from kmeta.methods.flow import prisma_flow
from kmeta.methods.meta import random_effects
from kmeta.methods.strategy.table import StrategyRow, StrategyTable
from kmeta.methods.synthesis.published import BesidePublished
from kmeta.methods.synthesis.result import Exclusion, Line, Pool, Sensitivity, Synthesis
from kmeta.report.contents import Contents
from kmeta.review.estimate import Comparison, Criterion, Estimate, PublishedResult
from kmeta.review.evidence import Evidence
from kmeta.review.finding import Finding
from kmeta.review.protocol import Analysis, Protocol
from kmeta.review.record import Decision, Record
from kmeta.review.study import Arm, Overlap, Study
from kmeta.web import Loaded

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" role="img"><title>{}</title><path d="M0 0H9"/></svg>'
TABLE = "Treatment of Neuroendocrine Tumor Liver Metastases. Int J Hepatol 2012:973946"
# n and 5-year overall survival after resection, as that table prints them
RESECTION = (
    ("mayo2011", 339, 0.74),
    ("saxena2011", 74, 0.63),
    ("glazer2010", 172, 0.774),
    ("chen1998", 15, 0.73),
)


class Picture:
    """A figure that needs no plots room."""

    def __init__(self, title: str, alt: str) -> None:
        self.title, self.alt = title, alt
        self.drawn = 0

    def svg(self, text_as_paths: bool = True, *, themed: bool = False) -> str:
        self.drawn += 1
        return SVG.format(escape(self.alt.replace("\0", "")))

    def png(self, dpi: int = 600) -> bytes:
        return b"\x89PNG\r\n\x1a\n"

    def csv(self) -> str:
        return "study,estimate\nmayo2011,0.74\n"


def evidence(x: str, n_records: int) -> Evidence:
    studies = tuple(
        Study(
            study_id=key,
            first_author=key[:-4].title() + x,
            year=int(key[-4:]),
            design="series" + x,
            note="read" + x,
        )
        for key, _, _ in RESECTION
    )
    pitt = Study(
        study_id="pitt", first_author="Pitt", design="comparative series", country="USA" + x, n_total=100
    )
    arms = [
        Arm(
            study_id=key,
            arm_id="res",
            treatment_class="resection",
            treatment="resection" + x,
            n=n,
            source=TABLE,
        )
        for key, n, _ in RESECTION
    ]
    arms += [
        Arm(
            study_id="pitt",
            arm_id="tae",
            treatment_class="locoregional",
            treatment="TAE (bland)",
            n=51,
            population=x,
        ),
        Arm(
            study_id="pitt",
            arm_id="tace",
            treatment_class="locoregional",
            treatment="TACE",
            n=49,
            subgroup_of="*",
        ),
    ]

    def os(study: str, arm: str, time: float, value: float, flag: str = "") -> Estimate:
        return Estimate(
            study_id=study,
            arm_id=arm,
            outcome="OS",
            kind="probability",
            time_months=time,
            value=value,
            flag=flag + x,
            source=TABLE + x,
            location="Table 1" + x,
            second_hand=True,
            time_origin="treatment",
        )

    values = [os(key, "res", 60, value) for key, _, value in RESECTION]
    values += [
        os("pitt", "tae", time, value, "nonmonotone") for time, value in ((12, 0.19), (24, 0.70), (60, 0.13))
    ]
    values.append(
        Estimate(study_id="mayo2011", arm_id="res", outcome="OS", kind="median", value=123, source=TABLE)
    )
    hr = Comparison(
        study_id="pitt",
        arm_a="tace" + x,
        arm_b="tae",
        outcome="OS",
        measure="HR",
        estimate=0.84,
        ci_low=0.6,
        ci_high=1.17,
        p_value="0.79" + x,
        adjustment="age" + x,
        flag=x,
        source=TABLE + x,
    )
    records = tuple(
        Record(
            record_id=f"R{n:03}",
            title=f"Report {n} of liver metastases{x}",
            authors=("Cheung TT" + x, "Chok KSH", "Chan ACY", "Tsang S"),
            journal="HPB" + x,
            year=1995 + n % 27,
            doi="10.1155/2014/524045" if n == 1 else x,
            pmid="24526905" if n == 1 else x,
            source=("pubmed" if n % 2 else "search result page") + x,
            abstract="Survival was 74 %." + x,
            record_type="primary" + x,
            duplicate_of="R001" if n == 2 else "",
        )
        for n in range(1, n_records + 1)
    )
    votes = tuple(
        Decision(
            record_id=record.record_id,
            stage="title-abstract",
            reviewer="example" + x,
            vote="exclude" if n % 5 == 0 else "include",
            reason="guideline" + x if n % 5 == 0 else "",
            note=x,
        )
        for n, record in enumerate(records, start=1)
        if not record.duplicate_of
    )
    return Evidence(
        studies=(*studies, pitt),
        arms=tuple(arms),
        estimates=tuple(values),
        comparisons=(hr,),
        overlaps=(
            Overlap(study_a="mayo2011", study_b="glazer2010", strength="possible", reason="years" + x),
        ),
        published=(
            PublishedResult(
                review="muttillo2022", question="surgery: 5-year OS", measure="percent", estimate="67"
            ),
            PublishedResult(
                review="tai2020" + x, question="TACE v TAE" + x, measure="HR", estimate="0.96" + x, note=x
            ),
        ),
        records=records,
        decisions=votes,
    )


def five_years(x: str) -> tuple[Synthesis, Pool]:
    plan = Analysis(
        name="os_60", kind="survival_at", outcomes=("OS",), title="Survival at 5 years", time_months=60
    )
    yi = [math.log(p / (1 - p)) for _, _, p in RESECTION]
    vi = [1 / (n * p * (1 - p)) for _, n, p in RESECTION]
    fit = random_effects(yi, vi, measure="PLO")
    lines = tuple(
        Line(
            study_id=key,
            arm_id="res",
            label=key + x,
            treatment="resection" + x,
            n=n,
            estimate=p,
            yi=yi[i],
            vi=vi[i],
            interval="none",
            weight=float(fit.weights[i]),
            remark=x,
            marks=("s",),
            source=TABLE + x,
            location="Table 1",
            second_hand=True,
        )
        for i, (key, n, p) in enumerate(RESECTION)
    )
    wald = random_effects(yi, vi, measure="PLO", test="z")
    rule = Sensitivity(label="Wald interval" + x, fit=wald, k=4, n_patients=600, reason="narrower" + x)
    pool = Pool(
        name="resection",
        title="Liver resection" + x,
        treatment_class="resection",
        lines=lines,
        fit=fit,
        sensitivity=(rule,),
        remark="An association." + x,
    )
    alone = Pool(
        name="locoregional",
        title="Loco-regional treatment",
        treatment_class="locoregional",
        remark="One study: not pooled.",
        lines=(
            dataclasses.replace(
                lines[0], study_id="pitt", arm_id="tae", label="Pitt", weight=None, estimate=0.13
            ),
        ),
    )
    out = Exclusion(
        study_id="pitt", arm_id="tace", rule="subgroup-of-a-parent" + x, reason="Counted already." + x
    )
    done = Synthesis(
        plan=plan,
        measure="PLO",
        title="Survival at 5 years" + x,
        pools=(pool, alone),
        excluded=(out,),
        model="Random effects on the logit" + x,
        notes=("Associations, not effects." + x,),
    )
    return done, pool


def review(
    x: str = "",
    *,
    n_records: int = 250,
    state: str = "a1b2c3",
    report: Path | None = None,
    folder: str = "NELM",
) -> Loaded:
    """The review with `x` appended to what comes from outside."""
    facts = evidence(x, n_records)
    done, pool = five_years(x)
    findings = (
        Finding(
            check="survival-rises",
            where="pitt/tae, OS" + x,
            message="Survival rises from 19 % at 1 year to 70 % at 2 years" + x,
            hint="Look at Table 3." + x,
            severity="error",
            effect="left out of pooling" + x,
            study_ids=("pitt",),
        ),
        Finding(
            check="second-hand", where="mayo2011/res", message="Read in a review", study_ids=("mayo2011",)
        ),
        Finding(
            check="second-hand", where="saxena2011/res", message="Read in a review", study_ids=("saxena2011",)
        ),
        Finding(
            check="no-year", where="pitt", message="No year is printed", severity="note", study_ids=("pitt",)
        ),
    )
    row = StrategyRow(
        patient_state="resectable" + x,
        option="resection" + x,
        treatment_class="resection",
        criteria=(
            Criterion(
                patient_state="resectable", option="resection", criterion="intent" + x, value="all" + x
            ),
        ),
        rests_on="4 studies" + x,
        effect="OS 74 % at 5 years" + x,
        effect_notes=("an association" + x,),
        comparisons=("0.84, TACE v TAE" + x,),
        gaps=("No trial." + x,),
        analysis="os_60",
    )
    beside = BesidePublished(
        analysis="os_60",
        title="5-year survival" + x,
        treatment_class="resection",
        pool=pool,
        published=facts.published[0],
        difference=0.07,
        published_inside_ci=False,
        published_inside_pi=True,
        reasons=("Other studies." + x,),
    )
    protocol = Protocol(
        title="Treatment strategies" + x,
        question="Which treatment for whom?" + x,
        analyses=(done.plan, Analysis(name="medians", kind="median", outcomes=("OS",), title="Medians" + x)),
        example="The decisions are those of an example." + x,
        not_known=("The earlier review's list of studies." + x,),
    )
    contents = Contents(
        protocol=protocol,
        evidence=facts,
        flow=prisma_flow(facts),
        findings=findings,
        syntheses=(done,),
        beside=(beside,),
        strategy=StrategyTable(table=(row,)),
        not_built=("Search: asking the databases" + x, "Certainty of evidence"),
        state=state,
        version="0.1.0",
    )
    pictures = {
        "forest-os-60": Picture("Forest plot" + x, "Four studies" + x),
        "prisma": Picture("Flow", "The flow"),
    }
    return Loaded(contents=contents, figures=pictures, folder=folder, report=report)
