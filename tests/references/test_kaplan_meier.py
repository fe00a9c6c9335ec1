"""Numbers of R's survfit, and the published trial whose digitised patients travel with the tests."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

import kmeta as km

HERE = Path(__file__).parent
REFERENCE = json.loads((HERE / "kaplan_meier.json").read_text("utf-8"))


def test_the_grid_is_whole():
    assert {case["conf_type"] for case in REFERENCE["cases"]} == {"plain", "log", "log-log"}
    assert len(REFERENCE["cases"]) == 9


def floats(values):
    return [
        math.nan if value is None else value for value in (values if isinstance(values, list) else [values])
    ]


@pytest.mark.parametrize("case", REFERENCE["cases"], ids=[case["id"] for case in REFERENCE["cases"]])
def test_survival_intervals_and_quantiles(case):
    curve = km.kaplan_meier(
        case["input"]["time"], case["input"]["status"], interval=case["conf_type"]
    ).curves[0]
    expected, rows = case["expect"], curve.at(case["expect"]["time"])
    names = {"survival": "surv", "se": "std_err", "ci_low": "lower", "ci_high": "upper", "n_risk": "n_risk"}
    for ours, theirs in names.items():
        found = [row[ours] for row in rows]
        np.testing.assert_allclose(found, floats(expected[theirs]), rtol=0, atol=REFERENCE["tolerance"])
    for j, name in enumerate(("quantile", "quantile_lower", "quantile_upper")):
        found = [curve.quantile(p)[j] for p in expected["quantile_p"]]
        np.testing.assert_allclose(found, floats(expected[name]), rtol=0, atol=REFERENCE["tolerance"])


@pytest.mark.parametrize(
    ("interval", "low", "high"),
    [
        ("logit", [0.53293929, 0.30214654], [0.86589138, 0.69231251]),
        ("arcsine", [0.54760183, 0.29678670], [0.88025858, 0.69722427]),
    ],
)
def test_the_other_two_scales(interval, low, high):
    """survfit(Surv(futime, fustat) ~ 1, ovarian, conf.type = "logit" or "arcsin"); R 4.2.2, survival 3.5-3."""
    case = next(case for case in REFERENCE["cases"] if case["id"] == "km_ovarian_plain")
    curve = km.kaplan_meier(case["input"]["time"], case["input"]["status"], interval=interval).curves[0]
    rows = curve.at([400, 650])
    assert [row["ci_low"] for row in rows] == pytest.approx(low, abs=1e-8)
    assert [row["ci_high"] for row in rows] == pytest.approx(high, abs=1e-8)


@pytest.mark.parametrize(
    ("interval", "low", "high"),
    [
        ("logit", [59, 115, 353, 431], [353, 563, math.nan, math.nan]),
        ("arcsine", [59, 156, 353, 431], [365, 563, math.nan, math.nan]),
    ],
)
def test_quantiles_on_the_other_two_scales(interval, low, high):
    """quantile(survfit(Surv(futime, fustat) ~ 1, ovarian, conf.type = ...), c(.1, .25, .4, .5)); survival 3.5-3."""
    case = next(case for case in REFERENCE["cases"] if case["id"] == "km_ovarian_plain")
    curve = km.kaplan_meier(case["input"]["time"], case["input"]["status"], interval=interval).curves[0]
    found = [curve.quantile(p) for p in (0.1, 0.25, 0.4, 0.5)]
    assert [each[0] for each in found] == [156, 365, 475, 638]
    assert [each[1] for each in found] == low
    assert [each[2] for each in found] == pytest.approx(high, nan_ok=True)


def test_radiant_4_medians_and_survival():
    """R 4, survival 3.5-3, survfit with its default interval (log), on the digitised patients of RADIANT-4."""
    with (HERE / "radiant4-ipd.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    fit = km.kaplan_meier(
        [float(row["time"]) for row in rows],
        [int(row["event"]) for row in rows],
        group=[row["arm"] for row in rows],
        interval="log",
    )
    expected = {
        "everolimus": (205, 109, (11.3, 9.46, 14.4), (0.730, 0.449, 0.340, 0.215)),
        "placebo": (97, 60, (4.01, 3.74, 7.71), (0.403, 0.278, 0.238, 0.168)),
    }
    for label, (n, events, median, survival) in expected.items():
        curve = fit[label]
        assert (curve.n, curve.events) == (n, events)
        assert curve.median == pytest.approx(median, rel=0.005)
        assert [row["survival"] for row in curve.at([6, 12, 18, 24])] == pytest.approx(survival, abs=5e-4)
