"""Cox models against R's survival: cox.R makes cox.json."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from kmeta.methods.survival import cox

FILE = json.loads(Path(__file__).with_name("cox.json").read_text(encoding="utf-8"))
CASES = FILE["cases"]
R_KINDS = {"scaledsch": "scaled_schoenfeld"}
FULL = {name for name in CASES if "exact" not in name}


def fit(case):
    """The call of R, with its words turned into ours."""
    call, data = case["call"], {k: np.array(v, float) for k, v in FILE["data"][case["data"]].items()}
    outcome, right = re.search(
        r"Surv\((.*?)\) ~ ([^,]*),", call.replace("floor(entry/61)", "floor_61")
    ).groups()
    data["floor_61"] = np.floor(data.get("entry", np.zeros(1)) / 61)
    if "karno" in data:
        data["floor(karno/30)"], data["time + 4"] = np.floor(data["karno"] / 30), data["time"] + 4
    columns = [word.strip() for word in outcome.split(",")]
    terms = [word.strip() for word in right.split("+")]
    options = dict(re.findall(r"(weights|cluster) = (\w+)", call))
    strata = re.search(r"strata\((\w+)\)", right)
    return cox(
        data[columns[-2]],
        data[columns[-1]],
        {term: data[term] for term in terms if "strata" not in term},
        entry=data[columns[0]] if len(columns) == 3 else None,
        strata=[f"{v:g}" for v in data[strata.group(1)]] if strata else None,
        weights=data[options["weights"]] if "weights" in options else None,
        cluster=data[options["cluster"]] if "cluster" in options else None,
        robust="robust = TRUE" in call,
        ties=(re.findall(r'ties = "(\w+)"', call) or ["efron"])[0],
    )


@pytest.fixture(scope="module")
def fits():
    return {name: fit(case) for name, case in CASES.items()}


@pytest.mark.parametrize("name", sorted(CASES))
def test_estimates_tests_and_concordance(name, fits):
    case, ours = CASES[name], fits[name]
    assert ours.beta == pytest.approx(case["beta"], rel=1e-9, abs=1e-11)
    assert ours.se == pytest.approx(case["se"], rel=1e-9)
    assert ours.vcov == pytest.approx(np.array(case["vcov"]), rel=1e-8, abs=1e-12)
    assert ours.loglik == pytest.approx(case["loglik"], rel=1e-11)
    assert ours.score.chi2 == pytest.approx(case["score"], rel=1e-9)
    assert ours.likelihood_ratio.chi2 == pytest.approx(case["lr"], abs=2e-9 * abs(case["loglik"][0]))
    assert ours.wald.chi2 == pytest.approx(case["wald"], abs=0.0051)  # R prints two decimals
    if "robust_score" in case:
        assert ours.robust_score.chi2 == pytest.approx(case["robust_score"], rel=1e-8)
    if "naive_se" in case:
        assert np.sqrt(np.diag(ours.naive_vcov)) == pytest.approx(case["naive_se"], rel=1e-9)
    if case["concordance"][0] is not None:
        found = ours.concordance()
        assert [found.c, found.se] == pytest.approx(case["concordance"], rel=1e-8)


@pytest.mark.parametrize("name", sorted(FULL))
@pytest.mark.parametrize("kind", ["martingale", "deviance", "score", "dfbeta", "schoenfeld", "scaledsch"])
def test_residuals(name, kind, fits):
    """Two checksums a column: squares, and a sum (weighted by place where the order is that of the patients)."""
    expected = np.array(CASES[name]["residuals"][kind], float)
    found = fits[name].residuals(R_KINDS.get(kind, kind))
    found = found[:, None] if found.ndim == 1 else found
    n = len(found)
    place = np.ones(n) if "sch" in kind else np.arange(1, n + 1) / n
    size = np.sqrt((found**2).sum(axis=0) * n)
    assert (found**2).sum(axis=0) == pytest.approx(expected[0], rel=1e-8)
    assert np.abs(place @ found - expected[1]).max() <= 1e-9 * size.max()


@pytest.mark.parametrize("name", sorted(FULL))
@pytest.mark.parametrize("transform", ["km", "rank", "identity", "log"])
def test_proportional_hazards(name, transform, fits):
    test = fits[name].proportional_hazards_test(transform)
    assert [*test.chi2, test.global_chi2] == pytest.approx(CASES[name]["zph"][transform], rel=1e-7)


@pytest.mark.parametrize("name", sorted(FULL))
def test_baseline(name, fits):
    for expected in CASES[name]["curve"]:
        curves = fits[name].baseline(expected["at"]).curves
        curve = next(c for c in curves if c.stratum == expected["stratum"])
        found = curve.at_times(expected["times"])
        for key, ours in (
            ("survival", "survival"),
            ("se_hazard", "se"),
            ("low", "ci_low"),
            ("high", "ci_high"),
        ):
            assert [row[ours] for row in found] == pytest.approx(expected[key], rel=1e-7)


def test_the_grid_is_whole():
    assert len(CASES) == 16
    assert {case["data"] for case in CASES.values()} == {"lung", "veteran", "heart"}
    calls = " ".join(case["call"] for case in CASES.values())
    for word in ("breslow", "exact", "strata(", "weights", "robust", "cluster", "Surv(start"):
        assert word in calls
    assert all("zph" in CASES[name] and "curve" in CASES[name] for name in FULL)
