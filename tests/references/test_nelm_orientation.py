"""The orientation table of the NELM evidence base, reproduced to the printed decimal by one explicit policy."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from kmeta.formats.evidence import read_evidence_folder
from kmeta.methods.selection import ORIENTATION, Policy
from kmeta.methods.synthesis import Pool, synthesise_survival
from kmeta.review.evidence import Evidence
from kmeta.review.protocol import Analysis, Eligibility, Protocol, Treatment
from kmeta.review.study import TREATMENT_CLASSES

HERE = Path(__file__).parent
ROWS = json.loads((HERE / "nelm_orientation.json").read_text())["rows"]
PROTOCOL = Protocol(title="NELM", eligibility=Eligibility(year_from=1995, year_to=2021))
PLAN = Analysis(name="os60", kind="survival_at", outcomes=("OS",), time_months=60)


@cache
def evidence() -> Evidence:
    folder = HERE.parent / "data" / "nelm"
    return read_evidence_folder({path.name: path.read_bytes() for path in sorted(folder.glob("*.csv"))})


def policy_of(row: dict) -> Policy:
    words = tuple(row.get("only", ()))
    only = (Treatment(name="embolisation", treatment_class="locoregional", words=words),) if words else ()
    return replace(ORIENTATION, set_aside=tuple(row.get("without", ())), only=only)


def pool_of(row: dict) -> Pool:
    plan = replace(PLAN, classes=(row["class"],))
    return synthesise_survival(evidence(), PROTOCOL, plan, policy_of(row)).pools[0]


def percent(share: float, places: int) -> str:
    return f"{100 * share:.{places}f}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_row_is_reproduced_to_the_printed_decimal(row):
    pool = pool_of(row)
    fit = pool.fit
    assert (pool.k, pool.n_patients) == (row["k"], row["n"])
    assert percent(fit.effect, 1) == row["estimate"]
    assert [percent(limit, 1) for limit in fit.effect_ci] == row["ci"]
    assert percent(fit.i2, 0) == row["i2"]


@pytest.mark.parametrize("row", [row for row in ROWS if row.get("pi")], ids=lambda row: row["name"])
def test_prediction_interval_is_that_with_k_minus_2_degrees_of_freedom(row):
    assert [percent(limit, 0) for limit in pool_of(row).fit.effect_pi] == row["pi"]


@pytest.mark.parametrize("reference", ["z", "t"])
def test_no_other_definition_gives_all_printed_prediction_intervals(reference):
    printed, found = [], []
    for row in ROWS:
        if row.get("pi"):
            plan, policy = (
                replace(PLAN, classes=(row["class"],)),
                replace(policy_of(row), prediction=reference),
            )
            fit = synthesise_survival(evidence(), PROTOCOL, plan, policy).pools[0].fit
            printed.append(row["pi"])
            found.append([percent(limit, 0) for limit in fit.effect_pi])
    assert found != printed


@pytest.mark.parametrize(
    "row", [row for row in ROWS if "pi" in row and row["pi"] is None], ids=lambda r: r["name"]
)
def test_an_interval_called_not_useful_spans_nearly_everything(row):
    low, high = pool_of(row).fit.effect_pi
    assert high - low > 0.9


def test_the_grid_is_whole():
    """Every class of the table has its plain row, and every class with enough arms is in the table."""
    plain = {row["class"] for row in ROWS if "without" not in row and "only" not in row}
    plan = replace(PLAN, classes=TREATMENT_CLASSES)
    pools = synthesise_survival(evidence(), PROTOCOL, plan, ORIENTATION).pools
    assert plain == {pool.name for pool in pools if pool.fit}
    assert len(ROWS) == 9


def test_the_rule_leaves_overlaps_and_completers_in_and_ltlr455_out():
    synthesis = synthesise_survival(evidence(), PROTOCOL, PLAN, ORIENTATION)
    resection = next(pool for pool in synthesis.pools if pool.name == "resection")
    assert {"mayo2010", "mayo2011", "twostep2008", "sinet_psm2013"} <= {
        line.study_id for line in resection.lines
    }
    gone = {(e.study_id, e.rule) for e in synthesis.excluded}
    assert ("ltlr455", "matched") in gone
    assert not {rule for _, rule in gone} & {"overlap", "completers_only", "publication_year", "placebo"}
