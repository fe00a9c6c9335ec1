"""Random effects and one-stage models against R: cox_frailty.R makes cox_frailty.json."""

import json
from pathlib import Path

import numpy as np
import pytest

from kmeta import cox_mixed, one_stage
from kmeta.methods.survival.cox_data import cox_data
from kmeta.methods.survival.cox_penalised import Penalised

HERE = Path(__file__).parent
R = json.loads((HERE / "cox_frailty.json").read_text(encoding="utf-8"))
VETERAN = json.loads((HERE / "cox.json").read_text(encoding="utf-8"))["data"]["veteran"]
KIDNEY = R["data"]


@pytest.fixture(scope="module")
def kidney():
    return cox_data(KIDNEY["time"], KIDNEY["status"], {"age": KIDNEY["age"], "sex": KIDNEY["sex"]})


def test_the_variance_of_gamma_frailties():
    fit = cox_mixed(
        KIDNEY["time"],
        KIDNEY["status"],
        {"age": KIDNEY["age"], "sex": KIDNEY["sex"]},
        cluster=KIDNEY["id"],
        distribution="gamma",
    )
    assert fit.tau2 == pytest.approx(R["theta"], abs=1e-6)
    assert fit.loglik == pytest.approx(R["loglik"], abs=1e-8)
    assert fit.beta == pytest.approx(R["beta"], rel=2e-5)  # R stops its search of theta early
    assert fit.tau2_low < fit.tau2 < fit.tau2_high


@pytest.mark.parametrize("name", ["gamma", "normal"])
def test_the_penalised_maximum_at_a_given_variance(name, kidney):
    theta = R["theta"] if name == "gamma" else R["normal_theta"]
    place = np.array(KIDNEY["id"]) - 1
    point = Penalised(kidney, place, np.ones(kidney.n), gamma=name == "gamma").at(theta)
    scale = kidney.standard[1]
    assert point.beta / scale == pytest.approx(R[name]["beta"], rel=1e-7)
    assert np.sqrt(np.diag(point.covariance)[:2]) / scale == pytest.approx(R[name]["se"], rel=1e-7)
    assert point.effects == pytest.approx(R[name]["effects"], abs=1e-7)


def test_random_slopes_at_a_given_variance():
    data = cox_data(VETERAN["time"], VETERAN["status"], {"trt": VETERAN["trt"]}, strata=VETERAN["cell"])
    labels = [int(label) for label in data.strata]
    model = Penalised(data, np.array([labels.index(c) for c in VETERAN["cell"]]), data.x[:, 0], gamma=False)
    point = model.at(R["stages"]["slope_variance"])
    found = [*(point.beta / model.scale), *point.effects[np.argsort(labels)]]
    assert found == pytest.approx(R["stages"]["slopes"], abs=1e-7)
    assert np.sqrt(point.covariance[0, 0]) / model.scale[0] == pytest.approx(
        R["stages"]["slopes_se"], rel=1e-7
    )


def test_one_stage_and_two():
    expected = R["stages"]
    columns = (VETERAN["time"], VETERAN["status"], VETERAN["trt"], VETERAN["cell"])
    common = one_stage(*columns)
    assert common.contrast == "2 vs 1"
    assert [common.log_hr, common.se] == pytest.approx(expected["common"], rel=1e-8)
    own = sorted(common.studies, key=lambda s: int(s.study))
    assert [s.log_hr for s in own] == pytest.approx(expected["yi"], rel=1e-8)
    assert [s.se for s in own] == pytest.approx(expected["sei"], rel=1e-8)
    assert common.q == pytest.approx(expected["q"], rel=1e-7)
    two = one_stage(*columns, model="two-stage", test="z")
    assert [two.log_hr, two.se, two.tau2] == pytest.approx(expected["two"], abs=1e-6)


def test_laplace_is_near_the_integral():
    """Two studies, a random slope: the marginal likelihood by a fine sum over both effects."""
    random = np.random.default_rng(5)
    n = 160
    study, arm = np.repeat([0, 1], n // 2), np.arange(n) % 2
    time = random.exponential(np.exp(-np.where(study == 1, 0.9, -0.5) * arm))
    data = cox_data(time, np.ones(n), {"arm": arm}, strata=study)
    model = Penalised(data, study, arm.astype(float), gamma=False)
    theta = 0.4
    point = model.at(theta)
    sets, x = data.risk_sets, model.x
    grid = np.linspace(-4, 4, 161) * np.sqrt(theta)
    fixed = np.append(point.beta, [0.0, 0.0])
    heights = np.empty((2, len(grid)))
    base = sets.hazard(fixed @ x).loglik
    for which in (0, 1):
        for i, b in enumerate(grid):
            at = fixed.copy()
            at[1 + which] = b
            heights[which, i] = sets.hazard(at @ x).loglik - base - b * b / (2 * theta)
    step = grid[1] - grid[0]
    sums = np.log(np.exp(heights).sum(axis=1) * step / np.sqrt(2 * np.pi * theta))
    assert point.loglik == pytest.approx(base + sums.sum(), abs=0.02)
