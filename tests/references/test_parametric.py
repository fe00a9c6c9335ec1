"""Numbers of flexsurv, flexsurvcure and survival's survreg (each case holds its R call)."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import kmeta as km
from kmeta.methods.survival.parametric.fit import lifetimes
from kmeta.methods.survival.parametric.likelihood import Likelihood

REFERENCE = json.loads((Path(__file__).parent / "parametric.json").read_text("utf-8"))
NAMES = {
    "exp": "exponential",
    "weibull": "weibull",
    "gompertz": "gompertz",
    "llogis": "log-logistic",
    "lnorm": "log-normal",
    "gamma": "gamma",
    "gengamma": "generalised-gamma",
    "rp1": "spline-hazard",
    "rp2": "spline-hazard",
    "rp3odds": "spline-odds",
}
KNOTS = {"rp1": 1, "rp2": 2, "rp3odds": 1}
CASES = REFERENCE["cases"]
CURES = REFERENCE["cure"]["cases"]


def test_the_grid_is_whole():
    found = {(case["dataset"], case["dist"], case["covariate"]) for case in CASES}
    assert found == {(d, n, c) for d in ("lung", "ovarian") for n in NAMES for c in (False, True)}
    assert len(CASES) == 40
    assert sum(case["stopped_short"] for case in CASES) == 3
    assert [case["dist"] for case in CURES] == ["weibull", "lnorm"]


def fit_of(case):
    data = REFERENCE["data"][case["dataset"]]
    return km.parametric_survival(
        data["time"],
        data["status"],
        {"arm": data["arm"]} if case["covariate"] else None,
        distribution=NAMES[case["dist"]],
        n_knots=KNOTS.get(case["dist"]),
    )


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_the_likelihood_is_the_same_function(case):
    fit, expected = fit_of(case), case["expect"]
    kinds = [p.positive for p in fit.model.parameters] + [False] * len(fit.names)
    real = [math.log(v) if log else v for v, log in zip(expected["params"].values(), kinds, strict=True)]
    here = Likelihood(lifetimes(fit.sample), fit.x).height(fit.model, np.array(real))[0]
    assert here == pytest.approx(expected["loglik"], abs=1e-6)
    assert fit.loglik >= here - 1e-8


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if not case["stopped_short"]],
    ids=[case["id"] for case in CASES if not case["stopped_short"]],
)
def test_maximum_parameters_and_survival(case):
    fit, expected, tolerance = fit_of(case), case["expect"], REFERENCE["tolerance"]
    assert fit.converged
    assert fit.loglik == pytest.approx(expected["loglik"], abs=tolerance["loglik"])
    assert fit.aic == pytest.approx(expected["aic"], abs=2 * tolerance["loglik"])
    for row, name in zip(fit.rows(), expected["params"], strict=True):
        assert row["estimate"] == pytest.approx(expected["params"][name], rel=1e-3)
        assert row["se"] == pytest.approx(expected["se"][name], rel=1e-3)
    where = {"arm": [0, 1]} if case["covariate"] else None
    found = fit.survival(expected["surv_t"], where).estimate
    np.testing.assert_allclose(found, expected["surv"], rtol=0, atol=tolerance["survival"])


@pytest.mark.parametrize("case", CURES, ids=[case["id"] for case in CURES])
def test_mixture_cure(case):
    data, expected, tolerance = REFERENCE["cure"], case["expect"], REFERENCE["cure"]["tolerance"]
    model = km.cure_model(data["time"], data["status"], distribution=NAMES[case["dist"]])
    assert model.loglik == pytest.approx(expected["loglik"], abs=tolerance)
    for row, name in zip(model.rows(), expected["params"], strict=True):
        assert row["estimate"] == pytest.approx(expected["params"][name], abs=tolerance)
        assert row["ci_low"] == pytest.approx(expected["lower"][name], abs=tolerance)
        assert row["ci_high"] == pytest.approx(expected["upper"][name], abs=tolerance)


@pytest.mark.parametrize(
    ("name", "loglik", "location", "arm", "sigma", "ses"),
    [
        ("weibull", -1152.29695, 2.433796225, 0.5279807957, 0.7533904249, (0.05041608347, 0.09253727501)),
        ("log-normal", -1173.582244, 2.000357198, 0.704118202, 1.04725633, (0.06475845009, 0.109797194)),
        (
            "log-logistic",
            -1161.790538,
            2.070137884,
            0.6166556464,
            0.5625717375,
            (0.05919619938, 0.09950348628),
        ),
    ],
)
def test_weights(name, loglik, location, arm, sigma, ses):
    """survreg(Surv(time, status) ~ arm, lung, weights = 1 + (1:228 %% 3)), months; R 4.2.2, survival 3.5-3."""
    data = REFERENCE["data"]["lung"]
    weights = 1 + np.arange(1, 229) % 3
    fit = km.parametric_survival(
        data["time"], data["status"], {"arm": data["arm"]}, distribution=name, weights=weights
    )
    assert fit.loglik == pytest.approx(loglik, abs=1e-5)
    place = 0 if name == "log-normal" else 1
    assert fit.theta[place] == pytest.approx(location, abs=1e-6)
    assert abs(fit.theta[1 - place]) == pytest.approx(abs(math.log(sigma)), abs=1e-6)
    assert fit.coefficients[0] == pytest.approx(arm, abs=1e-6)
    found = np.sqrt(np.diag(fit.covariance))
    assert (found[place], found[2]) == pytest.approx(ses, rel=1e-4)


def test_piecewise_exponential_is_a_poisson_model():
    """survSplit at 5, 10, 15 months, glm(status ~ 0 + factor(piece) + arm + offset(log(exposure)), poisson)."""
    data = REFERENCE["data"]["lung"]
    fit = km.parametric_survival(
        data["time"],
        data["status"],
        {"arm": data["arm"]},
        distribution="piecewise-exponential",
        knots=[5, 10, 15],
    )
    expected = [-2.892557819, -2.247390897, -2.124864167, -2.031393476, -0.5307088256]
    ses = [0.1538672612, 0.1443720601, 0.1887156505, 0.1876589029, 0.1668616488]
    assert [*fit.theta, *fit.coefficients] == pytest.approx(expected, abs=1e-7)
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx(ses, rel=1e-6)
