"""maic and stc: what weights do, what they assume, and what cannot be reached."""

import json
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import ConvergenceError, InputError

RNG = np.random.default_rng(7)
N = 80
AGE, FEMALE = RNG.normal(65, 9, N), (RNG.random(N) < 0.4).astype(float)
COVARIATES = {"age": AGE, "female": FEMALE}
TIME = RNG.exponential(10 * np.exp(-0.02 * (AGE - 65)))
EVENT = (TIME < 14).astype(int)
TIME = np.minimum(TIME, 14)
GROUP = ["drug" if i % 2 else "placebo" for i in range(N)]


class Fitted:
    def __init__(self, beta, se):
        self.beta, self.vcov = np.atleast_1d(beta), np.atleast_2d(se**2)


def rate_ratio(time, event, covariates, *, weights, robust):
    """The weighted exponential model of one covariate 0/1, in closed form: quick, and in the shape of a Cox model."""
    first = np.asarray(covariates["first"]) == 1
    events = [float((weights * event)[side].sum()) for side in (first, ~first)]
    times = [float((weights * time)[side].sum()) for side in (first, ~first)]
    if min(events) == 0:
        raise ConvergenceError("no event in an arm")
    y = np.log(events[0] / times[0]) - np.log(events[1] / times[1])
    return Fitted(y, np.sqrt(1 / events[0] + 1 / events[1]))


def test_weighted_means_are_the_target_and_the_effective_size_is_smaller():
    found = km.maic(COVARIATES, {"age": 60.0, "female": 0.6}, target_sd={"age": 8.0})
    assert found.weights.sum() == pytest.approx(N)
    assert (found.weights > 0).all()
    assert 1 <= found.ess < N
    for row in found.rows():
        assert row["after"] == pytest.approx(row["target"], abs=1e-7)
    assert found.rows()[0]["sd_after"] == pytest.approx(8.0, abs=1e-7)
    assert found.terms == ("age", "age squared", "female")
    assert sum(row["count"] for row in found.histogram(7)) == N
    assert found.anchored is None
    assert found.effect is None
    assert "effective sample size" in found.summary()
    json.dumps(found.to_dict())
    assert "centred" not in found.to_dict(), "patients stay out of files"
    assert not found.weights.flags.writeable


def test_the_own_means_as_target_leave_everybody_as_they_are():
    found = km.maic(COVARIATES, {name: float(np.mean(values)) for name, values in COVARIATES.items()})
    assert found.weights == pytest.approx(np.ones(N), abs=1e-8)
    assert found.ess == pytest.approx(N)


@settings(max_examples=40, deadline=None)
@given(st.floats(58, 72), st.floats(0.1, 0.9), st.floats(0.01, 1000), st.floats(-500, 500))
def test_weights_do_not_depend_on_unit_or_origin(age, share, unit, origin):
    one = km.maic(COVARIATES, {"age": age, "female": share})
    other = km.maic(
        {"age": unit * AGE + origin, "female": FEMALE}, {"age": unit * age + origin, "female": share}
    )
    assert other.weights == pytest.approx(one.weights, rel=1e-6)


def test_a_copy_of_a_covariate_changes_nothing():
    twice = km.maic(COVARIATES | {"again": AGE}, {"age": 61.0, "female": 0.5, "again": 61.0})
    once = km.maic(COVARIATES, {"age": 61.0, "female": 0.5})
    assert twice.weights == pytest.approx(once.weights, rel=1e-8)


@pytest.mark.parametrize(
    ("covariates", "target", "words"),
    [
        ({}, {}, "no covariates"),
        (COVARIATES, [60, 0.5], "name -> published number"),
        (COVARIATES, {"age": 60.0}, "'female' is not in both"),
        (COVARIATES, {"age": 60.0, "female": 0.5, "other": 1.0}, "'other' is not in both"),
        (COVARIATES, {"age": 120.0, "female": 0.5}, "target of age is 120"),
        (COVARIATES, {"age": "old", "female": 0.5}, "age is 'old'"),
        (COVARIATES, {"age": float("nan"), "female": 0.5}, "age is nan"),
        ({"age": AGE, "female": FEMALE[:-1]}, {"age": 60.0, "female": 0.5}, "79 values, 80 times"),
        ({"age": ["x"] * N}, {"age": 60.0}, "not a number"),
        ({"age": [60.0, np.nan]}, {"age": 60.0}, r"age\[1\] is nan"),
        # each mean can be reached, not both: who is tall is heavy
        ({"a": [1, 2, 3, 4], "b": [1, 2, 3, 4]}, {"a": 2.0, "b": 3.0}, "to the target together"),
        ({"a": [0, 0, 1, 1], "b": [0, 1, 0, 0]}, {"a": 0.5, "b": 0.5}, "to the target together"),
    ],
)
def test_what_cannot_be_reached_is_told(covariates, target, words):
    with pytest.raises(InputError, match=words):
        km.maic(covariates, target)


def test_an_unanchored_comparison_says_what_it_assumes():
    other = RNG.exponential(8, 60)
    found = km.maic(
        COVARIATES,
        {"age": 62.0, "female": 0.5},
        time=TIME,
        event=EVENT,
        comparator=(other, np.ones(60)),
        labels=("ours", "theirs"),
        cox=rate_ratio,
    )
    assert found.anchored is False
    assert [c.how for c in found.contrasts] == [
        "unadjusted Cox model, robust se",
        "weighted Cox model, robust se",
    ]
    text = found.summary()
    assert "assumes no unmeasured confounding" in text
    assert "HR ours against theirs" in text
    assert found.effect.ci_low < found.effect.ratio < found.effect.ci_high


def test_an_anchored_comparison_goes_through_the_common_comparator():
    published = km.hazard_ratio(hr=0.7, ci_low=0.5, ci_high=0.98)
    found = km.maic(
        COVARIATES,
        {"age": 62.0, "female": 0.5},
        time=TIME,
        event=EVENT,
        group=GROUP,
        reference="placebo",
        published=published,
        cox=rate_ratio,
    )
    assert found.anchored
    assert (found.effect.first, found.effect.second) == ("drug", "the other study")
    assert found.effect.estimate == found.contrasts[1].estimate - published.log_hr
    assert "every effect modifier" in found.summary()


def test_the_bootstrap_is_repeatable_and_near_the_robust_error():
    def ask(seed):
        return km.maic(
            COVARIATES,
            {"age": 62.0, "female": 0.5},
            time=TIME,
            event=EVENT,
            group=GROUP,
            bootstrap=200,
            seed=seed,
            cox=rate_ratio,
        )

    one, again, other = ask(1), ask(1), ask(2)
    assert one.effect.se == again.effect.se != other.effect.se
    assert one.effect.se == pytest.approx(0.3, abs=0.15)
    assert "200 bootstrap samples" in one.effect.how


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"time": TIME}, "without event"),
        ({"time": TIME, "event": EVENT}, "group .anchored. or comparator"),
        ({"time": TIME, "event": EVENT, "group": GROUP, "comparator": (TIME, EVENT)}, "one of them"),
        ({"time": TIME, "event": EVENT, "group": ["a"] * N}, "1 groups"),
        ({"time": TIME, "event": EVENT, "group": GROUP, "reference": "nobody"}, "no group is 'nobody'"),
        ({"time": TIME, "event": EVENT, "group": GROUP, "published": (1, 0)}, "se 0"),
        ({"time": TIME, "event": EVENT, "group": GROUP, "published": "0.5"}, "HazardRatio, or"),
        (
            {"time": TIME, "event": EVENT, "comparator": (TIME, EVENT), "published": (0, 1)},
            "anchored comparisons",
        ),
        ({"time": TIME[:-1], "event": EVENT[:-1], "group": GROUP[:-1]}, "79 times, 80 patients"),
        ({"time": -TIME, "event": EVENT, "group": GROUP}, "0 or later"),
        ({"time": TIME, "event": EVENT + 1, "group": GROUP}, "1 event, 0 censored"),
        ({"group": GROUP}, "without outcomes"),
        ({"time": TIME, "event": EVENT, "comparator": (TIME,)}, "is no pair"),
        ({"time": TIME, "event": EVENT, "group": GROUP, "bootstrap": 3}, "bootstrap is 3"),
        ({"time": TIME, "event": EVENT, "group": GROUP, "level": 95}, "level is 95"),
    ],
)
def test_a_comparison_that_cannot_be_made_is_told(more, words):
    with pytest.raises(InputError, match=words):
        km.maic(COVARIATES, {"age": 62.0, "female": 0.5}, cox=rate_ratio, **more)


def test_few_effective_patients_are_warned_of():
    far = km.maic({"age": AGE}, {"age": float(np.sort(AGE)[-4])})
    assert far.ess < 0.25 * N
    assert any("overlap little" in text for text in far.warnings)


def test_the_r_script_finds_the_same_effective_size():
    if not shutil.which("Rscript"):
        pytest.skip("R is not installed")
    found = km.maic(COVARIATES, {"age": 61.0, "female": 0.5})
    done = subprocess.run(
        ["Rscript", "-"], input=found.r_script(), capture_output=True, text=True, check=True
    )
    assert float(done.stdout.split()[-1]) == pytest.approx(found.ess, rel=1e-4)


OUTCOME = ((TIME < 8) & (EVENT == 1)).astype(int)


def test_a_simulated_comparison_at_the_own_means_is_near_the_plain_one():
    means = {name: float(np.mean(values)) for name, values in COVARIATES.items()}
    found = km.stc(COVARIATES, means, outcome=OUTCOME, comparator=(40, 100))
    plain, adjusted = found.contrasts
    assert adjusted.estimate == pytest.approx(plain.estimate, abs=0.15)
    assert "no unmeasured confounding" in found.summary()
    assert found.measure == "OR"
    assert {tuple(row) for row in found.rows()} == {tuple(found.rows()[0])}


def test_without_modifiers_the_effect_is_the_same_everywhere():
    kept = {"outcome": OUTCOME, "group": GROUP, "reference": "placebo", "modifiers": []}
    here = km.stc(COVARIATES, {"age": 60.0, "female": 0.5}, **kept)
    there = km.stc(COVARIATES, {"age": 70.0, "female": 0.2}, **kept)
    assert here.effect.estimate == pytest.approx(there.effect.estimate, abs=1e-9)
    modified = km.stc(COVARIATES, {"age": 70.0, "female": 0.2}, **kept | {"modifiers": None})
    assert modified.effect.estimate != pytest.approx(here.effect.estimate, abs=1e-3)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "give outcome, or time"),
        ({"outcome": OUTCOME, "time": TIME, "event": EVENT}, "give outcome, or time"),
        ({"outcome": OUTCOME}, "nothing to compare"),
        ({"outcome": OUTCOME, "comparator": 5}, "is 5"),
        ({"outcome": OUTCOME + 1, "comparator": (4, 9)}, "1 event, 0 none"),
        ({"outcome": OUTCOME, "comparator": (9, 9)}, "9 events of 9"),
        ({"outcome": OUTCOME, "group": GROUP, "comparator": (4, 9)}, "unanchored comparisons"),
        ({"outcome": OUTCOME, "group": GROUP, "modifiers": ["x"]}, "no covariate is 'x'"),
        ({"time": TIME, "event": EVENT}, "one arm has no level"),
        ({"time": TIME, "group": GROUP}, "time without event"),
        ({"outcome": OUTCOME, "group": GROUP, "level": 2}, "level is 2"),
    ],
)
def test_a_regression_that_cannot_be_read_is_told(more, words):
    with pytest.raises(InputError, match=words):
        km.stc(COVARIATES, {"age": 62.0, "female": 0.5}, **more)


def test_a_covariate_that_tells_the_outcomes_apart_has_no_estimate():
    with pytest.raises(ConvergenceError, match="tells the outcomes apart"):
        km.stc({"age": [50, 55, 60, 65, 70, 75]}, {"age": 60}, outcome=[0, 0, 0, 1, 1, 1], comparator=(4, 9))
    with pytest.raises(InputError, match="follow from each other"):
        km.stc(
            {"age": [50, 55, 60, 65], "b": [100, 110, 120, 130]},
            {"age": 60, "b": 115},
            outcome=[0, 1, 0, 1],
            comparator=(4, 9),
        )
