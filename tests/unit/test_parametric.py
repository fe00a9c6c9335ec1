"""Parametric survival: limits of the flexible families, what is marked, and data that cannot be."""

import json
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lifelines import LogLogisticFitter, WeibullFitter

import kmeta as km
from kmeta.core.errors import InputError
from kmeta.methods.survival.parametric.generalised import GeneralisedF, GeneralisedGamma
from kmeta.methods.survival.parametric.location_scale import LogLogistic, LogNormal, Weibull

TIME = [0.8, 1.9, 2.2, 3.1, 3.4, 4.0, 4.6, 5.2, 6.3, 7.7, 8.1, 9.9, 11.0, 12.5, 14.0, 15.0]
EVENT = [1, 1, 0, 1, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 0]
LOG_T = np.log(np.array([0.01, 0.3, 1.0, 2.5, 7.0, 40.0]))
NONE = np.zeros(len(LOG_T))


def asked(model, *theta):
    with np.errstate(all="ignore"):
        return (
            model.log_density(LOG_T, np.array(theta), NONE)[0],
            model.log_survival(LOG_T, np.array(theta), NONE)[0],
        )


@settings(deadline=None, max_examples=40)
@given(st.floats(-1, 1), st.floats(-1.5, 1))
def test_members_of_the_generalised_gamma(mu, log_sigma):
    for q, other in (
        (0.0, asked(LogNormal(), mu, log_sigma)),
        (1.0, asked(Weibull(), -log_sigma, mu)),
    ):
        for ours, theirs in zip(asked(GeneralisedGamma(), mu, log_sigma, q), other, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


@settings(deadline=None, max_examples=40)
@example(2.225073858507e-311, 0.0)
@given(st.floats(-2e-3, 2e-3), st.sampled_from([9e-4, -9e-4, 1e-3, -1e-3, 0.0, 0.14142, -0.14142, 1e-9]))
def test_the_generalised_gamma_is_smooth_where_its_formula_changes(shift, q):
    """Three points in Q lie on a line as far as a smooth function allows."""
    low, middle, high = (asked(GeneralisedGamma(), 0.4, -0.6, at) for at in (q - shift, q, q + shift))
    for a, b, c in zip(low, middle, high, strict=True):
        size = 1 + np.abs(b) * 1e3
        assert (np.abs(a - 2 * b + c) / size <= 200 * shift**2 + 1e-9).all()


@pytest.mark.parametrize("q", [-2.0, -0.3, 0.0, 0.5, 1.7])
def test_the_generalised_f_ends_in_the_generalised_gamma(q):
    gamma = asked(GeneralisedGamma(), 0.5, -0.3, q)
    gaps = []
    for log_p in (-5.0, -9.0, -13.0, -17.9):
        general = asked(GeneralisedF(), 0.5, -0.3, q, log_p)
        gaps.append(
            max(float(np.abs((a - b) / (1 + b * b))[:-1].max()) for a, b in zip(general, gamma, strict=True))
        )
    assert gaps[0] > gaps[1] > gaps[2] > gaps[3]
    assert gaps[3] < 1e-6


def test_the_generalised_f_with_q_0_and_p_1_is_log_logistic():
    general = asked(GeneralisedF(), 0.5, 0.5 * math.log(2) - 0.7, 0.0, 0.0)
    for ours, theirs in zip(general, asked(LogLogistic(), 0.7, 0.5), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_tails_of_the_generalised_gamma_have_logs_where_the_numbers_vanish():
    for q in (-3.0, -0.4, 0.4, 2.5):
        x = np.linspace(-60, 60, 241) if q < 0 else np.linspace(-60, 6, 133)
        theta = np.array([0.0, 0.0, q])
        log_s = GeneralisedGamma().log_survival(x, theta, np.zeros(len(x)))[0]
        assert np.isfinite(log_s).all()
        assert (np.diff(log_s) <= 0).all()


def test_left_truncation_agrees_with_lifelines():
    rng = np.random.default_rng(4)
    time, entry = 10 * rng.weibull(1.4, 400), 3 * rng.random(400)
    kept = time > entry
    time, entry = time[kept], entry[kept]
    event = (time < 12).astype(int)
    time = np.minimum(time, 12)
    fit = km.parametric_survival(time, event, distribution="weibull", entry=entry)
    peer = WeibullFitter().fit(time, event, entry=entry)
    assert fit.loglik == pytest.approx(peer.log_likelihood_, abs=1e-4)
    assert fit.parameters["scale"] == pytest.approx(peer.lambda_, rel=1e-3)
    assert fit.parameters["shape"] == pytest.approx(peer.rho_, rel=1e-3)
    odds = km.parametric_survival(time, event, distribution="log-logistic", entry=entry)
    other = LogLogisticFitter().fit(time, event, entry=entry)
    assert odds.parameters["shape"] == pytest.approx(other.beta_, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "theta"),
    [("generalised-gamma", (2.0, -0.4, -0.6)), ("gompertz", (-0.05, -2.0)), ("log-logistic", (0.4, 1.5))],
)
def test_the_truth_is_found_in_many_patients(name, theta):
    from kmeta.methods.survival.parametric import DISTRIBUTIONS
    from kmeta.methods.survival.parametric.distribution import Choices

    model = DISTRIBUTIONS[name](None, Choices())
    shares = np.random.default_rng(11).random(4000)
    time = np.nan_to_num(model.quantile(shares, np.array(theta), np.zeros(4000)), nan=1e9)
    fit = km.parametric_survival(np.minimum(time, 30), (time <= 30).astype(int), distribution=name)
    se = np.sqrt(np.diag(fit.covariance))
    assert fit.converged
    assert (np.abs(fit.theta - theta) < 3.5 * se).all()


def test_what_lies_beyond_follow_up_is_marked():
    fit = km.parametric_survival(TIME, EVENT, distribution="log-logistic")
    assert fit.survival([5, 15, 15.1]).extrapolated == (False, False, True)
    assert fit.rmst([10, 20]).extrapolated == (False, True)
    assert fit.mean().extrapolated == (True,)
    assert fit.quantile([0.2, 0.95]).extrapolated == (False, True)
    assert km.parametric_survival(TIME, EVENT, distribution="exponential").hazard(99).extrapolated == (True,)


def test_a_plateau_leaves_quantiles_unreached_and_no_mean():
    time = [1, 1.2, 1.5, 2, 2.1, 3, 4, 20, 20, 20, 20, 20, 20]
    fit = km.parametric_survival(time, [1] * 7 + [0] * 6, distribution="gompertz")
    assert math.isnan(fit.quantile(0.9).estimate[0])
    assert math.isinf(fit.mean().estimate[0])
    assert any("plateau" in text for text in fit.warnings)


def test_a_boundary_is_told():
    """Shapes of Weibull data lie within the generalised gamma: the F's P goes to its limit 0."""
    time = np.round(8 * np.random.default_rng(3).weibull(1.5, 150), 3) + 0.001
    fit = km.parametric_survival(time, [1] * 150, distribution="generalised-f")
    gamma = km.parametric_survival(time, [1] * 150, distribution="generalised-gamma")
    assert fit.loglik >= gamma.loglik - 1e-5
    if math.isnan(fit.rows()[3]["se"]):
        assert any("P is at its limit" in text for text in fit.warnings)
        assert fit.loglik == pytest.approx(gamma.loglik, abs=1e-5)


def test_a_spline_without_inner_knots_is_its_straight_line():
    for scale, name in (("hazard", "weibull"), ("odds", "log-logistic"), ("normal", "log-normal")):
        spline = km.parametric_survival(TIME, EVENT, distribution=f"spline-{scale}", n_knots=0)
        line = km.parametric_survival(TIME, EVENT, distribution=name)
        assert spline.loglik == pytest.approx(line.loglik, abs=1e-9)
        np.testing.assert_allclose(
            spline.survival([2, 9]).estimate, line.survival([2, 9]).estimate, atol=1e-7
        )


def test_knots_lie_at_quantiles_of_the_event_times():
    fit = km.parametric_survival(TIME, EVENT, distribution="spline-hazard", n_knots=3)
    events = np.log([t for t, d in zip(TIME, EVENT, strict=True) if d])
    np.testing.assert_allclose(fit.model.knots, np.quantile(events, [0, 0.25, 0.5, 0.75, 1]))


def test_weibull_in_its_two_forms():
    arm = np.arange(16) % 2
    aft = km.parametric_survival(TIME, EVENT, arm, distribution="weibull", names=["arm"])
    ph = km.parametric_survival(TIME, EVENT, arm, distribution="weibullPH", names=["arm"])
    assert aft.loglik == pytest.approx(ph.loglik, abs=1e-9)
    assert ph.coefficients[0] == pytest.approx(-aft.coefficients[0] * aft.parameters["shape"], abs=1e-6)
    assert (aft.effect, ph.effect) == ("log time ratio", "log hazard ratio")


def test_comparison_ranks_names_what_failed_and_marks_extrapolation():
    table = km.compare_distributions(TIME, EVENT, times=[5, 30])
    aics = [row["aic"] for row in table.rows()]
    assert aics == sorted(aics)
    assert table.rows()[0]["delta_aic"] == 0
    assert {row["distribution"] for row in table.rows()} | {name for name, _ in table.failed} >= {
        "weibull",
        "gamma",
    }
    assert "S(30) (extrapolated)" in table.rows()[0]
    assert any("beyond follow-up, at 30" in text for text in table.warnings)
    assert "delta_aic" in table.summary()
    by_bic = km.compare_distributions(TIME, EVENT, distributions=["weibull", "exponential"], by="bic")
    assert by_bic.best.distribution == "exponential"
    few = km.compare_distributions([1, 2, 3], [1, 1, 0], distributions=["piecewise-exponential", "weibull"])
    assert [name for name, _ in few.failed] == ["piecewise-exponential"]


def test_results_are_plain_values_and_the_same_each_time():
    arm = {"arm": np.arange(16) % 2}
    first, second = (km.parametric_survival(TIME, EVENT, arm, distribution="gengamma") for _ in range(2))
    text = json.dumps(first.to_dict())
    assert text == json.dumps(second.to_dict())
    assert "log-likelihood" in first.summary()
    json.dumps(first.survival([1, 2], {"arm": [0, 1]}).to_dict())
    json.dumps(km.compare_distributions(TIME, EVENT, distributions=["gamma"], times=[1]).to_dict())


@pytest.mark.parametrize(
    ("distribution", "words"),
    [
        ("weibull", 'dist = "weibull"'),
        ("spline-odds", 'scale = "odds"'),
        ("piecewise-exponential", "survSplit"),
    ],
)
def test_r_script_holds_the_call_and_the_data(distribution, words):
    script = km.parametric_survival(
        TIME, EVENT, {'a"); system("x': np.arange(16) % 2}, distribution=distribution
    ).r_script()
    assert words in script
    assert "0.8, 1.9" in script
    assert all('system("x' not in line or line.startswith("#") for line in script.split("\n"))


def test_few_events_are_told():
    fit = km.parametric_survival(TIME, EVENT, distribution="generalised-gamma")
    assert any("few events: 10 for 3 parameters" in text for text in fit.warnings)


def test_one_patient_with_an_event_has_an_exponential_and_nothing_else():
    assert km.parametric_survival([4], [1], distribution="exponential").parameters["rate"] == pytest.approx(
        0.25
    )
    with pytest.raises(InputError, match="events at two times"):
        km.parametric_survival([4], [1], distribution="weibull")


ARM = np.arange(16) % 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"time": [-1, *TIME[1:]]}, r"time\[0\] is -1"),
        ({"time": [0, *TIME[1:]]}, r"time\[0\] is 0"),
        ({"event": [2, *EVENT[1:]]}, r"event\[0\] is 2"),
        ({"event": [0] * 16}, "no event"),
        ({"time": ["a", *TIME[1:]]}, "row 0 is 'a'"),
        ({"distribution": "weibul"}, "perhaps weibull"),
        ({"level": 95}, "level is 95"),
        ({"covariates": {"arm": [1] * 16}}, "the same for every patient"),
        ({"covariates": {"arm": ["a"] * 16}}, "not a number"),
        ({"covariates": {"arm": ARM, "other": 1 - ARM}}, "follow from each other"),
        ({"covariates": {"arm": 1 - np.array(EVENT)}}, "no event where arm is 1"),
        ({"covariates": ARM[:5]}, "have shape"),
        ({"covariates": ARM, "names": ["a", "b"]}, "for 1 columns"),
        ({"distribution": "spline-hazard", "n_knots": -1}, "n_knots is -1"),
        ({"distribution": "spline-hazard", "n_knots": 20}, "fall together"),
        ({"distribution": "spline-hazard", "knots": [0.1]}, "outside the event times"),
        ({"distribution": "spline-hazard", "knots": [5, 4]}, "rising times"),
        ({"distribution": "piecewise-exponential", "knots": [14.5]}, "no event in interval 2"),
        ({"entry": [99] * 16}, "before the patient's own time"),
        ({"weights": [0] * 16}, r"weights\[0\] is 0"),
    ],
)
def test_what_cannot_be_is_refused(changes, words):
    given = {"time": TIME, "event": EVENT, "distribution": "weibull", **changes}
    with pytest.raises(InputError, match=words):
        km.parametric_survival(given.pop("time"), given.pop("event"), given.pop("covariates", None), **given)


def test_predictions_ask_for_what_they_need():
    fit = km.parametric_survival(TIME, EVENT, {"arm": ARM}, distribution="weibull")
    for ask, words in (
        (lambda: fit.survival([1]), "are needed to predict"),
        (lambda: fit.survival([-1], {"arm": 1}), r"times\[0\] is -1"),
        (lambda: fit.hazard([0], {"arm": 1}), r"times\[0\] is 0"),
        (lambda: fit.quantile(1.0, {"arm": 1}), r"p\[0\] is 1"),
        (lambda: fit.survival([1], {"sex": 1}), "the model has"),
        (lambda: fit.survival([1], [[1, 2]]), "have 2 columns"),
        (lambda: fit.rmst(["x"], {"arm": 1}), "not a number"),
    ):
        with pytest.raises(InputError, match=words):
            ask()
