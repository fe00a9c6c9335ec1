"""maic and stc against R: optim, coxph with robust variance, glm (calls and version in adjustment.json)."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import kmeta as km

CASE = json.loads((Path(__file__).parent / "adjustment.json").read_text(encoding="utf-8"))
COVARIATES = {name: CASE[name] for name in ("age", "female", "karno")}
NUMBERS = {
    *(
        "weights",
        "weights_sd",
        "ess",
        "ess_sd",
        "unadjusted_breslow",
        "unanchored_breslow",
        "anchored_breslow",
    ),
    *("logistic_unanchored", "logistic_anchored", "cox_breslow"),
}


class Fitted:
    def __init__(self, beta, vcov):
        self.beta, self.vcov = beta, vcov


def breslow_cox(time, event, covariates, *, weights, robust):
    """A Cox model of few covariates by Newton's method, Breslow's ties, Lin and Wei's variance; O(n^2), for n = 120."""
    x = np.column_stack(list(covariates.values()))
    at_risk = time[None, :] >= time[:, None]  # row: at the time of that patient
    beta = np.zeros(x.shape[1])
    for _ in range(25):
        score = weights * np.exp(x @ beta)
        total = at_risk @ score
        mean = (at_risk @ (score[:, None] * x)) / total[:, None]
        counted = weights * event
        slope = counted @ (x - mean)
        second = np.einsum("ij,j,jk,jl->ikl", at_risk, score, x, x) / total[:, None, None]
        information = np.einsum("i,ikl->kl", counted, second - mean[:, :, None] * mean[:, None, :])
        beta = beta + np.linalg.solve(information, slope)
    inverse = np.linalg.inv(information)
    if not robust:
        return Fitted(beta, inverse)
    hazard = (counted / total)[:, None] * at_risk  # row: an event, column: the patient at risk
    own = event[:, None] * (x - mean) - np.exp(x @ beta)[:, None] * (
        hazard.sum(axis=0)[:, None] * x - hazard.T @ mean
    )
    moved = (weights[:, None] * own) @ inverse
    return Fitted(beta, moved.T @ moved)


def test_the_file_holds_every_number():
    assert set(CASE) >= NUMBERS
    assert CASE["made_by"].startswith("R 4")
    assert len(CASE["weights"]) == len(CASE["age"]) == len(CASE["time"]) == 70


def test_weights_and_effective_size():
    found = km.maic(COVARIATES, CASE["target"])
    assert found.weights == pytest.approx(np.array(CASE["weights"]), rel=1e-8)
    assert found.ess == pytest.approx(CASE["ess"], rel=1e-9)
    with_sd = km.maic(COVARIATES, CASE["target"], target_sd={"age": CASE["age_sd"]})
    assert with_sd.weights == pytest.approx(np.array(CASE["weights_sd"]), rel=1e-8)
    assert with_sd.ess == pytest.approx(CASE["ess_sd"], rel=1e-9)
    assert with_sd.balance[0]["sd_after"] == pytest.approx(8.0, abs=1e-8)


def test_the_unanchored_comparison():
    found = km.maic(
        COVARIATES,
        CASE["target"],
        time=CASE["time"],
        event=CASE["event"],
        comparator=(CASE["other_time"], CASE["other_event"]),
        cox=breslow_cox,
    )
    for contrast, wanted in zip(
        found.contrasts, (CASE["unadjusted_breslow"], CASE["unanchored_breslow"]), strict=True
    ):
        assert (contrast.estimate, contrast.se) == pytest.approx(tuple(wanted), abs=1e-8)


def test_the_anchored_comparison_and_the_indirect_one():
    found = km.maic(
        COVARIATES,
        CASE["target"],
        time=CASE["time"],
        event=CASE["event"],
        group=CASE["female"],
        reference="0",
        published=(-0.1, 0.2),
        cox=breslow_cox,
    )
    own, indirect = found.contrasts[1:]
    assert (own.estimate, own.se) == pytest.approx(tuple(CASE["anchored_breslow"]), abs=1e-8)
    assert indirect.estimate == own.estimate + 0.1
    assert indirect.se == math.hypot(own.se, 0.2)


def test_the_outcome_regressions():
    age = {name: COVARIATES[name] for name in ("age", "karno")}
    target = {name: CASE["target"][name] for name in age}
    one = km.stc(age, target, outcome=CASE["y"], comparator=(20, 60))
    assert one.beta[0] == pytest.approx(CASE["logistic_unanchored"][0], abs=1e-9)
    assert math.sqrt(one.vcov[0, 0]) == pytest.approx(CASE["logistic_unanchored"][1], abs=1e-9)
    assert one.effect.estimate == pytest.approx(CASE["logistic_unanchored"][0] - math.log(20 / 40), abs=1e-9)
    kept = {"group": CASE["female"], "reference": "0", "modifiers": ["age"]}
    two = km.stc(age, target, outcome=CASE["y"], **kept)
    assert (two.effect.estimate, two.effect.se) == pytest.approx(tuple(CASE["logistic_anchored"]), abs=1e-9)
    three = km.stc(age, target, time=CASE["time"], event=CASE["event"], cox=breslow_cox, **kept)
    assert (three.effect.estimate, three.effect.se) == pytest.approx(tuple(CASE["cox_breslow"]), abs=1e-8)
