"""Mixture cure: what is found in simulated patients, and when a cured share is not to be believed."""

import json

import numpy as np
import pytest

import kmeta as km
from kmeta.core.errors import InputError


def patients(n, cured, follow_up, seed=8, scale=2.0):
    rng = np.random.default_rng(seed)
    time = np.where(rng.random(n) < cured, np.inf, scale * rng.weibull(1.3, n))
    end = follow_up * (0.5 + 0.5 * rng.random(n))
    return np.minimum(time, end), (time <= end).astype(int)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_the_share_is_found_whatever_the_link(link):
    time, event = patients(1500, 0.35, 15)
    model = km.cure_model(time, event, link=link)
    row = model.rows()[0]
    assert abs(row["estimate"] - 0.35) < 3 * row["se"]
    assert row["ci_low"] < row["estimate"] < row["ci_high"]
    assert model.delta_aic < -50
    assert model.warnings == ()


def test_a_covariate_moves_the_share():
    (a, b), (c, d) = patients(800, 0.2, 15), patients(800, 0.5, 15, seed=9)
    arm = np.repeat([0, 1], 800)
    model = km.cure_model(np.append(a, c), np.append(b, d), covariates={"arm": arm})
    shares = [row["cure_fraction"] for row in model.cure_fraction({"arm": [0, 1]})]
    assert shares == pytest.approx([0.2, 0.5], abs=0.06)
    late = model.survival([14], {"arm": [0, 1]}).estimate
    assert late == pytest.approx(shares, abs=0.02)


def test_short_follow_up_is_told():
    time, event = patients(300, 0.0, 2.5)
    model = km.cure_model(time, event)
    said = " ".join(model.warnings)
    assert "follow-up: Maller and Zhou" in said
    assert "plateau" in said
    assert model.follow_up.maller_zhou >= 0.05


def test_no_cure_is_told_when_all_have_the_event():
    time = 2 * np.random.default_rng(1).weibull(1.3, 200)
    model = km.cure_model(time, np.ones(200))
    assert model.rows()[0]["estimate"] < 0.02
    assert any("no gain" in text for text in model.warnings)
    assert model.follow_up.n_beyond == 0


def test_a_share_that_hangs_on_one_patient_is_told():
    time = [0.5, 0.8, 1, 1.2, 1.5, 2, 2.2, 3, 3.5, 4, 5, 6, 7, 9]
    event = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0]
    model = km.cure_model(time, event)
    assert len(model.refits) == 2
    moved = abs(model.refits[0].cure_fraction - model.rows()[0]["estimate"])
    assert (moved > model.rows()[0]["se"]) == any("fragile: the last" in text for text in model.warnings)


def test_the_maller_zhou_statistic_by_hand():
    """Last event 6, follow-up 9: events in (3, 6] are 4 and 6; 10 patients."""
    model = km.cure_model([1, 2, 3, 4, 6, 7, 8, 8.5, 9, 9], [1, 1, 1, 1, 1, 0, 0, 0, 0, 0])
    assert model.follow_up.late_events == 2
    assert model.follow_up.maller_zhou == pytest.approx(0.8**10)
    assert (model.follow_up.n_beyond, model.follow_up.share_beyond) == (5, pytest.approx(1 / 3))


def test_unit_of_time_and_views():
    time, event = patients(200, 0.4, 15)
    years, months = km.cure_model(time, event), km.cure_model(12 * time, event)
    assert months.rows()[0]["estimate"] == pytest.approx(years.rows()[0]["estimate"], abs=1e-6)
    assert json.dumps(years.to_dict()) == json.dumps(km.cure_model(time, event).to_dict())
    assert "Maller-Zhou" in years.summary()
    assert "flexsurvcure" in years.r_script()
    assert np.isnan(years.quantile(0.9).estimate[0])
    assert years.rmst(5).estimate[0] < 5


@pytest.mark.parametrize(
    "base", ["log-normal", "log-logistic", "generalised-gamma", "gompertz", "spline-hazard"]
)
def test_other_times_for_those_not_cured(base):
    time, event = patients(600, 0.35, 15)
    model = km.cure_model(time, event, distribution=base)
    assert 0.2 < model.rows()[0]["estimate"] < 0.45
    assert model.loglik >= model.without_cure.loglik - 1e-3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"link": "log"}, "no link is named"),
        ({"distribution": "cure"}, "no survival distribution"),
        ({"event": [0] * 6}, "no event"),
        ({"time": [1, 2, 3, 4, 5, -6]}, r"time\[5\] is -6"),
    ],
)
def test_what_cannot_be_is_refused(changes, words):
    given = {"time": [1, 2, 3, 4, 5, 6], "event": [1, 1, 1, 0, 0, 0], **changes}
    with pytest.raises(InputError, match=words):
        km.cure_model(given.pop("time"), given.pop("event"), **given)
