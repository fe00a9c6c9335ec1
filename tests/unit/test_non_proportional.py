"""Treatment effects that change with time: against Cox models, against simulated truth, and refused data."""

import math

import numpy as np
import pytest

import kmeta as km
from kmeta.core.errors import InputError
from kmeta.methods.pooling.non_proportional import functions

MODELS = ["piecewise", "fractional-polynomial", "royston-parmar"]


def trials(late=0.5, early=0.5, k=4, n=300, seed=3, change=8.0):
    """k trials whose hazard ratio is `early` until `change` and `late` after it; censored at 12 to 30."""
    draw = np.random.default_rng(seed)
    study = np.repeat([f"trial {i + 1}" for i in range(k)], n)
    arm = np.tile([0, 1], k * n // 2)
    rate = np.repeat(np.linspace(0.06, 0.12, k), n)
    hazard = draw.exponential(size=k * n) / rate  # the cumulative hazard, in units of the reference's time
    first = hazard / np.where(arm == 1, early, 1.0)
    later = change + (hazard - change * np.where(arm == 1, early, 1.0)) / np.where(arm == 1, late, 1.0)
    death, end = np.where(first <= change, first, later), draw.uniform(12, 30, k * n)
    return np.minimum(death, end), (death <= end).astype(float), arm, study


@pytest.mark.parametrize("model", MODELS)
def test_proportional_data_give_the_ratio_of_one_stage(model):
    data = trials()
    found = km.non_proportional(*data, model=model)
    whole = math.exp(km.one_stage(*data, model="stratified").log_hr)
    for row in found.ratio([3, 8, 14]):
        assert row["ci_low"] < whole < row["ci_high"]
        assert row["ratio"] == pytest.approx(whole, rel=0.25)
    assert found.proportional_p > 0.05


def test_one_period_is_the_cox_model_of_each_study():
    time, event, arm, study = trials(k=3, n=80)
    time = np.ceil(time)  # with ties
    found = km.non_proportional(time, event, arm, study, cuts=[])
    for i, name in enumerate(found.studies):
        own = km.cox(time[study == name], event[study == name], {"arm": arm[study == name]})
        assert found.study_beta[i, 0] == pytest.approx(own.beta[0], abs=1e-8)
        assert found.study_covariance[i, 0, 0] ** 0.5 == pytest.approx(own.se[0], rel=1e-6)
    assert math.isnan(found.proportional_p)


def test_periods_are_those_of_the_cox_model():
    time, event, arm, study = trials(late=1.4, k=1, n=400)
    found = km.non_proportional(time, event, arm, study, cuts=[5, 10], test="z")
    own = km.cox(time, event, {"arm": arm}).by_period([5, 10])
    assert found.beta == pytest.approx([row["log_hr"] for row in own.rows()], abs=1e-7)


@pytest.mark.parametrize(("model", "options"), [("piecewise", {"cuts": [8]}), ("fractional-polynomial", {})])
def test_crossing_hazards_are_seen(model, options):
    found = km.non_proportional(*trials(early=0.4, late=2.0, n=600), model=model, **options)
    early, late = found.ratio([3, 16])
    assert early["ci_high"] < 1 < late["ci_low"]
    assert found.proportional_p < 0.001


def test_periods_recover_the_truth():
    found = km.non_proportional(*trials(early=0.4, late=2.0, n=2000), cuts=[8], method="common", test="z")
    for row, truth in zip(found.ratio([4, 12]), (0.4, 2.0), strict=True):
        assert row["ratio"] == pytest.approx(truth, rel=0.1)


def test_a_log_of_time_recovers_a_weibull_ratio():
    """Weibull arms of shapes 1 and 1.5: log HR(t) = a + 0.5 log t exactly."""
    draw = np.random.default_rng(8)
    arm, study = np.tile([0, 1], 6000), np.repeat(["a", "b", "c"], 4000)
    time = np.where(arm == 1, 10 * draw.weibull(1.5, 12000), 10 * draw.weibull(1.0, 12000))
    found = km.non_proportional(
        time, np.ones(12000), arm, study, model="fractional-polynomial", method="common"
    )
    assert found.beta[1] == pytest.approx(0.5, abs=4 * found.vcov[1, 1] ** 0.5)
    truth = 1.5 * (4 / 10) ** 0.5
    assert found.ratio([4])[0]["ratio"] == pytest.approx(truth, rel=0.08)
    spline = km.non_proportional(time, np.ones(12000), arm, study, model="royston-parmar", method="common")
    assert spline.ratio([4])[0]["ratio"] == pytest.approx((4 / 10) ** 0.5, rel=0.08)  # of cumulative hazards


@pytest.mark.parametrize("model", MODELS)
def test_swapping_the_arms_inverts_the_ratio(model):
    time, event, arm, study = trials(late=1.2, k=3)
    one = km.non_proportional(time, event, arm, study, model=model)
    other = km.non_proportional(time, event, arm, study, model=model, reference=1)
    for a, b in zip(one.ratio([2, 9]), other.ratio([2, 9]), strict=True):
        assert a["ratio"] == pytest.approx(1 / b["ratio"], rel=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_units_of_time_do_not_matter(model):
    time, event, arm, study = trials(late=1.2, k=3)
    months, years = (km.non_proportional(t, event, arm, study, model=model) for t in (time, time / 12))
    assert years.ratio([0.5])[0]["ratio"] == pytest.approx(months.ratio([6])[0]["ratio"], rel=1e-5)
    gain = years.rmst_difference(1.0)
    assert 12 * gain["difference"] == pytest.approx(months.rmst_difference(12)["difference"], rel=1e-5)
    assert 12 * gain["se"] == pytest.approx(months.rmst_difference(12)["se"], rel=1e-3)


def test_the_gain_is_the_difference_of_the_areas_and_what_is_beyond_follow_up_is_marked():
    found = km.non_proportional(*trials(n=400), cuts=[8])
    gain = found.rmst_difference(12)
    at = np.linspace(0, 12, 4001)[:-1]
    rows = found.survival(at)
    area = sum(row["treated"] - row["reference"] for row in rows) * 12 / 4000
    assert gain["difference"] == pytest.approx(area, abs=0.02)
    assert gain["ci_low"] < gain["difference"] < gain["ci_high"]
    assert not found.ratio([found.last_time])[0]["extrapolated"]
    assert found.ratio([found.last_time * 1.01])[0]["extrapolated"]


def test_a_study_that_cannot_tell_is_named_and_the_others_count():
    time, event, arm, study = trials(k=3)
    event = np.where((study == "trial 2") & (arm == 1), 0.0, event)
    found = km.non_proportional(time, event, arm, study, cuts=[8])
    assert found.k == 2
    assert any(text.startswith("trial 2: ") for text in found.warnings)
    assert "trial 2" in found.summary()


def test_powers_repeat_with_a_logarithm():
    t = np.array([1.0, 2.0, 4.0])
    found = functions("fractional-polynomial", t, np.zeros(0), (0.0, 0.0), 1.0)
    assert found[1:] == pytest.approx(np.array([np.log(t), np.log(t) ** 2]))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "cox"}, "no model is named"),
        ({"cuts": [8, 3]}, "do not rise"),
        ({"cuts": [-1]}, "above 0"),
        ({"model": "fractional-polynomial", "powers": [0.3]}, "powers"),
        ({"model": "royston-parmar", "n_knots": 9}, "n_knots"),
        ({"event": np.zeros(600)}, "nobody had the event"),
        ({"treatment": ["a"] * 600}, "1 treatments"),
        ({"study": ["a"]}, "labels"),
        ({"time": [-1.0] * 600}, r"time\[0\] is -1"),
    ],
)
def test_what_cannot_be_used_is_refused(changes, words):
    names = ("time", "event", "treatment", "study")
    given = {**dict(zip(names, trials(k=2, n=300), strict=True)), **changes}
    data = [given.pop(name) for name in names]
    with pytest.raises(InputError, match=words):
        km.non_proportional(*data, **given)
