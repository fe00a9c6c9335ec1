"""Pooled survival at a time."""

import pytest

import kmeta as km
from kmeta.core.errors import InputError

S, N = [0.7, 0.8, 0.6, 0.5, 0.4], [50, 30, 80, 40, 60]


def test_a_class_with_one_arm_a_study_is_a_random_effects_model():
    found = km.survival_at(S, N, time=60, groups=["a", "b", "c", "d", "e"])
    yi, vi = km.effect_sizes("PLO", probability=S, n_effective=N)
    plain = km.random_effects(yi, vi, measure="PLO")
    assert found["all"].effect == plain.effect
    assert found.rows()[0]["studies"] == 5


def test_a_class_with_several_arms_of_a_study_is_a_multilevel_model():
    found = km.survival_at(S, N, time=60, groups=["a", "a", "b", "c", "d"], classes=["X", "X", "X", "Y", "X"])
    assert found["X"].model == "multilevel"
    assert found["X"].test == "t"
    assert found["X"].k_groups == 3
    assert found["Y"].k == 1
    assert found.classes == ("X", "Y")
    with pytest.raises(InputError, match="no class is named"):
        found["Z"]


def test_arms_without_any_or_only_deaths_are_corrected_and_named():
    fit = km.survival_at([0.0, 1.0, 0.5], [10, 20, 30], time=60, labels=["p", "q", "r"])["all"]
    assert fit.warnings[-1].endswith("p, q")
    assert 0 < fit.effect < 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"survival": [0.5, 1.2, 0.1, 0.2, 0.3]}, "1.2"),
        ({"survival": [70, 80, 60, 50, 40]}, "70"),
        ({"n": [10, 0, 10, 10, 10]}, r"n_effective\[1\]"),
        ({"time": -1}, "time is -1"),
        ({"model": "glm"}, "no model is named"),
        ({"groups": ["a"]}, "1 labels for 5"),
    ],
)
def test_what_cannot_be_used_is_refused(change, words):
    options = {"survival": S, "n": N, "time": 60, **change}
    with pytest.raises(InputError, match=words):
        km.survival_at(options.pop("survival"), options.pop("n"), **options)


def test_effective_sizes_from_what_each_arm_printed():
    found = km.survival_at(
        [0.6, 0.7, 0.5],
        [60, 100, None],
        time=60,
        ci_low=[0.45, None, None],
        ci_high=[0.72, None, None],
        n_risk=[None, 35, 20],
    )
    by_interval = km.effective_sample_size(0.6, ci=(0.45, 0.72), n=60).n_effective
    assert found.n_effective == pytest.approx([by_interval, 50, 40])
    assert found.basis == ("ci", "n at risk", "n at risk")
    plain = km.survival_at([0.6, 0.7, 0.5], found.n_effective, time=60)
    assert found["all"].effect == plain["all"].effect
    assert plain.basis == ("n",) * 3


def test_more_precision_than_patients_is_held_and_told():
    found = km.survival_at([0.6, 0.7], [20, 50], time=60, se=[0.01, 0.08], labels=["p", "q"])
    assert found.n_effective[0] == 20
    assert "held at n" in found.warnings[0]
    assert found.warnings[0].endswith("p")
    assert found.warnings[0] in found.summary()


def test_the_summary_calls_a_difference_an_association_and_the_script_names_metafor():
    found = km.survival_at(S, N, time=60, classes=["X", "X", "X", "Y", "Y"])
    assert "association" in found.summary()
    assert found.r_script().count("library(metafor)") == 2
    assert "association" not in km.survival_at(S, N, time=60).summary()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "nothing tells the precision"),
        ({"n_risk": [10, None]}, "arm 1"),
        ({"n_risk": [10]}, "2 arms"),
        ({"ci_low": [0.8, 0.5], "ci_high": [0.9, 0.9]}, "arm 0.*does not hold 0.6"),
        ({"se": ["x", 1]}, "not a number"),
    ],
)
def test_reports_that_cannot_be_are_refused(given, words):
    with pytest.raises(InputError, match=words):
        km.survival_at([0.6, 0.7], time=60, **given)
